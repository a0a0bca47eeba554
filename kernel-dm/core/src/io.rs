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

/// A part of a request that goes to one place. The pieces of a request cover it in order and without gaps
/// (those of a flush have no sectors and go each to another component).
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
        /// Done only after this many milliseconds; the host reports the start of the work with
        /// [`crate::table::Table::delay_over`] when it is not 0.
        delay_ms: u32,
        /// The host changes one byte of the data in passing.
        corrupt: Option<Corrupt>,
    },
    /// Reads give zeroes, writes succeed and are dropped.
    Zero,
    /// Succeeds without any work.
    Drop,
    /// Fails.
    Fail(Errno),
}

/// A deliberate damage of one byte in a request's data (target flakey).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Index of the byte within the request's data, in bytes from the start of the whole request.
    pub byte: u64,
    /// The value that it gets.
    pub value: u8,
}
