//! `dm_get_status_*`, `dm_raid_*_failed_devices`: status lines as structs in the caller's pool.

mod vdo;

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::mem::offset_of;
use std::ptr;

use libdevmapper::error::Result;
use libdevmapper::log_error;
use libdevmapper::status::{
    Discards, LegHealth, clear_failed_devices, count_failed_devices, parse_cache, parse_integrity, parse_mirror,
    parse_raid, parse_snapshot, parse_thin, parse_thin_pool, parse_writecache,
};

use crate::entry::bytes;
use crate::pool::{self, dm_pool};
pub use vdo::{
    dm_vdo_stats, dm_vdo_stats_field, dm_vdo_stats_full, dm_vdo_status, dm_vdo_status_parse_result,
    dm_vdo_target_params,
};

/// Fill of a snapshot.
#[repr(C)]
#[derive(Debug)]
pub struct dm_status_snapshot {
    /// Sectors.
    pub used_sectors: u64,
    /// Sectors.
    pub total_sectors: u64,
    /// Sectors, if bit 0 is set.
    pub metadata_sectors: u64,
    /// has_metadata_sectors, invalid, merge_failed, overflow, from bit 0.
    pub bits: c_uint,
}

/// State of a raid set.
#[repr(C)]
#[derive(Debug)]
pub struct dm_status_raid {
    /// 0
    pub reserved: u64,
    /// Sectors.
    pub total_regions: u64,
    /// Sectors.
    pub insync_regions: u64,
    /// Mismatches.
    pub mismatch_count: u64,
    /// Legs.
    pub dev_count: u32,
    /// Level.
    pub raid_type: *mut c_char,
    /// A character per leg.
    pub dev_health: *mut c_char,
    /// What is going on; NULL from old kernels.
    pub sync_action: *mut c_char,
    /// Sectors.
    pub data_offset: u64,
}

/// State of a cache.
#[repr(C)]
#[derive(Debug)]
pub struct dm_status_cache {
    /// 0
    pub version: u64,
    /// Sectors.
    pub metadata_block_size: u32,
    /// Sectors.
    pub block_size: u32,
    /// Blocks.
    pub metadata_used_blocks: u64,
    /// Blocks.
    pub metadata_total_blocks: u64,
    /// Blocks.
    pub used_blocks: u64,
    /// Blocks.
    pub dirty_blocks: u64,
    /// Blocks.
    pub total_blocks: u64,
    /// Events.
    pub read_hits: u64,
    /// Events.
    pub read_misses: u64,
    /// Events.
    pub write_hits: u64,
    /// Events.
    pub write_misses: u64,
    /// Events.
    pub demotions: u64,
    /// Events.
    pub promotions: u64,
    /// DM_CACHE_FEATURE_*
    pub feature_flags: u64,
    /// Words of core_argv.
    pub core_argc: c_int,
    /// Keys and values.
    pub core_argv: *mut *mut c_char,
    /// Policy.
    pub policy_name: *mut c_char,
    /// Words of policy_argv.
    pub policy_argc: c_int,
    /// Keys and values.
    pub policy_argv: *mut *mut c_char,
    /// error, fail, needs_check, read_only, from bit 0.
    pub bits: c_uint,
}

/// State of a thin pool.
#[repr(C)]
#[derive(Debug)]
pub struct dm_status_thin_pool {
    /// Transaction.
    pub transaction_id: u64,
    /// Blocks.
    pub used_metadata_blocks: u64,
    /// Blocks.
    pub total_metadata_blocks: u64,
    /// Blocks.
    pub used_data_blocks: u64,
    /// Blocks.
    pub total_data_blocks: u64,
    /// 0
    pub held_metadata_root: u64,
    /// 1 if metadata is not written.
    pub read_only: u32,
    /// dm_thin_discards_t
    pub discards: c_uint,
    /// fail, error_if_no_space, out_of_data_space, needs_check, error, from bit 0.
    pub bits: u32,
}

