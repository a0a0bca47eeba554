//! Mangling of device names and uuids (`\xNN`).
//!
//! Device nodes may only carry the characters `0-9 A-Z a-z # + - . : = @ _`. Every other byte of a name is written as
//! `\x` and two lowercase hexadecimal digits before it goes to the driver, and decoded when it comes back.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::log::Raw;

/// What is done to names and uuids on their way to and from the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(i32)]
pub enum Mode {
    /// Nothing.
    None = 0,
    /// Mangle, but keep a string that is already mangled.
    #[default]
    Auto = 1,
    /// Mangle everything that is not allowed, the backslashes of existing escapes too.
    Hex = 2,
}

/// What a string is, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A device name.
    Name,
    /// A device uuid.
    Uuid,
    /// The name a device is renamed to.
    NewName,
    /// The uuid a device is given later.
    NewUuid,
}

impl What {
    /// Words for messages.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Uuid => "UUID",
            Self::NewName => "new name",
            Self::NewUuid => "new UUID",
        }
    }

    /// Longest string the driver takes, in bytes without the NUL.
    #[must_use]
    pub const fn max_len(self) -> usize {
        match self {
            Self::Name | Self::NewName => 127,
            Self::Uuid | Self::NewUuid => 128,
        }
    }
}

/// Whether `byte` may appear in a mangled name (the backslash of escapes apart).
#[must_use]
pub const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'#' | b'+' | b'-' | b'.' | b':' | b'=' | b'@' | b'_')
}

pub(crate) fn is_mangled_twice(text: &[u8]) -> bool {
    text.windows(5).any(|w| w == b"\\x5cx")
}

fn refuse(message: String) -> Error {
    crate::log_error!("{message}");
    Error::Invalid(message)
}

fn refuse_twice(text: &[u8], what: What) -> Error {
    refuse(format!(
        "The {} \"{}\" seems to be mangled more than once. This is not allowed in auto mode.",
        what.text(),
        Raw(text)
    ))
}

/// The form of `text` that is sent to the driver.
///
/// # Errors
/// Logged. In mode [`Mode::Auto`] a string that mixes escapes with characters that need one, or that is mangled twice;
/// in all modes a result longer than [`What::max_len`].
pub fn mangle(text: &[u8], what: What, mode: Mode) -> Result<Cow<'_, [u8]>> {
    match mode {
        Mode::None => limited(Cow::Borrowed(text), text, what),
        Mode::Auto if is_mangled_twice(text) => Err(refuse_twice(text, what)),
        Mode::Auto => mangle_once(text, what),
        Mode::Hex if text.iter().all(|&b| is_allowed(b)) => limited(Cow::Borrowed(text), text, what),
        Mode::Hex => limited(Cow::Owned(escape(text)), text, what),
    }
}

fn limited<'a>(mangled: Cow<'a, [u8]>, text: &[u8], what: What) -> Result<Cow<'a, [u8]>> {
    if mangled.len() > what.max_len() {
        return Err(refuse(format!(
            "Mangled form of the {} too long for \"{}\".",
            what.text(),
            Raw(text)
        )));
    }
    Ok(mangled)
}

/// Mangles a string unless it is mangled already.
///
/// # Errors
/// As of [`mangle`] in mode [`Mode::Auto`], but a string may be mangled twice.
pub fn mangle_once(text: &[u8], what: What) -> Result<Cow<'_, [u8]>> {
    let (mut units, mut needs, mut broken) = (false, false, false);
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let step = if rest.starts_with(b"\\x") {
            units = true;
            broken |= rest.len() < 4;
            4
        } else {
            needs |= !is_allowed(first);
            1
        };
        rest = rest.get(step..).unwrap_or_default();
    }
    if broken || (units && needs) {
        return Err(refuse(format!(
            "The {} \"{}\" contains mixed mangled and unmangled characters or it's already mangled improperly.",
            what.text(),
            Raw(text)
        )));
    }
    let mangled = if needs {
        Cow::Owned(escape(text))
    } else {
        Cow::Borrowed(text)
    };
    limited(mangled, text, what)
}

fn escape(text: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = Vec::with_capacity(text.len() * 2);
    for &byte in text {
        if is_allowed(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(b"\\x");
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
    }
    out
}

/// Decodes what the driver returned, each escape once. Mode [`Mode::None`] returns the text as it is.
///
/// # Errors
/// Logged. A character that should be mangled; in mode [`Mode::Auto`] a string that is mangled twice.
pub fn unmangle(text: &[u8], what: What, mode: Mode) -> Result<Cow<'_, [u8]>> {
    if mode == Mode::None {
        return Ok(Cow::Borrowed(text));
    }
    if mode == Mode::Auto && is_mangled_twice(text) {
        return Err(refuse_twice(text, what));
    }
    if text.iter().any(|&b| b != b'\\' && !is_allowed(b)) {
        return Err(refuse(format!(
            "The {} \"{}\" should be mangled but it contains blacklisted characters.",
            what.text(),
            Raw(text)
        )));
    }
    Ok(decode(text, what))
}

