//! Snapshots: single scenes. Numbers and words are those that Linux 6.12 showed with the same tables.

use dm_abi::errno::Errno;
use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_sim::{Disk, SECTOR, Sim};

const ORIGIN: DevNo = DevNo { major: 1, minor: 0 };
const COW: DevNo = DevNo { major: 1, minor: 1 };
const COW2: DevNo = DevNo { major: 1, minor: 2 };
const O: DeviceId = DeviceId(1);
const S: DeviceId = DeviceId(2);
const T: DeviceId = DeviceId(3);

/// An origin of 256 sectors full of 0xaa, two devices of 512 for stores, and three devices without tables.
fn sim() -> Sim {
    let mut sim = Sim::new();
    sim.add_disk(1, 0, "/dev/origin", Disk::new(256));
    sim.add_disk(1, 1, "/dev/cow", Disk::new(512));
    sim.add_disk(1, 2, "/dev/cow2", Disk::new(512));
    let mut data = vec![0xaa; 256 * SECTOR];
    sim.disk_mut(ORIGIN)
        .operate(Op::Write, true, 0, 256, &mut data)
        .unwrap();
    for id in [O, S, T] {
        sim.create(id, None).unwrap();
    }
    sim
}

fn write(sim: &mut Sim, id: DeviceId, sector: u64, sectors: u64, byte: u8) -> Result<(), Errno> {
    let data = vec![byte; usize::try_from(sectors).unwrap() * SECTOR];
    sim.io(id, Bio::new(Op::Write, sector, sectors), data).map(drop)
}

/// The first bytes of some sectors.
fn read(sim: &mut Sim, id: DeviceId, sector: u64, sectors: u64) -> Result<Vec<u8>, Errno> {
    let data = sim.io(id, Bio::new(Op::Read, sector, sectors), Vec::new())?;
    Ok(data.chunks(SECTOR).map(|sector| sector[0]).collect())
}

fn status(sim: &Sim, id: DeviceId) -> String {
    let table = sim.device(id).unwrap().volume().table().unwrap();
    let mut out = String::new();
    table.write_status(&table.segments()[0], &mut out).unwrap();
    out
}

fn line(sim: &Sim, id: DeviceId) -> String {
    let table = sim.device(id).unwrap().volume().table().unwrap();
    let mut out = String::new();
    table.write_table(&table.segments()[0], &mut out).unwrap();
    out
}

fn pairs(sim: &Sim, dev: DevNo, sector: usize) -> Vec<(u64, u64)> {
    let all = sim.disk(dev).contents();
    let area = &all[sector * SECTOR..];
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    area.chunks(16)
        .map(|pair| (word(&pair[..8]), word(&pair[8..])))
        .take_while(|pair| pair.1 != 0)
        .collect()
}

#[test]
fn a_new_store_is_made_and_filled() {
    let mut sim = sim();
    sim.load(S, "0 256 snapshot 1:0 1:1 P 16").unwrap();
    assert_eq!(status(&sim, S), "32/512 32");
    let header = &sim.disk(COW).contents()[..16];
    assert_eq!(header, b"SnAp\x01\0\0\0\x01\0\0\0\x10\0\0\0");
    write(&mut sim, S, 3, 2, 1).unwrap();
    assert_eq!(status(&sim, S), "48/512 32");
    write(&mut sim, S, 8, 1, 2).unwrap();
    write(&mut sim, S, 31, 2, 3).unwrap();
    assert_eq!(status(&sim, S), "80/512 32");
    assert_eq!(pairs(&sim, COW, 16), [(0, 2), (1, 3), (2, 4)]);
    assert_eq!(read(&mut sim, S, 2, 7).unwrap(), [0xaa, 1, 1, 0xaa, 0xaa, 0xaa, 2]);
    assert_eq!(read(&mut sim, S, 30, 4).unwrap(), [0xaa, 3, 3, 0xaa]);
    assert!(sim.disk(ORIGIN).contents().iter().all(|&byte| byte == 0xaa));
    sim.unload(S);
    sim.create(S, None).unwrap();
    // The store's own chunk size counts.
    sim.load(S, "0 256 snapshot 1:0 1:1 P 8").unwrap();
    assert_eq!(
        (status(&sim, S).as_str(), line(&sim, S).as_str()),
        ("80/512 32", "1:0 1:1 P 16")
    );
    assert_eq!(read(&mut sim, S, 30, 4).unwrap(), [0xaa, 3, 3, 0xaa]);
}

