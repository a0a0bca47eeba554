//! Functions that take any bytes and must neither panic nor hang nor break what they promise.
//!
//! libFuzzer calls them (`scripts/fuzz`, the package in `fuzz/libfuzzer`); the test `corpus` calls them with the inputs
//! that libFuzzer kept in `fuzz/corpus`, and with the first crashes that it ever found.

#![cfg_attr(miri, feature(c_variadic))]

mod c_devices;
mod c_entries;
mod c_report;
mod config;
mod control;
mod lines;
mod mirror_log;
mod plist;
mod records;
mod regex;
mod report;
mod stats;
mod status;
mod store;
mod table;

use std::ffi::{c_char, c_int};

/// A function that takes any bytes.
pub type Body = fn(&[u8]);

/// All of them, by name: the name of their directory in `fuzz/corpus`.
pub const TARGETS: &[(&str, Body)] = &[
    ("c_devices", c_devices::run),
    ("c_entries", c_entries::run),
    ("c_report", c_report::run),
    ("config", config::run),
    ("control", control::run),
    ("lines", lines::run),
    ("mirror_log", mirror_log::run),
    ("plist", plist::run),
    ("records", records::run),
    ("regex", regex::run),
    ("report", report::run),
    ("stats", stats::run),
    ("status", status::run),
    ("store", store::run),
    ("table", table::run),
];

/// Runs the target of this name.
///
/// # Panics
/// There is none, or it found something.
pub fn run(name: &str, bytes: &[u8]) {
    quiet();
    quiet_c();
    let (_, body) = TARGETS.iter().find(|(n, _)| *n == name).expect("a target of this name");
    body(bytes);
}

/// Drops the library's messages, but formats them: that must not fail either.
fn quiet() {
    use std::io::Write;
    libdevmapper::log::set_sink(Some(|record| {
        let _ = write!(std::io::sink(), "{}", record.message);
    }));
}

#[cfg(not(miri))]
unsafe extern "C" {
    /// Takes a message and drops it; in `c/quiet.c`.
    fn fuzz_quiet(level: c_int, file: *const c_char, line: c_int, errno_or_class: c_int, format: *const c_char, ...);
}

/// Miri calls no C.
#[cfg(miri)]
unsafe extern "C" fn fuzz_quiet(_: c_int, _: *const c_char, _: c_int, _: c_int, _: *const c_char, _: ...) {}

/// Makes [`fuzz_quiet`] the log function of the process: the lines of reports go there directly.
fn quiet_c() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: a function of the right type, which stays.
    ONCE.call_once(|| unsafe { devmapper_capi::log::dm_log_with_errno_init(Some(fuzz_quiet)) });
}

/// The first `N` parts of an input between NULs; missing ones are empty. The last one takes the rest.
fn parts<const N: usize>(bytes: &[u8]) -> [&[u8]; N] {
    let mut parts = bytes.splitn(N, |&byte| byte == 0);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// Takes numbers off the front of an input; 0 when there is nothing left.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    /// A number of at most four bytes.
    fn number(&mut self, bytes: u32) -> u32 {
        (0..bytes).fold(0, |number, _| number << 8 | u32::from(self.byte()))
    }

    /// At most this many bytes.
    fn take(&mut self, count: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
