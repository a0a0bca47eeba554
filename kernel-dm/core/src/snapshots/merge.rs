//! Merging a snapshot back into its origin, from the end of the list of exceptions.
//!
//! A batch is what the last units of the list hold:
//! ```text
//! writes to its chunks wait -> those under way are over -> the other snapshots have exceptions -> copied to the origin
//! -> origin flushed -> the last unit without its exceptions, durable -> the one before it -> ... -> the chunks are the origin's
//! ```
//! Until a unit is written its exceptions count, and a merge that is broken off begins with the same ones again. One unit is
//! written after the other, so that the list never has a gap.

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
/// Sectors that a batch copies, if that is not less than a unit's.
const BATCH: u64 = 8192;

/// A batch.
#[derive(Debug)]
pub(super) struct Merge {
    step: Step,
    /// Chunks of the origin and the store.
    chunks: BTreeMap<u64, u64>,
    /// The chunks of the origin, in the order of the list.
    listed: Vec<u64>,
    /// Number of its first pair in the area.
    first: u64,
    /// Things that the step waits for.
    waiting: u32,
    /// Copies that are left, the first one last.
    copies: Vec<Run>,
    failed: bool,
    /// Writes to its chunks.
    pub(super) arrived: Vec<Held>,
}

/// Data that lie one behind the other in the store as well as on the origin, in sectors.
#[derive(Clone, Copy, Debug)]
struct Run {
    stored: u64,
    origin: u64,
    sectors: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The units are being read.
    Read,
    /// Writes to the store are under way.
    Writes,
    /// Other snapshots are getting exceptions.
    Exceptions,
    Copy,
    Flush,
    /// The last unit is written without its exceptions.
    Strike,
}

impl Merge {
    /// Whether a chunk of the origin is part of it.
    pub(super) fn has(&self, chunk: u64) -> bool {
        self.chunks.contains_key(&chunk)
    }

    /// What is to be copied, of chunks of that many sectors. `size` is that of the origin, whose last chunk may be short.
    fn runs(&self, chunk: u64, size: u64) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (&old, &new) in &self.chunks {
            let (origin, stored) = (old * chunk, new * chunk);
            // Of a chunk that is beyond the end altogether the copy fails, as it should.
            let sectors = size.saturating_sub(origin).clamp(1, chunk);
            match runs.last_mut() {
                Some(run) if run.origin + run.sectors == origin && run.stored + run.sectors == stored => {
                    run.sectors += sectors;
                }
                _ => runs.push(Run {
                    stored,
                    origin,
                    sectors,
                }),
            }
        }
        runs
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
        let units = (list.index - 1) / layout.unit_pairs() + 1;
        let some = units.min((BATCH / layout.chunk / layout.unit_pairs()).max(1));
        let first = (units - some) * layout.unit_pairs();
        store.merge = Some(Merge {
            step: Step::Read,
            chunks: BTreeMap::new(),
            listed: Vec::new(),
            first,
            waiting: 0,
            copies: Vec::new(),
            failed: false,
            arrived: Vec::new(),
        });
        let read = Bio::new(Op::Read, layout.unit_sector(list.area, first), some * layout.unit);
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
                let runs = merge.runs(store.chunk, size);
                merge.waiting = u32::try_from(runs.len()).unwrap_or(0);
                merge.copies.clone_from(&runs);
                merge.copies.reverse();
                for run in runs {
                    self.change_by_merge(id, run.origin, run.sectors);
                }
            }
            Step::Exceptions => {
                if merge.waiting > 0 {
                    return;
                }
                merge.step = Step::Copy;
                self.merge_step(id, out);
            }
            Step::Copy => self.merge_copy(id, out),
            Step::Flush => {
                merge.step = Step::Strike;
                self.strike(id, out);
            }
            Step::Strike => {
                store.struck();
                self.strike(id, out);
            }
        }
    }

    /// Strikes the exceptions of the last unit from the list, or ends when there are none left.
    fn strike(&mut self, id: u64, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        let Some((unit, list)) = store.last_unit().zip(store.list.as_ref()) else {
            return self.merge_end(id, false, out);
        };
        let sector = list.layout.unit_sector(list.area, unit);
        let write = Bio::new(Op::Write, sector, list.layout.unit).durable();
        let data = vec![0; list.layout.unit_bytes()];
        self.io(id, Job::Merge(id), write, data, out);
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
            let Some(mut run) = merge.copies.pop() else {
                return;
            };
            let sectors = run.sectors.min(MAX_IO);
            let (from, to) = ((store.cow.clone(), run.stored), (store.origin.clone(), run.origin));
            if sectors < run.sectors {
                run.stored += sectors;
                run.origin += sectors;
                run.sectors -= sectors;
                merge.copies.push(run);
            }
            merge.waiting += 1;
            store.in_flight += 1;
            let token = self.jobs.begin(Job::Merge(id));
            out.push(Action::Copy {
                token,
                from,
                to,
                sectors,
            });
        }
    }

    /// A batch is over; if it failed, the exceptions stay that are not struck.
    fn merge_end(&mut self, id: u64, failed: bool, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        let Some(merge) = store.merge.take() else { return };
        store.merge_failed |= failed;
        if let Some(list) = &mut store.list
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
    /// Takes the pairs of the units that were read as a batch. False when they are not what they were.
    fn take_batch(&mut self, units: &[u8]) -> bool {
        let (Some(merge), Some(list)) = (&mut self.merge, &self.list) else {
            return false;
        };
        for index in 0..list.index - merge.first {
            match pair(units, index) {
                Some((old, new)) if self.table.get(old) == Some(new) => {
                    merge.chunks.insert(old, new);
                    merge.listed.push(old);
                }
                _ => return false,
            };
        }
        true
    }

    /// The number of the first pair of the last unit of the batch, if one is left.
    fn last_unit(&self) -> Option<u64> {
        let (merge, list) = (self.merge.as_ref()?, self.list.as_ref()?);
        let pairs = list.layout.unit_pairs();
        let last = list.index.checked_sub(1).filter(|&last| last >= merge.first)?;
        Some(last / pairs * pairs)
    }

    /// The last unit of the batch is struck from the list on disk.
    fn struck(&mut self) {
        let Some(first) = self.last_unit() else { return };
        let (Some(merge), Some(list)) = (&mut self.merge, &mut self.list) else {
            return;
        };
        let kept = usize::try_from(first - merge.first).unwrap_or(usize::MAX);
        for chunk in merge.listed.drain(kept.min(merge.listed.len())..) {
            self.table.remove(chunk);
        }
        list.index = first;
        list.unit.fill(0);
    }
}
