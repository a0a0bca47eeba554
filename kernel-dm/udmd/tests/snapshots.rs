//! Snapshots on real block devices, also across the daemon's death.
#![allow(missing_docs)]

mod common;

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{Aligned, Client, Daemon, Disk, Name, SECTOR, Volume, eventually, linear};
use dm_abi::ioctl::Command as Dm;

const MIB: u64 = 1 << 20;
const SECTORS: u64 = 8192;

/// The origin's and the store's device beneath, as LVM2 makes them; and the origin, full of pattern 1.
fn origin(client: &mut Client, disk: &Disk) -> (Volume, Volume, Volume) {
    let real = client.make("o-real", &[linear(0, SECTORS, disk, 2048)]);
    let cow = client.make("s-cow", &[linear(0, 2 * SECTORS, disk, 2048 + SECTORS)]);
    let volume = client.make("o", &[(0, SECTORS, "snapshot-origin", number(&real))]);
    let data = Aligned::pattern(whole(), 1);
    volume.open_direct().write_all_at(&data, 0).unwrap();
    (volume, real, cow)
}

fn whole() -> usize {
    usize::try_from(SECTORS).unwrap() * SECTOR
}

fn number(volume: &Volume) -> String {
    format!("7:{}", volume.minor)
}

fn read(volume: &Volume) -> Aligned {
    let mut data = Aligned::new(whole());
    volume.open_direct().read_exact_at(&mut data, 0).unwrap();
    data
}

fn status(client: &mut Client, name: &str) -> String {
    let (_, payload) = client.call(Dm::TableStatus, Name::Name(name), 0, 0, &[]).unwrap();
    let text: Vec<u8> = payload[40..].iter().copied().take_while(|&byte| byte != 0).collect();
    String::from_utf8(text).unwrap()
}

fn snapshot(real: &Volume, cow: &Volume, kind: &str) -> [(u64, u64, &'static str, String); 1] {
    [(
        0,
        SECTORS,
        "snapshot",
        format!("{} {} {kind} 8", number(real), number(cow)),
    )]
}

/// Writes to parts of a volume until told to stop, and gives what should be there.
fn work(volume: &Volume, seed: u64, expected: &mut [u8], stop: &AtomicBool, rounds: &AtomicU64) {
    let file = volume.open_direct();
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let sectors = 1 + (round * 7 % 24);
        let first = (round * 2_654_435_761 + seed * 977) % (SECTORS - sectors);
        let at = usize::try_from(first).unwrap() * SECTOR;
        let data = Aligned::pattern(usize::try_from(sectors).unwrap() * SECTOR, seed << 32 | round);
        file.write_all_at(&data, at as u64).unwrap();
        expected[at..at + data.len()].copy_from_slice(&data);
        if round % 16 == 0 {
            file.sync_data().unwrap();
        }
        rounds.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_snapshot_outlives_the_daemon_again_and_again() {
    let disk = Disk::new(32 * MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let (origin, real, cow) = origin(&mut client, &disk);
    client.suspend("o").unwrap();
    let volume = client.make("s", &snapshot(&real, &cow, "P"));
    client.resume("o").unwrap();
    let before = read(&volume);
    let (mut on_origin, mut on_snapshot) = (before.to_vec(), before.to_vec());
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| work(&origin, 3, &mut on_origin, &stop, &rounds));
        scope.spawn(|| work(&volume, 4, &mut on_snapshot, &stop, &rounds));
        for _ in 0..6 {
            std::thread::sleep(Duration::from_millis(100));
            daemon.kill();
            std::thread::sleep(Duration::from_millis(30));
            daemon.start_again();
            let done = rounds.load(Ordering::Relaxed);
            eventually("the work goes on", || rounds.load(Ordering::Relaxed) > done + 8);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut client = daemon.client();
    assert!(*read(&origin) == *on_origin, "the origin");
    assert!(*read(&volume) == *on_snapshot, "the snapshot");
    let there = status(&mut client, "s");
    assert!(there.ends_with(" 48") || there.contains('/'), "{there}");
    // The store alone tells the same, in a new table.
    client.remove_soon("s");
    let again = client.make("s", &snapshot(&real, &cow, "P"));
    assert_eq!(status(&mut client, "s"), there);
    assert!(*read(&again) == *on_snapshot, "the snapshot, opened again");
    // Merging, with the daemon dying in between.
    client.suspend("o").unwrap();
    client.suspend("s").unwrap();
    let params = format!("{} {} P 8", number(&real), number(&cow));
    client.load("o", &[(0, SECTORS, "snapshot-merge", params)]).unwrap();
    client.resume("o").unwrap();
    client.load("s", &[(0, SECTORS, "error", String::new())]).unwrap();
    client.resume("s").unwrap();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(20));
        daemon.kill();
        daemon.start_again();
        assert!(*read(&origin) == *on_snapshot, "the origin while it is merged");
    }
    let mut client = daemon.client();
    eventually("it is merged", || {
        let status = status(&mut client, "o");
        let (used, rest) = status.split_once('/').unwrap();
        rest.split_once(' ').unwrap().1 == used
    });
    assert!(*read(&origin) == *on_snapshot, "the merged origin");
    assert!(*read(&real) == *on_snapshot, "what is beneath");
    for name in ["o", "s", "s-cow", "o-real"] {
        client.remove_soon(name);
    }
}

#[test]
fn a_daemon_that_takes_over_has_read_the_stores() {
    let disk = Disk::new(32 * MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let (origin, real, cow) = origin(&mut client, &disk);
    client.suspend("o").unwrap();
    client.make("s", &snapshot(&real, &cow, "P"));
    client.resume("o").unwrap();
    origin
        .open_direct()
        .write_all_at(&Aligned::pattern(4096, 2), 0)
        .unwrap();
    let there = status(&mut client, "s");
    // Every read of the store takes 1.5 s.
    let (start, sectors, _, params) = linear(0, 2 * SECTORS, &disk, 2048 + SECTORS);
    client
        .load("s-cow", &[(start, sectors, "delay", format!("{params} 1500"))])
        .unwrap();
    client.resume("s-cow").unwrap();
    daemon.kill();
    daemon.start_again();
    let mut client = daemon.client();
    assert_eq!(status(&mut client, "s"), there);
    for name in ["s", "o", "s-cow", "o-real"] {
        client.remove_soon(name);
    }
}

#[test]
fn a_store_that_is_none_is_refused() {
    let disk = Disk::new(32 * MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let (_, real, cow) = origin(&mut client, &disk);
    cow.open_direct().write_all_at(&Aligned::pattern(4096, 5), 0).unwrap();
    client.create("s");
    assert_eq!(client.load("s", &snapshot(&real, &cow, "P")), Err(libc::ENXIO));
    cow.open_direct().write_all_at(&Aligned::new(4096), 0).unwrap();
    client.load("s", &snapshot(&real, &cow, "PO")).unwrap();
    client.resume("s").unwrap();
    assert_eq!(status(&mut client, "s"), format!("16/{} 16", 2 * SECTORS));
    for name in ["s", "o", "s-cow", "o-real"] {
        client.remove_soon(name);
    }
}
