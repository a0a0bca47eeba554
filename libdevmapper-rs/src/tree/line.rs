//! Building the parameters of a table line.

use crate::error::{Error, Result};
use std::fmt::{Display, Write};

/// Longest parameter text, bytes.
pub(super) const MAX_PARAMS: usize = 262_143;

/// Words separated by single blanks. Words may be any bytes.
#[derive(Debug, Default)]
pub(super) struct Line(Vec<u8>);

impl Line {
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

    /// The text, if it is not too long.
    pub fn finish(self) -> Result<Vec<u8>> {
        if self.0.len() > MAX_PARAMS {
            crate::log_error!("Target parameter size too big. Aborting.");
            return Err(Error::Invalid("target parameters too long".into()));
        }
        Ok(self.0)
    }
}
