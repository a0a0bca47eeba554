//! Tables: segments that cover a device from sector 0 without gaps, each with its target.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::host::Component;
use crate::io::{Bio, Piece};
use crate::targets::Target;

/// One line of a table.
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
    components: Vec<Component<C>>,
    read_only: bool,
}

impl<C> Table<C> {
    /// The components that [`crate::io::Verb::Remap`] indexes.
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
}

/// The pieces of one request, in order. Made by `Table::pieces(bio, now_ms)`; allocates nothing.
#[derive(Debug)]
pub struct Pieces<'t> {
    _segments: &'t [Segment],
    _bio: Bio,
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        None
    }
}
