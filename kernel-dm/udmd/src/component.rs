//! The block devices that tables lie on.
//!
//! Each is claimed once for the whole daemon, as the kernel's device-mapper claims its components: nobody can mount it or
//! put a filesystem on it meanwhile. The claim has a second use. It lasts until the last request through the descriptor
//! is complete, even when the daemon was killed, so a daemon that takes over cannot start before that.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Weak};

use dm_abi::errno::Errno;
use dm_core::host::{DevNo, DevSpec, Opened};

use crate::nodes;

const BLKSSZGET: libc::c_ulong = 0x1268;
const BLKGETSIZE64: libc::c_ulong = 0x8008_1272;

/// An open component. The last clone closes it.
pub type Handle = Arc<OpenDevice>;

/// An open block device.
#[derive(Debug)]
pub struct OpenDevice {
    file: File,
    writable: bool,
    /// Requests start and end at multiples of this, in bytes.
    block: u32,
    /// Holds the claim when `file` does not.
    _claim: Option<Handle>,
}

impl OpenDevice {
    /// Its descriptor, open for O_DIRECT.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Its logical block size in bytes.
    #[must_use]
    pub fn block(&self) -> u32 {
        self.block
    }
}

/// The components that are open now.
#[derive(Debug, Default)]
pub struct Components {
    open: HashMap<DevNo, Weak<OpenDevice>>,
}

impl Components {
    /// The number of the device that a table line names.
    ///
    /// # Errors
    /// ENOENT for a missing path, ENOTBLK for one to something else.
    pub fn number(spec: DevSpec<'_>) -> Result<DevNo, Errno> {
        match spec {
            DevSpec::Number(dev) => Ok(dev),
            DevSpec::Path(path) => {
                nodes::number(Path::new(std::ffi::OsStr::from_bytes(path))).map_err(|error| errno(&error))
            }
        }
    }

    /// Opens a device and claims it.
    ///
    /// # Errors
    /// ENXIO when there is none, EBUSY when it is somebody else's, EACCES for writing to a read-only one.
    pub fn open(&mut self, dev: DevNo, read_only: bool) -> Result<Opened<Handle>, Errno> {
        let known = self.open.get(&dev).and_then(Weak::upgrade);
        let handle = match known {
            Some(handle) if handle.writable || read_only => handle,
            other => {
                let handle = Arc::new(Self::open_new(dev, read_only, other)?);
                self.open.retain(|_, weak| weak.strong_count() > 0);
                self.open.insert(dev, Arc::downgrade(&handle));
                handle
            }
        };
        let bytes = size(&handle.file)?;
        Ok(Opened {
            dev,
            sectors: bytes >> 9,
            logical_block_size: handle.block,
            discard: takes_zeroes_for_discards(dev),
            handle,
        })
    }

    fn open_new(dev: DevNo, read_only: bool, claim: Option<Handle>) -> Result<OpenDevice, Errno> {
        let exclusive = if claim.is_some() { 0 } else { libc::O_EXCL };
        let open = |write: bool| {
            let mut options = File::options();
            options.read(true).write(write).custom_flags(libc::O_DIRECT | exclusive);
            nodes::open(dev, &options)
        };
        // A table that reads may be joined by one that writes, so the claim is for both where the device allows it.
        let (file, writable) = match open(true) {
            Ok(file) => (file, true),
            Err(error)
                if read_only && matches!(error.raw_os_error(), Some(libc::EACCES | libc::EROFS | libc::EPERM)) =>
            {
                (open(false).map_err(|error| errno(&error))?, false)
            }
            Err(error) => return Err(errno(&error)),
        };
        let block = block_size(&file)?;
        Ok(OpenDevice {
            file,
            writable,
            block,
            _claim: claim,
        })
    }
}

fn errno(error: &std::io::Error) -> Errno {
    match error.raw_os_error() {
        // What opening a read-only device for writing gives, by kernel version.
        Some(libc::EROFS | libc::EPERM) => Errno::EACCES,
        Some(number) => Errno(number),
        None => Errno::EIO,
    }
}

fn size(file: &File) -> Result<u64, Errno> {
    let mut bytes = 0u64;
    // SAFETY: BLKGETSIZE64 writes a u64, which lives through the call.
    nix::errno::Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), BLKGETSIZE64, &raw mut bytes) })
        .map_err(|errno| Errno(errno as i32))?;
    Ok(bytes)
}

fn block_size(file: &File) -> Result<u32, Errno> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: BLKSSZGET writes an int, which lives through the call.
    nix::errno::Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), BLKSSZGET, &raw mut bytes) })
        .map_err(|errno| Errno(errno as i32))?;
    u32::try_from(bytes).map_err(|_| Errno::EIO)
}

/// Whether the device can give up storage so that it then reads as zeroes.
///
/// A loop device cannot tell a discard from zeroes that may be unmapped, so a component that discards without zeroing, or
/// would have to be filled with zeroes, is one that takes no discards.
fn takes_zeroes_for_discards(dev: DevNo) -> bool {
    let queue = |name: &str| {
        let base = nodes::sysfs(dev);
        fs::read_to_string(base.join("queue").join(name))
            .or_else(|_| fs::read_to_string(base.join("../queue").join(name)))
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
            .unwrap_or(0)
    };
    queue("discard_max_bytes") > 0 && queue("write_zeroes_max_bytes") > 0
}
