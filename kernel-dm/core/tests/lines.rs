//! Table lines: what is accepted, printed and refused.

mod common;

use common::table;
use dm_abi::errno::Errno;
use dm_core::table::Table;
use dm_core::targets::args::Given;
use dm_core::targets::{Asked, TYPES};
use proptest::prelude::*;

/// The table and status texts of a table's first segment.
fn texts(table: &Table<()>) -> (String, String) {
    let (mut params, mut status) = (String::new(), String::new());
    table.write_table(&table.segments()[0], &mut params).unwrap();
    table.write_status(&table.segments()[0], &mut status).unwrap();
    (params, status)
}

fn errno(text: &str) -> Option<Errno> {
    table(text.as_bytes()).err().map(|error| error.errno)
}

#[test]
fn every_line_is_answered_as_by_linux() {
    let mut seen = 0;
    for entry in include_str!("linux-6.12-lines.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let (line, answer) = entry.split_once(" => ").unwrap();
        let ours = match table(line.trim_start_matches('!').as_bytes()) {
            Ok(table) => {
                let (params, status) = texts(&table);
                format!("OK |{params}|{status}|")
            }
            Err(error) => error.errno.to_string(),
        };
        if line.starts_with('!') {
            assert!(ours == "EINVAL" || ours == "EOVERFLOW", "{entry}: {ours}");
        } else {
            assert_eq!(ours, answer, "{line}");
        }
        seen += 1;
    }
    assert!(seen > 150);
}

#[test]
fn versions_are_those_of_linux_6_12() {
    let versions: Vec<_> = TYPES.iter().map(|kind| (kind.name, kind.version)).collect();
    assert_eq!(
        versions,
        [
            ("zero", [1, 2, 0]),
            ("flakey", [1, 5, 0]),
            ("delay", [1, 4, 0]),
            ("mirror", [1, 14, 0]),
            ("striped", [1, 6, 0]),
            ("linear", [1, 4, 0]),
            ("error", [1, 7, 0]),
            ("snapshot-merge", [1, 5, 0]),
            ("snapshot-origin", [1, 9, 0]),
            ("snapshot", [1, 16, 0]),
            ("unstriped", [1, 1, 0]),
            ("switch", [1, 1, 0]),
            ("dust", [1, 0, 0]),
            ("log-writes", [1, 1, 0]),
            ("crypt", [1, 28, 0]),
        ]
    );
}

#[test]
fn blanks_of_all_kinds_separate() {
    for line in [
        &b"0 8 linear 1:0\t8"[..],
        b"0 8 linear  1:0  8 ",
        b"0 8 linear 1:0\x0b8",
        b"0 8 linear 1:0\xa08",
    ] {
        assert_eq!(texts(&table(line).unwrap()).0, "1:0 8");
    }
    for line in [&b"0 8 linear 1:0\x018"[..], b"0 8 linear 1:0"] {
        assert_eq!(table(line).unwrap_err().errno, Errno::EINVAL);
    }
    assert_eq!(table(b"0 8 linear /dev/ram0\xff 0").unwrap_err().errno, Errno::ENOENT);
}

#[test]
fn segments_follow_each_other_from_0() {
    assert_eq!(errno("0 8 error\n8 8 error"), None);
    for text in [
        "",
        "1 8 error",
        "0 0 error",
        "0 8 error\n9 8 error",
        "0 8 error\n7 8 error",
        "0 8 error\n8 0 error",
        "0 8 error\n0 8 error",
    ] {
        assert_eq!(errno(text), Some(Errno::EINVAL), "{text}");
    }
}

#[test]
fn size_ends_where_bytes_no_longer_fit_63_bits() {
    let max = (1u64 << 54) - 1;
    assert_eq!(errno(&format!("0 {max} error")), None);
    for text in [
        format!("0 {} error", max + 1),
        format!("0 {max} error\n{max} 1 error"),
        format!("0 {} error", u64::MAX),
        format!("0 {0} error\n{0} {0} error", 1u64 << 63),
        format!("0 {0} error\n{0} 16 error", u64::MAX - 7),
    ] {
        assert_eq!(errno(&text), Some(Errno::EINVAL), "{text}");
    }
}

#[test]
fn a_later_line_error_comes_before_an_earlier_misfit() {
    assert_eq!(errno("0 8 linear 1:0 131072\n8 8 linear 77:1 0"), Some(Errno::ENXIO));
    assert_eq!(errno("0 8 linear 1:0 131072\n8 8 linear 1:1 0"), Some(Errno::EINVAL));
}

#[test]
fn the_reason_names_the_line() {
    let error = table(b"0 8 error\n8 8 linear 1:0 131065").unwrap_err();
    assert_eq!(
        error.reason,
        "line 2 (`8 8 linear 1:0 131065`): sectors 131065+8 are beyond the end of 1:0, which has 131072"
    );
}

#[test]
fn a_mapped_device_without_table_has_any_size() {
    assert_eq!(errno("0 8 linear 254:1 100000"), None);
    assert_eq!(
        errno(&format!("0 8 linear 254:1 {}", u64::MAX - 3)),
        Some(Errno::EINVAL)
    );
    assert_eq!(errno("0 8 linear 254:0 1016"), None);
    assert_eq!(errno("0 8 linear 254:0 1017"), Some(Errno::EINVAL));
}

