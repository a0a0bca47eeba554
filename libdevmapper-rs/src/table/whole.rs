//! Whole lines, and tables of them.

use super::line::Line as Writer;
use super::words::{self, Field, Words, is_blank};
use super::{Params, ParseError, Status};
use crate::error::{Error, Result};
use bstr::{BStr, BString, ByteSlice};

/// Longest target type, bytes.
const MAX_KIND: usize = 15;

/// What stands behind the extent of a line: [`Params`] or [`Status`].
pub trait Target: Read {
    /// The target type.
    #[must_use]
    fn kind(&self) -> &BStr;

    /// The text behind the type, as the kernel prints it.
    #[must_use]
    fn to_bytes(&self) -> BString;

    /// Reads the text behind the type.
    ///
    /// # Errors
    /// Says which word is wrong, counted from the first behind the type.
    fn parse(kind: &[u8], text: &[u8]) -> std::result::Result<Self, ParseError> {
        let words = words::split(text);
        let mut words = Words::new(&words);
        let value = Self::read(kind, &mut words)?;
        words.finish()?;
        Ok(value)
    }
}

/// How a [`Target`] is read.
pub trait Read: Sized {
    #[doc(hidden)]
    fn read(kind: &[u8], words: &mut Words<'_, '_>) -> words::Result<Self>;
}

/// A line of a table, or of its status: `START LENGTH TYPE WORD...`.
///
/// ```
/// use libdevmapper::table::{Line, Status, ThinStatus};
/// let line: Line<Status> = "0 2097152 thin 384 639".parse()?;
/// assert_eq!(line.params, Status::Thin(ThinStatus::Mapped { mapped: 384, highest: Some(639) }));
/// # Ok::<(), libdevmapper::table::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<T = Params> {
    /// First sector of the mapped device, in sectors of 512 bytes.
    pub start: u64,
    /// Length in sectors of 512 bytes.
    pub length: u64,
    /// What is there.
    pub params: T,
}

impl<T: Target> Line<T> {
    /// Reads the whole of a text.
    ///
    /// # Errors
    /// Says which word is wrong.
    pub fn parse(text: &[u8]) -> std::result::Result<Self, ParseError> {
        let words = words::split(text);
        let mut words = Words::new(&words);
        let start = words.read("first sector")?;
        let length = words.read("length in sectors")?;
        let kind = words.next("target type")?;
        if kind.len() > MAX_KIND || kind.contains(&0) {
            return Err(words.wrong("target type of at most 15 bytes", kind));
        }
        let params = T::read(kind, &mut words)?;
        words.finish()?;
        Ok(Self { start, length, params })
    }

    /// The text. There is a blank at its end where the kernel prints one.
    #[must_use]
    pub fn to_bytes(&self) -> BString {
        let mut line = Writer::default();
        self.start.write(&mut line);
        self.length.write(&mut line);
        line.bytes(self.params.kind());
        let params = self.params.to_bytes();
        if !params.is_empty() {
            line.bytes(&params);
        }
        line.into_bytes().into()
    }
}

impl<T: Target> std::str::FromStr for Line<T> {
    type Err = ParseError;

    fn from_str(text: &str) -> std::result::Result<Self, ParseError> {
        Self::parse(text.as_bytes())
    }
}

impl<T: Target> std::fmt::Display for Line<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.to_bytes(), f)
    }
}

/// What a driver answered to TABLE.
impl TryFrom<&crate::task::Target> for Line<Params> {
    type Error = ParseError;

    fn try_from(target: &crate::task::Target) -> std::result::Result<Self, ParseError> {
        Self::of(target)
    }
}

/// What a driver answered to STATUS.
impl TryFrom<&crate::task::Target> for Line<Status> {
    type Error = ParseError;

    fn try_from(target: &crate::task::Target) -> std::result::Result<Self, ParseError> {
        Self::of(target)
    }
}

impl<T: Target> Line<T> {
    fn of(target: &crate::task::Target) -> std::result::Result<Self, ParseError> {
        Ok(Self {
            start: target.start,
            length: target.length,
            params: T::parse(&target.kind, &target.params)?,
        })
    }
}

/// A table: lines without a gap, from sector 0 on.
///
/// ```
/// use libdevmapper::table::{Table, Zero, Fail};
/// let mut table = Table::new();
/// table.push(8, Zero)?;
/// table.push(16, Fail::default())?;
/// assert_eq!(table.sectors(), 24);
/// assert_eq!(table.to_string(), "0 8 zero\n8 16 error\n");
/// assert_eq!("0 8 zero\n8 16 error\n".parse::<Table>()?, table);
/// assert!("0 8 zero\n9 16 error\n".parse::<Table>().is_err());
/// # Ok::<(), libdevmapper::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    lines: Vec<Line<Params>>,
}

impl Table {
    /// A table without lines.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a line of `length` sectors of 512 bytes.
    ///
    /// # Errors
    /// The length is 0, or the table would be longer than 2^64 sectors.
    pub fn push(&mut self, length: u64, params: impl Into<Params>) -> Result<()> {
        let start = self.sectors();
        if length == 0 || start.checked_add(length).is_none() {
            return Err(Error::Invalid(format!("a line of {length} sectors at sector {start}")));
        }
        self.lines.push(Line {
            start,
            length,
            params: params.into(),
        });
        Ok(())
    }

    /// Its lines.
    #[must_use]
    pub fn lines(&self) -> &[Line<Params>] {
        &self.lines
    }

    /// Its length in sectors of 512 bytes.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        self.lines.last().map_or(0, |line| line.start + line.length)
    }

    /// Reads a text with a line per target; empty lines, and lines that begin with `#`, mean nothing.
    ///
    /// # Errors
    /// Says which line is wrong, and which of its words: also a line that does not begin where the one before ends.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let mut table = Self::new();
        for (number, text) in (1..).zip(text.lines()) {
            let first = text.iter().find(|b| !is_blank(**b));
            if matches!(first, None | Some(b'#')) {
                continue;
            }
            let line = Line::<Params>::parse(text).map_err(|error| Error::Parse(format!("line {number}, {error}")))?;
            let start = table.sectors();
            if line.start != start {
                return Err(Error::Parse(format!(
                    "line {number}, word 1: first sector {start} expected, found {}",
                    line.start
                )));
            }
            table
                .push(line.length, line.params)
                .map_err(|error| Error::Parse(format!("line {number}, word 2: {error}")))?;
        }
        Ok(table)
    }

    /// The lines of a live or inactive table.
    ///
    /// # Errors
    /// A line that is not understood; see [`Line`].
    pub fn from_targets(targets: &[crate::task::Target]) -> Result<Self> {
        let mut table = Self::new();
        for target in targets {
            let line = Line::<Params>::try_from(target)?;
            if line.start != table.sectors() {
                return Err(Error::Parse(format!("a line at sector {}", line.start)));
            }
            table.push(line.length, line.params)?;
        }
        Ok(table)
    }

    /// The text: a line per target, each with a newline.
    #[must_use]
    pub fn to_bytes(&self) -> BString {
        let mut text = BString::default();
        for line in &self.lines {
            text.extend_from_slice(&line.to_bytes());
            text.push(b'\n');
        }
        text
    }
}

impl std::str::FromStr for Table {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text.as_bytes())
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.to_bytes(), f)
    }
}
