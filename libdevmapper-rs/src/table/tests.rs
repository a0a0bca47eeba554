//! All types: what is written is read again, and nothing makes reading panic.

use super::*;
use crate::status;
use bstr::{BStr, ByteSlice};
use proptest::prelude::*;

/// `KERNEL table|status |LINE|`, lines that kernels printed.
const KERNEL_LINES: &str = include_str!("../../tests/kernel-lines.txt");

fn kernel_lines(wanted: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = KERNEL_LINES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.filter_map(move |line| {
        let (head, text) = line.split_once(" |").expect(line);
        let (kernel, what) = head.split_once(' ').expect(line);
        (what == wanted).then(|| (kernel, text.strip_suffix('|').expect(line)))
    })
}

fn printed_again<T: Target + std::fmt::Debug>(what: &str, at_least: usize) {
    let mut count = 0;
    for (kernel, text) in kernel_lines(what) {
        let line: Line<T> = text.parse().unwrap_or_else(|error| panic!("{kernel}: {text}: {error}"));
        let again = line.params.to_bytes();
        let params = text.splitn(4, ' ').nth(3).unwrap_or_default();
        if kernel == "6.12" {
            assert_eq!(again, params, "{line:?}");
        } else {
            // Other kernels differ in blanks at the end.
            assert_eq!(again.trim_end(), params.trim_end().as_bytes(), "{kernel}: {line:?}");
        }
        assert_eq!(line.to_string().trim_end(), text.trim_end());
        count += 1;
    }
    assert!(count >= at_least, "{count} lines");
}

#[test]
fn tables_of_the_kernel() {
    printed_again::<Params>("table", 80);
}

#[test]
fn states_of_the_kernel() {
    printed_again::<Status>("status", 80);
}

/// Every target type that the kernels had is known, and was seen with a table.
#[test]
fn target_types_are_known() {
    for kind in Params::KINDS {
        let known: Vec<_> = kernel_lines("table")
            .filter(|(_, line)| line.split(' ').nth(2) == Some(kind))
            .collect();
        // Not in the kernels that were asked.
        assert_eq!(known.is_empty(), matches!(*kind, "ebs" | "vdo"), "{kind}");
    }
}

#[test]
fn lines_may_end_anywhere() {
    fn all<T: Target>(what: &str) {
        for (_, text) in kernel_lines(what) {
            let words = words::split(text.as_bytes()).len();
            for end in 0..text.len() {
                if let Err(error) = Line::<T>::parse(&text.as_bytes()[..end]) {
                    assert!((1..=words + 1).contains(&error.word()), "{text}: {error}");
                }
            }
        }
    }
    all::<Params>("table");
    all::<Status>("status");
}

macro_rules! round_trips {
    ($($name:ident: $type:ty,)*) => {$(
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(20))]
            #[test]
            fn $name(value: $type) {
                let bytes = Text::to_bytes(&value);
                prop_assert_eq!(&<$type as Text>::parse(&bytes).unwrap(), &value);
                let text = value.to_string();
                if std::str::from_utf8(&bytes).is_ok() {
                    prop_assert_eq!(text.parse::<$type>().unwrap(), value);
                }
            }
        }
    )*};
}

round_trips! {
    linear: Linear,
    striped: Striped,
    striped_status: StripedStatus,
    zero: Zero,
    fail: Fail,
    unstriped: Unstriped,
    switch: Switch,
    ebs: Ebs,
    delay: Delay,
    delay_status: DelayStatus,
    flakey: Flakey,
    dust: Dust,
    dust_status: DustStatus,
    log_writes: LogWrites,
    log_writes_status: LogWritesStatus,
    snapshot_origin: SnapshotOrigin,
    snapshot: Snapshot,
    snapshot_status: SnapshotStatus,
    mirror: Mirror,
    mirror_status: MirrorStatus,
    crypt: Crypt,
    raid: Raid,
    raid_status: RaidStatus,
    thin_pool: ThinPool,
    thin_pool_status: ThinPoolStatus,
    thin: Thin,
    thin_status: ThinStatus,
    cache: Cache,
    cache_status: CacheStatus,
    writecache: Writecache,
    writecache_status: WritecacheStatus,
    integrity: Integrity,
    integrity_status: IntegrityStatus,
    verity: Verity,
    verity_status: VerityStatus,
    vdo: Vdo,
    vdo_status: VdoStatus,
    era: Era,
    era_status: EraStatus,
    clone: CloneTarget,
    clone_status: CloneStatus,
    multipath: Multipath,
    multipath_status: MultipathStatus,
    area: Area,
    word: Word,
    device: Device,
    setting: Setting,
}

