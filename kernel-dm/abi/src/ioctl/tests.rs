//! Tests of the records, against what Linux 6.12 answered, and property tests.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::load::*;
use super::reply::*;

fn record(start: u64, length: u64, kind: &[u8], params: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    push_record(
        &mut out,
        &TargetSpec {
            start,
            length,
            kind,
            params,
        },
    );
    out
}

/// A request buffer: header, then payload.
fn request(payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; 312];
    buffer.extend_from_slice(payload);
    buffer
}

fn load(buffer: &[u8], start: u32, count: u32) -> Result<usize, Malformed> {
    LoadRecords::new(buffer, start, count).try_fold(0, |n, record| record.map(|_| n + 1))
}

#[test]
fn load_records_as_traced() {
    let mut payload = record(0, 16, b"linear", b"/dev/ram0 0");
    assert_eq!(payload.len(), 56);
    payload.extend(record(16, 8, b"error", b""));
    assert_eq!(payload.len(), 56 + 48);
    assert_eq!((payload[20], payload[56 + 20]), (56, 48));
    let buffer = request(&payload);
    let specs: Vec<_> = LoadRecords::new(&buffer, 312, 2).map(Result::unwrap).collect();
    assert_eq!(specs[0].params, b"/dev/ram0 0");
    assert_eq!(
        (specs[1].start, specs[1].length, specs[1].kind, specs[1].params),
        (16, 8, &b"error"[..], &b""[..])
    );
}

/// Sizes and offsets that Linux 6.12 accepts and refuses.
#[test]
fn load_bounds() {
    let one = record(0, 8, b"error", b"");
    for (size, good) in [
        (311, false),
        (312, false),
        (313, false),
        (351, false),
        (352, false),
        (353, true),
        (360, true),
    ] {
        let buffer = request(&one);
        assert_eq!(
            load(&buffer[..size.min(buffer.len())], 312, 1).is_ok(),
            good,
            "size {size}"
        );
    }
    let mut far = request(&[0; 64]);
    far[320..368].copy_from_slice(&one);
    for (start, good) in [
        (0, false),
        (304, false),
        (305, false),
        (308, false),
        (313, false),
        (320, true),
        (400, false),
    ] {
        assert_eq!(load(&far, start, 1).is_ok(), good, "start {start}");
    }
    let with_next = |next: u32, first: usize| {
        let mut payload = one.clone();
        payload[20..24].copy_from_slice(&next.to_ne_bytes());
        payload.resize(first, 0);
        payload.extend(record(8, 8, b"error", b""));
        request(&payload)
    };
    for (next, first, good) in [
        (0, 48, false),
        (8, 48, false),
        (40, 40, false),
        (41, 48, false),
        (44, 44, false),
        (48, 48, true),
        (52, 52, false),
        (56, 56, true),
        (96, 96, true),
        (0x7fff_fff8, 48, false),
        (0xffff_fff8, 48, false),
    ] {
        assert_eq!(load(&with_next(next, first), 312, 2).is_ok(), good, "next {next}");
    }
    // The last record's `next` does not matter.
    let mut odd = request(&one);
    odd[312 + 20] = 3;
    assert_eq!(load(&odd, 312, 1), Ok(1));
    // Parameters end inside their own record.
    let mut unterminated = with_next(48, 48);
    unterminated[352..360].fill(b'x');
    assert_eq!(load(&unterminated, 312, 2), Err(Malformed));
    assert_eq!(load(&request(&one), 312, u32::MAX), Err(Malformed));
}

/// `0 16 linear 1:0 0` and `16 8 error`, as TABLE_STATUS answers into buffers of different sizes.
#[test]
fn status_truncation() {
    let write = |size: usize| {
        let mut buffer = vec![0xaa; size];
        let (start, area) = payload_area(&mut buffer);
        let mut writer = StatusWriter::new(area);
        writer.record(0, 16, b"linear", |out| out.write_str("1:0 0"));
        writer.record(16, 8, b"error", |_| Ok(()));
        let (used, full) = writer.finish();
        (start, used, full, buffer)
    };
    for (size, start, used, full) in [
        (305, 305, 0, true),
        (312, 312, 0, true),
        (353, 312, 0, true),
        (358, 312, 0, true),
        (359, 312, 46, true),
        (360, 312, 46, true),
        (400, 312, 46, true),
        (401, 312, 46, true),
        (402, 312, 89, true),
        (407, 312, 89, true),
        (408, 312, 89, false),
        (409, 312, 89, false),
    ] {
        let answer = write(size);
        assert_eq!((answer.0, answer.1, answer.2), (start, used, full), "size {size}");
    }
    let (_, used, _, buffer) = write(408);
    let expected = "0000000000000000 1000000000000000 00000000 30000000 6c696e65617200000000000000000000 313a30203000aaaa \
         1000000000000000 0800000000000000 00000000 60000000 6572726f720000000000000000000000 00";
    assert_eq!(hex(&buffer[312..312 + used]), expected.replace([' ', '\n'], ""));
    // The link of the last whole record is not written when nothing fits behind it.
    assert_eq!(write(359).3[312 + 20..312 + 24], [0xaa; 4]);
}