/// State of a thin volume.
#[repr(C)]
#[derive(Debug)]
pub struct dm_status_thin {
    /// Sectors.
    pub mapped_sectors: u64,
    /// Sector.
    pub highest_mapped_sector: u64,
    /// fail in bit 0.
    pub bits: u32,
}

/// Fill of a write cache.
#[repr(C)]
#[derive(Debug)]
pub struct dm_status_writecache {
    /// Error.
    pub error: u64,
    /// Blocks.
    pub total_blocks: u64,
    /// Blocks.
    pub free_blocks: u64,
    /// Blocks.
    pub writeback_blocks: u64,
}

/// State of an integrity device.
#[repr(C)]
#[derive(Debug)]
pub struct dm_status_integrity {
    /// Mismatches.
    pub number_of_mismatches: u64,
    /// Sectors.
    pub provided_data_sectors: u64,
    /// Sector.
    pub recalc_sector: u64,
}

/// Health of a leg or log.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dm_dev_leg_health_s {
    /// dm_status_mirror_health_t
    pub health: c_uint,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// State of a mirror.
#[repr(C)]
#[derive(Debug)]
pub struct dm_status_mirror {
    /// Regions.
    pub total_regions: u64,
    /// Regions.
    pub insync_regions: u64,
    /// Legs.
    pub dev_count: u32,
    /// The legs.
    pub devs: *mut dm_dev_leg_health_s,
    /// core, disk ...
    pub log_type: *const c_char,
    /// Logs.
    pub log_count: u32,
    /// The logs.
    pub logs: *mut dm_dev_leg_health_s,
}

const _: () = {
    assert!(size_of::<dm_status_snapshot>() == 32 && offset_of!(dm_status_snapshot, bits) == 24);
    assert!(size_of::<dm_status_raid>() == 72 && offset_of!(dm_status_raid, dev_count) == 32);
    assert!(offset_of!(dm_status_raid, raid_type) == 40 && offset_of!(dm_status_raid, dev_health) == 48);
    assert!(offset_of!(dm_status_raid, sync_action) == 56 && offset_of!(dm_status_raid, data_offset) == 64);
    assert!(size_of::<dm_status_cache>() == 160 && offset_of!(dm_status_cache, metadata_used_blocks) == 16);
    assert!(offset_of!(dm_status_cache, dirty_blocks) == 40 && offset_of!(dm_status_cache, feature_flags) == 104);
    assert!(offset_of!(dm_status_cache, core_argc) == 112 && offset_of!(dm_status_cache, core_argv) == 120);
    assert!(offset_of!(dm_status_cache, policy_name) == 128 && offset_of!(dm_status_cache, policy_argc) == 136);
    assert!(offset_of!(dm_status_cache, policy_argv) == 144 && offset_of!(dm_status_cache, bits) == 152);
    assert!(size_of::<dm_status_thin_pool>() == 64 && offset_of!(dm_status_thin_pool, read_only) == 48);
    assert!(offset_of!(dm_status_thin_pool, discards) == 52 && offset_of!(dm_status_thin_pool, bits) == 56);
    assert!(size_of::<dm_status_thin>() == 24 && offset_of!(dm_status_thin, bits) == 16);
    assert!(size_of::<dm_status_writecache>() == 32 && offset_of!(dm_status_writecache, writeback_blocks) == 24);
    assert!(size_of::<dm_status_integrity>() == 24 && offset_of!(dm_status_integrity, recalc_sector) == 16);
    assert!(size_of::<dm_dev_leg_health_s>() == 12);
    assert!(size_of::<dm_status_mirror>() == 56 && offset_of!(dm_status_mirror, devs) == 24);
    assert!(offset_of!(dm_status_mirror, log_type) == 32 && offset_of!(dm_status_mirror, log_count) == 40);
    assert!(offset_of!(dm_status_mirror, logs) == 48);
};

