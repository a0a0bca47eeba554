//! Scripts of tables and I/O that run on Linux's device-mapper and on the engine, and what they show.
//!
//! Text form, one step a line; devices are `ramN` (disks) and `tN` (mapped, 254:N):
//! ```text
//! table tN LINE;LINE...        creates the device or replaces its table
//! write|sync DEV SECTOR SECTORS SEED    the second as with O_DSYNC: it is durable, and a flush follows
//! read|discard|zero DEV SECTOR SECTORS
//! flush DEV
//! status tN                    shows the status of the device's first segment
//! settle tN                    waits until a merge is over, a mirror in sync or a log written, and shows the status
//! suspend|resume tN
//! message tN TEXT              shows the answer, if there is one
//! remove tN
//! save NAME                    keeps the beginnings of the disks in files, without mapped devices
//! restore NAME                 and takes them back
//! end                          removes all mapped devices and fills the disks anew
//! ```
//! Each step gives a line: `OK`, an errno, a status, or what was read as one checksum for each sector.

use std::fmt::Write as _;

use dm_core::host::DevNo;
use dm_core::io::Op;
use dm_sim::model::{Down, Goal, Kind, Model, Segment, table_text};
use dm_sim::{Random, SECTOR, host::MAJOR};

/// Number of disks that scripts use.
pub const DISKS: u32 = 3;
/// Number of mapped devices that scripts use.
pub const DEVICES: u32 = 2;
/// Scripts use this many sectors of each disk, from the first on.
pub const DISK_SECTORS: u64 = 512;

/// A device of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dev {
    /// `ramN`.
    Disk(u32),
    /// `tN`.
    Mapped(u32),
}

/// A step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the text form says it")]
pub enum Step {
    Table(u32, String),
    Write(Dev, u64, u64, u32),
    Sync(Dev, u64, u64, u32),
    Read(Dev, u64, u64),
    Discard(Dev, u64, u64),
    Zero(Dev, u64, u64),
    Flush(Dev),
    Status(u32),
    Settle(u32),
    Suspend(u32),
    Resume(u32),
    Message(u32, String),
    Remove(u32),
    Save(String),
    Restore(String),
    End,
}

impl std::fmt::Display for Dev {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Dev::Disk(number) => write!(f, "ram{number}"),
            Dev::Mapped(number) => write!(f, "t{number}"),
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Table(device, text) => write!(f, "table t{device} {}", text.replace('\n', ";")),
            Step::Write(dev, sector, sectors, seed) => write!(f, "write {dev} {sector} {sectors} {seed}"),
            Step::Sync(dev, sector, sectors, seed) => write!(f, "sync {dev} {sector} {sectors} {seed}"),
            Step::Read(dev, sector, sectors) => write!(f, "read {dev} {sector} {sectors}"),
            Step::Discard(dev, sector, sectors) => write!(f, "discard {dev} {sector} {sectors}"),
            Step::Zero(dev, sector, sectors) => write!(f, "zero {dev} {sector} {sectors}"),
            Step::Flush(dev) => write!(f, "flush {dev}"),
            Step::Status(device) => write!(f, "status t{device}"),
            Step::Settle(device) => write!(f, "settle t{device}"),
            Step::Suspend(device) => write!(f, "suspend t{device}"),
            Step::Resume(device) => write!(f, "resume t{device}"),
            Step::Message(device, text) => write!(f, "message t{device} {text}"),
            Step::Remove(device) => write!(f, "remove t{device}"),
            Step::Save(name) => write!(f, "save {name}"),
            Step::Restore(name) => write!(f, "restore {name}"),
            Step::End => f.write_str("end"),
        }
    }
}

