//! Logs of writes: the machine behind the target log-writes.
//!
//! Writes go to a device, and what has reached its medium goes to a log, so that the log up to any entry is a state that
//! the medium could have had at that time.
//!
//! ```text
//! write, discard    a copy of its data is kept -> done at the device -> completed
//! FUA write         ... -> logged at once
//! flush             what was completed before it was sent is logged when it is done, then the flush
//! mark              logged at once
//! the end           what was completed, and the mark "dm-log-writes-end"
//! ```
//! Failed writes are logged like others, since they can be on the medium. Nobody waits for the log, unless a lot of data is
//! held for it. When it is full or fails, logging ends and writes go on.
//!
//! Linux logs what a FUA write has overwritten behind it; here it is not logged any more. Linux keeps any amount of data
//! until the next flush; here the device is flushed when there is much. And a table that was never live leaves the log
//! alone. What was completed and is not logged is only in memory: an engine that takes over from one that died ends logging.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::mem;

use dm_abi::errno::Errno;

use crate::host::Component;
use crate::io::{Bio, Op, Verb};
use crate::machine::{Action, Jobs, PieceId, Token};
use crate::targets::args::Refusal;

pub mod format;
mod log;

use format::{Entry, flag};
use log::{Log, Operation};

/// Text of the last mark of a log.
pub const END: &[u8] = b"dm-log-writes-end";
/// Sectors of data that are kept; further writes wait.
pub const MAX_KEPT: u64 = 1 << 16;
/// Sectors of completed writes from which on the device is flushed.
const MAX_COMPLETED: u64 = MAX_KEPT / 2;

/// A table line; the components are indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The device.
    pub device: u32,
    /// The log.
    pub log: u32,
}

/// Why an action is done.
#[derive(Clone, Copy, Debug)]
enum Job {
    /// Gets the data of a write of this number.
    Data(PieceId, u64),
    /// A write or discard at the device.
    Write(u64),
    /// A flush of the device.
    Flush(u64),
    /// An operation on the log.
    Log,
}

/// A flush under way.
#[derive(Debug)]
struct Flush {
    number: u64,
    /// It is logged. Others are there to have fewer writes to keep.
    logged: bool,
    /// What was completed before it was sent, and after the one before was sent.
    before: Vec<Entry>,
}

/// See the module.
#[derive(Debug)]
pub struct LogWrites<C> {
    line: Line,
    /// First sector of the segment, which is its first sector on the device too.
    start: u64,
    device: Component<C>,
    log: Log<C>,
    /// Writes and discards under way. (Hosts use the names of pieces again.)
    writes: BTreeMap<u64, Entry>,
    /// Flushes under way in the order in which they were sent.
    flushes: VecDeque<Flush>,
    /// What was completed after these were sent, in this order.
    completed: Vec<Entry>,
    /// Sectors of all of these.
    kept: u64,
    /// Sectors of `completed`.
    completed_sectors: u64,
    /// Writes that wait for room.
    waiting: VecDeque<(PieceId, Bio)>,
    /// A table with it was live.
    live: bool,
    suspending: bool,
    /// The last mark is given to the log.
    ended: bool,
    jobs: Jobs<Job>,
}

impl<C: Clone> LogWrites<C> {
    /// The machine of a segment that begins at sector `start` of its device. `component` gives those that the line names.
    pub(crate) fn new(line: Line, start: u64, component: &mut dyn FnMut(u32) -> Component<C>) -> Result<Self, Refusal> {
        let (device, log) = (component(line.device), component(line.log));
        let block = device.logical_block_size().max(512);
        if log.logical_block_size() > block {
            // Linux takes it, and cannot write the log.
            return Err(Refusal::invalid(
                "blocks of the log are larger than those of the device",
            ));
        }
        Ok(Self {
            line,
            start,
            device,
            log: Log::new(log, block),
            writes: BTreeMap::new(),
            flushes: VecDeque::new(),
            completed: Vec::new(),
            kept: 0,
            completed_sectors: 0,
            waiting: VecDeque::new(),
            live: false,
            suspending: false,
            ended: false,
            jobs: Jobs::new(),
        })
    }

    pub(crate) fn resume(&mut self) {
        self.live = true;
        self.suspending = false;
    }

    pub(crate) fn suspend(&mut self, out: &mut Vec<Action<C>>) {
        self.suspending = true;
        self.settle(out);
    }

    /// The table is not used any more: the log ends, if there is one. True when it is written.
    pub(crate) fn close(&mut self, out: &mut Vec<Action<C>>) -> bool {
        self.suspending = true;
        if self.live && !mem::replace(&mut self.ended, true) {
            self.log_completed();
            self.log.push(Entry::mark(END, self.log.block));
            self.settle(out);
        }
        self.is_quiet()
    }

