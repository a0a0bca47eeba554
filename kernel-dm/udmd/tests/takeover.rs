//! Death of the daemon, and another that goes on in its place.
#![allow(missing_docs)]

mod common;

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{Aligned, Daemon, Disk, Name, SECTOR, Unmount, eventually, kill, linear, run};
use dm_abi::ioctl::{Command as Dm, flag};

const MIB: u64 = 1 << 20;

#[test]
fn requests_go_on_after_the_daemon_was_killed() {
    let (one, two) = (Disk::new(16 * MIB), Disk::new(16 * MIB));
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make("k", &[linear(0, 8192, &one, 2048), linear(8192, 8192, &two, 0)]);
    let stacked = client.make("on-k", &[(0, 4096, "linear", format!("7:{} 8192", volume.minor))]);
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for index in 0..8 {
            let (stop, rounds) = (&stop, &rounds);
            let volume = if index < 4 { &volume } else { &stacked };
            let first = index % 4 * 1024;
            scope.spawn(move || {
                let file = volume.open_direct();
                let mut read = Aligned::new(64 * SECTOR);
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    let data = Aligned::pattern(64 * SECTOR, index << 32 | round);
                    let at = (first + round % 16 * 64) * 512;
                    file.write_all_at(&data, at).unwrap();
                    if round % 8 == 0 {
                        file.sync_data().unwrap();
                    }
                    file.read_exact_at(&mut read, at).unwrap();
                    assert!(*read == *data, "worker {index} round {round}");
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..8 {
            std::thread::sleep(Duration::from_millis(150));
            daemon.kill();
            std::thread::sleep(Duration::from_millis(50));
            daemon.start_again();
            let before = rounds.load(Ordering::Relaxed);
            eventually("the work goes on", || rounds.load(Ordering::Relaxed) > before + 16);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut client = daemon.client();
    client.remove_soon("on-k");
    client.remove_soon("k");
}

#[test]
fn a_filesystem_survives_the_daemon() {
    let disk = Disk::new(64 * MIB);
    let daemon = Daemon::start();
    let volume = daemon.client().make("f", &[linear(0, 98304, &disk, 0)]);
    let path = volume.path.to_str().unwrap();
    run("mkfs.ext4", &["-q", "-F", path]);
    let mount = tempfile::tempdir().unwrap();
    run("mount", &[path, mount.path().to_str().unwrap()]);
    let unmount = Unmount(mount.path().to_str().unwrap().to_owned());
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for index in 0..40u64 {
                let data = Aligned::pattern(1 << 20, index % 20);
                let file = std::fs::File::create(mount.path().join(format!("file{}", index % 20))).unwrap();
                file.write_all_at(&data, 0).unwrap();
                file.sync_all().unwrap();
            }
        });
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(30));
            daemon.kill();
            daemon.start_again();
        }
        writing.join().unwrap();
    });
    for index in 0..20u64 {
        let there = std::fs::read(mount.path().join(format!("file{index}"))).unwrap();
        assert!(there == *Aligned::pattern(1 << 20, index), "file {index}");
    }
    drop(unmount);
    run("e2fsck", &["-f", "-n", path]);
    daemon.client().remove_soon("f");
}

#[test]
fn what_was_suspended_and_loaded_is_so_again() {
    let (one, two) = (Disk::new(MIB), Disk::new(MIB));
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make("x", &[linear(0, 1024, &one, 0)]);
    client
        .call(Dm::DevSuspend, Name::Name("x"), flag::SUSPEND, 0, &[])
        .unwrap();
    client.load("x", &[linear(0, 2048, &two, 0)]).unwrap();
    client.create("empty");
    std::thread::scope(|scope| {
        let written = scope.spawn(|| volume.open_direct().write_all_at(&Aligned::pattern(4096, 9), 0));
        std::thread::sleep(Duration::from_millis(200));
        daemon.kill();
        daemon.start_again();
        let mut client = daemon.client();
        let (header, _) = client.call(Dm::DevStatus, Name::Name("x"), 0, 0, &[]).unwrap();
        let wanted = flag::SUSPEND | flag::ACTIVE_PRESENT | flag::INACTIVE_PRESENT;
        assert_eq!(header.flags & wanted, wanted);
        assert_eq!(volume.sectors(), 1024);
        assert!(!written.is_finished());
        client.resume("x").unwrap();
        written.join().unwrap().unwrap();
        assert_eq!(volume.sectors(), 2048);
        assert!(two.read(0, 8) == *Aligned::pattern(4096, 9));
        client.remove_soon("x");
        client.remove_soon("empty");
    });
}

