//! What a task's reply says.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::mem::offset_of;
use std::ptr;

use dm_abi::ioctl::flag;
use dm_abi::ioctl::reply::{VersionEntry, write_versions};
use libdevmapper::log_error;
use libdevmapper::task::Info;

use super::owned::{CTarget, lend, lend_text};
use super::{dm_task, read};
use crate::entry::malloc_string;
use crate::settings::copy_out;

/// State of a device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct dm_info {
    /// 1 if there is such a device; if not, the rest is 0.
    pub exists: c_int,
    /// 1 if suspended.
    pub suspended: c_int,
    /// 1 with a live table.
    pub live_table: c_int,
    /// 1 with an inactive table.
    pub inactive_table: c_int,
    /// Opens.
    pub open_count: i32,
    /// Last event.
    pub event_nr: u32,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// 1 if it refuses writes.
    pub read_only: c_int,
    /// Lines of its table.
    pub target_count: i32,
    /// Not 0 if it goes when it is closed: the driver's flag bit, as in the C library.
    pub deferred_remove: c_int,
    /// 1 if the kernel suspended it.
    pub internal_suspend: c_int,
}

/// Devices that a table uses. `count` numbers follow.
#[repr(C)]
#[derive(Debug)]
pub struct dm_deps {
    /// How many.
    pub count: u32,
    /// Padding.
    pub filler: u32,
    /// The numbers, as `dev_t`.
    pub device: [u64; 0],
}

/// A target type. The name follows, and at a distance of `next` bytes the next record.
#[repr(C)]
#[derive(Debug)]
pub struct dm_versions {
    /// Distance to the next record; 0 in the last.
    pub next: u32,
    /// Major, minor, patch level.
    pub version: [u32; 3],
    /// The name, NUL-terminated.
    pub name: [c_char; 0],
}

/// What `dm_info` was in the oldest version.
const INFO_SIZE_BASE: usize = offset_of!(dm_info, deferred_remove);
/// What it was in the second version.
const INFO_SIZE_DEFERRED: usize = offset_of!(dm_info, internal_suspend);

const _: () = {
    assert!(size_of::<dm_info>() == 48 && INFO_SIZE_BASE == 40 && INFO_SIZE_DEFERRED == 44);
    assert!(offset_of!(dm_info, open_count) == 16 && offset_of!(dm_info, read_only) == 32);
    assert!(size_of::<dm_deps>() == 8 && align_of::<dm_deps>() == 8 && offset_of!(dm_deps, device) == 8);
    assert!(size_of::<dm_versions>() == 16 && offset_of!(dm_versions, name) == 16);
    assert!(align_of::<dm_versions>() == 4);
};

impl From<Info> for dm_info {
    fn from(info: Info) -> Self {
        Self {
            exists: info.exists.into(),
            suspended: info.suspended.into(),
            live_table: info.live_table.into(),
            inactive_table: info.inactive_table.into(),
            open_count: info.open_count,
            event_nr: info.event_nr,
            major: info.major,
            minor: info.minor,
            read_only: info.read_only.into(),
            target_count: info.target_count,
            deferred_remove: if info.deferred_remove {
                flag::DEFERRED_REMOVE.cast_signed()
            } else {
                0
            },
            internal_suspend: info.internal_suspend.into(),
        }
    }
}

/// Writes the first `size` bytes of the state.
///
/// # Safety
/// `dmt` as of [`read`]; `size` bytes at `info` may be written.
unsafe fn get_info(dmt: *const dm_task, info: *mut dm_info, size: usize) -> c_int {
    // SAFETY: by contract.
    let Some(state) = unsafe { read(dmt) }.and_then(|dmt| dmt.task.info()) else {
        return 0;
    };
    if info.is_null() {
        return 0;
    }
    let state = dm_info::from(state);
    // SAFETY: by contract, and `size` is at most that of the struct.
    unsafe { ptr::copy_nonoverlapping((&raw const state).cast::<u8>(), info.cast::<u8>(), size) };
    1
}

