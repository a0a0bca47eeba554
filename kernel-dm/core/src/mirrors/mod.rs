//! Mirrors: the machine behind the target mirror.
//!
//! A mirror is cut into regions. A region is in sync when all legs have the same data; then reads go to any leg, writes to
//! all. Otherwise only the default leg has its data: reads and writes go there until the region has been copied to the
//! other legs.
//!
//! ```text
//! write, region in sync      the log on the disk says no longer that the region is clean -> all legs -> acknowledged
//! some regions were written  flush all legs -> the log says that they are clean again (many at a time, or on suspend, or
//!                            when nothing was written for a moment)
//! resync                     holds writes to the region -> copies it from the default leg -> in sync, clean as above
//! a leg fails a write        the region is not in sync any more; with handle_errors the write is held until there is
//!                            another table, since a mirror that starts again takes the first leg's data
//! ```
//! Whatever order a power cut leaves writes in, the log never calls a region clean whose legs can differ. A log that
//! cannot be written therefore ends writes to clean regions, and one that cannot be read ends all writes: with
//! handle_errors they are held, else they fail.
//! (Linux lets them go on without handle_errors.) A log in memory is made anew with each table.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use dm_abi::errno::Errno;

use crate::host::{Component, DeviceId};
use crate::io::{Bio, Op, Verb};
use crate::machine::{Action, Jobs, PieceId, Token};
use crate::targets::args::Refusal;

mod bits;
mod clean;
mod failure;
mod load;
pub mod log;
mod pieces;
mod recovery;
mod status;

use bits::Bits;
use log::DiskLog;
use pieces::{Reading, Sent};
use recovery::Recovering;

/// Most legs, as on Linux.
pub const MAX_LEGS: usize = 9;
/// Most regions of a mirror: their bits must fit in memory.
const MAX_REGIONS: u64 = 1 << 28;

/// Where the log is; a disk is an index of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// In memory.
    Core,
    /// On this disk.
    Disk(u32),
}

/// What a table line says of regions that no log knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// They are not in sync.
    Unknown,
    /// No region is in sync, whatever the log says.
    Sync,
    /// They are in sync.
    NoSync,
}

/// A table line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The log.
    pub log: LogKind,
    /// Sectors of a region: a power of two.
    pub region: u64,
    /// How it starts.
    pub start: Start,
    /// Index of each leg's component, and its first sector there.
    pub legs: Vec<(u32, u64)>,
    /// Feature handle_errors.
    pub handle_errors: bool,
    /// Feature keep_log.
    pub keep_log: bool,
}

/// What a leg has failed at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Errors {
    write: bool,
    flush: bool,
    sync: bool,
    read: bool,
}

#[derive(Debug)]
struct Leg<C> {
    index: u32,
    component: Component<C>,
    offset: u64,
    errors: Errors,
}

/// A piece, in sectors of the segment.
#[derive(Clone, Copy, Debug)]
struct Held {
    piece: PieceId,
    op: Op,
    first: u64,
    sectors: u64,
}

/// What goes on in a region.
#[derive(Debug, Default)]
struct Region {
    /// Writes under way: the first sector and the one after the last.
    writes: Vec<(PieceId, u64, u64)>,
    /// The log is being told that it is not clean.
    marking: bool,
    /// It is being copied, or is next.
    recovering: bool,
    /// Writes that wait.
    waiting: Vec<Held>,
}

/// Why an action is done.
#[derive(Clone, Copy, Debug)]
enum Job {
    /// A part of the log is read, from this sector on.
    Load(u64),
    LogWrite,
    /// A leg is flushed before regions are called clean.
    Flush(usize),
    /// A part of a region is copied to a leg.
    Copy(u64, usize),
    /// Was it the default leg that failed?
    Probe(u64, usize),
    /// A piece at a leg.
    Sent(PieceId, usize),
    /// A read at a leg.
    Read(PieceId, usize),
    /// Some time has passed.
    Wait,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No table with it was live.
    New,
    /// The log is read.
    Loading,
    /// The log is read, and is to be made one of this mirror when the gate is open.
    Loaded,
    /// The log is made one of this mirror.
    Starting,
    Running,
}

/// See the module.
#[derive(Debug)]
pub struct Mirror<C> {
    legs: Vec<Leg<C>>,
    length: u64,
    region: u64,
    start: Start,
    handle_errors: bool,
    keep_log: bool,
    log: Option<DiskLog<C>>,
    in_sync: Bits,
    /// The leg that has the data of all regions.
    default: usize,
    phase: Phase,
    /// The gate was opened.
    opened: bool,
    suspending: bool,
    holder: Option<DeviceId>,
    /// Regions where something goes on.
    regions: BTreeMap<u64, Region>,
    /// Regions in sync that the log on the disk does not call clean.
    dirty: BTreeSet<u64>,
    /// Regions that are becoming clean.
    cleaning: Option<clean::Cleaning>,
    /// A leg could not be flushed: nothing becomes clean, and what is dirty is copied when the mirror starts again.
    no_cleaning: bool,
    /// Where the next regions to become clean are looked for.
    hand: u64,
    /// Regions that a leg lacks, and that are not tried again.
    failed: BTreeSet<u64>,
    recovering: BTreeMap<u64, Recovering>,
    /// Up to here, recovery has looked.
    cursor: u64,
    /// All that can become clean is to become clean: recovery has ended, or nothing was written for a while.
    clean_all: bool,
    /// A wait is under way, and whether something was written since it began.
    waiting: Option<bool>,
    sent: BTreeMap<PieceId, Sent>,
    reads: BTreeMap<PieceId, Reading>,
    /// Pieces that came before the log was known.
    arrived: VecDeque<Held>,
    /// Pieces that wait for another table.
    held: Vec<Held>,
    jobs: Jobs<Job>,
    /// Own operations under way.
    in_flight: u64,
}

