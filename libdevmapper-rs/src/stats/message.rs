//! The texts of the messages that the engine's statistics take.

use bstr::{BString, ByteSlice};

use crate::error::{Error, Result};

/// Longest `@stats_create` message, in bytes.
const MAX_CREATE: usize = 1023;
/// Nanoseconds of the default time scale.
pub(super) const MILLISECOND: u64 = 1_000_000;

/// How a new region is divided into areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Areas of this many sectors of 512 bytes.
    Sectors(u64),
    /// This many areas.
    Areas(u64),
}

/// A region to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRegion<'a> {
    /// First sector of 512 bytes.
    pub start: u64,
    /// Length in sectors. With `start` 0 too, the whole device as it is now.
    pub len: u64,
    /// How it is divided into areas.
    pub step: Step,
    /// Times are kept in nanoseconds instead of milliseconds.
    pub precise: bool,
    /// Upper bounds of the bins of a latency histogram, in nanoseconds, ascending; the last bin is open. Bounds that are
    /// not whole milliseconds make the region `precise`.
    pub bounds: Option<&'a [u64]>,
    /// Who made it; `None` or empty for the handle's id.
    pub program_id: Option<&'a [u8]>,
    /// Free text of the program.
    pub aux: &'a [u8],
}

impl Default for NewRegion<'_> {
    /// The whole device as one area.
    fn default() -> Self {
        Self {
            start: 0,
            len: 0,
            step: Step::Areas(1),
            precise: false,
            bounds: None,
            program_id: None,
            aux: b"",
        }
    }
}

