//! Sets of small numbers, and their list notation (`1-3,7`).
//!
//! A set of N bits is held in `N / 32 + 1` words of 32 bits, lowest bit first: there is always at least one bit of
//! padding. The free functions work on such words, which C programs hold too; [`Bitset`] is the owned form.

use std::fmt;

use crate::error::{Error, Result};
use crate::log_debug;

/// Most bits that the notation may ask for: numbers are 32-bit.
const MAX_BITS: usize = u32::MAX as usize;

/// Number of words that hold `bits` bits.
#[must_use]
pub const fn words(bits: usize) -> usize {
    bits / 32 + 1
}

/// The lowest set bit that is not below `from`. The search ends at the word that holds bit `bits - 1`, whose padding is
/// looked at too.
#[must_use]
pub fn next(words: &[u32], bits: usize, from: usize) -> Option<usize> {
    if from >= bits {
        return None;
    }
    let mut word = from / 32;
    let mut found = *words.get(word)? & (u32::MAX << (from % 32));
    while found == 0 {
        word += 1;
        if word * 32 >= bits {
            return None;
        }
        found = *words.get(word)?;
    }
    Some(word * 32 + found.trailing_zeros() as usize)
}

/// The highest set bit that is not above `from`.
#[must_use]
pub fn previous(words: &[u32], from: usize) -> Option<usize> {
    let last = words.len().checked_sub(1)?;
    let (mut word, mask) = if from / 32 > last {
        (last, u32::MAX)
    } else {
        (from / 32, u32::MAX >> (31 - from % 32))
    };
    let mut found = words[word] & mask;
    while found == 0 {
        word = word.checked_sub(1)?;
        found = words[word];
    }
    Some(word * 32 + 31 - found.leading_zeros() as usize)
}

/// Reads a list such as `1-3,7`: numbers and ranges, with empty elements and white space around elements ignored. Calls
/// `each` with the first and the last number of every element.
///
/// # Errors
/// [`Error::Parse`], after a debug message.
pub fn parse_ranges(list: &[u8], mut each: impl FnMut(u32, u32)) -> Result<()> {
    for element in list.split(|&b| b == b',') {
        let element = element.trim_ascii();
        if element.is_empty() {
            continue;
        }
        let mut limits = element.splitn(2, |&b| b == b'-').map(number);
        let first = limits.next().flatten();
        let last = limits.next().unwrap_or(first);
        match (first, last) {
            (Some(first), Some(last)) if first <= last => each(first, last),
            _ => {
                let element = crate::log::Raw(element);
                log_debug!("Bad element in list of numbers: {element}");
                return Err(Error::Parse(format!("bad element in list of numbers: {element}")));
            }
        }
    }
    Ok(())
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |n, &digit| {
        n.checked_mul(10)?
            .checked_add(u32::from(digit.is_ascii_digit().then(|| digit - b'0')?))
    })
}

/// A set of numbers below a limit.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitset {
    bits: usize,
    words: Vec<u32>,
}

impl Bitset {
    /// An empty set for numbers below `bits`.
    #[must_use]
    pub fn new(bits: usize) -> Self {
        Self {
            bits,
            words: vec![0; words(bits)],
        }
    }

    /// Reads a list such as `1-3,7` into a set of at least `min_bits` bits.
    ///
    /// # Errors
    /// [`Error::Parse`] for anything else.
    ///
    /// ```
    /// use libdevmapper::bitset::Bitset;
    /// let set = Bitset::parse(b"1-3,7", 0)?;
    /// assert_eq!(set.iter().collect::<Vec<_>>(), [1, 2, 3, 7]);
    /// assert_eq!(set.to_string(), "1-3,7");
    /// # Ok::<(), libdevmapper::Error>(())
    /// ```
    pub fn parse(list: &[u8], min_bits: usize) -> Result<Self> {
        // First the size, so that one number asks for memory once; then the bits.
        let mut bits = min_bits;
        parse_ranges(list, |_, last| bits = bits.max(last as usize + 1))?;
        if bits > MAX_BITS {
            return Err(Error::Invalid(format!("{bits} bits are too many")));
        }
        let mut set = Self::new(bits);
        parse_ranges(list, |first, last| set.insert_range(first as usize, last as usize))?;
        Ok(set)
    }

