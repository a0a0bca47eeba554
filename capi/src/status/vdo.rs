//! `dm_vdo_*`.

use std::ffi::{c_char, c_int, c_uint};
use std::mem::offset_of;
use std::ptr;

use libdevmapper::status::vdo::{
    CompressionState, IndexState, MAX_FIELDS, OperatingMode, Stats, TargetParams, logical_size, parse_stats,
    parse_status, validate,
};

use super::array;
use crate::entry::{bytes, malloc_string, one_zero};
use crate::pool::{self, dm_pool};

/// State of a VDO volume.
#[repr(C)]
#[derive(Debug)]
pub struct dm_vdo_status {
    /// Device below.
    pub device: *mut c_char,
    /// dm_vdo_operating_mode
    pub operating_mode: c_uint,
    /// 1 while recovering.
    pub recovering: c_int,
    /// dm_vdo_index_state
    pub index_state: c_uint,
    /// dm_vdo_compression_state
    pub compression_state: c_uint,
    /// Blocks.
    pub used_blocks: u64,
    /// Blocks.
    pub total_blocks: u64,
}

/// Result of [`dm_vdo_status_parse`].
#[repr(C)]
#[derive(Debug)]
pub struct dm_vdo_status_parse_result {
    /// Why it failed.
    pub error: [c_char; 256],
    /// The state.
    pub status: *mut dm_vdo_status,
}

/// Parameters of the target; sizes without a unit in sectors.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "see `libdevmapper::status::vdo::TargetParams`")]
pub struct dm_vdo_target_params {
    pub minimum_io_size: u32,
    pub block_map_cache_size_mb: u32,
    /// Also called block_map_period.
    pub block_map_era_length: u32,
    pub index_memory_size_mb: u32,
    pub slab_size_mb: u32,
    pub max_discard: u32,
    pub ack_threads: u32,
    pub bio_threads: u32,
    pub bio_rotation: u32,
    pub cpu_threads: u32,
    pub hash_zone_threads: u32,
    pub logical_threads: u32,
    pub physical_threads: u32,
    pub use_compression: c_int,
    pub use_deduplication: c_int,
    pub use_metadata_hints: c_int,
    pub use_sparse_index: c_int,
    pub write_policy: c_uint,
}

/// Statistics.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "see `libdevmapper::status::vdo::Stats`")]
pub struct dm_vdo_stats {
    pub physical_blocks: u64,
    pub logical_blocks: u64,
    pub bytes_per_physical_block: u64,
    pub bytes_per_logical_block: u64,
    pub data_blocks_used: u64,
    pub overhead_blocks_used: u64,
    pub logical_blocks_used: u64,
    pub bios_in: u64,
    pub bios_out: u64,
    pub bios_meta: u64,
    pub operating_mode: c_uint,
}

/// One statistic.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dm_vdo_stats_field {
    /// Its name.
    pub label: [c_char; 80],
    /// Its value.
    pub value: [c_char; 80],
}

/// All statistics; `field_count` fields follow.
#[repr(C)]
#[derive(Debug)]
pub struct dm_vdo_stats_full {
    /// The best known numbers.
    pub stats: *mut dm_vdo_stats,
    /// Fields.
    pub field_count: u32,
    /// The fields.
    pub fields: [dm_vdo_stats_field; 0],
}

const FIELDS_AT: usize = offset_of!(dm_vdo_stats_full, fields);

