//! What the process locale and time zone say: the radix character and local time.

use std::ffi::CStr;

/// The locale's radix character, `.` in most.
#[allow(unsafe_code, reason = "nl_langinfo is a C function")]
pub(crate) fn radix() -> &'static [u8] {
    // Miri has none.
    if cfg!(miri) {
        return b".";
    }
    // SAFETY: nl_langinfo accepts any item and returns NULL or a C string.
    let text = unsafe { libc::nl_langinfo(libc::RADIXCHAR) };
    if text.is_null() {
        return b".";
    }
    // SAFETY: a C string. It may be replaced by a later setlocale, which C programs must not call while the library
    // works; only a byte or two are compared or copied at once.
    match unsafe { CStr::from_ptr(text) }.to_bytes() {
        [] | b"." => b".",
        b"," => b",",
        other => match other {
            [0xd9, 0xab] => "\u{66b}".as_bytes(),
            _ => b".",
        },
    }
}

/// A moment of the calendar. Month and day count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) year: i32,
    pub(crate) month: i32,
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
}

/// Seconds since the epoch of a moment of local time (`None`) or of a zone that is `offset` seconds east of Greenwich.
/// Fields beyond their range carry over.
#[allow(unsafe_code, reason = "mktime is a C function")]
pub(crate) fn seconds(moment: &Moment, offset: Option<i64>) -> Option<i64> {
    // Miri has no `mktime`.
    if cfg!(miri) {
        return None;
    }
    // SAFETY: struct tm is plain data, for which zeroes are valid.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    tm.tm_year = moment.year.checked_sub(1900)?;
    tm.tm_mon = moment.month.checked_sub(1)?;
    tm.tm_mday = moment.day;
    tm.tm_hour = moment.hour;
    tm.tm_min = moment.minute;
    tm.tm_sec = moment.second;
    tm.tm_isdst = -1;
    match offset {
        // SAFETY: `tm` is a valid struct tm of our own.
        Some(offset) => Some(unsafe { libc::timegm(&raw mut tm) } - offset),
        None => {
            // Tells an error from the last second of 1969.
            tm.tm_wday = -1;
            // SAFETY: as above.
            let time = unsafe { libc::mktime(&raw mut tm) };
            (time != -1 || tm.tm_wday != -1).then_some(time)
        }
    }
}
