//! Requests and the pieces they become.

mod common;

use common::table;
use dm_abi::errno::Errno;
use dm_core::io::{Bio, Corrupt, Op, Piece, Verb};
use dm_core::table::Table;

fn bio(op: Op, sector: u64, sectors: u64) -> Bio {
    Bio {
        op,
        sector,
        sectors,
        fua: false,
    }
}

fn build(text: &str) -> Table<()> {
    table(text.as_bytes()).unwrap()
}

/// Pieces as `(offset, sectors, minor, sector)`; panics on other verbs.
fn remaps(table: &Table<()>, bio: Bio) -> Vec<(u64, u64, u32, u64)> {
    let pieces = table.pieces(bio, 0).map(|piece| match piece.verb {
        Verb::Remap {
            component,
            sector,
            delay_ms: 0,
            corrupt: None,
        } => (
            piece.offset,
            piece.sectors,
            table.components()[component as usize].dev().minor,
            sector,
        ),
        other => panic!("{other:?}"),
    });
    pieces.collect()
}

fn verbs(table: &Table<()>, bio: Bio, now_ms: u64) -> Vec<Verb> {
    table.pieces(bio, now_ms).map(|piece| piece.verb).collect()
}

fn status(table: &Table<()>) -> String {
    let mut out = String::new();
    table.write_status(&table.segments()[0], &mut out).unwrap();
    out
}

const FAIL: Verb = Verb::Fail(Errno::EIO);

#[test]
fn requests_are_cut_at_segments() {
    let table = build("0 8 linear 1:0 100\n8 8 zero\n16 8 error\n24 8 linear 1:1 7");
    assert_eq!(remaps(&table, bio(Op::Read, 2, 5)), [(0, 5, 0, 102)]);
    let all: Vec<_> = table.pieces(bio(Op::Write, 4, 24), 0).collect();
    assert_eq!(
        all,
        [
            Piece {
                offset: 0,
                sectors: 4,
                verb: Verb::remap(0, 104)
            },
            Piece {
                offset: 4,
                sectors: 8,
                verb: Verb::Zero
            },
            Piece {
                offset: 12,
                sectors: 8,
                verb: FAIL
            },
            Piece {
                offset: 20,
                sectors: 4,
                verb: Verb::remap(1, 7)
            },
        ]
    );
    assert_eq!(verbs(&table, bio(Op::Discard, 8, 16), 0), [Verb::Drop, FAIL]);
    assert_eq!(verbs(&table, bio(Op::WriteZeroes, 15, 2), 0), [Verb::Drop, FAIL]);
}

#[test]
fn a_request_beyond_the_end_fails_as_a_whole() {
    let table = build("0 8 linear 1:0 0\n8 8 linear 1:1 0");
    for (sector, sectors) in [(15, 2), (16, 1), (u64::MAX, 1), (8, u64::MAX), (0, 17)] {
        let pieces: Vec<_> = table.pieces(bio(Op::Write, sector, sectors), 0).collect();
        assert_eq!(
            pieces,
            [Piece {
                offset: 0,
                sectors,
                verb: FAIL
            }],
            "{sector}+{sectors}"
        );
    }
    assert_eq!(table.pieces(bio(Op::Read, 3, 0), 0).count(), 0);
    assert_eq!(table.pieces(bio(Op::Read, 99, 0), 0).count(), 0);
}

#[test]
fn segment_lookup_finds_every_sector() {
    let mut text = String::new();
    let mut owner = Vec::new();
    for index in 0..100 {
        let length = index % 7 + 1;
        text += &format!("{} {length} linear 1:{} 0\n", owner.len(), index % 16);
        owner.extend((0..length).map(|_| index));
    }
    let table = build(&text);
    for (sector, &index) in owner.iter().enumerate() {
        let segment = table.segment_at(sector as u64).unwrap();
        assert!(std::ptr::eq(segment, &table.segments()[index]));
    }
    assert!(table.segment_at(owner.len() as u64).is_none());
}

