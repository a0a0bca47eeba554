//! Process-wide settings: directories, uuid prefix, mangling mode.
//!
//! The functions of this module are about the process's [`Library`]; each library object has
//! [`Settings`] of its own.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bstr::BString;

use crate::error::{Error, Result};
use crate::library::Library;
use crate::log::Raw;
use crate::mangle::Mode;

/// Version of the C library whose behaviour this is, as `dm_get_library_version` prints it.
pub const LIBRARY_VERSION: &str = "1.02.214 (2026-03-13)";
/// Longest uuid prefix, in bytes.
pub const MAX_UUID_PREFIX: usize = 15;
/// Longest path, in bytes without NUL, that a directory setting may have.
const MAX_PATH: usize = 4095;
/// Where Linux has sysfs.
const SYSFS_DIR: &str = "/sys/";
/// Name of the directory of nodes below the device directory.
const DM_DIR: &str = "mapper";

/// Settings of a library object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Directory of the device nodes, `/dev/mapper`.
    pub dm_dir: BString,
    /// Where sysfs is, with a trailing slash; empty when it must not be used.
    pub sysfs_dir: BString,
    /// What uuids of the program's own devices begin with, `LVM-`.
    pub uuid_prefix: BString,
    /// What is done to names and uuids.
    pub mangling: Mode,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dm_dir: format!("/dev/{DM_DIR}").into(),
            // Elsewhere /sys is something else, if it is there: on NetBSD the kernel's sources.
            sysfs_dir: if cfg!(target_os = "linux") {
                SYSFS_DIR.into()
            } else {
                BString::default()
            },
            uuid_prefix: "LVM-".into(),
            mangling: Mode::Auto,
        }
    }
}

fn refuse(message: String) -> Error {
    crate::log_debug!("{message}");
    Error::Invalid(message)
}

fn absolute_dir(dir: &[u8], suffix: &str) -> Result<BString> {
    if dir.first() != Some(&b'/') {
        return Err(refuse(format!(
            "Invalid directory value, {}: not an absolute name.",
            Raw(dir)
        )));
    }
    let mut path = BString::from(dir);
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(suffix.as_bytes());
    if path.len() > MAX_PATH {
        return Err(refuse(format!("Invalid directory value, {}: name too long.", Raw(dir))));
    }
    Ok(path)
}

impl Settings {
    /// Sets the directory that holds the directory of nodes, such as `/dev`.
    ///
    /// # Errors
    /// Not absolute, or too long; a debug message says so.
    pub fn set_dev_dir(&mut self, dir: &[u8]) -> Result<()> {
        self.dm_dir = absolute_dir(dir, DM_DIR)?;
        Ok(())
    }

    /// Sets where sysfs is; an empty name stops its use.
    ///
    /// # Errors
    /// Not absolute, or too long; a debug message says so.
    pub fn set_sysfs_dir(&mut self, dir: &[u8]) -> Result<()> {
        self.sysfs_dir = if dir.is_empty() {
            BString::default()
        } else {
            absolute_dir(dir, "")?
        };
        Ok(())
    }

    /// Sets the uuid prefix.
    ///
    /// # Errors
    /// Longer than [`MAX_UUID_PREFIX`]; an error message says so.
    pub fn set_uuid_prefix(&mut self, prefix: &[u8]) -> Result<()> {
        if prefix.len() > MAX_UUID_PREFIX {
            let message = format!("New uuid prefix {} too long.", Raw(prefix));
            crate::log_error!("{message}");
            return Err(Error::Invalid(message));
        }
        self.uuid_prefix = prefix.into();
        Ok(())
    }

    /// Path of a device's node; a name with a slash is a path already.
    #[must_use]
    pub fn node_path(&self, name: &[u8]) -> PathBuf {
        if name.contains(&b'/') {
            return OsStr::from_bytes(name).into();
        }
        Path::new(OsStr::from_bytes(&self.dm_dir)).join(OsStr::from_bytes(name))
    }

