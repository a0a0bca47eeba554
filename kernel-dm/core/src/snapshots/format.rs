//! The persistent exception store, version 1, as Linux writes it. All numbers are little-endian.
//!
//! ```text
//! chunk 0      header: magic "SnAp", valid, version, chunk size in sectors (4 x u32)
//! chunk 1      area 0: pairs of u64 (chunk of the origin, chunk of the store), one after the other; a pair with
//!              store chunk 0 ends the list
//!              as many chunks of data as an area has pairs
//!              area 1 and so on
//! ```
//! # How it is written
//! A pair counts as soon as it is on the medium, so an area must be zero behind its last pair, and the area after a full
//! one must be zero before the one before it is full. We write pairs one unit at a time (a logical block of the device), which
//! the device writes as a whole: so the list is never torn, whatever order a device writes in.

use alloc::vec;
use alloc::vec::Vec;

use dm_abi::errno::Errno;

/// "SnAp".
const MAGIC: u32 = 0x7041_6e53;
/// The only version there is.
const VERSION: u32 = 1;
/// Bytes of a pair.
const PAIR: usize = 16;
/// Chunk size in sectors when a table gives 0.
pub const DEFAULT_CHUNK: u32 = 32;
/// Largest chunk size in sectors (1 GiB).
pub const MAX_CHUNK: u32 = 1 << 21;

/// The header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The snapshot is whole.
    pub valid: bool,
    /// Chunk size in sectors.
    pub chunk: u32,
}

impl Header {
    /// Reads a header; `None` for a device that is to become a store. `block` is the device's logical block size in sectors.
    ///
    /// # Errors
    /// ENXIO for something else than a store, EINVAL for one that cannot be used.
    pub fn read(bytes: &[u8], block: u32) -> Result<Option<Self>, Errno> {
        let word = |index: usize| match bytes.get(4 * index..4 * index + 4) {
            Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
            _ => 0,
        };
        match word(0) {
            0 => return Ok(None),
            MAGIC => {}
            _ => return Err(Errno::ENXIO),
        }
        let chunk = word(3);
        if word(2) != VERSION || !chunk_fits(chunk, block) {
            return Err(Errno::EINVAL);
        }
        Ok(Some(Self {
            valid: word(1) != 0,
            chunk,
        }))
    }

    /// The first sectors of the store, as many as `bytes`.
    #[must_use]
    pub fn write(self, bytes: usize) -> Vec<u8> {
        let mut out = vec![0; bytes];
        let words = [MAGIC, self.valid.into(), VERSION, self.chunk];
        for (place, word) in out.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        out
    }
}

/// Whether a chunk size can be used on a device with this logical block size, both in sectors.
#[must_use]
pub fn chunk_fits(chunk: u32, block: u32) -> bool {
    chunk.is_power_of_two() && chunk <= MAX_CHUNK && chunk >= block
}

/// Sizes that follow from the chunk size and the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Sectors of a chunk, a power of two.
    pub chunk: u64,
    /// Sectors that are written at once.
    pub unit: u64,
}

impl Layout {
    /// Pairs of an area.
    #[must_use]
    pub fn pairs(self) -> u64 {
        self.chunk * 512 / PAIR as u64
    }

    /// Pairs of a unit.
    #[must_use]
    pub fn unit_pairs(self) -> u64 {
        self.unit * 512 / PAIR as u64
    }

    /// Bytes of a unit.
    #[must_use]
    pub fn unit_bytes(self) -> usize {
        usize::try_from(self.unit * 512).unwrap_or(512)
    }

    /// The chunk of an area's pairs.
    #[must_use]
    pub fn area(self, area: u64) -> u64 {
        1 + area * (self.pairs() + 1)
    }

    /// Whether a chunk is for data.
    #[must_use]
    pub fn is_data(self, chunk: u64) -> bool {
        chunk >= 2 && !(chunk - 1).is_multiple_of(self.pairs() + 1)
    }

