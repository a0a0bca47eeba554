//! Messages to the program's log function.
//!
//! Levels are those of the C library: 2 fatal, 3 error, 4 warning, 5 notice ("verbose"), 6 info ("very verbose"), 7 debug.
//! Use the macros [`log_error!`](crate::log_error), [`log_warn!`](crate::log_warn), [`log_notice!`](crate::log_notice),
//! [`log_info!`](crate::log_info), [`log_debug!`](crate::log_debug), [`log_activation!`](crate::log_activation),
//! [`log_sys_error!`](crate::log_sys_error) and [`log_sys_debug!`](crate::log_sys_debug).

use std::ffi::CStr;
use std::fmt::Arguments;
use std::sync::RwLock;

/// Severity, as the low three bits of the C level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// 2
    Fatal = 2,
    /// 3
    Error = 3,
    /// 4
    Warning = 4,
    /// 5, shown with -v
    Notice = 5,
    /// 6, shown with -vv
    Info = 6,
    /// 7
    Debug = 7,
}

/// Class number of debug messages about activation.
pub const CLASS_ACTIVATION: i32 = 4;
/// Modifier of the C level: print to standard error.
pub const TO_STDERR: i32 = 0x80;
/// Modifier of the C level: log only once.
pub const ONCE: i32 = 0x100;

/// One message on its way to the sink.
#[derive(Debug)]
pub struct Record<'a> {
    /// Severity.
    pub level: Level,
    /// Modifier bits of the C level ([`TO_STDERR`], [`ONCE`]).
    pub modifiers: i32,
    /// -1 for errors, a class number for debug messages, else 0.
    pub errno_or_class: i32,
    /// Source file.
    pub file: &'static CStr,
    /// Source line.
    pub line: u32,
    /// The text, without newline.
    pub message: Arguments<'a>,
}

/// A function that takes messages.
pub type Sink = fn(&Record<'_>);

static SINK: RwLock<Option<Sink>> = RwLock::new(None);

/// Sends messages to `sink`; `None` drops everything below a warning and prints the rest to standard error.
pub fn set_sink(sink: Option<Sink>) {
    *SINK.write().unwrap_or_else(|e| e.into_inner()) = sink;
}

/// Hands one message to the sink. Called by the macros.
pub fn write(record: &Record<'_>) {
    let sink = *SINK.read().unwrap_or_else(|e| e.into_inner());
    match sink {
        Some(sink) => sink(record),
        None if record.level <= Level::Warning => eprintln!("{}", record.message),
        None => {}
    }
}

/// Logs with everything given: level, modifiers, class, format.
#[macro_export]
macro_rules! log_at {
    ($level:ident, $modifiers:expr, $class:expr, $($arg:tt)+) => {
        $crate::log::write(&$crate::log::Record {
            level: $crate::log::Level::$level,
            modifiers: $modifiers,
            errno_or_class: $class,
            file: const { $crate::log::source_file(concat!(file!(), "\0")) },
            line: line!(),
            message: format_args!($($arg)+),
        })
    };
}
/// Prints a line of normal output through the log function (level 4, standard output).
#[macro_export]
macro_rules! log_print { ($($arg:tt)+) => { $crate::log_at!(Warning, 0, 0, $($arg)+) } }
/// Logs an error.
#[macro_export]
macro_rules! log_error { ($($arg:tt)+) => { $crate::log_at!(Error, 0, -1, $($arg)+) } }
/// Logs a warning (always to standard error).
#[macro_export]
macro_rules! log_warn { ($($arg:tt)+) => { $crate::log_at!(Warning, $crate::log::TO_STDERR, 0, $($arg)+) } }
/// Logs at notice level ("verbose").
#[macro_export]
macro_rules! log_notice { ($($arg:tt)+) => { $crate::log_at!(Notice, 0, 0, $($arg)+) } }
/// Logs at info level ("very verbose").
#[macro_export]
macro_rules! log_info { ($($arg:tt)+) => { $crate::log_at!(Info, 0, 0, $($arg)+) } }
/// Logs a debug message.
#[macro_export]
macro_rules! log_debug { ($($arg:tt)+) => { $crate::log_at!(Debug, 0, 0, $($arg)+) } }
/// Logs a debug message of the activation class.
#[macro_export]
macro_rules! log_activation { ($($arg:tt)+) => { $crate::log_at!(Debug, 0, $crate::log::CLASS_ACTIVATION, $($arg)+) } }
/// Logs a failed system call as an error: path, call name, `std::io::Error`.
#[macro_export]
macro_rules! log_sys_error {
    ($path:expr, $call:expr, $err:expr) => {
        $crate::log_error!(
            "{}{} failed: {}",
            $crate::log::Object(&$path),
            $call,
            $crate::log::SysText(&$err)
        )
    };
}
/// Logs a failed system call as a debug message.
#[macro_export]
macro_rules! log_sys_debug {
    ($path:expr, $call:expr, $err:expr) => {
        $crate::log_debug!(
            "{}{} failed: {}",
            $crate::log::Object(&$path),
            $call,
            $crate::log::SysText(&$err)
        )
    };
}

/// The file name of a message's place, for [`Record::file`].
#[must_use]
pub const fn source_file(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => c"",
    }
}

