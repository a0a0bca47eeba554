//! Parameter texts: splitting into words, numbers, device names.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use dm_abi::errno::Errno;

use crate::cipher;
use crate::host::{DevNo, DevSpec, Host};

/// Why a target refuses its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the client gets.
    pub errno: Errno,
    /// What was wrong, for a log.
    pub reason: String,
}

impl Refusal {
    /// A refusal with EINVAL.
    #[must_use]
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self {
            errno: Errno::EINVAL,
            reason: reason.into(),
        }
    }
}

/// Highest major number of a block device.
const MAJOR_MAX: u32 = (1 << 12) - 1;
/// Highest minor number of a block device.
const MINOR_MAX: u32 = (1 << 20) - 1;

/// Blanks of a parameter text: those of ASCII, and the no-break space of Latin-1, which Linux counts in.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0xa0)
}

/// Splits a parameter text into words as Linux does: blanks separate, and a backslash takes the next byte literally.
#[must_use]
pub fn split(params: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut bytes = params.iter().copied().peekable();
    loop {
        while bytes.next_if(|&b| is_blank(b)).is_some() {}
        if bytes.peek().is_none() {
            return words;
        }
        // No reallocation leaves a part of a key behind.
        let mut word = Vec::with_capacity(bytes.clone().take_while(|&b| !is_blank(b)).count());
        while let Some(byte) = bytes.next_if(|&b| !is_blank(b)) {
            match byte {
                b'\\' => word.push(bytes.next().unwrap_or(b'\\')),
                _ => word.push(byte),
            }
        }
        words.push(word);
    }
}

/// Without the blanks in front.
fn trim(word: &[u8]) -> &[u8] {
    let blanks = word.iter().take_while(|&&byte| is_blank(byte)).count();
    &word[blanks..]
}

/// Reads decimal digits and nothing else. (A word can begin with blanks, if they were escaped: they do not count.)
///
/// Linux lets a number that does not fit wrap around; here it is refused, for a wrapped sector is a wrong sector.
#[must_use]
pub fn number<T: TryFrom<u64>>(word: &[u8]) -> Option<T> {
    let word = trim(word);
    if word.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for &byte in word {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    T::try_from(value).ok()
}

/// Like [`number`], for the words where Linux also takes a plus sign.
#[must_use]
pub fn number_with_plus<T: TryFrom<u64>>(word: &[u8]) -> Option<T> {
    number(word.strip_prefix(b"+").unwrap_or(word))
}

/// Reads the name of a component: `major:minor`, or else a path.
///
/// # Errors
/// EOVERFLOW for a number that no device can have.
pub fn device(word: &[u8]) -> Result<DevSpec<'_>, Refusal> {
    let numbers = word.iter().position(|&b| b == b':').map(|colon| word.split_at(colon));
    let Some((major, minor)) = numbers.map(|(major, minor)| (major, &minor[1..])) else {
        return Ok(DevSpec::Path(word));
    };
    let major = trim(major);
    let digits = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    if !digits(major) || !digits(minor) {
        return Ok(DevSpec::Path(word));
    }
    match (number::<u32>(major), number::<u32>(minor)) {
        (Some(major), Some(minor)) if major <= MAJOR_MAX && minor <= MINOR_MAX => {
            Ok(DevSpec::Number(DevNo { major, minor }))
        }
        _ => Err(Refusal {
            errno: Errno::EOVERFLOW,
            reason: format!("no device has the number {}", String::from_utf8_lossy(word)),
        }),
    }
}

impl fmt::Display for DevNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl FromStr for DevNo {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match device(text.as_bytes())? {
            DevSpec::Number(dev) => Ok(dev),
            DevSpec::Path(_) => Err(Refusal::invalid(format!("{text} is not a device number"))),
        }
    }
}

/// What targets have of their host when a table is built.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// Its clock.
    pub now_ms: u64,
    /// Its ciphers.
    pub cipher: cipher::New,
}

impl Given {
    /// What a host gives now.
    pub(crate) fn of<H: Host>(host: &H) -> Self {
        Self {
            now_ms: host.now_ms(),
            cipher: H::CIPHER,
        }
    }

    /// A time, and the engine's own ciphers.
    #[must_use]
    pub fn at(now_ms: u64) -> Self {
        Self {
            now_ms,
            cipher: cipher::new,
        }
    }
}

/// The words of one table line, and what its target must know besides.
#[derive(Debug)]
pub struct Args<'a> {
    words: &'a [Vec<u8>],
    /// First sector of the segment.
    pub start: u64,
    /// Length of the segment in sectors.
    pub length: u64,
    /// What the host gives.
    pub given: Given,
}

impl<'a> Args<'a> {
    /// The arguments of a segment.
    #[must_use]
    pub fn new(words: &'a [Vec<u8>], start: u64, length: u64, given: Given) -> Self {
        Self {
            words,
            start,
            length,
            given,
        }
    }

    /// Number of words.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.len()
    }

    /// Word number `index`, from 0; empty when there are fewer.
    #[must_use]
    pub fn word(&self, index: usize) -> &'a [u8] {
        self.words.get(index).map_or(&[], Vec::as_slice)
    }

    /// The words from number `index` on.
    #[must_use]
    pub fn rest(&self, index: usize) -> &'a [Vec<u8>] {
        self.words.get(index..).unwrap_or(&[])
    }

    /// Word number `index` as a number; `what` names it in the refusal.
    ///
    /// # Errors
    /// EINVAL for anything but digits, and for a number that `T` cannot hold.
    pub fn number<T: TryFrom<u64>>(&self, index: usize, what: &str) -> Result<T, Refusal> {
        number(self.word(index)).ok_or_else(|| bad(what, self.word(index)))
    }
}

/// A refusal for a word that is not what it should be.
#[must_use]
pub fn bad(what: &str, word: &[u8]) -> Refusal {
    Refusal::invalid(format!("`{}` is no valid {what}", String::from_utf8_lossy(word)))
}
