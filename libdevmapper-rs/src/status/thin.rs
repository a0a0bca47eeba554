//! Status of thin-pool and thin.

use super::refuse;
use super::scan::{Scan, contains};
use crate::error::Result;

/// What a pool does with discards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub enum Discards {
    /// They are refused.
    Ignore,
    /// They free blocks of the pool.
    NoPassdown,
    /// They free blocks and are passed to the data device.
    #[default]
    Passdown,
}

/// State of a thin pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThinPool {
    /// The transaction id that user space has set.
    pub transaction_id: u64,
    /// Metadata blocks (4 KiB) in use.
    pub used_metadata_blocks: u64,
    /// Metadata blocks.
    pub total_metadata_blocks: u64,
    /// Data blocks in use.
    pub used_data_blocks: u64,
    /// Data blocks.
    pub total_data_blocks: u64,
    /// The pool takes no writes of metadata.
    pub read_only: bool,
    /// What happens to discards; only [`Discards::Ignore`] when `fail` is set.
    pub discards: Discards,
    /// The pool answers nothing any more.
    pub fail: bool,
    /// Writes fail at once when space runs out, instead of waiting for more.
    pub error_if_no_space: bool,
    /// Space has run out.
    pub out_of_data_space: bool,
    /// The metadata must be checked before the pool may be used.
    pub needs_check: bool,
    /// The status itself could not be read.
    pub error: bool,
}

/// State of a thin volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thin {
    /// Sectors with a mapping.
    pub mapped_sectors: u64,
    /// Last sector with a mapping; 0 without any.
    pub highest_mapped_sector: u64,
    /// The volume answers nothing any more.
    pub fail: bool,
}

/// Parses `TRANSACTION USED/TOTAL(metadata) USED/TOTAL(data) HELD MODE DISCARDS ...`, `Error` or `Fail`.
pub fn parse_thin_pool(params: &[u8]) -> Result<ThinPool> {
    let error = contains(params, "Error");
    if error || contains(params, "Fail") {
        return Ok(ThinPool {
            error,
            fail: true,
            discards: Discards::Ignore,
            ..ThinPool::default()
        });
    }
    let mut scan = Scan(params);
    let (Some(transaction_id), Some(metadata), Some(data)) = (scan.spaced(), scan.ratio(), scan.ratio()) else {
        return refuse("thin pool params: {}.", params);
    };
    let rest = scan.0;
    let out_of_data_space = contains(rest, "out_of_data_space");
    Ok(ThinPool {
        transaction_id,
        used_metadata_blocks: metadata.0,
        total_metadata_blocks: metadata.1,
        used_data_blocks: data.0,
        total_data_blocks: data.1,
        read_only: !out_of_data_space && contains(rest, "ro "),
        discards: if contains(rest, "no_discard_passdown") {
            Discards::NoPassdown
        } else if contains(rest, "ignore_discard") {
            Discards::Ignore
        } else {
            Discards::Passdown
        },
        fail: false,
        error_if_no_space: contains(rest, "error_if_no_space"),
        out_of_data_space,
        needs_check: contains(rest, "needs_check"),
        error: false,
    })
}

/// Parses `MAPPED HIGHEST`, `-` (nothing mapped) or `Fail`.
pub fn parse_thin(params: &[u8]) -> Result<Thin> {
    let mut status = Thin::default();
    if contains(params, "-") {
        return Ok(status);
    }
    if contains(params, "Fail") {
        status.fail = true;
        return Ok(status);
    }
    let mut scan = Scan(params);
    let (Some(mapped), Some(highest)) = (scan.spaced(), scan.spaced()) else {
        return refuse("thin params: {}.", params);
    };
    status.mapped_sectors = mapped;
    status.highest_mapped_sector = highest;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools() {
        let p = parse_thin_pool(b"0 418/4096 0/256 - rw no_discard_passdown queue_if_no_space - 1024 ").unwrap();
        assert_eq!(
            (p.used_metadata_blocks, p.total_metadata_blocks, p.total_data_blocks),
            (418, 4096, 256)
        );
        assert_eq!(p.discards, Discards::NoPassdown);
        assert!(!p.read_only && !p.error_if_no_space);
        let p = parse_thin_pool(b"5 418/4096 1/256 33 ro ignore_discard error_if_no_space needs_check 1024 ").unwrap();
        assert!(p.read_only && p.error_if_no_space && p.needs_check);
        assert_eq!((p.transaction_id, p.discards), (5, Discards::Ignore));
        assert_eq!(parse_thin_pool(b"1 2/3 4/5").unwrap().discards, Discards::Passdown);
        assert!(!parse_thin_pool(b"1 2/3 4/5 - ro").unwrap().read_only);
        let p = parse_thin_pool(b"1 2/3 4/5 - out_of_data_space discard_passdown ro ").unwrap();
        assert!(p.out_of_data_space && !p.read_only);
        assert!(parse_thin_pool(b"1 2/3 4").is_err());
        let p = parse_thin_pool(b"Error").unwrap();
        assert!(p.error && p.fail);
        let p = parse_thin_pool(b"Fail").unwrap();
        assert!(!p.error && p.fail);
    }

    #[test]
    fn volumes() {
        assert_eq!(
            parse_thin(b"1 2 3").unwrap(),
            Thin {
                mapped_sectors: 1,
                highest_mapped_sector: 2,
                fail: false
            }
        );
        assert_eq!(parse_thin(b"0 -").unwrap(), Thin::default());
        assert!(parse_thin(b"Fail").unwrap().fail);
        assert!(parse_thin(b"5").is_err() && parse_thin(b"").is_err());
    }
}
