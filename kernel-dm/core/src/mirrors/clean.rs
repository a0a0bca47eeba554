//! The log on the disk: marks before writes, and regions that become clean.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{Job, Mirror, Phase};
use crate::io::{Bio, Op};
use crate::machine::{Action, MAX_IO};

/// Regions that may stay dirty without a write under way. After a crash they are copied.
const MAX_DIRTY: usize = 64;

/// How long nothing is written before all regions become clean, in milliseconds. Linux makes them clean at once. It must not
/// last: what mends a log that is itself a mirror with a bad leg suspends this mirror first, when nothing can be written there.
const REST_MS: u32 = 200;

/// Regions on their way to be clean: all legs are flushed.
#[derive(Debug)]
pub(super) struct Cleaning {
    pub(super) regions: BTreeSet<u64>,
    legs: usize,
    failed: bool,
}

impl<C: Clone> Mirror<C> {
    pub(super) fn can_clean(&self) -> bool {
        !self.no_cleaning && self.log.as_ref().is_some_and(|log| !log.failed)
    }

    /// Starts to make regions clean, when there are many dirty ones or nothing else is to be done.
    pub(super) fn clean(&mut self, out: &mut Vec<Action<C>>) {
        if self.dirty.is_empty() || self.cleaning.is_some() || !self.can_clean() {
            return;
        }
        let most = if self.suspending || self.clean_all {
            usize::MAX
        } else if self.dirty.len() > MAX_DIRTY {
            MAX_DIRTY / 2
        } else {
            return;
        };
        let quiet = |region: &&u64| !self.regions.contains_key(region);
        let behind = self.dirty.range(self.hand..).filter(quiet);
        let before = self.dirty.range(..self.hand).filter(quiet);
        // Not by collecting, which sorts with 4 KiB on the stack: a kernel thread has 16.
        let mut regions = BTreeSet::new();
        regions.extend(behind.chain(before).take(most).copied());
        let Some(&last) = regions.last() else { return };
        self.hand = last + 1;
        self.clean_all = false;
        self.cleaning = Some(Cleaning {
            regions,
            legs: self.legs.len(),
            failed: false,
        });
        for leg in 0..self.legs.len() {
            let component = self.legs[leg].component.clone();
            self.io(Job::Flush(leg), component, Bio::flush(), Vec::new(), out);
        }
    }

    /// Waits for a while in which nothing is written, when there is something to clean then.
    pub(super) fn wait(&mut self, out: &mut Vec<Action<C>>) {
        let later = !self.suspending && !self.clean_all && self.cleaning.is_none();
        if self.waiting.is_none() && later && !self.dirty.is_empty() && self.can_clean() {
            self.waiting = Some(false);
            let token = self.jobs.begin(Job::Wait);
            out.push(Action::Wait { token, ms: REST_MS });
        }
    }

    pub(super) fn waited(&mut self) {
        self.clean_all |= self.waiting.take() == Some(false);
    }

    pub(super) fn leg_flushed(&mut self, leg: usize, ok: bool, out: &mut Vec<Action<C>>) {
        if !ok {
            self.leg_failed(leg, |errors| errors.flush = true, out);
        }
        let Some(cleaning) = &mut self.cleaning else { return };
        cleaning.failed |= !ok;
        cleaning.legs -= 1;
        if cleaning.legs > 0 {
            return;
        }
        let Some(cleaning) = self.cleaning.take() else { return };
        if cleaning.failed {
            self.no_cleaning = true;
            return;
        }
        let Some(log) = &mut self.log else { return };
        for region in cleaning.regions {
            if self.in_sync.get(region) && self.dirty.remove(&region) {
                log.set(region, true);
            }
        }
    }

    /// Writes what has changed of the log, unless it is being written.
    pub(super) fn write_log(&mut self, out: &mut Vec<Action<C>>) {
        let Some(log) = &mut self.log else { return };
        if log.failed || log.writing > 0 || !log.has_changed() {
            return;
        }
        let ranges = log.take_changed(MAX_IO);
        log.writing = ranges.len();
        log.current = core::mem::take(&mut log.next);
        let component = log.component.clone();
        for (first, data) in ranges {
            let write = Bio::new(Op::Write, first, (data.len() / 512) as u64).durable();
            self.io(Job::LogWrite, component.clone(), write, data, out);
        }
    }

    pub(super) fn log_written(&mut self, ok: bool, out: &mut Vec<Action<C>>) {
        let Some(log) = &mut self.log else { return };
        log.write_failed |= !ok;
        log.writing -= 1;
        if log.writing > 0 {
            return;
        }
        if log.write_failed {
            self.log_failed(out);
        } else {
            for region in core::mem::take(&mut log.current) {
                self.dirty.insert(region);
                self.marked(region, out);
            }
        }
        if self.phase == Phase::Starting {
            self.started(out);
        }
    }

    /// The log knows that a region is not clean, or will never know.
    pub(super) fn marked(&mut self, number: u64, out: &mut Vec<Action<C>>) {
        if let Some(region) = self.regions.get_mut(&number) {
            region.marking = false;
            for held in core::mem::take(&mut region.waiting) {
                self.write(held, out);
            }
        }
        self.tidy(number);
    }
}
