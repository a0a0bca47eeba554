//! Building the parameters of a line.

use super::words::Field;
use crate::error::{Error, Result};
use std::fmt::{Display, Write};

/// Longest parameter text, bytes.
const MAX_PARAMS: usize = 262_143;

/// Words separated by single blanks. Words may be any bytes.
#[derive(Debug, Default)]
pub(crate) struct Line(Vec<u8>);

impl Line {
    /// A line of one value.
    pub fn of(value: &impl Field) -> Self {
        Self::of_all([value])
    }

    /// A line of values.
    pub fn of_all<'v, T: Field + 'v>(values: impl IntoIterator<Item = &'v T>) -> Self {
        let mut line = Self::default();
        line.values(values);
        line
    }

    fn blank(&mut self) {
        if !self.0.is_empty() {
            self.0.push(b' ');
        }
    }

    /// Appends a word, or several in one format.
    pub fn word(&mut self, word: impl Display) -> &mut Self {
        self.blank();
        let mut text = String::new();
        // Writing to a string fails only if a Display implementation does, and ours do not.
        let _ = write!(text, "{word}");
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends a word of any bytes.
    pub fn bytes(&mut self, word: &[u8]) -> &mut Self {
        self.blank();
        self.0.extend_from_slice(word);
        self
    }

    /// Appends values, one after the other.
    pub fn values<'v, T: Field + 'v>(&mut self, values: impl IntoIterator<Item = &'v T>) -> &mut Self {
        for value in values {
            value.write(self);
        }
        self
    }

    /// Appends values as a group that begins with the number of its words.
    pub fn group<'v, T: Field + 'v>(&mut self, values: impl IntoIterator<Item = &'v T>) -> &mut Self {
        let mut group = Self::default();
        group.values(values);
        self.counted(&group)
    }

    /// As [`Self::group`], but nothing at all for an empty one.
    pub fn group_if_any<'v, T: Field + 'v>(&mut self, values: impl IntoIterator<Item = &'v T>) -> &mut Self {
        let mut group = Self::default();
        group.values(values);
        if group.count() > 0 {
            self.counted(&group);
        }
        self
    }

    /// Appends the blank that the kernel prints at the end of some lines.
    pub fn trailing_blank(&mut self) -> &mut Self {
        self.0.push(b' ');
        self
    }

    /// Appends a group that begins with the number of its words.
    pub fn counted(&mut self, group: &Line) -> &mut Self {
        self.word(group.count());
        if !group.0.is_empty() {
            self.bytes(&group.0);
        }
        self
    }

    /// Appends all words of another line.
    pub fn append(&mut self, other: &Line) -> &mut Self {
        if !other.0.is_empty() {
            self.bytes(&other.0);
        }
        self
    }

    /// Number of words.
    pub fn count(&self) -> usize {
        if self.0.is_empty() {
            0
        } else {
            self.0.iter().filter(|b| **b == b' ').count() + 1
        }
    }

    /// The text, whatever its length.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The text, if it is not too long.
    pub fn finish(self) -> Result<Vec<u8>> {
        if self.0.len() > MAX_PARAMS {
            crate::log_error!("Target parameter size too big. Aborting.");
            return Err(Error::Invalid("target parameters too long".into()));
        }
        Ok(self.0)
    }
}
