//! Snapshots when a component fails, at each operation of a scene; and against a plain-memory model.

use std::collections::{BTreeMap, BTreeSet};

use dm_abi::errno::Errno;
use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_sim::{Disk, SECTOR, Sim};
use proptest::prelude::*;

const SECTORS: u64 = 80;
const ORIGIN: DevNo = DevNo { major: 1, minor: 0 };
const COW: DevNo = DevNo { major: 1, minor: 1 };
const O: DeviceId = DeviceId(1);
const S: DeviceId = DeviceId(2);
const T: DeviceId = DeviceId(3);

fn plug(disks: [Disk; 3]) -> Sim {
    let mut sim = Sim::new();
    for (minor, disk) in (0..).zip(disks) {
        sim.add_disk(1, minor, &format!("/dev/ram{minor}"), disk);
    }
    for id in [O, S, T] {
        sim.create(id, None).unwrap();
    }
    sim
}

/// An origin whose sectors are 1, 2, 3 and so on, and devices for stores.
fn sim(store: u64) -> Sim {
    let mut origin = Disk::new(SECTORS);
    let mut data: Vec<u8> = (1..=80).flat_map(|byte| [byte; SECTOR]).collect();
    origin.operate(Op::Write, true, 0, SECTORS, &mut data).unwrap();
    plug([origin, Disk::new(store), Disk::new(store)])
}

fn io(sim: &mut Sim, id: DeviceId, op: Op, sector: u64, sectors: u64, byte: u8) -> Result<Vec<u8>, Errno> {
    let data = match op {
        Op::Write => vec![byte; usize::try_from(sectors).unwrap() * SECTOR],
        _ => Vec::new(),
    };
    let bio = Bio {
        op,
        sector,
        sectors,
        fua: false,
    };
    let data = sim.io(id, bio, data)?;
    Ok(data
        .chunks(SECTOR)
        .map(|sector| {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "a torn sector");
            sector[0]
        })
        .collect())
}

fn status(sim: &Sim, id: DeviceId) -> String {
    let table = sim.device(id).unwrap().volume().table().unwrap();
    let mut out = String::new();
    table.write_status(&table.segments()[0], &mut out).unwrap();
    out
}

/// What the users of a device see, and which of their sectors may be either of two.
#[derive(Clone)]
struct Seen(Vec<BTreeSet<u8>>);

impl Seen {
    fn write(&mut self, first: u64, sectors: u64, byte: u8, result: Result<Vec<u8>, Errno>) {
        for sector in first..first + sectors {
            let place = &mut self.0[usize::try_from(sector).unwrap()];
            if result.is_ok() {
                place.clear();
            }
            place.insert(byte);
        }
    }

    fn check(&self, sim: &mut Sim, id: DeviceId, what: &str) {
        for (sector, allowed) in (0..).zip(&self.0) {
            let byte = io(sim, id, Op::Read, sector, 1, 0).unwrap_or_else(|errno| panic!("{what}: {errno}"))[0];
            assert!(
                allowed.contains(&byte),
                "{what}: sector {sector} is {byte}, not one of {allowed:?}"
            );
        }
    }
}

const KINDS: [&str; 3] = ["P", "PO", "N"];

/// A scene in which the `index`-th operation of a disk fails. False when there are not so many.
fn scene(kind: &str, failing: DevNo, index: u64) -> bool {
    let mut sim = sim(256);
    let seen = Seen((1..=80).map(|byte| [byte].into()).collect());
    let (mut origin, mut snapshot) = (seen.clone(), seen);
    sim.load(O, "0 80 snapshot-origin 1:0").unwrap();
    let first = sim.disk(failing).operations();
    sim.disk_mut(failing).fail_operation(index);
    let text = format!("0 80 snapshot 1:0 1:1 {kind} 4");
    if let Err(error) = sim.load(S, &text) {
        assert_eq!((error.errno, failing), (Errno::EIO, COW));
        sim.disk_mut(failing).heal();
        sim.load(S, &text).unwrap();
    }
    let mut failures = 0;
    for (step, (id, at, sectors)) in (100..).zip([
        (O, 0, 3),
        (S, 2, 7),
        (O, 6, 20),
        (S, 30, 1),
        (S, 30, 2),
        (O, 30, 4),
        (O, 60, 4),
    ]) {
        let result = io(&mut sim, id, Op::Write, at, sectors, step);
        if result.is_err() {
            failures += 1;
            // A failing store is nobody's business but the snapshot's.
            assert!(id == S || failing == ORIGIN, "step {step} of the origin");
        }
        let seen = if id == O { &mut origin } else { &mut snapshot };
        seen.write(at, sectors, step, result);
        if step == 103 {
            sim.suspend(S);
            sim.resume(S).unwrap();
        }
    }
    let failed = sim.disk(failing).operations() > first + index;
    sim.disk_mut(ORIGIN).heal();
    sim.disk_mut(COW).heal();
    assert_eq!(sim.in_flight(), 0, "requests hang");
    origin.check(&mut sim, O, "the origin");
    let lost = status(&sim, S) == "Invalid";
    if lost {
        assert!(failed);
        assert_eq!(io(&mut sim, S, Op::Read, 0, 1, 0), Err(Errno::EIO));
        assert_eq!(sim.device(S).unwrap().events, 1);
    } else {
        snapshot.check(&mut sim, S, "the snapshot");
        assert!(failures <= 1);
    }
    if kind == "N" {
        return failed;
    }
    // Opened again, it is never whole with something else in it. The one thing that cannot be is that a store which could
    // not be marked invalid is: then it is as it was at its last commit, which the origin had not overtaken.
    sim.unload(S);
    sim.create(S, None).unwrap();
    sim.load(S, &text).unwrap();
    if status(&sim, S) != "Invalid" {
        snapshot.check(&mut sim, S, "the snapshot, opened again");
    } else {
        assert!(lost);
    }
    failed
}

