//! Reads, writes and flushes.

use alloc::vec::Vec;

use dm_abi::errno::Errno;

use super::{Held, Job, Mirror, release};
use crate::io::{Op, Verb};
use crate::machine::{Action, PieceId};

/// Sectors of an area whose reads go to the same leg.
const AREA: u64 = 1024;

/// A write or flush at legs.
#[derive(Debug)]
pub(super) struct Sent {
    held: Held,
    /// Its region; not of a flush.
    region: Option<u64>,
    /// It went to the default leg only.
    alone: bool,
    missing: usize,
    ok: Vec<usize>,
    failed: Vec<usize>,
    error: Option<Errno>,
}

/// A read at a leg.
#[derive(Debug)]
pub(super) struct Reading {
    held: Held,
    /// Legs that failed.
    tried: Vec<usize>,
}

impl<C: Clone> Mirror<C> {
    fn send(&mut self, leg: usize, held: &Held, job: Job, out: &mut Vec<Action<C>>) {
        let token = self.jobs.begin(job);
        let leg = &self.legs[leg];
        let sector = if held.op == Op::Flush {
            0
        } else {
            leg.offset + held.first
        };
        out.push(Action::Send {
            token,
            piece: held.piece,
            component: leg.index,
            sector,
        });
    }

    /// A write arrives, or may go on.
    pub(super) fn write(&mut self, held: Held, out: &mut Vec<Action<C>>) {
        let number = held.first / self.region;
        if let Some(written) = &mut self.waiting {
            *written = true;
        }
        let region = self.regions.entry(number).or_default();
        // Writes to the same sectors come to all legs in the same order.
        let overlaps = |&(_, first, end): &(PieceId, u64, u64)| held.first < end && first < held.first + held.sectors;
        if region.recovering || region.marking || region.writes.iter().any(overlaps) {
            region.waiting.push(held);
            return;
        }
        if self.log.as_ref().is_some_and(|log| log.unknown) {
            self.tidy(number);
            return self.block(held, out);
        }
        let range = (held.piece, held.first, held.first + held.sectors);
        if self.in_sync.get(number) {
            if let Some(log) = &mut self.log
                && !self.dirty.contains(&number)
            {
                if log.failed {
                    self.tidy(number);
                    return self.block(held, out);
                }
                region.marking = true;
                region.waiting.push(held);
                log.set(number, false);
                log.next.push(number);
                return self.write_log(out);
            }
            if let Some(cleaning) = &mut self.cleaning {
                cleaning.regions.remove(&number);
            }
            region.writes.push(range);
            return self.send_to(held, Some(number), (0..self.legs.len()).collect(), out);
        }
        // A mirror that starts again takes the data of the first leg.
        let elsewhere = self.default != 0;
        if elsewhere || self.failed.contains(&number) && self.handle_errors && !self.keep_log {
            self.tidy(number);
            if self.legs.iter().any(super::Leg::is_good) {
                return self.block(held, out);
            }
            return release(out, held.piece, Verb::Fail(Errno::EIO));
        }
        region.writes.push(range);
        self.send_to(held, Some(number), alloc::vec![self.default], out);
    }

    pub(super) fn flush(&mut self, held: Held, out: &mut Vec<Action<C>>) {
        self.send_to(held, None, (0..self.legs.len()).collect(), out);
    }

    fn send_to(&mut self, held: Held, region: Option<u64>, legs: Vec<usize>, out: &mut Vec<Action<C>>) {
        let sent = Sent {
            held,
            region,
            alone: legs.len() < self.legs.len(),
            missing: legs.len(),
            ok: Vec::new(),
            failed: Vec::new(),
            error: None,
        };
        self.sent.insert(held.piece, sent);
        for leg in legs {
            self.send(leg, &held, Job::Sent(held.piece, leg), out);
        }
    }

    pub(super) fn sent_done(
        &mut self,
        piece: PieceId,
        leg: usize,
        result: Result<(), Errno>,
        out: &mut Vec<Action<C>>,
    ) {
        let Some(sent) = self.sent.get_mut(&piece) else { return };
        match result {
            Ok(()) => sent.ok.push(leg),
            Err(errno) => {
                sent.failed.push(leg);
                sent.error = Some(errno);
            }
        }
        sent.missing -= 1;
        if sent.missing > 0 {
            return;
        }
        let Some(sent) = self.sent.remove(&piece) else { return };
        match sent.region {
            None => self.flush_done(&sent, out),
            Some(number) => {
                self.write_done(number, &sent, out);
                if let Some(region) = self.regions.get_mut(&number) {
                    region.writes.retain(|&(other, ..)| other != piece);
                    if region.recovering {
                        if region.writes.is_empty() {
                            self.copy_next(number, out);
                        }
                    } else if !region.marking {
                        for held in core::mem::take(&mut region.waiting) {
                            self.write(held, out);
                        }
                    }
                }
                self.tidy(number);
            }
        }
    }