impl Step {
    /// Reads the text form; `None` for anything else.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        if let Some(table) = line.strip_prefix("table t") {
            let (device, text) = table.split_once(' ')?;
            return Some(Step::Table(device.parse().ok()?, text.replace(';', "\n")));
        }
        if let Some(message) = line.strip_prefix("message t") {
            let (device, text) = message.split_once(' ')?;
            return Some(Step::Message(device.parse().ok()?, text.into()));
        }
        let words: Vec<&str> = line.split(' ').collect();
        let dev = |word: &str| match word.strip_prefix("ram") {
            Some(number) => number.parse().ok().map(Dev::Disk),
            None => word.strip_prefix('t')?.parse().ok().map(Dev::Mapped),
        };
        Some(match words[..] {
            ["write" | "sync", at, sector, sectors, seed] => {
                let step = if words[0] == "write" { Step::Write } else { Step::Sync };
                step(
                    dev(at)?,
                    sector.parse().ok()?,
                    sectors.parse().ok()?,
                    seed.parse().ok()?,
                )
            }
            ["read", at, sector, sectors] => Step::Read(dev(at)?, sector.parse().ok()?, sectors.parse().ok()?),
            ["discard", at, sector, sectors] => Step::Discard(dev(at)?, sector.parse().ok()?, sectors.parse().ok()?),
            ["zero", at, sector, sectors] => Step::Zero(dev(at)?, sector.parse().ok()?, sectors.parse().ok()?),
            ["flush", at] => Step::Flush(dev(at)?),
            ["status" | "settle" | "suspend" | "resume" | "remove", device] => {
                let device = device.strip_prefix('t')?.parse().ok()?;
                match words[0] {
                    "status" => Step::Status(device),
                    "settle" => Step::Settle(device),
                    "suspend" => Step::Suspend(device),
                    "resume" => Step::Resume(device),
                    _ => Step::Remove(device),
                }
            }
            ["save", name] => Step::Save(name.into()),
            ["restore", name] => Step::Restore(name.into()),
            ["end"] => Step::End,
            _ => return None,
        })
    }
}

/// ENOSYS, of a machine that plays no scripts about snapshots.
const NOT_HERE: i32 = 38;

/// Where scripts run. Errors are errno values.
#[allow(clippy::missing_errors_doc, reason = "errno of the operation")]
pub trait Machine {
    /// Creates a mapped device or replaces its table.
    fn table(&mut self, device: u32, text: &str) -> Result<(), i32>;
    /// Writes.
    fn write(&mut self, dev: Dev, sector: u64, data: &[u8]) -> Result<(), i32>;
    /// Writes durably, and flushes.
    fn sync(&mut self, dev: Dev, sector: u64, data: &[u8]) -> Result<(), i32> {
        let _ = (dev, sector, data);
        Err(NOT_HERE)
    }
    /// Reads.
    fn read(&mut self, dev: Dev, sector: u64, data: &mut [u8]) -> Result<(), i32>;
    /// Discards.
    fn discard(&mut self, dev: Dev, sector: u64, sectors: u64) -> Result<(), i32>;
    /// Writes zeroes.
    fn zero(&mut self, dev: Dev, sector: u64, sectors: u64) -> Result<(), i32>;
    /// Flushes.
    fn flush(&mut self, dev: Dev) -> Result<(), i32>;
    /// The status of a device's first segment.
    fn status(&mut self, device: u32) -> Result<String, i32> {
        let _ = device;
        Err(NOT_HERE)
    }
    /// The same when a merge is over, or a mirror in sync.
    fn settle(&mut self, device: u32) -> Result<String, i32> {
        let _ = device;
        Err(NOT_HERE)
    }
    /// Suspends a device.
    fn suspend(&mut self, device: u32) -> Result<(), i32> {
        let _ = device;
        Err(NOT_HERE)
    }
    /// Resumes it.
    fn resume(&mut self, device: u32) -> Result<(), i32> {
        let _ = device;
        Err(NOT_HERE)
    }
    /// Sends a message to a device's first segment.
    fn message(&mut self, device: u32, text: &str) -> Result<String, i32> {
        let _ = (device, text);
        Err(NOT_HERE)
    }
    /// Removes a mapped device.
    fn remove(&mut self, device: u32) -> Result<(), i32> {
        let _ = device;
        Err(NOT_HERE)
    }
    /// The directory of files with disks.
    fn directory(&self) -> std::path::PathBuf {
        ".".into()
    }
    /// Removes the mapped devices.
    fn reset(&mut self) -> Result<(), i32>;
}

