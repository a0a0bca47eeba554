//! A filesystem on a device whose writes are logged: the log makes it again, as it was at any flush.
#![allow(missing_docs)]

mod common;

use std::os::unix::fs::FileExt;
use std::process::Command;

use common::{Aligned, Daemon, Disk, SECTOR, Unmount, run};

const MIB: u64 = 1 << 20;
const SECTORS: u64 = 32 * MIB / 512;

/// Goes along a log whose blocks are sectors: flags of each entry, its first sector, how many, and its text or data.
fn entries(log: &[u8], mut f: impl FnMut(u64, usize, usize, &[u8])) {
    let number = |at: usize| u64::from_le_bytes(log[at..at + 8].try_into().unwrap());
    assert_eq!((number(0), number(8), number(24)), (0x006a_7366_7773_6872, 1, 512));
    let mut at = SECTOR;
    for _ in 0..number(16) {
        let [sector, sectors, flags, text] = [0, 8, 16, 24].map(|field| number(at + field));
        let [sector, sectors, text] = [sector, sectors, text].map(|number| usize::try_from(number).unwrap());
        let data = at + SECTOR;
        match flags {
            8 => f(flags, 0, 0, &log[at + 32..at + 32 + text]),
            4 => f(flags, sector, sectors, &[]),
            _ => f(flags, sector, sectors, &log[data..data + sectors * SECTOR]),
        }
        at = data + if flags == 4 { 0 } else { sectors * SECTOR };
    }
}

#[test]
fn a_filesystem_comes_back_from_its_log() {
    let (disk, log) = (Disk::new(32 * MIB), Disk::new(256 * MIB));
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let volume = client.make(
        "l",
        &[(0, SECTORS, "log-writes", format!("{} {}", disk.path, log.path))],
    );
    let path = volume.path.to_str().unwrap();
    run("mkfs.ext4", &["-q", "-F", "-E", "nodiscard,lazy_itable_init=0", path]);
    client.message("l", "mark mkfs").unwrap();
    let mount = tempfile::tempdir().unwrap();
    run("mount", &["-o", "discard", path, mount.path().to_str().unwrap()]);
    let unmount = Unmount(mount.path().to_str().unwrap().to_owned());
    for index in 0..24u64 {
        let file = std::fs::File::create(mount.path().join(format!("file{}", index % 8))).unwrap();
        file.write_all_at(
            &Aligned::pattern(100_000 * (1 + usize::try_from(index % 5).unwrap()), index),
            0,
        )
        .unwrap();
        file.sync_all().unwrap();
    }
    client.message("l", "mark synced").unwrap();
    std::fs::remove_file(mount.path().join("file3")).unwrap();
    drop(unmount);
    client.remove_soon("l");

    let image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(32 * MIB).unwrap();
    let name = image.path().to_str().unwrap();
    let (mut marks, mut flushes) = (Vec::new(), 0);
    // A journal that is replayed makes a filesystem whole: that is looked at in a copy.
    let check = |what: &str| {
        let copy = tempfile::NamedTempFile::new().unwrap();
        std::fs::copy(image.path(), copy.path()).unwrap();
        let output = Command::new("e2fsck")
            .args(["-f", "-p"])
            .arg(copy.path())
            .output()
            .unwrap();
        // 1: what the journal had was done.
        assert!(matches!(output.status.code(), Some(0 | 1)), "{what}: {output:?}");
    };
    entries(&log.read(0, 256 * 2048), |flags, sector, sectors, data| match flags {
        1 => {
            flushes += 1;
            if !marks.is_empty() && flushes % 16 == 0 {
                check(&format!("at flush {flushes}"));
            }
        }
        8 => {
            check("at a mark");
            if data == b"mkfs" {
                run("e2fsck", &["-f", "-n", name]);
            }
            marks.push(data.to_vec());
        }
        4 => image
            .as_file()
            .write_all_at(&vec![0; sectors * SECTOR], (sector * SECTOR) as u64)
            .unwrap(),
        _ => image.as_file().write_all_at(data, (sector * SECTOR) as u64).unwrap(),
    });
    assert_eq!(marks, [&b"mkfs"[..], b"synced", b"dm-log-writes-end"]);
    assert!(flushes > 20, "{flushes} flushes");
    let whole = usize::try_from(SECTORS).unwrap();
    assert!(
        std::fs::read(image.path()).unwrap() == disk.read(0, whole),
        "the log does not make the disk"
    );
    run("e2fsck", &["-f", "-n", name]);
}
