//! Adding exceptions to a store's list on disk.
//!
//! ```text
//! zero what must be zero behind the new end -> flush: copies and zeroes are durable -> write one unit, durable
//! ```

use alloc::vec::Vec;

use dm_abi::errno::Errno;

use super::format::set_pair;
use super::store::State;
use super::{Group, Job};
use crate::io::{Bio, Op};
use crate::machine::Action;

/// A commit under way.
#[derive(Debug)]
pub(super) struct Commit {
    step: Step,
    /// The chunks whose exceptions it adds.
    chunks: Vec<u64>,
    /// The unit as it will be.
    unit: Vec<u8>,
    /// Zeroing operations under way.
    zeroing: u32,
    failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Zero,
    Flush,
    Write,
}

impl<C: Clone> Group<C> {
    /// Begins to commit what is copied, unless a commit is under way.
    pub(super) fn commit(&mut self, id: u64, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        let Some(list) = &store.list else { return };
        if store.commit.is_some() || store.ready.is_empty() || store.state != State::Ready {
            return;
        }
        let layout = list.layout;
        let place = list.index % layout.unit_pairs();
        let room = usize::try_from(layout.unit_pairs() - place).unwrap_or(1);
        let count = store.ready.len().min(room);
        let chunks: Vec<u64> = store.ready.drain(..count).collect();
        let mut unit = list.unit.clone();
        for (place, &chunk) in (place..).zip(&chunks) {
            let stored = store.pending.get(&chunk).map_or(0, |pending| pending.stored);
            set_pair(&mut unit, place, (chunk, stored));
        }
        let mut zeroes = Vec::new();
        let area = layout.area(list.area) * layout.chunk;
        let behind = layout.unit_sector(list.area, list.index) + layout.unit;
        if list.tail && behind < area + layout.chunk {
            zeroes.push(Bio::new(Op::WriteZeroes, behind, area + layout.chunk - behind));
        }
        if list.index + chunks.len() as u64 == layout.pairs() {
            let next = layout.area(list.area + 1) * layout.chunk;
            zeroes.push(Bio::new(Op::WriteZeroes, next, layout.chunk));
        }
        store.commit = Some(Commit {
            step: Step::Zero,
            chunks,
            unit,
            // One more, for the step itself.
            zeroing: 1,
            failed: false,
        });
        for zero in zeroes {
            if let Some(commit) = self.stores.get_mut(&id).and_then(|store| store.commit.as_mut()) {
                commit.zeroing += 1;
            }
            self.io(id, Job::Commit(id), zero, Vec::new(), out);
        }
        self.commit_step(id, Ok(()), out);
    }

    /// A step of a commit is done.
    pub(super) fn commit_step(&mut self, id: u64, result: Result<(), Errno>, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        let (Some(commit), Some(list)) = (&mut store.commit, &mut store.list) else {
            return;
        };
        commit.failed |= result.is_err();
        if commit.step == Step::Zero {
            commit.zeroing -= 1;
            if commit.zeroing > 0 {
                return;
            }
        }
        if commit.failed {
            store.commit = None;
            return self.invalidate(id, out);
        }
        if store.state != State::Ready {
            store.commit = None;
            return;
        }
        match commit.step {
            Step::Zero => {
                commit.step = Step::Flush;
                self.io(id, Job::Commit(id), Bio::flush(), Vec::new(), out);
            }
            Step::Flush => {
                commit.step = Step::Write;
                let write = Bio::new(
                    Op::Write,
                    list.layout.unit_sector(list.area, list.index),
                    list.layout.unit,
                )
                .durable();
                let data = commit.unit.clone();
                self.io(id, Job::Commit(id), write, data, out);
            }
            Step::Write => {
                let Some(commit) = store.commit.take() else { return };
                list.tail = false;
                list.index += commit.chunks.len() as u64;
                list.unit = commit.unit;
                if list.index % list.layout.unit_pairs() == 0 {
                    list.unit.fill(0);
                }
                if list.index == list.layout.pairs() {
                    list.index = 0;
                    list.area += 1;
                }
                for chunk in commit.chunks {
                    self.committed(id, chunk, out);
                }
                self.commit(id, out);
            }
        }
    }
}