fn hex(bytes: &[u8]) -> alloc::string::String {
    use core::fmt::Write;
    let mut out = alloc::string::String::new();
    for byte in bytes {
        write!(out, "{byte:02x}").unwrap();
    }
    out
}

#[test]
fn names_as_traced() {
    let entries = [
        NameEntry {
            dev: 0xfe01,
            name: b"alpha",
            event_nr: 0,
            uuid: Some(b""),
        },
        NameEntry {
            dev: 0xfe02,
            name: b"mid",
            event_nr: 0,
            uuid: Some(b"U-m"),
        },
        NameEntry {
            dev: 0xfe00,
            name: b"zeta",
            event_nr: 0,
            uuid: Some(b"U-zeta"),
        },
    ];
    let mut area = [0; 200];
    let used = write_names(&mut area, entries.iter().copied()).unwrap();
    let expected = "01fe000000000000 20000000616c7068 6100000000000000 0000000002000000 \
         02fe000000000000 200000006d696400 0000000001000000 552d6d0000000000 \
         00fe000000000000 000000007a657461 0000000000000000 0000000001000000 552d7a6574610000";
    assert_eq!(hex(&area[..used]), expected.replace([' ', '\n'], ""));
    assert_eq!(read_names(&area[..used]).collect::<Vec<_>>(), entries);
    assert_eq!(write_names(&mut area[..used - 1], entries.iter().copied()), None);
    // One device `abcd` without UUIDs asked for needs 32 bytes; no device needs room for 8.
    let one = NameEntry {
        dev: 0xfe00,
        name: b"abcd",
        event_nr: 0,
        uuid: None,
    };
    assert_eq!(write_names(&mut [0; 31], [one].into_iter()), None);
    assert_eq!(write_names(&mut [0; 32], [one].into_iter()), Some(32));
    assert_eq!(write_names(&mut [0; 7], [].into_iter()), None);
    assert_eq!(write_names(&mut [0; 8], [].into_iter()), Some(0));
}

/// The seven types of the oracle's kernel: 229 bytes are counted, 190 are written.
#[test]
fn versions_as_traced() {
    let types: [(&[u8], [u32; 3]); 7] = [
        (b"snapshot-merge", [1, 5, 0]),
        (b"snapshot-origin", [1, 9, 0]),
        (b"snapshot", [1, 16, 0]),
        (b"mirror", [1, 14, 0]),
        (b"striped", [1, 6, 0]),
        (b"linear", [1, 4, 0]),
        (b"error", [1, 7, 0]),
    ];
    let entries = types.map(|(name, version)| VersionEntry { name, version });
    let mut area = [0; 229];
    assert_eq!(write_versions(&mut area[..228], entries.iter().copied()), None);
    assert_eq!(write_versions(&mut area, entries.iter().copied()), Some(229));
    assert_eq!(read_versions(&area).collect::<Vec<_>>(), entries);
    assert_eq!(write_versions(&mut [0; 30], entries[5..6].iter().copied()), Some(30));
}

#[test]
fn deps_and_message() {
    let mut area = [0xaa; 16];
    assert_eq!(write_deps(&mut area[..15], [0x100].into_iter()), None);
    assert_eq!(write_deps(&mut area, [0x100].into_iter()), Some(16));
    assert_eq!(hex(&area), "01000000aaaaaaaa0001000000000000");
    assert_eq!(read_deps(&area).collect::<Vec<_>>(), [0x100]);
    assert_eq!(write_message(&mut [0; 1], b""), Some(1));
    assert_eq!(write_message(&mut [0; 1], b"x"), None);
}

