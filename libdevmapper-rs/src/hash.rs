//! Hash tables with binary keys: the hash function.
//!
//! Rust programs have `HashMap`. The C library's table, whose nodes C programs hold, is in `capi`.

/// A fast hash of a key, for tables in memory: not stable between versions, and not safe against chosen keys.
#[must_use]
#[inline]
pub fn hash(key: &[u8]) -> u32 {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xe703_7ed1_a0b4_28db;
    let mut sum = (key.len() as u64) ^ A;
    let mut words = key.chunks_exact(8);
    for word in &mut words {
        sum = fold(sum ^ word_of(word), B);
    }
    sum = fold(sum ^ word_of(words.remainder()), A);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves are mixed into one")]
    let half = (sum ^ sum >> 32) as u32;
    half
}

/// Up to 8 bytes as a number.
#[inline]
fn word_of(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// Both halves of the 128-bit product, mixed.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let low = product as u64;
    low ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::hash;
    use std::collections::HashSet;

    #[test]
    fn spreads_similar_keys() {
        // In 2^20 buckets 100,000 random keys would leave about 95,300 different ones.
        let buckets: HashSet<u32> = (0..100_000)
            .map(|i| hash(format!("/dev/vg/lv{i}").as_bytes()) & 0xf_ffff)
            .collect();
        assert!(buckets.len() > 94_000, "{}", buckets.len());
        let zeros: HashSet<u32> = (0..100).map(|n| hash(&vec![0; n])).collect();
        assert_eq!(zeros.len(), 100);
    }
}
