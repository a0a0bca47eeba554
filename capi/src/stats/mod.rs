//! `dm_stats_*`: statistics of regions of a device.
//!
//! Strings, histograms and printed texts that a handle gives out live until it is listed, populated, bound or destroyed,
//! see [`kept`].

mod filemap;
mod groups;
mod histogram;
mod kept;
mod properties;
mod select;
#[cfg(test)]
mod tests;
mod values;
mod walk;

use std::ffi::{c_char, c_int, c_uint};
use std::ptr;

use libdevmapper::library::Library;
use libdevmapper::stats::{Binding, NewRegion, Stats, Step};
use libdevmapper::{log_error, stats};

use crate::entry::{bytes, one_zero};
pub use groups::*;
pub use histogram::*;
use kept::Kept;
pub use properties::*;
use select::{GROUP, NONE};
pub use values::*;
pub use walk::*;

/// A handle (opaque to C).
#[derive(Debug)]
pub struct dm_stats {
    stats: Stats,
    kept: Kept,
}

impl dm_stats {
    /// Ends what was given out, before the tables change.
    fn changing(&mut self) -> &mut Stats {
        self.kept.clear();
        &mut self.stats
    }
}

/// The handle behind a C pointer, for a call that changes it.
///
/// # Safety
/// `dms` is NULL or came from `dm_stats_create` and nothing else uses it during `'a`.
unsafe fn change<'a>(dms: *mut dm_stats) -> Option<&'a mut dm_stats> {
    // SAFETY: by contract.
    unsafe { dms.as_mut() }
}

/// The handle behind a C pointer, for a call that reads it.
///
/// # Safety
/// `dms` is NULL or came from `dm_stats_create` and nothing changes it during `'a`.
unsafe fn read<'a>(dms: *const dm_stats) -> Option<&'a dm_stats> {
    // SAFETY: by contract.
    unsafe { dms.as_ref() }
}

/// Stores a result where C wants it: 1, or 0 without one.
///
/// # Safety
/// `place` is NULL or may be written.
unsafe fn store<T>(place: *mut T, value: Option<T>) -> c_int {
    match value {
        Some(value) if !place.is_null() => {
            // SAFETY: by contract.
            unsafe { place.write(value) };
            1
        }
        _ => 0,
    }
}

