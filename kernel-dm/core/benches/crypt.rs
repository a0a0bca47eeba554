//! Bytes in a second that one core encrypts and decrypts for target crypt, in pieces of 64 KiB.
#![allow(missing_docs)] // of what criterion's macros make

mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dm_core::io::{Bio, Op};
use dm_core::targets::Direction;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

fn crypt(criterion: &mut Criterion) {
    for (cipher, key) in [
        ("aes-xts-plain64", 32),
        ("aes-xts-plain64", 64),
        ("aes-cbc-essiv:sha256", 16),
        ("aes-cbc-essiv:sha256", 32),
    ] {
        let mut group = criterion.benchmark_group(format!("{cipher} {}", key * 8));
        group.throughput(Throughput::Bytes(PIECE as u64));
        let digits: String = (0..key).map(|place| format!("{:02x}", place * 7 % 256)).collect();
        for sector in [512, 4096] {
            let table = common::table(1, &format!("{cipher} {digits} 0 1:0 0 1 sector_size:{sector}"), "crypt");
            let mut data = vec![1; PIECE];
            for (name, op, direction) in [
                ("write", Op::Write, Direction::Write),
                ("read", Op::Read, Direction::Read),
            ] {
                let bio = Bio {
                    op,
                    sector: 0,
                    sectors: PIECE as u64 / 512,
                    fua: false,
                };
                let piece = table.pieces(bio, 0).next().expect("a piece");
                group.bench_function(format!("{name}, sectors of {sector}"), |bencher| {
                    bencher.iter(|| table.transform(direction, &bio, &piece, 0, black_box(&mut data)));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, crypt);
criterion_main!(benches);
