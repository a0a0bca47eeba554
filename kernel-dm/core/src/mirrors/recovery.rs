//! Copying regions from the default leg to the others.

use alloc::vec::Vec;

use super::{Errors, Job, Mirror};
use crate::io::{Bio, Op};
use crate::machine::{Action, MAX_IO};

/// Regions that are copied at a time.
const MAX_RECOVERING: usize = 4;

/// A region that is copied, part by part.
#[derive(Debug, Default)]
pub(super) struct Recovering {
    /// Sectors of the region before the present part.
    first: u64,
    /// Sectors of the present part; 0 before the first.
    sectors: u64,
    /// Copies under way.
    missing: usize,
    failed: bool,
}

impl<C: Clone> Mirror<C> {
    /// Begins with further regions.
    pub(super) fn recover(&mut self, out: &mut Vec<Action<C>>) {
        if !self.opened || self.suspending {
            return;
        }
        while self.recovering.len() < MAX_RECOVERING {
            let Some(number) = self.in_sync.next_zero(self.cursor) else {
                self.cursor = self.in_sync.len();
                return;
            };
            self.cursor = number + 1;
            if self.failed.contains(&number) || self.recovering.contains_key(&number) {
                continue;
            }
            self.recovering.insert(number, Recovering::default());
            let region = self.regions.entry(number).or_default();
            region.recovering = true;
            if region.writes.is_empty() {
                self.copy_next(number, out);
            }
        }
    }

    /// Copies the next part of a region to which nobody writes.
    pub(super) fn copy_next(&mut self, number: u64, out: &mut Vec<Action<C>>) {
        let start = number * self.region;
        let length = self.region.min(self.length - start);
        let Some(copy) = self.recovering.get_mut(&number) else {
            return;
        };
        copy.first += copy.sectors;
        copy.sectors = (length - copy.first).min(MAX_IO);
        if copy.sectors == 0 || copy.failed || self.suspending {
            return self.recovery_done(number, out);
        }
        copy.missing = self.legs.len() - 1;
        let (first, sectors) = (start + copy.first, copy.sectors);
        let from = &self.legs[self.default];
        let from = (from.component.clone(), from.offset + first);
        for leg in (0..self.legs.len()).filter(|&leg| leg != self.default) {
            let to = &self.legs[leg];
            let to = (to.component.clone(), to.offset + first);
            self.in_flight += 1;
            out.push(Action::Copy {
                token: self.jobs.begin(Job::Copy(number, leg)),
                from: from.clone(),
                to,
                sectors,
            });
        }
    }

    pub(super) fn copied(&mut self, number: u64, leg: usize, ok: bool, out: &mut Vec<Action<C>>) {
        let start = number * self.region;
        let Some(copy) = self.recovering.get_mut(&number) else {
            return;
        };
        if !ok {
            copy.failed = true;
            let from = &self.legs[self.default];
            let read = Bio::new(Op::Read, from.offset + start + copy.first, copy.sectors);
            let component = from.component.clone();
            return self.io(Job::Probe(number, leg), component, read, Vec::new(), out);
        }
        self.part_copied(number, out);
    }

    /// The default leg was read again after a copy to `leg` failed.
    pub(super) fn probed(&mut self, number: u64, leg: usize, ok: bool, out: &mut Vec<Action<C>>) {
        let culprit = if ok { leg } else { self.default };
        self.leg_failed(culprit, |errors| errors.sync = true, out);
        self.part_copied(number, out);
    }

    fn part_copied(&mut self, number: u64, out: &mut Vec<Action<C>>) {
        if let Some(copy) = self.recovering.get_mut(&number) {
            copy.missing -= 1;
            if copy.missing == 0 {
                self.copy_next(number, out);
            }
        }
    }

    /// A region is copied, or is left as it is.
    fn recovery_done(&mut self, number: u64, out: &mut Vec<Action<C>>) {
        let Some(copy) = self.recovering.remove(&number) else {
            return;
        };
        if copy.failed {
            self.failed.insert(number);
        } else if copy.sectors == 0 {
            self.in_sync.set(number, true);
            if self.log.as_ref().is_some_and(|log| !log.failed) {
                self.dirty.insert(number);
            }
        }
        if let Some(region) = self.regions.get_mut(&number) {
            region.recovering = false;
            for held in core::mem::take(&mut region.waiting) {
                self.write(held, out);
            }
        }
        self.tidy(number);
        if self.recovering.is_empty() && self.in_sync.next_zero(self.cursor).is_none() {
            self.clean_all = true;
        }
        if self.in_sync.ones() == self.in_sync.len() && self.recovering.is_empty() {
            for leg in &mut self.legs {
                // What a leg could not flush may be lost there.
                leg.errors = Errors {
                    flush: leg.errors.flush,
                    ..Errors::default()
                };
            }
            self.event(out);
        }
    }
}
