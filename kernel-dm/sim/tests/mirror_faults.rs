//! Mirrors when a component fails, at each operation of a scene; and against a plain-memory model.

use std::collections::BTreeSet;

use dm_abi::errno::Errno;
use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_sim::io::RequestId;
use dm_sim::{Disk, SECTOR, Sim};
use proptest::prelude::*;

const M: DeviceId = DeviceId(1);
const SECTORS: u64 = 64;
const REGION: u64 = 8;

fn dev(minor: u32) -> DevNo {
    DevNo { major: 1, minor }
}

/// Disks: a log, and legs full of 1 and 2.
fn sim(legs: u32) -> Sim {
    let mut sim = Sim::new();
    for minor in 0..=legs {
        let mut disk = Disk::new(SECTORS);
        let byte = u8::try_from(minor).unwrap();
        let mut data = vec![byte; 64 * SECTOR];
        disk.operate(Op::Write, true, 0, SECTORS, &mut data).unwrap();
        sim.add_disk(1, minor, &format!("/dev/ram{minor}"), disk);
    }
    sim.create(M, None).unwrap();
    sim
}

fn line(disk: bool, legs: u32, features: &str) -> String {
    let log = if disk {
        format!("disk 2 1:0 {REGION}")
    } else {
        format!("core 1 {REGION}")
    };
    let legs_text: String = (1..=legs).map(|leg| format!(" 1:{leg} 0")).collect();
    format!("0 {SECTORS} mirror {log} {legs}{legs_text}{features}")
}

fn bio(op: Op, sector: u64, sectors: u64) -> Bio {
    Bio {
        op,
        sector,
        sectors,
        fua: false,
    }
}

fn submit(sim: &mut Sim, op: Op, sector: u64, sectors: u64, byte: u8) -> RequestId {
    let data = match op {
        Op::Write => vec![byte; usize::try_from(sectors).unwrap() * SECTOR],
        _ => Vec::new(),
    };
    sim.submit(M, bio(op, sector, sectors), data)
}

fn read(sim: &mut Sim, sector: u64, sectors: u64) -> Result<Vec<u8>, Errno> {
    let data = sim.io(M, bio(Op::Read, sector, sectors), Vec::new())?;
    Ok(data
        .chunks(SECTOR)
        .map(|sector| {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "a torn sector");
            sector[0]
        })
        .collect())
}

fn status(sim: &Sim) -> String {
    let table = sim.device(M).unwrap().volume().table().unwrap();
    let mut out = String::new();
    table.write_status(&table.segments()[0], &mut out).unwrap();
    out
}

/// What sectors can be.
struct Model {
    allowed: Vec<BTreeSet<u8>>,
    held: Vec<(RequestId, u64, u64, u8)>,
}

impl Model {
    fn new(byte: u8) -> Self {
        Self {
            allowed: (0..SECTORS).map(|_| BTreeSet::from([byte])).collect(),
            held: Vec::new(),
        }
    }

    fn range(&mut self, first: u64, sectors: u64) -> &mut [BTreeSet<u8>] {
        let first = usize::try_from(first).unwrap();
        &mut self.allowed[first..first + usize::try_from(sectors).unwrap()]
    }

    /// A write has ended, or is held.
    fn written(&mut self, first: u64, sectors: u64, byte: u8, acknowledged: bool) {
        let held: Vec<_> = self
            .held
            .iter()
            .map(|&(_, first, sectors, byte)| (first, sectors, byte))
            .collect();
        for allowed in self.range(first, sectors) {
            if acknowledged {
                allowed.clear();
            }
            allowed.insert(byte);
        }
        // What is held is not complete: it may come after what was written meanwhile.
        for (first, sectors, byte) in held {
            for allowed in self.range(first, sectors) {
                allowed.insert(byte);
            }
        }
    }

    /// Takes what was held and has ended: none may have failed.
    fn collect(&mut self, sim: &mut Sim) {
        let held = std::mem::take(&mut self.held);
        let count = held.len();
        for (request, first, sectors, byte) in held {
            match sim.take(request) {
                None => self.held.push((request, first, sectors, byte)),
                // Held ones end in any order.
                Some(Ok(_)) => self.written(first, sectors, byte, count == 1),
                Some(Err(_)) => {}
            }
        }
    }