/// Data of a write: no two sectors are alike.
#[must_use]
pub fn pattern(sectors: u64, seed: u32) -> Vec<u8> {
    let mut random = Random(u64::from(seed) + 1);
    let words = usize::try_from(sectors).expect("small") * SECTOR / 8;
    (0..words).flat_map(|_| random.number().to_le_bytes()).collect()
}

/// Makes the disks what they are at the start of a script.
///
/// # Errors
/// Those of the machine.
pub fn fill(machine: &mut dyn Machine) -> Result<(), i32> {
    for number in 0..DISKS {
        machine.write(Dev::Disk(number), 0, &pattern(DISK_SECTORS, 1000 + number))?;
    }
    Ok(())
}

/// Does a step and says what it showed.
pub fn play(machine: &mut dyn Machine, step: &Step) -> String {
    let bytes = |sectors: u64| usize::try_from(sectors).expect("small") * SECTOR;
    let result = match step {
        Step::Table(device, text) => machine.table(*device, text),
        Step::Write(dev, sector, sectors, seed) => machine.write(*dev, *sector, &pattern(*sectors, *seed)),
        Step::Sync(dev, sector, sectors, seed) => machine.sync(*dev, *sector, &pattern(*sectors, *seed)),
        Step::Discard(dev, sector, sectors) => machine.discard(*dev, *sector, *sectors),
        Step::Zero(dev, sector, sectors) => machine.zero(*dev, *sector, *sectors),
        Step::Flush(dev) => machine.flush(*dev),
        Step::Remove(device) => machine.remove(*device),
        Step::Suspend(device) => machine.suspend(*device),
        Step::Resume(device) => machine.resume(*device),
        Step::Message(device, text) => match machine.message(*device, text) {
            Ok(answer) if answer.is_empty() => Ok(()),
            Ok(answer) => return format!("answer {}", answer.trim_end().replace('\n', ";")),
            Err(errno) => Err(errno),
        },
        Step::Save(name) => save(machine, name),
        Step::Restore(name) => restore(machine, name),
        Step::Status(device) | Step::Settle(device) => {
            let result = match step {
                Step::Status(_) => machine.status(*device),
                _ => machine.settle(*device),
            };
            match result {
                Ok(status) => return format!("status {status}"),
                Err(errno) => Err(errno),
            }
        }
        Step::End => machine.reset().and_then(|()| fill(machine)),
        Step::Read(dev, sector, sectors) => {
            let mut data = vec![0xee; bytes(*sectors)];
            let result = machine.read(*dev, *sector, &mut data);
            if result.is_ok() {
                return checksums(&data);
            }
            result
        }
    };
    match result {
        Ok(()) => "OK".into(),
        Err(errno) => format!("errno {errno}"),
    }
}

/// Sectors of each disk that are kept in a file.
const SAVED: u64 = 8192;

fn image(machine: &dyn Machine, name: &str, disk: u32) -> std::path::PathBuf {
    machine.directory().join(format!("{name}-{disk}"))
}

fn save(machine: &mut dyn Machine, name: &str) -> Result<(), i32> {
    machine.reset()?;
    for disk in 0..DISKS {
        let mut data = vec![0; usize::try_from(SAVED).expect("small") * SECTOR];
        machine.read(Dev::Disk(disk), 0, &mut data)?;
        std::fs::write(image(machine, name, disk), data).map_err(|_| -2)?;
    }
    Ok(())
}