#[test]
fn a_write_of_whole_chunks_reads_nothing() {
    for kind in ["P", "N"] {
        let mut sim = sim();
        sim.load(S, &format!("0 256 snapshot 1:0 1:1 {kind} 16")).unwrap();
        sim.disk_mut(ORIGIN).fail_operation(0);
        write(&mut sim, S, 16, 48, 1).unwrap();
        sim.disk_mut(ORIGIN).heal();
        sim.load(O, "0 256 snapshot-origin 1:0").unwrap();
        write(&mut sim, O, 0, 32, 2).unwrap();
        assert_eq!(read(&mut sim, S, 14, 4).unwrap(), [0xaa, 0xaa, 1, 1]);
        assert_eq!(
            status(&sim, S),
            if kind == "P" { "96/512 32" } else { "64/512 0" },
            "{kind}"
        );
        // When it fails, the snapshot is lost.
        sim.disk_mut(COW).fail_operation(0);
        assert_eq!(write(&mut sim, S, 128, 16, 3), Err(Errno::EIO));
        sim.disk_mut(COW).heal();
        assert_eq!(
            (status(&sim, S).as_str(), sim.device(S).unwrap().events),
            ("Invalid", 1)
        );
    }
}

#[test]
fn areas_follow_each_other() {
    let mut sim = sim();
    sim.load(S, "0 256 snapshot 1:0 1:1 P 1").unwrap();
    for sector in 0..70 {
        write(&mut sim, S, sector, 1, 7).unwrap();
        let used = 3 + sector + sector.saturating_add(1) / 32;
        let metadata = 2 + (sector + 1) / 32;
        assert_eq!(status(&sim, S), format!("{used}/512 {metadata}"), "{sector}");
    }
    sim.load(S, "0 256 snapshot 1:0 1:1 P 1").unwrap();
    assert_eq!(status(&sim, S), "74/512 4");
    sim.unload(S);
    sim.create(S, None).unwrap();
    sim.load(S, "0 256 snapshot 1:0 1:1 P 1").unwrap();
    assert_eq!(status(&sim, S), "74/512 4");
    assert_eq!(read(&mut sim, S, 0, 71).unwrap(), [vec![7; 70], vec![0xaa]].concat());
}

#[test]
fn the_origin_changes_and_its_snapshots_do_not() {
    let mut sim = sim();
    sim.load(O, "0 256 snapshot-origin 1:0").unwrap();
    write(&mut sim, O, 0, 4, 1).unwrap();
    sim.load(S, "0 256 snapshot 1:0 1:1 P 8").unwrap();
    write(&mut sim, O, 2, 40, 2).unwrap();
    sim.load(T, "0 256 snapshot 1:0 1:2 N 16").unwrap();
    write(&mut sim, O, 0, 256, 3).unwrap();
    assert_eq!((status(&sim, O), line(&sim, O)), (String::new(), "1:0".into()));
    assert_eq!(status(&sim, S), "272/512 16");
    assert_eq!(status(&sim, T), "256/512 0");
    assert_eq!(read(&mut sim, O, 0, 256).unwrap(), [3; 256]);
    assert_eq!(
        read(&mut sim, S, 0, 256).unwrap(),
        [vec![1; 4], vec![0xaa; 252]].concat()
    );
    assert_eq!(
        read(&mut sim, T, 0, 256).unwrap(),
        [vec![1; 2], vec![2; 40], vec![0xaa; 214]].concat()
    );
    // One copy each, and not again.
    let operations = sim.disk(COW).operations();
    write(&mut sim, O, 0, 256, 4).unwrap();
    assert_eq!(sim.disk(COW).operations(), operations);
}

