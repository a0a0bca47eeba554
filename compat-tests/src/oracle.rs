//! Runs commands under a real Linux kernel with device-mapper (`scripts/oracle`).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The checkout's top directory.
#[must_use]
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("compat-tests is below the top")
        .to_path_buf()
}

/// Runs `command` in a guest that may write below `share`, and returns what it printed.
///
/// # Panics
/// When the guest cannot run: these tests need the oracle, and a test that cannot run has failed.
#[must_use]
pub fn run(share: &Path, command: &[&str]) -> Output {
    let output = Command::new(top().join("scripts/oracle"))
        .args(["-m", "1024M", "-s"])
        .arg(share)
        .arg("--")
        .args(command)
        .output()
        .expect("scripts/oracle starts");
    assert_ne!(
        output.status.code(),
        Some(125),
        "the oracle's guest did not run: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The path of a program of this workspace that cargo built for this test run.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program(path: &str) -> PathBuf {
    let path = PathBuf::from(path);
    assert!(path.exists(), "{} was not built", path.display());
    path
}
