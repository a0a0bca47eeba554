//! A FUSE filesystem that consists of one regular file and is mounted nowhere.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno as Sys;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

/// Opens /dev/fuse for a new connection; reads from it do not block.
///
/// # Errors
/// Those of open(2).
pub fn open_dev() -> Result<OwnedFd, Sys> {
    nix::fcntl::open(
        "/dev/fuse",
        OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

/// Makes a filesystem on a connection, which answers from then on, and gives its root: the file, not yet opened.
///
/// # Errors
/// Those of fsopen(2), fsconfig(2) and fsmount(2).
pub fn mount(fuse: BorrowedFd<'_>) -> Result<OwnedFd, Sys> {
    let context = fsopen(c"fuse")?;
    let fd = format!("{}\0", fuse.as_raw_fd());
    let fd = CStr::from_bytes_with_nul(fd.as_bytes()).map_err(|_| Sys::EINVAL)?;
    for (key, value) in [
        (c"source", c"udmd"),
        (c"fd", fd),
        (c"rootmode", c"100600"),
        (c"user_id", c"0"),
        (c"group_id", c"0"),
        (c"max_read", c"1048576"),
    ] {
        fsconfig(&context, libc::FSCONFIG_SET_STRING, Some((key, value)))?;
    }
    fsconfig(&context, libc::FSCONFIG_CMD_CREATE, None)?;
    fsmount(&context)
}

/// Opens the root file.
///
/// # Errors
/// Those of open(2). Waits for an answer from the connection.
pub fn open_root(mount: &OwnedFd) -> std::io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/self/fd/{}", mount.as_raw_fd()))
}

fn descriptor(result: libc::c_long) -> Result<OwnedFd, Sys> {
    let fd = Sys::result(result)?;
    let fd = RawFd::try_from(fd).map_err(|_| Sys::EBADF)?;
    // SAFETY: the kernel has just given this descriptor to us, nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn fsopen(kind: &CStr) -> Result<OwnedFd, Sys> {
    // SAFETY: fsopen(2) reads a NUL-terminated string, which lives through the call.
    descriptor(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC) })
}

fn fsconfig(context: &OwnedFd, command: libc::c_uint, pair: Option<(&CStr, &CStr)>) -> Result<(), Sys> {
    let (key, value) = pair.map_or((std::ptr::null(), std::ptr::null()), |(key, value)| {
        (key.as_ptr(), value.as_ptr())
    });
    // SAFETY: fsconfig(2) reads two NUL-terminated strings, or none for a command without arguments.
    Sys::result(unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) }).map(drop)
}

fn fsmount(context: &OwnedFd) -> Result<OwnedFd, Sys> {
    // SAFETY: fsmount(2) takes numbers only.
    descriptor(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), libc::FSMOUNT_CLOEXEC, 0) })
}
