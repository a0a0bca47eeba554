//! cache.

use super::thin::check_block_size;
use super::{Kind, Line, Surroundings, refuse};
use crate::error::Result;
use crate::table::{self, CacheFeature, Setting, Word};
use crate::tree::{NodeId, Tree};
use bstr::{BStr, BString};

/// Smallest cache block, sectors.
const MIN_BLOCK: u32 = 64;
/// Largest cache block, sectors.
const MAX_BLOCK: u32 = 2_097_152;
/// What the kernel takes for `migration_threshold` by itself, sectors.
const MIGRATION_THRESHOLD_DEFAULT: u64 = 2048;
/// A migration threshold below this many blocks would keep the cache from working.
const MIGRATION_BLOCKS_MIN: u64 = 8;

/// Feature flags of a cache (`DM_CACHE_FEATURE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheFeatures(u64);

impl CacheFeatures {
    /// Writes go to the cache; the origin gets them later.
    pub const WRITEBACK: Self = Self(1);
    /// Writes go to both.
    pub const WRITETHROUGH: Self = Self(2);
    /// The cache is not used, only invalidated.
    pub const PASSTHROUGH: Self = Self(4);
    /// Second format of the metadata.
    pub const METADATA2: Self = Self(8);
    const ALL: u64 = 0xf;
    const MODES: u64 = 7;

    /// Flags from the C library's number.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    fn mode(self) -> u64 {
        self.0 & Self::MODES
    }
}

/// A cache segment.
#[derive(Clone, Copy, Debug)]
pub struct Cache<'a> {
    /// Flags, with exactly one mode.
    pub features: CacheFeatures,
    /// Uuid of the metadata device.
    pub metadata_uuid: &'a BStr,
    /// Uuid of the fast device.
    pub data_uuid: &'a BStr,
    /// Uuid of the slow device.
    pub origin_uuid: &'a BStr,
    /// The policy; the kernel's default if not given.
    pub policy_name: Option<&'a BStr>,
    /// Settings of the policy, and `migration_threshold`.
    pub policy_settings: &'a [(BString, u64)],
    /// Sectors of a cache block.
    pub data_block_size: u32,
}

#[derive(Debug)]
pub(in crate::tree) struct CacheOf {
    metadata: NodeId,
    data: NodeId,
    origin: NodeId,
    mode: CacheFeature,
    metadata2: bool,
    policy: BString,
    settings: Vec<(BString, u64)>,
    migration_threshold: u64,
    data_block_size: u32,
}

impl CacheOf {
    pub(super) fn line(&self, around: &dyn Surroundings) -> Result<Line> {
        let migration_threshold = Some((BStr::new("migration_threshold"), self.migration_threshold))
            .filter(|_| self.migration_threshold != MIGRATION_THRESHOLD_DEFAULT);
        let settings = self.settings.iter().map(|(key, value)| (key.as_ref(), *value));
        let line = table::Cache {
            metadata: around.number(self.metadata)?.into(),
            cache: around.number(self.data)?.into(),
            origin: around.number(self.origin)?.into(),
            block_size: self.data_block_size,
            features: self
                .metadata2
                .then_some(CacheFeature::Metadata2)
                .into_iter()
                .chain([self.mode])
                .collect(),
            policy: Word::unchecked(&self.policy),
            settings: migration_threshold
                .into_iter()
                .chain(settings)
                .map(|(key, value)| Setting {
                    key: Word::unchecked(key),
                    value: value.into(),
                })
                .collect(),
        };
        Ok(Line::of(&line))
    }
}

impl Tree {
    /// Adds a cache segment.
    pub fn add_cache_target(&self, id: NodeId, size: u64, cache: Cache<'_>) -> Result<()> {
        let features = cache.features;
        if features.0 & !CacheFeatures::ALL != 0 {
            return refuse(format_args!("Unsupported cache's feature flags set {}.", features.0));
        }
        let cleaner = cache.policy_name.is_some_and(|name| name == "cleaner");
        let mode = match CacheFeatures(features.mode()) {
            CacheFeatures::WRITETHROUGH => CacheFeature::Writethrough,
            // The cleaner writes back what is dirty, and nothing shall become dirty any more.
            CacheFeatures::WRITEBACK | CacheFeatures::PASSTHROUGH if cleaner => CacheFeature::Writethrough,
            CacheFeatures::WRITEBACK => CacheFeature::Writeback,
            CacheFeatures::PASSTHROUGH => CacheFeature::Passthrough,
            _ => return refuse(format_args!("Invalid cache's feature flag {}.", features.0)),
        };
        check_block_size(cache.data_block_size, MIN_BLOCK, MAX_BLOCK)?;

        let mut migration_threshold = MIGRATION_THRESHOLD_DEFAULT;
        let mut settings = Vec::new();
        for (key, value) in cache.policy_settings {
            if key == "migration_threshold" {
                migration_threshold = *value;
            } else {
                settings.push((key.clone(), *value));
            }
        }
        let least = MIGRATION_BLOCKS_MIN * u64::from(cache.data_block_size);

        let node = self.node(id);
        let data = self.lookup(cache.data_uuid, "Missing cache's data uuid")?;
        let metadata = self.lookup(cache.metadata_uuid, "Missing cache's metadata uuid")?;
        let origin = self.lookup(cache.origin_uuid, "Missing cache's origin uuid")?;
        for used in [&data, &metadata, &origin] {
            self.link(&node, used)?;
        }
        let kind = CacheOf {
            metadata: metadata.id,
            data: data.id,
            origin: origin.id,
            mode,
            metadata2: features.0 & CacheFeatures::METADATA2.0 != 0,
            policy: cache.policy_name.unwrap_or(BStr::new("default")).into(),
            settings,
            migration_threshold: migration_threshold.max(least),
            data_block_size: cache.data_block_size,
        };
        self.push(&node, size, Kind::Cache(kind))
    }

    /// Adds a cache segment whose data and metadata lie on one volume. The caller made the two devices; the volume is
    /// only named.
    pub fn add_cachevol_target(&self, id: NodeId, size: u64, cachevol_uuid: &BStr, cache: Cache<'_>) -> Result<()> {
        for (uuid, what) in [
            (cache.metadata_uuid, "Cachevol metadata UUID"),
            (cache.data_uuid, "Cachevol data UUID"),
            (cachevol_uuid, "Cachevol UUID"),
        ] {
            if uuid.is_empty() {
                return refuse(format_args!("{what} is required."));
            }
        }
        self.add_cache_target(id, size, cache)
    }
}
