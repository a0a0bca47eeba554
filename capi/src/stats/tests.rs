//! What needs no driver: bounds, handles without a device, and what they keep.
#![allow(clippy::undocumented_unsafe_blocks, reason = "the tests own what they pass")]

use std::ffi::CStr;

use super::histogram::*;
use super::properties::*;
use super::values::*;
use super::walk::*;
use super::*;

fn handle() -> *mut dm_stats {
    unsafe { dm_stats_create(c"prog".as_ptr()) }
}

#[test]
fn bounds_are_one_block() {
    unsafe {
        let bounds = dm_histogram_bounds_from_string(c"500us,1ms".as_ptr());
        assert_eq!((dm_histogram_get_nr_bins(bounds), dm_histogram_get_sum(bounds)), (2, 0));
        assert_eq!(
            (
                dm_histogram_get_bin_lower(bounds, 1),
                dm_histogram_get_bin_upper(bounds, 1)
            ),
            (500_000, 1_000_000)
        );
        assert_eq!(
            (
                dm_histogram_get_bin_width(bounds, 1),
                dm_histogram_get_bin_upper(bounds, -1)
            ),
            (500_000, 0)
        );
        assert_eq!(
            (
                dm_histogram_get_bin_count(bounds, 2),
                dm_histogram_get_bin_percent(bounds, 0)
            ),
            (0, 0)
        );
        assert_eq!(finite_bounds(bounds).unwrap(), [500_000, 1_000_000]);
        assert!(dm_histogram_to_string(bounds, -1, 0, 0x21).is_null());
        crate::malloc::dm_free_wrapper(bounds.cast());

        let bounds = dm_histogram_bounds_from_uint64([5, 3, 0].as_ptr());
        assert_eq!(finite_bounds(bounds).unwrap(), [5, 3]);
        dm_histogram_bounds_destroy(bounds);
        dm_histogram_bounds_destroy(ptr::null_mut());
        assert!(dm_histogram_bounds_from_uint64([0].as_ptr()).is_null());
        assert!(dm_histogram_bounds_from_uint64(ptr::null()).is_null());
        assert!(dm_histogram_bounds_from_string(c"1x".as_ptr()).is_null());
        assert!(dm_histogram_bounds_from_string(ptr::null()).is_null());
        assert_eq!(finite_bounds(ptr::null()), None);
    }
}

#[test]
fn handles_without_regions() {
    unsafe {
        let dms = handle();
        assert_eq!(dm_stats_list(dms, ptr::null()), 0);
        assert_eq!(
            (
                dm_stats_get_nr_regions(dms),
                dm_stats_get_nr_groups(dms),
                dm_stats_get_nr_areas(dms)
            ),
            (0, 0, 0)
        );
        assert_eq!(dm_stats_walk_init(dms, 0xf_0000_0000_0000), 1);
        assert_eq!(dm_stats_walk_init(dms, 1), 0);
        dm_stats_walk_start(dms);
        assert_eq!(dm_stats_walk_end(dms), 1);
        dm_stats_walk_next(dms);
        dm_stats_walk_next_region(dms);
        assert_eq!((dm_stats_walk_end(dms), dm_stats_current_object_type(dms)), (1, 0));
        assert_eq!(
            (dm_stats_get_reads(dms, NONE, NONE), dm_stats_get_counter(dms, 13, 0, 0)),
            (0, 0)
        );
        let (mut double, mut start) = (0.0, 0);
        dm_stats_set_sampling_interval_ms(dms, 5);
        assert_eq!(dm_stats_get_sampling_interval_ns(dms), 5_000_000);
        assert_eq!(dm_stats_get_metric(dms, 0, 0, 0, &mut double), 0);
        assert_eq!(dm_stats_get_metric(dms, -1, 0, 0, &mut double), 0);
        assert_eq!(dm_stats_get_region_start(dms, &mut start, 0), 0);
        assert_eq!(dm_stats_get_group_id(dms, 0), NONE);
        assert_eq!(CStr::from_ptr(dm_stats_get_region_program_id(dms, GROUP)), c"prog");
        assert_eq!(CStr::from_ptr(dm_stats_get_region_aux_data(dms, 0)), c"");
        assert!(dm_stats_get_alias(dms, 0).is_null());
        assert!(dm_stats_get_histogram(dms, 0, 0).is_null());
        dm_stats_destroy(dms);
    }
}

#[test]
fn no_handle() {
    unsafe {
        dm_stats_destroy(ptr::null_mut());
        assert_eq!(dm_stats_walk_end(ptr::null_mut()), 1);
        assert_eq!(dm_stats_walk_init(ptr::null_mut(), 0), 0);
        assert_eq!(dm_stats_bind_devno(ptr::null_mut(), 1, 1), 0);
        assert_eq!(dm_stats_list(ptr::null_mut(), ptr::null()), 0);
        assert_eq!(dm_stats_get_region_len(ptr::null(), ptr::null_mut(), 0), 0);
    }
}

#[test]
fn kept_blocks() {
    let mut kept = Kept::default();
    let first = kept.string(b"one");
    assert_eq!(first, kept.string(b"one"));
    assert_ne!(first, kept.string(b"two"));
    let buffer = kept.buffer(b"text");
    let other = kept.buffer(b"text");
    assert_ne!(buffer, other);
    kept.drop_buffer(buffer);
    kept.drop_buffer(buffer);
    kept.drop_buffer(ptr::null_mut());
    unsafe { assert_eq!(CStr::from_ptr(other), c"text") };
    kept.clear();
}
