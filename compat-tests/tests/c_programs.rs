//! The C programs of compat-tests/c, each compiled once with our header and linked to the reference library, and run
//! with the reference library and with ours: output and exit status must be equal.
//!
//! * A program whose first line contains `/* oracle */` needs a kernel: it runs through scripts/oracle.
//! * `NAME.diff-ok` holds differences that are known and meant, as `diff` prints them (reference to ours), below
//!   comment lines that start with `#` and explain them.
//! * `NAME.out` stands for the reference's output where this machine's reference library (Debian's) is too old to have
//!   the functions; such a program is linked to our library.
//! * `C_PROGRAM=NAME` in the environment runs one program only.
//! * `DM_AUDIT` and `DM_AUDIT_DIR` (scripts/matrix): runs with our library load that auditing object, and what it writes
//!   goes to the directory `c.NAME` there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use compat_tests::library;
use compat_tests::oracle::top;

/// Where the reference library of this machine is.
fn reference_library() -> PathBuf {
    [
        "/usr/lib/x86_64-linux-gnu",
        "/lib/x86_64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ]
    .iter()
    .map(PathBuf::from)
    .find(|dir| dir.join("libdevmapper.so.1.02.1").exists())
    .expect("the reference library, Debian's libdevmapper1.02.1, is needed for these tests")
}

/// One program.
struct Program {
    source: PathBuf,
    name: String,
    oracle: bool,
}

impl Program {
    fn beside(&self, suffix: &str) -> Option<String> {
        std::fs::read_to_string(self.source.with_extension(suffix)).ok()
    }

    /// Compiles it, and says with which library it may be linked.
    fn compile(&self, to: &Path, lib: &Path) -> Result<(), String> {
        let output = Command::new("cc")
            .args([
                "-std=gnu17",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-Wno-unused-parameter",
                "-g",
                "-I",
            ])
            .arg(top().join("include"))
            .arg("-o")
            .arg(to)
            .arg(&self.source)
            .arg(lib.join("libdevmapper.so.1.02.1"))
            .args(["-ldl", "-lm", "-lpthread"])
            .output()
            .unwrap();
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Runs it in a directory of its own.
    fn run(&self, program: &Path, lib: &Path, dir: &Path) -> Output {
        std::fs::create_dir_all(dir).unwrap();
        // Which functions are called is only asked of our library.
        let audit = (lib == library::ours()).then(|| self.audit()).flatten();
        let lib = lib.display().to_string();
        if self.oracle {
            let line = match &audit {
                None => format!(
                    "cd {} && LD_LIBRARY_PATH={lib} exec {}",
                    dir.display(),
                    program.display()
                ),
                // The record is a shared mapping, which the guest's view of the host's files does not have.
                Some((object, records)) => format!(
                    "cd {} && mkdir /run/audit && \
                     (LD_LIBRARY_PATH={lib} LD_AUDIT={object} DM_AUDIT_DIR=/run/audit exec {}); \
                     status=$?; cp /run/audit/* {}; exit $status",
                    dir.display(),
                    program.display(),
                    records.display()
                ),
            };
            // One directory holds the guest's place and the records.
            let share = audit.map_or(dir.to_path_buf(), |(_, records)| records);
            compat_tests::oracle::run(&share, &["sh", "-c", &line])
        } else {
            let mut command = Command::new(program);
            command
                .current_dir(dir)
                .env("LD_LIBRARY_PATH", lib)
                .env_remove("DM_DEBUG_WITH_LINE_NUMBERS");
            if let Some((object, records)) = audit {
                command.env("LD_AUDIT", object).env("DM_AUDIT_DIR", records);
            }
            command.output().unwrap()
        }
    }

    /// The auditing object and the directory for its records, made here, if the environment asks for them.
    fn audit(&self) -> Option<(String, PathBuf)> {
        let object = std::env::var("DM_AUDIT").ok()?;
        let records = PathBuf::from(std::env::var("DM_AUDIT_DIR").ok()?).join(format!("c.{}", self.name));
        std::fs::create_dir_all(&records).unwrap();
        Some((object, records))
    }

    /// What is different between the reference and ours.
    fn check(&self) -> Result<(), String> {
        let scratch = tempfile::tempdir().unwrap();
        let program = scratch.path().join(&self.name);
        let expected = self.beside("out");
        let ours = library::ours();
        match &expected {
            Some(_) => self.compile(&program, ours)?,
            None => self.compile(&program, &reference_library())?,
        }
        let ours = self.run(&program, ours, &scratch.path().join("ours"));
        let got = show(&ours);
        let want = match expected {
            Some(text) => text,
            None => show(&self.run(&program, &reference_library(), &scratch.path().join("reference"))),
        };
        let difference = diff(scratch.path(), &want, &got);
        let known = self.beside("diff-ok").unwrap_or_default();
        let known: String = known
            .lines()
            .filter(|l| !l.starts_with('#'))
            .fold(String::new(), |mut all, line| {
                all.push_str(line);
                all.push('\n');
                all
            });
        if difference == known {
            Ok(())
        } else {
            Err(format!("differences (reference to ours):\n{difference}"))
        }
    }
}

/// Output and status of a run as one text.
fn show(output: &Output) -> String {
    let mut text = String::new();
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            writeln!(text, "--- {name}\n{}", bytes.escape_lines()).unwrap();
        }
    }
    writeln!(text, "--- {}", output.status).unwrap();
    text
}

trait EscapeLines {
    fn escape_lines(&self) -> String;
}

impl EscapeLines for [u8] {
    /// The text with everything but printable ASCII and newlines escaped, so that each byte counts.
    fn escape_lines(&self) -> String {
        self.split(|&b| b == b'\n')
            .map(|l| l.escape_ascii().to_string())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The output of diff without line numbers' headers: only lines that are on one side.
fn diff(dir: &Path, want: &str, got: &str) -> String {
    let (a, b) = (dir.join("want"), dir.join("got"));
    std::fs::write(&a, want).unwrap();
    std::fs::write(&b, got).unwrap();
    let output = Command::new("diff").arg(&a).arg(&b).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|l| l.starts_with(['<', '>']))
        .map(|l| format!("{l}\n"))
        .collect()
}

fn programs(oracle: bool) -> Vec<Program> {
    let only = std::env::var("C_PROGRAM").ok();
    let mut all: Vec<Program> = std::fs::read_dir(top().join("compat-tests/c"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .map(|source| {
            let text = std::fs::read_to_string(&source).unwrap();
            Program {
                name: source.file_stem().unwrap().to_str().unwrap().to_string(),
                oracle: text.lines().next().is_some_and(|line| line.contains("/* oracle */")),
                source,
            }
        })
        .filter(|p| p.oracle == oracle && only.as_ref().is_none_or(|o| *o == p.name))
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!all.is_empty() || only.is_some() || oracle, "no C programs");
    all
}

fn check_all(oracle: bool) {
    let mut failures = String::new();
    for program in programs(oracle) {
        match program.check() {
            Ok(()) => println!("{}: equal", program.name),
            Err(why) => writeln!(failures, "==== {}: {why}", program.name).unwrap(),
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn programs_without_a_kernel() {
    check_all(false);
}

#[test]
fn programs_in_the_oracle() {
    check_all(true);
}
