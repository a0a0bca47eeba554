//! Segments of trees: `dm_tree_node_add_*_target` and what goes with them.

use std::ffi::{c_char, c_int, c_uint};
use std::mem::offset_of;

use bstr::{BStr, BString};
use libdevmapper::error::{Error, Result};
use libdevmapper::log_error;
use libdevmapper::tree::segment::{
    Cache, CacheFeatures, Crypt, Integrity, IntegritySettings, MirrorFlags, MirrorLog, Raid, RaidFlags, RaidType,
    Snapshot, ThinPool, Vdo, Writecache, WritecacheSettings,
};
use libdevmapper::tree::{NodeId, ThinMessage, Tree};

use super::{dm_tree_node, text, with};
use crate::config::dm_config_node;
use crate::entry::bytes;
use crate::status::dm_vdo_target_params;

/// Integers of a configuration file.
const DM_CFG_INT: c_uint = 0;
/// Modes that the first version of `dm_tree_node_add_cache_target` knew.
const FEATURES_BASE: u64 = 7;

/// Parameters of a raid segment.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "see `libdevmapper::tree::segment::Raid`")]
pub struct dm_tree_node_raid_params {
    pub raid_type: *const c_char,
    pub stripes: u32,
    pub mirrors: u32,
    pub region_size: u32,
    pub stripe_size: u32,
    pub rebuilds: u64,
    pub writemostly: u64,
    pub writebehind: u32,
    pub sync_daemon_sleep: u32,
    pub max_recovery_rate: u32,
    pub min_recovery_rate: u32,
    pub stripe_cache: u32,
    pub flags: u64,
    pub reserved2: u32,
}

/// Parameters of a raid segment of up to 253 legs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "see `libdevmapper::tree::segment::Raid`")]
pub struct dm_tree_node_raid_params_v2 {
    pub raid_type: *const c_char,
    pub stripes: u32,
    pub mirrors: u32,
    pub region_size: u32,
    pub stripe_size: u32,
    pub delta_disks: c_int,
    pub data_offset: c_int,
    pub rebuilds: [u64; 4],
    pub writemostly: [u64; 4],
    pub writebehind: u32,
    pub data_copies: u32,
    pub sync_daemon_sleep: u32,
    pub max_recovery_rate: u32,
    pub min_recovery_rate: u32,
    pub stripe_cache: u32,
    pub flags: u64,
}

/// Settings of a write cache.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "see `libdevmapper::tree::segment::WritecacheSettings`")]
pub struct dm_writecache_settings {
    pub new_key: *mut c_char,
    pub new_val: *mut c_char,
    /// high_watermark, low_watermark, writeback_jobs, autocommit_blocks, autocommit_time, fua, nofua, cleaner, max_age,
    /// metadata_only, pause_writeback, from bit 0.
    pub set: c_uint,
    pub high_watermark: u64,
    pub low_watermark: u64,
    pub writeback_jobs: u64,
    pub autocommit_blocks: u64,
    pub autocommit_time: u64,
    pub fua: u32,
    pub nofua: u32,
    pub cleaner: u32,
    pub max_age: u32,
    pub metadata_only: u32,
    pub pause_writeback: u32,
}

/// Settings of an integrity device.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "see `libdevmapper::tree::segment::IntegritySettings`")]
pub struct dm_integrity_settings {
    pub mode: [c_char; 8],
    pub tag_size: u32,
    pub block_size: u32,
    pub internal_hash: *const c_char,
    pub journal_sectors: u32,
    pub interleave_sectors: u32,
    pub buffer_sectors: u32,
    pub journal_watermark: u32,
    pub commit_time: u32,
    pub bitmap_flush_interval: u32,
    pub sectors_per_bit: u64,
    pub allow_discards: u32,
    /// journal_sectors, interleave_sectors, buffer_sectors, journal_watermark, commit_time, bitmap_flush_interval,
    /// sectors_per_bit, allow_discards, from bit 0.
    pub set: c_uint,
}