/// Text of any bytes in a message. What is not UTF-8 passes the formatting machinery as private-use characters, which
/// [`restore_raw`] turns back.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a>(pub &'a [u8]);

/// First of the 256 characters that stand for raw bytes: U+10FF00 (plane 16 is for private use).
const RAW_BASE: u32 = 0x10_ff00;
/// The first three bytes of those characters in UTF-8, less the low two bits of the third.
const RAW_LEAD: [u8; 3] = [0xf4, 0x8f, 0xbc];

impl std::fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write;
        let raw = |f: &mut std::fmt::Formatter<'_>, bytes: &[u8]| {
            bytes
                .iter()
                .try_for_each(|&b| f.write_char(char::from_u32(RAW_BASE + u32::from(b)).unwrap_or('?')))
        };
        for chunk in self.0.utf8_chunks() {
            // Characters that look like ours are passed byte by byte too.
            for part in chunk.valid().split_inclusive(|c| u32::from(c) >= RAW_BASE) {
                match part.chars().next_back() {
                    Some(last) if u32::from(last) >= RAW_BASE => {
                        let (text, last) = part.split_at(part.len() - last.len_utf8());
                        f.write_str(text)?;
                        raw(f, last.as_bytes())?;
                    }
                    _ => f.write_str(part)?,
                }
            }
            raw(f, chunk.invalid())?;
        }
        Ok(())
    }
}

/// Turns the characters that stand for raw bytes (see [`Raw`]) back into these bytes.
pub fn restore_raw(text: &mut Vec<u8>) {
    let Some(first) = bstr::ByteSlice::find_byte(text.as_slice(), RAW_LEAD[0]) else {
        return;
    };
    let (mut from, mut to) = (first, first);
    while from < text.len() {
        match text[from..] {
            [a, b, c, d, ..] if a == RAW_LEAD[0] && b == RAW_LEAD[1] && c & !3 == RAW_LEAD[2] => {
                text[to] = (c & 3) << 6 | d & 0x3f;
                from += 4;
            }
            [byte, ..] => {
                text[to] = byte;
                from += 1;
            }
            [] => break,
        }
        to += 1;
    }
    text.truncate(to);
}

/// What a system call was done to, with a colon and a blank; nothing if it has no name.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<T: std::fmt::Display> std::fmt::Display for Object<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.0.to_string();
        if name.is_empty() { Ok(()) } else { write!(f, "{name}: ") }
    }
}

/// Prints an [`std::io::Error`] the way `strerror` does, without Rust's `(os error N)`.
#[derive(Debug)]
pub struct SysText<'a>(pub &'a std::io::Error);

impl std::fmt::Display for SysText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Rust takes the text from strerror and puts the number behind it.
        let text = self.0.to_string();
        let number = self.0.raw_os_error().map(|code| format!(" (os error {code})"));
        f.write_str(
            number
                .as_deref()
                .and_then(|number| text.strip_suffix(number))
                .unwrap_or(&text),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_as_strerror_has_them() {
        let text = |code| SysText(&std::io::Error::from_raw_os_error(code)).to_string();
        assert_eq!(text(libc::EAGAIN), "Resource temporarily unavailable");
        assert_eq!(text(libc::ENOENT), "No such file or directory");
        assert_eq!(Object("").to_string() + &Object("x").to_string(), "x: ");
    }

    #[test]
    fn raw_bytes_survive_formatting() {
        let all: Vec<u8> = (0..=255).collect();
        let private = "a\u{10ff41}b\u{10ffff}".as_bytes();
        for bytes in [
            &b""[..],
            b"abc",
            "\u{e4}\u{20ac}\u{1f600}".as_bytes(),
            &all,
            private,
            b"\xf4",
            b"x\xf4\x8f\xbd",
        ] {
            let mut text = format!("{}", Raw(bytes)).into_bytes();
            restore_raw(&mut text);
            assert_eq!(text, bytes);
        }
    }
}
