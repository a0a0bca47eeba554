//! Power cuts of snapshots and merges, at random points of random runs.
//!
//! Every sector that is written gets a number of its own, all over it. After a cut each sector that was not flushed is on
//! the disk in any of its versions since the last flush. What a device may show then: of each sector a version that is not
//! older than the last durable one, whole; of a snapshot, what the origin was when it was made. `SNAPSHOT_CUTS` sets the
//! number of cuts (default 600).

use std::collections::BTreeMap;

use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_sim::io::RequestId;
use dm_sim::numbered::{number, sector};
use dm_sim::{Disk, Random, SECTOR, Sim};

const SECTORS: u64 = 96;
const STORE: u64 = 256;
const DISKS: [DevNo; 3] = [
    DevNo { major: 1, minor: 0 },
    DevNo { major: 1, minor: 1 },
    DevNo { major: 1, minor: 2 },
];
/// The origin, two snapshots; the first one's store is merged by the device of the origin.
const IDS: [DeviceId; 3] = [DeviceId(1), DeviceId(2), DeviceId(3)];
const CUTS_PER_RUN: usize = 10;

/// The versions of one sector of one device, oldest first; those before `durable` can no longer appear.
#[derive(Clone, Debug)]
struct Versions {
    numbers: Vec<u64>,
    acknowledged: usize,
    durable: usize,
    /// From here on they were written through this device. A flush makes only these durable: what a snapshot still has on
    /// the origin is the origin's to flush.
    own: usize,
}

/// What a user of a device has seen.
#[derive(Clone, Debug)]
struct View {
    sectors: Vec<Versions>,
    /// Sectors of writes under way.
    busy: Vec<bool>,
}

impl View {
    fn allowed(&self, sector: usize) -> &[u64] {
        &self.sectors[sector].numbers[self.sectors[sector].durable..]
    }
}

enum Pending {
    Write {
        device: usize,
        first: usize,
        count: usize,
        fua: bool,
    },
    /// With what was acknowledged when it was submitted.
    Flush { device: usize, acknowledged: Vec<usize> },
}

struct Run {
    sim: Sim,
    random: Random,
    chunk: u64,
    /// Of the origin and two snapshots, if they are there. Merging continues the view of the snapshot.
    views: [Option<View>; 3],
    merging: bool,
    next: u64,
    pending: BTreeMap<RequestId, Pending>,
}

fn plug(disks: [Disk; 3]) -> Sim {
    let mut sim = Sim::new();
    for (minor, disk) in (0..).zip(disks) {
        sim.add_disk(1, minor, &format!("/dev/ram{minor}"), disk);
    }
    for id in IDS {
        sim.create(id, None).unwrap();
    }
    sim
}

/// Loads the tables of some devices.
fn tables(sim: &mut Sim, chunk: u64, present: [bool; 3], merging: bool) {
    if present[2] {
        sim.load(IDS[2], &format!("0 {SECTORS} snapshot 1:0 1:2 P {chunk}"))
            .unwrap();
    }
    if merging {
        sim.load(IDS[0], &format!("0 {SECTORS} snapshot-merge 1:0 1:1 P {chunk}"))
            .unwrap();
        return;
    }
    if present[1] {
        sim.load(IDS[1], &format!("0 {SECTORS} snapshot 1:0 1:1 P {chunk}"))
            .unwrap();
    }
    sim.load(IDS[0], &format!("0 {SECTORS} snapshot-origin 1:0")).unwrap();
}

