//! A status line as one of any target.

use libdevmapper::status::{self, vdo};

pub(crate) fn run(bytes: &[u8]) {
    let _ = status::parse_snapshot(bytes);
    if let Ok(raid) = status::parse_raid(bytes) {
        assert!(raid.dev_count() as usize <= bytes.len());
    }
    if let Ok(cache) = status::parse_cache(bytes) {
        assert!(cache.core_args.len() + cache.policy_args.len() <= bytes.len());
    }
    let _ = status::parse_thin_pool(bytes);
    let _ = status::parse_thin(bytes);
    let _ = status::parse_writecache(bytes);
    let _ = status::parse_integrity(bytes);
    if let Ok(mirror) = status::parse_mirror(bytes) {
        assert!(mirror.devs.len() + mirror.logs.len() <= bytes.len());
    }
    let _ = vdo::parse_status(bytes);
    let (_, fields) = vdo::parse_stats(bytes, usize::MAX);
    assert!(fields.len() <= vdo::MAX_FIELDS);
    assert!(
        fields
            .iter()
            .all(|f| f.label.len() < vdo::TEXT_SIZE && f.value.len() < vdo::TEXT_SIZE)
    );
}