/// Decodes each escape once, whatever else the text holds. What only looks like an escape stays.
#[must_use]
pub fn decode(text: &[u8], what: What) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let code = rest.strip_prefix(b"\\x");
        let digit = |at: usize| {
            let byte = *code?.get(at)?;
            (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
        };
        if let (Some(high), Some(low)) = (digit(0), digit(1)) {
            out.push(high << 4 | low);
            rest = rest.get(4..).unwrap_or_default();
            continue;
        }
        if code.is_some() {
            // The C library loses the rest of the string, which can make two names one.
            crate::log_debug!(
                "Hex encoding mismatch detected in the {} \"{}\"",
                what.text(),
                Raw(text)
            );
        }
        out.push(first);
        rest = tail;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use bstr::BStr;

    use super::*;

    fn auto(text: &[u8]) -> Option<Vec<u8>> {
        mangle(text, What::Name, Mode::Auto).ok().map(Cow::into_owned)
    }

    fn hex(text: &[u8]) -> Vec<u8> {
        mangle(text, What::Name, Mode::Hex).unwrap().into_owned()
    }

    #[test]
    fn table_of_the_specification() {
        type Row = (&'static [u8], Option<&'static [u8]>, &'static [u8]);
        let rows: [Row; 7] = [
            (b"plain-1", Some(b"plain-1"), b"plain-1"),
            (b"sp ace", Some(b"sp\\x20ace"), b"sp\\x20ace"),
            (b"a\\x20b", Some(b"a\\x20b"), b"a\\x5cx20b"),
            (b"a\\x20b c", None, b"a\\x5cx20b\\x20c"),
            (b"x\\x5cx20y", None, b"x\\x5cx5cx20y"),
            (b"sl\\ash", Some(b"sl\\x5cash"), b"sl\\x5cash"),
            (b"\xc3\xa9", Some(b"\\xc3\\xa9"), b"\\xc3\\xa9"),
        ];
        for (input, auto_form, hex_form) in rows {
            assert_eq!(auto(input).as_deref(), auto_form, "{}", BStr::new(input));
            assert_eq!(hex(input), hex_form, "{}", BStr::new(input));
            assert_eq!(mangle(input, What::Name, Mode::None).unwrap(), input);
        }
    }

    #[test]
    fn short_escape_is_refused() {
        assert_eq!(auto(b"a\\x2"), None);
        assert_eq!(auto(b"a\\x"), None);
        assert_eq!(auto(b"a\\xzz").as_deref(), Some(b"a\\xzz".as_slice()));
    }

    #[test]
    fn length_is_that_of_the_mangled_form() {
        assert!(mangle(&[b'a'; 127], What::Name, Mode::Auto).is_ok());
        assert!(mangle(&[b'a'; 128], What::Name, Mode::Auto).is_err());
        assert!(mangle(&[b'a'; 128], What::Uuid, Mode::Auto).is_ok());
        assert!(mangle(&[b' '; 32], What::Name, Mode::Auto).is_err());
        assert!(mangle(&[b'a'; 129], What::Uuid, Mode::None).is_err());
    }

    #[test]
    fn decoding() {
        let un = |t: &[u8], m| unmangle(t, What::Name, m).ok().map(Cow::into_owned);
        assert_eq!(un(b"a\\x20b", Mode::Auto).unwrap(), b"a b");
        assert_eq!(un(b"a\\x5cx20b", Mode::Hex).unwrap(), b"a\\x20b");
        assert_eq!(un(b"a\\x5cx20b", Mode::Auto), None);
        assert_eq!(un(b"sp ace", Mode::Hex), None);
        assert_eq!(un(b"sp ace", Mode::None).unwrap(), b"sp ace");
        assert_eq!(un(b"a\\xzzb\\x20", Mode::Auto).unwrap(), b"a\\xzzb ");
        assert_eq!(decode(b"sp ace\\x5cx20\\x", What::Name).into_owned(), b"sp ace\\x20\\x");
        assert_eq!(un(b"a\\yb", Mode::Auto).unwrap(), b"a\\yb");
    }

    proptest::proptest! {
        #[test]
        fn hex_round_trip(text in proptest::collection::vec(1u8..=255, 0..30)) {
            let mangled = hex(&text);
            proptest::prop_assert!(mangled.iter().all(|&b| b == b'\\' || is_allowed(b)));
            proptest::prop_assert_eq!(unmangle(&mangled, What::Name, Mode::Hex).unwrap().into_owned(), text);
        }
    }
}