/// Writes a value where C wants it, if it does.
///
/// # Safety
/// `to` is NULL or may be written.
unsafe fn give<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: by contract.
        unsafe { to.write(value) }
    }
}

c_api! {
    /// The device's state.
    fn dm_task_get_info(dmt: *mut dm_task, info: *mut dm_info) -> c_int {
        // SAFETY: the caller passes a task and a struct.
        unsafe { get_info(dmt, info, size_of::<dm_info>()) }
    }

    /// The device's state without `internal_suspend`.
    fn dm_task_get_info_with_deferred_remove(dmt: *mut dm_task, info: *mut dm_info) -> c_int {
        // SAFETY: the caller passes a task and a struct of that time.
        unsafe { get_info(dmt, info, INFO_SIZE_DEFERRED) }
    }

    /// The device's state without `deferred_remove` too.
    fn dm_task_get_info__Base(dmt: *mut dm_task, info: *mut dm_info) -> c_int {
        // SAFETY: the caller passes a task and a struct of that time.
        unsafe { get_info(dmt, info, INFO_SIZE_BASE) }
    }

    /// The driver's errno for the last request.
    fn dm_task_get_errno(dmt: *mut dm_task) -> c_int {
        // SAFETY: the caller passes a task.
        unsafe { read(dmt) }.map_or(0, |dmt| dmt.task.errno())
    }

    /// The device's name, lent.
    fn dm_task_get_name(dmt: *const dm_task) -> *const c_char {
        // SAFETY: the caller passes a task.
        unsafe { read(dmt) }.map_or(ptr::null(), |dmt| lend_text(&dmt.cache.name, dmt.task.name()))
    }

    /// The device's uuid, lent.
    fn dm_task_get_uuid(dmt: *const dm_task) -> *const c_char {
        // SAFETY: the caller passes a task.
        unsafe { read(dmt) }.map_or(ptr::null(), |dmt| lend_text(&dmt.cache.uuid, dmt.task.uuid()))
    }

    /// The mangled name; the caller frees it.
    fn dm_task_get_name_mangled(dmt: *const dm_task) -> *mut c_char {
        // SAFETY: the caller passes a task.
        let name = unsafe { read(dmt) }.and_then(|dmt| dmt.task.name_mangled().ok());
        name.map_or(ptr::null_mut(), |name| malloc_string(&name))
    }

    /// The unmangled name; the caller frees it.
    fn dm_task_get_name_unmangled(dmt: *const dm_task) -> *mut c_char {
        // SAFETY: the caller passes a task.
        let name = unsafe { read(dmt) }.and_then(|dmt| dmt.task.name_unmangled().ok());
        name.map_or(ptr::null_mut(), |name| malloc_string(&name))
    }

    /// The mangled uuid; the caller frees it.
    fn dm_task_get_uuid_mangled(dmt: *const dm_task) -> *mut c_char {
        // SAFETY: the caller passes a task.
        let uuid = unsafe { read(dmt) }.and_then(|dmt| dmt.task.uuid_mangled().ok());
        uuid.map_or(ptr::null_mut(), |uuid| malloc_string(&uuid))
    }

    /// The unmangled uuid; the caller frees it.
    fn dm_task_get_uuid_unmangled(dmt: *const dm_task) -> *mut c_char {
        // SAFETY: the caller passes a task.
        let uuid = unsafe { read(dmt) }.and_then(|dmt| dmt.task.uuid_unmangled().ok());
        uuid.map_or(ptr::null_mut(), |uuid| malloc_string(&uuid))
    }

    /// The devices that a table uses, lent.
    fn dm_task_get_deps(dmt: *mut dm_task) -> *mut dm_deps {
        // SAFETY: the caller passes a task.
        let Some(dmt) = (unsafe { read(dmt) }) else {
            log_error!("Internal error: dm_task_get_deps called with NULL dm_task argument");
            return ptr::null_mut();
        };
        let record = dmt.task.deps().map(|deps| {
            let count = u64::try_from(deps.len()).unwrap_or(0);
            let mut head = [0; 8];
            head[..4].copy_from_slice(&(count as u32).to_ne_bytes());
            let numbers = deps.iter().flat_map(|dev| dev.encode().to_ne_bytes());
            head.into_iter().chain(numbers).collect::<Vec<u8>>()
        });
        lend(&dmt.cache.deps, record.as_deref())
    }

    /// Target types and their versions, lent.
    fn dm_task_get_versions(dmt: *mut dm_task) -> *mut dm_versions {
        // SAFETY: the caller passes a task.
        let Some(dmt) = (unsafe { read(dmt) }) else { return ptr::null_mut() };
        let records = dmt.task.target_versions().map(|types| {
            let entries = types.iter().map(|t| VersionEntry { version: t.version, name: &t.name });
            let mut area = vec![0; size_of::<dm_versions>() + types.iter().map(|t| t.name.len() + 32).sum::<usize>()];
            write_versions(&mut area, entries);
            area
        });
        lend(&dmt.cache.versions, records.as_deref())
    }

    /// What a target answered to a message, lent; NULL for nothing.
    fn dm_task_get_message_response(dmt: *mut dm_task) -> *const c_char {
        // SAFETY: the caller passes a task.
        unsafe { read(dmt) }
            .map_or(ptr::null(), |dmt| lend_text(&dmt.cache.message, dmt.task.message_response()))
    }

    /// The device's read-ahead in sectors.
    fn dm_task_get_read_ahead(dmt: *const dm_task, read_ahead: *mut u32) -> c_uint {
        // SAFETY: the caller passes a task.
        let value = unsafe { read(dmt) }.and_then(|dmt| dmt.task.read_ahead());
        // SAFETY: the caller passes a number that may be written.
        unsafe { give(read_ahead, value.unwrap_or(0)) };
        c_uint::from(value.is_some())
    }

    /// The driver's version as text.
    fn dm_task_get_driver_version(dmt: *mut dm_task, version: *mut c_char, size: usize) -> c_int {
        // SAFETY: the caller passes a task.
        let found = unsafe { read(dmt) }.and_then(|dmt| dmt.task.driver_version());
        let text = found.map_or(String::new(), |[major, minor, patch]| format!("{major}.{minor}.{patch}"));
        // SAFETY: the caller passes a buffer of `size` bytes. A version that is cut is no failure in the C library.
        unsafe { copy_out(text.as_bytes(), version, size) };
        c_int::from(found.is_some())
    }

    /// The table line after `next` (the first for NULL), lent, and a pointer to the one after it (NULL if none).
    fn dm_get_next_target(
        dmt: *mut dm_task, next: *mut c_void, start: *mut u64, length: *mut u64,
        target_type: *mut *mut c_char, params: *mut *mut c_char,
    ) -> *mut c_void {
        // SAFETY: the caller passes a task.
        let targets = unsafe { read(dmt) }.map_or(&[][..], |dmt| dmt.cache.targets(dmt.task.targets()));
        let index = match next.addr() {
            0 => 0,
            // Anything but a pointer to a line of this task ends the walk.
            address => match address.checked_sub(targets.as_ptr().addr()) {
                Some(distance) if distance.is_multiple_of(size_of::<CTarget>()) => distance / size_of::<CTarget>(),
                _ => targets.len(),
            },
        };
        let line = targets.get(index);
        // SAFETY: the caller passes places that may be written.
        unsafe {
            give(start, line.map_or(0, |t| t.start));
            give(length, line.map_or(0, |t| t.length));
            give(target_type, line.map_or(ptr::null_mut(), |t| t.kind.as_ptr()));
            give(params, line.map_or(ptr::null_mut(), |t| t.params.as_ptr()));
        }
        let after = line.and_then(|_| targets.get(index + 1));
        after.map_or(ptr::null_mut(), |t: &CTarget| ptr::from_ref(t).cast_mut().cast())
    }
}