#[test]
fn stripes_take_chunks_in_turn() {
    let table = build("0 48 striped 3 4 1:0 100 1:1 200 1:2 300");
    // Chunks of 4: 1:0 has chunks 0 3 6 9, 1:1 has 1 4 7 10, 1:2 has 2 5 8 11.
    assert_eq!(
        remaps(&table, bio(Op::Read, 2, 16)),
        [
            (0, 2, 0, 102),
            (2, 4, 1, 200),
            (6, 4, 2, 300),
            (10, 4, 0, 104),
            (14, 2, 1, 204)
        ]
    );
    assert_eq!(remaps(&table, bio(Op::Write, 47, 1)), [(0, 1, 2, 315)]);
}

#[test]
fn requests_without_data_gather_per_stripe() {
    let table = build("0 48 striped 3 4 1:0 100 1:1 200 1:2 300\n48 8 zero");
    assert_eq!(
        remaps(&table, bio(Op::Discard, 0, 48)),
        [(0, 16, 0, 100), (16, 16, 1, 200), (32, 16, 2, 300)]
    );
    assert_eq!(
        remaps(&table, bio(Op::WriteZeroes, 10, 30)),
        [
            (0, 2, 2, 302),
            (2, 8, 0, 104),
            (10, 8, 1, 204),
            (18, 8, 2, 304),
            (26, 4, 0, 112)
        ]
    );
}

#[test]
fn gathered_pieces_reach_the_same_sectors() {
    for (count, chunk) in [(1u64, 1u64), (1, 5), (2, 1), (2, 4), (3, 5), (4, 3)] {
        let devices: String = (0..count).map(|minor| format!(" 1:{minor} {}", minor * 11)).collect();
        let length = count * chunk * 4;
        // A segment in front, so that request and segment do not begin together.
        let table = build(&format!("0 3 error\n3 {length} striped {count} {chunk}{devices}"));
        let end = 3 + length;
        for first in 3..end {
            for sectors in 1..=end - first {
                let reached = |op| {
                    let mut all = Vec::new();
                    for (_, length, minor, sector) in remaps(&table, bio(op, first, sectors)) {
                        all.extend((sector..sector + length).map(|sector| (minor, sector)));
                    }
                    all.sort_unstable();
                    all
                };
                assert_eq!(
                    reached(Op::Read),
                    reached(Op::Discard),
                    "{count} {chunk}: {first}+{sectors}"
                );
                let pieces: Vec<_> = table.pieces(bio(Op::Discard, first, sectors), 0).collect();
                let mut offset = 0;
                for piece in &pieces {
                    assert_eq!(piece.offset, offset);
                    offset += piece.sectors;
                }
                assert_eq!(offset, sectors);
                assert!(pieces.len() as u64 <= 3 * count, "{pieces:?}");
            }
        }
    }
}

#[test]
fn errors_show_in_the_health_of_their_stripe() {
    let table = build("0 32 striped 2 8 1:0 0 1:1 100");
    let bio = bio(Op::Write, 0, 16);
    let pieces: Vec<_> = table.pieces(bio, 0).collect();
    assert_eq!(status(&table), "2 1:0 1:1 1 AA");
    assert!(table.piece_failed(&bio, &pieces[1]));
    assert_eq!(status(&table), "2 1:0 1:1 1 AD");
    // 14 errors are events, as seen on Linux.
    let events = (0..30).filter(|_| table.piece_failed(&bio, &pieces[1])).count();
    assert_eq!(events, 13);
    assert_eq!(status(&table), "2 1:0 1:1 1 AD");
}

#[test]
fn a_flush_reaches_every_component_once() {
    let table = build(
        "0 8 linear 1:3 0\n8 8 linear 1:4 0\n16 8 linear 1:3 8\n24 16 striped 2 8 1:5 0 1:4 8\n40 8 error\n48 8 zero",
    );
    let flushed: Vec<_> = remaps(&table, bio(Op::Flush, 0, 0))
        .iter()
        .map(|piece| (piece.1, piece.2))
        .collect();
    assert_eq!(flushed, [(0, 3), (0, 4), (0, 5)]);
}

