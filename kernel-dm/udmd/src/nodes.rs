//! From block device numbers to open files.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use dm_core::host::DevNo;
use nix::sys::stat::{Mode, SFlag, mknod};

/// A number as `stat` has it.
#[must_use]
pub fn from_raw(dev: u64) -> DevNo {
    DevNo {
        major: libc::major(dev),
        minor: libc::minor(dev),
    }
}

/// Reads `major:minor`, with or without a line end.
#[must_use]
pub fn parse_dev(text: &str) -> Option<DevNo> {
    let (major, minor) = text.trim_end().split_once(':')?;
    Some(DevNo {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    })
}

/// The directory of a block device in sysfs; for a partition the partition's own.
#[must_use]
pub fn sysfs(dev: DevNo) -> PathBuf {
    PathBuf::from(format!("/sys/dev/block/{}:{}", dev.major, dev.minor))
}

/// The number of the block device at a path, following links; ENOTBLK when it is something else.
///
/// # Errors
/// Those of stat(2); ENOTBLK.
pub fn number(path: &Path) -> io::Result<DevNo> {
    let meta = fs::metadata(path)?;
    if !meta.file_type().is_block_device() {
        return Err(io::Error::from_raw_os_error(libc::ENOTBLK));
    }
    Ok(from_raw(meta.rdev()))
}

/// Opens a block device by its number, through its node in /dev, or one of our own when there is none.
///
/// # Errors
/// ENXIO when there is no such device; those of open(2).
pub fn open(dev: DevNo, options: &OpenOptions) -> io::Result<File> {
    let Ok(uevent) = fs::read_to_string(sysfs(dev).join("uevent")) else {
        return Err(io::Error::from_raw_os_error(libc::ENXIO));
    };
    let name = uevent.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    if let Some(path) = name.map(|name| Path::new("/dev").join(name))
        && number(&path).is_ok_and(|found| found == dev)
    {
        let file = options.open(&path)?;
        if from_raw(file.metadata()?.rdev()) == dev {
            return Ok(file);
        }
    }
    open_own(dev, options)
}

/// Opens a block device through a node that is made for it and deleted at once.
fn open_own(dev: DevNo, options: &OpenOptions) -> io::Result<File> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(format!("/dev/.udmd-{}-{serial}", std::process::id()));
    mknod(
        &path,
        SFlag::S_IFBLK,
        Mode::S_IRUSR | Mode::S_IWUSR,
        libc::makedev(dev.major, dev.minor),
    )?;
    let file = options.open(&path);
    let _ = fs::remove_file(&path);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read() {
        assert_eq!(parse_dev("7:300\n"), Some(DevNo { major: 7, minor: 300 }));
        assert_eq!(parse_dev("7"), None);
        assert_eq!(parse_dev("7:x"), None);
    }

    #[test]
    fn a_path_to_something_else_is_enotblk() {
        let errno = |path: &Path| number(path).unwrap_err().raw_os_error();
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(errno(Path::new("/dev/null")), Some(libc::ENOTBLK));
        assert_eq!(errno(&empty.path().join("missing")), Some(libc::ENOENT));
    }
}