    /// Whether all that is to be logged is written.
    pub(crate) fn is_quiet(&self) -> bool {
        self.log.is_quiet() && self.jobs.is_empty()
    }

    /// A piece arrives, in sectors of the segment; not a read.
    pub(crate) fn ask(&mut self, piece: PieceId, bio: &Bio, out: &mut Vec<Action<C>>) {
        let bio = Bio {
            sector: self.start + bio.sector,
            ..*bio
        };
        if self.is_full() && matches!(bio.op, Op::Write | Op::WriteZeroes) {
            self.waiting.push_back((piece, bio));
        } else {
            self.begin(piece, &bio, out);
        }
        self.settle(out);
    }

    fn is_full(&self) -> bool {
        self.kept + self.log.waiting() >= MAX_KEPT
    }

    fn begin(&mut self, piece: PieceId, bio: &Bio, out: &mut Vec<Action<C>>) {
        if !self.log.is_enabled() || bio.op == Op::Read {
            return self.pass(piece, bio, None, out);
        }
        let mut entry = Entry {
            sector: bio.sector,
            sectors: bio.sectors,
            flags: if bio.fua { flag::FUA } else { 0 },
            ..Entry::default()
        };
        if bio.op == Op::Flush {
            let number = self.begin_flush(true);
            return self.pass(piece, bio, Some(Job::Flush(number)), out);
        }
        if bio.op == Op::Discard {
            entry.flags = flag::DISCARD;
            if !self.device.discard() {
                self.complete(entry);
                return self.pass(piece, bio, None, out);
            }
        }
        let number = self.jobs.number();
        self.kept += entry.weight();
        self.writes.insert(number, entry);
        if bio.op == Op::Write {
            let token = self.jobs.begin(Job::Data(piece, number));
            out.push(Action::Data { token, piece });
        } else {
            self.pass(piece, bio, Some(Job::Write(number)), out);
        }
    }

    fn begin_flush(&mut self, logged: bool) -> u64 {
        let number = self.jobs.number();
        self.completed_sectors = 0;
        self.flushes.push_back(Flush {
            number,
            logged,
            before: mem::take(&mut self.completed),
        });
        number
    }

    /// Lets a piece go to the device; the end is for this job.
    fn pass(&mut self, piece: PieceId, bio: &Bio, job: Option<Job>, out: &mut Vec<Action<C>>) {
        let verb = if bio.op == Op::Discard && !self.device.discard() {
            Verb::Drop
        } else {
            Verb::remap(self.line.device, bio.sector)
        };
        let report = job.map(|job| self.jobs.begin(job));
        out.push(Action::Release { piece, verb, report });
    }

    /// An action is done.
    pub(crate) fn done(&mut self, token: Token, result: Result<Vec<u8>, Errno>, out: &mut Vec<Action<C>>) {
        let Some(job) = self.jobs.end(&token) else {
            return;
        };
        match job {
            Job::Data(piece, number) => self.data_arrived(piece, number, result, out),
            Job::Write(number) => {
                if let Some(entry) = self.writes.remove(&number) {
                    self.kept = self.kept.saturating_sub(entry.weight());
                    self.complete(entry);
                }
            }
            Job::Flush(number) => self.flushed(number, result.is_ok()),
            Job::Log => {
                if let Some(operation) = self.log.done(result.is_ok()) {
                    self.operate(operation, out);
                }
            }
        }
        self.settle(out);
        if self.suspending && self.is_quiet() {
            out.push(Action::Settled);
        }
    }

    /// The data of a write are here: it can go on.
    fn data_arrived(&mut self, piece: PieceId, number: u64, result: Result<Vec<u8>, Errno>, out: &mut Vec<Action<C>>) {
        let Some(entry) = self.writes.get_mut(&number) else {
            return;
        };
        let bio = Bio {
            fua: entry.is_durable(),
            ..Bio::new(Op::Write, entry.sector, entry.sectors)
        };
        match result {
            Ok(data) => entry.data = data,
            Err(_) => self.disable(),
        }
        self.pass(piece, &bio, Some(Job::Write(number)), out);
    }

    /// A write or discard is complete.
    fn complete(&mut self, entry: Entry) {
        if !self.log.is_enabled() {
            return;
        }
        if !entry.is_durable() {
            self.kept += entry.weight();
            self.completed_sectors += entry.weight();
            return self.completed.push(entry);
        }
        // What it has overwritten would come behind it, and be taken for newer.
        let mut trimmed = false;
        let lists = self.flushes.iter_mut().map(|flush| &mut flush.before);
        for list in lists.chain([&mut self.completed]) {
            if list.iter().any(|other| other.overlaps(&entry)) {
                *list = mem::take(list)
                    .into_iter()
                    .flat_map(|other| other.without(&entry))
                    .collect();
                trimmed = true;
            }
        }
        if trimmed {
            self.count();
        }
        self.log.push(entry);
    }

