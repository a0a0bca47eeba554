//! `dm_task_*`: a request to the driver, and its reply.
//!
//! Pointers into a reply live until the task runs again or is destroyed, see [`owned`].

mod devices;
mod owned;
mod results;
pub(crate) mod timestamp;

use std::ffi::{c_char, c_int, c_uint, c_ushort};

use libdevmapper::library::Library;
use libdevmapper::log_error;
use libdevmapper::task::{AddNode, Task};

use crate::entry::{bytes, one_zero};
pub use devices::*;
pub use results::*;

/// A task (opaque to C).
#[derive(Debug)]
pub struct dm_task {
    task: Task,
    cache: owned::Cache,
}

/// The task behind a C pointer, for a call that changes it.
///
/// # Safety
/// `dmt` is NULL or came from `dm_task_create` and nothing else uses it during `'a`.
unsafe fn change<'a>(dmt: *mut dm_task) -> Option<&'a mut dm_task> {
    // SAFETY: by contract.
    unsafe { dmt.as_mut() }
}

/// The task behind a C pointer, for a call that reads it.
///
/// # Safety
/// `dmt` is NULL or came from `dm_task_create` and nothing changes it during `'a`.
unsafe fn read<'a>(dmt: *const dm_task) -> Option<&'a dm_task> {
    // SAFETY: by contract.
    unsafe { dmt.as_ref() }
}

/// Calls `set` with the task; 0 without one.
///
/// # Safety
/// As of [`change`].
unsafe fn with(dmt: *mut dm_task, set: impl FnOnce(&mut Task)) -> c_int {
    // SAFETY: by contract.
    match unsafe { change(dmt) } {
        Some(dmt) => {
            set(&mut dmt.task);
            1
        }
        None => 0,
    }
}

/// Calls `set` with the task and a string; 0 without one of them.
///
/// # Safety
/// As of [`change`] and [`bytes`].
unsafe fn with_text(
    dmt: *mut dm_task,
    text: *const c_char,
    set: impl FnOnce(&mut Task, &[u8]) -> libdevmapper::error::Result<()>,
) -> c_int {
    // SAFETY: by contract.
    match unsafe { (change(dmt), bytes(text)) } {
        (Some(dmt), Some(text)) => one_zero(set(&mut dmt.task, text)),
        _ => 0,
    }
}

/// Runs a task: 1 or 0.
///
/// # Safety
/// As of [`change`].
unsafe fn run(dmt: *mut dm_task) -> c_int {
    // SAFETY: by contract.
    let Some(dmt) = (unsafe { change(dmt) }) else { return 0 };
    dmt.cache.clear();
    one_zero(dmt.task.run())
}

macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident => $setter:ident;)*) => {
        c_api! {
            $($(#[$doc])* fn $name(dmt: *mut dm_task) -> c_int {
                // SAFETY: the caller passes a task.
                unsafe { with(dmt, Task::$setter) }
            })*
        }
    };
}

switches! {
    /// Read-only.
    dm_task_set_ro => set_ro;
    /// Suspends without flushing.
    dm_task_no_flush => no_flush;
    /// Does not need the open count.
    dm_task_no_open_count => no_open_count;
    /// Suspends without freezing the filesystem.
    dm_task_skip_lockfs => skip_lockfs;
    /// Asks about the inactive table.
    dm_task_query_inactive_table => query_inactive_table;
    /// Skips loading the table that is live already.
    dm_task_suppress_identical_reload => suppress_identical_reload;
    /// Wipes buffers.
    dm_task_secure_data => secure_data;
    /// Tries to remove an open device for five seconds.
    dm_task_retry_remove => retry_remove;
    /// Removes an open device when it is closed.
    dm_task_deferred_remove => deferred_remove;
    /// Asks for an IMA measurement.
    dm_task_ima_measurement => ima_measurement;
    /// Checks what is below a device that is suspended.
    dm_task_enable_checks => enable_checks;
    /// Notes the time when the request returns.
    dm_task_set_record_timestamp => record_timestamp;
}

