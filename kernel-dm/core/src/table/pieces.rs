//! Cutting requests into pieces.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use dm_abi::errno::Errno;

use super::Segment;
use super::index::Index;
use crate::io::{Bio, Op, Piece, Verb};
use crate::targets::{FlushRule, Part};

/// One piece of every flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlushStep {
    /// Index of a segment that wants it.
    segment: usize,
    component: u32,
    /// Position among the segment's extents when the target decides, else `None`.
    ask: Option<u32>,
}

impl FlushStep {
    /// The pieces that flush a table: each component once, and besides what the targets want for themselves.
    pub(super) fn plan(segments: &[Segment]) -> Box<[FlushStep]> {
        let mut steps = Vec::new();
        let mut plain = BTreeSet::new();
        for (index, segment) in segments.iter().enumerate() {
            let mut used = Vec::new();
            segment
                .target
                .extents(segment.length, &mut |extent| used.push(extent.component));
            for (nth, &component) in used.iter().enumerate() {
                let ask = match segment.target.flush_rule() {
                    FlushRule::Nothing => break,
                    FlushRule::Components if !plain.insert(component) => continue,
                    FlushRule::Components => None,
                    FlushRule::Ask if used[nth + 1..].contains(&component) => continue,
                    FlushRule::Ask => u32::try_from(nth).ok(),
                };
                steps.push(FlushStep {
                    segment: index,
                    component,
                    ask,
                });
            }
        }
        steps.into_boxed_slice()
    }
}

/// The pieces of one request, in order; made by [`super::Table::pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'t> {
    segments: &'t [Segment],
    flushes: &'t [FlushStep],
    bio: Bio,
    now_ms: u64,
    /// Sectors that were given out; of a flush: steps.
    offset: u64,
    /// Sectors to give out; 0 once the iterator is at its end.
    total: u64,
    /// Index of the segment where the next piece begins.
    index: usize,
    /// Value of `offset` where the part in that segment begins.
    part_offset: u64,
}

impl<'t> Pieces<'t> {
    #[inline]
    pub(super) fn new(segments: &'t [Segment], index: &Index, flushes: &'t [FlushStep], bio: Bio, now_ms: u64) -> Self {
        let (index, total) = match bio.op {
            Op::Flush => (0, flushes.len() as u64),
            _ => (index.find(bio.sector), bio.sectors),
        };
        Self {
            segments,
            flushes,
            bio,
            now_ms,
            offset: 0,
            total,
            index,
            part_offset: 0,
        }
    }

    #[cold]
    fn next_flush(&mut self) -> Piece {
        let step = self.flushes[usize::try_from(self.offset).unwrap_or(usize::MAX)];
        self.offset += 1;
        let segment = &self.segments[step.segment];
        Piece {
            offset: segment.start,
            sectors: 0,
            verb: match step.ask {
                None => Verb::remap(step.component, 0),
                Some(nth) => segment.target.flush(step.component, nth, self.now_ms),
            },
        }
    }

    #[cold]
    fn fail(&mut self) -> Piece {
        self.offset = self.total;
        Piece {
            offset: 0,
            sectors: self.total,
            verb: Verb::Fail(Errno::EIO),
        }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    #[inline]
    fn next(&mut self) -> Option<Piece> {
        if self.offset == self.total {
            return None;
        }
        if self.bio.op == Op::Flush {
            return Some(self.next_flush());
        }
        if self.offset == 0 {
            let end = self.segments.last().map_or(0, |last| last.start + last.length);
            if self.bio.sector.checked_add(self.total).is_none_or(|last| last > end) {
                return Some(self.fail());
            }
        }
        let segment = &self.segments[self.index];
        let first = self.bio.sector + self.part_offset - segment.start;
        let part = Part {
            op: self.bio.op,
            fua: self.bio.fua,
            first,
            sectors: (segment.length - first).min(self.total - self.part_offset),
            done: self.offset - self.part_offset,
            offset: self.part_offset,
            now_ms: self.now_ms,
        };
        let (sectors, verb) = segment.target.map(&part);
        debug_assert!(sectors >= 1 && sectors <= part.left());
        let piece = Piece {
            offset: self.offset,
            sectors,
            verb,
        };
        self.offset += sectors;
        if sectors == part.left() {
            self.index += 1;
            self.part_offset = self.offset;
        }
        Some(piece)
    }
}
