//! `dm_timestamp_*`.

use std::ffi::c_int;

use libdevmapper::timestamp::Timestamp;

/// A moment of the monotonic clock (opaque to C), in memory from malloc.
#[derive(Clone, Copy, Debug, Default)]
pub struct dm_timestamp(pub(crate) Timestamp);

c_api! {
    /// A timestamp of zero.
    fn dm_timestamp_alloc() -> *mut dm_timestamp {
        // SAFETY: malloc has no preconditions; what it gives has room for a timestamp, and is aligned for one.
        unsafe {
            let ts = libc::malloc(size_of::<dm_timestamp>()).cast::<dm_timestamp>();
            if ts.is_null() {
                libdevmapper::log_error!("Failed to allocate dm_timestamp structure");
            } else {
                ts.write(dm_timestamp::default());
            }
            ts
        }
    }

    /// Sets it to the time now.
    fn dm_timestamp_get(ts: *mut dm_timestamp) -> c_int {
        if ts.is_null() {
            return 0;
        }
        let now = Timestamp::now();
        // SAFETY: the caller passes a timestamp.
        unsafe { ts.write(dm_timestamp(now.as_ref().copied().unwrap_or_default())) };
        c_int::from(now.is_ok())
    }

    /// -1, 0 or 1 as the first is earlier, the same, or later.
    fn dm_timestamp_compare(ts1: *mut dm_timestamp, ts2: *mut dm_timestamp) -> c_int {
        required!(dm_timestamp_compare: ts1, ts2 => 0);
        // SAFETY: the caller passes two timestamps.
        unsafe { (*ts1).0.cmp(&(*ts2).0) as c_int }
    }

    /// Nanoseconds between the two.
    fn dm_timestamp_delta(ts1: *mut dm_timestamp, ts2: *mut dm_timestamp) -> u64 {
        required!(dm_timestamp_delta: ts1, ts2 => 0);
        // SAFETY: the caller passes two timestamps.
        unsafe { (*ts1).0.delta((*ts2).0) }
    }

    /// Copies one to the other.
    fn dm_timestamp_copy(ts_new: *mut dm_timestamp, ts_old: *mut dm_timestamp) -> () {
        required!(dm_timestamp_copy: ts_new, ts_old);
        // SAFETY: the caller passes two timestamps.
        unsafe { *ts_new = *ts_old }
    }

    /// Releases it.
    fn dm_timestamp_destroy(ts: *mut dm_timestamp) -> () {
        // SAFETY: the caller passes NULL or a timestamp that it does not use any more.
        unsafe { libc::free(ts.cast()) }
    }
}