#[test]
fn a_full_store_fails_as_on_linux() {
    for (kind, after) in [("P", "Invalid"), ("PO", "Overflow"), ("N", "Invalid")] {
        let mut sim = sim();
        sim.add_disk(1, 3, "/dev/small", Disk::new(64));
        sim.load(O, "0 256 snapshot-origin 1:0").unwrap();
        sim.load(S, &format!("0 256 snapshot 1:0 1:3 {kind} 16")).unwrap();
        let room = if kind == "N" { 4 } else { 2 };
        for chunk in 0..room {
            write(&mut sim, S, chunk * 16, 1, 1).unwrap();
        }
        assert!(status(&sim, S).starts_with("64/64 "));
        assert_eq!(write(&mut sim, S, room * 16, 1, 1), Err(Errno::EIO));
        assert_eq!(status(&sim, S), after);
        // All writes fail, those to chunks that are there as well.
        assert_eq!(write(&mut sim, S, 0, 1, 1), Err(Errno::EIO));
        let events = u64::from(kind != "PO");
        assert_eq!(sim.device(S).unwrap().events, events);
        if kind == "PO" {
            assert_eq!(read(&mut sim, S, 0, 1), Ok(vec![1]));
            write(&mut sim, O, 240, 1, 9).unwrap();
            assert_eq!(status(&sim, S), "Invalid");
        }
        assert_eq!(read(&mut sim, S, 0, 1), Err(Errno::EIO));
        write(&mut sim, O, 0, 256, 5).unwrap();
        if kind != "N" {
            let store = sim.disk(DevNo { major: 1, minor: 3 }).contents();
            assert_eq!(store[..8], *b"SnAp\0\0\0\0");
            sim.unload(S);
            sim.create(S, None).unwrap();
            sim.load(S, &format!("0 256 snapshot 1:0 1:3 {kind} 16")).unwrap();
            assert_eq!(status(&sim, S), "Invalid");
        }
    }
}

#[test]
fn a_store_goes_from_table_to_table() {
    let mut sim = sim();
    sim.load(S, "0 256 snapshot 1:0 1:1 N 16").unwrap();
    write(&mut sim, S, 0, 1, 1).unwrap();
    sim.load(S, "0 256 snapshot 1:0 1:1 N 8").unwrap();
    assert_eq!(
        (status(&sim, S).as_str(), line(&sim, S).as_str()),
        ("16/512 0", "1:0 1:1 N 16")
    );
    assert_eq!(read(&mut sim, S, 0, 2).unwrap(), [1, 0xaa]);
    // Only from a suspended device.
    let table = sim.prepare("0 256 snapshot 1:0 1:1 N 16", false).unwrap();
    assert_eq!(sim.put(T, table.clone()), Err(Errno::EINVAL));
    assert_eq!(
        sim.prepare("0 256 snapshot 1:0 1:1 N 16", false).unwrap_err().errno,
        Errno::EINVAL
    );
    sim.suspend(S);
    sim.put(T, table).unwrap();
    assert_eq!(
        (status(&sim, T).as_str(), status(&sim, S).as_str()),
        ("16/512 0", "Invalid")
    );
    assert_eq!(read(&mut sim, T, 0, 2).unwrap(), [1, 0xaa]);
    assert_eq!(sim.resume(S), Err(Errno::EINVAL));
}

#[test]
fn discards_zero_the_store() {
    let mut sim = sim();
    sim.load(S, "0 256 snapshot 1:0 1:1 P 16").unwrap();
    let discard =
        |sim: &mut Sim, first, sectors| sim.io(S, Bio::new(Op::Discard, first, sectors), Vec::new()).map(drop);
    assert_eq!(discard(&mut sim, 0, 16), Err(Errno::EOPNOTSUPP));
    sim.load(S, "0 256 snapshot 1:0 1:1 P 16 1 discard_zeroes_cow").unwrap();
    write(&mut sim, S, 0, 32, 1).unwrap();
    discard(&mut sim, 8, 64).unwrap();
    assert_eq!(
        read(&mut sim, S, 0, 40).unwrap(),
        [vec![1; 8], vec![0; 24], vec![0xaa; 8]].concat()
    );
    let words = "1:0 1:1 P 16 2 discard_zeroes_cow discard_passdown_origin";
    sim.load(S, &format!("0 256 snapshot {words}")).unwrap();
    assert_eq!((status(&sim, S).as_str(), line(&sim, S).as_str()), ("64/512 32", words));
    discard(&mut sim, 7, 40).unwrap();
    assert_eq!(
        read(&mut sim, S, 0, 50).unwrap(),
        [vec![1; 7], vec![0; 40], vec![0xaa; 3]].concat()
    );
    let origin = sim.disk(ORIGIN).contents();
    assert_eq!(
        (origin[7 * SECTOR], origin[46 * SECTOR], origin[47 * SECTOR]),
        (0, 0, 0xaa)
    );
}

