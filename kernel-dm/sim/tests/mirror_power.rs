//! Power cuts of mirrors with a log on a disk, at random points of random runs.
//!
//! Every sector that is written gets a number of its own, all over it. After a cut each sector that was not flushed is on
//! the disk in any of its versions since the last flush. Then:
//! * a region that the log calls clean is the same on all legs;
//! * each sector is whole, and a version that is not older than the last durable one; and it stays what it was read as
//!   while the mirror is made whole again, and in the life after that.
//!
//! In half of the runs, operations of components fail now and then.
//!
//! `MIRROR_CUTS` sets the number of cuts (default 300), `MIRROR_SEED` the first seed.

use std::collections::BTreeMap;

use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_sim::io::RequestId;
use dm_sim::numbered::{number, sector};
use dm_sim::{Disk, Random, SECTOR, Sim};

const M: DeviceId = DeviceId(1);
const CUTS_PER_RUN: usize = 10;

/// The versions of one sector, oldest first; those before `durable` can no longer appear.
#[derive(Clone, Debug)]
struct Versions {
    numbers: Vec<u64>,
    acknowledged: usize,
    durable: usize,
    /// A write to it is under way.
    busy: bool,
}

enum Pending {
    Write {
        first: usize,
        count: usize,
        fua: bool,
    },
    /// With what was acknowledged when it was submitted.
    Flush(Vec<usize>),
}

struct Run {
    sim: Sim,
    random: Random,
    sectors: u64,
    region: u64,
    legs: u32,
    /// handle_errors or nothing.
    features: &'static str,
    view: Vec<Versions>,
    next: u64,
    pending: BTreeMap<RequestId, Pending>,
    resync: usize,
    faults: bool,
}

fn dev(minor: u32) -> DevNo {
    DevNo { major: 1, minor }
}

/// Disk 0 is the log.
fn plug(disks: Vec<Disk>) -> Sim {
    let mut sim = Sim::new();
    for (minor, disk) in (0..).zip(disks) {
        sim.add_disk(1, minor, &format!("/dev/ram{minor}"), disk);
    }
    sim.create(M, None).unwrap();
    sim
}

fn read(sim: &mut Sim, sectors: u64) -> Vec<u64> {
    let bio = Bio {
        op: Op::Read,
        sector: 0,
        sectors,
        fua: false,
    };
    let data = sim.io(M, bio, Vec::new()).unwrap();
    data.chunks(SECTOR).map(number).collect()
}

