//! The parts of include/compat that do not depend on NetBSD, run here under the address and undefined-behaviour
//! sanitizers: asynchronous I/O over threads, the table of mounts, the order of versions (against glibc's).
//! What does depend on NetBSD is compiled by scripts/netbsd-build.

use std::process::Command;

use compat_tests::oracle::top;

/// Compiles compat-tests/dmcompat/NAME.c with include/compat/src/NAME.c, and runs it.
fn run(name: &str, flags_of_source: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let compat = top().join("include/compat");
    let gcc = |source: std::path::PathBuf, object: &std::path::Path, flags: &[&str]| {
        let output = Command::new("gcc")
            .args(["-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", "-O1"])
            .arg("-fsanitize=address,undefined")
            .arg("-fno-sanitize-recover=all")
            .args(flags)
            // Only for "...": the compiler's own headers are those of this machine.
            .arg("-iquote")
            .arg(&compat)
            .arg("-iquote")
            .arg(compat.join("src"))
            .arg("-c")
            .arg(&source)
            .arg("-o")
            .arg(object)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            source.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let (ours, test, program) = (
        dir.path().join("ours.o"),
        dir.path().join("test.o"),
        dir.path().join("test"),
    );
    gcc(compat.join("src").join(name), &ours, flags_of_source);
    gcc(top().join("compat-tests/dmcompat").join(name), &test, &[]);
    let linked = Command::new("gcc")
        .args(["-fsanitize=address,undefined", "-o"])
        .arg(&program)
        .args([&test, &ours])
        .arg("-lpthread")
        .status()
        .unwrap();
    assert!(linked.success(), "{name} does not link");
    let output = Command::new(&program).output().unwrap();
    assert!(
        output.status.success() && output.stdout == b"ok\n",
        "{name}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn asynchronous_io() {
    run("aio.c", &[]);
}

#[test]
fn the_table_of_mounts() {
    run("mntent.c", &[]);
}

#[test]
fn the_order_of_versions() {
    run(
        "strings.c",
        &["-Dstrverscmp=ours_strverscmp", "-Dversionsort=ours_versionsort"],
    );
}