const _: () = {
    type V1 = dm_tree_node_raid_params;
    assert!(size_of::<V1>() == 80 && offset_of!(V1, rebuilds) == 24 && offset_of!(V1, writebehind) == 40);
    assert!(offset_of!(V1, max_recovery_rate) == 48 && offset_of!(V1, flags) == 64);
    type V2 = dm_tree_node_raid_params_v2;
    assert!(size_of::<V2>() == 128 && offset_of!(V2, delta_disks) == 24 && offset_of!(V2, rebuilds) == 32);
    assert!(offset_of!(V2, writemostly) == 64 && offset_of!(V2, writebehind) == 96);
    assert!(offset_of!(V2, max_recovery_rate) == 108 && offset_of!(V2, flags) == 120);
    type W = dm_writecache_settings;
    assert!(size_of::<W>() == 88 && offset_of!(W, set) == 16 && offset_of!(W, high_watermark) == 24);
    assert!(offset_of!(W, fua) == 64 && offset_of!(W, pause_writeback) == 84);
    type I = dm_integrity_settings;
    assert!(size_of::<I>() == 64 && offset_of!(I, internal_hash) == 16 && offset_of!(I, journal_sectors) == 24);
    assert!(offset_of!(I, sectors_per_bit) == 48 && offset_of!(I, allow_discards) == 56 && offset_of!(I, set) == 60);
};

/// A value whose bit is set.
fn if_set<T>(bits: c_uint, bit: u32, value: T) -> Option<T> {
    (bits >> bit & 1 != 0).then_some(value)
}

impl dm_writecache_settings {
    /// # Safety
    /// The strings are NULL or C strings.
    unsafe fn settings(&self) -> WritecacheSettings {
        // SAFETY: by contract.
        let (key, value) = unsafe { (bytes(self.new_key), bytes(self.new_val)) };
        WritecacheSettings {
            high_watermark: if_set(self.set, 0, self.high_watermark),
            low_watermark: if_set(self.set, 1, self.low_watermark),
            writeback_jobs: if_set(self.set, 2, self.writeback_jobs),
            autocommit_blocks: if_set(self.set, 3, self.autocommit_blocks),
            autocommit_time: if_set(self.set, 4, self.autocommit_time),
            fua: self.set >> 5 & 1 != 0,
            nofua: self.set >> 6 & 1 != 0,
            cleaner: if_set(self.set, 7, self.cleaner).is_some_and(|on| on != 0),
            max_age: if_set(self.set, 8, self.max_age),
            metadata_only: self.set >> 9 & 1 != 0,
            pause_writeback: if_set(self.set, 10, self.pause_writeback),
            other: key.zip(value).map(|(key, value)| (key.into(), value.into())),
        }
    }
}

impl dm_integrity_settings {
    /// # Safety
    /// The string is NULL or a C string.
    unsafe fn settings(&self) -> Result<IntegritySettings> {
        let mode: Vec<u8> = self
            .mode
            .iter()
            .map(|c| c.cast_unsigned())
            .take_while(|c| *c != 0)
            .collect();
        Ok(IntegritySettings {
            mode: mode.into(),
            tag_size: self.tag_size,
            block_size: self.block_size,
            // SAFETY: by contract.
            internal_hash: unsafe { text(self.internal_hash, "internal hash") }?.into(),
            journal_sectors: if_set(self.set, 0, self.journal_sectors),
            interleave_sectors: if_set(self.set, 1, self.interleave_sectors),
            buffer_sectors: if_set(self.set, 2, self.buffer_sectors),
            journal_watermark: if_set(self.set, 3, self.journal_watermark),
            commit_time: if_set(self.set, 4, self.commit_time),
            bitmap_flush_interval: if_set(self.set, 5, self.bitmap_flush_interval),
            sectors_per_bit: if_set(self.set, 6, self.sectors_per_bit),
            allow_discards: if_set(self.set, 7, self.allow_discards).is_some_and(|on| on != 0),
        })
    }
}

