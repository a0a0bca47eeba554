//! `dm_histogram_*`.
//!
//! A histogram is one block of malloc's, since C programs may release bounds with `dm_free`:
//!
//! ```text
//! owner | number of bins | bin 0 | bin 1 | ...
//! ```

use std::ffi::{c_char, c_int};
use std::ptr;

use libdevmapper::log_error;

use super::stats::Bin;
use super::stats::histogram::{Histogram, parse_bounds};
use super::{dm_stats, read};
use crate::entry::bytes;

/// A histogram (opaque to C), or bounds that a region may be created with.
#[repr(C)]
#[derive(Debug)]
pub struct dm_histogram {
    /// The handle that it lives in; NULL for bounds.
    owner: *const dm_stats,
    len: usize,
    bins: [Bin; 0],
}

/// A new histogram, or NULL after an error message.
fn new(owner: *const dm_stats, bins: &[Bin]) -> *mut dm_histogram {
    // SAFETY: malloc has no preconditions. The size does not overflow, since the bins are in memory.
    let histogram = unsafe { libc::malloc(size_of::<dm_histogram>() + size_of_val(bins)) }.cast::<dm_histogram>();
    if histogram.is_null() {
        log_error!("Could not allocate memory for histogram.");
        return histogram;
    }
    // SAFETY: the block has room for the header and the bins behind it.
    unsafe {
        histogram.write(dm_histogram {
            owner,
            len: bins.len(),
            bins: [],
        });
        (&raw mut (*histogram).bins)
            .cast::<Bin>()
            .copy_from_nonoverlapping(bins.as_ptr(), bins.len());
    }
    histogram
}

/// Bounds for C.
fn bounds(bounds: &[u64]) -> *mut dm_histogram {
    let bins: Vec<Bin> = bounds.iter().map(|&upper| Bin { upper, count: 0 }).collect();
    new(ptr::null(), &bins)
}

/// The histogram behind a C pointer; one of no bins for NULL.
///
/// # Safety
/// `dmh` is NULL or came from [`new`] and lives for `'a`.
unsafe fn view<'a>(dmh: *const dm_histogram) -> Histogram<'a> {
    if dmh.is_null() {
        return Histogram::new(&[]);
    }
    // SAFETY: as many bins as the header says lie behind it.
    Histogram::new(unsafe { std::slice::from_raw_parts((&raw const (*dmh).bins).cast(), (*dmh).len) })
}

/// The upper bounds of a histogram, without the open last one of a handle's; `None` for NULL.
///
/// # Safety
/// `dmh` is NULL or came from [`new`].
pub(super) unsafe fn finite_bounds(dmh: *const dm_histogram) -> Option<Vec<u64>> {
    if dmh.is_null() {
        return None;
    }
    // SAFETY: by contract.
    let (view, owned) = unsafe { (view(dmh), !(*dmh).owner.is_null()) };
    let open = |bin: &&Bin| owned && bin.upper == u64::MAX;
    Some(view.bins().iter().filter(|b| !open(b)).map(|b| b.upper).collect())
}

/// The number of a bin; one that is not there for a negative number.
fn number(bin: c_int) -> usize {
    usize::try_from(bin).unwrap_or(usize::MAX)
}

