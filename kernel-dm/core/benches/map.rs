//! Time to map one request of 4 KiB, on tables of several sizes.
#![allow(missing_docs)] // of what criterion's macros make

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dm_core::host::{Component, DevNo, DevSpec, Opened};
use dm_core::io::{Bio, Op};
use dm_core::table::{Line, Table};

/// Length of a segment in sectors.
const LENGTH: u64 = 8192;

fn table(segments: u64, params: &str, kind: &str) -> Table<()> {
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
    Table::build(&mut open, lines, false, 0).expect("the table is valid")
}

fn map(criterion: &mut Criterion) {
    for (name, kind, params) in [
        ("linear", "linear", "1:0 0"),
        ("striped", "striped", "2 128 1:0 0 1:1 0"),
    ] {
        let mut group = criterion.benchmark_group(name);
        for segments in [1, 100, 10_000] {
            let table = table(segments, params, kind);
            let mut random = 1u64;
            group.bench_function(format!("{segments} segments"), |bencher| {
                bencher.iter(|| {
                    // xorshift: requests all over the device, as no cache likes them.
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let bio = Bio {
                        op: Op::Read,
                        sector: random % (table.sectors() / 8) * 8,
                        sectors: 8,
                        fua: false,
                    };
                    for piece in table.pieces(black_box(bio), 0) {
                        black_box(piece);
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, map);
criterion_main!(benches);
