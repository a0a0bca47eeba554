//! Starting the daemon that keeps the regions of a file up to date.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use bstr::BStr;

use super::refused;
use crate::error::{Error, Result};

/// The daemon's program, looked for in PATH.
const PROGRAM: &str = "dmfilemapd";

/// What the daemon follows when the file is renamed or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilemapdMode {
    /// The file that was open at the start.
    Inode,
    /// Whatever file has the path.
    Path,
}

impl FilemapdMode {
    /// Parses `inode` or `path`.
    ///
    /// # Errors
    /// Another word; logged.
    pub fn parse(text: &[u8]) -> Result<Self> {
        match text {
            b"inode" => Ok(Self::Inode),
            b"path" => Ok(Self::Path),
            _ => refused(format!("Could not parse dmfilemapd mode: {}", BStr::new(text))),
        }
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Inode => "inode",
            Self::Path => "path",
        }
    }
}

/// Starts the daemon for the file that is open as `fd` in this process, which it inherits. In the foreground it takes
/// this process's place, so that only a failure returns. That there is no such program is otherwise only logged.
///
/// # Errors
/// An argument is not allowed, or the program cannot be started in the foreground; logged.
pub fn start_filemapd(
    fd: i32,
    group: u64,
    path: &[u8],
    mode: FilemapdMode,
    foreground: bool,
    verbose: u32,
) -> Result<()> {
    if fd < 0 {
        return refused(format!("dmfilemapd file descriptor must be non-negative: {fd}"));
    }
    if !path.starts_with(b"/") {
        return refused("Path argument must specify an absolute path.".into());
    }
    if verbose > 3 {
        return refused(format!("Invalid dmfilemapd verbose argument. Must be 0..3: {verbose}."));
    }
    let mut command = Command::new(PROGRAM);
    command
        .arg(fd.to_string())
        .arg(group.to_string())
        .arg(std::ffi::OsStr::from_bytes(path))
        .arg(mode.word())
        .arg(u8::from(foreground).to_string())
        .arg(verbose.to_string());
    if foreground {
        let source = command.exec();
        crate::log_sys_error!(PROGRAM, "exec", source);
        return Err(Error::System {
            path: PROGRAM.into(),
            call: "exec",
            source,
        });
    }
    // The daemon outlives its starter, so nobody waits for it here. Programs take a daemon that is not installed, as it is
    // not on Debian, for no failure: the regions are there, and only do not follow the file.
    if let Err(source) = command.spawn() {
        crate::log_sys_error!(PROGRAM, "exec", source);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        assert_eq!(FilemapdMode::parse(b"inode").unwrap(), FilemapdMode::Inode);
        assert_eq!(FilemapdMode::parse(b"path").unwrap(), FilemapdMode::Path);
        assert!(FilemapdMode::parse(b"Path").is_err());
        let start = |fd, path, verbose| start_filemapd(fd, 0, path, FilemapdMode::Path, false, verbose);
        assert!(start(-1, b"/x", 0).is_err());
        assert!(start(0, b"x", 0).is_err());
        assert!(start(0, b"/x", 4).is_err());
    }
}
