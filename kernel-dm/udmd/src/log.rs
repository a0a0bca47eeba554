//! The daemon's log: one line per event, with the time, to standard error or a file.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

static FILE: Mutex<Option<std::fs::File>> = Mutex::new(None);

/// Sends later lines to the end of a file.
///
/// # Errors
/// Those of opening the file.
pub fn to_file(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    *FILE.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    Ok(())
}

/// Writes one line. Failures are ignored: there is nowhere to report them.
pub fn line(text: fmt::Arguments<'_>) {
    let line = format!("{} udmd[{}]: {text}\n", stamp(), std::process::id());
    let file = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = match &*file {
        Some(file) => (&*file).write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    };
}

/// Local time with milliseconds.
#[allow(unsafe_code)]
fn stamp() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = libc::time_t::try_from(now.as_secs()).unwrap_or(0);
    // SAFETY: `tm` is a plain structure of numbers and a pointer that is not used here; all zeroes is a value of it.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types; localtime_r writes only the second.
    unsafe { libc::localtime_r(&raw const seconds, &raw mut tm) };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
        tm.tm_year + 1900,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec,
        now.subsec_millis()
    )
}

/// Writes one line to the log.
#[macro_export]
macro_rules! log {
    ($($arg:tt)*) => { $crate::log::line(format_args!($($arg)*)) };
}