const _: () = {
    assert!(size_of::<dm_vdo_status>() == 40 && offset_of!(dm_vdo_status, operating_mode) == 8);
    assert!(offset_of!(dm_vdo_status, index_state) == 16 && offset_of!(dm_vdo_status, used_blocks) == 24);
    assert!(size_of::<dm_vdo_status_parse_result>() == 264 && offset_of!(dm_vdo_status_parse_result, status) == 256);
    assert!(size_of::<dm_vdo_target_params>() == 72 && offset_of!(dm_vdo_target_params, ack_threads) == 24);
    assert!(offset_of!(dm_vdo_target_params, use_compression) == 52);
    assert!(offset_of!(dm_vdo_target_params, write_policy) == 68);
    assert!(size_of::<dm_vdo_stats>() == 88 && offset_of!(dm_vdo_stats, operating_mode) == 80);
    assert!(size_of::<dm_vdo_stats_field>() == 160 && size_of::<dm_vdo_stats_full>() == 16 && FIELDS_AT == 12);
};

impl From<&dm_vdo_target_params> for TargetParams {
    fn from(p: &dm_vdo_target_params) -> Self {
        Self {
            minimum_io_size: p.minimum_io_size,
            block_map_cache_size_mb: p.block_map_cache_size_mb,
            block_map_era_length: p.block_map_era_length,
            index_memory_size_mb: p.index_memory_size_mb,
            slab_size_mb: p.slab_size_mb,
            max_discard: p.max_discard,
            ack_threads: p.ack_threads,
            bio_threads: p.bio_threads,
            bio_rotation: p.bio_rotation,
            cpu_threads: p.cpu_threads,
            hash_zone_threads: p.hash_zone_threads,
            logical_threads: p.logical_threads,
            physical_threads: p.physical_threads,
            use_compression: p.use_compression != 0,
            use_deduplication: p.use_deduplication != 0,
            use_metadata_hints: p.use_metadata_hints != 0,
            use_sparse_index: p.use_sparse_index != 0,
            write_policy: p.write_policy,
        }
    }
}

fn mode(mode: OperatingMode) -> c_uint {
    match mode {
        OperatingMode::Recovering => 0,
        OperatingMode::ReadOnly => 1,
        OperatingMode::Normal => 2,
    }
}

fn index(state: IndexState) -> c_uint {
    match state {
        IndexState::Error => 0,
        IndexState::Closed => 1,
        IndexState::Opening => 2,
        IndexState::Closing => 3,
        IndexState::Offline => 4,
        IndexState::Online => 5,
        IndexState::Unknown => 6,
    }
}

impl From<Stats> for dm_vdo_stats {
    fn from(s: Stats) -> Self {
        Self {
            physical_blocks: s.physical_blocks,
            logical_blocks: s.logical_blocks,
            bytes_per_physical_block: s.bytes_per_physical_block,
            bytes_per_logical_block: s.bytes_per_logical_block,
            data_blocks_used: s.data_blocks_used,
            overhead_blocks_used: s.overhead_blocks_used,
            logical_blocks_used: s.logical_blocks_used,
            bios_in: s.bios_in,
            bios_out: s.bios_out,
            bios_meta: s.bios_meta,
            operating_mode: mode(s.operating_mode),
        }
    }
}

/// Parses a status line and puts it in memory of the pool, or of malloc without a pool.
///
/// # Safety
/// `mem` is NULL or a living pool, `input` NULL or a C string, `result` a place for the result.
unsafe fn parse(
    mem: *mut dm_pool,
    input: *const c_char,
    result: *mut dm_vdo_status_parse_result,
) -> Result<(), String> {
    // SAFETY: by contract.
    let line = unsafe { bytes(input) }.ok_or("no input")?;
    let status = parse_status(line)?;
    // SAFETY: by contract; memory from malloc is a new object, which is freed only if the other cannot be had.
    unsafe {
        let object = if mem.is_null() {
            libc::malloc(size_of::<dm_vdo_status>()).cast::<dm_vdo_status>()
        } else {
            pool::alloc_for::<dm_vdo_status>(mem)
        };
        if object.is_null() {
            return Err("out of memory".into());
        }
        let device = if mem.is_null() {
            malloc_string(&status.device)
        } else {
            pool::strdup_bytes(mem, &status.device)
        };
        if device.is_null() {
            if mem.is_null() {
                libc::free(object.cast());
            } else {
                pool::free(mem, object.cast());
            }
            return Err("out of memory".into());
        }
        object.write(dm_vdo_status {
            device,
            operating_mode: mode(status.operating_mode),
            recovering: status.recovering.into(),
            index_state: index(status.index_state),
            compression_state: match status.compression_state {
                CompressionState::Online => 0,
                CompressionState::Offline => 1,
            },
            used_blocks: status.used_blocks,
            total_blocks: status.total_blocks,
        });
        (*result).status = object;
    }
    Ok(())
}