#[test]
fn delays_have_classes_and_counters() {
    let table = build("0 8 delay 1:0 0 10 1:1 8 20 1:2 16 30");
    let remap = |component, sector, delay_ms| Verb::Remap {
        component,
        sector,
        delay_ms,
        corrupt: None,
    };
    let read = bio(Op::Read, 1, 2);
    let pieces: Vec<_> = table.pieces(read, 0).collect();
    assert_eq!(pieces[0].verb, remap(0, 1, 10));
    assert_eq!(status(&table), "1 0 0");
    for op in [Op::Write, Op::Discard, Op::WriteZeroes] {
        assert_eq!(verbs(&table, bio(op, 1, 2), 0), [remap(1, 9, 20)]);
    }
    assert_eq!(status(&table), "1 3 0");
    let flush = bio(Op::Flush, 0, 0);
    let flushes: Vec<_> = table.pieces(flush, 0).collect();
    let expected = [remap(0, 0, 0), remap(1, 0, 0), remap(2, 0, 30)];
    assert_eq!(flushes.iter().map(|piece| piece.verb).collect::<Vec<_>>(), expected);
    assert_eq!(status(&table), "1 3 1");
    table.delay_over(&read, &pieces[0]);
    table.delay_over(&flush, &flushes[2]);
    assert_eq!(status(&table), "0 3 0");
    table.delay_over(&read, &pieces[0]);
    assert_eq!(status(&table), "0 3 0");
}

#[test]
fn one_delay_group_serves_all() {
    let table = build("0 8 error\n8 8 delay 1:0 4 10");
    let delayed = Verb::Remap {
        component: 0,
        sector: 4,
        delay_ms: 10,
        corrupt: None,
    };
    assert_eq!(verbs(&table, bio(Op::Write, 8, 1), 0), [delayed]);
    let flush = bio(Op::Flush, 0, 0);
    let pieces: Vec<_> = table.pieces(flush, 0).collect();
    assert_eq!(pieces.len(), 1);
    let count = || {
        let mut out = String::new();
        table.write_status(&table.segments()[1], &mut out).unwrap();
        out
    };
    assert_eq!(count(), "0 1 1");
    table.delay_over(&flush, &pieces[0]);
    assert_eq!(count(), "0 1 0");
}

#[test]
fn two_delay_groups_flush_the_second_late() {
    let table = build("0 8 delay 1:0 0 0 1:0 8 20");
    // Both groups are on one device: one flush, and that waits.
    assert_eq!(verbs(&table, bio(Op::Flush, 0, 0), 0).len(), 1);
    assert_eq!(status(&table), "0 0 1");
}

/// `corrupt` for a byte, of what [`Verb::Remap`] says of component 0.
fn passed(sector: u64, corrupt: Option<(u64, u8)>) -> Verb {
    Verb::Remap {
        component: 0,
        sector,
        delay_ms: 0,
        corrupt: corrupt.map(|(byte, value)| Corrupt { byte, value }),
    }
}

