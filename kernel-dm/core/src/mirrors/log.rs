//! The log of a mirror on a disk.
//!
//! ```text
//! sector 0: le32 magic 'MiRr' (0x4d695272), le32 version 2, le64 number of regions
//! sector 2: one bit for each region, the lowest of the first byte first: 1 = the legs are the same
//! ```
//! As seen on logs that Linux made. Version 1 is read alike, and becomes version 2.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::bits::Bits;
use crate::host::Component;

const MAGIC: u32 = 0x4d69_5272;
const VERSION: u32 = 2;
/// Where the bits begin, in bytes.
const BITS: usize = 1024;
const SECTOR: usize = 512;

/// Size of a log with this many regions, in sectors.
#[must_use]
pub fn sectors(regions: u64) -> u64 {
    2 + regions.div_ceil(8 * SECTOR as u64)
}

/// What the beginning of a log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// It is no log.
    None,
    /// A log of a version that is not known here.
    Unknown,
    /// A log with this many regions; whether it is of the present version.
    Log(u64, bool),
}

impl Header {
    /// Reads it.
    #[must_use]
    pub fn parse(data: &[u8]) -> Self {
        let u32_at = |at: usize| Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?));
        let regions = data.get(8..16).and_then(|bytes| bytes.try_into().ok());
        match (u32_at(0), u32_at(4), regions.map(u64::from_le_bytes)) {
            (Some(MAGIC), Some(version @ (1 | VERSION)), Some(regions)) => Header::Log(regions, version == VERSION),
            (Some(MAGIC), Some(_), Some(_)) => Header::Unknown,
            _ => Header::None,
        }
    }

    /// Writes the header of a log with this many regions.
    pub fn write(data: &mut [u8], regions: u64) {
        if let Some(place) = data.get_mut(..16) {
            place[..4].copy_from_slice(&MAGIC.to_le_bytes());
            place[4..8].copy_from_slice(&VERSION.to_le_bytes());
            place[8..].copy_from_slice(&regions.to_le_bytes());
        }
    }
}

/// A log on a disk, and what is known of it.
#[derive(Debug)]
pub(super) struct DiskLog<C> {
    pub(super) component: Component<C>,
    /// What it is or is about to become, from sector 0 on, in whole blocks.
    image: Vec<u8>,
    /// Bytes of a block.
    block: usize,
    /// Blocks that are not on the disk as they are here.
    changed: BTreeSet<usize>,
    /// The header is to be written when the bits are.
    pub(super) header_later: bool,
    /// Writes under way.
    pub(super) writing: usize,
    /// One of them has failed.
    pub(super) write_failed: bool,
    /// Regions whose marks are being written.
    pub(super) current: Vec<u64>,
    /// Regions whose marks wait for their turn.
    pub(super) next: Vec<u64>,
    /// It cannot be used.
    pub(super) failed: bool,
    /// Nor is it known what it calls clean.
    pub(super) unknown: bool,
}

impl<C> DiskLog<C> {
    pub(super) fn new(component: Component<C>, regions: u64) -> Self {
        let block = component.logical_block_size() as usize;
        let bytes = usize::try_from(sectors(regions)).unwrap_or(usize::MAX / SECTOR) * SECTOR;
        Self {
            component,
            image: vec![0; bytes.next_multiple_of(block.max(SECTOR))],
            block: block.max(SECTOR),
            changed: BTreeSet::new(),
            header_later: false,
            writing: 0,
            write_failed: false,
            current: Vec::new(),
            next: Vec::new(),
            failed: false,
            unknown: false,
        }
    }

    /// Size in sectors.
    pub(super) fn sectors(&self) -> u64 {
        (self.image.len() / SECTOR) as u64
    }

    /// Takes over what was read, from this sector on.
    pub(super) fn store(&mut self, first: u64, data: &[u8]) {
        let first = usize::try_from(first).unwrap_or(usize::MAX).saturating_mul(SECTOR);
        if let Some(place) = self.image.get_mut(first..first.saturating_add(data.len())) {
            place.copy_from_slice(data);
        }
    }

    /// All is read: makes it the log of `regions` regions; those that it does not know are `unknown`. Gives the regions
    /// that are in sync, or `None` when it must not be used.
    pub(super) fn adopt(&mut self, regions: u64, unknown: bool) -> Option<Bits> {
        let (known, current) = match Header::parse(&self.image) {
            Header::Unknown => return None,
            Header::None => (0, false),
            Header::Log(known, current) => (known, current),
        };
        let mut bits = Bits::new(regions, false);
        let before = self.image[BITS..].to_vec();
        self.image[BITS..].fill(0);
        for region in 0..regions {
            let (byte, mask) = place(region);
            if region < known && before.get(byte - BITS).is_some_and(|byte| byte & mask != 0)
                || region >= known && unknown
            {
                bits.set(region, true);
                self.image[byte] |= mask;
            }
        }
        for (index, (old, new)) in before.iter().zip(&self.image[BITS..]).enumerate() {
            if old != new {
                self.changed.insert((BITS + index) / self.block);
            }
        }
        if known != regions || !current {
            // Where there was no log, all of it is new.
            self.header_later = true;
        }
        Some(bits)
    }

    /// Puts the header in.
    pub(super) fn write_header(&mut self, regions: u64) {
        self.header_later = false;
        Header::write(&mut self.image, regions);
        self.changed.insert(0);
    }

    pub(super) fn set(&mut self, region: u64, clean: bool) {
        let (byte, mask) = place(region);
        let Some(old) = self.image.get_mut(byte) else { return };
        let new = if clean { *old | mask } else { *old & !mask };
        if *old != new {
            *old = new;
            self.changed.insert(byte / self.block);
        }
    }

    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Takes the changed blocks, as ranges of sectors with their data; each at most `most` sectors.
    pub(super) fn take_changed(&mut self, most: u64) -> Vec<(u64, Vec<u8>)> {
        let most = (usize::try_from(most).unwrap_or(usize::MAX) * SECTOR / self.block).max(1);
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for block in core::mem::take(&mut self.changed) {
            match ranges.last_mut() {
                Some((first, count)) if *first + *count == block && *count < most => *count += 1,
                _ => ranges.push((block, 1)),
            }
        }
        let data = |first: usize, count: usize| self.image[first * self.block..(first + count) * self.block].to_vec();
        ranges
            .into_iter()
            .map(|(first, count)| ((first * self.block / SECTOR) as u64, data(first, count)))
            .collect()
    }
}

/// Byte and bit of a region in the image.
fn place(region: u64) -> (usize, u8) {
    let byte = usize::try_from(region / 8).unwrap_or(usize::MAX - BITS);
    (BITS + byte, 1 << (region % 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_apart() {
        let mut data = [0; 512];
        assert_eq!(Header::parse(&data), Header::None);
        Header::write(&mut data, 8);
        assert_eq!(data[..16], *b"rRiM\x02\0\0\0\x08\0\0\0\0\0\0\0");
        assert_eq!(Header::parse(&data), Header::Log(8, true));
        data[4] = 1;
        assert_eq!(Header::parse(&data), Header::Log(8, false));
        for version in [0, 3, 255] {
            data[4] = version;
            assert_eq!(Header::parse(&data), Header::Unknown);
        }
        assert_eq!(Header::parse(&data[..15]), Header::None);
        data[0] ^= 1;
        assert_eq!(Header::parse(&data), Header::None);
        assert_eq!([1, 8, 4096, 4097].map(sectors), [3, 3, 3, 4]);
    }
}