/// `text` with a backslash before each blank, tab and backslash, so that it is one word of a message.
#[must_use]
pub fn escape(text: &[u8]) -> BString {
    let mut escaped = BString::default();
    for &byte in text {
        if matches!(byte, b' ' | b'\t' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

fn refused<T>(message: impl Into<String>) -> Result<T> {
    let message = message.into();
    crate::log_error!("{message}");
    Err(Error::Invalid(message))
}

/// `@stats_create`, with `program_id` for a region that has none of its own.
///
/// # Errors
/// Bounds that are empty or descend, or a message that gets too long; logged.
pub fn create(region: &NewRegion<'_>, program_id: &[u8]) -> Result<BString> {
    let bounds = region.bounds;
    if let Some(bounds) = bounds {
        if bounds.is_empty() {
            return refused("Cannot format empty histogram description.");
        }
        if !bounds.is_sorted() {
            return refused("Histogram boundaries must be in order of increasing magnitude.");
        }
    }
    let fine = bounds.is_some_and(|b| b.iter().any(|b| b % MILLISECOND != 0));
    let precise = region.precise || fine;

    let mut message = BString::from("@stats_create ");
    match (region.start, region.len) {
        (0, 0) => message.push(b'-'),
        (start, len) => message.extend_from_slice(format!("{start}+{len}").as_bytes()),
    }
    match region.step {
        Step::Sectors(sectors) => message.extend_from_slice(format!(" {sectors} ").as_bytes()),
        Step::Areas(areas) => message.extend_from_slice(format!(" /{areas} ").as_bytes()),
    }
    let options = u8::from(precise) + u8::from(bounds.is_some());
    if options > 0 {
        message.extend_from_slice(format!("{options} ").as_bytes());
        if precise {
            message.extend_from_slice(b"precise_timestamps");
        }
        message.push(b' ');
        if let Some(bounds) = bounds {
            let unit = if precise { 1 } else { MILLISECOND };
            let texts: Vec<String> = bounds.iter().map(|b| (b / unit).to_string()).collect();
            message.extend_from_slice(format!("histogram:{}", texts.join(",")).as_bytes());
        }
    }
    let own = region.program_id.filter(|p| !p.is_empty());
    message.push(b' ');
    message.extend_from_slice(own.unwrap_or(program_id));
    message.push(b' ');
    message.extend_from_slice(&escape(region.aux));
    if message.len() > MAX_CREATE {
        return refused("Could not prepare @stats_create message.");
    }
    Ok(message)
}

/// `@stats_list` for one program; empty for all.
#[must_use]
pub fn list(program_id: &[u8]) -> BString {
    let mut message = BString::from("@stats_list ");
    message.extend_from_slice(program_id);
    message
}

/// `@stats_print`, with `clear` resetting the counters in the same step. `lines` is the first line and their number.
#[must_use]
pub fn print(id: u64, lines: Option<(u32, u32)>, clear: bool) -> BString {
    let command = if clear { "@stats_print_clear" } else { "@stats_print" };
    match lines {
        Some((start, count)) => format!("{command} {id} {start} {count}"),
        None => format!("{command} {id} "),
    }
    .into()
}

/// `@stats_set_aux` with the tag of a group, if the region leads one, and the user's part.
#[must_use]
pub fn set_aux(id: u64, tag: &[u8], user: &[u8]) -> BString {
    let mut message = BString::from(format!("@stats_set_aux {id} "));
    message.extend_from_slice(tag);
    if user.is_empty() {
        message.push(b'-');
    } else {
        message.extend_from_slice(&escape(user));
    }
    message.push(b' ');
    message
}

/// The region id that a reply to `@stats_create` begins with; 0 if it is not a number.
#[must_use]
pub fn created_id(reply: &[u8]) -> u64 {
    let end = reply.find_not_byteset(b"0123456789").unwrap_or(reply.len());
    super::number(&reply[..end]).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(region: &NewRegion<'_>) -> BString {
        create(region, b"prog").unwrap()
    }

    #[test]
    fn worked_examples() {
        let whole = NewRegion::default();
        assert_eq!(sent(&whole), "@stats_create - /1  prog ");
        let other = NewRegion {
            len: 4096,
            step: Step::Sectors(1024),
            program_id: Some(b"other"),
            aux: b"user data\\x",
            ..whole.clone()
        };
        assert_eq!(sent(&other), "@stats_create 0+4096 1024  other user\\ data\\\\x");
        let precise = NewRegion {
            start: 1024,
            len: 2048,
            step: Step::Areas(4),
            precise: true,
            aux: b"a\tb",
            ..whole.clone()
        };
        assert_eq!(
            sent(&precise),
            "@stats_create 1024+2048 /4 1 precise_timestamps  prog a\\\tb"
        );
        let milliseconds = NewRegion {
            bounds: Some(&[1_000_000, 10_000_000, 100_000_000]),
            aux: b"-",
            ..whole.clone()
        };
        assert_eq!(sent(&milliseconds), "@stats_create - /1 1  histogram:1,10,100 prog -");
        let fine = NewRegion {
            len: 8192,
            step: Step::Sectors(2048),
            bounds: Some(&[500_000, 1_000_000]),
            aux: b"hist",
            ..whole
        };
        assert_eq!(
            sent(&fine),
            "@stats_create 0+8192 2048 2 precise_timestamps histogram:500000,1000000 prog hist"
        );
    }

    #[test]
    fn refusals() {
        let with = |bounds| {
            create(
                &NewRegion {
                    bounds: Some(bounds),
                    ..NewRegion::default()
                },
                b"p",
            )
        };
        assert!(with(&[]).is_err());
        assert!(with(&[5, 3]).is_err());
        assert!(with(&[5, 5]).is_ok());
        let long = [b'x'; 1023 - "@stats_create - /1  p ".len() + 1];
        let aux = |aux| {
            create(
                &NewRegion {
                    aux,
                    ..NewRegion::default()
                },
                b"p",
            )
        };
        assert!(aux(&long).is_err());
        assert_eq!(aux(&long[1..]).unwrap().len(), 1023);
    }

    #[test]
    fn other_messages() {
        assert_eq!(list(b""), "@stats_list ");
        assert_eq!(list(b"prog"), "@stats_list prog");
        assert_eq!(print(3, None, false), "@stats_print 3 ");
        assert_eq!(print(3, Some((1, 0)), true), "@stats_print_clear 3 1 0");
        assert_eq!(set_aux(0, b"", b""), "@stats_set_aux 0 - ");
        assert_eq!(
            set_aux(4, b"DMS_GROUP=:4#", b"h x"),
            "@stats_set_aux 4 DMS_GROUP=:4#h\\ x "
        );
        assert_eq!(created_id(b"12"), 12);
        assert_eq!(created_id(b"12\n"), 12);
        assert_eq!(created_id(b""), 0);
    }
}