c_api! {
    /// Parses the status line of a vdo target.
    fn dm_vdo_status_parse(mem: *mut dm_pool, input: *const c_char, result: *mut dm_vdo_status_parse_result) -> c_int {
        required!(dm_vdo_status_parse: result => 0);
        // SAFETY: the caller passes a pool or NULL, a string and a place for the result.
        let parsed = unsafe { parse(mem, input, result) };
        if let Err(why) = &parsed {
            // SAFETY: as above.
            unsafe { (*result).error = array(why.as_bytes()) };
        }
        one_zero(parsed)
    }

    /// Parses the statistics of a vdo target. One block of memory, from the pool or, without one, from malloc.
    fn dm_vdo_stats_parse(mem: *mut dm_pool, stats_str: *const c_char, flags: c_uint) -> *mut dm_vdo_stats_full {
        // SAFETY: the caller passes a string or NULL.
        let Some(text) = (unsafe { bytes(stats_str) }) else { return ptr::null_mut() };
        let (stats, fields) = parse_stats(text, if flags & 1 != 0 { MAX_FIELDS } else { 0 });
        let stats_at = (FIELDS_AT + fields.len() * size_of::<dm_vdo_stats_field>()).next_multiple_of(align_of::<dm_vdo_stats>());
        let size = stats_at + size_of::<dm_vdo_stats>();
        // SAFETY: the caller passes a living pool or NULL.
        let block = unsafe { if mem.is_null() { libc::malloc(size) } else { pool::alloc(mem, size) } }.cast::<u8>();
        if block.is_null() {
            return ptr::null_mut();
        }
        let full = block.cast::<dm_vdo_stats_full>();
        // SAFETY: the block has `size` bytes and is aligned for 8: header, fields (of bytes) at FIELDS_AT, and the
        // numbers behind them at a multiple of their alignment, all inside.
        unsafe {
            let numbers = block.add(stats_at).cast::<dm_vdo_stats>();
            numbers.write(stats.into());
            (&raw mut (*full).stats).write(numbers);
            (&raw mut (*full).field_count).write(super::count(&fields));
            let first = block.add(FIELDS_AT).cast::<dm_vdo_stats_field>();
            for (n, field) in fields.iter().enumerate() {
                let field = dm_vdo_stats_field { label: array(&field.label), value: array(&field.value) };
                first.add(n).write(field);
            }
        }
        full
    }

    /// Checks the parameters of a vdo target.
    fn dm_vdo_validate_target_params(vtp: *const dm_vdo_target_params, vdo_size: u64) -> c_int {
        // SAFETY: the caller passes parameters.
        match unsafe { vtp.as_ref() } {
            Some(params) => one_zero(validate(&params.into(), vdo_size)),
            None => 0,
        }
    }

    /// Reads how many blocks a VDO volume was formatted with.
    fn dm_vdo_parse_logical_size(vdo_path: *const c_char, logical_blocks: *mut u64) -> c_int {
        // SAFETY: the caller passes a string and a place for the result.
        unsafe {
            let (Some(path), Some(blocks)) = (bytes(vdo_path), logical_blocks.as_mut()) else { return 0 };
            *blocks = 0;
            match logical_size(path) {
                Ok(size) => {
                    *blocks = size;
                    1
                }
                Err(_) => 0,
            }
        }
    }
}
