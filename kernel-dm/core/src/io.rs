//! Requests that come from above and the pieces they are cut into. All lengths are sectors of 512 bytes.

use dm_abi::errno::Errno;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Reads data.
    Read,
    /// Writes data.
    Write,
    /// Makes all completed writes durable; has no sectors.
    Flush,
    /// Tells that the sectors' content is no longer needed.
    Discard,
    /// Writes zeroes without carrying data.
    WriteZeroes,
}

/// One request to a mapped device, in the device's own sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bio {
    /// What to do.
    pub op: Op,
    /// First sector.
    pub sector: u64,
    /// Number of sectors; 0 for [`Op::Flush`].
    pub sectors: u64,
    /// A write that must be durable when it completes.
    pub fua: bool,
}

impl Bio {
    /// An operation on some sectors; a write need not be durable when it completes.
    #[must_use]
    pub const fn new(op: Op, sector: u64, sectors: u64) -> Self {
        Self {
            op,
            sector,
            sectors,
            fua: false,
        }
    }

    /// A flush.
    #[must_use]
    pub const fn flush() -> Self {
        Self::new(Op::Flush, 0, 0)
    }

    /// The same, durable when it completes.
    #[must_use]
    pub const fn durable(self) -> Self {
        Self { fua: true, ..self }
    }
}

/// A part of a request that goes to one place. The pieces of a request cover it in order and without gaps.
///
/// * [`Op::Read`], [`Op::Write`]: sector `offset + i` of the request is sector `i` of the piece.
/// * [`Op::Discard`], [`Op::WriteZeroes`] carry no data: a piece may stand for as many sectors from all over the
///   request (a striped target gathers what lies on one stripe); together the pieces reach exactly the request's sectors.
/// * [`Op::Flush`]: no sectors; each piece goes to another component, or to a segment that wants a flush for itself, and
///   `offset` is the start of that segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Distance from the request's first sector, in sectors.
    pub offset: u64,
    /// Length in sectors.
    pub sectors: u64,
    /// What the host does with it.
    pub verb: Verb,
}

/// What a host does with a [`Piece`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The same operation at `sector` of the table's component number `component`.
    Remap {
        /// Index into [`crate::table::Table::components`].
        component: u32,
        /// First sector on the component.
        sector: u64,
        /// Done only after this many milliseconds; when it is not 0, the host reports the start of the work with
        /// [`crate::table::Table::delay_over`]. While the device is being suspended it is done at once.
        delay_ms: u32,
        /// The host changes one byte of the data in passing: of what is read, or of a copy of what is written.
        corrupt: Option<Corrupt>,
    },
    /// As a plain remap, but the data are changed on their way, by [`crate::table::Table::transform`]: those of a read when
    /// it is complete; those of a write in a copy, for the caller's must stay as they are. Zeroes ([`Op::WriteZeroes`]) are
    /// written as data.
    Transform {
        /// Index into [`crate::table::Table::components`].
        component: u32,
        /// First sector on the component.
        sector: u64,
    },
    /// Reads give zeroes, writes succeed and are dropped.
    Zero,
    /// Succeeds without any work.
    Drop,
    /// Fails.
    Fail(Errno),
    /// The target's machine decides: see [`crate::table::Table::ask`].
    Ask,
    /// Only of a piece that a machine lets go while its device is being suspended: the whole request comes back to the
    /// device's gate when its other pieces are complete, and is done once more with the next table. It has not failed.
    Again,
}

impl Verb {
    /// The plain remap.
    #[must_use]
    pub fn remap(component: u32, sector: u64) -> Self {
        Verb::Remap {
            component,
            sector,
            delay_ms: 0,
            corrupt: None,
        }
    }
}

/// A deliberate damage of one byte in a request's data (target flakey).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Index of the byte within the request's data, in bytes from the start of the whole request.
    pub byte: u64,
    /// The value that it gets.
    pub value: u8,
}