    fn check(&self, first: u64, seen: &[u8]) {
        for (at, byte) in (usize::try_from(first).unwrap()..).zip(seen) {
            let allowed = &self.allowed[at];
            assert!(allowed.contains(byte), "sector {at} is {byte}, not one of {allowed:?}");
        }
    }
}

fn write(sim: &mut Sim, model: &mut Model, first: u64, sectors: u64, byte: u8) -> Option<Result<(), Errno>> {
    let request = submit(sim, Op::Write, first, sectors, byte);
    sim.run();
    let result = sim.take(request);
    model.written(first, sectors, byte, matches!(result, Some(Ok(_))));
    if result.is_none() {
        model.held.push((request, first, sectors, byte));
    }
    result.map(|result| result.map(drop))
}

/// A scene with one failure; gives how often the disk that fails is used.
fn scene(disk: bool, legs: u32, features: &str, fails: u32, nth: Option<u64>) -> u64 {
    let mut sim = sim(legs);
    let text = line(disk, legs, features);
    let before = sim.disk(dev(fails)).operations();
    if let Some(nth) = nth {
        sim.disk_mut(dev(fails)).fail_operation(nth);
    }
    let mut model = Model::new(1);
    sim.load(M, &text).unwrap();
    let patient = !features.is_empty();
    let mut errors = 0;
    for step in 0..3u8 {
        sim.run();
        for at in 0..4u64 {
            let result = write(&mut sim, &mut model, at * 16 + u64::from(step), 6 + at, 10 * (step + 1));
            errors += u32::from(matches!(result, Some(Err(_))));
            assert!(result.is_some() || patient, "without handle_errors nothing is held");
        }
        let flush = submit(&mut sim, Op::Flush, 0, 0, 0);
        sim.run();
        let flushed = sim.take(flush);
        assert!(flushed.is_some() || patient);
        errors += u32::from(matches!(flushed, Some(Err(_))));
        match read(&mut sim, 0, SECTORS) {
            Ok(seen) => model.check(0, &seen),
            Err(_) => errors += 1,
        }
        if step == 1 {
            sim.suspend(M);
            sim.resume(M).unwrap();
            sim.run();
            model.collect(&mut sim);
        }
    }
    // One failure is one error at most, and none that another leg or table could help.
    assert!(errors <= 1 || fails == 0 && !patient, "{errors} errors");
    if patient && errors > 0 {
        assert!(fails == 1, "{}", status(&sim));
    }
    // Another table, without failures.
    let operations = sim.disk(dev(fails)).operations() - before;
    sim.load(M, &text).unwrap();
    sim.run();
    model.collect(&mut sim);
    assert!(model.held.is_empty(), "a request hangs");
    assert!(status(&sim).contains(" 8/8 "), "{}", status(&sim));
    let seen = read(&mut sim, 0, SECTORS).unwrap();
    model.check(0, &seen);
    sim.unload(M);
    for leg in 2..=legs {
        assert!(
            sim.disk(dev(1)).contents() == sim.disk(dev(leg)).contents(),
            "leg {leg}"
        );
    }
    operations
}

#[test]
fn each_operation_may_fail() {
    let mut scenes = 0;
    for (disk, legs, features) in [
        (true, 2, ""),
        (true, 2, " 1 handle_errors"),
        (true, 3, " 1 handle_errors"),
        (false, 2, ""),
        (false, 2, " 1 handle_errors"),
    ] {
        for fails in u32::from(!disk)..=legs {
            let operations = scene(disk, legs, features, fails, None);
            for nth in 0..operations {
                let result = std::panic::catch_unwind(|| scene(disk, legs, features, fails, Some(nth)));
                assert!(
                    result.is_ok(),
                    "{disk} {legs} {features}: operation {nth} of disk {fails}"
                );
                scenes += 1;
            }
        }
    }
    println!("{scenes} failures");
    assert!(scenes > 300);
}

