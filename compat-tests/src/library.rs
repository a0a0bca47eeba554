//! Our library as the tests use it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::oracle::top;

/// The directory of our library with its debugging information, built once for this test run.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn ours() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = top().join("target/libdevmapper-test");
        let output = Command::new(top().join("scripts/build-lib"))
            .arg("--debug")
            .arg(&dir)
            .output()
            .expect("scripts/build-lib starts");
        assert!(
            output.status.success(),
            "build-lib: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        dir
    })
}