#[test]
fn what_messages_have_made_of_targets_stays_so() {
    let disk = Disk::new(MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let bad = client.make("bad", &[(0, 64, "dust", format!("{} 0 512", disk.path))]);
    let two = format!("2 8 0 {0} 0 {0} 64", disk.path);
    let switch = client.make("switch", &[(0, 64, "switch", two)]);
    bad.open_direct()
        .write_all_at(&Aligned::pattern(64 * SECTOR, 1), 0)
        .unwrap();
    for text in ["addbadblock 3", "addbadblock 5", "addbadblock 9", "enable"] {
        client.message("bad", text).unwrap();
    }
    client.message("switch", "set_region_mappings 0:1 1:0 R2,6").unwrap();
    // A write makes block 5 good.
    bad.open_direct()
        .write_all_at(&Aligned::pattern(SECTOR, 2), 5 * 512)
        .unwrap();
    let read = |volume: &common::Volume, sector: u64| {
        let mut data = Aligned::new(SECTOR);
        volume
            .open_direct()
            .read_exact_at(&mut data, sector * 512)
            .map(|()| data)
    };
    let seen = |volume: &common::Volume| -> Vec<bool> { (0..12).map(|sector| read(volume, sector).is_ok()).collect() };
    let before = seen(&bad);
    assert_eq!((0..12).filter(|&sector| !before[sector]).collect::<Vec<_>>(), [3, 9]);
    switch
        .open_direct()
        .write_all_at(&Aligned::pattern(64 * SECTOR, 3), 0)
        .unwrap();
    // What a write has changed is saved a moment later.
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..2 {
        daemon.kill();
        daemon.start_again();
        assert_eq!(seen(&bad), before);
        let expected = Aligned::pattern(64 * SECTOR, 3);
        for sector in [0, 8, 63] {
            let at = usize::try_from(sector).unwrap() * SECTOR;
            assert!(
                *read(&switch, sector).unwrap() == expected[at..at + SECTOR],
                "sector {sector}"
            );
        }
    }
    let mut client = daemon.client();
    client.remove_soon("switch");
    client.remove_soon("bad");
}

#[test]
fn a_dead_holder_is_replaced() {
    let disk = Disk::new(MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make("h", &[linear(0, 1024, &disk, 0)]);
    // Its name shows a moment after it was started.
    eventually("there is a holder", || daemon.holders().len() == 1);
    let old = daemon.holders()[0];
    kill(old);
    eventually("the holder is gone", || !daemon.holders().contains(&old));
    client.make("i", &[linear(0, 8, &disk, 1024)]);
    eventually("there is a holder again", || daemon.holders().len() == 1);
    daemon.kill();
    daemon.start_again();
    volume
        .open_direct()
        .write_all_at(&Aligned::pattern(4096, 9), 0)
        .unwrap();
    let mut client = daemon.client();
    client.remove_soon("i");
    client.remove_soon("h");
}

#[test]
fn stopping() {
    let disk = Disk::new(MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make("stop", &[linear(0, 1024, &disk, 0)]);
    let stop = |how: &[&str]| {
        let output = daemon.command().arg("stop").args(how).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let file = volume.open_direct();
    let (done, text) = stop(&[]);
    assert!(!done && text.contains("in use: stop"), "{text}");
    // The daemon goes and the devices stay.
    let pid = daemon.pid();
    assert_eq!(stop(&["--keep"]), (true, String::new()));
    eventually("the daemon is gone", || !Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(daemon.holders().len(), 1);
    daemon.start_again();
    file.write_all_at(&Aligned::pattern(4096, 3), 0).unwrap();
    drop(file);
    // All goes.
    eventually("the daemon stops", || stop(&[]).0);
    eventually("the holder is gone", || daemon.holders().is_empty());
    // Unless another test's daemon has taken the number meanwhile.
    eventually("the device is gone", || !volume.path.exists());
    let (done, text) = stop(&[]);
    assert!(!done && text.contains("no daemon is running"), "{text}");
    // Users of a device that is ended by force get errors.
    daemon.start_again();
    let volume = daemon.client().make("stop", &[linear(0, 1024, &disk, 0)]);
    let file = volume.open_direct();
    let (done, text) = stop(&["--force"]);
    assert!(done, "{text}");
    assert!(file.write_at(&Aligned::pattern(4096, 3), 0).is_err());
    drop(file);
    eventually("the device is unbound", || {
        !Path::new(&format!("/sys/block/loop{}/loop", volume.minor)).exists()
    });
    daemon.start_again();
}

#[test]
fn one_daemon_at_a_time_and_clear_words() {
    let daemon = Daemon::start();
    let output = daemon.command().output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && text.contains("another daemon is running"),
        "{text}"
    );
    daemon.kill();
    let output = daemon.command().arg("status").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("left by one that died"), "{text}");
    daemon.start_again();
    let output = daemon.command().arg("status").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(&format!("pid {}", daemon.pid())), "{text}");
    assert!(daemon.log().contains("left over from an earlier daemon"));
}
