//! Logs as they are on their device, in the format of Linux's log-writes. Numbers are little-endian; a block is a logical
//! block of the device whose writes are logged.
//!
//! ```text
//! block 0   le64 magic, le64 version 1, le64 number of entries, le32 bytes of a block
//! block 1   entries, one after the other, each:
//!     one block      le64 sector, le64 number of sectors (both in blocks), le64 flags, le64 length of a text, the text
//!     its data       as many blocks as the entry says, unless it is a discard
//! ```

use alloc::vec;
use alloc::vec::Vec;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
/// Bytes of an entry before its text.
const HEAD: usize = 32;
const SECTOR: u64 = 512;

/// Entry flags.
pub mod flag {
    /// All that is logged before is on the medium.
    pub const FLUSH: u64 = 1 << 0;
    /// A write that was on the medium when it was complete.
    pub const FUA: u64 = 1 << 1;
    /// No data.
    pub const DISCARD: u64 = 1 << 2;
    /// A text, in place of an operation.
    pub const MARK: u64 = 1 << 3;
}

/// What is logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// First sector on the device.
    pub sector: u64,
    /// How many.
    pub sectors: u64,
    /// See [`flag`].
    pub flags: u64,
    /// Of a mark.
    pub text: Vec<u8>,
    /// Of a write; empty: zeroes.
    pub data: Vec<u8>,
}

impl Entry {
    /// A mark. The text is cut to what a block of so many bytes has room for.
    #[must_use]
    pub fn mark(text: &[u8], block: u32) -> Self {
        // As on Linux, whose texts end with a NUL in memory.
        let room = (block as usize).saturating_sub(HEAD + 1);
        Self {
            flags: flag::MARK,
            text: text.get(..room).unwrap_or(text).to_vec(),
            ..Self::default()
        }
    }

    /// Sectors of data behind its block.
    #[must_use]
    pub fn data_sectors(&self) -> u64 {
        if self.flags & flag::DISCARD == 0 {
            self.sectors
        } else {
            0
        }
    }

    /// How much of a log's memory it takes: its data, and a sector for itself.
    #[must_use]
    pub fn weight(&self) -> u64 {
        1 + self.data_sectors()
    }

    /// Whether it reaches the medium before it is complete, or is about that.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.flags & (flag::FUA | flag::MARK) != 0
    }

    /// Whether it changes sectors that another one changes.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let end = |entry: &Self| entry.sector.saturating_add(entry.sectors);
        self.sector < end(other) && other.sector < end(self)
    }

    /// What is left of a write or discard without the sectors of another one: nothing, or up to two parts.
    pub fn without(self, other: &Self) -> impl Iterator<Item = Self> + use<> {
        let end = self.sector + self.sectors;
        let parts = [
            (self.sector, other.sector.clamp(self.sector, end)),
            (other.sector.saturating_add(other.sectors).clamp(self.sector, end), end),
        ];
        parts
            .into_iter()
            .filter(|(first, end)| first < end)
            .map(move |(first, end)| {
                let byte = |sector: u64| usize::try_from((sector - self.sector) * SECTOR).unwrap_or(usize::MAX);
                Self {
                    sector: first,
                    sectors: end - first,
                    flags: self.flags,
                    text: Vec::new(),
                    data: self.data.get(byte(first)..byte(end)).unwrap_or_default().to_vec(),
                }
            })
    }

    /// The bytes of the entry with its data, for blocks of so many bytes; `None` when it is not in whole blocks.
    #[must_use]
    pub fn encode(&self, block: u32) -> Option<Vec<u8>> {
        let unit = u64::from(block) / SECTOR;
        if !self.sector.is_multiple_of(unit) || !self.sectors.is_multiple_of(unit) {
            return None;
        }
        let mut out = vec![0; block as usize];
        let numbers = [
            self.sector / unit,
            self.sectors / unit,
            self.flags,
            self.text.len() as u64,
        ];
        for (place, number) in out.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        out.get_mut(HEAD..HEAD + self.text.len())?.copy_from_slice(&self.text);
        let data = usize::try_from(self.data_sectors() * SECTOR).ok()?;
        if self.data.is_empty() {
            out.resize(out.len() + data, 0);
        } else if self.data.len() == data {
            out.extend_from_slice(&self.data);
        } else {
            return None;
        }
        Some(out)
    }
}

/// Block 0 of a log with so many entries, for blocks of so many bytes.
#[must_use]
pub fn head(entries: u64, block: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(block as usize);
    for number in [MAGIC, VERSION, entries] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&block.to_le_bytes());
    out.resize(block as usize, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_writes_keep_their_data() {
        let write = Entry {
            sector: 10,
            sectors: 4,
            data: (0..4).flat_map(|byte| [byte; 512]).collect(),
            ..Entry::default()
        };
        let left = |sector, sectors| -> Vec<(u64, Vec<u8>)> {
            let other = Entry {
                sector,
                sectors,
                ..Entry::default()
            };
            assert_eq!(
                write.overlaps(&other),
                write.clone().without(&other).ne([write.clone()])
            );
            let parts = write.clone().without(&other);
            parts
                .map(|part| {
                    assert_eq!(part.data.len() as u64, part.sectors * 512);
                    (part.sector, part.data.chunks(512).map(|sector| sector[0]).collect())
                })
                .collect()
        };
        assert_eq!(left(8, 8), []);
        assert_eq!(left(10, 4), []);
        assert_eq!(left(0, 11), [(11, vec![1, 2, 3])]);
        assert_eq!(left(11, 2), [(10, vec![0]), (13, vec![3])]);
        assert_eq!(left(13, 9), [(10, vec![0, 1, 2])]);
        let zeroes = Entry {
            data: Vec::new(),
            ..write
        };
        let other = Entry {
            sector: 12,
            sectors: 1,
            ..Entry::default()
        };
        let parts: Vec<_> = zeroes
            .without(&other)
            .map(|part| (part.sector, part.sectors, part.data.len()))
            .collect();
        assert_eq!(parts, [(10, 2, 0), (13, 1, 0)]);
    }

    #[test]
    fn bytes_are_those_of_linux() {
        let bytes = head(12, 512);
        assert_eq!(bytes.len(), 512);
        assert_eq!(bytes[..28], *b"rhswfsj\0\x01\0\0\0\0\0\0\0\x0c\0\0\0\0\0\0\0\0\x02\0\0");
        let write = Entry {
            sector: 16,
            sectors: 8,
            flags: flag::FUA,
            data: vec![7; 4096],
            ..Entry::default()
        };
        let bytes = write.encode(4096).unwrap();
        assert_eq!(bytes.len(), 8192);
        assert_eq!(bytes[..24], *b"\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
        assert!(bytes[24..4096].iter().all(|byte| *byte == 0) && bytes[4096..].iter().all(|byte| *byte == 7));
        let odd = Entry { sector: 1, ..write };
        assert_eq!(odd.encode(4096), None);
        assert_eq!(odd.encode(512).map(|bytes| bytes.len()), Some(512 + 4096));
        let short = Entry {
            data: vec![7; 512],
            ..odd
        };
        assert_eq!(short.encode(512), None);
        let discard = Entry {
            sectors: 1 << 40,
            flags: flag::DISCARD,
            ..Entry::default()
        };
        assert_eq!(discard.encode(512).map(|bytes| bytes.len()), Some(512));
        let bytes = Entry::mark(&[b'q'; 600], 512).encode(512).unwrap();
        assert_eq!(
            (bytes[16], bytes[24..26].to_vec(), bytes[510], bytes[511]),
            (8, vec![0xdf, 1], b'q', 0)
        );
    }
}
