//! What targets say about themselves: parsers of the parameter text of a STATUS record.
//!
//! Each parser takes the text of one record as the kernel printed it and returns a plain struct, or logs an error and
//! fails. Sources of the formats: the kernel's documentation of the targets and what Linux 6.1 to 7.2 print.

mod cache;
mod integrity;
mod mirror;
mod raid;
mod raid_superblock;
mod scan;
mod snapshot;
mod thin;
pub mod vdo;
mod writecache;

pub use cache::{Cache, CacheCounters, FEATURES, parse_cache};
pub use integrity::{Integrity, parse_integrity};
pub use mirror::{Health, LegHealth, MAX_LEGS, Mirror, parse_mirror};
pub use raid::{Raid, parse_raid};
pub use raid_superblock::{clear_failed_devices, count_failed_devices};
pub use snapshot::{Snapshot, parse_snapshot};
pub use thin::{Discards, Thin, ThinPool, parse_thin, parse_thin_pool};
pub use writecache::{Writecache, parse_writecache};

use crate::error::{Error, Result};
use bstr::BStr;

/// Logs that the parameters of a target could not be parsed, in the reference's words: `{}` stands for the parameters.
fn refuse<T>(words: &str, params: &[u8]) -> Result<T> {
    let (before, after) = words.split_once("{}").unwrap_or((words, ""));
    crate::log_error!("Failed to parse {before}{}{after}", crate::log::Raw(params));
    Err(Error::Parse(format!(
        "Failed to parse {before}{}{after}",
        BStr::new(params)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Real lines of every target, to be cut and mixed.
    const LINES: [&str; 14] = [
        "32/32768 32",
        "raid5_ls 3 ADA 7/8 reshape 12 8192 -",
        "raid1 2 aa 0/100 resync 0 0 -",
        "8 27/2048 128 3/8 1 2 3 4 5 6 7 2 metadata2 writeback 2 migration_threshold 2048 smq 2 mq 8 rw - ",
        "0 418/4096 0/256 - rw no_discard_passdown queue_if_no_space - 1024 ",
        "17408 20479",
        "0 2000 1000 0",
        "3 204800 -",
        "2 253:4 253:5 400/400 1 AA 1 core",
        "3 1:1 1:2 1:3 1/2 1 ADS 3 disk 1:9 D",
        "2 253:4 253:5 4/400 1 AA userspace 3 clustered-disk 253:3 A",
        "/dev/dm-3 normal - online online 12 5000",
        "{ version : 36, biosIn : { read : 1, write : 2, }, mode : normal, }",
        "Fail",
    ];

    fn all(text: &[u8]) {
        let _ = parse_snapshot(text);
        let _ = parse_raid(text);
        let _ = parse_cache(text);
        let _ = parse_thin_pool(text);
        let _ = parse_thin(text);
        let _ = parse_writecache(text);
        let _ = parse_integrity(text);
        let _ = parse_mirror(text);
        let _ = vdo::parse_status(text);
        let _ = vdo::parse_stats(text, usize::MAX);
    }

    #[test]
    fn a_line_may_end_anywhere() {
        for line in LINES {
            for end in 0..=line.len() {
                all(&line.as_bytes()[..end]);
                all(&line.as_bytes()[end..]);
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            all(&text);
        }

        #[test]
        fn no_mixture_of_words_makes_a_parser_panic(
            words in proptest::collection::vec(
                prop_oneof![
                    proptest::sample::select(LINES.iter().flat_map(|l| l.split(' ')).collect::<Vec<_>>())
                        .prop_map(str::to_owned),
                    any::<u64>().prop_map(|n| n.to_string()),
                    Just("99999999999999999999999".to_owned()),
                ],
                0..30,
            )
        ) {
            all(words.join(" ").as_bytes());
        }
    }
}