#[test]
fn flakey_goes_up_and_down() {
    let table = build("0 8 flakey 1:0 5 2 1");
    let works: String = (0..14u64)
        .map(|half| match verbs(&table, bio(Op::Write, 0, 1), half * 500)[..] {
            [verb] if verb == passed(5, None) => '.',
            [FAIL] => 'X',
            ref other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(works, "....XX....XX..");
}

/// What became of reads, writes, discards and flushes in the down time, as seen on Linux 6.12.
#[test]
fn flakey_features_in_the_down_time() {
    let read = bio(Op::Read, 0, 2);
    let write = bio(Op::Write, 0, 2);
    let cases: &[(&str, Verb, Verb, Verb)] = &[
        ("", FAIL, FAIL, FAIL),
        (" 1 drop_writes", passed(0, None), Verb::Drop, Verb::Drop),
        (" 1 error_writes", passed(0, None), FAIL, FAIL),
        (" 1 error_reads", FAIL, passed(0, None), passed(0, None)),
        (" 2 error_reads error_writes", FAIL, FAIL, FAIL),
        (" 2 error_reads drop_writes", FAIL, Verb::Drop, Verb::Drop),
        (
            " 5 corrupt_bio_byte 3 r 7 0",
            passed(0, Some((2, 7))),
            passed(0, None),
            passed(0, None),
        ),
        (
            " 5 corrupt_bio_byte 3 w 7 0",
            passed(0, None),
            passed(0, Some((2, 7))),
            passed(0, None),
        ),
        (
            " 6 error_reads corrupt_bio_byte 3 w 7 0",
            FAIL,
            passed(0, Some((2, 7))),
            passed(0, None),
        ),
        (
            " 6 error_writes corrupt_bio_byte 3 r 7 0",
            passed(0, Some((2, 7))),
            FAIL,
            FAIL,
        ),
        (
            " 6 drop_writes corrupt_bio_byte 3 r 7 0",
            passed(0, Some((2, 7))),
            Verb::Drop,
            Verb::Drop,
        ),
        (
            " 5 corrupt_bio_byte 3 w 7 1",
            passed(0, None),
            passed(0, Some((2, 7))),
            passed(0, None),
        ),
        (
            " 5 corrupt_bio_byte 3 r 7 1",
            passed(0, None),
            passed(0, None),
            passed(0, None),
        ),
        (
            " 5 corrupt_bio_byte 3 r 7 2048",
            passed(0, Some((2, 7))),
            passed(0, None),
            passed(0, None),
        ),
        (
            " 5 corrupt_bio_byte 3 w 7 131072",
            passed(0, None),
            passed(0, None),
            passed(0, None),
        ),
        (
            " 5 corrupt_bio_byte 1024 w 7 0",
            passed(0, None),
            passed(0, Some((1023, 7))),
            passed(0, None),
        ),
        (
            " 5 corrupt_bio_byte 1025 w 7 0",
            passed(0, None),
            passed(0, None),
            passed(0, None),
        ),
    ];
    for (features, reads, writes, others) in cases {
        let table = build(&format!("0 8 flakey 1:0 0 0 1000{features}"));
        assert_eq!(verbs(&table, read, 0), [*reads], "read{features}");
        assert_eq!(verbs(&table, write, 0), [*writes], "write{features}");
        assert_eq!(verbs(&table, bio(Op::Discard, 0, 2), 0), [*others], "discard{features}");
        assert_eq!(
            verbs(&table, bio(Op::WriteZeroes, 0, 2), 0),
            [*others],
            "write zeroes{features}"
        );
        assert_eq!(verbs(&table, bio(Op::Flush, 0, 0), 0), [*others], "flush{features}");
        let up = build(&format!("0 8 flakey 1:0 0 1000 0{features}"));
        assert_eq!(verbs(&up, read, 5000), [passed(0, None)], "up{features}");
        assert_eq!(verbs(&up, write, 5000), [passed(0, None)], "up{features}");
    }
    let fua = Bio { fua: true, ..write };
    let table = build("0 8 flakey 1:0 0 0 1000 5 corrupt_bio_byte 3 w 7 131072");
    assert_eq!(verbs(&table, fua, 0), [passed(0, Some((2, 7)))]);
}

#[test]
fn the_damaged_byte_counts_from_the_segment() {
    // The same requests gave these bytes on Linux.
    let table = build("0 4 linear 1:0 0\n4 4 flakey 1:0 4 0 1000 5 corrupt_bio_byte 600 r 7 0\n8 8 linear 1:0 8");
    let damaged = |sector, sectors| {
        let bytes = table
            .pieces(bio(Op::Read, sector, sectors), 0)
            .filter_map(|piece| match piece.verb {
                Verb::Remap { corrupt, .. } => corrupt.map(|corrupt| corrupt.byte),
                _ => None,
            });
        bytes.collect::<Vec<_>>()
    };
    assert_eq!(damaged(0, 16), [2647]);
    assert_eq!(damaged(5, 4), [599]);
    assert_eq!(damaged(7, 1), []);
    assert_eq!(damaged(6, 2), [599]);
}

#[test]
fn random_damage_has_its_chance_and_can_be_repeated() {
    let run = |chance: u32, op| {
        let table = build(&format!("0 8 flakey 1:0 0 0 1 2 random_write_corrupt {chance}"));
        let damaged = (0..4000).filter_map(|_| match verbs(&table, bio(op, 2, 3), 0)[..] {
            [Verb::Remap { corrupt, .. }] => corrupt,
            ref other => panic!("{other:?}"),
        });
        damaged.collect::<Vec<_>>()
    };
    let always = run(1_000_000_000, Op::Write);
    assert_eq!(always.len(), 4000);
    assert!(always.iter().all(|corrupt| corrupt.byte < 3 * 512));
    assert!(always.iter().any(|corrupt| corrupt.byte >= 2 * 512 + 256));
    assert_eq!(always, run(1_000_000_000, Op::Write));
    let quarter = run(250_000_000, Op::Write).len();
    assert!((800..1200).contains(&quarter), "{quarter}");
    assert!(run(1_000_000_000, Op::Read).is_empty());
}
