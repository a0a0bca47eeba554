//! Reading property lists.
//!
//! The tokens come from a kept XML tokenizer; what stands here is which of them a property list may have. No entity is
//! expanded, no document type is looked at, nothing recurses: what a document costs is bounded by its length.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use xmlparser::{ElementEnd, Token, Tokenizer};

use super::{Dict, MAX_DEPTH, Number, Value};
use crate::errno::Errno;

/// Why bytes are no property list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// More bytes than allowed.
    TooLong,
    /// No XML, or not that of a property list.
    Malformed,
    /// A property list, but no dictionary.
    NotADictionary,
    /// Values nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl Error {
    /// What the ioctl fails with, as the stock driver's does.
    #[must_use]
    pub fn errno(self) -> Errno {
        match self {
            Error::TooLong => Errno::EINVAL,
            Error::Malformed | Error::NotADictionary | Error::TooDeep => Errno::EIO,
        }
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Error::TooLong => "the property list is too long",
            Error::Malformed => "not a property list",
            Error::NotADictionary => "the property list is not a dictionary",
            Error::TooDeep => "the property list is nested too deeply",
        })
    }
}

impl core::error::Error for Error {}

/// An element with a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Key,
    Integer,
    String,
    Data,
    Bool(bool),
}

/// An element that is open.
enum Open {
    Plist,
    Dict(Dict, Option<Vec<u8>>),
    Array(Vec<Value>),
    Leaf(Leaf, Vec<u8>),
}

impl Open {
    fn tag(&self) -> &'static str {
        match self {
            Open::Plist => "plist",
            Open::Dict(..) => "dict",
            Open::Array(_) => "array",
            Open::Leaf(Leaf::Key, _) => "key",
            Open::Leaf(Leaf::Integer, _) => "integer",
            Open::Leaf(Leaf::String, _) => "string",
            Open::Leaf(Leaf::Data, _) => "data",
            Open::Leaf(Leaf::Bool(true), _) => "true",
            Open::Leaf(Leaf::Bool(false), _) => "false",
        }
    }
}

/// Reads a document of at most `limit` bytes, which a NUL may end.
///
/// # Errors
/// See [`Error`].
pub fn parse(bytes: &[u8], limit: usize) -> Result<Dict, Error> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.len() > limit {
        return Err(Error::TooLong);
    }
    let text = characters(bytes);
    let mut reader = Reader::default();
    for token in Tokenizer::from(&*text) {
        reader.take(token.map_err(|_| Error::Malformed)?)?;
    }
    match reader.result {
        Some(Value::Dict(dict)) if reader.open.is_empty() => Ok(dict),
        Some(_) if reader.open.is_empty() => Err(Error::NotADictionary),
        _ => Err(Error::Malformed),
    }
}

/// One character for each byte: strings need not be UTF-8, and the tokenizer does not look at what they mean.
fn characters(bytes: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().copied().map(char::from).collect::<String>()),
    }
}

/// The bytes of characters as [`characters`] made them.
fn bytes(text: &str) -> impl Iterator<Item = u8> + '_ {
    text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok())
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    /// A start tag that has not ended: attributes may follow.
    starting: bool,
    seen_plist: bool,
    result: Option<Value>,
}

impl Reader {
    fn take(&mut self, token: Token<'_>) -> Result<(), Error> {
        match token {
            Token::Declaration { .. }
            | Token::ProcessingInstruction { .. }
            | Token::Comment { .. }
            | Token::EmptyDtd { .. }
            | Token::Attribute { .. } => Ok(()),
            // Declarations of a document's own, such as entities, have no place here.
            Token::DtdStart { .. } | Token::EntityDeclaration { .. } | Token::DtdEnd { .. } => Err(Error::Malformed),
            Token::ElementStart { prefix, local, .. } => {
                let element = self.start(prefix.as_str(), local.as_str())?;
                if self.open.len() > MAX_DEPTH {
                    return Err(Error::TooDeep);
                }
                self.open.push(element);
                self.starting = true;
                Ok(())
            }
            Token::ElementEnd {
                end: ElementEnd::Open, ..
            } => {
                self.starting = false;
                Ok(())
            }
            Token::ElementEnd {
                end: ElementEnd::Empty, ..
            } => {
                self.starting = false;
                self.close()
            }
            Token::ElementEnd {
                end: ElementEnd::Close(prefix, local),
                ..
            } => {
                let right = self.open.last().is_some_and(|open| open.tag() == local.as_str());
                if !right || !prefix.is_empty() {
                    return Err(Error::Malformed);
                }
                self.close()
            }
            Token::Text { text } => self.text(text.as_str(), true),
            Token::Cdata { text, .. } => self.text(text.as_str(), false),
        }
    }

