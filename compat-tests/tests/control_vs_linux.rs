//! The engine's control plane against a real Linux kernel: the same request sequences, the same errnos, flags and reply
//! bytes. Needs the oracle (`scripts/oracle`, kernel 6.12).

use std::fmt::Write as _;

use compat_tests::engine;
use compat_tests::oracle;
use compat_tests::requests::{flag, hex, unhex};
use compat_tests::sequences::{Sequence, by_hand, generated};
use dm_sim::host::Numbers;

/// Answers of the kernel, one list per sequence.
fn ask_linux(sequences: &[Sequence]) -> Vec<Vec<String>> {
    let share = tempfile::tempdir().expect("a temporary directory");
    let mut text = String::new();
    for sequence in sequences {
        let _ = writeln!(text, "reset\n# {}", sequence.name);
        for request in &sequence.requests {
            let _ = writeln!(text, "{}", request.line());
        }
    }
    let file = share.path().join("requests");
    std::fs::write(&file, text).expect("written");
    let replay = oracle::program(env!("CARGO_BIN_EXE_dm-replay"));
    let script = format!(
        "modprobe -a dm-delay dm-flakey 2>/dev/null; {} {} >{}/answers",
        replay.display(),
        file.display(),
        share.path().display()
    );
    let output = oracle::run(share.path(), &["sh", "-c", &script]);
    assert!(
        output.status.success(),
        "dm-replay failed: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    let answers = std::fs::read_to_string(share.path().join("answers")).expect("answers");
    let mut lists: Vec<Vec<String>> = Vec::new();
    for line in answers.lines() {
        if line.starts_with('#') {
            lists.push(Vec::new());
        } else if !line.starts_with("reset") {
            lists.last_mut().expect("a heading first").push(line.to_string());
        }
    }
    lists
}

/// What the engine refuses and Linux lets pass: a component that ends before the mapping does (Linux looks at sizes only
/// at a device's first load and at resume), and a loop over several devices.
const STRICTER: [&str; 2] = ["beyond the end", "loop of devices"];

/// What may differ: Linux tells that it sent a uevent, which the engine never does (nobody would hear it).
fn comparable(answer: &str) -> String {
    let (errno, bytes) = answer.split_once(' ').expect("errno and bytes");
    let mut bytes = unhex(bytes).expect("hex");
    if let Some(flags) = bytes.get_mut(28..32) {
        let value = u32::from_le_bytes(flags.try_into().expect("four bytes")) & !flag::UEVENT_GENERATED;
        flags.copy_from_slice(&value.to_le_bytes());
    }
    format!("{errno} {}", hex(&bytes))
}

/// Where two answers differ, for a person.
fn difference(linux: &str, engine: &str) -> String {
    let (linux_errno, linux) = linux.split_once(' ').expect("errno and bytes");
    let (engine_errno, engine) = engine.split_once(' ').expect("errno and bytes");
    if linux_errno != engine_errno {
        return format!("errno: Linux {linux_errno}, engine {engine_errno}");
    }
    let (linux, engine) = (unhex(linux).expect("hex"), unhex(engine).expect("hex"));
    let at = linux
        .iter()
        .zip(&engine)
        .position(|(a, b)| a != b)
        .unwrap_or(linux.len().min(engine.len()));
    let around = |bytes: &[u8]| {
        let from = at / 8 * 8;
        let part = bytes.get(from..(from + 64).min(bytes.len())).unwrap_or_default();
        format!("{} {:?}", hex(part), String::from_utf8_lossy(part))
    };
    format!(
        "byte {at} of {}/{}:\n      Linux  {}\n      engine {}",
        linux.len(),
        engine.len(),
        around(&linux),
        around(&engine)
    )
}

fn compare(sequences: &[Sequence]) {
    let mut report = String::new();
    let mut compared = 0;
    for (sequence, linux) in sequences.iter().zip(ask_linux(sequences)) {
        assert_eq!(
            sequence.requests.len(),
            linux.len(),
            "{}: an answer for each request",
            sequence.name
        );
        let engine = engine::answers(sequence, Numbers::default());
        for (i, ((request, linux), (engine, refusal))) in sequence.requests.iter().zip(&linux).zip(&engine).enumerate()
        {
            let stricter = |reason: &String| STRICTER.iter().any(|text| reason.contains(text));
            if refusal.as_ref().is_some_and(stricter) && linux.starts_with("0 ") {
                // What follows in the sequence is different because of this.
                break;
            }
            compared += 1;
            let (linux, engine) = (comparable(linux), comparable(engine));
            if linux != engine {
                let _ = writeln!(
                    report,
                    "{} [{i}]: {request:?}\n    {} {}",
                    sequence.name,
                    difference(&linux, &engine),
                    refusal.as_deref().unwrap_or_default()
                );
                // What follows in a sequence is different because of this.
                if sequence.name.starts_with("generated") {
                    break;
                }
            }
        }
    }
    println!("{compared} requests compared");
    assert!(
        report.is_empty(),
        "{} differences\n{report}",
        report.matches("]: nr").count()
    );
}

#[test]
fn sequences_written_by_hand() {
    compare(&by_hand());
}

#[test]
fn generated_sequences() {
    let sequences: Vec<_> = (1..=60).map(|seed| generated(seed, 60)).collect();
    compare(&sequences);
}