/// The children of a section as settings of a cache policy.
///
/// # Safety
/// `section` is NULL or a configuration node.
unsafe fn policy_settings(section: *const dm_config_node) -> Result<Vec<(BString, u64)>> {
    let mut settings = Vec::new();
    // SAFETY: by contract the links lead to nodes and values or nowhere.
    unsafe {
        let mut next = section
            .as_ref()
            .map_or(std::ptr::null(), |section| section.child.cast_const());
        while let Some(node) = next.as_ref() {
            let key = BStr::new(bytes(node.key).unwrap_or_default());
            match node.v.as_ref() {
                // The kernel's line has unsigned numbers, and the bits of a negative one are what the C library prints.
                Some(value) if value.r#type == DM_CFG_INT => settings.push((key.into(), value.v.i.cast_unsigned())),
                _ => {
                    log_error!("Cache policy parameter {key} is without integer value.");
                    return Err(Error::Invalid("cache policy parameter without integer value".into()));
                }
            }
            next = node.sib;
        }
    }
    Ok(settings)
}

/// What the two functions for caches have in common.
struct CacheArguments {
    size: u64,
    features: u64,
    metadata_uuid: *const c_char,
    data_uuid: *const c_char,
    origin_uuid: *const c_char,
    policy_name: *const c_char,
    policy_settings: *const dm_config_node,
    data_block_size: u32,
}