fn restore(machine: &mut dyn Machine, name: &str) -> Result<(), i32> {
    machine.reset()?;
    for disk in 0..DISKS {
        let data = std::fs::read(image(machine, name, disk)).map_err(|_| -2)?;
        machine.write(Dev::Disk(disk), 0, &data)?;
    }
    Ok(())
}

/// Sixteen bits for each sector.
fn checksums(data: &[u8]) -> String {
    let mut out = String::new();
    for sector in data.chunks(SECTOR) {
        let hash = sector.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let _ = write!(out, "{:04x}", (hash ^ hash >> 32) & 0xffff);
    }
    out
}

/// Waits until a merge is over, a mirror in sync or a log of writes written, looking at the status (of `device`) after each
/// `pause`; gives it.
///
/// # Errors
/// Those of [`Machine::status`]; -1 when it is not over after 600 looks.
pub fn settle_by_status<M: Machine + ?Sized>(
    machine: &mut M,
    device: u32,
    pause: std::time::Duration,
) -> Result<String, i32> {
    let mut before = None;
    for _ in 0..600 {
        let status = machine.status(device)?;
        let words: Vec<&str> = status.split(['/', ' ']).collect();
        let settled = match words.as_slice() {
            [_, _, "logging_disabled"] => true,
            [used, _, metadata] => used == metadata,
            ["2", _, _, in_sync, all, "1", ..] => in_sync == all,
            [_, _] => before.as_ref() == Some(&status),
            _ => true,
        };
        if settled {
            return Ok(status);
        }
        before = Some(status);
        std::thread::sleep(pause);
    }
    Err(-1)
}

/// What a generated script is about.
pub const SUBJECTS: [&str; 7] = ["linear", "striped", "zero", "error", "delay", "flakey", "mixed"];

/// A script: tables with many segments of a subject, one device on the other, and I/O all over them.
#[must_use]
pub fn generated(subject: &str, seed: u64) -> Vec<Step> {
    let mut model = Model::default();
    for minor in 0..DISKS {
        model.add_disk(DevNo { major: 1, minor }, DISK_SECTORS);
    }
    let mut make = Generator {
        random: Random(seed),
        // Linux's RAM disks only discard whole blocks of 8 sectors: scripts with discards keep to these.
        unit: if seed.is_multiple_of(2) { 8 } else { 1 },
        subject: SUBJECTS.iter().position(|name| *name == subject).expect("a subject"),
        model,
        damages_writes: false,
    };
    make.script()
}

/// The number of a mapped device.
fn mapped(minor: u32) -> DevNo {
    DevNo { major: MAJOR, minor }
}

struct Generator {
    random: Random,
    unit: u64,
    subject: usize,
    /// The devices, for their sizes and what is behind them.
    model: Model,
    /// Some segment damages writes.
    damages_writes: bool,
}

impl Generator {
    fn script(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for device in 0..DEVICES {
            steps.push(self.table(device));
        }
        for round in 0..40 {
            if round % 13 == 12 {
                // The upper device: whatever uses the lower one stays inside it.
                steps.push(self.table(DEVICES - 1));
            }
            let device = u32::try_from(self.random.below(u64::from(DEVICES))).expect("small");
            let (dev, number) = (Dev::Mapped(device), mapped(device));
            let units = self.model.sectors(number) / self.unit;
            let first = self.random.below(units);
            let count = 1 + self.random.below((units - first).min(64 / self.unit));
            let (sector, sectors) = (first * self.unit, count * self.unit);
            let choice = self.random.below(9);
            if choice < 4 && self.model.touched(number, Op::Write, sector, sectors).is_none() {
                // It would write a sector twice, in whatever order.
                continue;
            }
            steps.push(match choice {
                0..4 => Step::Write(dev, sector, sectors, u32::from(self.random.number().to_le_bytes()[0])),
                4..7 => Step::Read(dev, sector, sectors),
                // Linux turns zeroes into plain writes above a flakey segment, and damages them there.
                7 if !self.damages_writes => Step::Zero(dev, sector, sectors),
                8 if self.unit == 8 => Step::Discard(dev, sector, sectors),
                _ => Step::Flush(dev),
            });
        }
        for device in 0..DEVICES {
            let mut sector = 0;
            let size = self.model.sectors(mapped(device));
            while sector < size {
                let sectors = (size - sector).min(16);
                steps.push(Step::Read(Dev::Mapped(device), sector, sectors));
                sector += sectors;
            }
        }
        for number in 0..DISKS {
            steps.push(Step::Read(Dev::Disk(number), 0, DISK_SECTORS));
        }
        steps.push(Step::End);
        steps
    }

