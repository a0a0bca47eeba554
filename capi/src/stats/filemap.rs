//! Regions that follow the extents of a file.

use std::ffi::{c_char, c_int, c_uint};
use std::os::fd::BorrowedFd;
use std::ptr;

use libdevmapper::log_error;

use super::select::NONE;
use super::stats::{FilemapdMode, start_filemapd};
use super::{change, dm_histogram, dm_stats, histogram};
use crate::entry::{bytes, one_zero};

/// `DM_FILEMAPD_FOLLOW_INODE`, `DM_FILEMAPD_FOLLOW_PATH`, `DM_FILEMAPD_FOLLOW_NONE`
const FOLLOW_INODE: c_uint = 0;
const FOLLOW_PATH: c_uint = 1;
const FOLLOW_NONE: c_uint = 2;

/// The file behind a descriptor; `None`, after an error message, for a negative one.
///
/// # Safety
/// The descriptor stays open during `'a`.
unsafe fn file<'a>(fd: c_int) -> Option<BorrowedFd<'a>> {
    if fd < 0 {
        log_error!("File descriptor {fd} is not open.");
        return None;
    }
    // SAFETY: it is not -1 and stays open by contract; one that is not open fails with EBADF.
    Some(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Region ids in a block of malloc's, ended by all ones.
fn id_array(ids: &[u64]) -> *mut u64 {
    // SAFETY: malloc has no preconditions; the size does not overflow, since the ids are in memory.
    let array = unsafe { libc::malloc((ids.len() + 1) * size_of::<u64>()) }.cast::<u64>();
    if array.is_null() {
        log_error!("Could not allocate memory for region IDs.");
        return array;
    }
    // SAFETY: the block has room for the ids and one more.
    unsafe {
        array.copy_from_nonoverlapping(ids.as_ptr(), ids.len());
        array.add(ids.len()).write(NONE);
    }
    array
}

c_api! {
    /// Binds the handle to the device that a file is on.
    fn dm_stats_bind_from_fd(dms: *mut dm_stats, fd: c_int) -> c_int {
        // SAFETY: the caller passes a handle and an open file.
        let (Some(dms), Some(file)) = (unsafe { (change(dms), file(fd)) }) else { return 0 };
        one_zero(dms.changing().bind_file(file))
    }

    /// Creates a region for each extent of a file. The caller frees the ids.
    fn dm_stats_create_regions_from_fd(
        dms: *mut dm_stats, fd: c_int, group: c_int, precise: c_int, bounds: *mut dm_histogram, alias: *const c_char,
    ) -> *mut u64 {
        // SAFETY: the caller passes a handle, an open file, NULL or a histogram, and NULL or a C string. Both may be
        // the handle's, so they are copied before what it gave out ends.
        unsafe {
            let (Some(dms), Some(file)) = (change(dms), file(fd)) else { return ptr::null_mut() };
            let bounds = histogram::finite_bounds(bounds);
            let alias = bytes(alias).map(<[u8]>::to_vec);
            let (group, precise) = (group != 0, precise > 0);
            let stats = dms.changing();
            stats
                .create_regions_from_file(file, group, precise, bounds.as_deref(), alias.as_deref())
                .map_or(ptr::null_mut(), |ids| id_array(&ids))
        }
    }

    /// Makes the regions of a group agree with a file again. The caller frees the ids.
    fn dm_stats_update_regions_from_fd(dms: *mut dm_stats, fd: c_int, group_id: u64) -> *mut u64 {
        // SAFETY: the caller passes a handle and an open file.
        let (Some(dms), Some(file)) = (unsafe { (change(dms), file(fd)) }) else { return ptr::null_mut() };
        dms.changing().update_regions_from_file(file, group_id).map_or(ptr::null_mut(), |ids| id_array(&ids))
    }

    /// Parses `inode` or `path`.
    fn dm_filemapd_mode_from_string(mode_str: *const c_char) -> c_uint {
        // SAFETY: the caller passes NULL or a C string.
        match FilemapdMode::parse(unsafe { bytes(mode_str) }.unwrap_or(b"(null)")) {
            Ok(FilemapdMode::Inode) => FOLLOW_INODE,
            Ok(FilemapdMode::Path) => FOLLOW_PATH,
            Err(_) => FOLLOW_NONE,
        }
    }

    /// Starts the daemon that keeps the regions of a file up to date.
    fn dm_stats_start_filemapd(
        fd: c_int, group_id: u64, path: *const c_char, mode: c_uint, foreground: c_uint, verbose: c_uint,
    ) -> c_int {
        let mode = match mode {
            FOLLOW_INODE => FilemapdMode::Inode,
            FOLLOW_PATH => FilemapdMode::Path,
            _ => {
                log_error!("Invalid dmfilemapd mode argument: Must be DM_FILEMAPD_FOLLOW_INODE or \
                            DM_FILEMAPD_FOLLOW_PATH");
                return 0;
            }
        };
        if foreground > 1 {
            log_error!("Invalid dmfilemapd foreground argument. Must be 0 or 1: {foreground}.");
            return 0;
        }
        // SAFETY: the caller passes a C string.
        let path = unsafe { bytes(path) }.unwrap_or_default();
        one_zero(start_filemapd(fd, group_id, path, mode, foreground == 1, verbose))
    }
}
