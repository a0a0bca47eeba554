//! What the system knows about block devices: the stock driver wants paths, and checks nothing.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use dm_abi::errno::Errno;

use crate::task::DevNo;

/// Questions about the machine's block devices.
pub trait Machine: Debug + Send + Sync {
    /// The number of the block device at a path.
    ///
    /// # Errors
    /// ENOENT for a missing path, ENOTBLK for something else than a block device, EACCES.
    fn number(&self, path: &[u8]) -> Result<DevNo, Errno>;

    /// A path of at most `longest` bytes to the block device with this number.
    fn path(&self, dev: DevNo, longest: usize) -> Option<Vec<u8>>;

    /// Size of the block device at a path in sectors, if it can be known.
    fn sectors(&self, path: &[u8]) -> Option<u64>;

    /// Whether the device is mounted or open, as far as can be seen from outside. `name` is its name as a mapped device.
    fn is_used(&self, dev: DevNo, name: &[u8]) -> bool;

    /// Opens the block device at a path for reading and writing and closes it again, as the driver would: NetBSD opens a
    /// block device once.
    ///
    /// # Errors
    /// Why it cannot be opened: EBUSY, EACCES, EROFS ...
    fn try_open(&self, path: &[u8]) -> Result<(), Errno>;

    /// Whether the process may do what needs privilege.
    fn is_privileged(&self) -> bool;
}

/// The machine that the program runs on.
#[derive(Clone, Debug)]
pub struct System {
    dm_dir: PathBuf,
}

impl System {
    /// The machine, with the nodes of mapped devices in this directory.
    #[must_use]
    pub fn new(dm_dir: &Path) -> Self {
        Self { dm_dir: dm_dir.into() }
    }
}

/// The directory with nodes of block devices.
const DEV: &str = "/dev";

fn path_of(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

impl Machine for System {
    fn number(&self, path: &[u8]) -> Result<DevNo, Errno> {
        let meta = std::fs::metadata(path_of(path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => Errno::EACCES,
            _ => Errno::ENOENT,
        })?;
        if meta.file_type().is_block_device() {
            Ok(DevNo::from_rdev(meta.rdev()))
        } else {
            Err(Errno::ENOTBLK)
        }
    }

    fn path(&self, dev: DevNo, longest: usize) -> Option<Vec<u8>> {
        let nodes = [Path::new(DEV), &self.dm_dir]
            .into_iter()
            .flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten().flatten());
        nodes
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_block_device()))
            .map(|entry| entry.path())
            .filter(|path| path.as_os_str().len() <= longest)
            .filter(|path| std::fs::symlink_metadata(path).is_ok_and(|meta| DevNo::from_rdev(meta.rdev()) == dev))
            // Always the same one.
            .min_by_key(|path| (path.as_os_str().len(), path.clone()))
            .map(|path| path.as_os_str().as_bytes().to_vec())
    }

    fn sectors(&self, path: &[u8]) -> Option<u64> {
        let path = path_of(path);
        // A block node that is in use cannot be opened twice on NetBSD; its character twin can.
        let file = raw_twin(path)
            .and_then(|twin| File::open(twin).ok())
            .or_else(|| File::open(path).ok())?;
        size_of(&file).map(|bytes| bytes / 512)
    }

    fn is_used(&self, dev: DevNo, name: &[u8]) -> bool {
        system_uses(&self.dm_dir, dev, name)
    }

    fn try_open(&self, path: &[u8]) -> Result<(), Errno> {
        try_open(path_of(path))
    }

    fn is_privileged(&self) -> bool {
        nix::unistd::geteuid().is_root()
    }
}

/// The character node of a block node on NetBSD: an `r` before the last component.
fn raw_twin(path: &Path) -> Option<PathBuf> {
    if cfg!(not(target_os = "netbsd")) {
        return None;
    }
    let mut name = std::ffi::OsString::from("r");
    name.push(path.file_name()?);
    Some(path.with_file_name(name))
}

#[cfg(target_os = "linux")]
mod raw {
    nix::ioctl_read!(get_size, 0x12, 114, u64);
}
#[cfg(target_os = "netbsd")]
mod raw {
    // DIOCGMEDIASIZE of sys/dkio.h, in bytes.
    nix::ioctl_read!(get_size, b'd', 132, u64);
}

/// Size of an open disk in bytes.
#[cfg(any(target_os = "linux", target_os = "netbsd"))]
#[allow(unsafe_code, reason = "ioctl")]
fn size_of(file: &File) -> Option<u64> {
    let mut bytes = 0;
    // SAFETY: the request writes one number of 64 bits, and `bytes` is one.
    unsafe { raw::get_size(file.as_raw_fd(), &raw mut bytes) }.ok()?;
    Some(bytes)
}

#[cfg(not(any(target_os = "linux", target_os = "netbsd")))]
fn size_of(_file: &File) -> Option<u64> {
    None
}

#[cfg(target_os = "netbsd")]
fn try_open(path: &Path) -> Result<(), Errno> {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = File::options();
    let opened = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path);
    opened.map(drop).map_err(|error| {
        let errno = error.raw_os_error().map(crate::errno::from_system);
        errno.unwrap_or(Errno::EIO)
    })
}

/// On other systems the stock driver sees the nodes of another kernel.
#[cfg(not(target_os = "netbsd"))]
fn try_open(_path: &Path) -> Result<(), Errno> {
    Ok(())
}

/// Mounted filesystems count, and on NetBSD anybody who has the block node open: it opens once only.
#[cfg(target_os = "netbsd")]
fn system_uses(dm_dir: &Path, dev: DevNo, name: &[u8]) -> bool {
    use std::os::unix::fs::OpenOptionsExt;

    let mounted = crate::sysfs::mounted_devices().contains(&dev);
    let node = dm_dir.join(OsStr::from_bytes(name));
    let open = || {
        File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&node)
            .is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY))
    };
    let is_node = std::fs::metadata(&node).is_ok_and(|meta| DevNo::from_rdev(meta.rdev()) == dev);
    mounted || is_node && open()
}

/// On other systems the stock driver exists in tests only, and nothing can use its devices.
#[cfg(not(target_os = "netbsd"))]
fn system_uses(_dm_dir: &Path, _dev: DevNo, _name: &[u8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let system = System::new(Path::new("/dev/mapper"));
        assert_eq!(system.number(b"/nonexistent/x"), Err(Errno::ENOENT));
        assert_eq!(system.number(b"/dev/null"), Err(Errno::ENOTBLK));
        let none = DevNo { major: 4000, minor: 1 };
        assert_eq!(system.path(none, 31), None);
        assert!(!system.is_used(none, b"x"));
        assert_eq!(system.sectors(b"/nonexistent/x"), None);
        // Any block device of this machine: its path and number lead to each other.
        let block = std::fs::read_dir("/dev").unwrap().flatten().find(|entry| {
            let kind = entry.file_type();
            kind.is_ok_and(|kind| kind.is_block_device()) && entry.path().as_os_str().len() < 32
        });
        if let Some(block) = block {
            let path = block.path();
            let dev = system.number(path.as_os_str().as_bytes()).unwrap();
            let back = system.path(dev, 31).unwrap();
            assert_eq!(system.number(&back), Ok(dev));
        }
    }
}
