//! What devices must do, written as plainly as can be: memory for each disk, and one sector after the other.

use std::collections::{BTreeMap, BTreeSet};

use dm_abi::errno::Errno;
use dm_core::host::DevNo;
use dm_core::io::Op;

use crate::disk::{SECTOR, place};
use clear::Cipher;

pub mod clear;

/// Where a segment leads: a disk or another mapped device, and a sector there.
pub type Goal = (DevNo, u64);

/// What a segment does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `linear`.
    Linear(Goal),
    /// `striped`, with the chunk size in sectors.
    Striped(u64, Vec<Goal>),
    /// `zero`.
    Zero,
    /// `error`.
    Error,
    /// `delay`: goals and milliseconds for reads, writes and flushes.
    Delay(Vec<(Goal, u32)>),
    /// `flakey`, up or down all the time.
    Flakey(Goal, Option<Down>),
    /// `unstriped`: number of stripes, chunk size in sectors, index of the stripe.
    Unstriped(u64, u64, u64, Goal),
    /// `switch`: sectors of a region, the devices, and which one each region uses.
    Switch(u64, Vec<Goal>, Vec<usize>),
    /// `dust`, on blocks of the goal's device.
    Dust(Goal, Dust),
    /// `crypt`.
    Crypt(Goal, Cipher),
    /// `log-writes`: a device, and its log, which the model does not know.
    LogWrites(DevNo, DevNo),
}

/// The bad blocks of a dust segment.
#[derive(Clone, Debug, Default)]
pub struct Dust {
    /// Sectors of a block.
    pub block: u64,
    /// Bad blocks, with the number of writes that fail.
    pub bad: BTreeMap<u64, u8>,
    /// They are bad.
    pub enabled: bool,
}

/// What a flakey segment does when it is down.
#[derive(Clone, Debug)]
pub enum Down {
    /// Without features.
    Fail,
    /// `drop_writes`.
    DropWrites,
    /// `error_writes`.
    ErrorWrites,
    /// `error_reads`.
    ErrorReads,
    /// `corrupt_bio_byte`: index from 1, `true` for writes, value.
    Corrupt(u32, bool, u8),
}

/// A line of a table.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Length in sectors.
    pub length: u64,
    /// What it does.
    pub kind: Kind,
}

/// The text of a table of these segments, for the engine.
#[must_use]
pub fn table_text(segments: &[Segment]) -> String {
    let goal = |(dev, sector): &Goal| format!("{}:{} {sector}", dev.major, dev.minor);
    let mut start = 0;
    let mut lines = Vec::new();
    for segment in segments {
        let target = match &segment.kind {
            Kind::Linear(to) => format!("linear {}", goal(to)),
            Kind::Striped(chunk, goals) => {
                let goals: Vec<_> = goals.iter().map(goal).collect();
                format!("striped {} {chunk} {}", goals.len(), goals.join(" "))
            }
            Kind::Zero => "zero".into(),
            Kind::Error => "error".into(),
            Kind::Delay(groups) => {
                let groups: Vec<_> = groups.iter().map(|(to, ms)| format!("{} {ms}", goal(to))).collect();
                format!("delay {}", groups.join(" "))
            }
            Kind::Flakey(to, None) => format!("flakey {} 1000000 0 1 drop_writes", goal(to)),
            Kind::Flakey(to, Some(down)) => {
                let features = match down {
                    Down::Fail => "0".into(),
                    Down::DropWrites => "1 drop_writes".into(),
                    Down::ErrorWrites => "1 error_writes".into(),
                    Down::ErrorReads => "1 error_reads".into(),
                    Down::Corrupt(nth, writes, value) => {
                        format!("5 corrupt_bio_byte {nth} {} {value} 0", if *writes { 'w' } else { 'r' })
                    }
                };
                format!("flakey {} 0 1000000 {features}", goal(to))
            }
            Kind::Unstriped(count, chunk, index, to) => format!("unstriped {count} {chunk} {index} {}", goal(to)),
            Kind::Switch(region, goals, _) => {
                let goals: Vec<_> = goals.iter().map(goal).collect();
                format!("switch {} {region} 0 {}", goals.len(), goals.join(" "))
            }
            Kind::Dust(to, dust) => format!("dust {} {}", goal(to), dust.block * SECTOR as u64),
            Kind::Crypt(to, cipher) => format!("crypt {}", cipher.words(&goal(to))),
            Kind::LogWrites(dev, log) => format!("log-writes {}:{} {}:{}", dev.major, dev.minor, log.major, log.minor),
        };
        lines.push(format!("{start} {} {target}", segment.length));
        start += segment.length;
    }
    lines.join("\n")
}

