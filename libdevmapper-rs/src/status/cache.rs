//! Status of cache.

use super::refuse;
use super::scan::{Scan, contains};
use crate::error::Result;

/// Feature words of the status line and their bits (`DM_CACHE_FEATURE_*`).
pub const FEATURES: [(&str, u64); 5] = [
    ("writethrough", 2),
    ("writeback", 1),
    ("passthrough", 4),
    ("metadata2", 8),
    ("no_discard_passdown", 16),
];

/// The numbers of a cache's status line, in blocks of their kind or in events since activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct CacheCounters {
    /// Size of a metadata block, sectors.
    pub metadata_block_size: u32,
    /// Metadata blocks in use.
    pub metadata_used_blocks: u64,
    /// Metadata blocks.
    pub metadata_total_blocks: u64,
    /// Size of a cache block, sectors.
    pub block_size: u32,
    /// Cache blocks in use.
    pub used_blocks: u64,
    /// Cache blocks.
    pub total_blocks: u64,
    /// Reads served from the cache.
    pub read_hits: u64,
    /// Reads served from the origin.
    pub read_misses: u64,
    /// Writes that hit a cached block.
    pub write_hits: u64,
    /// Writes that hit none.
    pub write_misses: u64,
    /// Blocks moved out of the cache.
    pub demotions: u64,
    /// Blocks moved into the cache.
    pub promotions: u64,
    /// Blocks that the origin does not have yet.
    pub dirty_blocks: u64,
}

/// State of a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// The numbers; all zero when `fail` is set.
    pub counters: CacheCounters,
    /// Bits of [`FEATURES`].
    pub feature_flags: u64,
    /// Core arguments: key, value, key, value ...
    pub core_args: Vec<Vec<u8>>,
    /// Name of the policy.
    pub policy_name: Vec<u8>,
    /// Policy arguments: key, value, key, value ...
    pub policy_args: Vec<Vec<u8>>,
    /// The status itself could not be read.
    pub error: bool,
    /// The cache answers nothing any more.
    pub fail: bool,
    /// The metadata must be checked.
    pub needs_check: bool,
    /// Metadata is not written any more.
    pub read_only: bool,
}

/// Parses the long line the kernel prints, `Error` or `Fail`.
pub fn parse_cache(params: &[u8]) -> Result<Cache> {
    let error = contains(params, "Error");
    if error || contains(params, "Fail") {
        return Ok(Cache {
            error,
            fail: true,
            ..Cache::default()
        });
    }
    match parse(params) {
        Some(status) => Ok(status),
        None => refuse("cache params: {}", params),
    }
}

fn parse(params: &[u8]) -> Option<Cache> {
    let mut scan = Scan(params);
    let mut status = Cache::default();
    let c = &mut status.counters;
    c.metadata_block_size = scan.blanks().number32()?;
    (c.metadata_used_blocks, c.metadata_total_blocks) = scan.ratio()?;
    c.block_size = scan.blanks().number32()?;
    (c.used_blocks, c.total_blocks) = scan.ratio()?;
    for counter in [
        &mut c.read_hits,
        &mut c.read_misses,
        &mut c.write_hits,
        &mut c.write_misses,
        &mut c.demotions,
        &mut c.promotions,
        &mut c.dirty_blocks,
    ] {
        *counter = scan.spaced()?;
    }

    let features = scan.spaced()?;
    scan.byte(b' ')?;
    for _ in 0..features {
        let word = scan.field()?;
        match FEATURES.iter().find(|(name, _)| word == name.as_bytes()) {
            Some((_, bit)) => status.feature_flags |= bit,
            None => crate::log_error!("Unknown feature in status: {}", crate::log::Raw(params)),
        }
    }

    let core = scan.number()?;
    if core == 0 {
        return None;
    }
    scan.byte(b' ')?;
    status.core_args = words(&mut scan, core)?;
    status.policy_name = scan.word()?.to_vec();
    let policy = scan.spaced()?;
    status.policy_args = words(&mut scan, policy)?;
    let rest = scan.0;
    status.read_only = contains(rest, " ro");
    status.needs_check = contains(rest, " needs_check");
    Some(status)
}

/// `count` words; fewer fail before anything is reserved for them.
fn words(scan: &mut Scan<'_>, count: u64) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    for _ in 0..count {
        words.push(scan.word()?.to_vec());
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_features_policies() {
        let s = parse_cache(
            b"8 27/2048 128 3/8 1 2 3 4 5 6 7 1 writeback 2 migration_threshold 2048 mq 10 random_threshold 4 a 1 b 2 c 3 d 8",
        )
        .unwrap();
        let c = s.counters;
        assert_eq!(
            (c.metadata_block_size, c.metadata_used_blocks, c.metadata_total_blocks),
            (8, 27, 2048)
        );
        assert_eq!((c.block_size, c.used_blocks, c.total_blocks), (128, 3, 8));
        assert_eq!((c.read_hits, c.read_misses, c.write_hits, c.write_misses), (1, 2, 3, 4));
        assert_eq!((c.demotions, c.promotions, c.dirty_blocks), (5, 6, 7));
        assert_eq!(
            (s.feature_flags, s.policy_name.as_slice(), s.policy_args.len()),
            (1, b"mq".as_slice(), 10)
        );
        assert_eq!(s.core_args, [b"migration_threshold".to_vec(), b"2048".to_vec()]);
        assert!(!s.read_only && !s.needs_check);

        let s = parse_cache(b"8 27/2048 128 3/8 1 2 3 4 5 6 7 2 metadata2 writethrough 2 k v smq 0 ro needs_check ")
            .unwrap();
        assert_eq!((s.feature_flags, s.policy_args.len()), (10, 0));
        assert!(s.read_only && s.needs_check);
        let s = parse_cache(b"8 27/2048 128 3/8 1 2 3 4 5 6 7 1 writeback 2 k v mq 2 ro 1 rw -").unwrap();
        assert!(!s.read_only, "an argument of the policy is no mode");
        assert!(parse_cache(b"8 27/2048 128 3/8 1 2 3 4 5 6 7 1 writeback 2 k v smq 0").is_ok());
        for bad in [
            &b"8 27/2048 128 3/8 1 2 3 4 5 6 7 1 writeback 0 smq 0"[..],
            b"8 27/2048 128 3/8 1 2 3 4 5 6 7 1 writeback 2 k v mq 2 a",
            b"8 27/2048",
            b"",
        ] {
            assert!(parse_cache(bad).is_err());
        }
        let s = parse_cache(b"Error").unwrap();
        assert!(s.error && s.fail);
        let s = parse_cache(b"Fail").unwrap();
        assert!(!s.error && s.fail);
    }
}
