//! Status of writecache.

use super::refuse;
use super::scan::Scan;
use crate::error::Result;

/// Fill of a write cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Writecache {
    /// 0, or the error that stopped the cache.
    pub error: u64,
    /// Blocks of the cache.
    pub total_blocks: u64,
    /// Blocks that are free.
    pub free_blocks: u64,
    /// Blocks on their way to the origin.
    pub writeback_blocks: u64,
}

/// Parses `ERROR TOTAL FREE WRITEBACK [...]`.
pub fn parse_writecache(params: &[u8]) -> Result<Writecache> {
    let mut scan = Scan(params);
    match (scan.spaced(), scan.spaced(), scan.spaced(), scan.spaced()) {
        (Some(error), Some(total_blocks), Some(free_blocks), Some(writeback_blocks)) => Ok(Writecache {
            error,
            total_blocks,
            free_blocks,
            writeback_blocks,
        }),
        _ => refuse("writecache params: {}.", params),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_numbers() {
        let s = parse_writecache(b"0 2000 1000 7 1 2 3").unwrap();
        assert_eq!(
            s,
            Writecache {
                error: 0,
                total_blocks: 2000,
                free_blocks: 1000,
                writeback_blocks: 7
            }
        );
        assert!(parse_writecache(b"0 2000 1000").is_err());
    }
}
