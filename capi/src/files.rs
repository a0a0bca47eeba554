//! Files and directories.

use std::ffi::{c_char, c_int};

use libdevmapper::files;

use crate::entry::{bytes, one_zero};

unsafe extern "C" {
    fn ferror(stream: *mut libc::FILE) -> c_int;
}

/// A path from C.
///
/// # Safety
/// `text` is a C string.
unsafe fn path(text: *const c_char) -> std::path::PathBuf {
    // SAFETY: by contract.
    files::path(unsafe { bytes(text) }.unwrap_or_default())
}

/// Sets errno.
fn set_errno(value: c_int) {
    // SAFETY: errno's place is the thread's own.
    unsafe {
        #[cfg(target_os = "netbsd")]
        libc::__errno().write(value);
        #[cfg(not(target_os = "netbsd"))]
        libc::__errno_location().write(value);
    }
}

c_api! {
    /// Makes a directory and its parents.
    fn dm_create_dir(dir: *const c_char) -> c_int {
        required!(dm_create_dir: dir => 0);
        // SAFETY: the caller passes a C string.
        one_zero(files::create_dir(&unsafe { path(dir) }))
    }

    /// 1 if a directory can be read and holds nothing.
    fn dm_is_empty_dir(dir: *const c_char) -> c_int {
        required!(dm_is_empty_dir: dir => 0);
        // SAFETY: the caller passes a C string.
        c_int::from(files::is_empty_dir(&unsafe { path(dir) }))
    }

    /// Closes a stream; EOF if that fails or writing has failed before.
    fn dm_fclose(stream: *mut libc::FILE) -> c_int {
        required!(dm_fclose: stream => libc::EOF);
        // SAFETY: the caller passes a stream that it does not use any more.
        let (failed, closed) = unsafe { (ferror(stream) != 0, libc::fclose(stream) == 0) };
        if failed && closed {
            // The error of long ago is not known any more.
            set_errno(0);
        }
        if failed || !closed { libc::EOF } else { 0 }
    }

    /// Takes the lock of a daemon on its pid file, for the life of the process.
    fn dm_create_lockfile(lockfile: *const c_char) -> c_int {
        required!(dm_create_lockfile: lockfile => 0);
        // SAFETY: the caller passes a C string.
        match files::create_lockfile(&unsafe { path(lockfile) }) {
            Ok(file) => {
                // The lock goes with the descriptor: it stays open.
                std::mem::forget(file);
                1
            }
            Err(_) => 0,
        }
    }

    /// 1 if another process holds that lock.
    fn dm_daemon_is_running(lockfile: *const c_char) -> c_int {
        required!(dm_daemon_is_running: lockfile => 0);
        // SAFETY: the caller passes a C string.
        c_int::from(files::daemon_is_running(&unsafe { path(lockfile) }))
    }
}