/// Reads a text as every target type; what is understood is understood again after writing.
fn read_as_all(text: &[u8]) -> Result<(), TestCaseError> {
    fn read_as<T: Target + PartialEq + std::fmt::Debug>(kinds: &[&str], text: &[u8]) -> Result<(), TestCaseError> {
        let words = words::split(text).len();
        for kind in kinds.iter().map(|kind| kind.as_bytes()).chain([&b"other"[..]]) {
            match T::parse(kind, text) {
                Ok(value) => {
                    let again = T::parse(kind, &value.to_bytes());
                    prop_assert_eq!(again.as_ref(), Ok(&value), "{:?}", value.to_bytes());
                }
                Err(error) => {
                    prop_assert!((1..=words + 1).contains(&error.word()), "{}", error);
                    prop_assert!(!error.is_truncated() || error.found().is_none());
                }
            }
        }
        Ok(())
    }
    read_as::<Params>(Params::KINDS, text)?;
    read_as::<Status>(Status::KINDS, text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_read(text in proptest::collection::vec(any::<u8>(), 0..80)) {
        let words = words::split(&text).len();
        for kind in Params::KINDS {
            if let Err(error) = Params::parse(kind.as_bytes(), &text) {
                prop_assert!((1..=words + 1).contains(&error.word()), "{}", error);
            }
        }
        for kind in Status::KINDS {
            if let Err(error) = Status::parse(kind.as_bytes(), &text) {
                prop_assert!((1..=words + 1).contains(&error.word()), "{}", error);
            }
        }
        let _ = Line::<Params>::parse(&text);
        let _ = Line::<Status>::parse(&text);
        let _ = Table::parse(&text);
    }

    #[test]
    fn any_mixture_of_words_is_read(
        words in proptest::collection::vec(
            prop_oneof![
                8 => proptest::sample::select(
                    KERNEL_LINES.lines().flat_map(|l| l.split([' ', '|'])).filter(|w| !w.is_empty()).collect::<Vec<_>>()
                )
                .prop_map(str::to_owned),
                1 => any::<u64>().prop_map(|n| n.to_string()),
                1 => Just("99999999999999999999999".to_owned()),
            ],
            0..24,
        )
    ) {
        read_as_all(words.join(" ").as_bytes())?;
    }

    /// A line of the kernel with a word changed, left out or put in.
    #[test]
    fn a_wrong_word_is_found(
        line in proptest::sample::select(KERNEL_LINES.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>()),
        at in 3usize..12,
        change in 0..3,
        word in prop_oneof![Just("x"), Just("-"), Just("0"), Just("1"), Just("7"), Just("1:2"), Just("4294967296")],
    ) {
        let text = line.split('|').nth(1).unwrap_or_default();
        let mut words: Vec<&str> = text.split(' ').skip(3).collect();
        let at = (at - 3).min(words.len());
        match change {
            0 if at < words.len() => words[at] = word,
            1 if at < words.len() => _ = words.remove(at),
            _ => words.insert(at, word),
        }
        read_as_all(words.join(" ").as_bytes())?;
    }
}

// The C library's parsers are looser, and must understand the same of all that the kernel prints.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn c_parser_of_thin_pool(value: ThinPoolStatus) {
        let c = status::parse_thin_pool(&value.to_bytes()).unwrap();
        match value {
            ThinPoolStatus::Running(s) => {
                prop_assert_eq!(
                    (c.transaction_id, c.used_metadata_blocks, c.total_metadata_blocks),
                    (s.transaction_id, s.used_metadata_blocks, s.total_metadata_blocks)
                );
                prop_assert_eq!((c.used_data_blocks, c.total_data_blocks), (s.used_data_blocks, s.total_data_blocks));
                prop_assert_eq!((c.discards, c.needs_check, c.fail, c.error), (s.discards, s.needs_check, false, false));
                prop_assert_eq!(c.read_only, s.mode == PoolMode::ReadOnly);
                prop_assert_eq!(c.out_of_data_space, s.mode == PoolMode::OutOfDataSpace);
                prop_assert_eq!(c.error_if_no_space, s.no_space == NoSpace::Error);
            }
            ThinPoolStatus::Fail => prop_assert_eq!((c.fail, c.error), (true, false)),
            ThinPoolStatus::Error => prop_assert_eq!((c.fail, c.error), (true, true)),
        }
    }

    #[test]
    fn c_parser_of_thin(mapped: u64, highest: u64) {
        let value = ThinStatus::Mapped { mapped, highest: Some(highest) };
        let c = status::parse_thin(&value.to_bytes()).unwrap();
        prop_assert_eq!((c.mapped_sectors, c.highest_mapped_sector, c.fail), (mapped, highest, false));
    }

    #[test]
    fn c_parser_of_snapshot(value: SnapshotStatus) {
        let c = status::parse_snapshot(&value.to_bytes());
        match value {
            SnapshotStatus::Used { used, total, metadata } => {
                let c = c.unwrap();
                prop_assert_eq!((c.used_sectors, c.total_sectors, c.metadata_sectors), (used, total, metadata));
            }
            SnapshotStatus::Invalid => prop_assert!(c.unwrap().invalid),
            SnapshotStatus::Overflow => prop_assert!(c.unwrap().overflow),
            SnapshotStatus::MergeFailed => prop_assert!(c.unwrap().merge_failed),
            SnapshotStatus::Unknown => prop_assert!(c.is_err()),
        }
    }

    #[test]
    fn c_parser_of_cache(mut state: CacheState) {
        // It wants settings, and looks for words anywhere.
        prop_assume!(!state.core_settings.is_empty());
        state.policy = "smq".parse().unwrap();
        for setting in state.core_settings.iter_mut().chain(&mut state.policy_settings) {
            *setting = Setting::number("key", 1).unwrap();
        }
        let c = status::parse_cache(&CacheStatus::Running(Box::new(state.clone())).to_bytes()).unwrap();
        prop_assert_eq!(c.counters, state.counters);
        prop_assert_eq!((c.read_only, c.needs_check), (state.read_only, state.needs_check));
        prop_assert_eq!(c.core_args.len(), 2 * state.core_settings.len());
        prop_assert_eq!(c.policy_args.len(), 2 * state.policy_settings.len());
        let flags = state.features.iter().fold(0, |flags, feature| {
            flags | match feature {
                CacheFeature::Writeback => 1,
                CacheFeature::Writethrough => 2,
                CacheFeature::Passthrough => 4,
                CacheFeature::Metadata2 => 8,
                CacheFeature::NoDiscardPassdown => 16,
            }
        });
        prop_assert_eq!(c.feature_flags, flags);
    }

    #[test]
    fn c_parser_of_writecache(value: WritecacheStatus) {
        prop_assert_eq!(status::parse_writecache(&value.to_bytes()).unwrap(), value.fill);
    }

    #[test]
    fn c_parser_of_mirror(value: MirrorStatus) {
        prop_assume!((1..=8).contains(&value.legs.len()));
        let c = status::parse_mirror(&value.to_bytes()).unwrap();
        prop_assert_eq!((c.insync_regions, c.total_regions), (value.insync_regions, value.total_regions));
        prop_assert_eq!(c.devs, value.legs);
        if value.log.kind == "disk" {
            prop_assert_eq!(c.logs, value.log.devices);
        }
    }

    #[test]
    fn c_parser_of_raid(value: RaidStatus) {
        prop_assume!(!value.legs.is_empty());
        let c = status::parse_raid(&value.to_bytes()).unwrap();
        prop_assert_eq!((c.total_regions, c.mismatch_count, c.data_offset), (value.total, value.mismatches, value.data_offset));
        prop_assert_eq!(c.sync_action.unwrap(), value.action.word().as_bytes());
        prop_assert_eq!((c.raid_type, c.dev_health.len()), (value.raid_type.word().into(), value.legs.len()));
    }

    #[test]
    fn c_parser_of_integrity(value: IntegrityStatus) {
        prop_assume!(value.recalculated.is_none_or(|r| r < 1_000_000_000_000_000));
        let c = status::parse_integrity(&value.to_bytes()).unwrap();
        prop_assert_eq!((c.number_of_mismatches, c.provided_data_sectors), (value.mismatches, value.provided_sectors));
        prop_assert_eq!(c.recalc_sector, value.recalculated.unwrap_or(0));
    }
}