    /// The element of a start tag, where it may stand.
    fn start(&mut self, prefix: &str, name: &str) -> Result<Open, Error> {
        if !prefix.is_empty() || self.starting {
            return Err(Error::Malformed);
        }
        let element = match name {
            "plist" => Open::Plist,
            "dict" => Open::Dict(Dict::new(), None),
            "array" => Open::Array(Vec::new()),
            "key" => Open::Leaf(Leaf::Key, Vec::new()),
            "integer" => Open::Leaf(Leaf::Integer, Vec::new()),
            "string" => Open::Leaf(Leaf::String, Vec::new()),
            "data" => Open::Leaf(Leaf::Data, Vec::new()),
            "true" => Open::Leaf(Leaf::Bool(true), Vec::new()),
            "false" => Open::Leaf(Leaf::Bool(false), Vec::new()),
            _ => return Err(Error::Malformed),
        };
        let is_key = matches!(element, Open::Leaf(Leaf::Key, _));
        let allowed = match self.open.last() {
            None => matches!(element, Open::Plist) && !core::mem::replace(&mut self.seen_plist, true),
            Some(_) if matches!(element, Open::Plist) => false,
            Some(Open::Plist) => !is_key && self.result.is_none(),
            Some(Open::Dict(_, key)) => is_key == key.is_none(),
            Some(Open::Array(_)) => !is_key,
            Some(Open::Leaf(..)) => false,
        };
        if allowed { Ok(element) } else { Err(Error::Malformed) }
    }

    fn text(&mut self, text: &str, escaped: bool) -> Result<(), Error> {
        match self.open.last_mut() {
            Some(Open::Leaf(leaf, value)) if !matches!(leaf, Leaf::Bool(_)) => {
                if escaped {
                    unescape(text, value)
                } else {
                    value.extend(bytes(text));
                    Ok(())
                }
            }
            _ if text.trim_ascii().is_empty() => Ok(()),
            _ => Err(Error::Malformed),
        }
    }

    /// The innermost element is complete.
    fn close(&mut self) -> Result<(), Error> {
        let value = match self.open.pop().ok_or(Error::Malformed)? {
            Open::Plist => return Ok(()),
            Open::Dict(_, Some(_)) => return Err(Error::Malformed),
            Open::Dict(dict, None) => Value::Dict(dict),
            Open::Array(elements) => Value::Array(elements),
            Open::Leaf(Leaf::Key, text) => {
                let Some(Open::Dict(dict, key)) = self.open.last_mut() else {
                    return Err(Error::Malformed);
                };
                if dict.get(&text).is_some() {
                    return Err(Error::Malformed);
                }
                *key = Some(text);
                return Ok(());
            }
            Open::Leaf(Leaf::Integer, text) => Value::Integer(number(&text).ok_or(Error::Malformed)?),
            Open::Leaf(Leaf::String, text) => Value::String(text),
            Open::Leaf(Leaf::Data, text) => Value::Data(text),
            Open::Leaf(Leaf::Bool(value), _) => Value::Bool(value),
        };
        match self.open.last_mut() {
            Some(Open::Plist) => self.result = Some(value),
            Some(Open::Array(elements)) => elements.push(value),
            Some(Open::Dict(dict, key)) => dict.set(&key.take().ok_or(Error::Malformed)?, value),
            _ => return Err(Error::Malformed),
        }
        Ok(())
    }
}

/// Appends a text with its references replaced.
fn unescape(text: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('&') {
        out.extend(bytes(before));
        let (name, after) = tail.split_once(';').ok_or(Error::Malformed)?;
        out.push(match name {
            "lt" => b'<',
            "gt" => b'>',
            "amp" => b'&',
            "quot" => b'"',
            "apos" => b'\'',
            _ => reference(name).ok_or(Error::Malformed)?,
        });
        rest = after;
    }
    out.extend(bytes(rest));
    Ok(())
}

/// The byte of `#NUMBER` or `#xNUMBER`. There is none of value 0: texts end there in C.
fn reference(name: &str) -> Option<u8> {
    let digits = name.strip_prefix('#')?;
    let number = match digits.strip_prefix('x') {
        Some(hex) => digits_of(hex.as_bytes(), 16)?,
        None => digits_of(digits.as_bytes(), 10)?,
    };
    u8::try_from(number).ok().filter(|&byte| byte != 0)
}

/// Digits and nothing else.
fn digits_of(text: &[u8], radix: u32) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        value.checked_mul(radix.into())?.checked_add(digit.into())
    })
}

/// An integer: `0x` and hexadecimal digits are unsigned, decimal digits are signed while they fit.
fn number(text: &[u8]) -> Option<Number> {
    let text = text.trim_ascii();
    if let Some(hex) = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")) {
        return digits_of(hex, 16).map(Number::Unsigned);
    }
    match text.strip_prefix(b"-") {
        Some(digits) => {
            let value = i128::from(digits_of(digits, 10)?);
            i64::try_from(-value).ok().map(Number::Signed)
        }
        None => {
            let value = digits_of(text, 10)?;
            Some(i64::try_from(value).map_or(Number::Unsigned(value), Number::Signed))
        }
    }
}
