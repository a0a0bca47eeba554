//! The six targets against a real Linux kernel: the same tables and the same I/O leave the same data on the disks, read
//! the same data, and fail alike. Needs the oracle (`scripts/oracle`, kernel 6.12).

use compat_tests::data::{SUBJECTS, Step, fill, generated, play};
use compat_tests::engine::Engine;
use compat_tests::oracle;

/// What the scripts show on Linux, one line for each step.
fn ask_linux(steps: &[Step]) -> Vec<String> {
    let share = tempfile::tempdir().expect("a temporary directory");
    let file = share.path().join("script");
    let lines: Vec<_> = steps.iter().map(Step::to_string).collect();
    std::fs::write(&file, lines.join("\n")).expect("written");
    let script = format!(
        "modprobe -a dm-delay dm-flakey dm-zero && {} {} >{}/answers",
        oracle::program(env!("CARGO_BIN_EXE_dm-data")).display(),
        file.display(),
        share.path().display()
    );
    let output = oracle::run(share.path(), &["sh", "-c", &script]);
    assert!(
        output.status.success(),
        "dm-data failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let answers = std::fs::read_to_string(share.path().join("answers")).expect("answers");
    answers.lines().map(String::from).collect()
}

#[test]
fn same_tables_and_writes_give_the_same_data() {
    let mut steps = Vec::new();
    for subject in SUBJECTS {
        for seed in 0..8 {
            steps.extend(generated(subject, seed));
        }
    }
    // What is written down is what is played.
    assert!(
        steps
            .iter()
            .all(|step| Step::parse(&step.to_string()).as_ref() == Some(step))
    );
    let theirs = ask_linux(&steps);
    assert_eq!(theirs.len(), steps.len());
    let mut engine = Engine::new();
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
    assert!(read > 1000 && failed > 100, "{read} reads, {failed} failures");
}