c_api! {
    /// Makes a task; NULL when the driver does not fit.
    fn dm_task_create(kind: c_int) -> *mut dm_task {
        match Task::from_number(Library::global(), kind) {
            Ok(task) => Box::into_raw(Box::new(dm_task { task, cache: owned::Cache::default() })),
            Err(_) => std::ptr::null_mut(),
        }
    }

    /// Ends a task and all pointers that it handed out.
    fn dm_task_destroy(dmt: *mut dm_task) -> () {
        if !dmt.is_null() {
            // SAFETY: it came from Box::into_raw in `dm_task_create`.
            drop(unsafe { Box::from_raw(dmt) });
        }
    }

    /// Runs a task.
    fn dm_task_run(dmt: *mut dm_task) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { run(dmt) }
    }

    /// The same for old binaries.
    fn dm_task_run__Base(dmt: *mut dm_task) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { run(dmt) }
    }

    /// Sets the name, or finds it by a path.
    fn dm_task_set_name(dmt: *mut dm_task, name: *const c_char) -> c_int {
        // SAFETY: the caller passes a task and a string.
        unsafe { with_text(dmt, name, Task::set_name) }
    }

    /// Sets the uuid.
    fn dm_task_set_uuid(dmt: *mut dm_task, uuid: *const c_char) -> c_int {
        // SAFETY: the caller passes a task and a string.
        unsafe { with_text(dmt, uuid, Task::set_uuid) }
    }

    /// Sets the name that a device is renamed to.
    fn dm_task_set_newname(dmt: *mut dm_task, newname: *const c_char) -> c_int {
        // SAFETY: the caller passes a task and a string.
        unsafe { with_text(dmt, newname, Task::set_newname) }
    }

    /// Sets the uuid that a device is given.
    fn dm_task_set_newuuid(dmt: *mut dm_task, newuuid: *const c_char) -> c_int {
        // SAFETY: the caller passes a task and a string.
        unsafe { with_text(dmt, newuuid, Task::set_newuuid) }
    }

    /// Sets the major number.
    fn dm_task_set_major(dmt: *mut dm_task, major: c_int) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { with(dmt, |task| task.set_major(major)) }
    }

    /// Sets the minor number.
    fn dm_task_set_minor(dmt: *mut dm_task, minor: c_int) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { with(dmt, |task| task.set_minor(minor)) }
    }

    /// Sets both, and whether a wrong major number is replaced.
    fn dm_task_set_major_minor(dmt: *mut dm_task, major: c_int, minor: c_int, allow_default_major_fallback: c_int) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { with(dmt, |task| task.set_major_minor(major, minor, allow_default_major_fallback != 0)) }
    }

    /// Sets the node's owner.
    fn dm_task_set_uid(dmt: *mut dm_task, uid: libc::uid_t) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { with(dmt, |task| task.set_uid(uid)) }
    }

    /// Sets the node's group.
    fn dm_task_set_gid(dmt: *mut dm_task, gid: libc::gid_t) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { with(dmt, |task| task.set_gid(gid)) }
    }

    /// Sets the node's permissions.
    fn dm_task_set_mode(dmt: *mut dm_task, mode: libc::mode_t) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { with(dmt, |task| task.set_mode(mode)) }
    }

    /// Makes the task's event part of a transaction with udev; a cookie of 0 is replaced by a new one.
    fn dm_task_set_cookie(dmt: *mut dm_task, cookie: *mut u32, flags: c_ushort) -> c_int {
        // SAFETY: the caller passes a task and a cookie that may be written.
        match unsafe { (change(dmt), cookie.as_mut()) } {
            (Some(dmt), Some(cookie)) => one_zero(dmt.task.set_cookie(cookie, flags)),
            _ => 0,
        }
    }

    /// Sets the event number that a wait compares with.
    fn dm_task_set_event_nr(dmt: *mut dm_task, event_nr: u32) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { with(dmt, |task| task.set_event_nr(event_nr)) }
    }

    /// Sets the geometry.
    fn dm_task_set_geometry(
        dmt: *mut dm_task, cylinders: *const c_char, heads: *const c_char, sectors: *const c_char, start: *const c_char,
    ) -> c_int {
        // SAFETY: the caller passes a task and four strings.
        match unsafe { (change(dmt), bytes(cylinders), bytes(heads), bytes(sectors), bytes(start)) } {
            (Some(dmt), Some(cylinders), Some(heads), Some(sectors), Some(start)) => {
                dmt.task.set_geometry(cylinders, heads, sectors, start);
                1
            }
            _ => 0,
        }
    }

    /// Sets the message.
    fn dm_task_set_message(dmt: *mut dm_task, message: *const c_char) -> c_int {
        // SAFETY: the caller passes a task and a string.
        unsafe { with_text(dmt, message, |task, message| { task.set_message(message); Ok(()) }) }
    }

    /// Sets the sector that a message is for.
    fn dm_task_set_sector(dmt: *mut dm_task, sector: u64) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { with(dmt, |task| task.set_sector(sector)) }
    }

    /// Sets when the node is made.
    fn dm_task_set_add_node(dmt: *mut dm_task, add_node: c_uint) -> c_int {
        let when = match add_node {
            0 => AddNode::OnResume,
            1 => AddNode::OnCreate,
            _ => {
                log_error!("Unknown add node parameter");
                return 0;
            }
        };
        // SAFETY: the caller passes a task.
        unsafe { with(dmt, |task| task.set_add_node(when)) }
    }

    /// Sets the read-ahead that a resume applies, in sectors.
    fn dm_task_set_read_ahead(dmt: *mut dm_task, read_ahead: u32, read_ahead_flags: u32) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { with(dmt, |task| task.set_read_ahead(read_ahead, read_ahead_flags)) }
    }

    /// Adds a line to the table.
    fn dm_task_add_target(dmt: *mut dm_task, start: u64, size: u64, ttype: *const c_char, params: *const c_char) -> c_int {
        // SAFETY: the caller passes a task and two strings.
        match unsafe { (change(dmt), bytes(ttype), bytes(params)) } {
            (Some(dmt), Some(kind), Some(params)) => {
                dmt.cache.clear_targets();
                one_zero(dmt.task.add_target(start, size, kind, params))
            }
            _ => 0,
        }
    }

    /// Brings nodes in line with devices: all, or that of one name.
    fn dm_mknodes(name: *const c_char) -> c_int {
        // SAFETY: the caller passes a string or NULL.
        one_zero(libdevmapper::task::mknodes(Library::global(), unsafe { bytes(name) }))
    }

    /// Carries out queued node operations.
    fn dm_task_update_nodes() -> () {
        Library::global().update_nodes();
    }

    /// Devices suspended through trees and not yet resumed.
    fn dm_get_suspended_counter() -> c_int {
        Library::global().suspended_counter()
    }
}