impl<C: Clone> Mirror<C> {
    /// The mirror of a table line; `component` gives those that it names.
    pub(crate) fn new(
        line: &Line,
        length: u64,
        component: &mut dyn FnMut(u32) -> Component<C>,
    ) -> Result<Self, Refusal> {
        let regions = length.div_ceil(line.region.max(1));
        if regions > MAX_REGIONS {
            return Err(Refusal::invalid("too many regions"));
        }
        let log = match line.log {
            LogKind::Core => None,
            LogKind::Disk(index) => Some(DiskLog::new(component(index), regions)),
        };
        let legs = line.legs.iter().map(|&(index, offset)| Leg {
            index,
            component: component(index),
            offset,
            errors: Errors::default(),
        });
        Ok(Self {
            legs: legs.collect(),
            length,
            region: line.region,
            start: line.start,
            handle_errors: line.handle_errors,
            keep_log: line.keep_log,
            log,
            in_sync: Bits::new(regions, line.start == Start::NoSync),
            default: 0,
            phase: Phase::New,
            opened: false,
            suspending: false,
            holder: None,
            regions: BTreeMap::new(),
            dirty: BTreeSet::new(),
            cleaning: None,
            no_cleaning: false,
            hand: 0,
            failed: BTreeSet::new(),
            recovering: BTreeMap::new(),
            cursor: 0,
            clean_all: false,
            waiting: None,
            sent: BTreeMap::new(),
            reads: BTreeMap::new(),
            arrived: VecDeque::new(),
            held: Vec::new(),
            jobs: Jobs::new(),
            in_flight: 0,
        })
    }

    /// The table becomes live, or the device goes on. Nothing is written yet.
    pub(crate) fn resume(&mut self, holder: DeviceId, out: &mut Vec<Action<C>>) {
        self.holder = Some(holder);
        self.suspending = false;
        self.opened = false;
        self.failed.clear();
        self.cursor = 0;
        if self.phase == Phase::New {
            self.load(out);
        }
    }

    /// The gate is open.
    pub(crate) fn opened(&mut self, out: &mut Vec<Action<C>>) {
        self.opened = true;
        self.settle(out);
    }

    /// The device is being suspended, or its table is not used any more.
    pub(crate) fn suspend(&mut self, out: &mut Vec<Action<C>>) {
        self.suspending = true;
        for held in core::mem::take(&mut self.held) {
            release(out, held.piece, Verb::Again);
        }
        self.settle(out);
    }

    /// Whether nothing is under way, and the log says what it can.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight == 0 && self.sent.is_empty() && (self.dirty.is_empty() || !self.can_clean())
    }

    /// A piece arrives, `first` and `sectors` of it within the segment.
    pub(crate) fn ask(&mut self, piece: PieceId, bio: &Bio, out: &mut Vec<Action<C>>) {
        let held = Held {
            piece,
            op: bio.op,
            first: bio.sector,
            sectors: bio.sectors,
        };
        if self.phase == Phase::Running {
            self.arrive(held, out);
            self.settle(out);
        } else {
            self.arrived.push_back(held);
        }
    }

    fn arrive(&mut self, held: Held, out: &mut Vec<Action<C>>) {
        match held.op {
            Op::Read => self.read(held, out),
            Op::Flush => self.flush(held, out),
            Op::Write | Op::Discard | Op::WriteZeroes => self.write(held, out),
        }
    }

    /// An action is done.
    pub(crate) fn done(&mut self, token: Token, result: Result<Vec<u8>, Errno>, out: &mut Vec<Action<C>>) {
        let Some(job) = self.jobs.end(&token) else {
            return;
        };
        if !matches!(job, Job::Sent(..) | Job::Read(..) | Job::Wait) {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        match job {
            Job::Load(first) => self.load_step(first, result, out),
            Job::LogWrite => self.log_written(result.is_ok(), out),
            Job::Flush(leg) => self.leg_flushed(leg, result.is_ok(), out),
            Job::Copy(region, leg) => self.copied(region, leg, result.is_ok(), out),
            Job::Probe(region, leg) => self.probed(region, leg, result.is_ok(), out),
            Job::Sent(piece, leg) => self.sent_done(piece, leg, result.map(drop), out),
            Job::Read(piece, leg) => self.read_done(piece, leg, result.map(drop), out),
            Job::Wait => self.waited(),
        }
        self.settle(out);
        if self.suspending && self.is_quiet() {
            out.push(Action::Settled);
        }
    }

    /// Does what has become possible.
    fn settle(&mut self, out: &mut Vec<Action<C>>) {
        if self.phase == Phase::Loaded && self.opened {
            self.start(out);
        }
        if self.phase != Phase::Running {
            return;
        }
        self.recover(out);
        self.write_log(out);
        self.clean(out);
        self.wait(out);
    }

    /// Starts an operation of its own.
    fn io(&mut self, job: Job, component: Component<C>, bio: Bio, data: Vec<u8>, out: &mut Vec<Action<C>>) {
        self.in_flight += 1;
        out.push(Action::Io {
            token: self.jobs.begin(job),
            component,
            bio,
            data,
        });
    }

    /// Forgets a region where nothing goes on.
    fn tidy(&mut self, number: u64) {
        if let Some(region) = self.regions.get(&number)
            && region.writes.is_empty()
            && !region.marking
            && !region.recovering
            && region.waiting.is_empty()
        {
            self.regions.remove(&number);
        }
    }
}

/// Lets a piece go.
fn release<C>(out: &mut Vec<Action<C>>, piece: PieceId, verb: Verb) {
    out.push(Action::Release {
        piece,
        verb,
        report: None,
    });
}