#[test]
fn keys_are_not_shown_by_debug() {
    let crypt: Crypt = "aes-xts-plain64 00ff 0 1:0 0".parse().unwrap();
    let Key::Raw(secret) = &crypt.key else { panic!() };
    assert_eq!(secret.expose(), [0, 255]);
    let shown = format!("{crypt:?}");
    assert!(!shown.contains("255") && !shown.contains("00ff"), "{shown}");
    let error = "aes-xts-plain64 00fg 0 1:0 0".parse::<Crypt>().unwrap_err();
    assert!(!error.to_string().contains("00fg"), "{error}");
    assert_eq!(error.word(), 2);
}

#[test]
fn keys_of_the_keyring() {
    let text = "aes-xts-plain64 :64:logon:cryptsetup:0-1-d0 0 1:0 0";
    let crypt: Crypt = text.parse().unwrap();
    let Key::Keyring {
        size,
        kind,
        description,
    } = &crypt.key
    else {
        panic!()
    };
    assert_eq!((*size, *kind), (64, KeyType::Logon));
    assert_eq!(*description, "cryptsetup:0-1-d0");
    assert_eq!(crypt.to_string(), text);
}

#[test]
fn groups_that_do_not_fit() {
    for (text, message) in [
        (
            "1:0 1:1 128 5 2 skip_block_zeroing",
            "word 7: option of thin-pool expected, but the line ends",
        ),
        (
            "1:0 1:1 128 5 1 fast",
            "word 6: option of thin-pool expected, found \"fast\"",
        ),
        ("1:0 1:1 128 5 0 x", "word 6: the end of the line expected, found \"x\""),
        (
            "1:0 1:1 128 5 99999999999999999999",
            "word 5: option of thin-pool expected, found \"99999999999999999999\"",
        ),
        (
            "1:0",
            "word 2: data device (MAJOR:MINOR or path) expected, but the line ends",
        ),
    ] {
        assert_eq!(text.parse::<ThinPool>().unwrap_err().to_string(), message, "{text}");
    }
    let error = "core 2 1024 maybe 0".parse::<Mirror>().unwrap_err();
    assert_eq!(error.to_string(), "word 4: sync or nosync expected, found \"maybe\"");
    let error = "core 3 1024 sync 9 0".parse::<Mirror>().unwrap_err();
    assert_eq!(error.to_string(), "word 5: the end of the group expected, found \"9\"");
}