/// Flags from bit 0 up.
fn bits<const N: usize>(flags: [bool; N]) -> u32 {
    flags.iter().rev().fold(0, |bits, flag| bits << 1 | u32::from(*flag))
}

/// A pool of the caller's, for one struct and what it points to.
#[derive(Clone, Copy)]
struct Pool(*mut dm_pool);

impl Pool {
    fn text(self, text: &[u8]) -> Option<*mut c_char> {
        // SAFETY: made by `publish` from a pool that the caller lends to this call.
        let copy = unsafe { pool::strdup_bytes(self.0, text) };
        (!copy.is_null()).then_some(copy)
    }

    /// NULL for an empty slice.
    fn slice<T: Copy>(self, items: &[T]) -> Option<*mut T> {
        if items.is_empty() {
            return Some(ptr::null_mut());
        }
        // SAFETY: made by `publish` from a pool that the caller lends to this call.
        let copy = unsafe { pool::alloc_aligned(self.0, size_of_val(items), align_of::<T>()) }.cast::<T>();
        if copy.is_null() {
            return None;
        }
        // SAFETY: the new object has room for the items and cannot overlap them.
        unsafe { copy.copy_from_nonoverlapping(items.as_ptr(), items.len()) };
        Some(copy)
    }

    fn texts(self, texts: &[Vec<u8>]) -> Option<*mut *mut c_char> {
        let texts: Vec<*mut c_char> = texts.iter().map(|text| self.text(text)).collect::<Option<_>>()?;
        self.slice(&texts)
    }
}

/// Puts what `build` makes into the pool and its address into `status`: 1. Without memory 0, and the pool is as before.
///
/// # Safety
/// `mem` is a living pool that nobody else uses now, `status` may be written.
unsafe fn publish<T>(mem: *mut dm_pool, status: *mut *mut T, build: impl FnOnce(Pool) -> Option<T>) -> c_int {
    // SAFETY: by contract; the object has the size and alignment of T, and is written before anyone sees it.
    unsafe {
        let object = pool::alloc_for::<T>(mem);
        if object.is_null() {
            return 0;
        }
        match build(Pool(mem)) {
            Some(value) => {
                object.write(value);
                *status = object;
                1
            }
            None => {
                pool::free(mem, object.cast::<c_void>());
                0
            }
        }
    }
}

/// The parameters; `None` after an error message where they are missing.
///
/// # Safety
/// `params` is NULL or a C string that lives for `'a`.
unsafe fn given<'a>(params: *const c_char, what: &str) -> Option<&'a [u8]> {
    // SAFETY: by contract.
    let params = unsafe { bytes(params) };
    if params.is_none() {
        log_error!("Failed to parse invalid {what} params.");
    }
    params
}

/// Parses and publishes.
///
/// # Safety
/// As of [`publish`] and [`given`].
unsafe fn get<S, T>(
    mem: *mut dm_pool,
    params: *const c_char,
    status: *mut *mut T,
    what: &str,
    parse: impl FnOnce(&[u8]) -> Result<S>,
    build: impl FnOnce(&S, Pool) -> Option<T>,
) -> c_int {
    // SAFETY: by contract.
    let Some(params) = (unsafe { given(params, what) }) else {
        return 0;
    };
    if mem.is_null() || status.is_null() {
        log_error!("Internal error: Forbidden NULL parameter for the {what} status.");
        return 0;
    }
    match parse(params) {
        // SAFETY: by contract.
        Ok(parsed) => unsafe { publish(mem, status, |pool| build(&parsed, pool)) },
        Err(_) => 0,
    }
}

