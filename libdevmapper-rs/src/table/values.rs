//! What lines are made of: devices, areas, names, keys.

use super::line::Line;
use super::words::{Field, ParseError, Result, Words, is_blank, text};
use crate::task::DevNo;
use bstr::{BStr, BString};
use zeroize::Zeroizing;

/// A word of a line: at least one byte, no white space, no NUL. It need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(BString);

impl Word {
    /// Makes a word of these bytes.
    ///
    /// # Errors
    /// They are none, or hold white space or a NUL.
    pub fn new(bytes: &[u8]) -> std::result::Result<Self, ParseError> {
        super::Text::parse(bytes)
    }

    /// A word that another program has to answer for.
    pub(crate) fn unchecked(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bstr(&self) -> &BStr {
        self.0.as_ref()
    }
}

impl Field for Word {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        let word = words.next(what)?;
        if word.contains(&0) {
            return Err(words.wrong(what, word));
        }
        Ok(Self(word.into()))
    }

    fn write(&self, line: &mut Line) {
        line.bytes(&self.0);
    }
}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// Numbers are words.
impl From<u64> for Word {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

/// A device in a line: its number, or the path of its node.
///
/// The kernel takes both and always prints numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Device(Place);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Number(DevNo),
    Path(BString),
}

impl Device {
    /// The device with this number.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self(Place::Number(DevNo { major, minor }))
    }

    /// A node that is known to have a path without blanks.
    pub(crate) fn at(path: String) -> Self {
        Self(Place::Path(path.into()))
    }

    /// Its number; `None` for a path.
    #[must_use]
    pub fn number(&self) -> Option<DevNo> {
        match self.0 {
            Place::Number(number) => Some(number),
            Place::Path(_) => None,
        }
    }

    /// Its path; `None` for a number.
    #[must_use]
    pub fn path(&self) -> Option<&BStr> {
        match &self.0 {
            Place::Number(_) => None,
            Place::Path(path) => Some(path.as_ref()),
        }
    }
}

impl From<DevNo> for Device {
    fn from(number: DevNo) -> Self {
        Self(Place::Number(number))
    }
}

impl Field for DevNo {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        let (major, minor) = words.halves(b':', what)?;
        Ok(Self { major, minor })
    }

    fn write(&self, line: &mut Line) {
        line.word(self);
    }
}

impl Field for Device {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        match words.peek() {
            Some(word) if word.starts_with(b"/") && !word.contains(&0) => {
                words.next(what)?;
                Ok(Self(Place::Path(word.into())))
            }
            _ => Ok(Self(Place::Number(words.read(what)?))),
        }
    }

    fn write(&self, line: &mut Line) {
        match &self.0 {
            Place::Number(number) => line.word(number),
            Place::Path(path) => line.bytes(path),
        };
    }
}

/// `-` stands for a value that is missing.
impl<T: Field> Field for Option<T> {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        if words.accept("-") {
            return Ok(None);
        }
        words.read(what).map(Some)
    }

    fn write(&self, line: &mut Line) {
        match self {
            Some(value) => value.write(line),
            None => _ = line.word("-"),
        }
    }
}

/// Where on a device something is: `DEVICE OFFSET`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Area {
    /// The device.
    pub device: Device,
    /// First sector of the area, in sectors of 512 bytes.
    pub offset: u64,
}

impl Area {
    /// The area of a device that begins at this sector.
    #[must_use]
    pub fn new(device: impl Into<Device>, offset: u64) -> Self {
        Self {
            device: device.into(),
            offset,
        }
    }
}

impl Field for Area {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            device: words.read("device (MAJOR:MINOR or path)")?,
            offset: words.read("offset in sectors")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.device.write(line);
        self.offset.write(line);
    }
}

/// A setting that the driver hands on, such as one of a cache's policy: `KEY VALUE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Setting {
    /// Its name.
    pub key: Word,
    /// Its value, normally a number.
    pub value: Word,
}

impl Setting {
    /// A setting whose value is a number.
    ///
    /// # Errors
    /// The key is no [`Word`].
    pub fn number(key: &str, value: u64) -> std::result::Result<Self, ParseError> {
        Ok(Self {
            key: key.parse()?,
            value: value.into(),
        })
    }
}

impl Field for Setting {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            key: words.read("name of a setting")?,
            value: words.read("value of the setting")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.key.write(line);
        self.value.write(line);
    }
}

/// Bytes that are written as hexadecimal digits: a digest, a salt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Hex(pub Vec<u8>);

