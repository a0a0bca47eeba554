//! Replays what the fuzzer kept: `fuzz/corpus/TARGET/*`.

use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Runs all inputs of a target.
fn replay(name: &str) {
    let mut paths: Vec<_> = std::fs::read_dir(corpus().join(name))
        .expect("every target has a corpus")
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name}");
    for path in paths {
        // The name of the last one shown is that of the one that fails.
        println!("{}", path.display());
        dm_fuzz::run(name, &std::fs::read(&path).unwrap());
    }
}

macro_rules! targets {
    ($($target:ident)*) => {
        $(#[test] fn $target() { replay(stringify!($target)); })*

        #[test]
        fn every_target_has_a_test() {
            let tested = [$(stringify!($target)),*];
            let all: Vec<_> = dm_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(tested[..], all);
            for entry in std::fs::read_dir(corpus()).unwrap() {
                let name = entry.unwrap().file_name();
                assert!(all.iter().any(|n| name == **n), "no target for {name:?}");
            }
        }
    };
}

targets! { c_devices c_entries c_report config control lines mirror_log plist records regex report stats status store table }
