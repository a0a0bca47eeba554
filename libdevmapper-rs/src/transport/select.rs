//! Which transport a process uses.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::{Linux, Transport, Udmd, linux, plist, socket};
use crate::error::{Error, Result};

/// Environment variable that decides: `linux`, `udmd`, `udmd:SOCKET_PATH`, `plist:SOCKET_PATH` (property lists over a
/// socket), on NetBSD also `netbsd` (the control node).
pub const ENVIRONMENT: &str = "LIBDEVMAPPER_TRANSPORT";
/// Where udmd listens by default.
pub const UDMD_SOCKET: &str = "/run/udmd/control";

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The control node of the kernel.
    Linux,
    /// The control node of NetBSD's kernel.
    #[cfg(target_os = "netbsd")]
    NetBsd,
    /// The daemon at this socket.
    Udmd(PathBuf),
    /// Whoever speaks property lists at this socket.
    Plist(PathBuf),
}

/// Decides by the environment, then by what is there. Returns the reason, for the log.
///
/// # Errors
/// A value of [`ENVIRONMENT`] that means nothing; logged.
fn choose(
    setting: Option<OsString>,
    kernel_has_dm: impl FnOnce() -> bool,
    socket: &Path,
) -> Result<(Choice, &'static str)> {
    if let Some(value) = setting.filter(|v| !v.is_empty()) {
        let behind = |prefix: &[u8]| value.as_bytes().strip_prefix(prefix).filter(|p| !p.is_empty());
        let path = behind(b"udmd:");
        if let Some(path) = behind(b"plist:") {
            return Ok((Choice::Plist(OsStr::from_bytes(path).into()), "the environment says so"));
        }
        return match (value.as_bytes(), path) {
            #[cfg(target_os = "netbsd")]
            (b"netbsd", _) => Ok((Choice::NetBsd, "the environment says so")),
            (b"linux", _) => Ok((Choice::Linux, "the environment says so")),
            (b"udmd", _) => Ok((Choice::Udmd(socket.into()), "the environment says so")),
            (_, Some(path)) => Ok((Choice::Udmd(OsStr::from_bytes(path).into()), "the environment says so")),
            _ => {
                let text = OsString::from_vec(value.into_vec());
                let message = format!(
                    "{ENVIRONMENT}={}: expected \"linux\", \"udmd\", \"udmd:SOCKET\" or \"plist:SOCKET\".",
                    text.display()
                );
                crate::log_error!("{message}");
                Err(Error::Invalid(message))
            }
        };
    }
    #[cfg(target_os = "netbsd")]
    {
        // The driver's module is loaded when its node is opened.
        let _ = (kernel_has_dm, socket);
        Ok((Choice::NetBsd, "this is NetBSD"))
    }
    #[cfg(not(target_os = "netbsd"))]
    by_what_is_there(kernel_has_dm, socket)
}

#[cfg(not(target_os = "netbsd"))]
fn by_what_is_there(kernel_has_dm: impl FnOnce() -> bool, socket: &Path) -> Result<(Choice, &'static str)> {
    if kernel_has_dm() {
        return Ok((Choice::Linux, "the kernel has device-mapper"));
    }
    if socket.exists() {
        return Ok((
            Choice::Udmd(socket.into()),
            "the kernel has no device-mapper and udmd's socket exists",
        ));
    }
    Ok((Choice::Linux, "there is no udmd socket"))
}

/// Decides and opens. One debug line says what was decided and why.
///
/// # Errors
/// Logged where they arise: a wrong setting, no control node, no daemon.
pub fn select(dm_dir: &Path) -> Result<Arc<dyn Transport>> {
    let (choice, reason) = choose(
        std::env::var_os(ENVIRONMENT),
        linux::kernel_has_dm,
        Path::new(UDMD_SOCKET),
    )?;
    match choice {
        Choice::Linux => {
            crate::log_debug!("Using the kernel's device-mapper: {reason}.");
            Ok(Arc::new(Linux::open(dm_dir)?))
        }
        Choice::Udmd(path) => {
            crate::log_debug!("Using udmd at {}: {reason}.", path.display());
            Ok(Arc::new(Udmd::connect(path)?))
        }
        #[cfg(target_os = "netbsd")]
        Choice::NetBsd => {
            crate::log_debug!("Using NetBSD's device-mapper: {reason}.");
            super::netbsd::open(dm_dir)
        }
        Choice::Plist(path) => {
            crate::log_debug!("Using property lists at {}: {reason}.", path.display());
            Ok(Arc::from(plist::connect(path, dm_dir)?))
        }
    }
}

/// Whether block devices of this major number are device-mapper's, by what [`select()`] would decide. Nothing is opened.
pub(crate) fn is_dm_major(major: u32) -> bool {
    static KERNEL: OnceLock<u32> = OnceLock::new();
    let setting = std::env::var_os(ENVIRONMENT);
    match choose(setting, linux::kernel_has_dm, Path::new(UDMD_SOCKET)) {
        Ok((Choice::Udmd(_), _)) => major == socket::LOOP_MAJOR,
        #[cfg(target_os = "netbsd")]
        Ok((Choice::NetBsd, _)) => {
            static NETBSD: OnceLock<u32> = OnceLock::new();
            major == *NETBSD.get_or_init(super::netbsd::block_major)
        }
        Ok((Choice::Plist(path), _)) => {
            // Who listens there is not known before it is asked.
            static PEER: OnceLock<Option<u32>> = OnceLock::new();
            let known = PEER.get_or_init(|| {
                plist::connect(path, Path::new("/dev/mapper"))
                    .ok()
                    .and_then(|peer| peer.dm_major())
            });
            *known == Some(major)
        }
        Ok((Choice::Linux, _)) => {
            if let Some(known) = KERNEL.get() {
                return major == *known;
            }
            linux::block_major().is_some_and(|found| *KERNEL.get_or_init(|| found) == major)
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(setting: Option<&str>, has_dm: bool, socket: &str) -> Option<Choice> {
        choose(setting.map(OsString::from), || has_dm, Path::new(socket))
            .ok()
            .map(|(c, _)| c)
    }

    #[test]
    fn decisions() {
        assert_eq!(pick(Some("linux"), false, "/"), Some(Choice::Linux));
        assert_eq!(pick(Some("udmd"), true, "/s"), Some(Choice::Udmd("/s".into())));
        assert_eq!(pick(Some("udmd:/x"), true, "/s"), Some(Choice::Udmd("/x".into())));
        assert_eq!(pick(Some("udmd:"), true, "/s"), None);
        assert_eq!(pick(Some("plist:/x"), true, "/s"), Some(Choice::Plist("/x".into())));
        assert_eq!(pick(Some("plist:"), true, "/s"), None);
        assert_eq!(pick(Some("netbsd"), true, "/s"), None);
        assert_eq!(pick(None, true, "/"), Some(Choice::Linux));
        assert_eq!(pick(Some(""), false, "/"), Some(Choice::Udmd("/".into())));
        assert_eq!(pick(None, false, "/nonexistent/s"), Some(Choice::Linux));
    }
}
