//! Suspend and resume while requests come in.
#![allow(missing_docs)]

mod common;

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{Aligned, Client, Daemon, Disk, Name, SECTOR, eventually, linear, request};
use dm_abi::ioctl::{Command as Dm, flag};

const MIB: u64 = 1 << 20;
const FAST: u32 = flag::SUSPEND | flag::SKIP_LOCKFS;

/// Writes and reads back until it is told to stop, each round with other data, and counts the rounds.
fn worker(volume: &common::Volume, first: u64, stop: &AtomicBool, rounds: &AtomicU64) {
    let file = volume.open_direct();
    let mut read = Aligned::new(16 * SECTOR);
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let data = Aligned::pattern(16 * SECTOR, first * 1_000_003 + round);
        let at = (first + round % 16 * 16) * 512;
        file.write_all_at(&data, at).unwrap();
        file.read_exact_at(&mut read, at).unwrap();
        assert!(*read == *data, "round {round} at {at}");
        rounds.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_suspended_device_holds_requests_and_loses_none() {
    let (one, two) = (Disk::new(16 * MIB), Disk::new(16 * MIB));
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make("s", &[linear(0, 16384, &one, 0)]);
    let other = client.make("o", &[linear(0, 2048, &two, 20480)]);
    client.suspend("s").unwrap();

    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for index in 0..64 {
            let (volume, done) = (&volume, &done);
            scope.spawn(move || {
                let data = Aligned::pattern(64 * SECTOR, index);
                volume.open_direct().write_all_at(&data, index * 64 * 512).unwrap();
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        // Others are not held up, and the device can be looked at, loaded and resized meanwhile.
        std::thread::sleep(Duration::from_millis(300));
        other.open_direct().write_all_at(&Aligned::pattern(4096, 1), 0).unwrap();
        assert_eq!(client.remove("s").unwrap_err(), libc::EBUSY);
        let (header, _) = client.call(Dm::DevStatus, Name::Name("s"), 0, 0, &[]).unwrap();
        assert!(header.flags & flag::SUSPEND != 0);
        client.load("s", &[linear(0, 32768, &two, 0)]).unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 0);
        client.resume("s").unwrap();
    });
    assert_eq!(volume.sectors(), 32768);
    // All went to where the new table says.
    for index in 0..64 {
        let data = Aligned::pattern(64 * SECTOR, index);
        assert!(
            two.read(usize::try_from(index).unwrap() * 64, 64) == *data,
            "request {index}"
        );
    }
    assert!(one.read(0, 16384).iter().all(|&byte| byte == 0));
    client.remove_soon("s");
    client.remove_soon("o");
}

#[test]
fn a_thousand_suspends_under_load() {
    let (one, two) = (Disk::new(8 * MIB), Disk::new(8 * MIB));
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make("t", &[linear(0, 4096, &one, 0), linear(4096, 4096, &two, 0)]);
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for index in 0..4 {
            let (volume, stop, rounds) = (&volume, &stop, &rounds);
            scope.spawn(move || worker(volume, index * 1024, stop, rounds));
        }
        let mut before = 0;
        for round in 0..1000 {
            client.call(Dm::DevSuspend, Name::Name("t"), FAST, 0, &[]).unwrap();
            if round % 100 == 0 {
                client
                    .load("t", &[linear(0, 4096, &one, 0), linear(4096, 4096, &two, 0)])
                    .unwrap();
            }
            client.resume("t").unwrap();
            if round == 100 {
                before = daemon.descriptors();
            }
        }
        stop.store(true, Ordering::Relaxed);
        eventually("the descriptors are closed", || daemon.descriptors() <= before);
    });
    assert!(rounds.load(Ordering::Relaxed) > 0);
    client.remove_soon("t");
}

#[test]
fn a_client_that_waits_holds_up_nobody_and_may_leave() {
    let disk = Disk::new(MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let lower = client.make("lower", &[linear(0, 1024, &disk, 0)]);
    let upper = client.make("upper", &[(0, 1024, "linear", format!("7:{} 0", lower.minor))]);
    client.call(Dm::DevSuspend, Name::Name("lower"), FAST, 0, &[]).unwrap();
    std::thread::scope(|scope| {
        // This request is under way in the upper device and held in the lower, so the upper cannot drain.
        let written = scope.spawn(|| upper.open_direct().write_all_at(&Aligned::pattern(4096, 1), 0));
        std::thread::sleep(Duration::from_millis(200));
        let mut waits = daemon.client();
        waits.send(Dm::DevSuspend.number(), &request(Name::Name("upper"), FAST, 0, &[]));
        std::thread::sleep(Duration::from_millis(200));
        let status = |client: &mut Client| {
            client
                .call(Dm::DevStatus, Name::Name("upper"), 0, 0, &[])
                .unwrap()
                .0
                .flags
        };
        assert!(status(&mut client) & flag::SUSPEND == 0);
        // Its client goes away: the suspend is taken back.
        drop(waits);
        std::thread::sleep(Duration::from_millis(200));
        client.resume("lower").unwrap();
        written.join().unwrap().unwrap();
        assert!(status(&mut client) & flag::SUSPEND == 0);
        assert!(disk.read(0, 8) == *Aligned::pattern(4096, 1));
    });
    client.remove_soon("upper");
    client.remove_soon("lower");
}

#[test]
fn events_wake_those_who_wait() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.make("e", &[(0, 8, "zero", String::new())]);
    let mut polls = daemon.client();
    polls.call(Dm::DevArmPoll, Name::Name(""), 0, 0, &[]).unwrap();
    polls.send(common::WAIT_EVENT, &[]);
    let mut waits = daemon.client();
    waits.send(Dm::DevWait.number(), &request(Name::Name("e"), 0, 0, &[]));
    std::thread::sleep(Duration::from_millis(200));
    let new = b"f\0";
    client.call(Dm::DevRename, Name::Name("e"), 0, 0, new).unwrap();
    assert_eq!(polls.receive().0, 0);
    let (header, _) = waits.answer().unwrap();
    assert_eq!(header.event_nr, 1);
    client.remove_soon("f");
}