    /// The number of bits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bits
    }

    /// Whether no bit is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The words, lowest bit first.
    #[must_use]
    pub fn as_words(&self) -> &[u32] {
        &self.words
    }

    /// Whether `bit` is in the set.
    #[must_use]
    pub fn contains(&self, bit: usize) -> bool {
        bit < self.bits && self.words[bit / 32] >> (bit % 32) & 1 == 1
    }

    /// Adds `bit`.
    ///
    /// # Panics
    /// When `bit` is not below the limit.
    pub fn insert(&mut self, bit: usize) {
        assert!(bit < self.bits, "bit {bit} of {}", self.bits);
        self.words[bit / 32] |= 1 << (bit % 32);
    }

    /// Adds all bits from `first` to `last`, which are below the limit.
    fn insert_range(&mut self, first: usize, last: usize) {
        for (i, word) in self.words.iter_mut().enumerate().take(last / 32 + 1).skip(first / 32) {
            let low = if i == first / 32 {
                u32::MAX << (first % 32)
            } else {
                u32::MAX
            };
            let high = if i == last / 32 {
                u32::MAX >> (31 - last % 32)
            } else {
                u32::MAX
            };
            *word |= low & high;
        }
    }

    /// Takes `bit` out.
    pub fn remove(&mut self, bit: usize) {
        if bit < self.bits {
            self.words[bit / 32] &= !(1 << (bit % 32));
        }
    }

    /// The numbers in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let bit = next(&self.words, self.bits, from)?;
            from = bit + 1;
            Some(bit)
        })
    }
}

impl fmt::Debug for Bitset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitset({}: {self})", self.bits)
    }
}

/// The list notation.
impl fmt::Display for Bitset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut bits = self.iter().peekable();
        while let Some(first) = bits.next() {
            let mut last = first;
            while let Some(bit) = bits.next_if_eq(&(last + 1)) {
                last = bit;
            }
            write!(f, "{separator}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn list_notation() {
        for (list, min, bits, members) in [
            ("", 0, 0, &[][..]),
            (",", 0, 0, &[]),
            (" ", 0, 0, &[]),
            ("0", 0, 1, &[0]),
            ("1-2,5-8", 0, 9, &[1, 2, 5, 6, 7, 8]),
            ("3", 64, 64, &[3]),
            ("70", 64, 71, &[70]),
            ("1,", 0, 2, &[1]),
            (",1", 0, 2, &[1]),
            ("1\n", 0, 2, &[1]),
            ("1,,2", 0, 3, &[1, 2]),
            ("1 ,2", 0, 3, &[1, 2]),
            ("3-3", 0, 4, &[3]),
        ] {
            let set = Bitset::parse(list.as_bytes(), min).unwrap();
            assert_eq!(
                (set.len(), set.iter().collect::<Vec<_>>()),
                (bits, members.to_vec()),
                "{list:?}"
            );
        }
        for list in [
            "5-3",
            "-3",
            "3-",
            "1-2-3",
            "a",
            "1 2",
            "3 - 5",
            "1 -3",
            "1- 3",
            "4294967296",
            "1;2",
            "\u{e4}",
        ] {
            assert!(Bitset::parse(list.as_bytes(), 0).is_err(), "{list:?}");
        }
    }

    #[test]
    fn padding_is_seen_as_documented() {
        let words = [u32::MAX; 2];
        assert_eq!(previous(&words, 40), Some(40));
        assert_eq!(previous(&words, 1000), Some(63));
        assert_eq!(next(&words, 40, 39), Some(39));
        assert_eq!(next(&words, 40, 40), None);
        assert_eq!(next(&[0, 1 << 9], 40, 0), Some(41));
        assert_eq!(next(&[0, 1], 32, 0), None);
        assert_eq!(previous(&[0; 3], 95), None);
    }

    proptest! {
        #[test]
        fn bits_like_a_set(bits in 1_usize..200, ops in prop::collection::vec((any::<bool>(), 0_usize..200), 0..60)) {
            let mut set = Bitset::new(bits);
            let mut model = std::collections::BTreeSet::new();
            for (add, bit) in ops {
                let bit = bit % bits;
                if add { set.insert(bit); model.insert(bit); } else { set.remove(bit); model.remove(&bit); }
            }
            prop_assert!(set.iter().eq(model.iter().copied()));
            for at in 0..bits {
                prop_assert_eq!(set.contains(at), model.contains(&at));
                prop_assert_eq!(next(set.as_words(), bits, at), model.range(at..).next().copied());
                prop_assert_eq!(previous(set.as_words(), at), model.range(..=at).next_back().copied());
            }
            let again = Bitset::parse(set.to_string().as_bytes(), bits).unwrap();
            prop_assert_eq!(again, set);
        }

        #[test]
        fn any_list(list in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = parse_ranges(&list, |first, last| assert!(first <= last));
        }
    }
}
