//! Loop devices: the calls of `linux/loop.h` and the files of sysfs.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use dm_core::host::DevNo;
use nix::errno::Errno as Sys;

use crate::nodes;

/// Major number of loop devices.
pub const MAJOR: u32 = 7;

const LOOP_CLR_FD: libc::c_ulong = 0x4C01;
const LOOP_SET_STATUS64: libc::c_ulong = 0x4C04;
const LOOP_GET_STATUS64: libc::c_ulong = 0x4C05;
const LOOP_SET_CAPACITY: libc::c_ulong = 0x4C07;
const LOOP_SET_BLOCK_SIZE: libc::c_ulong = 0x4C09;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LOOP_CTL_ADD: libc::c_ulong = 0x4C80;
const LOOP_CTL_REMOVE: libc::c_ulong = 0x4C81;
const BLKROSET: libc::c_ulong = 0x125D;

/// `lo_flags`: the device is unbound at its last close.
pub const AUTOCLEAR: u32 = 4;
/// `lo_flags`: requests go to the file without the page cache, many at a time.
pub const DIRECT_IO: u32 = 16;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    /// [`AUTOCLEAR`], [`DIRECT_IO`] and others.
    pub flags: u32,
    /// Any text; what losetup shows as the file's name.
    pub file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

const _: () = assert!(size_of::<Info>() == 232);

impl Info {
    const ZERO: Self = Self {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        sizelimit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };

    /// The name of the file.
    pub fn name(&self) -> &[u8] {
        self.file_name.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

/// `struct loop_config`.
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<Config>() == 304);

fn control(command: libc::c_ulong, index: u32) -> Result<(), Sys> {
    let file = File::options()
        .read(true)
        .write(true)
        .open("/dev/loop-control")
        .map_err(|error| Sys::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    // SAFETY: these commands take a number.
    Sys::result(unsafe { libc::ioctl(file.as_raw_fd(), command, libc::c_ulong::from(index)) }).map(drop)
}

/// Makes the loop device with a number.
///
/// # Errors
/// EEXIST when there is one already; what the kernel says.
pub fn add(index: u32) -> Result<(), Sys> {
    control(LOOP_CTL_ADD, index)
}

/// Deletes a loop device that is bound to nothing.
///
/// # Errors
/// EBUSY when it is bound or open; what the kernel says.
pub fn delete(index: u32) -> Result<(), Sys> {
    control(LOOP_CTL_REMOVE, index)
}

/// A file of the loop device in sysfs.
#[must_use]
pub fn sysfs(index: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/sys/block/loop{index}/{file}"))
}

/// Writes a value to a file of the loop device in sysfs.
///
/// # Errors
/// Those of the file.
pub fn set(index: u32, file: &str, value: &str) -> io::Result<()> {
    fs::write(sysfs(index, file), value)
}

/// Reads a number from a file of the loop device in sysfs.
#[must_use]
pub fn get(index: u32, file: &str) -> Option<u64> {
    text(index, file)?.trim().parse().ok()
}

/// Reads a file of the loop device in sysfs.
#[must_use]
pub fn text(index: u32, file: &str) -> Option<String> {
    fs::read_to_string(sysfs(index, file)).ok()
}

/// Whether /sys/block has loop devices at all: it may be hidden, or be something else.
#[must_use]
pub fn is_shown() -> bool {
    fs::read_dir("/sys/block").is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().as_encoded_bytes().starts_with(b"loop") && entry.path().join("dev").exists())
    })
}

/// Whether a loop device of this number exists.
#[must_use]
pub fn exists(index: u32) -> bool {
    sysfs(index, "dev").exists()
}

/// Whether the loop device is bound to a file.
#[must_use]
pub fn is_bound(index: u32) -> bool {
    sysfs(index, "loop").exists()
}

/// Whether the loop device takes discards.
#[must_use]
pub fn takes_discards(index: u32) -> bool {
    get(index, "queue/discard_max_bytes").is_some_and(|most| most > 0)
}

/// The block device number of a loop device.
#[must_use]
pub fn dev(index: u32) -> Option<DevNo> {
    nodes::parse_dev(&fs::read_to_string(sysfs(index, "dev")).ok()?)
}

/// The loop device's number behind a block device number.
#[must_use]
pub fn index_of(dev: DevNo) -> Option<u32> {
    if dev.major != MAJOR {
        return None;
    }
    let link = fs::read_link(format!("/sys/dev/block/{}:{}", dev.major, dev.minor)).ok()?;
    link.file_name()?.to_str()?.strip_prefix("loop")?.parse().ok()
}