c_api! {
    /// Bounds from a text such as `1ms,10ms`.
    fn dm_histogram_bounds_from_string(bounds_str: *const c_char) -> *mut dm_histogram {
        // SAFETY: the caller passes a C string.
        let Some(text) = (unsafe { bytes(bounds_str) }) else {
            log_error!("Could not parse NULL histogram bounds.");
            return ptr::null_mut();
        };
        parse_bounds(text).map_or(ptr::null_mut(), |b| bounds(&b))
    }

    /// Bounds from numbers of nanoseconds, ended by 0.
    fn dm_histogram_bounds_from_uint64(array: *const u64) -> *mut dm_histogram {
        let mut len = 0;
        // SAFETY: the caller passes NULL or an array that ends with 0.
        let array = unsafe {
            while !array.is_null() && *array.add(len) != 0 {
                len += 1;
            }
            if len == 0 { &[] } else { std::slice::from_raw_parts(array, len) }
        };
        if array.is_empty() {
            log_error!("Could not parse empty histogram bounds array");
            return ptr::null_mut();
        }
        bounds(array)
    }

    /// Ends bounds.
    fn dm_histogram_bounds_destroy(bounds: *mut dm_histogram) -> () {
        if bounds.is_null() {
            return;
        }
        // SAFETY: the caller passes bounds, which came from malloc, or by mistake a handle's histogram.
        unsafe {
            if !(*bounds).owner.is_null() {
                log_error!("Freeing invalid histogram with non-NULL stats handle.");
                return;
            }
            libc::free(bounds.cast());
        }
    }

    /// The histogram of an area, of a region, or of a group; the handle keeps it. NULL if there is none.
    fn dm_stats_get_histogram(dms: *const dm_stats, region_id: u64, area_id: u64) -> *mut dm_histogram {
        // SAFETY: the caller passes a handle.
        let Some(handle) = (unsafe { read(dms) }) else { return ptr::null_mut() };
        let Some(scope) = handle.scope(region_id, area_id) else { return ptr::null_mut() };
        let make = || handle.stats.histogram(scope).map_or(ptr::null_mut(), |bins| new(dms, &bins));
        handle.kept.histogram(scope, make)
    }

    /// Number of bins.
    fn dm_histogram_get_nr_bins(dmh: *const dm_histogram) -> c_int {
        // SAFETY: the caller passes a histogram.
        unsafe { view(dmh) }.bins().len() as c_int
    }

    /// Lower bound of a bin in nanoseconds.
    fn dm_histogram_get_bin_lower(dmh: *const dm_histogram, bin: c_int) -> u64 {
        // SAFETY: the caller passes a histogram.
        unsafe { view(dmh) }.lower(number(bin))
    }

    /// Upper bound of a bin in nanoseconds.
    fn dm_histogram_get_bin_upper(dmh: *const dm_histogram, bin: c_int) -> u64 {
        // SAFETY: the caller passes a histogram.
        unsafe { view(dmh) }.upper(number(bin))
    }

    /// Width of a bin in nanoseconds.
    fn dm_histogram_get_bin_width(dmh: *const dm_histogram, bin: c_int) -> u64 {
        // SAFETY: the caller passes a histogram.
        unsafe { view(dmh) }.width(number(bin))
    }

    /// Requests in a bin.
    fn dm_histogram_get_bin_count(dmh: *const dm_histogram, bin: c_int) -> u64 {
        // SAFETY: the caller passes a histogram.
        unsafe { view(dmh) }.count(number(bin))
    }

    /// Part of all requests that are in a bin, as dm_percent_t.
    fn dm_histogram_get_bin_percent(dmh: *const dm_histogram, bin: c_int) -> c_int {
        // SAFETY: the caller passes a histogram.
        unsafe { view(dmh) }.percent(number(bin)).0
    }

    /// Requests in all bins.
    fn dm_histogram_get_sum(dmh: *const dm_histogram) -> u64 {
        // SAFETY: the caller passes a histogram.
        unsafe { view(dmh) }.sum()
    }

    /// The text of a bin, or with a negative number of all; the handle keeps it.
    fn dm_histogram_to_string(dmh: *const dm_histogram, bin: c_int, width: c_int, flags: c_int) -> *const c_char {
        if dmh.is_null() {
            return ptr::null();
        }
        // SAFETY: the caller passes a histogram of a handle that lives.
        let (view, owner) = unsafe { (view(dmh), read((*dmh).owner)) };
        let Some(owner) = owner else {
            log_error!("Only histograms of a stats handle have a text.");
            return ptr::null();
        };
        let bin = usize::try_from(bin).ok();
        match view.format(bin, width, flags.cast_unsigned()) {
            Ok(text) => owner.kept.string(text.as_bytes()),
            Err(_) => ptr::null(),
        }
    }
}
