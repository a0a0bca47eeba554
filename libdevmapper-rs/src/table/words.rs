//! Words of a line: reading them, and saying which one is wrong.

use super::line::Line;
use bstr::{BStr, BString};

/// What is wrong with a line, and with which of its words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("word {word}: {expected} expected, {found}")]
pub struct ParseError {
    word: usize,
    expected: &'static str,
    found: Found,
}

/// What stands in the place of an expected word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// The line has ended.
    End,
    /// Another word.
    Word(BString),
    /// A word that may be a secret.
    Secret,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::End => f.write_str("but the line ends"),
            Self::Word(word) => write!(f, "found {word:?}"),
            Self::Secret => f.write_str("found something else"),
        }
    }
}

impl ParseError {
    /// Position of the wrong word in the text that was parsed, counted from 1; one behind the last for a text that ends
    /// too early.
    #[must_use]
    pub fn word(&self) -> usize {
        self.word
    }

    /// What should have been there, with its unit.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        self.expected
    }

    /// The wrong word; `None` at the end of the text, and in the place of a key.
    #[must_use]
    pub fn found(&self) -> Option<&BStr> {
        match &self.found {
            Found::Word(word) => Some(word.as_ref()),
            Found::End | Found::Secret => None,
        }
    }

    /// Whether the text ends too early.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.found == Found::End
    }
}

/// Result of reading a line.
pub type Result<T> = std::result::Result<T, ParseError>;

/// A part of a line: one word or some.
pub(crate) trait Field: Sized {
    /// Takes it from a line. `what` is what an error says is expected.
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self>;
    /// Appends it to a line.
    fn write(&self, line: &mut Line);
}

/// Whether a byte separates words.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The words of a text.
pub(crate) fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split(|b| is_blank(*b)).filter(|word| !word.is_empty()).collect()
}

/// The words that are left to read.
#[derive(Clone, Debug)]
pub struct Words<'w, 'a> {
    rest: &'w [&'a [u8]],
    /// Position of the first of them, counted from 1.
    position: usize,
}

