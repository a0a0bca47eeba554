//! The targets against a real Linux kernel: the same tables and the same I/O leave the same data on the disks, read
//! the same data, and fail alike. Needs the oracle (`scripts/oracle`, kernel 6.12).

use std::path::Path;

use compat_tests::data::{self, SUBJECTS, Step, fill, generated, play};
use compat_tests::data_targets;
use compat_tests::engine::Engine;
use compat_tests::oracle;

/// What the scripts show on Linux, one line for each step.
fn ask_linux(share: &Path, steps: &[Step]) -> Vec<String> {
    let file = share.join("script");
    let lines: Vec<_> = steps.iter().map(Step::to_string).collect();
    std::fs::write(&file, lines.join("\n")).expect("written");
    let script = format!(
        "modprobe -a dm-delay dm-flakey dm-mirror dm-zero dm-switch dm-unstripe dm-dust dm-crypt dm-log-writes essiv ecb crypto_null sha256_generic && {} {} >{}/answers",
        oracle::program(env!("CARGO_BIN_EXE_dm-data")).display(),
        file.display(),
        share.display()
    );
    let output = oracle::run(share, &["sh", "-c", &script]);
    assert!(
        output.status.success(),
        "dm-data failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let answers = std::fs::read_to_string(share.join("answers")).expect("answers");
    answers.lines().map(String::from).collect()
}

/// Plays the steps on both. Gives the numbers of reads and of failures.
fn compare(steps: &[Step]) -> (usize, usize) {
    let share = tempfile::tempdir().expect("a temporary directory");
    compare_in(share.path(), share.path(), steps)
}

/// The same, with files of each side in a directory of its own.
fn compare_in(linux: &Path, ours: &Path, steps: &[Step]) -> (usize, usize) {
    // What is written down is what is played.
    assert!(
        steps
            .iter()
            .all(|step| Step::parse(&step.to_string()).as_ref() == Some(step))
    );
    let theirs = ask_linux(linux, steps);
    assert_eq!(theirs.len(), steps.len());
    let mut engine = Engine::in_directory(ours);
    fill(&mut engine).expect("the disks are writable");
    let mut script_start = 0;
    let (mut read, mut failed) = (0, 0);
    for (index, (step, theirs)) in steps.iter().zip(&theirs).enumerate() {
        let ours = play(&mut engine, step);
        if ours != *theirs {
            let before: Vec<_> = steps[script_start..=index].iter().map(Step::to_string).collect();
            panic!("Linux: {theirs}\nours:  {ours}\nafter\n{}", before.join("\n"));
        }
        match step {
            Step::End => script_start = index + 1,
            Step::Table(..) => assert_eq!(ours, "OK"),
            Step::Read(..) => read += 1,
            _ => {}
        }
        failed += usize::from(ours.starts_with("errno"));
    }
    (read, failed)
}

#[test]
fn same_tables_and_writes_give_the_same_data() {
    let mut steps = Vec::new();
    for subject in SUBJECTS {
        for seed in 0..8 {
            steps.extend(generated(subject, seed));
        }
    }
    let (read, failed) = compare(&steps);
    assert!(read > 1000 && failed > 100, "{read} reads, {failed} failures");
}

#[test]
fn each_side_reads_what_the_other_has_encrypted() {
    let (read, failed) = compare(&data_targets::crypt());
    assert!(read > 500 && failed > 10, "{read} reads, {failed} failures");
}

#[test]
fn bad_blocks_are_the_same() {
    let (read, failed) = compare(&data_targets::dust());
    assert!(read > 500 && failed > 50, "{read} reads, {failed} failures");
}

#[test]
fn logs_of_writes_are_the_same() {
    let (read, failed) = compare(&data_targets::log_writes());
    assert!(read > 50 && failed > 20, "{read} reads, {failed} failures");
}

#[test]
fn stripes_and_paths_are_the_same() {
    let (read, failed) = compare(&data_targets::switch_and_unstriped());
    assert!(read > 200 && failed > 5, "{read} reads, {failed} failures");
}

#[test]
fn snapshots_are_the_same() {
    let steps: Vec<Step> = (0..8).flat_map(data::snapshots).collect();
    let (read, failed) = compare(&steps);
    assert!(read > 500 && failed > 10, "{read} reads, {failed} failures");
}

#[test]
fn mirrors_are_the_same() {
    let steps: Vec<Step> = (0..6).flat_map(data::mirrors).collect();
    let (read, _) = compare(&steps);
    assert!(read > 60, "{read} reads");
}

#[test]
fn each_side_opens_the_logs_of_the_other() {
    exchange(&[2, 8, 32, 128], data::exchange_mirror, 40);
}

#[test]
fn each_side_opens_the_stores_of_the_other() {
    let chunks: Vec<u64> = (4..=10).map(|shift| 1 << shift).collect();
    exchange(&chunks, data::exchange, 500);
}

/// How scripts save something of a size under a name, and open what is saved under others.
type Script = fn(u64, Option<&str>, &[&str]) -> Vec<Step>;

/// What each side saved is opened by both. There are at least so many reads.
fn exchange(sizes: &[u64], script: Script, reads: usize) {
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let steps: Vec<Step> = sizes
        .iter()
        .flat_map(|&size| script(size, Some(&format!("saved{size}")), &[]))
        .collect();
    compare_in(theirs.path(), ours.path(), &steps);
    let both = tempfile::tempdir().unwrap();
    for (from, side) in [(theirs.path(), "theirs"), (ours.path(), "ours")] {
        for file in std::fs::read_dir(from).unwrap().flatten() {
            let name = file.file_name().into_string().unwrap();
            if name.starts_with("saved") {
                std::fs::copy(file.path(), both.path().join(format!("{side}-{name}"))).unwrap();
            }
        }
    }
    let steps: Vec<Step> = sizes
        .iter()
        .flat_map(|&size| {
            let names = ["theirs", "ours"].map(|side| format!("{side}-saved{size}"));
            script(size, None, &[&names[0], &names[1]])
        })
        .collect();
    let (read, _) = compare_in(both.path(), both.path(), &steps);
    assert!(read >= reads, "{read} reads");
}
