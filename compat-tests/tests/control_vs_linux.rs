//! The engine's control plane against a real Linux kernel: the same request sequences, the same errnos, flags and reply
//! bytes. Needs the oracle (`scripts/oracle`, kernel 6.12).

use std::fmt::Write as _;

use compat_tests::oracle;
use compat_tests::sequences::{Sequence, by_hand, generated};

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

#[test]
#[ignore = "prints only"]
fn print_linux() {
    let sequences = by_hand();
    for (sequence, answers) in sequences.iter().zip(ask_linux(&sequences)) {
        println!("== {}", sequence.name);
        for (request, answer) in sequence.requests.iter().zip(answers) {
            println!("{request:?}\n    {answer}");
        }
    }
    let _ = generated(1, 10);
}