impl<'w, 'a> Words<'w, 'a> {
    pub(crate) fn new(words: &'w [&'a [u8]]) -> Self {
        Self {
            rest: words,
            position: 1,
        }
    }

    /// Parts of a word, whose errors name the word itself.
    fn inside(parts: &'w [&'a [u8]], position: usize) -> Self {
        Self { rest: parts, position }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many words are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next word, which stays.
    pub(crate) fn peek(&self) -> Option<&'a [u8]> {
        self.rest.first().copied()
    }

    /// All words that are left.
    pub(crate) fn rest(&mut self) -> &'w [&'a [u8]] {
        self.position += self.rest.len();
        std::mem::take(&mut self.rest)
    }

    /// The next word.
    pub(crate) fn next(&mut self, what: &'static str) -> Result<&'a [u8]> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Err(self.ends(what));
        };
        self.rest = rest;
        self.position += 1;
        Ok(first)
    }

    /// The error of a line that ends here.
    fn ends(&self, expected: &'static str) -> ParseError {
        ParseError {
            word: self.position,
            expected,
            found: Found::End,
        }
    }

    /// The error of the word that was just taken.
    pub(crate) fn wrong(&self, expected: &'static str, word: &[u8]) -> ParseError {
        ParseError {
            word: self.position - 1,
            expected,
            found: Found::Word(word.into()),
        }
    }

    /// As [`Self::wrong`], for a word that may be a secret.
    pub(crate) fn wrong_secret(&self, expected: &'static str) -> ParseError {
        ParseError {
            word: self.position - 1,
            expected,
            found: Found::Secret,
        }
    }

    /// Takes a value.
    pub(crate) fn read<T: Field>(&mut self, what: &'static str) -> Result<T> {
        T::read(self, what)
    }

    /// Takes a value if anything is left.
    pub(crate) fn read_if_any<T: Field>(&mut self, what: &'static str) -> Result<Option<T>> {
        if self.is_empty() {
            return Ok(None);
        }
        self.read(what).map(Some)
    }

    /// Takes `count` values.
    pub(crate) fn times<T: Field>(&mut self, count: u64, what: &'static str) -> Result<Vec<T>> {
        // A count beyond the text ends with the text: nothing is reserved for it.
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.read(what)?);
        }
        Ok(values)
    }

    /// Takes a group: the number of its words, then these, which `read` must use up.
    pub(crate) fn nested<T>(&mut self, what: &'static str, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let count: u64 = self.read(what)?;
        let size = usize::try_from(count).unwrap_or(usize::MAX).min(self.rest.len());
        let (inside, rest) = self.rest.split_at(size);
        let mut group = Self::inside(inside, self.position);
        let value = read(&mut group)?;
        if let Some(word) = group.peek() {
            group.position += 1;
            return Err(group.wrong("the end of the group", word));
        }
        self.rest = rest;
        self.position += size;
        if u64::try_from(size).is_ok_and(|size| size < count) {
            return Err(self.ends(what));
        }
        Ok(value)
    }

    /// Takes a group: the number of its words, then values that fill it.
    pub(crate) fn group<T: Field>(&mut self, what: &'static str) -> Result<Vec<T>> {
        self.nested(what, |group| {
            let mut values = Vec::new();
            while !group.is_empty() {
                values.push(group.read(what)?);
            }
            Ok(values)
        })
    }

    /// Takes a group if anything is left.
    pub(crate) fn group_if_any<T: Field>(&mut self, what: &'static str) -> Result<Vec<T>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        self.group(what)
    }

    /// Takes `A/B`.
    pub(crate) fn ratio<A: Field, B: Field>(&mut self, what: &'static str) -> Result<(A, B)> {
        self.halves(b'/', what)
    }

    /// Takes two values in one word.
    pub(crate) fn halves<A: Field, B: Field>(&mut self, separator: u8, what: &'static str) -> Result<(A, B)> {
        let word = self.next(what)?;
        let Some(at) = word.iter().position(|b| *b == separator) else {
            return Err(self.wrong(what, word));
        };
        let first = self.part(&word[..at], what)?;
        Ok((first, self.part(&word[at + 1..], what)?))
    }

    /// Reads a part of the word that was just taken.
    pub(crate) fn part<T: Field>(&self, part: &[u8], what: &'static str) -> Result<T> {
        if part.is_empty() || part.iter().any(|b| is_blank(*b)) {
            return Err(self.wrong(what, part));
        }
        Words::inside(&[part], self.position - 1).read(what)
    }

    /// Takes a word that is one of some, or fails.
    pub(crate) fn choice<T: Copy>(&mut self, what: &'static str, words: &[(&str, T)]) -> Result<T> {
        let word = self.next(what)?;
        let found = words.iter().find(|(text, _)| text.as_bytes() == word);
        found.map(|(_, value)| *value).ok_or_else(|| self.wrong(what, word))
    }

    /// Takes the next word if it is this one.
    pub(crate) fn accept(&mut self, word: &str) -> bool {
        let is_next = self.peek() == Some(word.as_bytes());
        if is_next {
            self.rest = &self.rest[1..];
            self.position += 1;
        }
        is_next
    }

    /// Makes sure that nothing is left.
    pub(crate) fn finish(&mut self) -> Result<()> {
        match self.next("the end of the line") {
            Ok(word) => Err(self.wrong("the end of the line", word)),
            Err(_) => Ok(()),
        }
    }
}

/// Digits only: no sign, no blank, nothing behind.
fn digits(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word)
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
}

macro_rules! unsigned {
    ($($number:ty),*) => {$(
        impl Field for $number {
            fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
                let word = words.next(what)?;
                digits(word).and_then(|text| text.parse().ok()).ok_or_else(|| words.wrong(what, word))
            }

            fn write(&self, line: &mut Line) {
                line.word(self);
            }
        }
    )*};
}
unsigned!(u8, u32, u64);

