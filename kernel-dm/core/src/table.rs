//! Tables: segments that cover a device from sector 0 without gaps, each with its target.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use dm_abi::errno::Errno;

use crate::host::{Component, DevNo, DevSpec, Limits};
use crate::io::{Bio, Op, Piece, Verb};
use crate::targets::{DiscardRule, Target};

mod build;
mod index;
mod members;
mod pieces;

pub use members::{FindMachine, MachineWork};
pub use pieces::Pieces;

/// One line of a table, as a client gives it.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// First sector of the mapped device.
    pub start: u64,
    /// Length in sectors.
    pub length: u64,
    /// Name of the target type.
    pub kind: &'a [u8],
    /// The target's parameters, one text.
    pub params: &'a [u8],
}

/// How [`Table::build`] opens a component; the flag asks for read-only.
pub type OpenComponent<'a, C> = dyn FnMut(DevSpec<'_>, bool) -> Result<Component<C>, Errno> + 'a;

/// Why a table was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableError {
    /// What the client gets.
    pub errno: Errno,
    /// Which line, and what was wrong with it, for a log.
    pub reason: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl core::error::Error for TableError {}

/// A line of a built table.
#[derive(Debug)]
pub struct Segment {
    /// First sector of the mapped device.
    pub start: u64,
    /// Length in sectors, never 0.
    pub length: u64,
    /// What happens to I/O there.
    pub target: Target,
}

/// A whole table, immutable once built (targets may count inside).
#[derive(Debug)]
pub struct Table<C> {
    segments: Box<[Segment]>,
    index: index::Index,
    flushes: Box<[pieces::FlushStep]>,
    components: Box<[Component<C>]>,
    /// By segment; empty when none has a machine.
    members: Box<[Option<members::Member<C>>]>,
    read_only: bool,
}

impl<C> Table<C> {
    /// Builds a table from its lines. `open` opens a component read-only or not; it is called once for each that the
    /// table names by number, or by the same path. `now_ms` is the host's clock.
    ///
    /// # Errors
    /// EINVAL for a table that is empty, has a gap, an overlap, a line of length 0, an unknown type or one that its
    /// target refuses, or that leaves its component; EOVERFLOW for an impossible device number; those of `open`.
    pub fn build<'l>(
        open: &mut OpenComponent<'_, C>,
        lines: impl IntoIterator<Item = Line<'l>>,
        read_only: bool,
        now_ms: u64,
    ) -> Result<Self, TableError> {
        build::build(open, &mut lines.into_iter(), read_only, now_ms)
    }

    /// The components that [`crate::io::Verb::Remap`] indexes, each device once, in the order of the table lines.
    /// (A list of dependencies has them in the opposite order on Linux.)
    #[must_use]
    pub fn components(&self) -> &[Component<C>] {
        &self.components
    }

    /// The segments in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it was loaded read-only.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// Size in sectors.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        self.segments.last().map_or(0, |last| last.start + last.length)
    }

    /// What a host tells the block layer.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            sectors: self.sectors(),
            read_only: self.read_only,
            logical_block_size: self
                .components
                .iter()
                .map(Component::logical_block_size)
                .fold(512, u32::max),
            discard: self.segments.iter().all(|segment| self.accepts_discards(segment)),
        }
    }

    fn accepts_discards(&self, segment: &Segment) -> bool {
        match segment.target.discard_rule() {
            DiscardRule::Accepts => true,
            DiscardRule::Refuses => false,
            DiscardRule::Components => {
                let mut all = true;
                segment.target.extents(segment.length, &mut |extent| {
                    all &= self.components[extent.component as usize].discard();
                });
                all
            }
        }
    }

    /// The pieces of one request. `now_ms` is the host's clock. Allocates nothing.
    ///
    /// A request that leaves the table is one piece that fails.
    #[must_use]
    pub fn pieces(&self, bio: Bio, now_ms: u64) -> Pieces<'_> {
        Pieces::new(&self.segments, &self.index, &self.flushes, bio, now_ms)
    }

    /// The host starts the work of a piece that had a delay: it does not count as delayed any more.
    pub fn delay_over(&self, bio: &Bio, piece: &Piece) {
        if let Some(segment) = self.segment_at(bio.sector.saturating_add(piece.offset)) {
            segment.target.delay_over(bio.op);
        }
    }

    /// A piece failed at its component (for a reason other than that it lacks the operation). True when the host is to
    /// raise an event on the device.
    #[must_use]
    pub fn piece_failed(&self, bio: &Bio, piece: &Piece) -> bool {
        let Verb::Remap { component, sector, .. } = piece.verb else {
            return false;
        };
        if bio.op == Op::Flush {
            return false;
        }
        let segment = self.segment_at(bio.sector.saturating_add(piece.offset));
        segment.is_some_and(|segment| segment.target.failed(component, sector, segment.length))
    }

    /// The segment that holds a sector.
    #[must_use]
    pub fn segment_at(&self, sector: u64) -> Option<&Segment> {
        if sector >= self.sectors() {
            return None;
        }
        self.segments.get(self.index.find(sector))
    }

    fn device(&self, component: u32) -> DevNo {
        self.components[component as usize].dev()
    }

    /// Appends the parameter text of a segment of this table, as a table line has it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_table(&self, segment: &Segment, out: &mut dyn fmt::Write) -> fmt::Result {
        segment.target.table(&|component| self.device(component), out)
    }

    /// Appends the status text of a segment of this table.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_status(&self, segment: &Segment, out: &mut dyn fmt::Write) -> fmt::Result {
        if self.has_machines()
            && let Some(result) = self.machine_status(self.index.find(segment.start), out)
        {
            return result;
        }
        segment.target.status(&|component| self.device(component), out)
    }

    /// Passes a message to the target at `sector`, and appends its answer, if it has one, to `reply`.
    ///
    /// # Errors
    /// EINVAL when no segment is there or its target does not know the message.
    pub fn message(&self, sector: u64, text: &[u8], now_ms: u64, reply: &mut Vec<u8>) -> Result<(), Errno> {
        let segment = self.segment_at(sector).ok_or(Errno::EINVAL)?;
        segment
            .target
            .message(&crate::targets::args::split(text), now_ms, reply)
    }
}

impl<C> Component<C> {
    /// The component's number.
    #[must_use]
    pub fn dev(&self) -> DevNo {
        match self {
            Component::Host(opened) => opened.dev,
            Component::Mapped { dev, .. } => *dev,
        }
    }

    /// The component's size in sectors.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        match self {
            Component::Host(opened) => opened.sectors,
            Component::Mapped { sectors, .. } => *sectors,
        }
    }

    /// The component's logical block size in bytes.
    #[must_use]
    pub fn logical_block_size(&self) -> u32 {
        match self {
            Component::Host(opened) => opened.logical_block_size,
            Component::Mapped { logical_block_size, .. } => *logical_block_size,
        }
    }

    /// Whether the component accepts discards.
    #[must_use]
    pub fn discard(&self) -> bool {
        match self {
            Component::Host(opened) => opened.discard,
            Component::Mapped { discard, .. } => *discard,
        }
    }
}
