//! Status of snapshot and snapshot-merge.

use super::refuse;
use super::scan::Scan;
use crate::error::Result;

/// Fill of an exception store; a snapshot that cannot be used any more has only its flag set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Sectors of the store in use, metadata included.
    pub used_sectors: u64,
    /// Sectors of the store.
    pub total_sectors: u64,
    /// Sectors used by metadata, where the kernel tells (since 2.6.33).
    pub metadata_sectors: Option<u64>,
    /// The store filled up or could not be written: the snapshot is lost.
    pub invalid: bool,
    /// Merging hit an error and stopped.
    pub merge_failed: bool,
    /// The store is full; the origin goes on.
    pub overflow: bool,
}

/// Parses `USED/TOTAL [METADATA]`, `Invalid`, `Merge failed` or `Overflow`.
pub fn parse_snapshot(params: &[u8]) -> Result<Snapshot> {
    let mut status = Snapshot::default();
    match params {
        b"Invalid" => status.invalid = true,
        b"Merge failed" => status.merge_failed = true,
        b"Overflow" => status.overflow = true,
        _ => {
            let mut scan = Scan(params);
            let Some((used, total)) = scan.ratio() else {
                return refuse("snapshot params: {}.", params);
            };
            status.used_sectors = used;
            status.total_sectors = total;
            status.metadata_sectors = scan.spaced();
        }
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_the_kernel_prints() {
        let full = parse_snapshot(b"32/32768 32").unwrap();
        assert_eq!(
            (full.used_sectors, full.total_sectors, full.metadata_sectors),
            (32, 32768, Some(32))
        );
        assert_eq!(parse_snapshot(b"32/32768").unwrap().metadata_sectors, None);
        assert_eq!(parse_snapshot(b"0/0 0 junk").unwrap().metadata_sectors, Some(0));
        assert!(parse_snapshot(b"Invalid").unwrap().invalid);
        assert!(parse_snapshot(b"Merge failed").unwrap().merge_failed);
        assert!(parse_snapshot(b"Overflow").unwrap().overflow);
        for bad in ["invalid", "", "Unknown", "32/", "32 /32768", "Invalid "] {
            assert!(parse_snapshot(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
