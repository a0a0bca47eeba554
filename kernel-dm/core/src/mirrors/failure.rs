//! Legs and logs that fail.

use alloc::vec::Vec;

use dm_abi::errno::Errno;

use super::{Errors, Held, Leg, Mirror, Phase, release};
use crate::io::Verb;
use crate::machine::Action;

impl<C> Leg<C> {
    /// Whether its data can be relied on, in regions that are in sync.
    pub(super) fn is_good(&self) -> bool {
        !(self.errors.write || self.errors.flush || self.errors.sync)
    }
}

impl<C: Clone> Mirror<C> {
    /// Notes that a leg failed.
    pub(super) fn leg_failed(&mut self, leg: usize, note: impl FnOnce(&mut Errors), out: &mut Vec<Action<C>>) {
        self.legs_failed(&[leg], note, out);
    }

    /// The same of several legs, which is one event.
    pub(super) fn legs_failed(&mut self, legs: &[usize], note: impl FnOnce(&mut Errors), out: &mut Vec<Action<C>>) {
        let mut noted = Errors::default();
        note(&mut noted);
        let mut first = false;
        for &leg in legs {
            let errors = &mut self.legs[leg].errors;
            first |= *errors == Errors::default();
            errors.write |= noted.write;
            errors.flush |= noted.flush;
            errors.sync |= noted.sync;
            errors.read |= noted.read;
        }
        if first && self.handle_errors {
            self.event(out);
        }
    }

    pub(super) fn event(&self, out: &mut Vec<Action<C>>) {
        if let Some(holder) = self.holder {
            out.push(Action::Event(holder));
        }
    }

    /// The log cannot be read or written.
    pub(super) fn log_failed(&mut self, out: &mut Vec<Action<C>>) {
        let Some(log) = &mut self.log else { return };
        log.failed = true;
        log.unknown |= self.phase != Phase::Running;
        let mut waiting = core::mem::take(&mut log.current);
        waiting.append(&mut log.next);
        self.event(out);
        for region in waiting {
            self.marked(region, out);
        }
    }

    /// A piece cannot go on with this table.
    pub(super) fn block(&mut self, held: Held, out: &mut Vec<Action<C>>) {
        if !self.handle_errors || self.keep_log {
            release(out, held.piece, Verb::Fail(Errno::EIO));
        } else if self.suspending {
            release(out, held.piece, Verb::Again);
        } else {
            self.held.push(held);
        }
    }

    /// A region is not in sync any more.
    pub(super) fn lose(&mut self, region: u64) {
        self.in_sync.set(region, false);
        self.dirty.remove(&region);
        if let Some(cleaning) = &mut self.cleaning {
            cleaning.regions.remove(&region);
        }
    }
}