macro_rules! signed {
    ($($number:ty),*) => {$(
        impl Field for $number {
            fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
                let word = words.next(what)?;
                let number = match word {
                    [b'-', rest @ ..] => digits(rest).filter(|text| !text.is_empty()),
                    _ => digits(word),
                };
                number
                    .and_then(|_| std::str::from_utf8(word).ok()?.parse().ok())
                    .ok_or_else(|| words.wrong(what, word))
            }

            fn write(&self, line: &mut Line) {
                line.word(self);
            }
        }
    )*};
}
signed!(i32, i64);

/// An enum whose values are words.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(test, derive(proptest_derive::Arbitrary))]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant),)*];

            /// The value of a word.
            #[must_use]
            pub fn from_word(word: &[u8]) -> Option<Self> {
                Self::WORDS.iter().find(|(text, _)| text.as_bytes() == word).map(|(_, value)| *value)
            }

            /// The word in the line.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::table::words::Field for $name {
            fn read(
                words: &mut $crate::table::words::Words<'_, '_>,
                what: &'static str,
            ) -> $crate::table::words::Result<Self> {
                words.choice(what, Self::WORDS)
            }

            fn write(&self, line: &mut $crate::table::line::Line) {
                line.word(self.word());
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}
pub(crate) use words;

/// An enum of options: words, some with a value in the words behind.
macro_rules! options {
    ($(#[$meta:meta])* pub enum $name:ident, $what:literal {
        $($(#[$doc:meta])* $variant:ident $(($value:ident: $type:ty, $unit:literal))? = $word:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[cfg_attr(test, derive(proptest_derive::Arbitrary))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant $(($type))?,)*
        }

        impl $crate::table::words::Field for $name {
            fn read(
                words: &mut $crate::table::words::Words<'_, '_>,
                _: &'static str,
            ) -> $crate::table::words::Result<Self> {
                let word = words.next($what)?;
                $(if word == $word.as_bytes() {
                    return Ok(Self::$variant $((words.read::<$type>($unit)?))?);
                })*
                Err(words.wrong($what, word))
            }

            fn write(&self, line: &mut $crate::table::line::Line) {
                match self {
                    $(Self::$variant $(($value))? => {
                        line.word($word);
                        $($crate::table::words::Field::write($value, line);)?
                    })*
                }
            }
        }
    };
}
pub(crate) use options;

/// What is written as a line, and read from one.
///
/// [`std::fmt::Display`] and [`std::str::FromStr`] do the same for text; lines may hold bytes that are not UTF-8, in
/// names for instance, which `Display` replaces.
pub trait Text: Sized {
    /// Reads the whole of a text.
    ///
    /// # Errors
    /// Says which word is wrong. Only the grammar is checked: whether a number makes sense is for the driver to say.
    fn parse(text: &[u8]) -> std::result::Result<Self, ParseError>;

    /// The text, as the kernel prints it.
    #[must_use]
    fn to_bytes(&self) -> BString;
}

/// Implements [`Text`], `Display` and `FromStr` for fields that are whole lines.
macro_rules! text {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::table::Text for $type {
            fn parse(text: &[u8]) -> std::result::Result<Self, $crate::table::ParseError> {
                let words = $crate::table::words::split(text);
                let mut words = $crate::table::words::Words::new(&words);
                let value = words.read("words")?;
                words.finish()?;
                Ok(value)
            }

            fn to_bytes(&self) -> bstr::BString {
                let mut line = $crate::table::line::Line::default();
                $crate::table::words::Field::write(self, &mut line);
                line.into_bytes().into()
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::table::ParseError;

            fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
                $crate::table::Text::parse(text.as_bytes())
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&$crate::table::Text::to_bytes(self), f)
            }
        }
    )*};
}
pub(crate) use text;