#[test]
fn a_merge_brings_the_origin_to_the_snapshot() {
    let mut sim = sim();
    sim.load(S, "0 256 snapshot 1:0 1:1 P 1").unwrap();
    for sector in 0..100 {
        write(&mut sim, S, sector * 2, 1, 1).unwrap();
    }
    write(&mut sim, S, 0, 1, 2).unwrap();
    let expected = read(&mut sim, S, 0, 256).unwrap();
    sim.load(T, "0 256 snapshot 1:0 1:2 P 8").unwrap();
    let merge = sim.prepare("0 256 snapshot-merge 1:0 1:1 P 1", false).unwrap();
    assert_eq!(sim.put(O, merge.clone()), Err(Errno::EINVAL));
    sim.suspend(S);
    sim.put(O, merge).unwrap();
    let write_in_between = sim.submit(O, Bio::new(Op::Write, 198, 1), vec![9; SECTOR]);
    assert_eq!(status(&sim, O), "105/512 5");
    sim.run();
    assert_eq!(sim.take(write_in_between), Some(Ok(Vec::new())));
    assert_eq!(status(&sim, O), "2/512 2");
    let mut now = expected.clone();
    now[198] = 9;
    assert_eq!(read(&mut sim, O, 0, 256).unwrap(), now);
    assert_eq!(sim.disk(ORIGIN).contents()[198 * SECTOR], 9);
    assert_eq!(pairs(&sim, COW, 1), []);
    assert_eq!(read(&mut sim, T, 0, 256).unwrap(), [0xaa; 256]);
    write(&mut sim, O, 250, 1, 4).unwrap();
    assert_eq!(read(&mut sim, T, 250, 1).unwrap(), [0xaa]);
    assert_eq!(sim.disk(ORIGIN).contents()[250 * SECTOR], 4);
    // As on Linux.
    let again = sim.prepare("0 256 snapshot-merge 1:0 1:1 P 1", false);
    assert_eq!(again.unwrap_err().errno, Errno::EINVAL);
    let _ = COW2;
}

#[test]
fn a_merge_that_fails_says_so_and_loses_nothing() {
    let mut sim = sim();
    sim.load(S, "0 256 snapshot 1:0 1:1 P 16").unwrap();
    for chunk in [1, 3, 9] {
        write(&mut sim, S, chunk * 16, 16, 1).unwrap();
    }
    let expected = read(&mut sim, S, 0, 256).unwrap();
    sim.disk_mut(ORIGIN).make_bad(50..51);
    sim.suspend(S);
    let merge = sim.prepare("0 256 snapshot-merge 1:0 1:1 P 16", false).unwrap();
    sim.put(O, merge).unwrap();
    sim.run();
    assert_eq!(status(&sim, O), "Merge failed");
    assert_eq!(read(&mut sim, O, 0, 256).unwrap(), expected);
    write(&mut sim, O, 50, 1, 2).unwrap();
    assert_eq!(read(&mut sim, O, 49, 3).unwrap(), [1, 2, 1]);
    sim.disk_mut(ORIGIN).heal();
    sim.suspend(O);
    sim.resume(O).unwrap();
    sim.run();
    assert_eq!(status(&sim, O), "32/512 32");
    assert_eq!(sim.disk(ORIGIN).contents()[50 * SECTOR], 2);
}

