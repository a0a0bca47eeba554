//! Merging a snapshot back into its origin, from the end of the list of exceptions.
//!
//! A batch is what the last unit of the list holds:
//! ```text
//! writes to its chunks wait -> those under way are over -> the other snapshots have exceptions -> copied to the origin
//! -> origin flushed -> unit without the exceptions, durable -> the chunks are the origin's
//! ```
//! Until the unit is written the exceptions count, and a merge that is broken off begins with the same batch again.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use dm_abi::errno::Errno;

use super::format::pair;
use super::store::State;
use super::{Group, Held, Job};
use crate::io::{Bio, Op};
use crate::machine::{Action, MAX_IO};

/// Copies of a merge under way at a time.
const COPIES: u32 = 8;

/// A batch.
#[derive(Debug)]
pub(super) struct Merge {
    step: Step,
    /// Chunks of the origin and the store.
    chunks: BTreeMap<u64, u64>,
    /// Number of its first pair in the area.
    first: u64,
    /// Things that the step waits for.
    waiting: u32,
    /// Copies that are left, as first sectors in the store and the origin and a length.
    copies: Vec<(u64, u64, u64)>,
    failed: bool,
    /// Writes to its chunks.
    pub(super) arrived: Vec<Held>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The unit is being read.
    Read,
    /// Writes to the store are under way.
    Writes,
    /// Other snapshots are getting exceptions.
    Exceptions,
    Copy,
    Flush,
    Strike,
}

impl Merge {
    /// Whether a chunk of the origin is part of it.
    pub(super) fn has(&self, chunk: u64) -> bool {
        self.chunks.contains_key(&chunk)
    }
}

impl<C: Clone> Group<C> {
    /// Begins a batch, if there is something to merge and it may be merged now.
    pub(super) fn merge(&mut self, id: u64, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        let owner = store.owner.and_then(|owner| self.members.get(&owner));
        if !store.merging
            || store.merge.is_some()
            || store.merge_failed
            || store.state != State::Ready
            || store.closing
            || owner.is_none_or(|owner| owner.suspending || owner.suspended)
        {
            return;
        }
        let Some(list) = &mut store.list else { return };
        if list.index == 0 {
            if list.area == 0 {
                return;
            }
            list.area -= 1;
            list.index = list.layout.pairs();
        }
        let layout = list.layout;
        let first = (list.index - 1) / layout.unit_pairs() * layout.unit_pairs();
        store.merge = Some(Merge {
            step: Step::Read,
            chunks: BTreeMap::new(),
            first,
            waiting: 0,
            copies: Vec::new(),
            failed: false,
            arrived: Vec::new(),
        });
        let read = Bio::new(Op::Read, layout.unit_sector(list.area, first), layout.unit);
        self.io(id, Job::Merge(id), read, Vec::new(), out);
    }

    /// Own I/O of a batch is done.
    pub(super) fn merge_done(&mut self, id: u64, result: Result<Vec<u8>, Errno>, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        let Some(merge) = &mut store.merge else { return };
        merge.failed |= result.is_err();
        match merge.step {
            Step::Read => {
                if !merge.failed && !store.take_batch(&result.unwrap_or_default()) {
                    return self.merge_end(id, true, out);
                }
                self.merge_step(id, out);
            }
            Step::Copy => {
                merge.waiting -= 1;
                self.merge_step(id, out);
            }
            Step::Flush | Step::Strike => self.merge_step(id, out),
            Step::Writes | Step::Exceptions => {}
        }
    }

    /// The other snapshots have their exceptions for a part of the batch.
    pub(super) fn merge_may_change(&mut self, id: u64, out: &mut Vec<Action<C>>) {
        if let Some(merge) = self.stores.get_mut(&id).and_then(|store| store.merge.as_mut())
            && merge.step == Step::Exceptions
        {
            merge.waiting -= 1;
            self.merge_step(id, out);
        }
    }

    /// A write to the store is over.
    pub(super) fn merge_may_copy(&mut self, id: u64, out: &mut Vec<Action<C>>) {
        let merge = self.stores.get(&id).and_then(|store| store.merge.as_ref());
        if merge.is_some_and(|merge| merge.step == Step::Writes) {
            self.merge_step(id, out);
        }
    }

