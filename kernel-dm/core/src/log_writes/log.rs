//! Writing the log: entries one after the other, in large operations, one at a time.
//!
//! ```text
//! entries -> written -> (one of them is a mark or was durable) -> the log is flushed -> block 0 counts up to it
//! ```
//! So block 0 counts only entries that are on the medium. As on Linux, flushes alone do not bring it up to date.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;

use super::format::{Entry, head};
use crate::host::Component;
use crate::io::{Bio, Op};
use crate::machine::MAX_IO;

const SECTOR: u64 = 512;

/// An operation on the log: what to do, and what is written.
pub(super) type Operation = (Bio, Vec<u8>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Entries are written.
    Entries,
    /// It is flushed, and block 0 is next, with this number.
    Flush(u64),
    /// Block 0 is written.
    Head,
}

/// A log.
#[derive(Debug)]
pub(super) struct Log<C> {
    pub(super) component: Component<C>,
    /// Bytes of a block.
    pub(super) block: u32,
    /// Nothing went wrong.
    enabled: bool,
    /// Entries that are to be written.
    queue: VecDeque<Entry>,
    /// Sectors of these with their data.
    queued: u64,
    /// What is left of an entry that is being written, from this byte on, and whether block 0 is to count it.
    rest: (Vec<u8>, usize, bool),
    /// The sector after those that were given out.
    next: u64,
    /// The sector where the next operation goes.
    at: u64,
    /// Entries that were begun.
    entries: u64,
    /// Block 0 is to say this number.
    due: Option<u64>,
    state: State,
}

impl<C> Log<C> {
    pub(super) fn new(component: Component<C>, block: u32) -> Self {
        let first = u64::from(block) / SECTOR;
        Self {
            component,
            block,
            enabled: true,
            queue: VecDeque::new(),
            queued: 0,
            rest: (Vec::new(), 0, false),
            next: first,
            at: first,
            entries: 0,
            due: None,
            state: State::Idle,
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Entries, and the last sector that was given out (at first that of block 0).
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.entries, self.next - 1)
    }

    /// Sectors that wait to be written.
    pub(super) fn waiting(&self) -> u64 {
        self.queued + (self.rest.0.len() - self.rest.1) as u64 / SECTOR
    }

    /// Nothing is under way or waits.
    pub(super) fn is_quiet(&self) -> bool {
        self.state == State::Idle && self.waiting() == 0 && self.due.is_none()
    }

    /// The entries of a log that another engine has begun, and the last sector that was given out. It is used no more.
    pub(super) fn take_over(&mut self, entries: u64, last: u64) {
        self.disable();
        (self.entries, self.next) = (entries, last.saturating_add(1));
    }

    /// It is used no more.
    pub(super) fn disable(&mut self) {
        self.enabled = false;
        self.queue.clear();
        self.queued = 0;
    }

    fn size(&self, entry: &Entry) -> u64 {
        u64::from(self.block) / SECTOR + entry.data_sectors()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        if self.enabled {
            self.queued += self.size(&entry);
            self.queue.push_back(entry);
        }
    }

    /// What is to be done next; `None` when that is nothing, or something is under way.
    pub(super) fn next_operation(&mut self) -> Option<Operation> {
        if self.state != State::Idle {
            return None;
        }
        if let Some(entries) = self.due.take() {
            self.state = State::Flush(entries);
            return Some((Bio::flush(), Vec::new()));
        }
        let data = self.take_entries();
        if data.is_empty() {
            return None;
        }
        self.state = State::Entries;
        let sectors = data.len() as u64 / SECTOR;
        let bio = Bio::new(Op::Write, self.at, sectors);
        self.at += sectors;
        Some((bio, data))
    }

    /// Bytes of entries for one operation.
    fn take_entries(&mut self) -> Vec<u8> {
        let most = usize::try_from(MAX_IO * SECTOR).unwrap_or(usize::MAX);
        let mut data = Vec::new();
        // Block 0 comes soon after what it is to count.
        while data.len() < most && (self.due.is_none() || self.queue.iter().any(Entry::is_durable)) {
            if self.rest.0.is_empty() && !self.begin_entry() {
                break;
            }
            let (bytes, done, durable) = &mut self.rest;
            let end = bytes.len().min(*done + (most - data.len()));
            data.extend_from_slice(&bytes[*done..end]);
            *done = end;
            if end == bytes.len() {
                if mem::take(durable) {
                    self.due = Some(self.entries);
                }
                (*bytes, *done) = (Vec::new(), 0);
            }
        }
        data
    }

    /// Gives an entry its place. False when there is none, or no room.
    fn begin_entry(&mut self) -> bool {
        let Some(entry) = self.queue.pop_front() else {
            return false;
        };
        let size = self.size(&entry);
        self.queued -= size;
        self.next = self.next.saturating_add(size);
        let bytes = entry.encode(self.block);
        // As on Linux, which leaves the last sector alone.
        let Some(bytes) = bytes.filter(|_| self.next < self.component.sectors()) else {
            self.disable();
            return false;
        };
        self.entries += 1;
        self.rest = (bytes, 0, entry.is_durable());
        true
    }

    /// The operation is done. Gives block 0, when it is to be written.
    pub(super) fn done(&mut self, ok: bool) -> Option<Operation> {
        let state = mem::replace(&mut self.state, State::Idle);
        if !ok {
            self.disable();
            self.rest = (Vec::new(), 0, false);
            self.due = None;
            return None;
        }
        let State::Flush(entries) = state else { return None };
        self.state = State::Head;
        let data = head(entries, self.block);
        let bio = Bio::new(Op::Write, 0, data.len() as u64 / SECTOR).durable();
        Some((bio, data))
    }
}