fn status(sim: &Sim) -> String {
    let table = sim.device(M).unwrap().volume().table().unwrap();
    let mut out = String::new();
    table.write_status(&table.segments()[0], &mut out).unwrap();
    out
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let region = 2 << random.below(4);
        let sectors = 64 + random.below(64);
        let legs = 2 + u32::from(random.below(3) == 0);
        let mut disks = vec![Disk::new(8)];
        let whole = random.below(2) == 0;
        for leg in 0..u64::from(legs) {
            let mut disk = Disk::new(sectors + 3 * leg);
            let offset = if whole { 0 } else { leg << 32 };
            let mut data: Vec<u8> = (1..=sectors).flat_map(|at| sector(at + offset)).collect();
            disk.operate(Op::Write, true, 3 * leg, sectors, &mut data).unwrap();
            disks.push(disk);
        }
        let view = (1..=sectors)
            .map(|number| Versions {
                numbers: vec![number],
                acknowledged: 0,
                durable: 0,
                busy: false,
            })
            .collect();
        let mut run = Self {
            sim: plug(disks),
            random,
            sectors,
            region,
            legs,
            features: if seed.is_multiple_of(2) { "" } else { " 1 handle_errors" },
            view,
            next: 1000,
            pending: BTreeMap::new(),
            resync: 0,
            faults: seed / 2 % 2 == 1,
        };
        // Without a log, nosync promises that the legs are the same.
        let words = if whole && run.random.below(2) == 0 {
            " nosync"
        } else {
            ""
        };
        let line = run.line(words);
        run.put(&line);
        run
    }

    fn line(&self, word: &str) -> String {
        let count = if word.is_empty() { 2 } else { 3 };
        let mut line = format!(
            "0 {} mirror disk {count} 1:0 {}{word} {}",
            self.sectors, self.region, self.legs
        );
        for leg in 0..self.legs {
            line += &format!(" 1:{} {}", leg + 1, 3 * leg);
        }
        line + self.features
    }

    /// Makes a table live, without waiting for what it does then.
    fn put(&mut self, line: &str) {
        let table = self.sim.prepare(line, false).unwrap();
        self.sim.suspend(M);
        self.sim.put(M, table).unwrap();
    }

    fn submit(&mut self) {
        let kind = self.random.below(12);
        if kind < 2 {
            let acknowledged = self.view.iter().map(|versions| versions.acknowledged).collect();
            let bio = Bio {
                op: Op::Flush,
                sector: 0,
                sectors: 0,
                fua: false,
            };
            let request = self.sim.submit(M, bio, Vec::new());
            self.pending.insert(request, Pending::Flush(acknowledged));
            return;
        }
        let size = self.view.len();
        let first = self.random.pick(size);
        let count = 1 + self.random.pick((size - first).min(9));
        if self.view[first..first + count].iter().any(|versions| versions.busy) {
            return;
        }
        let mut data = Vec::new();
        for versions in &mut self.view[first..first + count] {
            self.next += 1;
            data.extend(sector(self.next));
            versions.numbers.push(self.next);
            versions.busy = true;
        }
        let fua = kind == 2;
        let bio = Bio {
            op: Op::Write,
            sector: first as u64,
            sectors: count as u64,
            fua,
        };
        let request = self.sim.submit(M, bio, data);
        self.pending.insert(request, Pending::Write { first, count, fua });
    }

    fn collect(&mut self) {
        let done: Vec<RequestId> = self.pending.keys().copied().collect();
        for request in done {
            let Some(result) = self.sim.take(request) else { continue };
            assert!(self.faults || result.is_ok(), "{result:?}");
            let pending = self.pending.remove(&request).unwrap();
            if result.is_err() {
                // It can be there all the same.
                if let Pending::Write { first, count, .. } = pending {
                    let all = &mut self.view[first..first + count];
                    all.iter_mut().for_each(|versions| versions.busy = false);
                }
                continue;
            }
            match pending {
                Pending::Write { first, count, fua } => {
                    for versions in &mut self.view[first..first + count] {
                        versions.acknowledged = versions.numbers.len() - 1;
                        versions.busy = false;
                        if fua {
                            versions.durable = versions.acknowledged;
                        }
                    }
                }
                Pending::Flush(acknowledged) => {
                    for (versions, acknowledged) in self.view.iter_mut().zip(acknowledged) {
                        versions.durable = versions.durable.max(acknowledged);
                    }
                }
            }
        }
    }

    /// One thing happens.
    fn step(&mut self) {
        match self.random.below(300) {
            0 => {
                self.sim.suspend(M);
                self.collect();
                self.sim.resume(M).unwrap();
            }
            1 => {
                let line = self.line("");
                self.put(&line);
            }
            2..=4 if self.faults => {
                let disk = u32::try_from(self.random.below(u64::from(self.legs) + 1)).unwrap();
                let nth = self.random.below(12);
                self.sim.disk_mut(dev(disk)).fail_operation(nth);
            }
            5..=9 => self.sim.advance(140),
            n if n < 90 && self.pending.len() < 6 => self.submit(),
            _ => {
                let choice = self.random.pick(1000);
                self.sim.step(choice);
            }
        }
        self.collect();
    }

    /// The regions that the log on the disk calls clean.
    fn clean(&self, log: &Disk) -> Vec<u64> {
        let data = log.contents();
        let regions = self.sectors.div_ceil(self.region);
        if &data[..4] != b"rRiM" {
            return Vec::new();
        }
        assert_eq!(data[8..16], regions.to_le_bytes());
        let bit = |region: u64| data[1024 + usize::try_from(region / 8).unwrap()] >> (region % 8) & 1 == 1;
        (0..regions).filter(|&region| bit(region)).collect()
    }

    /// Clean regions are the same on all legs.
    fn check_clean(&self, disks: &[Disk]) -> usize {
        let clean = self.clean(&disks[0]);
        let bytes = |sector: u64| usize::try_from(sector).unwrap() * SECTOR;
        for &region in &clean {
            let first = region * self.region;
            let sectors = self.region.min(self.sectors - first);
            let part = |leg: u64| {
                let contents = disks[usize::try_from(leg).unwrap() + 1].contents();
                contents[bytes(first + 3 * leg)..bytes(first + 3 * leg + sectors)].to_vec()
            };
            for leg in 1..u64::from(self.legs) {
                assert!(part(0) == part(leg), "region {region} is called clean and is not");
            }
        }
        clean.len()
    }

    fn disks(&self, sim: &Sim) -> Vec<Disk> {
        (0..=self.legs).map(|minor| sim.disk(dev(minor)).clone()).collect()
    }

    /// The power goes now; what comes back is looked at. The run itself goes on.
    fn cut(&mut self) {
        let mut disks = self.disks(&self.sim);
        let kind = self.random.below(4);
        for disk in &mut disks {
            disk.heal();
            let random = &mut self.random;
            disk.cut_power_at(&mut |_, versions| match kind {
                0 => 0,
                1 => versions,
                _ => random.pick(versions + 1),
            });
        }
        let clean = self.check_clean(&disks);
        self.resync += usize::from((clean as u64) < self.sectors.div_ceil(self.region));
        let mut sim = plug(disks);
        let line = self.line("");
        let table = sim.prepare(&line, false).unwrap();
        sim.put(M, table).unwrap();
        let seen = read_early(&mut sim, self.sectors, &mut self.random);
        for (at, (number, versions)) in seen.iter().zip(&self.view).enumerate() {
            let allowed = &versions.numbers[versions.durable..];
            assert!(
                allowed.contains(number),
                "sector {at} is {number}, not one of {allowed:?}"
            );
        }
        // The second cut comes while it is being made whole.
        let mut expected = seen;
        let steps = self.random.below(200);
        for _ in 0..steps {
            let choice = self.random.pick(1000);
            sim.step(choice);
        }
        let written = self.random.pick(expected.len());
        expected[written] = 1 << 30;
        let bio = Bio {
            op: Op::Write,
            sector: written as u64,
            sectors: 1,
            fua: true,
        };
        let request = sim.submit(M, bio, sector(1 << 30).to_vec());
        while !sim.step(self.random.pick(1000)) || sim.take(request).is_none() {}
        let mut disks = self.disks(&sim);
        for disk in &mut disks {
            let random = &mut self.random;
            disk.cut_power_at(&mut |_, versions| random.pick(versions + 1));
        }
        self.check_clean(&disks);
        let mut sim = plug(disks);
        sim.load(M, &line).unwrap();
        assert_eq!(read(&mut sim, self.sectors), expected, "in the next life");
        sim.run();
        assert_eq!(read(&mut sim, self.sectors), expected, "when whole");
        let regions = self.sectors.div_ceil(self.region);
        assert!(
            status(&sim).contains(&format!(" {regions}/{regions} ")),
            "{}",
            status(&sim)
        );
        sim.unload(M);
        assert_eq!(self.check_clean(&self.disks(&sim)) as u64, regions);
    }

    /// Everything ends well.
    fn finish(mut self) {
        (0..=self.legs).for_each(|minor| self.sim.disk_mut(dev(minor)).heal());
        self.sim.run();
        let line = self.line("");
        self.put(&line);
        self.sim.run();
        self.collect();
        assert!(self.pending.is_empty(), "requests hang");
        let seen = read(&mut self.sim, self.sectors);
        for (at, (number, versions)) in seen.iter().zip(&self.view).enumerate() {
            let allowed = &versions.numbers[versions.acknowledged..];
            assert!(
                allowed.contains(number),
                "at the end sector {at} is {number}, not one of {allowed:?}"
            );
        }
        self.sim.unload(M);
        assert_eq!(
            self.check_clean(&self.disks(&self.sim)) as u64,
            self.sectors.div_ceil(self.region)
        );
    }
}

