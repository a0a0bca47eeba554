//! Single scenes: gates, delays, failures, power cuts.

use dm_abi::errno::Errno;
use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_core::volume::Volume;
use dm_sim::{Disk, SECTOR, Sim};

const DISK: DevNo = DevNo { major: 1, minor: 0 };
const OTHER: DevNo = DevNo { major: 1, minor: 1 };
const A: DeviceId = DeviceId(1);
const B: DeviceId = DeviceId(2);

/// Two disks of 64 sectors, and device A with a table.
fn sim(table: &str) -> Sim {
    let mut sim = Sim::new();
    sim.add_disk(1, 0, "/dev/ram0", Disk::new(64));
    sim.add_disk(1, 1, "/dev/ram1", Disk::new(64));
    sim.create(A, None).unwrap();
    sim.create(B, None).unwrap();
    sim.load(A, table).unwrap();
    sim
}

fn bio(op: Op, sector: u64, sectors: u64) -> Bio {
    Bio {
        op,
        sector,
        sectors,
        fua: false,
    }
}

fn write(sim: &mut Sim, id: DeviceId, sector: u64, byte: u8) -> Result<Vec<u8>, Errno> {
    sim.io(id, bio(Op::Write, sector, 1), vec![byte; SECTOR])
}

fn read(sim: &mut Sim, id: DeviceId, sector: u64) -> Result<u8, Errno> {
    sim.io(id, bio(Op::Read, sector, 1), Vec::new()).map(|data| data[0])
}

fn status(sim: &Sim, id: DeviceId) -> String {
    let table = sim.device(id).unwrap().volume().table().unwrap();
    let mut out = String::new();
    table.write_status(&table.segments()[0], &mut out).unwrap();
    out
}

#[test]
fn a_device_without_table_fails() {
    let mut sim = sim("0 8 zero");
    assert_eq!(read(&mut sim, B, 0), Err(Errno::EIO));
}

#[test]
fn requests_wait_at_a_closed_gate_and_see_the_new_table() {
    let mut sim = sim("0 64 linear 1:0 0");
    write(&mut sim, A, 3, 1).unwrap();
    let early = sim.submit(A, bio(Op::Write, 4, 1), vec![2; SECTOR]);
    sim.volume(A, Volume::close);
    let late = sim.submit(A, bio(Op::Write, 5, 1), vec![3; SECTOR]);
    sim.run();
    assert_eq!(sim.take(early), Some(Ok(Vec::new())));
    assert_eq!(sim.take(late), None);
    assert!(sim.device(A).unwrap().volume().is_drained());
    let table = sim.table("0 64 linear /dev/ram1 0", false).unwrap();
    sim.volume(A, |volume| {
        volume.swap(Some(table.into()));
        volume.open();
    });
    sim.run();
    assert_eq!(sim.take(late), Some(Ok(Vec::new())));
    let byte = |sim: &Sim, dev, sector: usize| sim.disk(dev).contents()[sector * SECTOR];
    assert_eq!((byte(&sim, DISK, 4), byte(&sim, DISK, 5)), (2, 0));
    assert_eq!((byte(&sim, OTHER, 4), byte(&sim, OTHER, 5)), (0, 3));
    assert_eq!((sim.opens(DISK), sim.opens(OTHER)), (0, 1));
}

#[test]
fn delays_take_their_time_and_show() {
    let mut sim = sim("0 64 delay 1:0 0 100 1:0 0 200 1:0 0 300");
    let requests = [
        (sim.submit(A, bio(Op::Read, 0, 1), Vec::new()), 100),
        (sim.submit(A, bio(Op::Write, 1, 1), vec![1; SECTOR]), 200),
        (sim.submit(A, bio(Op::Flush, 0, 0), Vec::new()), 300),
    ];
    assert_eq!(status(&sim, A), "1 1 1");
    for (request, due_ms) in requests {
        assert!(!sim.step(0));
        sim.advance(99);
        assert!(!sim.step(0));
        sim.advance(1);
        assert_eq!(sim.now_ms(), due_ms);
        assert!(sim.step(0));
        assert!(sim.take(request).unwrap().is_ok());
    }
    assert_eq!(status(&sim, A), "0 0 0");
}

#[test]
fn suspending_ends_delays() {
    let mut sim = sim("0 64 delay 1:0 0 5000");
    let request = sim.submit(A, bio(Op::Write, 1, 1), vec![1; SECTOR]);
    assert!(!sim.step(0));
    sim.volume(A, Volume::close);
    assert!(sim.step(0));
    assert_eq!(sim.take(request), Some(Ok(Vec::new())));
    assert_eq!((sim.now_ms(), status(&sim, A).as_str()), (0, "0 0 0"));
}