#[derive(Clone, Debug)]
enum Act {
    Write(u64, u64, u8),
    Read(u64, u64),
    Flush,
    Suspend,
    Reload,
    Fail(u32, u64),
    Bad(u32, u64, u64),
    Heal,
}

fn act(legs: u32) -> impl Strategy<Value = Act> {
    let range = (0..SECTORS).prop_flat_map(|first| (Just(first), 1..=(SECTORS - first).min(20)));
    prop_oneof![
        8 => (range.clone(), 10..250u8).prop_map(|((first, count), byte)| Act::Write(first, count, byte)),
        4 => range.clone().prop_map(|(first, count)| Act::Read(first, count)),
        1 => Just(Act::Flush),
        1 => Just(Act::Suspend),
        1 => Just(Act::Reload),
        1 => (0..=legs, 0..12u64).prop_map(|(disk, nth)| Act::Fail(disk, nth)),
        1 => (0..=legs, range).prop_map(|(disk, (first, count))| Act::Bad(disk, first, count)),
        2 => Just(Act::Heal),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_mirror_is_like_memory(
        disk in any::<bool>(),
        patient in any::<bool>(),
        acts in proptest::collection::vec(act(3), 1..60),
        choices in proptest::collection::vec(0..1000usize, 64),
    ) {
        let legs = 3;
        let features = if patient { " 1 handle_errors" } else { "" };
        let text = line(disk, legs, features);
        let mut sim = sim(legs);
        let mut model = Model::new(1);
        let mut choice = choices.iter().cycle();
        sim.load(M, &text).unwrap();
        let mut faults = false;
        for act in acts {
            match act {
                Act::Write(first, sectors, byte) => {
                    let request = submit(&mut sim, Op::Write, first, sectors, byte);
                    sim.run_in_order(&mut |ready| choice.next().unwrap() % ready);
                    let result = sim.take(request);
                    prop_assert!(faults || matches!(result, Some(Ok(_))), "{result:?}");
                    model.written(first, sectors, byte, matches!(result, Some(Ok(_))));
                    if result.is_none() {
                        prop_assert!(patient);
                        model.held.push((request, first, sectors, byte));
                    }
                }
                Act::Read(first, sectors) => match read(&mut sim, first, sectors) {
                    Ok(seen) => model.check(first, &seen),
                    Err(_) => prop_assert!(faults),
                },
                Act::Flush => {
                    let request = submit(&mut sim, Op::Flush, 0, 0, 0);
                    sim.run();
                    prop_assert!(faults || sim.take(request) == Some(Ok(Vec::new())));
                }
                Act::Suspend => {
                    sim.suspend(M);
                    sim.resume(M).unwrap();
                    sim.run_in_order(&mut |ready| choice.next().unwrap() % ready);
                    model.collect(&mut sim);
                }
                Act::Reload => {
                    sim.load(M, &text).unwrap();
                    sim.run_in_order(&mut |ready| choice.next().unwrap() % ready);
                    model.collect(&mut sim);
                }
                Act::Fail(disk, nth) => {
                    faults = true;
                    sim.disk_mut(dev(disk)).fail_operation(nth);
                }
                Act::Bad(disk, first, sectors) => {
                    faults = true;
                    sim.disk_mut(dev(disk)).make_bad(first..first + sectors);
                }
                Act::Heal => (0..=legs).for_each(|minor| sim.disk_mut(dev(minor)).heal()),
            }
        }
        (0..=legs).for_each(|minor| sim.disk_mut(dev(minor)).heal());
        sim.load(M, &text).unwrap();
        sim.run();
        model.collect(&mut sim);
        prop_assert!(model.held.is_empty(), "a request hangs");
        prop_assert!(status(&sim).contains(" 8/8 "), "{}", status(&sim));
        let seen = read(&mut sim, 0, SECTORS).unwrap();
        model.check(0, &seen);
        sim.unload(M);
        for leg in 2..=legs {
            prop_assert!(sim.disk(dev(1)).contents() == sim.disk(dev(leg)).contents(), "leg {}", leg);
        }
    }
}