/// An open loop device.
#[derive(Debug)]
pub struct LoopFile(pub File);

impl LoopFile {
    /// Opens a loop device for calls, not for data.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(dev: DevNo) -> io::Result<Self> {
        Self::open_as(dev, false)
    }

    /// Opens a loop device to bind it: it becomes read-only when it is bound through a descriptor that is.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open_to_bind(dev: DevNo) -> io::Result<Self> {
        Self::open_as(dev, true)
    }

    fn open_as(dev: DevNo, write: bool) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(write).custom_flags(libc::O_NONBLOCK);
        nodes::open(dev, &options).map(Self)
    }

    fn call(&self, command: libc::c_ulong, argument: libc::c_ulong) -> Result<(), Sys> {
        // SAFETY: used with commands that take a number only.
        Sys::result(unsafe { libc::ioctl(self.0.as_raw_fd(), command, argument) }).map(drop)
    }

    /// Binds the device to a file.
    ///
    /// # Errors
    /// EBUSY when it is bound already; what the kernel says.
    pub fn bind(&self, file: BorrowedFd<'_>, block_size: u32, flags: u32, name: &str) -> Result<(), Sys> {
        let mut config = Config {
            fd: u32::try_from(file.as_raw_fd()).map_err(|_| Sys::EBADF)?,
            block_size,
            info: Info { flags, ..Info::ZERO },
            reserved: [0; 8],
        };
        let len = name.len().min(config.info.file_name.len() - 1);
        config.info.file_name[..len].copy_from_slice(&name.as_bytes()[..len]);
        // SAFETY: LOOP_CONFIGURE reads a struct loop_config, which lives through the call.
        Sys::result(unsafe { libc::ioctl(self.0.as_raw_fd(), LOOP_CONFIGURE, &raw const config) }).map(drop)
    }

    /// What the device is bound to.
    ///
    /// # Errors
    /// ENXIO when it is bound to nothing.
    pub fn info(&self) -> Result<Info, Sys> {
        let mut info = Info::ZERO;
        // SAFETY: LOOP_GET_STATUS64 writes a struct loop_info64, which lives through the call.
        Sys::result(unsafe { libc::ioctl(self.0.as_raw_fd(), LOOP_GET_STATUS64, &raw mut info) })?;
        Ok(info)
    }

    /// Clears [`AUTOCLEAR`]. Waits for all requests that are under way.
    ///
    /// # Errors
    /// ENXIO when it is bound to nothing.
    pub fn clear_autoclear(&self) -> Result<(), Sys> {
        let mut info = self.info()?;
        info.flags &= !AUTOCLEAR;
        // SAFETY: LOOP_SET_STATUS64 reads a struct loop_info64, which lives through the call.
        Sys::result(unsafe { libc::ioctl(self.0.as_raw_fd(), LOOP_SET_STATUS64, &raw const info) }).map(drop)
    }

    /// Unbinds the device, or has it unbound at its last close when others have it open.
    ///
    /// # Errors
    /// ENXIO when it is bound to nothing.
    pub fn unbind(&self) -> Result<(), Sys> {
        self.call(LOOP_CLR_FD, 0)
    }

    /// Takes the size of the file anew.
    ///
    /// # Errors
    /// ENXIO when it is bound to nothing.
    pub fn update_capacity(&self) -> Result<(), Sys> {
        // Up to Linux 6.12 at least this takes the size that the kernel remembers; LOOP_GET_STATUS64 asks the file's system.
        self.info()?;
        self.call(LOOP_SET_CAPACITY, 0)
    }

    /// Sets the logical block size in bytes. Waits for all requests that are under way.
    ///
    /// # Errors
    /// EBUSY when somebody has claimed the device; what the kernel says.
    pub fn set_block_size(&self, bytes: u32) -> Result<(), Sys> {
        self.call(LOOP_SET_BLOCK_SIZE, libc::c_ulong::from(bytes))
    }

    /// Sets whether the device refuses writes.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_read_only(&self, on: bool) -> Result<(), Sys> {
        let value = libc::c_int::from(on);
        // SAFETY: BLKROSET reads an int, which lives through the call.
        Sys::result(unsafe { libc::ioctl(self.0.as_raw_fd(), BLKROSET, &raw const value) }).map(drop)
    }
}