    fn table(&mut self, device: u32) -> Step {
        let mut segments = Vec::new();
        for _ in 0..1 + self.random.below(6) {
            segments.push(self.segment(device));
        }
        let text = table_text(&segments);
        self.model.set_table(mapped(device), segments);
        Step::Table(device, text)
    }

    /// A range of a disk or of a lower device, with room for `sectors`.
    fn goal(&mut self, device: u32, sectors: u64) -> Goal {
        let all = (0..device)
            .map(mapped)
            .chain((0..DISKS).map(|minor| DevNo { major: 1, minor }));
        let all: Vec<_> = all
            .map(|dev| (dev, self.model.sectors(dev)))
            .filter(|&(_, size)| size >= sectors)
            .collect();
        let which = self.random.below(all.len() as u64);
        let (dev, size) = all[usize::try_from(which).expect("small")];
        (dev, self.random.below((size - sectors) / self.unit + 1) * self.unit)
    }

    fn segment(&mut self, device: u32) -> Segment {
        let mut length = (1 + self.random.below(48 / self.unit)) * self.unit;
        // In tables about one subject, every third segment is a linear one.
        let kind = match self.subject {
            6 => self.random.below(6),
            _ if self.random.below(3) == 0 => 0,
            subject => subject as u64,
        };
        let kind = match kind {
            0 => Kind::Linear(self.goal(device, length)),
            1 => {
                let stripes = 1 + self.random.below(3);
                let chunk = (1 + self.random.below(16 / self.unit)) * self.unit;
                let rows = 1 + self.random.below(3);
                length = stripes * chunk * rows;
                Kind::Striped(chunk, (0..stripes).map(|_| self.goal(device, chunk * rows)).collect())
            }
            2 => Kind::Zero,
            3 => Kind::Error,
            4 => {
                let groups = 1 + self.random.below(3);
                let group = |_| (self.goal(device, length), 0);
                let mut groups: Vec<(Goal, u32)> = (0..groups).map(group).collect();
                for (_, ms) in &mut groups {
                    *ms = u32::from(self.random.number().to_le_bytes()[0] % 3);
                }
                Kind::Delay(groups)
            }
            _ => {
                let goal = self.goal(device, length);
                let down = match self.random.below(7) {
                    0 => None,
                    1 => Some(Down::Fail),
                    2 => Some(Down::DropWrites),
                    3 => Some(Down::ErrorWrites),
                    4 => Some(Down::ErrorReads),
                    way => {
                        self.damages_writes |= way == 5;
                        let [nth, value, ..] = self.random.number().to_le_bytes();
                        Some(Down::Corrupt(5 * u32::from(nth) + 1, way == 5, value))
                    }
                };
                Kind::Flakey(goal, down)
            }
        };
        Segment { length, kind }
    }
}

/// Sectors of the origin in scripts about snapshots.
pub const ORIGIN_SECTORS: u64 = 4096;

