//! The time of the last request, in one object for the whole process.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use libdevmapper::library::Library;

use super::{dm_task, read};
use crate::timestamp::{dm_timestamp, dm_timestamp_alloc, dm_timestamp_destroy};

static OBJECT: AtomicPtr<dm_timestamp> = AtomicPtr::new(ptr::null_mut());

/// Destroys the object.
pub(crate) fn destroy() {
    let object = OBJECT.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: it came from `dm_timestamp_alloc` or is NULL, and nothing here refers to it any more.
    unsafe { dm_timestamp_destroy(object) }
}

c_api! {
    /// When the last request returned, lent until the library is released; NULL for a task that was not asked to note it.
    fn dm_task_get_ioctl_timestamp(dmt: *mut dm_task) -> *mut dm_timestamp {
        // SAFETY: the caller passes a task.
        if !unsafe { read(dmt) }.is_some_and(|dmt| dmt.task.records_timestamp()) {
            return ptr::null_mut();
        }
        let mut object = OBJECT.load(Ordering::Acquire);
        if object.is_null() {
            // SAFETY: it takes no pointers.
            object = unsafe { dm_timestamp_alloc() };
            if object.is_null() {
                return object;
            }
            if let Err(other) = OBJECT.compare_exchange(ptr::null_mut(), object, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: it came from `dm_timestamp_alloc`.
                unsafe { dm_timestamp_destroy(object) };
                object = other;
            }
        }
        let time = Library::global().ioctl_timestamp().unwrap_or_default();
        // SAFETY: the object lives until the library is released, and clients do that when no other thread uses it.
        unsafe { object.write(dm_timestamp(time)) };
        object
    }
}
