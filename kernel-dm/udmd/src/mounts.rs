//! Who uses a block device: mounts, open files, swap, other block devices; freezing and thawing a filesystem.

use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dm_abi::errno::Errno;
use dm_core::host::DevNo;

use crate::nodes;

const FIFREEZE: libc::c_ulong = 0xC004_5877;
const FITHAW: libc::c_ulong = 0xC004_5878;

/// A line of mountinfo.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    id: u64,
    dev: DevNo,
    target: PathBuf,
    source: PathBuf,
}

/// Reads a line of mountinfo (proc(5)): spaces and the like in paths are octal escapes.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|&byte| byte == b' ');
    let id = text(words.next()?)?.parse().ok()?;
    let dev = nodes::parse_dev(text(words.nth(1)?)?)?;
    let target = unescape(words.nth(1)?);
    let source = words.skip_while(|&word| word != b"-").nth(2)?;
    Some(Mount {
        id,
        dev,
        target,
        source: unescape(source),
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn unescape(word: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&byte, tail)) = rest.split_first() {
        let code = (byte == b'\\')
            .then(|| tail.get(..3).and_then(text))
            .flatten()
            .and_then(|octal| u8::from_str_radix(octal, 8).ok());
        (rest, _) = match code {
            Some(code) => (&tail[3..], out.push(code)),
            None => (tail, out.push(byte)),
        };
    }
    PathBuf::from(OsString::from_vec(out))
}

/// The mounts of the filesystem on a device.
fn mounts(dev: DevNo) -> Vec<Mount> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    table
        .split(|&byte| byte == b'\n')
        .filter_map(parse)
        .filter(|mount| {
            // Btrfs has a number of its own; its source names the device.
            mount.dev == dev || (mount.dev.major == 0 && nodes::number(&mount.source).is_ok_and(|found| found == dev))
        })
        .collect()
}

/// Opens the root of a mount; `None` when another mount covers it.
fn open_mount(mount: &Mount) -> Option<File> {
    let file = File::open(&mount.target).ok()?;
    (mount_id(&file)? == mount.id).then_some(file)
}

#[allow(unsafe_code)]
fn mount_id(file: &File) -> Option<u64> {
    // SAFETY: struct statx consists of numbers; all zeroes is a value of it.
    let mut statx: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the path is empty and NUL-terminated, and the call writes a struct statx, which lives through it.
    let result = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_MNT_ID,
            &raw mut statx,
        )
    };
    (result == 0 && statx.stx_mask & libc::STATX_MNT_ID != 0).then_some(statx.stx_mnt_id)
}

#[allow(unsafe_code)]
fn freeze_call(file: &File, command: libc::c_ulong) -> io::Result<()> {
    // SAFETY: FIFREEZE and FITHAW ignore their argument.
    match unsafe { libc::ioctl(file.as_raw_fd(), command, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Freezes the filesystem on a device, which writes out all that it has. Without one, writes out the device's cache.
/// True when [`thaw`] is to be called later.
///
/// # Errors
/// What the filesystem says.
pub fn freeze(dev: DevNo) -> Result<bool, Errno> {
    let mounts = mounts(dev);
    for mount in &mounts {
        let Some(root) = open_mount(mount) else { continue };
        return match freeze_call(&root, FIFREEZE) {
            Ok(()) => Ok(true),
            // Somebody else has frozen it, or it cannot be frozen.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EOPNOTSUPP)) => Ok(false),
            Err(error) => Err(Errno(error.raw_os_error().unwrap_or(libc::EIO))),
        };
    }
    if !mounts.is_empty() {
        crate::log!(
            "{}:{} is mounted where this process cannot see it: not frozen",
            dev.major,
            dev.minor
        );
    }
    let mut options = File::options();
    options.read(true);
    match nodes::open(dev, &options).and_then(|file| file.sync_all()) {
        Ok(()) => Ok(false),
        // A device without a table has nothing to write.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(false),
        Err(error) => Err(Errno(error.raw_os_error().unwrap_or(libc::EIO))),
    }
}

/// Thaws the filesystem on a device. One that is not frozen is left alone.
pub fn thaw(dev: DevNo) {
    for mount in &mounts(dev) {
        let Some(root) = open_mount(mount) else { continue };
        match freeze_call(&root, FITHAW) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            Err(error) => crate::log!("{} cannot be thawed: {error}", mount.target.display()),
        }
        return;
    }
}

/// Number of users of a device outside this process: open files of processes, mounts, swap, and other block devices.
#[must_use]
pub fn users(dev: DevNo) -> u32 {
    let count = open_files(dev) + mounts(dev).len() + swaps(dev) + holders(dev);
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn open_files(dev: DevNo) -> usize {
    let own = std::process::id().to_string();
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    processes
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            name.as_bytes().iter().all(u8::is_ascii_digit) && name.as_bytes() != own.as_bytes()
        })
        .filter_map(|entry| fs::read_dir(entry.path().join("fd")).ok())
        .flat_map(|files| files.flatten())
        .filter(|file| block_number(&file.path()) == Some(dev))
        .count()
}

/// The number of the block device that a link of /proc/PID/fd leads to. Asks no server of a network filesystem.
#[allow(unsafe_code)]
fn block_number(path: &Path) -> Option<DevNo> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: struct statx consists of numbers; all zeroes is a value of it.
    let mut statx: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the path is NUL-terminated, and the call writes a struct statx, which lives through it.
    let result = unsafe {
        libc::statx(
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_STATX_DONT_SYNC | libc::AT_NO_AUTOMOUNT,
            libc::STATX_TYPE,
            &raw mut statx,
        )
    };
    let block = result == 0 && u32::from(statx.stx_mode) & libc::S_IFMT == libc::S_IFBLK;
    block.then_some(DevNo {
        major: statx.stx_rdev_major,
        minor: statx.stx_rdev_minor,
    })
}

fn swaps(dev: DevNo) -> usize {
    let table = fs::read("/proc/swaps").unwrap_or_default();
    table
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(u8::is_ascii_whitespace).next())
        .filter(|path| path.starts_with(b"/"))
        .filter(|path| fs::metadata(unescape(path)).is_ok_and(|meta| nodes::from_raw(meta.rdev()) == dev))
        .count()
}

fn holders(dev: DevNo) -> usize {
    fs::read_dir(nodes::sysfs(dev).join("holders")).map_or(0, |entries| entries.flatten().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_lines_are_read() {
        let line = br"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mount = parse(line).unwrap();
        assert_eq!(mount.id, 36);
        assert_eq!(mount.dev, DevNo { major: 98, minor: 0 });
        assert_eq!(mount.target, Path::new("/mnt 2"));
        assert_eq!(mount.source, Path::new("/dev/root"));
        assert_eq!(parse(b"36 35 98:0 /mnt1"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn octal_escapes_are_read() {
        assert_eq!(unescape(br"a\134b\011\9"), Path::new("a\\b\t\\9"));
    }
}
