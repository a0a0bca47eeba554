//! The control node of a Linux kernel with device-mapper.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use dm_abi::errno::Errno;
use dm_abi::ioctl::ioctl_number;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::stat::Mode;

use super::node::{self, sys_error};
use super::{Failure, Transport};
use crate::error::{Error, Result};
use crate::task::DevNo;

/// Number of the misc device class.
const MISC_MAJOR: u32 = 10;
/// Number that the control node has since Linux 2.6.36.
const CONTROL_MINOR: u32 = 236;

/// An open control node.
#[derive(Debug)]
pub struct Linux {
    control: OwnedFd,
    major: u32,
}

impl Linux {
    /// Opens `DM_DIR/control`, making the node when it is missing or wrong.
    ///
    /// # Errors
    /// Logged: no permission, no such device.
    pub fn open(dm_dir: &Path) -> Result<Self> {
        match Self::open_node(dm_dir) {
            Ok(control) => {
                let Some(major) = block_major() else {
                    crate::log_error!("Failed to set up list of device-mapper major numbers");
                    return Err(Error::NotFound("major number of device-mapper".into()));
                };
                Ok(Self { control, major })
            }
            Err(error) => {
                crate::log_error!("Failure to communicate with kernel device-mapper driver.");
                if nix::unistd::geteuid().is_root() {
                    crate::log_error!("Check that device-mapper is available in the kernel.");
                }
                Err(error)
            }
        }
    }

    fn open_node(dm_dir: &Path) -> Result<OwnedFd> {
        let path = dm_dir.join("control");
        node::make(dm_dir, &path, control_number()?, Mode::from_bits_truncate(0o600))?;
        node::open(&path)
    }
}

/// Device number of the control node: fixed since 2.6.36, before that two lists in /proc tell.
fn control_number() -> Result<u64> {
    let unknown = || {
        crate::log_error!("Could not determine kernel version used.");
        Error::NotFound("kernel version".into())
    };
    let uname = nix::sys::utsname::uname().map_err(|_| unknown())?;
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|n| n.parse::<u32>().ok());
    let major = numbers.next().ok_or_else(unknown)?;
    if major >= 3 {
        return Ok(libc::makedev(MISC_MAJOR, CONTROL_MINOR));
    }
    let (Some(minor), Some(patch)) = (numbers.next(), numbers.next()) else {
        return Err(unknown());
    };
    if (major, minor, patch) >= (2, 6, 36) {
        return Ok(libc::makedev(MISC_MAJOR, CONTROL_MINOR));
    }
    let number = |path: &str, section, name| {
        let text = crate::files::read_proc(Path::new(path)).map_err(|e| sys_error(Path::new(path), "fopen", e))?;
        find_number(&text, section, name).ok_or_else(|| {
            crate::log_error!("{path}: No entry for {name} found");
            Error::NotFound(format!("{name} in {path}"))
        })
    };
    let misc = number("/proc/devices", Some("Character devices:"), "misc")?;
    let control = number("/proc/misc", None, "device-mapper")?;
    Ok(libc::makedev(misc, control))
}

/// The number of `name` in lines `NUMBER NAME`, in the whole text or below the heading `section`.
pub(super) fn find_number(text: &str, section: Option<&str>, name: &str) -> Option<u32> {
    let mut here = section.is_none();
    for line in text.lines() {
        if let Some(section) = section
            && line.ends_with(':')
        {
            here = line == section;
            continue;
        }
        let mut words = line.split_whitespace();
        if let (true, Some(number), Some(word)) = (here, words.next(), words.next())
            && word == name
        {
            return number.parse().ok();
        }
    }
    None
}

/// The block major of device-mapper, from /proc/devices.
pub(super) fn block_major() -> Option<u32> {
    let text = crate::files::read_proc(Path::new("/proc/devices")).ok()?;
    find_number(&text, Some("Block devices:"), "device-mapper")
}

/// Whether device-mapper is in this kernel and loaded.
pub(super) fn kernel_has_dm() -> bool {
    crate::files::read_proc(Path::new("/proc/misc"))
        .is_ok_and(|text| find_number(&text, None, "device-mapper").is_some())
}

impl Transport for Linux {
    #[allow(unsafe_code, reason = "ioctl with a variable-length argument has no safe wrapper")]
    fn ioctl(&self, nr: u32, buffer: &mut [u8]) -> std::result::Result<(), Failure> {
        let size = u32::try_from(buffer.len()).map_err(|_| Failure::Refused(Errno::EINVAL))?;
        if size < 312 || buffer.get(12..16) != Some(&size.to_ne_bytes()) {
            crate::log_error!("Internal error: request with a wrong data_size");
            return Err(Failure::Refused(Errno::EINVAL));
        }
        // SAFETY: the descriptor is open. Every command of this driver reads and writes at most `data_size` bytes of its
        // argument, which the check above made the length of `buffer`.
        let result = unsafe { libc::ioctl(self.control.as_raw_fd(), ioctl_number(nr).into(), buffer.as_mut_ptr()) };
        if result < 0 {
            return Err(Failure::Refused(Errno(nix::errno::Errno::last_raw())));
        }
        Ok(())
    }

    fn dm_major(&self) -> Option<u32> {
        Some(self.major)
    }

    fn has_udev(&self) -> bool {
        true
    }

    fn kernel_node(&self, dev: DevNo) -> Option<PathBuf> {
        Some(format!("/dev/dm-{}", dev.minor).into())
    }

    fn wait_event(&self) -> std::result::Result<(), Failure> {
        let mut fds = [PollFd::new(self.control.as_fd(), PollFlags::POLLIN)];
        nix::poll::poll(&mut fds, PollTimeout::NONE)
            .map(drop)
            .map_err(|e| Failure::Refused(Errno(e as i32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_proc_files() {
        let devices = "Character devices:\n  1 mem\n 10 misc\n\nBlock devices:\n  7 loop\n254 device-mapper\n";
        assert_eq!(find_number(devices, Some("Block devices:"), "device-mapper"), Some(254));
        assert_eq!(find_number(devices, Some("Character devices:"), "misc"), Some(10));
        assert_eq!(find_number(devices, Some("Character devices:"), "loop"), None);
        assert_eq!(find_number("236 device-mapper\n", None, "device-mapper"), Some(236));
        assert_eq!(find_number("236 device-mapper-x\n", None, "device-mapper"), None);
    }
}