    fn write_done(&mut self, number: u64, sent: &Sent, out: &mut Vec<Action<C>>) {
        let piece = sent.held.piece;
        let Some(errno) = sent.error else {
            return release(out, piece, Verb::Drop);
        };
        if sent.held.op == Op::Discard {
            // What is there now is nobody's data, but the legs are to agree on it.
            if !sent.ok.is_empty() && self.in_sync.get(number) {
                self.lose(number);
                self.cursor = self.cursor.min(number);
            }
            let verb = if sent.ok.is_empty() {
                Verb::Fail(errno)
            } else {
                Verb::Drop
            };
            return release(out, piece, verb);
        }
        let all_in_sync = self.in_sync.ones() == self.in_sync.len();
        self.legs_failed(&sent.failed, |errors| errors.write = true, out);
        if self.in_sync.get(number) {
            self.lose(number);
        }
        self.failed.insert(number);
        if sent.failed.contains(&self.default)
            && all_in_sync
            && self.handle_errors
            && let Some(&leg) = sent.ok.iter().find(|&&leg| self.legs[leg].is_good())
        {
            self.default = leg;
        }
        if sent.ok.is_empty() {
            // Perhaps another leg could have it with another table.
            if sent.alone && self.legs.iter().any(super::Leg::is_good) {
                return self.block(sent.held, out);
            }
            release(out, piece, Verb::Fail(errno));
        } else if self.handle_errors && !self.keep_log {
            self.block(sent.held, out);
        } else if sent.ok.contains(&0) {
            release(out, piece, Verb::Drop);
        } else {
            // A mirror that starts again takes the data of the first leg.
            release(out, piece, Verb::Fail(errno));
        }
    }

    fn flush_done(&mut self, sent: &Sent, out: &mut Vec<Action<C>>) {
        let piece = sent.held.piece;
        let Some(errno) = sent.error else {
            return release(out, piece, Verb::Drop);
        };
        self.legs_failed(&sent.failed, |errors| errors.flush = true, out);
        self.no_cleaning = true;
        // The others stay dirty, and get the data of these when the mirror starts again.
        if sent.ok.contains(&0) && sent.ok.contains(&self.default) {
            release(out, piece, Verb::Drop);
        } else if sent.ok.is_empty() {
            release(out, piece, Verb::Fail(errno));
        } else {
            self.block(sent.held, out);
        }
    }

    pub(super) fn read(&mut self, held: Held, out: &mut Vec<Action<C>>) {
        self.read_from(
            Reading {
                held,
                tried: Vec::new(),
            },
            out,
        );
    }

    /// Reads from a leg that was not tried.
    fn read_from(&mut self, reading: Reading, out: &mut Vec<Action<C>>) {
        let held = reading.held;
        let Some(leg) = self.leg_to_read(&held, &reading.tried) else {
            return release(out, held.piece, Verb::Fail(Errno::EIO));
        };
        self.reads.insert(held.piece, reading);
        self.send(leg, &held, Job::Read(held.piece, leg), out);
    }

    fn leg_to_read(&self, held: &Held, tried: &[usize]) -> Option<usize> {
        if !self.in_sync.get(held.first / self.region) {
            return Some(self.default).filter(|leg| !tried.contains(leg));
        }
        let untried = |leg: &usize| self.legs[*leg].is_good() && !tried.contains(leg);
        let good = |leg: &usize| untried(leg) && !self.legs[*leg].errors.read;
        let count = (0..self.legs.len()).filter(good).count();
        if count == 0 {
            return (0..self.legs.len())
                .find(untried)
                .or(Some(self.default).filter(|leg| !tried.contains(leg)));
        }
        let nth = usize::try_from(held.first / AREA % count as u64).unwrap_or(0);
        (0..self.legs.len()).filter(good).nth(nth)
    }

    pub(super) fn read_done(
        &mut self,
        piece: PieceId,
        leg: usize,
        result: Result<(), Errno>,
        out: &mut Vec<Action<C>>,
    ) {
        let Some(mut reading) = self.reads.remove(&piece) else {
            return;
        };
        if result.is_ok() {
            return release(out, piece, Verb::Drop);
        }
        self.leg_failed(leg, |errors| errors.read = true, out);
        reading.tried.push(leg);
        self.read_from(reading, out);
    }
}