#[test]
fn only_requests_that_touch_the_failing_place_fail() {
    let mut sim = sim("0 32 striped 2 4 1:0 0 1:1 0\n32 8 error\n40 8 zero");
    sim.disk_mut(OTHER).make_bad(5..6); // Sector 4 + 8 + 1 of the device.
    for sector in 0..48 {
        let failing = sector == 13 || (32..40).contains(&sector);
        assert_eq!(write(&mut sim, A, sector, 1).is_err(), failing, "{sector}");
        assert_eq!(read(&mut sim, A, sector).is_err(), failing, "{sector}");
    }
    assert_eq!(status(&sim, A), "2 1:0 1:1 1 AD");
    assert_eq!(sim.device(A).unwrap().events, 2);
    assert_eq!(sim.io(A, bio(Op::Write, 0, 13), vec![2; 13 * SECTOR]), Ok(Vec::new()));
    assert_eq!(sim.io(A, bio(Op::Write, 0, 14), vec![2; 14 * SECTOR]), Err(Errno::EIO));
    sim.disk_mut(OTHER).heal();
    sim.disk_mut(OTHER).fail_operation(1);
    assert_eq!(
        sim.io(A, bio(Op::Read, 0, 8), Vec::new()).map(|data| data.len()),
        Ok(8 * SECTOR)
    );
    assert_eq!(sim.io(A, bio(Op::Read, 0, 8), Vec::new()), Err(Errno::EIO));
}

#[test]
fn what_is_flushed_through_a_stack_survives_a_power_cut() {
    let mut sim = sim("0 32 linear 1:0 8\n32 32 linear 1:1 0");
    sim.load(B, "0 32 striped 2 4 254:0 0 254:0 32\n32 8 error").unwrap();
    for sector in 0..32 {
        write(&mut sim, B, sector, 1).unwrap();
    }
    assert!(sim.disk(DISK).unflushed() > 0 && sim.disk(OTHER).unflushed() > 0);
    sim.io(B, bio(Op::Flush, 0, 0), Vec::new()).unwrap();
    // Both halves of A go to other disks, and B has A once: one flush each.
    assert_eq!((sim.disk(DISK).flushes(), sim.disk(OTHER).flushes()), (1, 1));
    write(&mut sim, B, 0, 2).unwrap();
    let durable = Bio {
        fua: true,
        ..bio(Op::Write, 1, 1)
    };
    sim.io(B, durable, vec![3; SECTOR]).unwrap();
    for dev in [DISK, OTHER] {
        sim.disk_mut(dev).cut_power(&mut |_| false);
    }
    let bytes: Vec<_> = (0..4).map(|sector| read(&mut sim, B, sector).unwrap()).collect();
    assert_eq!(bytes, [1, 3, 1, 1]);
}

#[test]
fn a_lower_device_holds_pieces_of_an_upper_request() {
    let mut sim = sim("0 64 linear 1:0 0");
    sim.load(B, "0 8 linear 1:1 0\n8 8 linear 254:0 8").unwrap();
    sim.volume(A, Volume::close);
    let request = sim.submit(B, bio(Op::Write, 4, 8), (0..8).flat_map(|n| [n; SECTOR]).collect());
    sim.run();
    assert_eq!((sim.take(request), sim.device(A).unwrap().held()), (None, 1));
    assert!(!sim.device(B).unwrap().volume().is_drained());
    sim.volume(A, Volume::open);
    sim.run();
    assert_eq!(sim.take(request), Some(Ok(Vec::new())));
    assert_eq!(read(&mut sim, A, 11), Ok(7));
    assert_eq!(sim.disk(OTHER).contents()[7 * SECTOR], 3);
}

#[test]
fn damage_reaches_the_medium_but_not_the_caller() {
    let mut sim = sim("0 8 linear 1:0 0\n8 8 flakey 1:0 8 0 1 5 corrupt_bio_byte 513 w 9 0");
    let data = vec![1; 4 * SECTOR];
    sim.io(A, bio(Op::Write, 6, 4), data).unwrap();
    let wrong: Vec<_> = sim
        .disk(DISK)
        .contents()
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == 9)
        .map(|(n, _)| n)
        .collect();
    assert_eq!(wrong, [9 * SECTOR]);
}

#[test]
fn read_only_disks_only_take_read_only_tables() {
    let mut sim = sim("0 8 zero");
    sim.add_disk(1, 2, "/dev/rom", Disk::new(8).read_only());
    assert_eq!(
        sim.table("0 8 linear /dev/rom 0", false).unwrap_err().errno,
        Errno::EACCES
    );
    assert!(sim.table("0 8 linear /dev/rom 0", true).is_ok());
    assert_eq!(sim.table("0 8 linear 254:7 0", true).unwrap_err().errno, Errno::ENXIO);
}
