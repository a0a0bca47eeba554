//! Sectors that carry a number all over them, so that a test sees which write a sector is from.

use crate::disk::SECTOR;

/// The sector of a number.
#[must_use]
pub fn sector(number: u64) -> [u8; SECTOR] {
    let mut data = [0; SECTOR];
    for place in data.chunks_exact_mut(8) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    data
}

/// The number of a sector.
///
/// # Panics
/// When the sector is not whole.
#[must_use]
pub fn number(data: &[u8]) -> u64 {
    assert!(data.chunks_exact(8).all(|word| word == &data[..8]), "a torn sector");
    u64::from_le_bytes(data[..8].try_into().expect("a word"))
}
