//! Read-ahead of block devices, in sectors of 512 bytes: by sysfs, else by ioctl on the node.
//!
//! NetBSD's block devices have no read-ahead of their own (filesystems and the page cache read ahead by what they see):
//! setting one does nothing, and what there is is 0.

#[cfg(target_os = "linux")]
use std::fs::File;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use bstr::{BStr, ByteSlice};

use crate::settings::Settings;
use crate::task::{DevNo, READ_AHEAD_AUTO, READ_AHEAD_MINIMUM};

#[cfg(target_os = "linux")]
mod raw {
    nix::ioctl_read_bad!(blkraget, 0x1263, libc::c_long);
    nix::ioctl_write_int_bad!(blkraset, 0x1262);
}

/// Sysfs file with the read-ahead in KiB; `None` when sysfs must not be used or cannot know.
fn sysfs_file(settings: &Settings, dev: DevNo) -> Option<PathBuf> {
    let file = settings.sysfs(format!("dev/block/{dev}/bdi/read_ahead_kb"))?;
    (dev.major != 0).then_some(file)
}

/// The read-ahead of a device with this node.
#[must_use]
pub fn get(settings: &Settings, name: &BStr, dev: DevNo) -> Option<u32> {
    if let Some(file) = sysfs_file(settings, dev)
        && let Ok(text) = crate::files::read_attribute(&file)
    {
        let text = text.to_str_lossy();
        let value = text.trim().parse::<u32>().ok().and_then(|kib| kib.checked_mul(2));
        if value.is_none() {
            crate::log_error!("Failed to read read-ahead from {}: \"{}\"", file.display(), text.trim());
        }
        return value;
    }
    get_by_node(&settings.node_path(name))
}

#[cfg(not(target_os = "linux"))]
fn get_by_node(_node: &Path) -> Option<u32> {
    Some(0)
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "ioctl")]
fn get_by_node(node: &Path) -> Option<u32> {
    let file = File::open(node)
        .inspect_err(|e| crate::log_sys_error!(node.display(), "open", *e))
        .ok()?;
    let mut value = 0;
    // SAFETY: BLKRAGET writes one long, and `value` is one.
    match unsafe { raw::blkraget(file.as_raw_fd(), &raw mut value) } {
        Ok(_) => u32::try_from(value).ok(),
        Err(e) => {
            crate::log_sys_error!(node.display(), "BLKRAGET", std::io::Error::from(e));
            None
        }
    }
}

/// Sets the read-ahead; failures are logged. [`READ_AHEAD_AUTO`] leaves it alone.
pub(super) fn set(settings: &Settings, name: &BStr, dev: DevNo, value: u32, flags: u32) {
    if value == READ_AHEAD_AUTO {
        return;
    }
    if flags & READ_AHEAD_MINIMUM != 0
        && let Some(current) = get(settings, name, dev)
        && current >= value
    {
        crate::log_debug!("{name}: retaining kernel read ahead of {current} (requested {value})");
        return;
    }
    if let Some(file) = sysfs_file(settings, dev) {
        let text = value.div_ceil(2).to_string();
        match std::fs::OpenOptions::new().write(true).open(&file) {
            Ok(mut open) => {
                crate::log_debug!("{name}: Setting read ahead to {value}");
                if let Err(e) = std::io::Write::write_all(&mut open, text.as_bytes()) {
                    crate::log_sys_error!(file.display(), "write", e);
                }
                return;
            }
            Err(e) => crate::log_sys_debug!(file.display(), "open", e),
        }
    }
    set_by_node(&settings.node_path(name), value);
}

#[cfg(not(target_os = "linux"))]
fn set_by_node(node: &Path, value: u32) {
    crate::log_debug!("{}: this system has no read ahead to set to {value}", node.display());
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "ioctl")]
fn set_by_node(node: &Path, value: u32) {
    let Ok(value) = i32::try_from(value) else {
        crate::log_error!("{}: read ahead of {value} sectors is too large", node.display());
        return;
    };
    match File::open(node) {
        // SAFETY: BLKRASET takes its argument by value and touches no memory of ours.
        Ok(file) => match unsafe { raw::blkraset(file.as_raw_fd(), value) } {
            Ok(_) => crate::log_debug!("{}: read ahead set to {value}", node.display()),
            Err(e) => crate::log_sys_error!(node.display(), "BLKRASET", std::io::Error::from(e)),
        },
        Err(e) => crate::log_sys_error!(node.display(), "open", e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysfs_values() {
        let dir = tempfile::tempdir().unwrap();
        let bdi = dir.path().join("dev/block/254:3/bdi");
        std::fs::create_dir_all(&bdi).unwrap();
        std::fs::write(bdi.join("read_ahead_kb"), "128\n").unwrap();
        let mut settings = Settings::default();
        settings
            .set_sysfs_dir(dir.path().as_os_str().as_encoded_bytes())
            .unwrap();
        let dev = DevNo { major: 254, minor: 3 };
        let name = BStr::new("x");
        let kib = || std::fs::read_to_string(bdi.join("read_ahead_kb")).unwrap();
        assert_eq!(get(&settings, name, dev), Some(256));
        set(&settings, name, dev, 100, READ_AHEAD_MINIMUM);
        assert_eq!(kib(), "128\n");
        set(&settings, name, dev, READ_AHEAD_AUTO, 0);
        assert_eq!(kib(), "128\n");
        std::fs::write(bdi.join("read_ahead_kb"), "").unwrap();
        set(&settings, name, dev, 513, 0);
        assert_eq!(kib(), "257");
    }
}