fn read(sim: &mut Sim, id: DeviceId) -> Vec<u64> {
    let bio = Bio {
        op: Op::Read,
        sector: 0,
        sectors: SECTORS,
        fua: false,
    };
    let data = sim.io(id, bio, Vec::new()).unwrap();
    data.chunks(SECTOR).map(number).collect()
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let chunk = 1 << random.below(4);
        let mut origin = Disk::new(SECTORS);
        let mut data: Vec<u8> = (1..=SECTORS).flat_map(sector).collect();
        origin.operate(Op::Write, true, 0, SECTORS, &mut data).unwrap();
        // Something that is not zero where no store is yet.
        let store = || {
            let mut store = Disk::new(STORE);
            let mut data: Vec<u8> = (0..STORE).flat_map(|number| sector(number | 1 << 40)).collect();
            data[..SECTOR].fill(0);
            store.operate(Op::Write, true, 0, STORE, &mut data).unwrap();
            store
        };
        let mut sim = plug([origin, store(), store()]);
        tables(&mut sim, chunk, [true, true, false], false);
        let view = View {
            sectors: (1..=SECTORS)
                .map(|number| Versions {
                    numbers: vec![number],
                    acknowledged: 0,
                    durable: 0,
                    own: 0,
                })
                .collect(),
            busy: vec![false; usize::try_from(SECTORS).unwrap()],
        };
        Self {
            sim,
            random,
            chunk,
            views: [Some(view.clone()), Some(view), None],
            merging: false,
            next: 1000,
            pending: BTreeMap::new(),
        }
    }

    /// The device through which a view is used.
    fn id(&self, view: usize) -> DeviceId {
        if self.merging && view == 1 { IDS[0] } else { IDS[view] }
    }

    fn submit(&mut self) {
        let device = self.random.pick(3);
        if self.views[device].is_none() {
            return;
        }
        let id = self.id(device);
        let view = self.views[device].as_mut().unwrap();
        if self.random.below(8) == 0 {
            let acknowledged = view.sectors.iter().map(|versions| versions.acknowledged).collect();
            let bio = Bio {
                op: Op::Flush,
                sector: 0,
                sectors: 0,
                fua: false,
            };
            let request = self.sim.submit(id, bio, Vec::new());
            self.pending.insert(request, Pending::Flush { device, acknowledged });
            return;
        }
        let size = usize::try_from(SECTORS).unwrap();
        let first = self.random.pick(size);
        let count = 1 + self.random.pick((size - first).min(12));
        if view.busy[first..first + count].contains(&true) {
            return;
        }
        let mut data = Vec::new();
        for index in first..first + count {
            self.next += 1;
            data.extend(sector(self.next));
            view.sectors[index].numbers.push(self.next);
            view.busy[index] = true;
        }
        let fua = self.random.below(6) == 0;
        let bio = Bio {
            op: Op::Write,
            sector: first as u64,
            sectors: count as u64,
            fua,
        };
        let request = self.sim.submit(id, bio, data);
        let write = Pending::Write {
            device,
            first,
            count,
            fua,
        };
        self.pending.insert(request, write);
    }

    fn collect(&mut self) {
        let done: Vec<RequestId> = self.pending.keys().copied().collect();
        for request in done {
            let Some(result) = self.sim.take(request) else { continue };
            result.unwrap();
            match self.pending.remove(&request).unwrap() {
                Pending::Write {
                    device,
                    first,
                    count,
                    fua,
                } => {
                    let view = self.views[device].as_mut().unwrap();
                    for index in first..first + count {
                        let versions = &mut view.sectors[index];
                        versions.acknowledged = versions.numbers.len() - 1;
                        if fua {
                            versions.durable = versions.acknowledged;
                        }
                        view.busy[index] = false;
                    }
                }
                Pending::Flush { device, acknowledged } => {
                    let view = self.views[device].as_mut().unwrap();
                    for (versions, acknowledged) in view.sectors.iter_mut().zip(acknowledged) {
                        if acknowledged >= versions.own {
                            versions.durable = versions.durable.max(acknowledged);
                        }
                    }
                }
            }
        }
    }

    /// One thing happens.
    fn step(&mut self) {
        match self.random.below(400) {
            0 if self.views[2].is_none() && !self.merging => self.second_snapshot(),
            1 if !self.merging && self.random.below(2) == 0 => self.start_merge(),
            2 => {
                // A snapshot's table is replaced by one that says the same.
                let present = [false, !self.merging, self.views[2].is_some()];
                let view = 1 + self.random.pick(2);
                if present[view] {
                    let text = format!("0 {SECTORS} snapshot 1:0 1:{view} P {}", self.chunk);
                    self.sim.load(IDS[view], &text).unwrap();
                }
            }
            n if n < 120 && self.pending.len() < 6 => self.submit(),
            _ => {
                let choice = self.random.pick(1000);
                self.sim.step(choice);
            }
        }
        self.collect();
    }

    fn second_snapshot(&mut self) {
        self.sim.suspend(IDS[0]);
        self.collect();
        let text = format!("0 {SECTORS} snapshot 1:0 1:2 P {}", self.chunk);
        self.sim.load(IDS[2], &text).unwrap();
        // What is not durable on the origin may be lost for the snapshot as well; nothing that comes later is seen.
        let mut view = self.views[0].clone().unwrap();
        for versions in &mut view.sectors {
            versions.acknowledged = versions.numbers.len() - 1;
            versions.own = versions.numbers.len();
        }
        self.views[2] = Some(view);
        self.sim.resume(IDS[0]).unwrap();
    }

    fn start_merge(&mut self) {
        self.sim.suspend(IDS[0]);
        self.sim.suspend(IDS[1]);
        self.collect();
        let text = format!("0 {SECTORS} snapshot-merge 1:0 1:1 P {}", self.chunk);
        let table = self.sim.prepare(&text, false).unwrap();
        self.sim.put(IDS[0], table).unwrap();
        self.sim.load(IDS[1], &format!("0 {SECTORS} error")).unwrap();
        self.merging = true;
        self.views[0] = None;
    }

    /// The power goes now; what comes back is looked at. The run itself goes on.
    fn cut(&mut self) {
        let mut disks = DISKS.map(|dev| self.sim.disk(dev).clone());
        let kind = self.random.below(4);
        let random = &mut self.random;
        for disk in &mut disks {
            disk.cut_power_at(&mut |_, versions| match kind {
                0 => 0,
                1 => versions,
                _ => random.pick(versions + 1),
            });
        }
        let present = [true, true, self.views[2].is_some()];
        let mut sim = plug(disks);
        tables(&mut sim, self.chunk, present, self.merging);
        self.check(&mut sim, "after the cut");
        let seen: Vec<Option<Vec<u64>>> = (0..3)
            .map(|view| self.views[view].as_ref().map(|_| read(&mut sim, self.id(view))))
            .collect();
        // The next life: the origin changes all over, and the stores are opened once more.
        let written = if self.merging { 1 } else { 0 };
        let mut expected = seen;
        let numbers = expected[written].as_mut().unwrap();
        for (index, number) in numbers.iter_mut().enumerate() {
            if self.random.below(2) == 0 {
                *number = 1 << 30 | index as u64;
                let bio = Bio {
                    op: Op::Write,
                    sector: index as u64,
                    sectors: 1,
                    fua: true,
                };
                sim.io(self.id(written), bio, sector(*number).to_vec()).unwrap();
            }
        }
        let disks = DISKS.map(|dev| {
            let mut disk = sim.disk(dev).clone();
            disk.cut_power(&mut |_| false);
            disk
        });
        let mut sim = plug(disks);
        tables(&mut sim, self.chunk, present, self.merging);
        for (view, expected) in expected.iter().enumerate() {
            if let Some(expected) = expected {
                assert_eq!(&read(&mut sim, self.id(view)), expected, "view {view} in the next life");
            }
        }
        if self.merging {
            sim.run();
            let table = sim.device(IDS[0]).unwrap().volume().table().unwrap();
            let mut status = String::new();
            table.write_status(&table.segments()[0], &mut status).unwrap();
            assert_eq!(status, format!("{}/{STORE} {}", 2 * self.chunk, 2 * self.chunk));
            let disk: Vec<u64> = sim.disk(DISKS[0]).contents().chunks(SECTOR).map(number).collect();
            assert_eq!(&disk, expected[1].as_ref().unwrap());
            if let Some(expected) = &expected[2] {
                assert_eq!(&read(&mut sim, IDS[2]), expected);
            }
        }
    }

    fn check(&self, sim: &mut Sim, when: &str) {
        for (index, view) in self.views.iter().enumerate() {
            let Some(view) = view else { continue };
            for (sector, number) in read(sim, self.id(index)).into_iter().enumerate() {
                let allowed = view.allowed(sector);
                assert!(
                    allowed.contains(&number),
                    "{when}: view {index}, sector {sector} is {number}, not one of {allowed:?}"
                );
            }
        }
    }

    /// Everything ends well.
    fn finish(mut self) {
        self.sim.run();
        self.collect();
        assert!(self.pending.is_empty(), "requests hang");
        for (index, view) in self.views.iter().enumerate() {
            let Some(view) = view else { continue };
            let id = self.id(index);
            let latest: Vec<u64> = view
                .sectors
                .iter()
                .map(|versions| *versions.numbers.last().unwrap())
                .collect();
            assert_eq!(read(&mut self.sim, id), latest, "view {index} at the end");
        }
    }
}