/// A script about snapshots: t0 and t1 are for the stores, t2 is the origin (on ram0), t3 and t4 are its snapshots.
/// In the end t3 is merged, if its store can be.
#[must_use]
pub fn snapshots(seed: u64) -> Vec<Step> {
    let mut random = Random(seed.wrapping_mul(7919));
    let mut below = |limit: u64| random.below(limit);
    let kinds = ["P", "PO", "N"];
    let shapes: Vec<(u64, usize, u64)> = (0..2)
        .map(|_| {
            let chunk = 1 << (3 + below(8));
            let kind = usize::try_from(below(3)).expect("small");
            // Every fourth store is too small.
            let chunks = if below(4) == 0 {
                3 + below(4)
            } else {
                200.min(16384 / chunk)
            };
            (chunk, kind, chunks * chunk + below(2) * 3)
        })
        .collect();
    let mut steps = vec![Step::Zero(Dev::Disk(0), DISK_SECTORS, ORIGIN_SECTORS - DISK_SECTORS)];
    let line = |index: usize| {
        let (chunk, kind, _) = shapes[index];
        format!("0 {ORIGIN_SECTORS} snapshot 1:0 254:{index} {} {chunk}", kinds[kind])
    };
    for (device, (_, _, sectors)) in (0..).zip(&shapes) {
        steps.push(Step::Zero(Dev::Disk(device + 1), 0, 8));
        steps.push(Step::Table(device, format!("0 {sectors} linear 1:{} 0", device + 1)));
    }
    steps.push(Step::Table(2, format!("0 {ORIGIN_SECTORS} snapshot-origin 1:0")));
    steps.push(Step::Table(3, line(0)));
    for round in 0..50 {
        if round == 15 {
            steps.push(Step::Table(4, line(1)));
        }
        let device = 2 + u32::try_from(below(if round < 15 { 2 } else { 3 })).expect("small");
        let (chunk, kind, _) = shapes[usize::from(device == 4)];
        // A part of the origin that is small enough for some writes to meet.
        let sector = below(1024);
        // Within one chunk of each: otherwise it is chance how much of a write is done when a store gets full.
        let smallest = shapes[0].0.min(shapes[1].0);
        let sectors = 1 + below(smallest - sector % smallest);
        let step = match below(12) {
            0..6 => Step::Write(
                Dev::Mapped(device),
                sector,
                sectors,
                u32::try_from(below(256)).expect("small"),
            ),
            6..9 => Step::Read(Dev::Mapped(device), sector, 1 + below(8)),
            9 => Step::Flush(Dev::Mapped(device)),
            10 => {
                let first = sector / 8 * 8;
                Step::Zero(Dev::Mapped(device), first, smallest.min(16) - first % smallest.min(16))
            }
            _ if device == 2 => Step::Table(2, format!("0 {ORIGIN_SECTORS} snapshot-origin 1:0")),
            _ if below(2) == 0 || kinds[kind] == "N" || chunk == 0 => {
                Step::Table(device, line(usize::from(device == 4)))
            }
            _ => {
                steps.push(Step::Remove(device));
                Step::Table(device, line(usize::from(device == 4)))
            }
        };
        steps.push(step);
        for device in 3..if round < 15 { 4 } else { 5 } {
            steps.push(Step::Status(device));
        }
    }
    let all = |steps: &mut Vec<Step>, devices: &[u32]| {
        for &device in devices {
            for sector in (0..1280).step_by(64) {
                steps.push(Step::Read(Dev::Mapped(device), sector, 64));
            }
        }
    };
    all(&mut steps, &[2, 3, 4]);
    if kinds[shapes[0].1] != "N" {
        steps.push(Step::Remove(3));
        let text = line(0).replace("snapshot", "snapshot-merge");
        steps.push(Step::Table(2, text));
        steps.push(Step::Settle(2));
        all(&mut steps, &[2, 4]);
        steps.push(Step::Status(4));
    }
    steps.push(Step::Read(Dev::Disk(0), 0, DISK_SECTORS));
    steps.push(Step::End);
    steps
}