    /// A path below sysfs; `None` when sysfs must not be used.
    #[must_use]
    pub fn sysfs(&self, below: impl AsRef<Path>) -> Option<PathBuf> {
        (!self.sysfs_dir.is_empty()).then(|| Path::new(OsStr::from_bytes(&self.sysfs_dir)).join(below))
    }
}

/// The directory of device nodes, without trailing slash.
#[must_use]
pub fn dm_dir() -> BString {
    Library::global().settings().dm_dir
}

/// Where sysfs is, with a trailing slash, or empty. While an engine is in use whose host has a directory that stands for
/// /sys ([`crate::transport::Transport::sysfs`]), it is that one in place of /sys.
#[must_use]
pub fn sysfs_dir() -> BString {
    let library = Library::global();
    let set = library.settings().sysfs_dir;
    let view = (set == SYSFS_DIR).then(|| library.open_transport()?.sysfs()).flatten();
    view.map_or(set, |view| {
        let mut dir = BString::from(view.into_os_string().into_vec());
        dir.push(b'/');
        dir
    })
}

/// What uuids of the program's own devices begin with.
#[must_use]
pub fn uuid_prefix() -> BString {
    Library::global().settings().uuid_prefix
}

/// The mangling mode.
#[must_use]
pub fn name_mangling_mode() -> Mode {
    Library::global().settings().mangling
}

/// See [`Settings::set_dev_dir`].
///
/// # Errors
/// As there.
pub fn set_dev_dir(dir: &[u8]) -> Result<()> {
    Library::global().change_settings(|s| s.set_dev_dir(dir))
}

/// See [`Settings::set_sysfs_dir`].
///
/// # Errors
/// As there.
pub fn set_sysfs_dir(dir: &[u8]) -> Result<()> {
    Library::global().change_settings(|s| s.set_sysfs_dir(dir))
}

/// See [`Settings::set_uuid_prefix`].
///
/// # Errors
/// As there.
pub fn set_uuid_prefix(prefix: &[u8]) -> Result<()> {
    Library::global().change_settings(|s| s.set_uuid_prefix(prefix))
}

/// Sets the mangling mode.
pub fn set_name_mangling_mode(mode: Mode) {
    Library::global().change_settings(|s| s.mangling = mode);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories() {
        let mut s = Settings::default();
        assert_eq!(s.dm_dir, "/dev/mapper");
        s.set_dev_dir(b"/tmp/d").unwrap();
        assert_eq!(s.dm_dir, "/tmp/d/mapper");
        s.set_dev_dir(b"/tmp/e/").unwrap();
        assert_eq!(s.dm_dir, "/tmp/e/mapper");
        assert!(s.set_dev_dir(b"dev").is_err());
        assert!(s.set_dev_dir(b"").is_err());
        assert!(s.set_dev_dir(&[b'/'; 5000]).is_err());
        assert_eq!(s.dm_dir, "/tmp/e/mapper");
        s.set_sysfs_dir(b"/s").unwrap();
        assert_eq!(s.sysfs_dir, "/s/");
        assert_eq!(s.sysfs("dev/block"), Some("/s/dev/block".into()));
        s.set_sysfs_dir(b"").unwrap();
        assert_eq!(s.sysfs("dev/block"), None);
    }

    #[test]
    fn prefix_length() {
        let mut s = Settings::default();
        s.set_uuid_prefix(b"123456789012345").unwrap();
        assert!(s.set_uuid_prefix(b"1234567890123456").is_err());
        assert_eq!(s.uuid_prefix, "123456789012345");
    }

    #[test]
    fn nodes_of_names_and_paths() {
        let s = Settings::default();
        assert_eq!(s.node_path(b"a"), Path::new("/dev/mapper/a"));
        assert_eq!(s.node_path(b"/x/a"), Path::new("/x/a"));
    }
}