#[test]
fn texts_and_messages() {
    let buffer = request(b"b\\x201\0rest");
    assert_eq!(payload_text(&buffer, 312), Ok(&b"b\\x201"[..]));
    assert_eq!(payload_text(&buffer[..315], 312), Err(Malformed));
    assert_eq!(payload_text(&buffer, 305), Ok(&b""[..]));
    assert_eq!(payload_text(&buffer, 304), Err(Malformed));
    assert_eq!(payload_text(&buffer, u32::MAX), Err(Malformed));
    let buffer = request(b"\x18\0\0\0\0\0\0\0hi\0");
    assert_eq!(
        payload_message(&buffer, 312),
        Ok((u64::from_ne_bytes([24, 0, 0, 0, 0, 0, 0, 0]), &b"hi"[..]))
    );
    assert_eq!(payload_message(&buffer[..320], 312), Err(Malformed));
    assert_eq!(payload_message(&buffer[..319], 312), Err(Malformed));
    assert_eq!(double_backslashes(br"a\b\\"), br"a\\b\\\\");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), start in 0u32..700, count in any::<u32>()) {
        let _ = LoadRecords::new(&bytes, start, count).count();
        let _ = LoadRecords::new(&bytes, start & !7, count % 8).count();
        let _ = payload_text(&bytes, start);
        let _ = payload_message(&bytes, start);
        let payload = bytes.get(312.min(bytes.len())..).unwrap();
        for bytes in [&bytes[..], payload] {
            let _ = read_status(bytes, count).count();
            let _ = read_names(bytes).count();
            let _ = read_versions(bytes).count();
            let _ = read_deps(bytes).count();
        }
    }

    #[test]
    fn loads_come_back(lines in proptest::collection::vec((any::<u64>(), any::<u64>(), "[a-z]{1,15}", "[ -~]{0,40}"), 1..6)) {
        let mut payload = Vec::new();
        for (start, length, kind, params) in &lines {
            payload.extend(record(*start, *length, kind.as_bytes(), params.as_bytes()));
        }
        let buffer = request(&payload);
        let count = u32::try_from(lines.len()).unwrap();
        let back: Vec<_> = LoadRecords::new(&buffer, 312, count).map(Result::unwrap).collect();
        prop_assert_eq!(back.len(), lines.len());
        for (spec, (start, length, kind, params)) in back.iter().zip(&lines) {
            prop_assert_eq!((spec.start, spec.length), (*start, *length));
            prop_assert_eq!((spec.kind, spec.params), (kind.as_bytes(), params.as_bytes()));
        }
    }

    #[test]
    fn replies_come_back(
        lines in proptest::collection::vec((any::<u64>(), any::<u64>(), "[a-z]{1,15}", "[ -~]{0,40}"), 0..6),
        size in 0usize..600,
    ) {
        let mut area = vec![0xaa; size];
        let mut writer = StatusWriter::new(&mut area);
        for (start, length, kind, params) in &lines {
            writer.record(*start, *length, kind.as_bytes(), |out| out.write_str(params));
        }
        let (used, full) = writer.finish();
        prop_assert!(used <= size);
        let count = u32::try_from(lines.len()).unwrap();
        if !full {
            let back: Vec<_> = read_status(&area[..used], count).collect();
            prop_assert_eq!(back.len(), lines.len());
            for (spec, (start, length, kind, params)) in back.iter().zip(&lines) {
                prop_assert_eq!((spec.start, spec.length), (*start, *length));
                prop_assert_eq!((spec.kind, spec.params), (kind.as_bytes(), params.as_bytes()));
            }
        }
    }

    #[test]
    fn lists_come_back(
        names in proptest::collection::vec(("[ -~]{1,127}", any::<u32>(), proptest::option::of("[ -~]{0,128}"), 1u64..), 0..6),
        size in 0usize..1200,
    ) {
        let entries: Vec<_> = names
            .iter()
            .map(|(name, event_nr, uuid, dev)| NameEntry {
                dev: *dev,
                name: name.as_bytes(),
                event_nr: *event_nr,
                uuid: uuid.as_ref().map(|uuid| uuid.as_bytes()),
            })
            .collect();
        let mut area = vec![0xaa; size];
        match write_names(&mut area, entries.iter().copied()) {
            None => prop_assert!(area.iter().all(|&byte| byte == 0xaa)),
            Some(used) => prop_assert_eq!(read_names(&area[..used]).collect::<Vec<_>>(), entries),
        }
    }
}
