//! Devices through the control socket and the block layer.
#![allow(missing_docs)]

mod common;

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use common::{Aligned, Daemon, Disk, Name, SECTOR, Unmount, eventually, linear, run};
use dm_abi::ioctl::{Command as Dm, decode_dev, encode_dev, flag, reply};

const MIB: u64 = 1 << 20;

/// Calls a block device ioctl that takes a range of bytes.
#[allow(unsafe_code)]
fn range_call(file: &std::fs::File, command: libc::c_ulong, start: u64, len: u64) {
    let range = [start, len];
    // SAFETY: the command reads two u64, which live through the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), command, range.as_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

const BLKDISCARD: libc::c_ulong = 0x1277;
const BLKZEROOUT: libc::c_ulong = 0x127f;

#[test]
fn data_reach_their_places_on_two_disks() {
    let (one, two) = (Disk::new(16 * MIB), Disk::new(16 * MIB));
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.create("v");
    assert_eq!(volume.sectors(), 0);
    client
        .load("v", &[linear(0, 8192, &one, 2048), linear(8192, 8192, &two, 64)])
        .unwrap();
    assert_eq!(volume.sectors(), 0);
    client.resume("v").unwrap();
    assert_eq!(volume.sectors(), 16384);
    assert_eq!(volume.queue("max_sectors_kb"), 1024);

    let bytes = 16384 * SECTOR;
    let written = Aligned::pattern(bytes, 1);
    volume.open_direct().write_all_at(&written, 0).unwrap();
    let mut read = Aligned::new(bytes);
    volume.open_direct().read_exact_at(&mut read, 0).unwrap();
    assert!(*read == *written);
    assert!(one.read(2048, 8192) == written[..bytes / 2]);
    assert!(two.read(64, 8192) == written[bytes / 2..]);

    // Small requests across the border, through the cache.
    let mut file = volume.open();
    let small = Aligned::pattern(3 * SECTOR, 2);
    file.seek(SeekFrom::Start(8191 * 512)).unwrap();
    file.write_all(&small).unwrap();
    file.sync_all().unwrap();
    assert!(one.read(2048 + 8191, 1) == small[..SECTOR]);
    assert!(two.read(64, 2) == small[SECTOR..]);
    file.seek(SeekFrom::Start(8191 * 512)).unwrap();
    let mut back = vec![0; 3 * SECTOR];
    file.read_exact(&mut back).unwrap();
    assert!(back == *small);
    assert_eq!(client.remove("v").unwrap_err(), libc::EBUSY);
    drop(file);
    client.remove_soon("v");
    eventually("the node is gone", || !volume.path.exists());
    assert_eq!(client.remove("v").unwrap_err(), libc::ENXIO);
}

#[test]
fn a_filesystem_lives_on_it_and_grows() {
    let (one, two) = (Disk::new(64 * MIB), Disk::new(64 * MIB));
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make("fs", &[linear(0, 65536, &one, 0), linear(65536, 32768, &two, 0)]);
    let path = volume.path.to_str().unwrap();
    run("mkfs.ext4", &["-q", "-F", path]);
    let mount = tempfile::tempdir().unwrap();
    let point = mount.path().to_str().unwrap();
    let data = Aligned::pattern(20 << 20, 3);
    run("mount", &[path, point]);
    let unmount = Unmount(point.to_owned());
    std::fs::write(mount.path().join("file"), &*data).unwrap();
    assert_eq!(client.remove("fs").unwrap_err(), libc::EBUSY);
    // Suspending freezes the filesystem; resuming thaws it.
    client.suspend("fs").unwrap();
    client
        .load("fs", &[linear(0, 65536, &one, 0), linear(65536, 65536, &two, 0)])
        .unwrap();
    client.resume("fs").unwrap();
    assert_eq!(volume.sectors(), 131_072);
    std::fs::write(mount.path().join("other"), b"after").unwrap();
    drop(unmount);
    run("e2fsck", &["-f", "-n", path]);
    run("e2fsck", &["-f", "-y", path]);
    run("resize2fs", &[path]);
    run("e2fsck", &["-f", "-n", path]);
    run("mount", &[path, point]);
    let unmount = Unmount(point.to_owned());
    assert!(std::fs::read(mount.path().join("file")).unwrap() == *data);
    assert_eq!(std::fs::read(mount.path().join("other")).unwrap(), b"after");
    drop(unmount);
    client.remove_soon("fs");
}

#[test]
fn discards_and_zeroes_give_zeroes() {
    let disk = Disk::new(16 * MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make("d", &[linear(0, 16384, &disk, 1024), linear(16384, 8192, &disk, 20480)]);
    let bytes = 24576 * SECTOR;
    let file = volume.open_direct();
    file.write_all_at(&Aligned::pattern(bytes, 4), 0).unwrap();
    file.sync_all().unwrap();
    let used = disk.used();
    assert!(volume.queue("discard_max_bytes") > 0);

    let zeroed = |from: u64, len: u64| {
        let mut read = Aligned::new(usize::try_from(len).unwrap());
        file.read_exact_at(&mut read, from).unwrap();
        read.iter().all(|&byte| byte == 0)
    };
    assert!(!zeroed(4 * MIB, MIB));
    range_call(&file, BLKDISCARD, 4 * MIB, 6 * MIB);
    assert!(zeroed(4 * MIB, 6 * MIB));
    assert!(!zeroed(4 * MIB - 4096, 4096) && !zeroed(10 * MIB, 4096));
    assert!(disk.used() < used, "the storage was not given up");
    range_call(&file, BLKZEROOUT, MIB, 512);
    range_call(&file, BLKZEROOUT, 2 * MIB, MIB);
    assert!(zeroed(MIB, 512) && zeroed(2 * MIB, MIB) && !zeroed(MIB + 512, 512));
    drop(file);
    client.remove_soon("d");
}

/// Linux 6.18 never lets a loop device have discards again: one that a daemon was about to delete for it is made anew.
#[test]
fn a_loop_device_without_discards_is_not_used_again() {
    let disk = Disk::new(MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let minor = 4000 + std::process::id() % 1000;
    let path = format!("/dev/loop{minor}");
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(MIB).unwrap();
    run("losetup", &[&path, file.path().to_str().unwrap()]);
    std::fs::write(format!("/sys/block/loop{minor}/queue/discard_max_bytes"), "0").unwrap();
    run("losetup", &["--detach", &path]);

    client.send(Dm::DevCreate.number(), &numbered("n", minor));
    client.answer().unwrap();
    client.load("n", &[linear(0, 2048, &disk, 0)]).unwrap();
    client.resume("n").unwrap();
    run("blkdiscard", &[&path]);
    client.remove_soon("n");
}

/// What somebody has set for one device is not the next one's of that number.
#[test]
fn a_new_device_has_the_usual_read_ahead() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let minor = 5000 + std::process::id() % 1000;
    let path = format!("/dev/loop{minor}");
    for _ in 0..2 {
        client.send(Dm::DevCreate.number(), &numbered("n", minor));
        client.answer().unwrap();
        let read_ahead = std::fs::read_to_string(format!("/sys/block/loop{minor}/queue/read_ahead_kb")).unwrap();
        assert_eq!(read_ahead.trim(), "128");
        run("blockdev", &["--setra", "2048", &path]);
        client.remove_soon("n");
    }
}

fn crypt(disk: &Disk, options: &str) -> (u64, u64, &'static str, String) {
    let params = format!(
        "aes-xts-plain64 {} 0 {} 0{options}",
        "0123456789abcdef".repeat(8),
        disk.path
    );
    (0, 32768, "crypt", params)
}

/// A table that refuses them does not take them from the next device of that number.
#[test]
fn discards_come_back() {
    let disk = Disk::new(16 * MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for round in 0..2 {
        let volume = client.make("d", &[linear(0, 32768, &disk, 0)]);
        let path = volume.path.to_str().unwrap();
        let file = volume.open_direct();
        file.write_all_at(&Aligned::pattern(4 << 20, 7), 0).unwrap();
        let used = disk.used();
        run("blkdiscard", &[path]);
        assert!(disk.used() < used, "the storage was not given up in round {round}");
        drop(file);
        client.load("d", &[crypt(&disk, "")]).unwrap();
        client.resume("d").unwrap();
        eventually("there are no discards", || volume.queue("discard_max_bytes") == 0);
        client.remove_soon("d");
    }
    assert!(!daemon.log().contains("discards"), "{}", daemon.log());
}

/// Encrypted data cannot be given up and then read as zeroes: where discards are allowed, zeroes are written instead.
#[test]
fn discards_go_through_crypt_where_its_table_allows_them() {
    let disk = Disk::new(16 * MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (name, options, discards) in [
        ("small", " 1 allow_discards", true),
        ("large", " 2 allow_discards sector_size:4096", true),
        ("smallno", "", false),
        ("largeno", " 1 sector_size:4096", false),
    ] {
        let volume = client.make(name, &[crypt(&disk, options)]);
        let file = volume.open_direct();
        file.write_all_at(&Aligned::pattern(4 << 20, 6), 0).unwrap();
        let path = volume.path.to_str().unwrap();
        let discard = std::process::Command::new("blkdiscard")
            .args(["--offset", "1048576", "--length", "1048576", path])
            .output()
            .unwrap();
        assert_eq!(discard.status.success(), discards, "{name}: {discard:?}");
        assert_eq!(volume.queue("discard_max_bytes") > 0, discards, "{name}");
        let mut read = Aligned::new(4 << 20);
        file.read_exact_at(&mut read, 0).unwrap();
        let pattern = Aligned::pattern(4 << 20, 6);
        let second = 1 << 20..2 << 20;
        assert!(read[..second.start] == pattern[..second.start] && read[second.end..] == pattern[second.end..]);
        assert!(discards == read[second.clone()].iter().all(|&byte| byte == 0), "{name}");
        assert!(discards || read[second.clone()] == pattern[second], "{name}");
        drop(file);
        client.remove_soon(name);
    }
    assert!(!daemon.log().contains("discards"), "{}", daemon.log());
}

#[test]
fn size_access_and_block_size_follow_the_table() {
    let (disk, large) = (Disk::new(16 * MIB), Disk::with_block_size(16 * MIB, 4096));
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make("s", &[linear(0, 8192, &disk, 0)]);
    let file = volume.open();
    for size in [16384, 4096, 24576] {
        client.load("s", &[linear(0, size, &disk, 0)]).unwrap();
        client.resume("s").unwrap();
        assert_eq!(volume.sectors(), size);
    }
    drop(file);
    client
        .load_with("s", flag::READONLY, &[linear(0, 8192, &disk, 0)])
        .unwrap();
    client.resume("s").unwrap();
    // Some kernels refuse the open, some the write.
    let written = std::fs::File::options()
        .write(true)
        .open(&volume.path)
        .and_then(|file| file.write_all_at(&[1; 512], 0).and_then(|()| file.sync_all()));
    let error = written.unwrap_err().raw_os_error();
    assert!(
        matches!(error, Some(libc::EACCES | libc::EPERM | libc::EROFS)),
        "{error:?}"
    );
    client.load("s", &[linear(0, 8192, &disk, 0)]).unwrap();
    client.resume("s").unwrap();
    volume
        .open_direct()
        .write_all_at(&Aligned::pattern(4096, 1), 0)
        .unwrap();

    let other = client.make("l", &[linear(0, 8192, &disk, 0), linear(8192, 8192, &large, 0)]);
    assert_eq!(other.queue("logical_block_size"), 4096);
    let data = Aligned::pattern(8192, 2);
    other.open_direct().write_all_at(&data, 8192 * 512 - 4096).unwrap();
    assert!(large.read(0, 8) == data[4096..]);
    client.remove_soon("l");
    client.remove_soon("s");
}

#[test]
fn stacked_devices_and_other_targets() {
    let disk = Disk::new(16 * MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let lower = client.make("lower", &[linear(0, 16384, &disk, 8)]);
    let number = format!("7:{}", lower.minor);
    let upper = client.make(
        "upper",
        &[
            (0, 4096, "linear", format!("{number} 4096")),
            (4096, 8, "zero", String::new()),
            (4104, 8, "error", String::new()),
            (4112, 4096, "striped", format!("2 16 {number} 0 {number} 8192")),
        ],
    );
    assert_eq!(client.remove("lower").unwrap_err(), libc::EBUSY);
    let file = upper.open_direct();
    let data = Aligned::pattern(4096 * SECTOR, 5);
    file.write_all_at(&data, 0).unwrap();
    assert!(disk.read(8 + 4096, 4096) == *data);
    let mut read = Aligned::pattern(4096, 6);
    file.read_exact_at(&mut read, 4096 * 512).unwrap();
    assert!(read.iter().all(|&byte| byte == 0));
    assert_eq!(
        file.read_at(&mut read, 4104 * 512).unwrap_err().raw_os_error(),
        Some(libc::EIO)
    );
    file.write_all_at(&data, 4112 * 512).unwrap();
    for chunk in 0..256 {
        let at = 8 + (chunk % 2) * 8192 + chunk / 2 * 16;
        assert!(
            disk.read(at, 16) == data[chunk * 16 * SECTOR..(chunk + 1) * 16 * SECTOR],
            "chunk {chunk}"
        );
    }
    drop(file);
    client.remove_soon("upper");
    client.remove_soon("lower");
}

/// A request to create a device of a number.
fn numbered(name: &str, minor: u32) -> Vec<u8> {
    let mut buffer = common::request(Name::Name(name), flag::PERSISTENT_DEV, 0, &[]);
    buffer[40..48].copy_from_slice(&encode_dev(7, minor).to_ne_bytes());
    buffer
}

#[test]
fn numbers_are_given_on_request_and_refused_when_taken() {
    let disk = Disk::new(MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let taken: u32 = disk.number().strip_prefix("7:").unwrap().parse().unwrap();
    let wanted = 3000 + std::process::id() % 1000;
    client.send(Dm::DevCreate.number(), &numbered("n", wanted));
    let (header, _) = client.answer().unwrap();
    assert_eq!(decode_dev(header.dev), (7, wanted));
    assert!(Path::new(&format!("/dev/loop{wanted}")).exists());
    for minor in [wanted, taken] {
        client.send(Dm::DevCreate.number(), &numbered("m", minor));
        assert_eq!(client.answer().unwrap_err(), libc::ENXIO);
    }
    client.remove_soon("n");
    eventually("the node is gone", || {
        !Path::new(&format!("/dev/loop{wanted}")).exists()
    });
}

#[test]
fn a_deferred_removal_follows_the_last_close() {
    let disk = Disk::new(MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make("later", &[linear(0, 1024, &disk, 0)]);
    let file = volume.open();
    let (header, _) = client
        .call(Dm::DevRemove, Name::Name("later"), flag::DEFERRED_REMOVE, 0, &[])
        .unwrap();
    assert!(header.flags & flag::DEFERRED_REMOVE != 0);
    std::thread::sleep(std::time::Duration::from_millis(500));
    file.write_all_at(&Aligned::pattern(4096, 1), 0).unwrap();
    file.sync_all().unwrap();
    drop(file);
    eventually("it is removed", || {
        client.call(Dm::DevStatus, Name::Name("later"), 0, 0, &[]).is_err()
    });
    assert!(disk.read(0, 8) == *Aligned::pattern(4096, 1));
}

#[test]
fn delays_and_damage() {
    let disk = Disk::new(MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let slow = client.make("slow", &[(0, 1024, "delay", format!("{} 0 3600000", disk.path))]);
    let bad = client.make(
        "bad",
        &[(
            0,
            8,
            "flakey",
            format!("{} 1024 0 1 5 corrupt_bio_byte 5 r 170 0", disk.path),
        )],
    );
    let mut read = Aligned::new(4096);
    bad.open_direct().read_exact_at(&mut read, 0).unwrap();
    assert_eq!(read.iter().position(|&byte| byte != 0), Some(4));
    assert_eq!(read[4], 170);
    std::thread::scope(|scope| {
        let written = scope.spawn(|| slow.open_direct().write_all_at(&Aligned::pattern(4096, 8), 0));
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!written.is_finished());
        // What is delayed for an hour is done at once when the device is suspended.
        let suspend = flag::SUSPEND | flag::SKIP_LOCKFS;
        client
            .call(Dm::DevSuspend, Name::Name("slow"), suspend, 0, &[])
            .unwrap();
        written.join().unwrap().unwrap();
    });
    assert!(disk.read(0, 8) == *Aligned::pattern(4096, 8));
    client.remove_soon("slow");
    client.remove_soon("bad");
}

#[test]
fn loop_devices_that_are_not_ours_look_like_disks() {
    let disk = Disk::new(MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let minor: u32 = disk.number().strip_prefix("7:").unwrap().parse().unwrap();
    let name = Name::Number(7, minor);
    let (header, payload) = client.call(Dm::TableStatus, name, 0, 0, &[]).unwrap();
    assert!(header.name().is_empty() && header.target_count == 1);
    let records: Vec<_> = reply::read_status(&payload, 1).collect();
    assert_eq!(
        (records[0].start, records[0].length, records[0].kind),
        (0, 2048, &b"linear"[..])
    );
    let (_, payload) = client.call(Dm::TableDeps, name, 0, 0, &[]).unwrap();
    assert_eq!(reply::read_deps(&payload).count(), 0);
    assert!(client.call(Dm::DevStatus, name, 0, 0, &[]).unwrap().0.name().is_empty());
    let error = client.call(Dm::DevRemove, name, 0, 0, &[]).unwrap_err();
    assert_eq!(error, libc::ENXIO);
}

#[test]
fn two_hundred_devices() {
    let disk = Disk::new(64 * MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    // The connection and the saved state have theirs from now on.
    client.make("first", &[linear(0, 64, &disk, 0)]);
    client.remove_soon("first");
    let before = daemon.descriptors();
    let names: Vec<_> = (0..200).map(|index| format!("many{index}")).collect();
    let volumes: Vec<_> = names
        .iter()
        .zip(0..)
        .map(|(name, index)| client.make(name, &[linear(0, 64, &disk, 64 * index)]))
        .collect();
    for (volume, seed) in volumes.iter().zip(0..) {
        volume
            .open_direct()
            .write_all_at(&Aligned::pattern(32768, seed), 0)
            .unwrap();
    }
    for (index, seed) in (0..200).zip(0..) {
        assert!(
            disk.read(64 * index, 64) == *Aligned::pattern(32768, seed),
            "device {index}"
        );
    }
    names.iter().for_each(|name| client.remove_soon(name));
    eventually("the nodes are gone", || {
        volumes.iter().all(|volume| !volume.path.exists())
    });
    eventually("the descriptors are closed", || daemon.descriptors() <= before);
}

#[test]
fn a_table_of_ten_thousand_lines() {
    let disk = Disk::new(64 * MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    // Each line is 8 sectors, and the disk has them in reverse order.
    let lines: Vec<_> = (0..10_000)
        .map(|index| linear(index * 8, 8, &disk, (9_999 - index) * 8))
        .collect();
    let volume = client.make("long", &lines);
    let bytes = 80_000 * SECTOR;
    let data = Aligned::pattern(bytes, 7);
    let file = volume.open_direct();
    file.write_all_at(&data, 0).unwrap();
    let mut read = Aligned::new(bytes);
    file.read_exact_at(&mut read, 0).unwrap();
    assert!(*read == *data);
    let there = disk.read(0, 80_000);
    for index in 0..10_000 {
        let from = (9_999 - index) * 4096;
        assert!(
            there[from..from + 4096] == data[index * 4096..(index + 1) * 4096],
            "line {index}"
        );
    }
    range_call(&file, BLKDISCARD, 0, bytes as u64);
    file.read_exact_at(&mut read, 0).unwrap();
    assert!(read.iter().all(|&byte| byte == 0));
    drop(file);
    client.remove_soon("long");
}