    /// The sector of the unit that has pair number `index` of an area.
    #[must_use]
    pub fn unit_sector(self, area: u64, index: u64) -> u64 {
        self.area(area) * self.chunk + index / self.unit_pairs() * self.unit
    }
}

/// Reads pair number `index` of some bytes: chunk of the origin and of the store.
#[must_use]
pub fn pair(bytes: &[u8], index: u64) -> Option<(u64, u64)> {
    let first = usize::try_from(index).ok()?.checked_mul(PAIR)?;
    let (old, new) = bytes.get(first..first + PAIR)?.split_at(8);
    let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    Some((word(old)?, word(new)?))
}

/// Writes pair number `index` of a unit.
pub fn set_pair(bytes: &mut [u8], index: u64, pair: (u64, u64)) {
    let first = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(PAIR);
    if let Some(place) = bytes.get_mut(first..first.saturating_add(PAIR)) {
        place[..8].copy_from_slice(&pair.0.to_le_bytes());
        place[8..].copy_from_slice(&pair.1.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { chunk: 16, unit: 1 };

    #[test]
    fn a_header_is_what_linux_writes() {
        let header = Header { valid: true, chunk: 16 };
        let bytes = header.write(512);
        assert_eq!(bytes[..16], *b"SnAp\x01\0\0\0\x01\0\0\0\x10\0\0\0");
        assert!(bytes[16..].iter().all(|&byte| byte == 0));
        assert_eq!(Header::read(&bytes, 1), Ok(Some(header)));
    }

    #[test]
    fn every_field_of_a_header_is_checked() {
        let read = |text: &[u8; 16], block| Header::read(text, block);
        assert_eq!(read(b"\0\0\0\0\x01\0\0\0\x01\0\0\0\x10\0\0\0", 1), Ok(None));
        assert_eq!(read(b"SnAq\x01\0\0\0\x01\0\0\0\x10\0\0\0", 1), Err(Errno::ENXIO));
        for bad in [
            b"SnAp\x01\0\0\0\x00\0\0\0\x10\0\0\0",
            b"SnAp\x01\0\0\0\x02\0\0\0\x10\0\0\0",
            b"SnAp\x01\0\0\0\x01\0\0\0\x00\0\0\0",
            b"SnAp\x01\0\0\0\x01\0\0\0\x03\0\0\0",
            b"SnAp\x01\0\0\0\x01\0\0\0\x00\0\0\x80",
            b"SnAp\x01\0\0\0\x01\0\0\0\x04\0\0\0",
        ] {
            assert_eq!(read(bad, 8), Err(Errno::EINVAL), "{bad:?}");
        }
        let invalid = read(b"SnAp\x00\0\0\0\x01\0\0\0\x10\0\0\0", 1).unwrap().unwrap();
        assert!(!invalid.valid);
        assert_eq!(Header::read(b"SnAp", 1), Err(Errno::EINVAL));
    }

    #[test]
    fn areas_lie_between_the_data() {
        assert_eq!((LAYOUT.pairs(), LAYOUT.unit_pairs()), (512, 32));
        assert_eq!((LAYOUT.area(0), LAYOUT.area(1)), (1, 514));
        let data: Vec<_> = (0..6).chain(512..517).filter(|&chunk| LAYOUT.is_data(chunk)).collect();
        assert_eq!(data, [2, 3, 4, 5, 512, 513, 515, 516]);
        assert_eq!(LAYOUT.unit_sector(1, 33), 514 * 16 + 1);
    }

    #[test]
    fn pairs_come_back() {
        let mut unit = vec![0; 512];
        set_pair(&mut unit, 31, (7, 1 << 40));
        assert_eq!(pair(&unit, 31), Some((7, 1 << 40)));
        assert_eq!(pair(&unit, 30), Some((0, 0)));
        assert_eq!(pair(&unit, 32), None);
    }
}
