//! Tables: segments that cover a device from sector 0 without gaps, each with its target.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use dm_abi::errno::Errno;

use crate::host::{Component, DevNo, DevSpec, Limits};
use crate::io::{Bio, Op, Piece, Verb};
use crate::targets::args::Given;
use crate::targets::{Asked, Direction, DiscardRule, Target};
use zeroize::Zeroize;

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
    /// table names by number, or by the same path.
    ///
    /// # Errors
    /// EINVAL for a table that is empty, has a gap, an overlap, a line of length 0, an unknown type or one that its
    /// target refuses, or that leaves its component; EOVERFLOW for an impossible device number; those of `open`.
    pub fn build<'l>(
        open: &mut OpenComponent<'_, C>,
        lines: impl IntoIterator<Item = Line<'l>>,
        read_only: bool,
        given: Given,
    ) -> Result<Self, TableError> {
        build::build(open, &mut lines.into_iter(), read_only, given)
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
                .chain(self.segments.iter().map(|segment| segment.target.block_size()))
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

    /// Appends the parameter text of a segment of this table for an exported state: building a table of it gives the same.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_saved(&self, segment: &Segment, out: &mut dyn fmt::Write) -> fmt::Result {
        segment.target.save(&|component| self.device(component), out)
    }

    /// Appends what segment number `index` has become since the table was built, see [`Table::restore`]; for most that is
    /// nothing.
    pub fn write_state(&self, index: usize, out: &mut Vec<u8>) {
        if !self.machine_state(index, out)
            && let Some(segment) = self.segments.get(index)
        {
            segment.target.state(out);
        }
    }

    /// Makes segment number `index` what [`Table::write_state`] gave of another table with the same lines. The machines are
    /// there already, and the table was not live.
    ///
    /// # Errors
    /// EINVAL when that cannot be of this segment.
    pub fn restore(&self, index: usize, state: &[u8]) -> Result<(), TableError> {
        let restored = state.is_empty()
            || self.machine_restore(index, state).unwrap_or_else(|| {
                let segment = self.segments.get(index);
                segment.is_some_and(|segment| segment.target.restore(state))
            });
        restored.then_some(()).ok_or_else(|| TableError {
            errno: Errno::EINVAL,
            reason: alloc::format!("line {}: it cannot have become what is saved of it", index + 1),
        })
    }

    /// Whether a device can be resumed with this table.
    ///
    /// # Errors
    /// What the resume then fails with: EAGAIN when a key is missing.
    pub fn can_resume(&self) -> Result<(), Errno> {
        self.segments.iter().try_for_each(|segment| segment.target.can_resume())
    }

    /// Changes data of a piece with [`Verb::Transform`], which begin `done` sectors into the piece.
    ///
    /// # Errors
    /// EIO when that cannot be done; the piece then fails.
    pub fn transform(
        &self,
        direction: Direction,
        bio: &Bio,
        piece: &Piece,
        done: u64,
        data: &mut [u8],
    ) -> Result<(), Errno> {
        let sector = bio
            .sector
            .checked_add(piece.offset)
            .and_then(|sector| sector.checked_add(done));
        let sector = sector.ok_or(Errno::EIO)?;
        let segment = self.segment_at(sector).ok_or(Errno::EIO)?;
        segment.target.transform(direction, sector - segment.start, data)
    }
}

impl<C: Clone> Table<C> {
    /// Passes a message to the target at `sector`, and appends its answer, if it has one, to `reply`. The host performs
    /// what is returned.
    ///
    /// # Errors
    /// EINVAL when no segment is there or its target does not know the message.
    pub fn message(
        &self,
        sector: u64,
        text: &[u8],
        asked: &Asked,
        reply: &mut Vec<u8>,
    ) -> Result<MachineWork<C>, Errno> {
        let segment = self.segment_at(sector).ok_or(Errno::EINVAL)?;
        let mut words = crate::targets::args::split(text);
        let of_machine = self.machine_message(self.index.find(sector), &words, reply);
        let result = of_machine.unwrap_or_else(|| segment.target.message(&words, asked, reply).map(|()| Vec::new()));
        if segment.target.is_secret() {
            words.zeroize();
        }
        result
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
