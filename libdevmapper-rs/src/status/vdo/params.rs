//! Limits of the vdo target's parameters.

use crate::error::{Error, Result};

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub enum WritePolicy {
    /// As the device below suggests.
    #[default]
    Auto,
    /// When it is on stable storage.
    Sync,
    /// When a later flush will make it stable.
    Async,
    /// As `Async`, without the order that crash consistency needs.
    AsyncUnsafe,
}

impl WritePolicy {
    /// The policy of a number of the C enum.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Auto, Self::Sync, Self::Async, Self::AsyncUnsafe]
            .get(usize::try_from(number).ok()?)
            .copied()
    }

    /// The word in the table line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Sync => "sync",
            Self::Async => "async",
            Self::AsyncUnsafe => "async-unsafe",
        }
    }
}

/// Parameters of a vdo target, in the units of their names; sizes without a unit are sectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of lvm.conf's settings, documented there")]
pub struct TargetParams {
    pub minimum_io_size: u32,
    pub block_map_cache_size_mb: u32,
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
    pub use_compression: bool,
    pub use_deduplication: bool,
    pub use_metadata_hints: bool,
    pub use_sparse_index: bool,
    /// Number of the C enum, kept as given so that [`validate`] can name a wrong one.
    pub write_policy: u32,
}

/// Largest logical size, sectors (4 PiB).
const SIZE_MAX: u64 = 4 << (50 - 9);

/// Checks every parameter, logs each that is out of range, and fails if any is. `size` in sectors.
pub fn validate(params: &TargetParams, size: u64) -> Result<()> {
    let p = params;
    let mut wrong = 0u32;
    let mut complain = |text: std::fmt::Arguments<'_>| {
        crate::log_error!("{text}");
        wrong += 1;
    };
    if !matches!(p.minimum_io_size, 1 | 8) {
        complain(format_args!(
            "VDO minimum io size {} is unsupported [512, 4096].",
            u64::from(p.minimum_io_size) * 512
        ));
    }
    for (what, value, min, max) in [
        ("block map cache size", p.block_map_cache_size_mb, 128, 16_777_215),
        ("block map era length", p.block_map_era_length, 1, 16_380),
        ("index memory size", p.index_memory_size_mb, 256, 1_073_741_824),
        ("slab size", p.slab_size_mb, 128, 32_768),
        ("max discard", p.max_discard, 1, 1_048_575),
        ("ack threads", p.ack_threads, 0, 100),
        ("bio threads", p.bio_threads, 1, 100),
        ("bio rotation", p.bio_rotation, 1, 1024),
        ("cpu threads", p.cpu_threads, 1, 100),
        ("hash zone threads", p.hash_zone_threads, 0, 100),
        ("logical threads", p.logical_threads, 0, 60),
        ("physical threads", p.physical_threads, 0, 16),
    ] {
        if !(min..=max).contains(&value) {
            complain(format_args!("VDO {what} {value} is out of range [{min}..{max}]."));
        }
    }
    if WritePolicy::from_number(p.write_policy).is_none() {
        complain(format_args!(
            "Internal error: VDO write policy {} is unknown.",
            p.write_policy
        ));
    }
    let zones = [p.hash_zone_threads, p.logical_threads, p.physical_threads];
    if zones.contains(&0) && zones != [0; 3] {
        complain(format_args!(
            "VDO hash zone threads, logical threads and physical threads must be all zero or all non-zero."
        ));
    }
    if size > SIZE_MAX {
        complain(format_args!("VDO size {size} is larger than {SIZE_MAX} sectors."));
    }
    match wrong {
        0 => Ok(()),
        _ => Err(Error::Invalid(format!("{wrong} VDO parameters are wrong"))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Parameters that are allowed.
    pub(crate) const GOOD: TargetParams = TargetParams {
        minimum_io_size: 8,
        block_map_cache_size_mb: 128,
        block_map_era_length: 16_380,
        index_memory_size_mb: 256,
        slab_size_mb: 2048,
        max_discard: 1500,
        ack_threads: 1,
        bio_threads: 4,
        bio_rotation: 64,
        cpu_threads: 2,
        hash_zone_threads: 1,
        logical_threads: 1,
        physical_threads: 1,
        use_compression: true,
        use_deduplication: true,
        use_metadata_hints: true,
        use_sparse_index: false,
        write_policy: 2,
    };

    #[test]
    fn each_limit() {
        assert!(validate(&GOOD, SIZE_MAX).is_ok());
        assert!(validate(&GOOD, SIZE_MAX + 1).is_err());
        let bad = [
            TargetParams {
                minimum_io_size: 4,
                ..GOOD
            },
            TargetParams {
                block_map_cache_size_mb: 127,
                ..GOOD
            },
            TargetParams {
                block_map_era_length: 0,
                ..GOOD
            },
            TargetParams {
                index_memory_size_mb: 255,
                ..GOOD
            },
            TargetParams {
                slab_size_mb: 32_769,
                ..GOOD
            },
            TargetParams { max_discard: 0, ..GOOD },
            TargetParams {
                ack_threads: 101,
                ..GOOD
            },
            TargetParams { bio_threads: 0, ..GOOD },
            TargetParams {
                bio_rotation: 1025,
                ..GOOD
            },
            TargetParams { cpu_threads: 0, ..GOOD },
            TargetParams {
                logical_threads: 61,
                ..GOOD
            },
            TargetParams {
                physical_threads: 17,
                ..GOOD
            },
            TargetParams {
                hash_zone_threads: 0,
                ..GOOD
            },
            TargetParams {
                write_policy: 4,
                ..GOOD
            },
        ];
        for params in bad {
            assert!(validate(&params, 0).is_err(), "{params:?}");
        }
        let zero = TargetParams {
            hash_zone_threads: 0,
            logical_threads: 0,
            physical_threads: 0,
            ..GOOD
        };
        assert!(validate(&zero, 0).is_ok());
    }
}