    /// Counts the sectors that are kept.
    fn count(&mut self) {
        let sectors = |list: &[Entry]| list.iter().map(Entry::weight).sum::<u64>();
        self.completed_sectors = sectors(&self.completed);
        let flushed: u64 = self.flushes.iter().map(|flush| sectors(&flush.before)).sum();
        let writing: u64 = self.writes.values().map(Entry::weight).sum();
        self.kept = self.completed_sectors + flushed + writing;
    }

    /// A flush is done.
    fn flushed(&mut self, number: u64, ok: bool) {
        let Some(index) = self.flushes.iter().position(|flush| flush.number == number) else {
            return;
        };
        if ok {
            // And with it what was completed before earlier ones.
            self.log_flushed(index);
        }
        let Some(Flush { logged, mut before, .. }) = self.flushes.remove(index) else {
            return;
        };
        match (ok, logged) {
            (true, true) => self.log.push(Entry {
                flags: flag::FLUSH,
                ..Entry::default()
            }),
            (true, false) => {}
            // It would be tried over and over.
            (false, false) => self.disable(),
            (false, true) => {
                let next = match self.flushes.get_mut(index) {
                    Some(flush) => &mut flush.before,
                    None => {
                        self.completed_sectors += before.iter().map(Entry::weight).sum::<u64>();
                        &mut self.completed
                    }
                };
                before.append(next);
                *next = before;
            }
        }
    }

    /// Logs what was completed before a flush.
    fn log_flushed(&mut self, last: usize) {
        let before = self.flushes.iter_mut().take(last + 1);
        let entries = before.flat_map(|flush| mem::take(&mut flush.before)).collect();
        self.log_all(entries);
    }

    /// Logs all that was completed.
    fn log_completed(&mut self) {
        self.log_flushed(self.flushes.len());
        let entries = mem::take(&mut self.completed);
        self.log_all(entries);
        self.completed_sectors = 0;
    }

    fn log_all(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.kept = self.kept.saturating_sub(entry.weight());
            self.log.push(entry);
        }
    }

    /// Nothing is logged any more.
    fn disable(&mut self) {
        self.log.disable();
        self.completed.clear();
        self.flushes.iter_mut().for_each(|flush| flush.before.clear());
        self.count();
    }

    /// Does what has become possible.
    fn settle(&mut self, out: &mut Vec<Action<C>>) {
        if self.completed_sectors >= MAX_COMPLETED && self.flushes.iter().all(|flush| flush.logged) {
            let number = self.begin_flush(false);
            let component = self.device.clone();
            let token = self.jobs.begin(Job::Flush(number));
            out.push(Action::Io {
                token,
                component,
                bio: Bio::flush(),
                data: Vec::new(),
            });
        }
        if let Some(operation) = self.log.next_operation() {
            self.operate(operation, out);
        }
        if !self.log.is_enabled() {
            self.disable();
        }
        while !self.is_full()
            && let Some((piece, bio)) = self.waiting.pop_front()
        {
            self.begin(piece, &bio, out);
        }
    }

    fn operate(&mut self, (bio, data): Operation, out: &mut Vec<Action<C>>) {
        let component = self.log.component.clone();
        let token = self.jobs.begin(Job::Log);
        out.push(Action::Io {
            token,
            component,
            bio,
            data,
        });
    }

    /// Obeys `mark TEXT`.
    pub(crate) fn message(&mut self, words: &[Vec<u8>], out: &mut Vec<Action<C>>) -> Result<(), Errno> {
        match words {
            [name, text] if name.eq_ignore_ascii_case(b"mark") => {
                self.log.push(Entry::mark(text, self.log.block));
                self.settle(out);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

impl<C> LogWrites<C> {
    /// For an exported state: the counts of a log that was begun.
    pub(crate) fn state(&self, out: &mut Vec<u8>) {
        if self.live {
            let (entries, last) = self.log.counts();
            out.extend(entries.to_le_bytes());
            out.extend(last.to_le_bytes());
        }
    }

    /// The log was begun by an engine that is gone, and with it completed writes that were not logged: logging has ended.
    /// `None` when that is no state.
    pub(crate) fn restore(&mut self, state: &[u8]) -> Option<()> {
        let ([entries, last], []) = state.as_chunks::<8>() else {
            return None;
        };
        self.log
            .take_over(u64::from_le_bytes(*entries), u64::from_le_bytes(*last));
        Some(())
    }

    pub(crate) fn status(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (entries, last) = self.log.counts();
        write!(out, "{entries} {last}")?;
        if !self.log.is_enabled() {
            out.write_str(" logging_disabled")?;
        }
        Ok(())
    }
}