#[test]
fn the_error_of_any_operation_reaches_only_those_whom_it_concerns() {
    let mut tried = 0;
    for kind in KINDS {
        for failing in [ORIGIN, COW] {
            let mut index = 0;
            while scene(kind, failing, index) {
                index += 1;
            }
            assert!(index > 10, "{kind}: {index} operations");
            tried += index;
        }
    }
    println!("{tried} failing operations");
}

/// A merge in which the `index`-th operation of a disk fails. The list takes two areas, or else two units of one.
fn merge_scene(chunk: u64, failing: DevNo, index: u64) -> bool {
    let mut sim = sim(256);
    let mut seen = Seen((1..=80).map(|byte| [byte].into()).collect());
    sim.load(S, &format!("0 80 snapshot 1:0 1:1 P {chunk}")).unwrap();
    // Some of it lies in the store as on the origin, some the other way round.
    let sectors = (20..SECTORS / 2).chain((0..20).rev()).map(|pair| 2 * pair);
    for (byte, sector) in (100..).zip(sectors.chain([1, 3, 5, 7, 9])) {
        let result = io(&mut sim, S, Op::Write, sector, 1, byte);
        seen.write(sector, 1, byte, result);
    }
    sim.suspend(S);
    let first = sim.disk(failing).operations();
    sim.disk_mut(failing).fail_operation(index);
    let table = sim
        .prepare(&format!("0 80 snapshot-merge 1:0 1:1 P {chunk}"), false)
        .unwrap();
    sim.put(O, table).unwrap();
    for (byte, sector) in (200..).zip([63, 0, 10, 11, 40]) {
        let result = io(&mut sim, O, Op::Write, sector, 1, byte);
        seen.write(sector, 1, byte, result);
        sim.step(0);
    }
    sim.run();
    let failed = sim.disk(failing).operations() > first + index;
    sim.disk_mut(failing).heal();
    seen.check(&mut sim, O, "the origin");
    let merged = status(&sim, O);
    let complete = format!("{}/256 {}", 2 * chunk, 2 * chunk);
    assert!(merged == complete || (failed && merged == "Merge failed"), "{merged}");
    sim.suspend(O);
    sim.resume(O).unwrap();
    sim.run();
    assert_eq!(status(&sim, O), complete);
    seen.check(&mut sim, O, "the merged origin");
    failed
}

#[test]
fn a_merge_goes_on_after_any_failure() {
    for (chunk, failing) in [(1, ORIGIN), (1, COW), (2, ORIGIN), (2, COW)] {
        let mut index = 0;
        while merge_scene(chunk, failing, index) {
            index += 1;
        }
        assert!(index > 10, "{index} operations");
    }
}

/// What a test does to the devices.
#[derive(Clone, Debug)]
enum Step {
    Io(usize, Op, u64, u64),
    Suspend(usize),
    Reload(usize),
    /// The store is closed and opened again.
    Reopen(usize),
    Flush(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let op = prop_oneof![
        4 => Just(Op::Write),
        1 => Just(Op::WriteZeroes),
        1 => Just(Op::Discard),
    ];
    let range = (0..SECTORS).prop_flat_map(|first| (Just(first), 1..=(SECTORS - first).min(20)));
    let step = prop_oneof![
        20 => (0usize..3, op, range).prop_map(|(device, op, (first, sectors))| Step::Io(device, op, first, sectors)),
        1 => (0usize..3).prop_map(Step::Suspend),
        1 => (0usize..3).prop_map(Step::Reload),
        1 => (1usize..3).prop_map(Step::Reopen),
        1 => (0usize..3).prop_map(Step::Flush),
    ];
    prop::collection::vec(step, 1..60)
}

/// A snapshot in memory: sectors that differ from the origin, by chunk.
struct Model {
    chunk: u64,
    kind: &'static str,
    exceptions: BTreeMap<u64, Vec<u8>>,
    features: &'static str,
}

impl Model {
    fn except(&mut self, origin: &[u8], first: u64, sectors: u64) {
        for chunk in first / self.chunk..=(first + sectors - 1) / self.chunk {
            let from = usize::try_from(chunk * self.chunk).unwrap();
            let to = (from + usize::try_from(self.chunk).unwrap()).min(origin.len());
            self.exceptions
                .entry(chunk)
                .or_insert_with(|| origin[from..to].to_vec());
        }
    }