/// Fills two stores of a chunk size, saves the disks, and opens what is saved under other names: their states, what is in
/// them, writes to them, and the merge of the first one.
#[must_use]
pub fn exchange(chunk: u64, save: Option<&str>, open: &[&str]) -> Vec<Step> {
    let mut random = Random(chunk);
    let mut below = |limit: u64| random.below(limit);
    let line = |index: usize, what: &str| {
        let kind = ["P", "PO"][index];
        format!(
            "0 {ORIGIN_SECTORS} {what} 1:0 1:{} {kind} {}",
            index + 1,
            chunk >> index
        )
    };
    // The origin comes last: under Linux it learns the smallest chunk size when it is resumed, and of a write that goes
    // over the border of such a chunk it else protects the first one only.
    let tables = [
        Step::Table(3, line(0, "snapshot")),
        Step::Table(4, line(1, "snapshot")),
        Step::Table(2, format!("0 {ORIGIN_SECTORS} snapshot-origin 1:0")),
    ];
    let mut steps = Vec::new();
    let mut writes = |steps: &mut Vec<Step>, count: u64, devices: u64| {
        for _ in 0..count {
            let device = Dev::Mapped(2 + u32::try_from(below(devices)).expect("small"));
            let sector = below(ORIGIN_SECTORS.min(5 * chunk) - 8);
            let seed = u32::try_from(below(256)).expect("small");
            steps.push(Step::Write(device, sector, 1 + below(8), seed));
            steps.extend([Step::Status(3), Step::Status(4)]);
        }
    };
    if let Some(name) = save {
        steps.push(Step::Zero(Dev::Disk(0), DISK_SECTORS, ORIGIN_SECTORS - DISK_SECTORS));
        steps.push(Step::Zero(Dev::Disk(1), 0, 8));
        steps.push(Step::Zero(Dev::Disk(2), 0, 8));
        steps.extend(tables.clone());
        writes(&mut steps, 24, 3);
        steps.push(Step::Save(name.into()));
    }
    for name in open {
        steps.push(Step::Restore((*name).into()));
        steps.extend(tables.clone());
        let all = |steps: &mut Vec<Step>, devices: &[u32]| {
            for &device in devices {
                for sector in (0..ORIGIN_SECTORS).step_by(256) {
                    steps.push(Step::Read(Dev::Mapped(device), sector, 256));
                }
            }
        };
        steps.extend([Step::Status(3), Step::Status(4)]);
        all(&mut steps, &[2, 3, 4]);
        writes(&mut steps, 10, 3);
        steps.extend([Step::Status(3), Step::Status(4)]);
        all(&mut steps, &[2, 3, 4]);
        steps.push(Step::Remove(3));
        steps.push(Step::Table(2, line(0, "snapshot-merge")));
        steps.push(Step::Settle(2));
        all(&mut steps, &[2, 4]);
        steps.push(Step::Status(4));
    }
    steps.push(Step::End);
    steps
}

/// Sectors of mirrors in scripts about them.
const MIRROR_SECTORS: u64 = 384;

/// A mirror of ram0 and t0, which is for ram1 or fails; a log is on ram2.
fn mirror(region: u64, on_disk: bool, word: &str) -> String {
    let log = if on_disk { "disk" } else { "core" };
    let device = if on_disk { " 1:2" } else { "" };
    let count = 1 + usize::from(on_disk) + usize::from(!word.is_empty());
    format!("0 {MIRROR_SECTORS} mirror {log} {count}{device} {region}{word} 2 1:0 8 254:0 0")
}