fn legs(legs: &[LegHealth]) -> Vec<dm_dev_leg_health_s> {
    let leg = |leg: &LegHealth| dm_dev_leg_health_s {
        health: c_uint::from(leg.health as u8),
        major: leg.major,
        minor: leg.minor,
    };
    legs.iter().map(leg).collect()
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

c_api! {
    /// Status of snapshot and snapshot-merge.
    fn dm_get_status_snapshot(mem: *mut dm_pool, params: *const c_char, status: *mut *mut dm_status_snapshot) -> c_int {
        // SAFETY: the caller passes a pool, a string and a place for the result.
        unsafe { get(mem, params, status, "snapshot", parse_snapshot, |s, _| Some(dm_status_snapshot {
            used_sectors: s.used_sectors,
            total_sectors: s.total_sectors,
            metadata_sectors: s.metadata_sectors.unwrap_or(0),
            bits: bits([s.metadata_sectors.is_some(), s.invalid, s.merge_failed, s.overflow]),
        })) }
    }

    /// Status of raid.
    fn dm_get_status_raid(mem: *mut dm_pool, params: *const c_char, status: *mut *mut dm_status_raid) -> c_int {
        required!(dm_get_status_raid: mem, status => 0);
        // SAFETY: the caller passes a pool, a string and a place for the result.
        unsafe {
            *status = ptr::null_mut();
            get(mem, params, status, "raid", parse_raid, |s, pool| Some(dm_status_raid {
                reserved: 0,
                total_regions: s.total_regions,
                insync_regions: s.insync_regions,
                mismatch_count: s.mismatch_count,
                dev_count: s.dev_count(),
                raid_type: pool.text(&s.raid_type)?,
                dev_health: pool.text(&s.dev_health)?,
                sync_action: match &s.sync_action {
                    Some(action) => pool.text(action)?,
                    None => ptr::null_mut(),
                },
                data_offset: s.data_offset,
            }))
        }
    }

    /// Status of cache.
    fn dm_get_status_cache(mem: *mut dm_pool, params: *const c_char, status: *mut *mut dm_status_cache) -> c_int {
        required!(dm_get_status_cache: mem, status => 0);
        // SAFETY: the caller passes a pool, a string and a place for the result.
        unsafe {
            *status = ptr::null_mut();
            get(mem, params, status, "cache", parse_cache, |s, pool| {
                let c = &s.counters;
                Some(dm_status_cache {
                    version: 0,
                    metadata_block_size: c.metadata_block_size,
                    block_size: c.block_size,
                    metadata_used_blocks: c.metadata_used_blocks,
                    metadata_total_blocks: c.metadata_total_blocks,
                    used_blocks: c.used_blocks,
                    dirty_blocks: c.dirty_blocks,
                    total_blocks: c.total_blocks,
                    read_hits: c.read_hits,
                    read_misses: c.read_misses,
                    write_hits: c.write_hits,
                    write_misses: c.write_misses,
                    demotions: c.demotions,
                    promotions: c.promotions,
                    feature_flags: s.feature_flags,
                    core_argc: c_int::try_from(s.core_args.len()).ok()?,
                    core_argv: pool.texts(&s.core_args)?,
                    policy_name: if s.fail { ptr::null_mut() } else { pool.text(&s.policy_name)? },
                    policy_argc: c_int::try_from(s.policy_args.len()).ok()?,
                    policy_argv: pool.texts(&s.policy_args)?,
                    bits: bits([s.error, s.fail, s.needs_check, s.read_only]),
                })
            })
        }
    }

    /// Status of thin-pool.
    fn dm_get_status_thin_pool(mem: *mut dm_pool, params: *const c_char, status: *mut *mut dm_status_thin_pool) -> c_int {
        // SAFETY: the caller passes a pool, a string and a place for the result.
        unsafe { get(mem, params, status, "thin", parse_thin_pool, |s, _| Some(dm_status_thin_pool {
            transaction_id: s.transaction_id,
            used_metadata_blocks: s.used_metadata_blocks,
            total_metadata_blocks: s.total_metadata_blocks,
            used_data_blocks: s.used_data_blocks,
            total_data_blocks: s.total_data_blocks,
            held_metadata_root: 0,
            read_only: s.read_only.into(),
            discards: match s.discards {
                Discards::Ignore => 0,
                Discards::NoPassdown => 1,
                Discards::Passdown => 2,
            },
            bits: bits([s.fail, s.error_if_no_space, s.out_of_data_space, s.needs_check, s.error]),
        })) }
    }

    /// Status of thin.
    fn dm_get_status_thin(mem: *mut dm_pool, params: *const c_char, status: *mut *mut dm_status_thin) -> c_int {
        // SAFETY: the caller passes a pool, a string and a place for the result.
        unsafe { get(mem, params, status, "thin", parse_thin, |s, _| Some(dm_status_thin {
            mapped_sectors: s.mapped_sectors,
            highest_mapped_sector: s.highest_mapped_sector,
            bits: bits([s.fail]),
        })) }
    }

    /// Status of writecache.
    fn dm_get_status_writecache(mem: *mut dm_pool, params: *const c_char, status: *mut *mut dm_status_writecache) -> c_int {
        // SAFETY: the caller passes a pool, a string and a place for the result.
        unsafe { get(mem, params, status, "writecache", parse_writecache, |s, _| Some(dm_status_writecache {
            error: s.error,
            total_blocks: s.total_blocks,
            free_blocks: s.free_blocks,
            writeback_blocks: s.writeback_blocks,
        })) }
    }

    /// Status of integrity.
    fn dm_get_status_integrity(mem: *mut dm_pool, params: *const c_char, status: *mut *mut dm_status_integrity) -> c_int {
        // SAFETY: the caller passes a pool, a string and a place for the result.
        unsafe { get(mem, params, status, "integrity", parse_integrity, |s, _| Some(dm_status_integrity {
            number_of_mismatches: s.number_of_mismatches,
            provided_data_sectors: s.provided_data_sectors,
            recalc_sector: s.recalc_sector,
        })) }
    }

    /// Status of mirror.
    fn dm_get_status_mirror(mem: *mut dm_pool, params: *const c_char, status: *mut *mut dm_status_mirror) -> c_int {
        required!(dm_get_status_mirror: mem, status => 0);
        // SAFETY: the caller passes a pool, a string and a place for the result.
        unsafe {
            *status = ptr::null_mut();
            get(mem, params, status, "mirror", parse_mirror, |s, pool| Some(dm_status_mirror {
                total_regions: s.total_regions,
                insync_regions: s.insync_regions,
                dev_count: count(&s.devs),
                devs: pool.slice(&legs(&s.devs))?,
                log_type: pool.text(&s.log_type)?,
                log_count: count(&s.logs),
                logs: pool.slice(&legs(&s.logs))?,
            }))
        }
    }

    /// Counts the devices that a raid superblock says have failed.
    fn dm_raid_count_failed_devices(dev_path: *const c_char, nr_failed: *mut u32) -> c_int {
        // SAFETY: the caller passes a string and a place for the result.
        unsafe { failed_devices(dev_path, nr_failed, count_failed_devices) }
    }

    /// Clears the marks of failed devices in a raid superblock.
    fn dm_raid_clear_failed_devices(dev_path: *const c_char, nr_failed: *mut u32) -> c_int {
        // SAFETY: the caller passes a string and a place for the result.
        unsafe { failed_devices(dev_path, nr_failed, clear_failed_devices) }
    }
}

/// # Safety
/// `path` is NULL or a C string; `number` is NULL or may be written.
unsafe fn failed_devices(path: *const c_char, number: *mut u32, ask: fn(&[u8]) -> Result<u32>) -> c_int {
    // SAFETY: by contract.
    unsafe {
        let Some(path) = bytes(path) else { return 0 };
        let Ok(failed) = ask(path) else { return 0 };
        if let Some(number) = number.as_mut() {
            *number = failed;
        }
    }
    1
}

/// A text in an array of C characters, cut so that a NUL fits.
fn array<const N: usize>(text: &[u8]) -> [c_char; N] {
    let mut array = [0; N];
    for (to, from) in array[..N - 1].iter_mut().zip(text) {
        *to = from.cast_signed();
    }
    array
}