/// # Safety
/// `node` is a node, the uuids are C strings, the policy's name and settings NULL or as libdevmapper.h says.
unsafe fn add_cache(
    node: *mut dm_tree_node,
    a: &CacheArguments,
    add: impl FnOnce(&Tree, NodeId, Cache<'_>) -> Result<()>,
) -> c_int {
    // SAFETY: by contract.
    unsafe {
        with(node, |tree, id| {
            let settings = policy_settings(a.policy_settings)?;
            let cache = Cache {
                features: CacheFeatures::from_bits(a.features),
                metadata_uuid: BStr::new(bytes(a.metadata_uuid).unwrap_or_default()),
                data_uuid: BStr::new(bytes(a.data_uuid).unwrap_or_default()),
                origin_uuid: text(a.origin_uuid, "origin uuid")?,
                policy_name: bytes(a.policy_name).map(BStr::new),
                policy_settings: &settings,
                data_block_size: a.data_block_size,
            };
            add(tree, id, cache)
        })
    }
}

/// # Safety
/// `node` is a node, `raid_type` NULL or a C string.
unsafe fn add_raid(
    node: *mut dm_tree_node,
    size: u64,
    raid_type: *const c_char,
    fill: impl FnOnce(&mut Raid),
) -> c_int {
    // SAFETY: by contract.
    unsafe {
        with(node, |tree, id| {
            let mut raid = Raid::new(RaidType::from_name(text(raid_type, "raid type")?)?);
            fill(&mut raid);
            tree.add_raid_target(id, size, raid)
        })
    }
}

/// # Safety
/// `node` is a node, the uuids are NULL or C strings.
#[expect(clippy::too_many_arguments, reason = "the C function's")]
unsafe fn add_thin_pool(
    node: *mut dm_tree_node,
    size: u64,
    transaction_id: u64,
    metadata_uuid: *const c_char,
    pool_uuid: *const c_char,
    data_block_size: u32,
    low_water_mark: u64,
    skip_block_zeroing: bool,
    crop_metadata: bool,
) -> c_int {
    // SAFETY: by contract.
    unsafe {
        with(node, |tree, id| {
            let pool = ThinPool {
                transaction_id,
                metadata_uuid: text(metadata_uuid, "metadata uuid")?,
                data_uuid: text(pool_uuid, "pool uuid")?,
                data_block_size,
                low_water_mark,
                skip_block_zeroing,
                crop_metadata,
            };
            tree.add_thin_pool_target(id, size, pool)
        })
    }
}

/// A message to a thin pool. Ids have 32 bits.
fn thin_message(kind: c_uint, id1: u64, id2: u64) -> Result<ThinMessage> {
    let id = |id: u64| id as u32;
    Ok(match kind {
        0 => ThinMessage::CreateSnap {
            id: id(id1),
            origin: id(id2),
        },
        1 => ThinMessage::CreateThin { id: id(id1) },
        2 => ThinMessage::Delete { id: id(id1) },
        3 => ThinMessage::SetTransactionId { current: id1, new: id2 },
        _ => {
            log_error!("Unsupported message type {kind}.");
            return Err(Error::Invalid(format!("unsupported message type {kind}")));
        }
    })
}

c_api! {
    /// Adds a snapshot-origin segment.
    fn dm_tree_node_add_snapshot_origin_target(dnode: *mut dm_tree_node, size: u64, origin_uuid: *const c_char) -> c_int {
        // SAFETY: the caller passes a node and a string.
        unsafe { with(dnode, |tree, id| tree.add_snapshot_origin_target(id, size, text(origin_uuid, "origin uuid")?)) }
    }

    /// Adds a snapshot segment.
    fn dm_tree_node_add_snapshot_target(
        node: *mut dm_tree_node, size: u64, origin_uuid: *const c_char, cow_uuid: *const c_char, persistent: c_int,
        chunk_size: u32,
    ) -> c_int {
        let snapshot = Snapshot { persistent: persistent != 0, chunk_size };
        // SAFETY: the caller passes a node and strings.
        unsafe {
            with(node, |tree, id| {
                tree.add_snapshot_target(id, size, text(origin_uuid, "origin uuid")?, text(cow_uuid, "COW uuid")?, snapshot)
            })
        }
    }

    /// Adds a snapshot-merge segment; without a merging device a snapshot segment.
    fn dm_tree_node_add_snapshot_merge_target(
        node: *mut dm_tree_node, size: u64, origin_uuid: *const c_char, cow_uuid: *const c_char,
        merge_uuid: *const c_char, chunk_size: u32,
    ) -> c_int {
        // SAFETY: the caller passes a node and strings.
        unsafe {
            with(node, |tree, id| {
                let (origin, cow) = (text(origin_uuid, "origin uuid")?, text(cow_uuid, "COW uuid")?);
                match bytes(merge_uuid) {
                    Some(merge) => tree.add_snapshot_merge_target(id, size, origin, cow, BStr::new(merge), chunk_size),
                    None => tree.add_snapshot_target(id, size, origin, cow, Snapshot { persistent: true, chunk_size }),
                }
            })
        }
    }

    /// Adds an error segment.
    fn dm_tree_node_add_error_target(node: *mut dm_tree_node, size: u64) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, id| tree.add_error_target(id, size)) }
    }

    /// Adds a zero segment.
    fn dm_tree_node_add_zero_target(node: *mut dm_tree_node, size: u64) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, id| tree.add_zero_target(id, size)) }
    }

    /// Adds a linear segment.
    fn dm_tree_node_add_linear_target(node: *mut dm_tree_node, size: u64) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, id| tree.add_linear_target(id, size)) }
    }

    /// Adds a striped segment.
    fn dm_tree_node_add_striped_target(node: *mut dm_tree_node, size: u64, stripe_size: u32) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, id| tree.add_striped_target(id, size, stripe_size)) }
    }

    /// Adds a crypt segment.
    fn dm_tree_node_add_crypt_target(
        node: *mut dm_tree_node, size: u64, cipher: *const c_char, chainmode: *const c_char, iv: *const c_char,
        iv_offset: u64, key: *const c_char,
    ) -> c_int {
        // SAFETY: the caller passes a node and strings.
        unsafe {
            with(node, |tree, id| {
                let crypt = Crypt {
                    cipher: text(cipher, "cipher")?.into(),
                    chainmode: bytes(chainmode).map(BString::from),
                    iv: bytes(iv).map(BString::from),
                    iv_offset,
                    key: text(key, "key")?.into(),
                };
                tree.add_crypt_target(id, size, crypt)
            })
        }
    }

    /// Adds a mirror segment.
    fn dm_tree_node_add_mirror_target(node: *mut dm_tree_node, size: u64) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, id| tree.add_mirror_target(id, size)) }
    }

    /// Gives a mirror segment its log.
    fn dm_tree_node_add_mirror_target_log(
        node: *mut dm_tree_node, region_size: u32, clustered: c_uint, log_uuid: *const c_char, area_count: c_uint,
        flags: u32,
    ) -> c_int {
        // SAFETY: the caller passes a node, and a string or NULL.
        unsafe {
            with(node, |tree, id| {
                tree.add_mirror_target_log(id, MirrorLog {
                    region_size,
                    clustered: clustered != 0,
                    uuid: bytes(log_uuid).map(BStr::new),
                    area_count,
                    flags: MirrorFlags::from_bits(flags),
                })
            })
        }
    }

    /// Adds a raid segment.
    fn dm_tree_node_add_raid_target(
        node: *mut dm_tree_node, size: u64, raid_type: *const c_char, region_size: u32, stripe_size: u32, rebuilds: u64,
        flags: u64,
    ) -> c_int {
        // SAFETY: the caller passes a node and a string.
        unsafe {
            add_raid(node, size, raid_type, |raid| {
                raid.region_size = region_size;
                raid.stripe_size = stripe_size;
                raid.rebuilds[0] = rebuilds;
                raid.flags = RaidFlags::from_bits(flags);
            })
        }
    }

    /// Adds a raid segment.
    fn dm_tree_node_add_raid_target_with_params(
        node: *mut dm_tree_node, size: u64, p: *const dm_tree_node_raid_params,
    ) -> c_int {
        // SAFETY: the caller passes a node and parameters.
        unsafe {
            let Some(p) = p.as_ref() else { return 0 };
            add_raid(node, size, p.raid_type, |raid| {
                raid.region_size = p.region_size;
                raid.stripe_size = p.stripe_size;
                raid.rebuilds[0] = p.rebuilds;
                raid.write_mostly[0] = p.writemostly;
                raid.write_behind = p.writebehind;
                raid.max_recovery_rate = p.max_recovery_rate;
                raid.min_recovery_rate = p.min_recovery_rate;
                raid.flags = RaidFlags::from_bits(p.flags);
            })
        }
    }

    /// Adds a raid segment.
    fn dm_tree_node_add_raid_target_with_params_v2(
        node: *mut dm_tree_node, size: u64, p: *const dm_tree_node_raid_params_v2,
    ) -> c_int {
        // SAFETY: the caller passes a node and parameters.
        unsafe {
            let Some(p) = p.as_ref() else { return 0 };
            add_raid(node, size, p.raid_type, |raid| {
                raid.region_size = p.region_size;
                raid.stripe_size = p.stripe_size;
                raid.delta_disks = p.delta_disks;
                raid.data_offset = p.data_offset;
                raid.rebuilds = p.rebuilds;
                raid.write_mostly = p.writemostly;
                raid.write_behind = p.writebehind;
                raid.data_copies = p.data_copies;
                raid.max_recovery_rate = p.max_recovery_rate;
                raid.min_recovery_rate = p.min_recovery_rate;
                raid.flags = RaidFlags::from_bits(p.flags);
            })
        }
    }

    /// Adds a cache segment.
    fn dm_tree_node_add_cache_target(
        node: *mut dm_tree_node, size: u64, feature_flags: u64, metadata_uuid: *const c_char, data_uuid: *const c_char,
        origin_uuid: *const c_char, policy_name: *const c_char, policy_settings: *const dm_config_node,
        data_block_size: u32,
    ) -> c_int {
        let a = CacheArguments {
            size, features: feature_flags, metadata_uuid, data_uuid, origin_uuid, policy_name, policy_settings,
            data_block_size,
        };
        // SAFETY: the caller passes a node, strings and settings.
        unsafe { add_cache(node, &a, |tree, id, cache| tree.add_cache_target(id, a.size, cache)) }
    }

    /// Adds a cache segment; what is no mode among the features is ignored.
    fn dm_tree_node_add_cache_target__Base(
        node: *mut dm_tree_node, size: u64, feature_flags: u64, metadata_uuid: *const c_char, data_uuid: *const c_char,
        origin_uuid: *const c_char, policy_name: *const c_char, policy_settings: *const dm_config_node,
        data_block_size: u32,
    ) -> c_int {
        let a = CacheArguments {
            size, features: feature_flags & FEATURES_BASE, metadata_uuid, data_uuid, origin_uuid, policy_name,
            policy_settings, data_block_size,
        };
        // SAFETY: the caller passes a node, strings and settings.
        unsafe { add_cache(node, &a, |tree, id, cache| tree.add_cache_target(id, a.size, cache)) }
    }

    /// Adds a cache segment on one fast volume. Where its parts lie on the volume is the caller's business.
    fn dm_tree_node_add_cachevol_target(
        node: *mut dm_tree_node, size: u64, feature_flags: u64, metadata_uuid: *const c_char, data_uuid: *const c_char,
        cachevol_uuid: *const c_char, origin_uuid: *const c_char, policy_name: *const c_char,
        policy_settings: *const dm_config_node, _metadata_start: u64, _metadata_len: u64, _data_start: u64,
        _data_len: u64, data_block_size: u32,
    ) -> c_int {
        let a = CacheArguments {
            size, features: feature_flags, metadata_uuid, data_uuid, origin_uuid, policy_name, policy_settings,
            data_block_size,
        };
        // SAFETY: the caller passes a node, strings and settings.
        unsafe {
            let cachevol = BStr::new(bytes(cachevol_uuid).unwrap_or_default());
            add_cache(node, &a, |tree, id, cache| tree.add_cachevol_target(id, a.size, cachevol, cache))
        }
    }

    /// Adds a writecache segment.
    fn dm_tree_node_add_writecache_target(
        node: *mut dm_tree_node, size: u64, origin_uuid: *const c_char, cache_uuid: *const c_char, pmem: c_int,
        writecache_block_size: u32, settings: *mut dm_writecache_settings,
    ) -> c_int {
        // SAFETY: the caller passes a node, strings and settings.
        unsafe {
            with(node, |tree, id| {
                let writecache = Writecache {
                    origin_uuid: text(origin_uuid, "origin uuid")?,
                    cache_uuid: text(cache_uuid, "cache uuid")?,
                    pmem: pmem != 0,
                    block_size: writecache_block_size,
                    settings: settings.as_ref().map(|s| s.settings()).unwrap_or_default(),
                };
                tree.add_writecache_target(id, size, writecache)
            })
        }
    }

    /// Adds an integrity segment.
    fn dm_tree_node_add_integrity_target(
        node: *mut dm_tree_node, size: u64, origin_uuid: *const c_char, meta_uuid: *const c_char,
        settings: *mut dm_integrity_settings, recalculate: c_int,
    ) -> c_int {
        // SAFETY: the caller passes a node, strings and settings.
        unsafe {
            with(node, |tree, id| {
                let Some(meta_uuid) = bytes(meta_uuid) else {
                    log_error!("No integrity meta uuid.");
                    return Err(Error::Invalid("no integrity meta uuid".into()));
                };
                let Some(settings) = settings.as_ref() else {
                    log_error!("Internal error: integrity settings are missing.");
                    return Err(Error::Invalid("no integrity settings".into()));
                };
                let integrity = Integrity {
                    origin_uuid: text(origin_uuid, "origin uuid")?,
                    meta_uuid: BStr::new(meta_uuid),
                    settings: settings.settings()?,
                    recalculate: recalculate != 0,
                };
                tree.add_integrity_target(id, size, integrity)
            })
        }
    }

    /// Adds a vdo segment.
    fn dm_tree_node_add_vdo_target(
        node: *mut dm_tree_node, size: u64, vdo_version: u32, vdo_pool_name: *const c_char, data_uuid: *const c_char,
        data_size: u64, vtp: *const dm_vdo_target_params,
    ) -> c_int {
        // SAFETY: the caller passes a node, strings and parameters.
        unsafe {
            let Some(params) = vtp.as_ref() else { return 0 };
            with(node, |tree, id| {
                let vdo = Vdo {
                    version: vdo_version,
                    pool_name: text(vdo_pool_name, "pool name")?,
                    data_uuid: text(data_uuid, "data uuid")?,
                    data_size,
                    params: params.into(),
                };
                tree.add_vdo_target(id, size, vdo)
            })
        }
    }

    /// Refuses: replicator is not supported.
    fn dm_tree_node_add_replicator_target(
        node: *mut dm_tree_node, _size: u64, _rlog_uuid: *const c_char, _rlog_type: *const c_char, _rsite_index: c_uint,
        _mode: c_uint, _async_timeout: u32, _fall_behind_data: u64, _fall_behind_ios: u32,
    ) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, _| tree.add_replicator()) }
    }

    /// Refuses: replicator is not supported.
    fn dm_tree_node_add_replicator_dev_target(
        node: *mut dm_tree_node, _size: u64, _replicator_uuid: *const c_char, _rdevice_index: u64,
        _rdev_uuid: *const c_char, _rsite_index: c_uint, _slog_uuid: *const c_char, _slog_flags: u32,
        _slog_region_size: u32,
    ) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, _| tree.add_replicator_dev()) }
    }

    /// Adds a thin-pool segment; the metadata device is cropped to what the kernel uses.
    fn dm_tree_node_add_thin_pool_target(
        node: *mut dm_tree_node, size: u64, transaction_id: u64, metadata_uuid: *const c_char, pool_uuid: *const c_char,
        data_block_size: u32, low_water_mark: u64, skip_block_zeroing: c_uint,
    ) -> c_int {
        // SAFETY: the caller passes a node and strings.
        unsafe {
            add_thin_pool(
                node, size, transaction_id, metadata_uuid, pool_uuid, data_block_size, low_water_mark,
                skip_block_zeroing != 0, true,
            )
        }
    }

    /// Adds a thin-pool segment.
    fn dm_tree_node_add_thin_pool_target_v1(
        node: *mut dm_tree_node, size: u64, transaction_id: u64, metadata_uuid: *const c_char, pool_uuid: *const c_char,
        data_block_size: u32, low_water_mark: u64, skip_block_zeroing: c_uint, crop_metadata: c_uint,
    ) -> c_int {
        // SAFETY: the caller passes a node and strings.
        unsafe {
            add_thin_pool(
                node, size, transaction_id, metadata_uuid, pool_uuid, data_block_size, low_water_mark,
                skip_block_zeroing != 0, crop_metadata != 0,
            )
        }
    }

    /// Queues a message to a thin pool.
    fn dm_tree_node_add_thin_pool_message(node: *mut dm_tree_node, r#type: c_uint, id1: u64, id2: u64) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, id| tree.add_thin_pool_message(id, thin_message(r#type, id1, id2)?)) }
    }

    /// What a thin pool does with discards.
    fn dm_tree_node_set_thin_pool_discard(node: *mut dm_tree_node, ignore: c_uint, no_passdown: c_uint) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, id| tree.set_thin_pool_discard(id, ignore != 0, no_passdown != 0)) }
    }

    /// What a thin pool does without space.
    fn dm_tree_node_set_thin_pool_error_if_no_space(node: *mut dm_tree_node, error_if_no_space: c_uint) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, id| tree.set_thin_pool_error_if_no_space(id, error_if_no_space != 0)) }
    }

    /// Whether a thin pool's metadata is left as it is.
    fn dm_tree_node_set_thin_pool_read_only(node: *mut dm_tree_node, read_only: c_uint) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, id| tree.set_thin_pool_read_only(id, read_only != 0)) }
    }

    /// Adds a thin segment.
    fn dm_tree_node_add_thin_target(
        node: *mut dm_tree_node, size: u64, pool_uuid: *const c_char, device_id: u32,
    ) -> c_int {
        // SAFETY: the caller passes a node and a string.
        unsafe { with(node, |tree, id| tree.add_thin_target(id, size, text(pool_uuid, "pool uuid")?, device_id)) }
    }

    /// The device that a thin volume reads from what was not written.
    fn dm_tree_node_set_thin_external_origin(node: *mut dm_tree_node, external_uuid: *const c_char) -> c_int {
        // SAFETY: the caller passes a node and a string.
        unsafe { with(node, |tree, id| tree.set_thin_external_origin(id, text(external_uuid, "origin uuid")?)) }
    }

    /// Adds a device to the last segment.
    fn dm_tree_node_add_target_area(
        node: *mut dm_tree_node, dev_name: *const c_char, uuid: *const c_char, offset: u64,
    ) -> c_int {
        // SAFETY: the caller passes a node, and strings or NULL.
        unsafe {
            with(node, |tree, id| {
                tree.add_target_area(id, bytes(dev_name).map(BStr::new), bytes(uuid).map(BStr::new), offset)
            })
        }
    }

    /// Adds a missing device to the last segment.
    fn dm_tree_node_add_null_area(node: *mut dm_tree_node, _offset: u64) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { with(node, |tree, id| tree.add_null_area(id)) }
    }
}
