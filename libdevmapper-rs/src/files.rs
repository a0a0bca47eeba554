//! Files and directories: create, lock, empty checks.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bstr::BString;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::error::{Error, Result};
use crate::log::{Raw, SysText};
use crate::{log_debug, log_error, log_notice, log_sys_error};

/// How often, and how long after each other, a lock that is held elsewhere is tried again.
const LOCK_RETRIES: u32 = 20;
const LOCK_DELAY: Duration = Duration::from_millis(1);

/// Shows a path with its very bytes.
fn shown(path: &Path) -> Raw<'_> {
    Raw(path.as_os_str().as_bytes())
}

/// The value of a file in sysfs, which comes whole in one read and is a page at most.
pub(crate) fn read_attribute(path: &Path) -> io::Result<BString> {
    let mut value = [0; 4096];
    let mut file = File::open(path)?;
    loop {
        match file.read(&mut value) {
            Ok(count) => return Ok(value.get(..count).unwrap_or_default().into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The text of a file in /proc, which does not know its length: it is not asked for.
pub(crate) fn read_proc(path: &Path) -> io::Result<String> {
    let mut text = String::with_capacity(4096);
    File::open(path)?.take(u64::MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn system(path: &Path, call: &'static str, source: io::Error) -> Error {
    Error::System {
        path: path.display().to_string(),
        call,
        source,
    }
}

/// Makes a directory and its parents, with mode 0777 less the umask. An empty name and an existing directory are fine.
///
/// # Errors
/// [`Error::System`] with an error logged, but for a read-only file system without one; [`Error::Invalid`] when a part of
/// the path is something else than a directory.
pub fn create_dir(dir: &Path) -> Result<()> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    log_notice!("Creating directory \"{}\"", shown(dir));
    let bytes = dir.as_os_str().as_bytes();
    let ends = (1..bytes.len())
        .filter(|&i| bytes[i] == b'/' && bytes[i - 1] != b'/')
        .chain([bytes.len()]);
    for end in ends {
        make_one(Path::new(OsStr::from_bytes(&bytes[..end])))?;
    }
    Ok(())
}

fn make_one(path: &Path) -> Result<()> {
    let error = match DirBuilder::new().mode(0o777).create(path) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    // Another process may have made it meanwhile, or it was there: for mkdir a read-only parent comes first.
    match path.metadata() {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => {
            log_error!("Existing path {} is not a directory.", shown(path));
            return Err(Error::Invalid(format!("{} is not a directory", path.display())));
        }
        Err(_) => {}
    }
    if error.raw_os_error() != Some(libc::EROFS) {
        log_sys_error!(shown(path), "mkdir", error);
    }
    Err(system(path, "mkdir", error))
}

/// Whether a directory can be read and holds nothing.
#[must_use]
pub fn is_empty_dir(dir: &Path) -> bool {
    match dir.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => {
            crate::log_sys_debug!(shown(dir), "opendir", error);
            false
        }
    }
}

/// Constants of `struct flock`, which some systems have as int.
#[allow(clippy::cast_possible_truncation, clippy::unnecessary_cast, reason = "small numbers")]
mod flock {
    pub const WRITE: libc::c_short = libc::F_WRLCK as libc::c_short;
    pub const NONE: libc::c_short = libc::F_UNLCK as libc::c_short;
    pub const FROM_START: libc::c_short = libc::SEEK_SET as libc::c_short;
}

/// A lock on a whole file for writing, as fcntl wants it.
fn whole_file() -> libc::flock {
    libc::flock {
        l_type: flock::WRITE,
        l_whence: flock::FROM_START,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Takes the lock of a daemon on its pid file, and writes the process id there. The lock is POSIX's: it belongs to the
/// process and ends with it, or when the process closes any descriptor of the file; dropping the result does so.
///
/// # Errors
/// [`Error::System`], with an error logged.
pub fn create_lockfile(path: &Path) -> Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)
        .map_err(|error| {
            log_error!(
                "Cannot open lockfile [{}], error was [{}]",
                shown(path),
                SysText(&error)
            );
            system(path, "open", error)
        })?;
    take_lock(path, &file)?;
    // From here on the file is ours: what fails now removes it.
    let fill = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes())
    };
    if let Err(error) = fill(&mut file) {
        log_sys_error!(shown(path), "write", error);
        if let Err(error) = std::fs::remove_file(path) {
            log_sys_error!(shown(path), "unlink", error);
        }
        return Err(system(path, "write", error));
    }
    Ok(file)
}

fn take_lock(path: &Path, file: &File) -> Result<()> {
    let mut tries = 0;
    loop {
        let errno = match fcntl(file, FcntlArg::F_SETLK(&whole_file())) {
            Ok(_) => return Ok(()),
            Err(errno) => errno,
        };
        match errno {
            Errno::EACCES | Errno::EAGAIN if tries < LOCK_RETRIES => {
                tries += 1;
                std::thread::sleep(LOCK_DELAY);
            }
            Errno::EACCES | Errno::EAGAIN => {
                log_error!(
                    "Cannot lock lockfile [{}], error was [{}]",
                    shown(path),
                    SysText(&errno.into())
                );
                return Err(system(path, "fcntl", errno.into()));
            }
            Errno::EINTR => {}
            _ => {
                log_error!("process is already running");
                return Err(system(path, "fcntl", errno.into()));
            }
        }
    }
}

/// Whether another process holds a lock on a daemon's pid file. If this process itself holds it, it loses it.
#[must_use]
pub fn daemon_is_running(path: &Path) -> bool {
    let Ok(file) = OpenOptions::new().read(true).open(path) else {
        return false;
    };
    let mut lock = whole_file();
    match fcntl(&file, FcntlArg::F_GETLK(&mut lock)) {
        Ok(_) => lock.l_type != flock::NONE,
        Err(errno) => {
            log_error!(
                "Cannot check lock status of lockfile [{}], error was [{}]",
                shown(path),
                SysText(&errno.into())
            );
            log_debug!("descriptor was {}", file.as_raw_fd());
            false
        }
    }
}

/// A path of any bytes.
#[must_use]
pub fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path();
        create_dir(Path::new("")).unwrap();
        let deep = PathBuf::from(format!("{}//a///b/c//", top.display()));
        create_dir(&deep).unwrap();
        create_dir(&deep).unwrap();
        assert!(is_empty_dir(&deep) && !is_empty_dir(&top.join("a")) && !is_empty_dir(&top.join("none")));
        std::fs::write(top.join("file"), "").unwrap();
        assert!(matches!(create_dir(&top.join("file/x")), Err(Error::Invalid(_))));
        assert!(matches!(create_dir(&top.join("file")), Err(Error::Invalid(_))));
        std::os::unix::fs::symlink("a", top.join("link")).unwrap();
        create_dir(&top.join("link/d")).unwrap();
        assert!(top.join("a/d").is_dir());
        assert!(matches!(
            create_dir(Path::new("/proc/none/x")),
            Err(Error::System { call: "mkdir", .. })
        ));
    }

    #[test]
    fn lock_files() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("pid");
        assert!(!daemon_is_running(&path));
        let file = create_lockfile(&path).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("{}\n", std::process::id())
        );
        // A process does not see its own lock.
        assert!(!daemon_is_running(&path));
        drop(file);
        assert!(matches!(
            create_lockfile(Path::new("/none/x")),
            Err(Error::System { call: "open", .. })
        ));
    }
}