    fn set(&mut self, first: u64, sectors: u64, byte: u8) {
        for sector in first..first + sectors {
            if let Some(data) = self.exceptions.get_mut(&(sector / self.chunk)) {
                data[usize::try_from(sector % self.chunk).unwrap()] = byte;
            }
        }
    }

    fn read(&self, origin: &[u8]) -> Vec<u8> {
        (0..SECTORS)
            .map(|sector| match self.exceptions.get(&(sector / self.chunk)) {
                Some(data) => data[usize::try_from(sector % self.chunk).unwrap()],
                None => origin[usize::try_from(sector).unwrap()],
            })
            .collect()
    }

    fn line(&self, minor: usize) -> String {
        let Self {
            kind, chunk, features, ..
        } = self;
        format!("0 {SECTORS} snapshot 1:0 1:{minor} {kind} {chunk}{features}")
    }

    fn status(&self, store: u64) -> String {
        let count = self.exceptions.len() as u64;
        let (used, metadata) = match self.kind {
            "N" => (count, 0),
            _ => (2 + count + count / (self.chunk * 32), 2 + count / (self.chunk * 32)),
        };
        format!("{}/{store} {}", used * self.chunk, metadata * self.chunk)
    }
}

const FEATURES: [&str; 3] = [
    "",
    " 1 discard_zeroes_cow",
    " 2 discard_zeroes_cow discard_passdown_origin",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn snapshots_are_what_the_model_is(
        shapes in prop::array::uniform2((0u32..6, 0usize..3, 0usize..3)),
        steps in steps(),
        order in prop::collection::vec(0usize..1000, 1..50),
    ) {
        let store = 1024;
        let mut sim = sim(store);
        let mut origin: Vec<u8> = (1..=80).collect();
        let mut models = shapes.map(|(chunk, kind, features)| Model {
            chunk: 1 << chunk,
            kind: KINDS[kind],
            exceptions: BTreeMap::new(),
            features: FEATURES[features],
        });
        let ids = [O, S, T];
        let lines = ["0 80 snapshot-origin 1:0".into(), models[0].line(1), models[1].line(2)];
        for (id, line) in ids.into_iter().zip(&lines) {
            sim.load(id, line).unwrap();
        }
        let mut order = order.into_iter().cycle();
        for (byte, step) in (100..).zip(steps) {
            match step {
                Step::Suspend(device) => {
                    sim.suspend(ids[device]);
                    sim.resume(ids[device]).unwrap();
                }
                Step::Reload(device) => sim.load(ids[device], &lines[device]).unwrap(),
                Step::Reopen(device) => {
                    sim.unload(ids[device]);
                    sim.create(ids[device], None).unwrap();
                    if models[device - 1].kind == "N" {
                        models[device - 1].exceptions.clear();
                    }
                    sim.load(ids[device], &lines[device]).unwrap();
                }
                Step::Flush(device) => drop(io(&mut sim, ids[device], Op::Flush, 0, 0, 0).unwrap()),
                Step::Io(device, op, first, sectors) => {
                    let written = if op == Op::Write { byte } else { 0 };
                    let data = match op {
                        Op::Write => vec![byte; usize::try_from(sectors).unwrap() * SECTOR],
                        _ => Vec::new(),
                    };
                    let bio = Bio { op, sector: first, sectors, fua: byte % 3 == 0 };
                    let request = sim.submit(ids[device], bio, data);
                    sim.run_in_order(&mut |ready| order.next().unwrap_or(0) % ready);
                    let result = sim.take(request).expect("nothing hangs");
                    let range = usize::try_from(first).unwrap()..usize::try_from(first + sectors).unwrap();
                    match device.checked_sub(1) {
                        None => {
                            prop_assert!(result.is_ok());
                            for model in &mut models {
                                model.except(&origin, first, sectors);
                            }
                            origin[range].fill(written);
                        }
                        Some(index) if op == Op::Discard => {
                            let features = models[index].features;
                            if features.is_empty() {
                                prop_assert_eq!(result.map(drop), Err(Errno::EOPNOTSUPP));
                            } else {
                                prop_assert!(result.is_ok());
                                models[index].set(first, sectors, 0);
                                if features == FEATURES[2] {
                                    // The other snapshot sees it as well: that is how the feature is.
                                    origin[range].fill(0);
                                }
                            }
                        }
                        Some(index) => {
                            prop_assert!(result.is_ok());
                            models[index].except(&origin, first, sectors);
                            models[index].set(first, sectors, written);
                        }
                    }
                }
            }
            prop_assert_eq!(&io(&mut sim, O, Op::Read, 0, SECTORS, 0).unwrap(), &origin);
            for (index, model) in models.iter().enumerate() {
                prop_assert_eq!(io(&mut sim, ids[index + 1], Op::Read, 0, SECTORS, 0).unwrap(), model.read(&origin));
                prop_assert_eq!(status(&sim, ids[index + 1]), model.status(store));
            }
        }
    }
}