#[test]
fn nothing_is_lost_or_mixed_up_by_a_power_cut() {
    let cuts: usize = std::env::var("SNAPSHOT_CUTS").map_or(600, |count| count.parse().expect("a number"));
    let first: u64 = std::env::var("SNAPSHOT_SEED").map_or(0, |seed| seed.parse().expect("a number"));
    let (mut merges, mut second, mut mid_merge) = (0, 0, 0);
    for seed in first..first + cuts.div_ceil(CUTS_PER_RUN) as u64 {
        let result = std::panic::catch_unwind(|| {
            let mut run = Run::new(seed);
            let mut middle = 0;
            for _ in 0..CUTS_PER_RUN {
                for _ in 0..run.random.below(120) {
                    run.step();
                }
                middle += usize::from(run.merging && run.sim.ready() > 0);
                run.cut();
            }
            let seen = (usize::from(run.merging), usize::from(run.views[2].is_some()), middle);
            run.finish();
            seen
        });
        let Ok((merging, two, middle)) = result else {
            panic!("seed {seed}");
        };
        merges += merging;
        second += two;
        mid_merge += middle;
    }
    println!(
        "{cuts} cuts, {merges} runs with a merge ({mid_merge} cuts in the middle of it), {second} with two snapshots"
    );
    assert!(merges > 0 && second > 0 && mid_merge > 0);
}