/// A script about mirrors: t0 is a leg that fails at times, t1 the mirror.
#[must_use]
pub fn mirrors(seed: u64) -> Vec<Step> {
    let mut random = Random(seed.wrapping_mul(7907));
    let mut below = |limit: u64| random.below(limit);
    let region = 2 << below(7);
    let on_disk = seed.is_multiple_of(2);
    let good = Step::Table(0, format!("0 {MIRROR_SECTORS} linear 1:1 16"));
    let bad = Step::Table(0, format!("0 {MIRROR_SECTORS} error"));
    let mut steps = vec![Step::Zero(Dev::Disk(2), 0, 8), good.clone()];
    let first = if below(2) == 0 { " nosync" } else { "" };
    steps.extend([Step::Table(1, mirror(region, on_disk, first)), Step::Settle(1)]);
    let mut failing = false;
    for _ in 0..50 {
        let sector = below(MIRROR_SECTORS);
        let sectors = 1 + below((MIRROR_SECTORS - sector).min(40));
        let step = match below(16) {
            0..6 => Step::Write(
                Dev::Mapped(1),
                sector,
                sectors,
                u32::try_from(below(256)).expect("small"),
            ),
            6..10 => Step::Read(Dev::Mapped(1), sector, sectors),
            10 => Step::Flush(Dev::Mapped(1)),
            11 => Step::Zero(Dev::Mapped(1), sector / 8 * 8, 8),
            12 if failing => {
                failing = false;
                steps.extend([good.clone(), Step::Table(1, mirror(region, on_disk, ""))]);
                Step::Settle(1)
            }
            12 => {
                failing = true;
                bad.clone()
            }
            13 if !failing => {
                steps.push(Step::Table(1, mirror(region, on_disk, "")));
                Step::Settle(1)
            }
            14 if !failing => {
                steps.extend([Step::Remove(1), Step::Table(1, mirror(region, on_disk, ""))]);
                Step::Settle(1)
            }
            _ => Step::Status(1),
        };
        steps.extend([step, Step::Status(1)]);
    }
    if failing {
        steps.extend([good, Step::Table(1, mirror(region, on_disk, "")), Step::Settle(1)]);
    }
    steps.extend([Step::Remove(1), Step::Read(Dev::Disk(2), 0, 8)]);
    steps.extend([0, 1].map(|disk| Step::Read(Dev::Disk(disk), 0, DISK_SECTORS)));
    steps.push(Step::End);
    steps
}

/// Makes a mirror whose second leg lacks some writes, and saves the disks; opens what is saved under other names.
#[must_use]
pub fn exchange_mirror(region: u64, save: Option<&str>, open: &[&str]) -> Vec<Step> {
    let mut random = Random(region);
    let mut below = |limit: u64| random.below(limit);
    let good = Step::Table(0, format!("0 {MIRROR_SECTORS} linear 1:1 16"));
    let mut writes = |steps: &mut Vec<Step>, count: u64| {
        for _ in 0..count {
            let sector = below(MIRROR_SECTORS - 8);
            let seed = u32::try_from(below(256)).expect("small");
            steps.push(Step::Write(Dev::Mapped(1), sector, 1 + below(8), seed));
        }
    };
    let mut steps = Vec::new();
    if let Some(name) = save {
        steps.extend([Step::Zero(Dev::Disk(2), 0, 8), good.clone()]);
        steps.extend([Step::Table(1, mirror(region, true, "")), Step::Settle(1)]);
        writes(&mut steps, 5);
        steps.push(Step::Table(0, format!("0 {MIRROR_SECTORS} error")));
        writes(&mut steps, 4);
        steps.extend([Step::Status(1), Step::Remove(1), Step::Read(Dev::Disk(2), 0, 8)]);
        steps.push(Step::Save(name.into()));
    }
    for name in open {
        steps.extend([
            Step::Restore((*name).into()),
            Step::Read(Dev::Disk(2), 0, 8),
            good.clone(),
        ]);
        steps.extend([Step::Table(1, mirror(region, true, "")), Step::Settle(1)]);
        writes(&mut steps, 5);
        steps.push(Step::Read(Dev::Mapped(1), 0, MIRROR_SECTORS));
        steps.extend([Step::Status(1), Step::Remove(1)]);
        steps.extend([0, 1, 2].map(|disk| Step::Read(Dev::Disk(disk), 0, DISK_SECTORS)));
    }
    steps.push(Step::End);
    steps
}
