//! Time to map one request of 4 KiB, on tables of several sizes. What the loop itself takes is shown as `nothing`, and is
//! part of all others.
#![allow(missing_docs)] // of what criterion's macros make

mod common;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dm_core::io::{Bio, Op};

/// Requests all over a device of so many sectors, as no cache likes them.
fn requests(sectors: u64) -> impl FnMut() -> Bio {
    let mut random = 1u64;
    move || {
        // xorshift
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        black_box(Bio {
            op: Op::Read,
            sector: random % (sectors / 8) * 8,
            sectors: 8,
            fua: false,
        })
    }
}

fn map(criterion: &mut Criterion) {
    criterion.bench_function("nothing", |bencher| {
        let mut next = requests(black_box(10_000 * common::LENGTH));
        bencher.iter(|| black_box(next()));
    });
    for (name, kind, params) in [
        ("linear", "linear", "1:0 0"),
        ("striped", "striped", "2 128 1:0 0 1:1 0"),
    ] {
        let mut group = criterion.benchmark_group(name);
        for segments in [1, 100, 10_000] {
            let table = common::table(segments, params, kind);
            let mut next = requests(table.sectors());
            group.bench_function(format!("{segments} segments"), |bencher| {
                bencher.iter(|| {
                    for piece in table.pieces(next(), 0) {
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