    /// Goes on with a batch; whatever the step has started is over.
    fn merge_step(&mut self, id: u64, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get(&id) else { return };
        let size = self.origin_size(store);
        let Some(store) = self.stores.get_mut(&id) else { return };
        let Some(merge) = &mut store.merge else { return };
        if merge.failed && merge.waiting == 0 {
            return self.merge_end(id, true, out);
        }
        match merge.step {
            Step::Read => {
                merge.step = Step::Writes;
                self.merge_step(id, out);
            }
            Step::Writes => {
                if merge.chunks.keys().any(|chunk| store.writes.contains_key(chunk)) {
                    return;
                }
                merge.step = Step::Exceptions;
                let ranges: Vec<(u64, u64)> = merge
                    .chunks
                    .keys()
                    .map(|&chunk| (chunk * store.chunk, store.chunk))
                    .collect();
                merge.waiting = u32::try_from(ranges.len()).unwrap_or(0);
                for (first, sectors) in ranges {
                    self.change_by_merge(id, first, sectors);
                }
            }
            Step::Exceptions => {
                if merge.waiting > 0 {
                    return;
                }
                merge.step = Step::Copy;
                for (&chunk, &stored) in &merge.chunks {
                    let end = ((chunk + 1) * store.chunk).min(size.max(chunk * store.chunk + 1));
                    let mut first = chunk * store.chunk;
                    while first < end {
                        let sectors = (end - first).min(MAX_IO);
                        let inside = first - chunk * store.chunk;
                        merge.copies.push((stored * store.chunk + inside, first, sectors));
                        first += sectors;
                    }
                }
                self.merge_step(id, out);
            }
            Step::Copy => self.merge_copy(id, out),
            Step::Flush => {
                merge.step = Step::Strike;
                let first = merge.first;
                let Some(list) = &store.list else { return };
                let write = Bio::new(Op::Write, list.layout.unit_sector(list.area, first), list.layout.unit).durable();
                let data = vec![0; list.layout.unit_bytes()];
                self.io(id, Job::Merge(id), write, data, out);
            }
            Step::Strike => self.merge_end(id, false, out),
        }
    }

    fn merge_copy(&mut self, id: u64, out: &mut Vec<Action<C>>) {
        loop {
            let Some(store) = self.stores.get_mut(&id) else { return };
            let Some(merge) = &mut store.merge else { return };
            if merge.waiting == 0 && merge.copies.is_empty() {
                merge.step = Step::Flush;
                let origin = store.origin.clone();
                store.in_flight += 1;
                let token = self.jobs.begin(Job::Merge(id));
                out.push(Action::Io {
                    token,
                    component: origin,
                    bio: Bio::flush(),
                    data: Vec::new(),
                });
                return;
            }
            if merge.failed {
                merge.copies.clear();
            }
            if merge.waiting >= COPIES {
                return;
            }
            let Some((from, to, sectors)) = merge.copies.pop() else {
                return;
            };
            merge.waiting += 1;
            store.in_flight += 1;
            let (from, to) = ((store.cow.clone(), from), (store.origin.clone(), to));
            let token = self.jobs.begin(Job::Merge(id));
            out.push(Action::Copy {
                token,
                from,
                to,
                sectors,
            });
        }
    }

    /// A batch is over; if it failed, its exceptions stay.
    fn merge_end(&mut self, id: u64, failed: bool, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        let Some(merge) = store.merge.take() else { return };
        store.merge_failed |= failed;
        if !failed {
            for &chunk in merge.chunks.keys() {
                store.table.remove(chunk);
            }
            if let Some(list) = &mut store.list {
                list.index = merge.first;
                list.unit.fill(0);
            }
        } else if let Some(list) = &mut store.list
            && list.index == list.layout.pairs()
        {
            list.index = 0;
            list.area += 1;
        }
        for held in merge.arrived {
            self.arrive(held, out);
        }
        self.merge(id, out);
        out.push(Action::Settled);
    }
}

impl<C> super::store::Store<C> {
    /// Takes the pairs of the unit that was read as a batch. False when they are not what they were.
    fn take_batch(&mut self, unit: &[u8]) -> bool {
        let (Some(merge), Some(list)) = (&mut self.merge, &self.list) else {
            return false;
        };
        for index in 0..list.index - merge.first {
            match pair(unit, index) {
                Some((old, new)) if self.table.get(old) == Some(new) => merge.chunks.insert(old, new),
                _ => return false,
            };
        }
        true
    }
}
