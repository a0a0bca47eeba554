//! Tables for benchmarks.

use dm_core::host::{Component, DevNo, DevSpec, Opened};
use dm_core::table::{Line, Table};
use dm_core::targets::args::Given;

/// Length of a segment in sectors.
pub const LENGTH: u64 = 8192;

/// A table of segments that are all alike.
pub fn table(segments: u64, params: &str, kind: &str) -> Table<()> {
    let lines = (0..segments).map(|index| Line {
        start: index * LENGTH,
        length: LENGTH,
        kind: kind.as_bytes(),
        params: params.as_bytes(),
    });
    let mut open = |spec: DevSpec<'_>, _| {
        let DevSpec::Number(dev) = spec else {
            unreachable!("all lines have numbers")
        };
        Ok(Component::Host(Opened {
            handle: (),
            dev: DevNo { ..dev },
            sectors: LENGTH,
            logical_block_size: 512,
            discard: true,
        }))
    };
    Table::build(&mut open, lines, false, Given::at(0)).expect("the table is valid")
}