/// All disks and mapped devices.
#[derive(Clone, Debug, Default)]
pub struct Model {
    disks: BTreeMap<DevNo, Vec<u8>>,
    bad: BTreeSet<(DevNo, u64)>,
    tables: BTreeMap<DevNo, Vec<Segment>>,
}

/// A request, or a part of one: an operation on consecutive sectors.
#[derive(Clone, Copy, Debug)]
struct Range {
    op: Op,
    first: u64,
    sectors: u64,
}

impl Range {
    /// Parts that end at multiples of a size, with the sectors in front of each.
    fn cut(self, size: u64) -> impl Iterator<Item = (u64, Self)> + use<> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let first = self.first + done;
            let sectors = (size - first % size).min(self.sectors - done);
            let before = done;
            done += sectors;
            (sectors > 0).then_some((before, Self { first, sectors, ..self }))
        })
    }
}

impl Dust {
    /// Whether an operation fails on a block.
    fn touch(&mut self, number: u64, reads: bool) -> bool {
        match self.bad.get_mut(&number) {
            None => false,
            Some(_) if reads => true,
            Some(0) => {
                self.bad.remove(&number);
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

impl Model {
    /// A disk of zeroes.
    pub fn add_disk(&mut self, dev: DevNo, sectors: u64) {
        self.disks.insert(dev, vec![0; place(sectors).start]);
    }

    /// A sector of a disk fails from now on.
    pub fn make_bad(&mut self, dev: DevNo, sector: u64) {
        self.bad.insert((dev, sector));
    }

    /// What is on a disk.
    ///
    /// # Panics
    /// When there is no such disk.
    #[must_use]
    pub fn contents(&self, dev: DevNo) -> &[u8] {
        &self.disks[&dev]
    }

    /// Gives a mapped device its table.
    pub fn set_table(&mut self, dev: DevNo, segments: Vec<Segment>) {
        self.tables.insert(dev, segments);
    }

    /// The segments of a mapped device, none when it has no table.
    #[must_use]
    pub fn table(&self, dev: DevNo) -> &[Segment] {
        self.tables.get(&dev).map_or(&[], Vec::as_slice)
    }

    /// The same, to be changed by a message.
    ///
    /// # Panics
    /// When it has no table.
    pub fn table_mut(&mut self, dev: DevNo) -> &mut [Segment] {
        self.tables.get_mut(&dev).expect("it has a table")
    }

    /// Size of a device in sectors.
    #[must_use]
    pub fn sectors(&self, dev: DevNo) -> u64 {
        match self.tables.get(&dev) {
            Some(segments) => segments.iter().map(|segment| segment.length).sum(),
            None => self.disks.get(&dev).map_or(0, |disk| (disk.len() / SECTOR) as u64),
        }
    }

    /// Does a request. `data` is read into or written from; of other operations it is empty.
    ///
    /// # Errors
    /// EIO when any sector fails; all others are done nevertheless.
    pub fn request(&mut self, dev: DevNo, op: Op, first: u64, sectors: u64, data: &mut [u8]) -> Result<(), Errno> {
        if first.checked_add(sectors).is_none_or(|end| end > self.sectors(dev)) {
            return Err(Errno::EIO);
        }
        self.range(dev, Range { op, first, sectors }, data)
    }

    fn range(&mut self, dev: DevNo, range: Range, data: &mut [u8]) -> Result<(), Errno> {
        // Nothing leads back to it.
        let Some(mut segments) = self.tables.remove(&dev) else {
            return self.disk_range(dev, range, data);
        };
        let mut result = Ok(());
        let mut start = 0;
        for segment in &mut segments {
            let end = start + segment.length;
            let (first, last) = (range.first.max(start), (range.first + range.sectors).min(end));
            if first < last {
                let part = Range {
                    op: range.op,
                    first: first - start,
                    sectors: last - first,
                };
                let data = slice(data, first - range.first, last - first);
                let done = self.segment(&mut segment.kind, start, part, data);
                result = result.and(done);
            }
            start = end;
        }
        self.tables.insert(dev, segments);
        result
    }

    /// Does what lies in one segment, which begins at sector `start` of its device.
    fn segment(&mut self, kind: &mut Kind, start: u64, range: Range, data: &mut [u8]) -> Result<(), Errno> {
        let reads = range.op == Op::Read;
        match kind {
            Kind::Error => Err(Errno::EIO),
            Kind::Zero => {
                if reads {
                    data.fill(0);
                }
                Ok(())
            }
            Kind::Linear(goal) => self.pass(*goal, range, data),
            Kind::Delay(groups) => {
                let group = if reads { 0 } else { groups.len().min(2) - 1 };
                self.pass(groups[group].0, range, data)
            }
            Kind::Striped(chunk, goals) => {
                let mut result = Ok(());
                for (done, part) in range.cut(*chunk) {
                    let number = part.first / *chunk;
                    let stripes = goals.len() as u64;
                    let stripe = (0..goals.len())
                        .find(|&stripe| stripe as u64 == number % stripes)
                        .expect("one is");
                    let there = Range {
                        first: number / stripes * *chunk + part.first % *chunk,
                        ..part
                    };
                    result = result.and(self.pass(goals[stripe], there, slice(data, done, part.sectors)));
                }
                result
            }
            Kind::Unstriped(..) if range.op == Op::Discard => Err(Errno::EOPNOTSUPP),
            Kind::Unstriped(count, chunk, index, goal) => {
                let mut result = Ok(());
                for (done, part) in range.cut(*chunk) {
                    let there = Range {
                        first: (part.first / *chunk * *count + *index) * *chunk + part.first % *chunk,
                        ..part
                    };
                    result = result.and(self.pass(*goal, there, slice(data, done, part.sectors)));
                }
                result
            }
            Kind::Switch(region, goals, used) => {
                let mut result = Ok(());
                for (done, part) in range.cut(*region) {
                    let goal = goals[used[usize::try_from(part.first / *region).expect("few regions")]];
                    result = result.and(self.pass(goal, part, slice(data, done, part.sectors)));
                }
                result
            }
            Kind::Dust(goal, dust) => {
                // A discard is not cut.
                let parts = range.cut(if range.op == Op::Discard { u64::MAX } else { dust.block });
                let mut result = Ok(());
                for (done, part) in parts {
                    let number = (goal.1 + part.first) / dust.block;
                    let fails = dust.enabled && dust.touch(number, reads);
                    let there = match fails {
                        true => Err(Errno::EIO),
                        false => self.pass(*goal, part, slice(data, done, part.sectors)),
                    };
                    result = result.and(there);
                }
                result
            }
            Kind::Crypt(_, cipher) if range.op == Op::Discard && !cipher.discards => Err(Errno::EOPNOTSUPP),
            Kind::Crypt(goal, _) if range.op == Op::Discard => self.pass(*goal, range, data),
            Kind::Crypt(goal, cipher) => {
                if !range.first.is_multiple_of(cipher.unit) || !range.sectors.is_multiple_of(cipher.unit) {
                    return Err(Errno::EIO);
                }
                // Zeroes are written like other data.
                let mut copy = match range.op {
                    Op::WriteZeroes => vec![0; place(range.sectors).start],
                    _ => data.to_vec(),
                };
                if !reads {
                    cipher.change(true, range.first, &mut copy);
                }
                let op = if reads { Op::Read } else { Op::Write };
                let result = self.pass(*goal, Range { op, ..range }, &mut copy);
                if reads {
                    cipher.change(false, range.first, &mut copy);
                    data.copy_from_slice(&copy);
                }
                result
            }
            Kind::LogWrites(dev, _) => self.pass((*dev, start), range, data),
            Kind::Flakey(goal, down) => match down {
                None => self.pass(*goal, range, data),
                Some(Down::Fail) => Err(Errno::EIO),
                Some(Down::ErrorReads) if reads => Err(Errno::EIO),
                Some(Down::ErrorWrites) if !reads => Err(Errno::EIO),
                Some(Down::DropWrites) if !reads => Ok(()),
                Some(Down::Corrupt(nth, writes, value)) => {
                    let index = *nth as usize - 1;
                    let mut copy = data.to_vec();
                    if *writes && index < copy.len() && range.op == Op::Write {
                        copy[index] = *value;
                    }
                    let result = self.pass(*goal, range, &mut copy);
                    if reads {
                        data.copy_from_slice(&copy);
                        if !*writes && index < data.len() {
                            data[index] = *value;
                        }
                    }
                    result
                }
                Some(_) => self.pass(*goal, range, data),
            },
        }
    }

    fn pass(&mut self, goal: Goal, range: Range, data: &mut [u8]) -> Result<(), Errno> {
        let (dev, offset) = goal;
        let range = Range {
            first: offset + range.first,
            ..range
        };
        self.range(dev, range, data)
    }

    fn disk_range(&mut self, dev: DevNo, range: Range, data: &mut [u8]) -> Result<(), Errno> {
        let mut result = Ok(());
        for index in 0..range.sectors {
            let sector = range.first + index;
            let disk = self.disks.get_mut(&dev).expect("goals exist");
            if self.bad.contains(&(dev, sector)) {
                result = Err(Errno::EIO);
                continue;
            }
            match range.op {
                Op::Read => data[place(index)].copy_from_slice(&disk[place(sector)]),
                Op::Write => disk[place(sector)].copy_from_slice(&data[place(index)]),
                Op::Discard | Op::WriteZeroes => disk[place(sector)].fill(0),
                Op::Flush => {}
            }
        }
        result
    }

    /// The disks that a flush of a device must reach; `None` when the flush must fail.
    #[must_use]
    pub fn flushed(&self, dev: DevNo) -> Option<BTreeSet<DevNo>> {
        let Some(segments) = self.tables.get(&dev) else {
            return Some([dev].into());
        };
        let mut reached = BTreeSet::new();
        for segment in segments {
            let goals: Vec<Goal> = match &segment.kind {
                Kind::Zero | Kind::Error | Kind::Flakey(_, Some(Down::DropWrites)) => Vec::new(),
                Kind::Flakey(_, Some(Down::Fail | Down::ErrorWrites)) => return None,
                Kind::Linear(goal)
                | Kind::Flakey(goal, _)
                | Kind::Unstriped(_, _, _, goal)
                | Kind::Dust(goal, _)
                | Kind::Crypt(goal, _) => vec![*goal],
                Kind::LogWrites(dev, _) => vec![(*dev, 0)],
                Kind::Striped(_, goals) | Kind::Switch(_, goals, _) => goals.clone(),
                Kind::Delay(groups) => groups.iter().map(|(goal, _)| *goal).collect(),
            };
            for (dev, _) in goals {
                reached.extend(self.flushed(dev)?);
            }
        }
        Some(reached)
    }

    /// The sectors of disks that a request reads or changes, by plain search; `None` when it has one of them twice, so
    /// that its result depends on the order of its pieces.
    #[must_use]
    pub fn touched(&self, dev: DevNo, op: Op, first: u64, sectors: u64) -> Option<BTreeSet<(DevNo, u64)>> {
        let mut touched = BTreeSet::new();
        for sector in first..first.saturating_add(sectors).min(self.sectors(dev)) {
            if let Some(place) = self.place(dev, op, sector, &mut touched)
                && !touched.insert(place)
            {
                return None;
            }
        }
        Some(touched)
    }

    /// The sector of a disk that is behind a sector of a device. What is in common for several sectors is put into `common`:
    /// the blocks of dust, whose failures depend on the order in which they are touched.
    fn place(&self, dev: DevNo, op: Op, sector: u64, common: &mut BTreeSet<(DevNo, u64)>) -> Option<(DevNo, u64)> {
        let Some(segments) = self.tables.get(&dev) else {
            return Some((dev, sector));
        };
        let mut inside = sector;
        let mut segments = segments.iter();
        let segment = loop {
            let segment = segments.next()?;
            if inside < segment.length {
                break segment;
            }
            inside -= segment.length;
        };
        let start = sector - inside;
        let (below, sector) = match &segment.kind {
            Kind::Zero | Kind::Error => return None,
            Kind::Linear((dev, offset)) | Kind::Flakey((dev, offset), _) => (*dev, offset + inside),
            Kind::Striped(chunk, goals) => {
                let stripes = goals.len() as u64;
                let number = inside / chunk;
                let (dev, offset) = goals[usize::try_from(number % stripes).expect("below a usize")];
                (dev, offset + number / stripes * chunk + inside % chunk)
            }
            Kind::Delay(groups) => {
                let group = if op == Op::Read { 0 } else { groups.len().min(2) - 1 };
                let ((dev, offset), _) = groups[group];
                (dev, offset + inside)
            }
            Kind::Unstriped(count, chunk, index, (dev, offset)) => {
                (*dev, offset + (inside / chunk * count + index) * chunk + inside % chunk)
            }
            Kind::Switch(region, goals, used) => {
                let (dev, offset) = goals[used[usize::try_from(inside / region).expect("few regions")]];
                (dev, offset + inside)
            }
            Kind::Dust((below, offset), dust) => {
                // No sector of a disk has such a number.
                common.insert((dev, u64::MAX - (start + inside - inside % dust.block)));
                (*below, offset + inside)
            }
            Kind::Crypt((dev, offset), _) => (*dev, offset + inside),
            Kind::LogWrites(dev, _) => (*dev, start + inside),
        };
        self.place(below, op, sector, common)
    }
}

/// The data of some sectors; nothing for operations without data.
fn slice(data: &mut [u8], first: u64, sectors: u64) -> &mut [u8] {
    if data.is_empty() {
        return data;
    }
    &mut data[place(first).start..place(first + sectors).start]
}