#[test]
fn a_component_is_opened_once() {
    let mut opened = Vec::new();
    let text =
        "0 8 linear 1:2 0\n8 8 linear /dev/ram0 0\n16 8 linear 1:0 8\n24 8 linear /dev/ram0 16\n32 8 linear 1:2 8";
    let lines = text.lines().enumerate().map(|(index, line)| dm_core::table::Line {
        start: index as u64 * 8,
        length: 8,
        kind: b"linear",
        params: line.splitn(4, ' ').nth(3).unwrap().as_bytes(),
    });
    let table = Table::build(
        &mut |spec, read_only| {
            opened.push(format!("{spec:?} {read_only}"));
            common::open(spec, read_only)
        },
        lines,
        true,
        Given::at(0),
    )
    .unwrap();
    assert_eq!(opened.len(), 2);
    assert!(opened.iter().all(|open| open.ends_with("true")));
    let minors: Vec<_> = table
        .components()
        .iter()
        .map(|component| component.dev().minor)
        .collect();
    assert_eq!(minors, [2, 0]);
    assert!(table.limits().read_only);
}

#[test]
fn limits_are_the_strictest_of_the_components() {
    let limits = |text: &str| table(text.as_bytes()).unwrap().limits();
    let plain = limits("0 8 linear 1:0 0\n8 8 zero\n16 16 error");
    assert_eq!(
        (plain.sectors, plain.logical_block_size, plain.discard, plain.read_only),
        (32, 512, true, false)
    );
    assert_eq!(limits("0 8 linear 1:0 0\n8 8 linear 1:15 0").logical_block_size, 4096);
    assert!(!limits("0 8 linear 1:0 0\n8 8 linear 1:14 0").discard);
}

#[test]
fn no_target_knows_messages() {
    for kind in [
        "linear 1:0 0",
        "striped 1 8 1:0 0",
        "error",
        "zero",
        "delay 1:0 0 0",
        "flakey 1:0 0 1 0",
    ] {
        let table = table(format!("0 8 {kind}").as_bytes()).unwrap();
        let mut reply = Vec::new();
        for (sector, text) in [(0, "hello"), (8, "hello"), (0, "")] {
            assert_eq!(
                table
                    .message(sector, text.as_bytes(), &Asked { suspended: true }, &mut reply)
                    .err(),
                Some(Errno::EINVAL)
            );
        }
        assert!(reply.is_empty());
    }
}

proptest! {
    /// A table line that was printed is read as the same table.
    #[test]
    fn printing_and_reading_is_a_round_trip(
        kind in 0usize..4,
        devices in prop::collection::vec((0u32..16, 0u64..100_000), 1..4),
        numbers in prop::array::uniform4(0u32..1_000_000),
        chunk_power in 0u32..7,
        flags in 0u8..64,
    ) {
        let [a, b, c, d] = numbers;
        let pairs: Vec<_> = devices.iter().map(|(minor, offset)| format!("1:{minor} {offset}")).collect();
        let count = devices.len() as u64;
        let chunk = 1u64 << chunk_power;
        let (length, line) = match kind {
            0 => (777, format!("linear {}", pairs[0])),
            1 => (count * chunk * 3, format!("striped {count} {chunk} {}", pairs.join(" "))),
            2 => {
                let groups: Vec<_> = pairs.iter().zip([a, b, c]).map(|(pair, ms)| format!("{pair} {ms}")).collect();
                (777, format!("delay {}", groups.join(" ")))
            }
            _ => {
                let mut words = String::new();
                let mut count = 0;
                let mut add = |bit: u8, text: String| {
                    if flags & bit != 0 {
                        count += text.split(' ').count() - 1;
                        words += &text;
                    }
                };
                add(1, " error_reads".into());
                add(if flags & 4 != 0 { 2 } else { 0 }, " drop_writes".into());
                add(if flags & 4 == 0 { 2 } else { 0 }, " error_writes".into());
                let direction = if flags & 2 != 0 { 'r' } else { 'w' };
                add(8, format!(" corrupt_bio_byte {} {direction} {} {d}", c + 1, d % 256));
                add(16, format!(" random_read_corrupt {}", a + 1));
                add(32, format!(" random_write_corrupt {}", b + 1));
                if count == 0 {
                    count = 2;
                    words = " error_reads error_writes".into();
                }
                (777, format!("flakey {} {} {b} {count}{words}", pairs[0], a + 1))
            }
        };
        let built = table(format!("0 {length} {line}").as_bytes()).unwrap();
        let printed = format!("{} {}", built.segments()[0].target.name(), texts(&built).0);
        prop_assert_eq!(printed, line);
    }

    /// No text makes the parser panic, and no refusal is empty.
    #[test]
    fn any_text_is_accepted_or_refused(
        kind in prop::sample::select(vec!["linear", "striped", "error", "zero", "delay", "flakey", "nosuch"]),
        words in prop::collection::vec(
            prop_oneof![
                "[0-9]{1,22}", "1:[0-9]{1,2}", "[-+]?[0-9]{1,10}x?",
                "drop_writes|error_reads|corrupt_bio_byte|r|w", "\\PC{0,8}", Just("\\".to_string()),
            ],
            0..12,
        ),
        start in prop_oneof![Just(0u64), any::<u64>()],
        length in prop_oneof![0u64..300, any::<u64>()],
    ) {
        let params = words.join(" ");
        let line = dm_core::table::Line { start, length, kind: kind.as_bytes(), params: params.as_bytes() };
        match Table::build(&mut common::open, [line], false, Given::at(u64::MAX)) {
            Ok(table) => prop_assert_eq!(table.sectors(), length),
            Err(error) => prop_assert!(!error.reason.is_empty()),
        }
    }
}