#[test]
fn lines_of_unknown_targets_stay() {
    let line: Line<Params> = "8 16 pcache cache 1:2  x".parse().unwrap();
    let Params::Other(other) = &line.params else { panic!() };
    assert_eq!(
        (other.kind(), other.text()),
        (BStr::new("pcache"), BStr::new("cache 1:2 x"))
    );
    assert_eq!(line.to_string(), "8 16 pcache cache 1:2 x");
    assert!("0 8 a-name-of-16-byte x".parse::<Line<Params>>().is_err());
}

#[test]
fn vdo_lines() {
    for text in [
        "V2 /dev/dm-1 25600 4096 32768 16380 on auto vg-vpool maxDiscard 1 ack 1 bio 4 bioRotationInterval 64 cpu 2 hash 0 \
         logical 0 physical 0",
        "V4 1:0 25600 512 32768 16380 deduplication on compression off maxDiscard 1500 ack 1",
        "V4 1:0 25600 4096 32768 16380",
    ] {
        assert_eq!(text.parse::<Vdo>().unwrap().to_string(), text);
    }
}

#[test]
fn tables_have_no_gaps() {
    for (text, message) in [
        ("0 8 zero\n9 8 zero", "line 2, word 1: first sector 8 expected, found 9"),
        ("1 8 zero", "line 1, word 1: first sector 0 expected, found 1"),
        (
            "0 8 zero\n\n# more\n8 8 linear 1:0",
            "line 4, word 5: offset in sectors expected, but the line ends",
        ),
        ("0 0 zero", "line 1, word 2: a line of 0 sectors at sector 0"),
        (
            "0 18446744073709551615 zero\n18446744073709551615 1 zero",
            "line 2, word 2: a line of 1 sectors at sector 18446744073709551615",
        ),
    ] {
        assert_eq!(text.parse::<Table>().unwrap_err().to_string(), message, "{text}");
    }
}