/// Creates a region as C describes it.
///
/// # Safety
/// As of [`read`] and [`bytes`]; `id` is NULL or may be written.
#[allow(clippy::too_many_arguments, reason = "as many as the C function has")]
unsafe fn create_region(
    dms: *const dm_stats,
    id: *mut u64,
    (start, len, step): (u64, u64, i64),
    precise: c_int,
    bounds: Option<&[u64]>,
    program_id: *const c_char,
    user_data: *const c_char,
    create: fn(&Stats, &NewRegion<'_>) -> libdevmapper::error::Result<u64>,
) -> c_int {
    // SAFETY: by contract.
    let (dms, program_id, user_data) = unsafe { (read(dms), bytes(program_id), bytes(user_data)) };
    let Some(dms) = dms else { return 0 };
    let region = NewRegion {
        start,
        len,
        step: match u64::try_from(step) {
            Ok(sectors) => Step::Sectors(sectors),
            Err(_) => Step::Areas(step.unsigned_abs()),
        },
        precise: precise > 0,
        bounds,
        program_id,
        aux: user_data.unwrap_or_default(),
    };
    match create(&dms.stats, &region) {
        Ok(created) => {
            // SAFETY: by contract. That nobody asked for the id is no failure.
            unsafe { store(id, Some(created)) };
            1
        }
        Err(_) => 0,
    }
}

c_api! {
    /// Makes a handle; NULL or "" takes the process's name as program id.
    fn dm_stats_create(program_id: *const c_char) -> *mut dm_stats {
        // SAFETY: the caller passes NULL or a C string.
        match Stats::new(unsafe { bytes(program_id) }) {
            Ok(stats) => Box::into_raw(Box::new(dm_stats { stats, kept: Kept::default() })),
            Err(_) => ptr::null_mut(),
        }
    }

    /// Ends a handle and all that it gave out.
    fn dm_stats_destroy(dms: *mut dm_stats) -> () {
        if !dms.is_null() {
            // SAFETY: it came from Box::into_raw in `dm_stats_create`.
            drop(unsafe { Box::from_raw(dms) });
        }
    }

    /// Binds the handle to a device by number.
    fn dm_stats_bind_devno(dms: *mut dm_stats, major: c_int, minor: c_int) -> c_int {
        // SAFETY: the caller passes a handle.
        let Some(dms) = (unsafe { change(dms) }) else { return 0 };
        let (major, minor) = (major.cast_unsigned(), minor.cast_unsigned());
        dms.changing().bind(Binding::DevNo { major, minor });
        1
    }

    /// Binds the handle to a device by name.
    fn dm_stats_bind_name(dms: *mut dm_stats, name: *const c_char) -> c_int {
        // SAFETY: the caller passes a handle and a C string.
        let (Some(dms), Some(name)) = (unsafe { (change(dms), bytes(name)) }) else { return 0 };
        // The string may be one that the handle gave out, so it is copied before these end.
        let name = name.into();
        dms.changing().bind(Binding::Name(name));
        1
    }

    /// Binds the handle to a device by uuid.
    fn dm_stats_bind_uuid(dms: *mut dm_stats, uuid: *const c_char) -> c_int {
        // SAFETY: the caller passes a handle and a C string.
        let (Some(dms), Some(uuid)) = (unsafe { (change(dms), bytes(uuid)) }) else { return 0 };
        let uuid = uuid.into();
        dms.changing().bind(Binding::Uuid(uuid));
        1
    }

    /// Changes the program id; NULL or "" only with `allow_empty`.
    fn dm_stats_set_program_id(dms: *mut dm_stats, allow_empty: c_int, program_id: *const c_char) -> c_int {
        // SAFETY: the caller passes a handle, and NULL or a C string.
        let (Some(dms), program_id) = (unsafe { (change(dms), bytes(program_id)) }) else { return 0 };
        one_zero(dms.stats.set_program_id(program_id.unwrap_or_default(), allow_empty != 0))
    }

    /// Whether the driver keeps times in nanoseconds.
    fn dm_stats_driver_supports_precise() -> c_int {
        c_int::from(Library::global().supports_precise_timestamps())
    }

    /// Whether the driver keeps histograms.
    fn dm_stats_driver_supports_histogram() -> c_int {
        c_int::from(Library::global().supports_precise_timestamps())
    }

    /// Sets the sampling interval in nanoseconds.
    fn dm_stats_set_sampling_interval_ns(dms: *mut dm_stats, interval_ns: u64) -> () {
        // SAFETY: the caller passes a handle.
        if let Some(dms) = unsafe { change(dms) } {
            dms.stats.set_sampling_interval_ns(interval_ns);
        }
    }

    /// Sets the sampling interval in milliseconds.
    fn dm_stats_set_sampling_interval_ms(dms: *mut dm_stats, interval_ms: u64) -> () {
        // SAFETY: the caller passes a handle.
        if let Some(dms) = unsafe { change(dms) } {
            dms.stats.set_sampling_interval_ns(interval_ms.saturating_mul(1_000_000));
        }
    }

    /// The sampling interval in nanoseconds.
    fn dm_stats_get_sampling_interval_ns(dms: *const dm_stats) -> u64 {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(0, |d| d.stats.sampling_interval_ns())
    }

    /// The sampling interval in milliseconds, rounded down.
    fn dm_stats_get_sampling_interval_ms(dms: *const dm_stats) -> u64 {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(0, |d| d.stats.sampling_interval_ns() / 1_000_000)
    }

    /// Creates a region.
    fn dm_stats_create_region(
        dms: *mut dm_stats, region_id: *mut u64, start: u64, len: u64, step: i64, precise: c_int,
        bounds: *mut dm_histogram, program_id: *const c_char, user_data: *const c_char,
    ) -> c_int {
        // SAFETY: the caller passes a handle, NULL or a place for the id, NULL or a histogram, and C strings.
        unsafe {
            let bounds = histogram::finite_bounds(bounds);
            create_region(dms, region_id, (start, len, step), precise, bounds.as_deref(), program_id, user_data,
                          Stats::create_region)
        }
    }

    /// Creates a region: the version without a histogram.
    fn dm_stats_create_region__DM_1_02_106(
        dms: *mut dm_stats, region_id: *mut u64, start: u64, len: u64, step: i64, precise: c_int,
        program_id: *const c_char, user_data: *const c_char,
    ) -> c_int {
        // SAFETY: the caller passes a handle, NULL or a place for the id, and C strings.
        unsafe {
            create_region(dms, region_id, (start, len, step), precise, None, program_id, user_data,
                          Stats::create_unchecked)
        }
    }

    /// Creates a region: the version without histogram and precise times.
    fn dm_stats_create_region__DM_1_02_104(
        dms: *mut dm_stats, region_id: *mut u64, start: u64, len: u64, step: i64,
        program_id: *const c_char, user_data: *const c_char,
    ) -> c_int {
        // SAFETY: the caller passes a handle, NULL or a place for the id, and C strings.
        unsafe {
            create_region(dms, region_id, (start, len, step), 0, None, program_id, user_data, Stats::create_unchecked)
        }
    }

    /// Deletes a region.
    fn dm_stats_delete_region(dms: *mut dm_stats, region_id: u64) -> c_int {
        // SAFETY: the caller passes a handle.
        let Some(dms) = (unsafe { change(dms) }) else { return 0 };
        // What was given out stays: the loops of dmsetup delete what they walk over.
        one_zero(dms.stats.delete_region(region_id))
    }

    /// Sets the counters of a region to 0.
    fn dm_stats_clear_region(dms: *mut dm_stats, region_id: u64) -> c_int {
        // SAFETY: the caller passes a handle.
        let Some(dms) = (unsafe { read(dms) }) else { return 0 };
        one_zero(dms.stats.clear_region(region_id))
    }

    /// The driver's text of a region's counters; the handle keeps it.
    fn dm_stats_print_region(
        dms: *mut dm_stats, region_id: u64, start_line: c_uint, num_lines: c_uint, clear: c_uint,
    ) -> *mut c_char {
        // SAFETY: the caller passes a handle.
        let Some(dms) = (unsafe { read(dms) }) else { return ptr::null_mut() };
        if region_id == GROUP {
            return ptr::null_mut();
        }
        let lines = (start_line != 0 || num_lines != 0).then_some((start_line, num_lines));
        match dms.stats.print_region(region_id, lines, clear != 0) {
            Ok(text) => dms.kept.buffer(&text),
            Err(_) => ptr::null_mut(),
        }
    }

    /// Ends a text of `dm_stats_print_region`.
    fn dm_stats_buffer_destroy(dms: *mut dm_stats, buffer: *mut c_char) -> () {
        // SAFETY: the caller passes a handle.
        if let Some(dms) = unsafe { read(dms) } {
            dms.kept.drop_buffer(buffer);
        }
    }

    /// Lists the regions of a program: NULL for the handle's id, "" for all.
    fn dm_stats_list(dms: *mut dm_stats, program_id: *const c_char) -> c_int {
        // SAFETY: the caller passes a handle, and NULL or a C string. The string may be one that the handle gave out,
        // so it is copied before these end.
        let (Some(dms), program_id) = (unsafe { (change(dms), bytes(program_id)) }) else { return 0 };
        let program_id = program_id.map(<[u8]>::to_vec);
        one_zero(dms.changing().list(program_id.as_deref()))
    }

    /// Reads the counters of one region, or lists and reads all.
    fn dm_stats_populate(dms: *mut dm_stats, program_id: *const c_char, region_id: u64) -> c_int {
        // SAFETY: as of `dm_stats_list`.
        let (Some(dms), program_id) = (unsafe { (change(dms), bytes(program_id)) }) else { return 0 };
        let program_id = program_id.map(<[u8]>::to_vec);
        if region_id == NONE {
            return one_zero(dms.changing().populate(program_id.as_deref()));
        }
        if region_id & GROUP != 0 {
            log_error!("Invalid region_id for dm_stats_populate: DM_STATS_WALK_GROUP");
            return 0;
        }
        one_zero(dms.changing().populate_region(region_id))
    }
}
