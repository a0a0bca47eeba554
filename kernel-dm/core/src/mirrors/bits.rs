//! A set of regions.

use alloc::vec;
use alloc::vec::Vec;

/// One bit for each region, and the number of those that are set.
#[derive(Debug)]
pub(super) struct Bits {
    words: Vec<u64>,
    len: u64,
    ones: u64,
}

fn place(region: u64) -> (usize, u64) {
    (usize::try_from(region / 64).unwrap_or(usize::MAX), 1 << (region % 64))
}

impl Bits {
    /// `len` regions, all of them in the set or none.
    pub(super) fn new(len: u64, all: bool) -> Self {
        let words = usize::try_from(len.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            words: vec![if all { u64::MAX } else { 0 }; words],
            len,
            ones: if all { len } else { 0 },
        }
    }

    pub(super) fn get(&self, region: u64) -> bool {
        let (index, bit) = place(region);
        self.words.get(index).is_some_and(|word| word & bit != 0)
    }

    pub(super) fn set(&mut self, region: u64, value: bool) {
        let (index, bit) = place(region);
        if region >= self.len || self.get(region) == value {
            return;
        }
        if let Some(word) = self.words.get_mut(index) {
            *word ^= bit;
            self.ones = if value { self.ones + 1 } else { self.ones - 1 };
        }
    }

    pub(super) fn ones(&self) -> u64 {
        self.ones
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The first region from `from` on that is not in the set.
    pub(super) fn next_zero(&self, from: u64) -> Option<u64> {
        let (first, bit) = place(from);
        let mut mask = bit - 1;
        for (index, word) in self.words.iter().enumerate().skip(first) {
            let zeros = !(word | mask);
            mask = 0;
            if zeros != 0 {
                let region = index as u64 * 64 + u64::from(zeros.trailing_zeros());
                return (region < self.len).then_some(region);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_found_and_ones_counted() {
        let mut bits = Bits::new(130, true);
        assert_eq!((bits.ones(), bits.next_zero(0)), (130, None));
        bits.set(64, false);
        bits.set(64, false);
        bits.set(129, false);
        bits.set(130, false);
        assert_eq!(
            (bits.ones(), bits.next_zero(0), bits.next_zero(65)),
            (128, Some(64), Some(129))
        );
        bits.set(129, true);
        assert_eq!(
            (bits.ones(), bits.next_zero(65), bits.next_zero(500)),
            (129, None, None)
        );
        let bits = Bits::new(65, false);
        assert_eq!((bits.ones(), bits.next_zero(64)), (0, Some(64)));
    }
}
