//! Replays what the fuzzer kept: `fuzz/corpus/TARGET/*`.

use std::path::Path;

#[test]
fn all_inputs_pass() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, _) in dm_fuzz::TARGETS {
        let mut seen = 0;
        for entry in std::fs::read_dir(corpus.join(name)).expect("every target has a corpus") {
            let path = entry.unwrap().path();
            // The name of the last one shown is that of the one that fails.
            println!("{}", path.display());
            dm_fuzz::run(name, &std::fs::read(&path).unwrap());
            seen += 1;
        }
        assert!(seen > 0, "{name}");
    }
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(
            dm_fuzz::TARGETS.iter().any(|(n, _)| name == **n),
            "no target for {name:?}"
        );
    }
}