/// The words of a store's header and its first pairs.
fn store(header: [u32; 4], pairs: &[(u64, u64)]) -> Vec<u8> {
    let mut all: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
    all.resize(16 * SECTOR, 0);
    for (old, new) in pairs {
        all.extend(old.to_le_bytes());
        all.extend(new.to_le_bytes());
    }
    all.resize(32 * SECTOR, 0);
    all
}

const MAGIC: u32 = 0x7041_6e53;

#[test]
fn bad_stores_are_refused_or_invalid() {
    let good = [MAGIC, 1, 1, 16];
    let cases: [(Vec<u8>, Result<&str, Errno>); 18] = [
        (store(good, &[]), Ok("32/512 32")),
        (store([MAGIC, 2, 1, 16], &[]), Ok("32/512 32")),
        (store([0, 1, 1, 16], &[]), Ok("32/512 32")),
        (store([0, 7, 9, 3], &[]), Ok("32/512 32")),
        (store([MAGIC + 1, 1, 1, 16], &[]), Err(Errno::ENXIO)),
        (store([MAGIC, 0, 1, 16], &[]), Ok("Invalid")),
        (store([MAGIC, 1, 0, 16], &[]), Err(Errno::EINVAL)),
        (store([MAGIC, 1, 2, 16], &[]), Err(Errno::EINVAL)),
        (store([MAGIC, 1, 1, 0], &[]), Err(Errno::EINVAL)),
        (store([MAGIC, 1, 1, 3], &[]), Err(Errno::EINVAL)),
        (store([MAGIC, 1, 1, 131_072], &[]), Err(Errno::EIO)),
        (store(good, &[(1, 2)]), Ok("48/512 32")),
        (store(good, &[(1, 9)]), Ok("160/512 32")),
        // Linux takes the following as they are.
        (store(good, &[(1, 2), (1, 3)]), Ok("Invalid")),
        (store(good, &[(1, 2), (2, 2)]), Ok("Invalid")),
        (store(good, &[(1, 1)]), Ok("Invalid")),
        (store(good, &[(1, 32)]), Ok("Invalid")),
        (store(good, &[(1, 1 << 60)]), Ok("Invalid")),
    ];
    for (bytes, expected) in cases {
        let mut sim = sim();
        let origin = sim.disk(ORIGIN).contents();
        let mut data = bytes.clone();
        sim.disk_mut(COW).operate(Op::Write, true, 0, 32, &mut data).unwrap();
        let loaded = sim.load(S, "0 256 snapshot 1:0 1:1 P 16").map_err(|error| error.errno);
        assert_eq!(
            loaded.map(|()| status(&sim, S)),
            expected.map(String::from),
            "{:?}",
            &bytes[..16]
        );
        if expected == Ok("Invalid") {
            assert_eq!(write(&mut sim, S, 0, 1, 1), Err(Errno::EIO));
            assert_eq!(read(&mut sim, S, 0, 1), Err(Errno::EIO));
        }
        assert_eq!(sim.disk(ORIGIN).contents(), origin);
        sim.load(O, "0 256 snapshot-origin 1:0").unwrap();
        write(&mut sim, O, 0, 1, 1).unwrap();
    }
}

#[test]
fn what_is_behind_the_end_of_a_list_never_comes_back() {
    let mut sim = sim();
    // Left over behind the end: in the same sector, and in a later one.
    let mut data = store([MAGIC, 1, 1, 16], &[(1, 2), (0, 0), (5, 9)]);
    let later = 16 * SECTOR + 5 * SECTOR;
    data[later..later + 16].copy_from_slice(&[3; 16]);
    sim.disk_mut(COW).operate(Op::Write, true, 0, 32, &mut data).unwrap();
    sim.load(S, "0 256 snapshot 1:0 1:1 P 16").unwrap();
    write(&mut sim, S, 0, 1, 1).unwrap();
    assert_eq!(pairs(&sim, COW, 16), [(1, 2), (0, 3)]);
    let rest = &sim.disk(COW).contents()[16 * SECTOR + 32..32 * SECTOR];
    assert!(rest.iter().all(|&byte| byte == 0));
}