/// Reads all while other work is done in between.
fn read_early(sim: &mut Sim, sectors: u64, random: &mut Random) -> Vec<u64> {
    let bio = Bio {
        op: Op::Read,
        sector: 0,
        sectors,
        fua: false,
    };
    let request = sim.submit(M, bio, Vec::new());
    loop {
        if let Some(data) = sim.take(request) {
            return data.unwrap().chunks(SECTOR).map(number).collect();
        }
        assert!(sim.step(random.pick(1000)), "the read hangs");
    }
}

#[test]
fn nothing_is_lost_and_no_region_is_called_clean_that_is_not() {
    let variable =
        |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (cuts, first) = (variable("MIRROR_CUTS", 300), variable("MIRROR_SEED", 0));
    let mut in_resync = 0;
    for seed in first..first + cuts.div_ceil(CUTS_PER_RUN as u64) {
        let result = std::panic::catch_unwind(|| {
            let mut run = Run::new(seed);
            for _ in 0..CUTS_PER_RUN {
                for _ in 0..run.random.below(120) {
                    run.step();
                }
                run.cut();
            }
            let resync = run.resync;
            run.finish();
            resync
        });
        let Ok(resync) = result else {
            panic!("seed {seed}");
        };
        in_resync += resync;
    }
    println!("{cuts} cuts, {in_resync} with regions to be copied");
    assert!(in_resync > 0);
}
