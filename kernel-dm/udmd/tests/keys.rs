//! A key is nowhere in memory when the table that had it is gone.
#![allow(missing_docs)]

mod common;

use std::os::unix::fs::FileExt;

use bstr::ByteSlice;
use common::{Aligned, Daemon, Disk, Name, SECTOR};
use dm_abi::ioctl::{Command as Dm, flag};

const MIB: u64 = 1 << 20;

/// Where some bytes are in the memory of a process and in the files that only it has.
fn places(pid: i32, wanted: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |name: String, data: &[u8]| {
        if data.contains_str(wanted) {
            found.push(name);
        }
    };
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let (mut read, overlap) = (0, wanted.len() as u64);
    for line in maps
        .lines()
        .filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")))
    {
        let (first, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [first, end] = [first, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut at = first;
        while at < end {
            let len = (end - at).min(MIB + overlap);
            let mut data = vec![0; usize::try_from(len).unwrap()];
            // Some kinds of mappings cannot be read.
            if memory.read_exact_at(&mut data, at).is_ok() {
                read += len;
                look(format!("{pid}: {line}"), &data);
            }
            at += MIB;
        }
    }
    assert!(read > 100_000, "little of process {pid} can be read: {read} bytes");
    for fd in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        if std::fs::read_link(fd.path()).is_ok_and(|path| path.to_string_lossy().contains("memfd:")) {
            look(format!("{pid}: a saved state"), &std::fs::read(fd.path()).unwrap());
        }
    }
    found
}

#[test]
fn a_key_goes_with_its_table() {
    let disk = Disk::new(MIB);
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let bytes: Vec<u8> = (0..64u8).map(|place| place.wrapping_mul(73) ^ 0xb5).collect();
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let other: String = digits.chars().rev().collect();
    let table = |key: &str| [(0, 64, "crypt", format!("aes-xts-plain64 {key} 0 {} 0", disk.path))];
    let volume = client.make("secret", &table(&digits));
    volume
        .open_direct()
        .write_all_at(&Aligned::pattern(8 * SECTOR, 1), 0)
        .unwrap();
    // In tables, in a reply, in a message, in the state that another daemon takes up.
    let (_, line) = client
        .call(Dm::TableStatus, Name::Name("secret"), flag::STATUS_TABLE, 0, &[])
        .unwrap();
    assert!(line.contains_str(&digits));
    client.load("secret", &table(&other)).unwrap();
    client.suspend("secret").unwrap();
    client.message("secret", "key wipe").unwrap();
    client.message("secret", &format!("key set {digits}")).unwrap();
    client.resume("secret").unwrap();
    daemon.kill();
    daemon.start_again();
    let mut client = daemon.client();
    let holder = daemon.holders()[0];
    let everywhere = |wanted: &[u8]| [places(daemon.pid(), wanted), places(holder, wanted)].concat();
    assert!(
        !everywhere(other.as_bytes()).is_empty(),
        "the key of the live table is not where it must be"
    );
    client.load("secret", &table(&digits)).unwrap();
    client.resume("secret").unwrap();
    client
        .call(Dm::TableStatus, Name::Name("secret"), flag::STATUS_TABLE, 0, &[])
        .unwrap();
    client.remove_soon("secret");
    let other_bytes: Vec<u8> = bytes.iter().rev().map(|byte| byte.rotate_left(4)).collect();
    for wanted in [digits.as_bytes(), other.as_bytes(), &bytes, &other_bytes] {
        // Half of it is too much, too.
        for half in wanted.chunks(wanted.len() / 2) {
            assert_eq!(everywhere(half), [""; 0], "{}", half.as_bstr());
        }
    }
}
