//! A cursor over the words of a status line.

/// The text that is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a>(pub &'a [u8]);

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

impl<'a> Scan<'a> {
    /// Skips white space.
    pub fn blanks(&mut self) -> &mut Self {
        let n = self.0.iter().take_while(|b| is_space(**b)).count();
        self.0 = &self.0[n..];
        self
    }

    /// Unsigned decimal number; one too large for 64 bits counts as the largest.
    pub fn number(&mut self) -> Option<u64> {
        let n = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if n == 0 {
            return None;
        }
        let value = self.0[..n]
            .iter()
            .fold(0u64, |v, d| v.saturating_mul(10).saturating_add(u64::from(d - b'0')));
        self.0 = &self.0[n..];
        Some(value)
    }

    /// Like [`Self::number`] for fields of 32 bits; a larger number fails.
    pub fn number32(&mut self) -> Option<u32> {
        let mut next = *self;
        let value = u32::try_from(next.number()?).ok()?;
        *self = next;
        Some(value)
    }

    /// Skips white space, then reads a number.
    pub fn spaced(&mut self) -> Option<u64> {
        let mut next = *self;
        let value = next.blanks().number()?;
        *self = next;
        Some(value)
    }

    /// Exactly this byte.
    pub fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        if *first != wanted {
            return None;
        }
        self.0 = rest;
        Some(())
    }

    /// `A/B` after white space.
    pub fn ratio(&mut self) -> Option<(u64, u64)> {
        let mut next = *self;
        let a = next.spaced()?;
        next.byte(b'/')?;
        let b = next.spaced()?;
        *self = next;
        Some((a, b))
    }

    /// The text up to the next single blank, which must be there and is skipped.
    pub fn field(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|b| *b == b' ')?;
        let field = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(field)
    }

    /// A word of white-space separated text; `None` at the end.
    pub fn word(&mut self) -> Option<&'a [u8]> {
        self.blanks();
        let end = self.0.iter().position(|b| is_space(*b)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// Whether `text` holds `part`.
pub(super) fn contains(text: &[u8], part: &str) -> bool {
    bstr::ByteSlice::find(text, part).is_some()
}
