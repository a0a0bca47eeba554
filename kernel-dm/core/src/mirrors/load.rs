//! Reading the log, and making it the log of this mirror.
//!
//! ```text
//! resume: read all of it -> (the gate is open) -> write the bits that changed -> write the header, if it changed -> running
//! ```
//! The bits come first: a header never stands for bits that are not the mirror's.

use alloc::vec::Vec;

use dm_abi::errno::Errno;

use super::bits::Bits;
use super::{Job, Mirror, Phase, Start};
use crate::io::{Bio, Op};
use crate::machine::{Action, MAX_IO};

impl<C: Clone> Mirror<C> {
    pub(super) fn load(&mut self, out: &mut Vec<Action<C>>) {
        if self.log.is_none() {
            self.phase = Phase::Loaded;
            return;
        }
        self.phase = Phase::Loading;
        self.load_from(0, out);
    }

    fn load_from(&mut self, first: u64, out: &mut Vec<Action<C>>) {
        let Some(log) = &self.log else { return };
        let sectors = (log.sectors() - first).min(MAX_IO);
        let component = log.component.clone();
        self.io(
            Job::Load(first),
            component,
            Bio::new(Op::Read, first, sectors),
            Vec::new(),
            out,
        );
    }

    pub(super) fn load_step(&mut self, first: u64, result: Result<Vec<u8>, Errno>, out: &mut Vec<Action<C>>) {
        let regions = self.in_sync.len();
        let Some(log) = &mut self.log else { return };
        let adopted = match result {
            Ok(data) => {
                log.store(first, &data);
                let next = first + MAX_IO;
                if next < log.sectors() {
                    return self.load_from(next, out);
                }
                log.adopt(regions, self.start == Start::NoSync)
            }
            Err(_) => None,
        };
        self.phase = Phase::Loaded;
        match adopted {
            Some(bits) => self.in_sync = bits,
            None => {
                // What it says is not known.
                self.in_sync = Bits::new(regions, false);
                self.log_failed(out);
            }
        }
        if self.start == Start::Sync {
            for region in 0..regions {
                self.in_sync.set(region, false);
                if let Some(log) = &mut self.log {
                    log.set(region, false);
                }
            }
        }
    }

    /// The gate is open for the first time.
    pub(super) fn start(&mut self, out: &mut Vec<Action<C>>) {
        self.phase = Phase::Starting;
        self.write_log(out);
        self.started(out);
    }

    /// Goes on when the log is as it must be.
    pub(super) fn started(&mut self, out: &mut Vec<Action<C>>) {
        if let Some(log) = &mut self.log
            && !log.failed
        {
            if log.writing > 0 {
                return;
            }
            if log.header_later {
                log.write_header(self.in_sync.len());
                return self.write_log(out);
            }
        }
        self.phase = Phase::Running;
        while let Some(held) = self.arrived.pop_front() {
            self.arrive(held, out);
        }
    }
}
