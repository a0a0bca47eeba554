//! Mounted filesystems, from /proc/self/mountinfo.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use super::kernel_name;
use crate::error::{Error, Result};
use crate::library::Library;
use crate::task::{DevNo, Task, TaskType};

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// A line of mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The line, without newline.
    pub line: BString,
    /// The device of the filesystem.
    pub dev: DevNo,
    /// Where it is mounted, escapes decoded.
    pub target: BString,
}

/// Decodes `\NNN` (octal) as the kernel writes blanks and backslashes.
fn decode(text: &[u8]) -> BString {
    let mut out = BString::default();
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|d| first == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        let value = octal.map(|d| d.iter().fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0')));
        if let Some(byte) = value.and_then(|v| u8::try_from(v).ok()) {
            out.push(byte);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

fn parse(line: &[u8]) -> Option<Mount> {
    // A blank in a path is written as \040; other white space is part of it.
    let mut fields = line.split(|&b| b == b' ');
    let numbers = fields.nth(2)?.to_str().ok()?;
    let target = fields.nth(1)?;
    let (major, minor) = numbers.split_once(':')?;
    let dev = DevNo {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    };
    Some(Mount {
        line: line.into(),
        dev,
        target: decode(target),
    })
}

/// The name in `/dev/mapper/NAME` somewhere in a line.
fn mapper_name(line: &[u8]) -> Option<BString> {
    const DIR: &[u8] = b"/dev/mapper/";
    let start = line.find(DIR)? + DIR.len();
    let rest = line.get(start..)?;
    let name = rest.get(..rest.find_byte(b' ').unwrap_or(rest.len()))?;
    (!name.is_empty()).then(|| decode(name))
}

/// Filesystems such as btrfs have a number of their own; the mapped device they are on is found by its name.
fn device_by_name(library: &Arc<Library>, name: &BStr) -> Option<DevNo> {
    let mut task = Task::on(library, TaskType::Info).ok()?;
    task.set_name(name).ok()?;
    task.no_open_count();
    task.run().ok()?;
    let info = task.info().filter(|info| info.exists)?;
    Some(DevNo {
        major: info.major,
        minor: info.minor,
    })
}

fn read_from(library: &Arc<Library>, path: &Path, mut each: impl FnMut(&Mount) -> bool) -> Result<()> {
    let system = |source| Error::System {
        path: path.display().to_string(),
        call: "open",
        source,
    };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            crate::log_sys_debug!(path.display(), "fopen", e);
            return Err(system(e));
        }
        Err(e) => {
            crate::log_sys_error!(path.display(), "fopen", e);
            return Err(system(e));
        }
    };
    for line in text.lines() {
        let Some(mut mount) = parse(line) else {
            let message = format!("Failed to parse line of {}: \"{}\"", path.display(), BStr::new(line));
            crate::log_error!("{message}");
            return Err(Error::Parse(message));
        };
        if mount.dev.major == 0
            && let Some(name) = mapper_name(line)
            && let Some(dev) = device_by_name(library, BStr::new(&name))
        {
            mount.dev = dev;
        }
        if !each(&mount) {
            return Err(Error::Invalid("reading of mountinfo was stopped".into()));
        }
    }
    Ok(())
}

/// Calls `each` for each mounted filesystem until it returns false.
///
/// # Errors
/// The file cannot be read or understood, or `each` returned false.
#[cfg(not(target_os = "netbsd"))]
pub fn read_mountinfo(library: &Arc<Library>, each: impl FnMut(&Mount) -> bool) -> Result<()> {
    read_from(library, Path::new(MOUNTINFO), each)
}

/// Calls `each` for each mounted filesystem until it returns false. The lines are made up in the form of Linux's file,
/// from what getmntinfo(3) tells.
///
/// # Errors
/// `each` returned false.
#[cfg(target_os = "netbsd")]
pub fn read_mountinfo(_library: &Arc<Library>, mut each: impl FnMut(&Mount) -> bool) -> Result<()> {
    for (number, mounted) in super::netbsd::mounted().into_iter().enumerate() {
        let super::netbsd::Mounted {
            dev,
            from,
            target,
            kind,
        } = mounted;
        let line = format!(
            "{} 0 {dev} / {} rw - {kind} {} rw",
            number + 1,
            encode(&target),
            encode(&from)
        );
        let mount = Mount {
            line: line.into(),
            dev,
            target,
        };
        if !each(&mount) {
            return Err(Error::Invalid("reading of mounts was stopped".into()));
        }
    }
    Ok(())
}

/// Encodes what parts the fields of a line.
#[cfg(any(target_os = "netbsd", test))]
fn encode(text: &BString) -> BString {
    let mut out = BString::default();
    for &byte in text.iter() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out
}

/// Whether a filesystem on this device is mounted, in this or another mount namespace as far as sysfs shows.
#[must_use]
pub fn has_mounted_fs(library: &Arc<Library>, dev: DevNo) -> bool {
    let mut found = false;
    let result = read_mountinfo(library, |mount| {
        if mount.dev == dev {
            crate::log_notice!("Device {dev} appears to be mounted on \"{}\".", mount.target);
            found = true;
        }
        !found
    });
    if found {
        return true;
    }
    if result.is_err() {
        crate::log_debug!("Mounted filesystems of {dev} are unknown.");
    }
    let settings = library.settings();
    let Some(kernel) = kernel_name(&settings, dev) else {
        return false;
    };
    let Some(types) = settings.sysfs("fs").and_then(|fs| std::fs::read_dir(fs).ok()) else {
        return false;
    };
    let name = Path::new(std::ffi::OsStr::new("")).join(kernel.to_path_lossy());
    types.flatten().any(|entry| {
        let there = entry.path().join(&name).exists();
        if there {
            crate::log_notice!("Device {dev} appears to be in use by {}.", entry.path().display());
        }
        there
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let line = b"36 35 98:0 /mnt1 /mnt/a\\040b\\134c rw,noatime master:1 - ext3 /dev/root rw";
        let mount = parse(line).unwrap();
        assert_eq!(mount.dev, DevNo { major: 98, minor: 0 });
        assert_eq!(mount.target, "/mnt/a b\\c");
        assert_eq!(parse(b"36 35 98 /mnt1 /mnt rw"), None);
        assert_eq!(parse(b"36 35"), None);
        assert_eq!(decode(b"a\\9\\04"), "a\\9\\04");
        assert_eq!(decode(b"\\777"), "\\777");
        assert_eq!(decode(&encode(&"a b\\c\td".into())), "a b\\c\td");
    }

    #[test]
    fn names_of_mapped_devices() {
        assert_eq!(mapper_name(b"x - btrfs /dev/mapper/a\\040b rw").unwrap(), "a b");
        assert_eq!(mapper_name(b"x - btrfs /dev/sda rw"), None);
    }

    #[test]
    fn stops() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mountinfo");
        std::fs::write(
            &path,
            "1 2 8:1 / / rw - ext4 /dev/sda1 rw\n1 2 8:2 / /x rw - ext4 /dev/sda2 rw\n",
        )
        .unwrap();
        let library = Arc::new(Library::default());
        let mut seen = Vec::new();
        read_from(&library, &path, |m| {
            seen.push(m.dev.minor);
            true
        })
        .unwrap();
        assert_eq!(seen, [1, 2]);
        assert!(read_from(&library, &path, |_| false).is_err());
        std::fs::write(&path, "nonsense\n").unwrap();
        assert!(read_from(&library, &path, |_| true).is_err());
        assert!(read_from(&library, Path::new("/nonexistent"), |_| true).is_err());
    }
}
