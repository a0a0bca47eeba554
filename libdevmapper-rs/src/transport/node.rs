//! The control node as a file: made when it is missing or another device's.

use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, mknod, umask};

use crate::error::{Error, Result};

/// An error of the system about `path`, logged.
pub(super) fn sys_error(path: &Path, call: &'static str, source: std::io::Error) -> Error {
    crate::log_sys_error!(path.display(), call, source);
    Error::System {
        path: path.display().to_string(),
        call,
        source,
    }
}

/// Sees to it that `node`, a path in `dm_dir`, is the character device `number`. True if it was made here, with `mode`.
pub(super) fn make(dm_dir: &Path, node: &Path, number: libc::dev_t, mode: Mode) -> Result<bool> {
    let is_right = |meta: &std::fs::Metadata| meta.file_type().is_char_device() && meta.rdev() == number;
    match std::fs::metadata(node) {
        Ok(meta) if is_right(&meta) => return Ok(false),
        Ok(_) => {
            crate::log_notice!("{}: Wrong device number or type, removing it.", node.display());
            std::fs::remove_file(node).map_err(|e| sys_error(node, "unlink", e))?;
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(sys_error(node, "stat", e)),
    }
    with_umask(0o022, || std::fs::create_dir_all(dm_dir)).map_err(|e| sys_error(dm_dir, "mkdir", e))?;
    crate::log_notice!(
        "Creating device {} ({}, {})",
        node.display(),
        libc::major(number),
        libc::minor(number)
    );
    match with_umask(0, || mknod(node, SFlag::S_IFCHR, mode, number)) {
        Ok(()) => Ok(true),
        // Another process was quicker; its node is as good.
        Err(Errno::EEXIST) if std::fs::metadata(node).is_ok_and(|m| is_right(&m)) => Ok(false),
        Err(e) => Err(sys_error(node, "mknod", e.into())),
    }
}

/// Opens the control node. Without `O_CLOEXEC`, as the C library: programs that pass it on exist.
pub(super) fn open(node: &Path) -> Result<OwnedFd> {
    nix::fcntl::open(node, OFlag::O_RDWR, Mode::empty()).map_err(|e| sys_error(node, "open", e.into()))
}

/// Runs `body` with this file mode creation mask. The mask belongs to the process, as in the C library.
pub(crate) fn with_umask<T>(mask: libc::mode_t, body: impl FnOnce() -> T) -> T {
    // Miri has no `umask`.
    if cfg!(miri) {
        return body();
    }
    let old = umask(Mode::from_bits_truncate(mask));
    let result = body();
    umask(old);
    result
}