/// A key. Its bytes are wiped when it is dropped, and `Debug` does not show them. `Display` of the line that holds the
/// key does: such a text is a secret too.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The bytes that hexadecimal digits stand for.
pub(super) fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| u8::try_from(char::from(b).to_digit(16)?).ok();
    digits
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// Appends bytes as hexadecimal digits.
pub(super) fn push_hex(text: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
    }
}

/// At least one byte; `-` is for the field around it.
impl Field for Hex {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        let word = words.next(what)?;
        if word == b"-" {
            return Ok(Self(Vec::new()));
        }
        from_hex(word).map(Self).ok_or_else(|| words.wrong(what, word))
    }

    fn write(&self, line: &mut Line) {
        let mut text = Vec::new();
        push_hex(&mut text, &self.0);
        line.bytes(if text.is_empty() { b"-" } else { &text });
    }
}

/// A count of words that a line allows for, and white space that it may hold.
pub(super) fn has_blank_or(bytes: &[u8], other: u8) -> bool {
    bytes.iter().any(|b| is_blank(*b) || *b == 0 || *b == other)
}

text!(Word, Device, Area, Setting);

/// Status of a target that can lose its metadata device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub enum State<T> {
    /// It works.
    Running(T),
    /// It answers nothing any more.
    Fail,
    /// The state could not be read.
    Error,
}

impl<T: Field> Field for State<T> {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        if words.accept("Fail") {
            return Ok(Self::Fail);
        }
        if words.accept("Error") {
            return Ok(Self::Error);
        }
        words.read(what).map(Self::Running)
    }

    fn write(&self, line: &mut Line) {
        match self {
            Self::Running(state) => state.write(line),
            Self::Fail => {
                line.word("Fail");
            }
            Self::Error => {
                line.word("Error");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Arbitrary for Word {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;

        fn arbitrary_with((): ()) -> Self::Strategy {
            let byte = any::<u8>().prop_filter("a byte of a word", |b| !is_blank(*b) && *b != 0);
            let bytes = proptest::collection::vec(byte, 1..9).boxed();
            prop_oneof!["[a-z0-9_]{1,9}".prop_map(String::into_bytes), bytes]
                .prop_map(|bytes| Word::unchecked(&bytes))
                .boxed()
        }
    }

    impl Arbitrary for Device {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;

        fn arbitrary_with((): ()) -> Self::Strategy {
            prop_oneof![
                any::<(u32, u32)>().prop_map(|(major, minor)| Device::new(major, minor)),
                "/dev/[!-~]{1,9}".prop_map(Device::at),
            ]
            .boxed()
        }
    }

    impl Arbitrary for Secret {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;

        fn arbitrary_with((): ()) -> Self::Strategy {
            proptest::collection::vec(any::<u8>(), 1..40)
                .prop_map(Secret::new)
                .boxed()
        }
    }

    #[test]
    fn devices() {
        let device: Device = "253:7".parse().unwrap();
        assert_eq!(device.number(), Some(DevNo { major: 253, minor: 7 }));
        assert_eq!((device.to_string(), device.path()), ("253:7".into(), None));
        let device: Device = "/dev/sda".parse().unwrap();
        assert_eq!((device.path(), device.number()), (Some(BStr::new("/dev/sda")), None));
        for wrong in ["", "sda", "1", "1:", ":1", "1:2:3", "1:-2", "1:99999999999", "1:2 3"] {
            assert!(wrong.parse::<Device>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_word() {
        for wrong in [&b""[..], b"a b", b" a b ", b"a\0"] {
            assert!(Word::new(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(Word::new(b"\xff").unwrap().as_bstr(), &b"\xff"[..]);
    }

    #[test]
    fn keys_do_not_show() {
        let key = Secret::new(b"open sesame".to_vec());
        assert_eq!(format!("{key:?}"), "Secret");
    }

    #[test]
    fn errors_name_word_and_unit() {
        let error = "1:0 x".parse::<Area>().unwrap_err();
        assert_eq!(error.to_string(), "word 2: offset in sectors expected, found \"x\"");
        assert_eq!(error.found(), Some(BStr::new("x")));
        let error = "1:0".parse::<Area>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "word 2: offset in sectors expected, but the line ends"
        );
        assert!(error.is_truncated());
        let error = "1:0 5 6".parse::<Area>().unwrap_err();
        assert_eq!(error.to_string(), "word 3: the end of the line expected, found \"6\"");
        assert_eq!((error.word(), error.expected()), (3, "the end of the line"));
    }
}
