//! Mirrors: single scenes. Words are those that Linux 6.12 showed with the same tables, unless a comment says otherwise.

use dm_abi::errno::Errno;
use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_sim::{Disk, SECTOR, Sim};

const A: DevNo = DevNo { major: 1, minor: 0 };
const B: DevNo = DevNo { major: 1, minor: 1 };
const LOG: DevNo = DevNo { major: 1, minor: 2 };
const M: DeviceId = DeviceId(1);
const SECTORS: u64 = 256;

/// Two legs, full of 1 and 2, and a disk of zeroes for a log; regions will have 32 sectors.
fn sim() -> Sim {
    let mut sim = Sim::new();
    for (minor, byte) in [(0, 1), (1, 2), (2, 0), (3, 3)] {
        let mut disk = Disk::new(SECTORS);
        let mut data = vec![byte; 256 * SECTOR];
        disk.operate(Op::Write, true, 0, SECTORS, &mut data).unwrap();
        sim.add_disk(1, minor, &format!("/dev/ram{minor}"), disk);
    }
    sim.create(M, None).unwrap();
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

fn write(sim: &mut Sim, sector: u64, sectors: u64, byte: u8) -> Result<(), Errno> {
    let data = vec![byte; usize::try_from(sectors).unwrap() * SECTOR];
    sim.io(M, bio(Op::Write, sector, sectors), data).map(drop)
}

/// The first bytes of some sectors.
fn read(sim: &mut Sim, sector: u64, sectors: u64) -> Result<Vec<u8>, Errno> {
    let data = sim.io(M, bio(Op::Read, sector, sectors), Vec::new())?;
    Ok(data.chunks(SECTOR).map(|sector| sector[0]).collect())
}

fn on_disk(sim: &Sim, dev: DevNo, sector: usize) -> u8 {
    sim.disk(dev).contents()[sector * SECTOR]
}

fn status(sim: &Sim) -> String {
    let table = sim.device(M).unwrap().volume().table().unwrap();
    let mut out = String::new();
    table.write_status(&table.segments()[0], &mut out).unwrap();
    out
}

fn events(sim: &Sim) -> u64 {
    sim.device(M).unwrap().events
}

/// The header and the first byte of the bits.
fn log(sim: &Sim) -> (Vec<u8>, u8) {
    let contents = sim.disk(LOG).contents();
    (contents[..16].to_vec(), contents[1024])
}

const HEADER: &[u8] = b"rRiM\x02\0\0\0\x08\0\0\0\0\0\0\0";

/// Writes a log.
fn put_log(sim: &mut Sim, magic: &[u8; 4], version: u32, regions: u64, bits: u8) {
    let mut data = vec![0; 3 * SECTOR];
    data[..4].copy_from_slice(magic);
    data[4..8].copy_from_slice(&version.to_le_bytes());
    data[8..16].copy_from_slice(&regions.to_le_bytes());
    data[1024] = bits;
    sim.disk_mut(LOG).operate(Op::Write, true, 0, 3, &mut data).unwrap();
}

const CORE: &str = "0 256 mirror core 2 32 nosync 2 1:0 0 1:1 0";
const DISK: &str = "0 256 mirror disk 2 1:2 32 2 1:0 0 1:1 0";
const CAREFUL: &str = "0 256 mirror disk 2 1:2 32 2 1:0 0 1:1 0 1 handle_errors";

#[test]
fn writes_go_to_all_legs_and_reads_to_one() {
    let mut sim = sim();
    sim.load(M, CORE).unwrap();
    assert_eq!(status(&sim), "2 1:0 1:1 8/8 1 AA 1 core");
    write(&mut sim, 30, 4, 7).unwrap();
    for leg in [A, B] {
        assert_eq!(
            [29, 30, 33, 34].map(|at| on_disk(&sim, leg, at) == 7),
            [false, true, true, false]
        );
    }
    assert_eq!(read(&mut sim, 30, 4).unwrap(), [7; 4]);
    let flushes = [A, B].map(|leg| sim.disk(leg).flushes());
    sim.io(M, bio(Op::Flush, 0, 0), Vec::new()).unwrap();
    assert_eq!(
        [A, B].map(|leg| sim.disk(leg).flushes()),
        flushes.map(|count| count + 1)
    );
    sim.io(M, bio(Op::Discard, 0, 40), Vec::new()).unwrap();
    assert_eq!([A, B].map(|leg| on_disk(&sim, leg, 39)), [0, 0]);
    assert_eq!((status(&sim).as_str(), events(&sim)), ("2 1:0 1:1 8/8 1 AA 1 core", 0));
    sim.unload(M);
}

#[test]
fn what_is_not_in_sync_is_copied_from_the_first_leg() {
    let mut sim = sim();
    let table = sim
        .prepare("0 256 mirror core 1 32 3 1:0 0 1:1 0 1:3 0", false)
        .unwrap();
    sim.put(M, table).unwrap();
    assert_eq!(status(&sim), "3 1:0 1:1 1:3 0/8 1 AAA 1 core");
    // Before anything is copied, only the first leg counts.
    assert_eq!(read(&mut sim, 100, 2).unwrap(), [1, 1]);
    sim.run();
    assert_eq!(
        (status(&sim).as_str(), events(&sim)),
        ("3 1:0 1:1 1:3 8/8 1 AAA 1 core", 1)
    );
    assert_eq!(sim.disk(A).contents(), sim.disk(B).contents());
    assert_eq!(
        sim.disk(A).contents(),
        sim.disk(DevNo { major: 1, minor: 3 }).contents()
    );
    // A suspend does not forget it.
    sim.suspend(M);
    sim.resume(M).unwrap();
    sim.run();
    assert_eq!(
        (status(&sim).as_str(), events(&sim)),
        ("3 1:0 1:1 1:3 8/8 1 AAA 1 core", 1)
    );
}

#[test]
fn a_new_log_is_made() {
    let mut sim = sim();
    sim.load(M, DISK).unwrap();
    sim.run();
    assert_eq!(
        (status(&sim).as_str(), events(&sim)),
        ("2 1:0 1:1 8/8 1 AA 3 disk 1:2 A", 1)
    );
    assert_eq!(log(&sim), (HEADER.to_vec(), 0xff));
    write(&mut sim, 40, 1, 7).unwrap();
    assert_eq!(log(&sim), (HEADER.to_vec(), 0xfd));
    write(&mut sim, 41, 1, 7).unwrap();
    write(&mut sim, 255, 1, 7).unwrap();
    assert_eq!(log(&sim).1, 0x7d);
    sim.suspend(M);
    assert_eq!(log(&sim).1, 0xff);
    sim.resume(M).unwrap();
    write(&mut sim, 0, 1, 8).unwrap();
    assert_eq!(log(&sim).1, 0xfe);
    sim.unload(M);
    assert_eq!(log(&sim).1, 0xff);
    assert_eq!(sim.disk(A).contents(), sim.disk(B).contents());
}

#[test]
fn a_log_is_continued() {
    // Magic, version, regions, bits; words; regions in sync at first, events, letter of the log.
    type Case<'a> = (&'a [u8; 4], u32, u64, u8, &'a str, u8, u64, char);
    let cases: [Case<'_>; 11] = [
        (b"rRiM", 2, 8, 0xf0, "2 1:2 32", 4, 1, 'A'),
        (b"rRiM", 1, 8, 0xf0, "2 1:2 32", 4, 1, 'A'),
        (b"rRiM", 2, 16, 0x7f, "2 1:2 32", 7, 1, 'A'),
        (b"rRiM", 2, 4, 0xff, "2 1:2 32", 4, 1, 'A'),
        (b"rRiM", 2, 0, 0xff, "2 1:2 32", 0, 1, 'A'),
        (b"rRiM", 2, u64::MAX, 0xf0, "2 1:2 32", 4, 1, 'A'),
        (b"XRiM", 2, 8, 0xff, "2 1:2 32", 0, 1, 'A'),
        (b"XRiM", 2, 8, 0, "3 1:2 32 nosync", 8, 0, 'A'),
        (b"rRiM", 2, 8, 0xff, "3 1:2 32 sync", 0, 1, 'A'),
        (b"rRiM", 3, 8, 0xff, "2 1:2 32", 0, 2, 'D'),
        // Linux takes all for in sync; what the log says is not, is copied here.
        (b"rRiM", 2, 8, 0xf0, "3 1:2 32 nosync", 4, 1, 'A'),
    ];
    for (magic, version, regions, bits, words, first, count, letter) in cases {
        let mut sim = sim();
        put_log(&mut sim, magic, version, regions, bits);
        let text = format!("0 256 mirror disk {words} 2 1:0 0 1:1 0");
        let table = sim.prepare(&text, false).unwrap();
        sim.put(M, table).unwrap();
        // The log is read, and no region is copied yet.
        sim.run_until(|sim| !status(sim).contains(" 0/8") || first == 0 && sim.ready() == 0);
        if first > 0 && !text.contains("nosync") {
            assert_eq!(
                status(&sim),
                format!("2 1:0 1:1 {first}/8 1 AA 3 disk 1:2 {letter}"),
                "{text}"
            );
        }
        sim.run();
        let at_end = format!("2 1:0 1:1 8/8 1 AA 3 disk 1:2 {letter}");
        assert_eq!(
            (status(&sim), events(&sim)),
            (at_end, count),
            "{text} on {version} {regions}"
        );
        for region in 0..8 {
            let copied = first == 0 || first < 8 && (bits >> region & 1 == 0 || regions == 4 && region > 3);
            let byte = if copied { 1 } else { 2 };
            assert_eq!(
                on_disk(&sim, B, region * 32),
                byte,
                "{text} on {version} {regions}, {region}"
            );
        }
        if letter == 'A' {
            sim.unload(M);
            assert_eq!(log(&sim), (HEADER.to_vec(), 0xff));
        } else {
            assert_eq!(log(&sim).0[4], 3);
        }
    }
}

#[test]
fn regions_become_clean_when_nothing_is_written() {
    let mut sim = sim();
    put_log(&mut sim, b"rRiM", 2, 8, 0xff);
    sim.load(M, DISK).unwrap();
    let flushes = sim.disk(B).flushes();
    write(&mut sim, 0, 1, 5).unwrap();
    sim.advance(120);
    sim.run();
    write(&mut sim, 64, 1, 5).unwrap();
    // What was written since it began makes the wait start again.
    for _ in 0..2 {
        assert_eq!((log(&sim).1, sim.disk(B).flushes()), (0xfa, flushes));
        sim.advance(120);
        sim.run();
    }
    assert_eq!(log(&sim).1, 0xfa);
    sim.advance(80);
    sim.run();
    assert_eq!((log(&sim).1, sim.disk(B).flushes()), (0xff, flushes + 1));
    // Then nothing happens any more, until there is another write.
    sim.advance(5000);
    sim.run();
    assert_eq!(sim.disk(B).flushes(), flushes + 1);
    write(&mut sim, 0, 1, 6).unwrap();
    assert_eq!(log(&sim).1, 0xfe);
    sim.advance(200);
    sim.run();
    assert_eq!(log(&sim).1, 0xff);
    // A wait may outlast its mirror.
    write(&mut sim, 0, 1, 7).unwrap();
    sim.unload(M);
    sim.advance(200);
    sim.run();
    assert_eq!(log(&sim), (HEADER.to_vec(), 0xff));
}

#[test]
fn writes_wait_for_the_copy_of_their_region() {
    let mut sim = sim();
    let table = sim.prepare(DISK, false).unwrap();
    sim.put(M, table).unwrap();
    sim.run_until(|sim| log(sim).0 == HEADER);
    let requests: Vec<_> = (0..8)
        .map(|region| sim.submit(M, bio(Op::Write, region * 32 + 5, 1), vec![9; SECTOR]))
        .collect();
    sim.run();
    for request in requests {
        sim.take(request).unwrap().unwrap();
    }
    assert_eq!(status(&sim), "2 1:0 1:1 8/8 1 AA 3 disk 1:2 A");
    assert_eq!(sim.disk(A).contents(), sim.disk(B).contents());
    assert_eq!([4, 5, 6].map(|at| on_disk(&sim, B, at)), [1, 9, 1]);
}

#[test]
fn a_leg_that_fails_is_done_without() {
    for (line, letters) in [(CORE, "1 core"), (DISK, "3 disk 1:2 A")] {
        let mut sim = sim();
        sim.load(M, line).unwrap();
        sim.run();
        let events_before = events(&sim);
        sim.disk_mut(B).make_bad(0..SECTORS);
        write(&mut sim, 3, 1, 9).unwrap();
        assert_eq!(status(&sim), format!("2 1:0 1:1 7/8 1 AD {letters}"));
        write(&mut sim, 3, 1, 10).unwrap();
        write(&mut sim, 33, 1, 11).unwrap();
        assert_eq!(status(&sim), format!("2 1:0 1:1 6/8 1 AD {letters}"));
        assert_eq!(
            (read(&mut sim, 3, 1), read(&mut sim, 33, 1)),
            (Ok(vec![10]), Ok(vec![11]))
        );
        assert_eq!(events(&sim), events_before);
        // It is tried again after a suspend.
        sim.disk_mut(B).heal();
        write(&mut sim, 3, 1, 12).unwrap();
        assert_eq!(status(&sim), format!("2 1:0 1:1 6/8 1 AD {letters}"));
        sim.suspend(M);
        sim.resume(M).unwrap();
        sim.run();
        assert_eq!(
            (status(&sim), events(&sim)),
            (format!("2 1:0 1:1 8/8 1 AA {letters}"), events_before + 1)
        );
        assert_eq!([3, 33].map(|at| on_disk(&sim, B, at)), [12, 11]);
    }
}

#[test]
fn what_the_first_leg_lacks_is_not_acknowledged() {
    let mut sim = sim();
    sim.load(M, DISK).unwrap();
    sim.run();
    sim.disk_mut(A).make_bad(0..SECTORS);
    // Linux acknowledges it, and cannot read it.
    assert_eq!(write(&mut sim, 3, 1, 9), Err(Errno::EIO));
    assert_eq!(status(&sim), "2 1:0 1:1 7/8 1 DA 3 disk 1:2 A");
    assert_eq!(read(&mut sim, 40, 1), Ok(vec![1]));
    sim.disk_mut(B).make_bad(0..SECTORS);
    assert_eq!(write(&mut sim, 40, 1, 9), Err(Errno::EIO));
    assert_eq!(status(&sim), "2 1:0 1:1 6/8 1 DD 3 disk 1:2 A");
}

#[test]
fn with_handle_errors_writes_wait_for_another_table() {
    for (bad, letters) in [(A, "DA"), (B, "AD")] {
        let mut sim = sim();
        sim.load(M, CAREFUL).unwrap();
        sim.run();
        let before = events(&sim);
        sim.disk_mut(bad).make_bad(0..SECTORS);
        let held = sim.submit(M, bio(Op::Write, 3, 2), vec![9; 2 * SECTOR]);
        let other = sim.submit(M, bio(Op::Write, 40, 1), vec![8; SECTOR]);
        sim.run();
        assert_eq!((sim.take(held), sim.take(other)), (None, None));
        assert_eq!(status(&sim), format!("2 1:0 1:1 6/8 1 {letters} 3 disk 1:2 A"));
        assert_eq!(events(&sim), before + 1);
        assert_eq!(log(&sim).1, 0xfc);
        assert_eq!(read(&mut sim, 3, 2).unwrap(), [9, 9]);
        let good = if bad == A { "1:1" } else { "1:0" };
        sim.load(M, &format!("0 256 linear {good} 0")).unwrap();
        sim.run();
        assert_eq!(
            (sim.take(held), sim.take(other)),
            (Some(Ok(Vec::new())), Some(Ok(Vec::new())))
        );
        assert_eq!(read(&mut sim, 3, 2).unwrap(), [9, 9]);
        assert_eq!(read(&mut sim, 40, 1).unwrap(), [8]);
    }
    // The same table once more: all is copied again, from where the data is.
    for bad in [A, B] {
        let mut sim = sim();
        sim.load(M, CAREFUL).unwrap();
        sim.run();
        sim.disk_mut(bad).make_bad(0..SECTORS);
        let held = sim.submit(M, bio(Op::Write, 3, 2), vec![9; 2 * SECTOR]);
        sim.run();
        sim.disk_mut(bad).heal();
        sim.suspend(M);
        sim.resume(M).unwrap();
        sim.run();
        assert_eq!(sim.take(held), Some(Ok(Vec::new())));
        assert_eq!(status(&sim), "2 1:0 1:1 8/8 1 AA 3 disk 1:2 A");
        assert_eq!(sim.disk(A).contents(), sim.disk(B).contents());
        assert_eq!(on_disk(&sim, A, 4), 9);
    }
}

#[test]
fn when_all_legs_fail_so_does_the_write() {
    let mut sim = sim();
    sim.load(M, CAREFUL).unwrap();
    sim.run();
    for leg in [A, B] {
        sim.disk_mut(leg).make_bad(0..SECTORS);
    }
    assert_eq!(write(&mut sim, 3, 1, 9), Err(Errno::EIO));
    assert_eq!(
        (status(&sim).as_str(), events(&sim)),
        ("2 1:0 1:1 7/8 1 DD 3 disk 1:2 A", 2)
    );
    for leg in [A, B] {
        sim.disk_mut(leg).heal();
    }
    assert_eq!(write(&mut sim, 3, 1, 9), Err(Errno::EIO));
}

#[test]
fn reads_that_fail_go_to_the_other_leg() {
    let mut sim = sim();
    sim.load(M, CAREFUL).unwrap();
    sim.run();
    sim.disk_mut(A).make_bad(0..SECTORS);
    assert_eq!(read(&mut sim, 3, 1), Ok(vec![1]));
    assert_eq!(
        (status(&sim).as_str(), events(&sim)),
        ("2 1:0 1:1 8/8 1 RA 3 disk 1:2 A", 2)
    );
    sim.disk_mut(B).make_bad(0..SECTORS);
    assert_eq!(read(&mut sim, 3, 1), Err(Errno::EIO));
    assert_eq!(
        (status(&sim).as_str(), events(&sim)),
        ("2 1:0 1:1 8/8 1 RR 3 disk 1:2 A", 3)
    );
    for leg in [A, B] {
        sim.disk_mut(leg).heal();
    }
    assert_eq!(read(&mut sim, 3, 1), Ok(vec![1]));
}

#[test]
fn a_leg_that_cannot_be_copied_to_is_told() {
    for (bad, letters) in [(A, "SA"), (B, "AS")] {
        let mut sim = sim();
        sim.disk_mut(bad).make_bad(0..128);
        sim.load(M, CAREFUL).unwrap();
        sim.run();
        assert_eq!(
            (status(&sim), events(&sim)),
            (format!("2 1:0 1:1 4/8 1 {letters} 3 disk 1:2 A"), 1)
        );
        assert_eq!(log(&sim).1, 0xf0);
        let held = sim.submit(M, bio(Op::Write, 3, 1), vec![9; SECTOR]);
        sim.run();
        assert_eq!(sim.take(held), None);
        let expected = if bad == A { Err(Errno::EIO) } else { Ok(vec![1]) };
        assert_eq!(read(&mut sim, 3, 1), expected);
        sim.disk_mut(bad).heal();
        sim.suspend(M);
        sim.resume(M).unwrap();
        sim.run();
        assert_eq!(sim.take(held), Some(Ok(Vec::new())));
        assert_eq!(
            (status(&sim).as_str(), events(&sim)),
            ("2 1:0 1:1 8/8 1 AA 3 disk 1:2 A", 2)
        );
    }
}

#[test]
fn a_log_that_fails_ends_writes() {
    let mut sim = sim();
    sim.load(M, DISK).unwrap();
    sim.run();
    write(&mut sim, 3, 1, 8).unwrap();
    sim.disk_mut(LOG).make_bad(0..SECTORS);
    // Linux lets it go on, and the log calls the region clean.
    assert_eq!(write(&mut sim, 40, 1, 9), Err(Errno::EIO));
    assert_eq!(
        (status(&sim).as_str(), events(&sim)),
        ("2 1:0 1:1 8/8 1 AA 3 disk 1:2 D", 2)
    );
    assert_eq!([A, B].map(|leg| on_disk(&sim, leg, 40)), [1, 1]);
    // The log says already that this one is not clean.
    write(&mut sim, 4, 1, 8).unwrap();
    sim.disk_mut(LOG).heal();
    assert_eq!(write(&mut sim, 40, 1, 9), Err(Errno::EIO));
    sim.unload(M);

    let mut sim = self::sim();
    sim.load(M, CAREFUL).unwrap();
    sim.run();
    sim.disk_mut(LOG).make_bad(0..SECTORS);
    let held = sim.submit(M, bio(Op::Write, 40, 1), vec![9; SECTOR]);
    sim.run();
    assert_eq!(sim.take(held), None);
    assert_eq!(read(&mut sim, 40, 1), Ok(vec![1]));
    assert_eq!(
        (status(&sim).as_str(), events(&sim)),
        ("2 1:0 1:1 8/8 1 AA 3 disk 1:2 D", 2)
    );
    sim.load(M, CORE).unwrap();
    sim.run();
    assert_eq!(sim.take(held), Some(Ok(Vec::new())));

    // It cannot even be read.
    let mut sim = self::sim();
    sim.disk_mut(LOG).make_bad(0..SECTORS);
    sim.load(M, CAREFUL).unwrap();
    sim.run();
    assert_eq!(
        (status(&sim).as_str(), events(&sim)),
        ("2 1:0 1:1 8/8 1 AA 3 disk 1:2 D", 2)
    );
    let held = sim.submit(M, bio(Op::Write, 40, 1), vec![9; SECTOR]);
    sim.run();
    assert_eq!(sim.take(held), None);
}

#[test]
fn a_suspend_ends_the_copying_and_a_resume_continues_it() {
    let mut sim = sim();
    let table = sim.prepare(DISK, false).unwrap();
    sim.put(M, table).unwrap();
    sim.run_until(|sim| status(sim).contains(" 1/8"));
    sim.suspend(M);
    let state = status(&sim);
    assert!(!state.contains("8/8"), "{state}");
    let bits = log(&sim).1;
    assert!((1..8).contains(&bits.count_ones()), "{bits:x}");
    // Another table goes on where the log says.
    let operations = sim.disk(B).operations();
    sim.load(M, DISK).unwrap();
    sim.run();
    assert_eq!(
        (status(&sim).as_str(), events(&sim)),
        ("2 1:0 1:1 8/8 1 AA 3 disk 1:2 A", 1)
    );
    assert!(sim.disk(B).operations() - operations <= u64::from(bits.count_zeros()) + 3);
    assert_eq!(sim.disk(A).contents(), sim.disk(B).contents());
}
