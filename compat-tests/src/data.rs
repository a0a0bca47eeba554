//! Scripts of tables and I/O that run on Linux's device-mapper and on the engine, and what they show.
//!
//! Text form, one step a line; devices are `ramN` (disks) and `tN` (mapped, 254:N):
//! ```text
//! table tN LINE;LINE...        creates the device or replaces its table
//! write DEV SECTOR SECTORS SEED
//! read|discard|zero DEV SECTOR SECTORS
//! flush DEV
//! end                          removes all mapped devices and fills the disks anew
//! ```
//! Each step gives a line: `OK`, an errno, or what was read as one checksum for each sector.

use std::fmt::Write as _;

use dm_core::host::DevNo;
use dm_core::io::Op;
use dm_sim::model::{Down, Goal, Kind, Model, Segment, table_text};
use dm_sim::{SECTOR, host::MAJOR};

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
    Read(Dev, u64, u64),
    Discard(Dev, u64, u64),
    Zero(Dev, u64, u64),
    Flush(Dev),
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
            Step::Read(dev, sector, sectors) => write!(f, "read {dev} {sector} {sectors}"),
            Step::Discard(dev, sector, sectors) => write!(f, "discard {dev} {sector} {sectors}"),
            Step::Zero(dev, sector, sectors) => write!(f, "zero {dev} {sector} {sectors}"),
            Step::Flush(dev) => write!(f, "flush {dev}"),
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
        let words: Vec<&str> = line.split(' ').collect();
        let dev = |word: &str| match word.strip_prefix("ram") {
            Some(number) => number.parse().ok().map(Dev::Disk),
            None => word.strip_prefix('t')?.parse().ok().map(Dev::Mapped),
        };
        Some(match words[..] {
            ["write", at, sector, sectors, seed] => Step::Write(
                dev(at)?,
                sector.parse().ok()?,
                sectors.parse().ok()?,
                seed.parse().ok()?,
            ),
            ["read", at, sector, sectors] => Step::Read(dev(at)?, sector.parse().ok()?, sectors.parse().ok()?),
            ["discard", at, sector, sectors] => Step::Discard(dev(at)?, sector.parse().ok()?, sectors.parse().ok()?),
            ["zero", at, sector, sectors] => Step::Zero(dev(at)?, sector.parse().ok()?, sectors.parse().ok()?),
            ["flush", at] => Step::Flush(dev(at)?),
            ["end"] => Step::End,
            _ => return None,
        })
    }
}

/// Where scripts run. Errors are errno values.
#[allow(clippy::missing_errors_doc, reason = "errno of the operation")]
pub trait Machine {
    /// Creates a mapped device or replaces its table.
    fn table(&mut self, device: u32, text: &str) -> Result<(), i32>;
    /// Writes.
    fn write(&mut self, dev: Dev, sector: u64, data: &[u8]) -> Result<(), i32>;
    /// Reads.
    fn read(&mut self, dev: Dev, sector: u64, data: &mut [u8]) -> Result<(), i32>;
    /// Discards.
    fn discard(&mut self, dev: Dev, sector: u64, sectors: u64) -> Result<(), i32>;
    /// Writes zeroes.
    fn zero(&mut self, dev: Dev, sector: u64, sectors: u64) -> Result<(), i32>;
    /// Flushes.
    fn flush(&mut self, dev: Dev) -> Result<(), i32>;
    /// Removes the mapped devices.
    fn reset(&mut self) -> Result<(), i32>;
}

/// Data of a write: no two sectors are alike.
#[must_use]
pub fn pattern(sectors: u64, seed: u32) -> Vec<u8> {
    let mut random = Random(u64::from(seed) + 1);
    let words = usize::try_from(sectors).expect("small") * SECTOR / 8;
    (0..words).flat_map(|_| random.next().to_le_bytes()).collect()
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
        Step::Discard(dev, sector, sectors) => machine.discard(*dev, *sector, *sectors),
        Step::Zero(dev, sector, sectors) => machine.zero(*dev, *sector, *sectors),
        Step::Flush(dev) => machine.flush(*dev),
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

/// Numbers that are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
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
                0..4 => Step::Write(dev, sector, sectors, u32::from(self.random.next().to_le_bytes()[0])),
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
                    *ms = u32::from(self.random.next().to_le_bytes()[0] % 3);
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
                        let [nth, value, ..] = self.random.next().to_le_bytes();
                        Some(Down::Corrupt(5 * u32::from(nth) + 1, way == 5, value))
                    }
                };
                Kind::Flakey(goal, down)
            }
        };
        Segment { length, kind }
    }
}
