//! RAM disks that can fail and lose power.

use std::collections::BTreeMap;
use std::ops::Range;

use dm_abi::errno::Errno;
use dm_core::io::Op;

/// Bytes of a sector.
pub const SECTOR: usize = 512;

/// A disk in memory, with a write cache.
///
/// An operation that touches a bad sector is done on the good ones and reports EIO.
#[derive(Clone, Debug)]
pub struct Disk {
    /// What is on the medium.
    medium: Vec<u8>,
    /// Sectors that are newer in the cache, with what they were on the way to that.
    cache: BTreeMap<u64, Vec<[u8; SECTOR]>>,
    logical_block_size: u32,
    discard: bool,
    read_only: bool,
    bad: Vec<Range<u64>>,
    fail_at: Option<u64>,
    operations: u64,
    flushes: u64,
}

impl Disk {
    /// A disk of zeroes; `sectors` is its size.
    #[must_use]
    pub fn new(sectors: u64) -> Self {
        let bytes = usize::try_from(sectors).expect("a disk fits in memory") * SECTOR;
        Self {
            medium: vec![0; bytes],
            cache: BTreeMap::new(),
            logical_block_size: 512,
            discard: true,
            read_only: false,
            bad: Vec::new(),
            fail_at: None,
            operations: 0,
            flushes: 0,
        }
    }

    /// The same with another logical block size in bytes: requests that are not whole blocks fail with EINVAL.
    #[must_use]
    pub fn with_block_size(self, bytes: u32) -> Self {
        Self {
            logical_block_size: bytes,
            ..self
        }
    }

    /// The same without discards: they fail with EOPNOTSUPP.
    #[must_use]
    pub fn without_discard(self) -> Self {
        Self { discard: false, ..self }
    }

    /// The same, but for reading only: opening it for writes fails with EACCES.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self {
            read_only: true,
            ..self
        }
    }

    /// Size in sectors.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        (self.medium.len() / SECTOR) as u64
    }

    /// Logical block size in bytes.
    #[must_use]
    pub fn logical_block_size(&self) -> u32 {
        self.logical_block_size
    }

    /// Whether discards are accepted.
    #[must_use]
    pub fn accepts_discard(&self) -> bool {
        self.discard
    }

    /// Whether it can only be read.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// From now on operations that touch these sectors fail.
    pub fn make_bad(&mut self, sectors: Range<u64>) {
        self.bad.push(sectors);
    }

    /// No sector is bad any more.
    pub fn heal(&mut self) {
        self.bad.clear();
        self.fail_at = None;
    }

    /// The `n`-th operation from now on fails, without doing anything; 0 is the next one.
    pub fn fail_operation(&mut self, n: u64) {
        self.fail_at = Some(self.operations + n);
    }

    /// Number of operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Number of flushes so far.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.flushes
    }

    /// Number of sectors that a power cut might lose.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.cache.len()
    }

    /// The power goes: of what is not flushed, the sectors that `survives` picks reach the medium.
    pub fn cut_power(&mut self, survives: &mut dyn FnMut(u64) -> bool) {
        self.cut_power_at(&mut |sector, versions| if survives(sector) { versions } else { 0 });
    }

    /// The power goes: of each sector that is not flushed, the `n`-th of its versions since the last flush is on the
    /// medium, where `n` is what `choose` says of the sector and the number of versions; 0 is what was there before.
    pub fn cut_power_at(&mut self, choose: &mut dyn FnMut(u64, usize) -> usize) {
        for (sector, versions) in std::mem::take(&mut self.cache) {
            let chosen = choose(sector, versions.len());
            if let Some(data) = chosen.checked_sub(1).and_then(|index| versions.get(index)) {
                self.store(sector, data);
            }
        }
    }

    /// What a reader sees on the whole disk.
    #[must_use]
    pub fn contents(&self) -> Vec<u8> {
        let mut all = self.medium.clone();
        for (&sector, versions) in &self.cache {
            all[place(sector)].copy_from_slice(versions.last().expect("never empty"));
        }
        all
    }

    /// Does one operation. `data` is read into or written from and has the length of the range.
    ///
    /// # Errors
    /// EIO beyond the end, at bad sectors, and when asked for by [`Disk::fail_operation`]; EINVAL for parts of blocks;
    /// EACCES for writes to a disk for reading only; EOPNOTSUPP for discards, if it has none.
    pub fn operate(&mut self, op: Op, fua: bool, first: u64, sectors: u64, data: &mut [u8]) -> Result<(), Errno> {
        let number = self.operations;
        self.operations += 1;
        if self.fail_at == Some(number) {
            return Err(Errno::EIO);
        }
        if op == Op::Flush {
            self.flushes += 1;
            self.cut_power(&mut |_| true);
            return Ok(());
        }
        if op != Op::Read && self.read_only {
            return Err(Errno::EACCES);
        }
        let end = first
            .checked_add(sectors)
            .filter(|&end| end <= self.sectors())
            .ok_or(Errno::EIO)?;
        let block = u64::from(self.logical_block_size) / SECTOR as u64;
        if !first.is_multiple_of(block) || !sectors.is_multiple_of(block) {
            return Err(Errno::EINVAL);
        }
        if op == Op::Discard && !self.discard {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut result = Ok(());
        for sector in first..end {
            if self.bad.iter().any(|range| range.contains(&sector)) {
                result = Err(Errno::EIO);
                continue;
            }
            let bytes = place(sector - first);
            match op {
                Op::Read => data[bytes].copy_from_slice(self.load(sector)),
                Op::Write => self.write(sector, fua, data[bytes].try_into().expect("a sector")),
                Op::Discard | Op::WriteZeroes => self.write(sector, fua, [0; SECTOR]),
                Op::Flush => {}
            }
        }
        result
    }

    fn load(&self, sector: u64) -> &[u8] {
        match self.cache.get(&sector) {
            Some(versions) => versions.last().expect("never empty"),
            None => &self.medium[place(sector)],
        }
    }

    fn write(&mut self, sector: u64, fua: bool, data: [u8; SECTOR]) {
        if fua {
            self.cache.remove(&sector);
            self.store(sector, &data);
        } else {
            self.cache.entry(sector).or_default().push(data);
        }
    }

    fn store(&mut self, sector: u64, data: &[u8; SECTOR]) {
        self.medium[place(sector)].copy_from_slice(data);
    }
}

/// The bytes of a sector.
pub(crate) fn place(sector: u64) -> Range<usize> {
    let first = usize::try_from(sector).expect("within memory") * SECTOR;
    first..first + SECTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(disk: &mut Disk, sector: u64, fua: bool, byte: u8) -> Result<(), Errno> {
        disk.operate(Op::Write, fua, sector, 1, &mut [byte; SECTOR])
    }

    #[test]
    fn a_power_cut_loses_what_was_not_flushed() {
        let mut disk = Disk::new(8);
        write(&mut disk, 0, false, 1).unwrap();
        disk.operate(Op::Flush, false, 0, 0, &mut []).unwrap();
        write(&mut disk, 1, false, 2).unwrap();
        write(&mut disk, 2, true, 3).unwrap();
        write(&mut disk, 0, false, 4).unwrap();
        write(&mut disk, 3, false, 5).unwrap();
        assert_eq!(disk.unflushed(), 3);
        let first_bytes = |disk: &Disk| {
            disk.contents()
                .chunks(SECTOR)
                .map(|sector| sector[0])
                .collect::<Vec<_>>()
        };
        assert_eq!(first_bytes(&disk), [4, 2, 3, 5, 0, 0, 0, 0]);
        disk.cut_power(&mut |sector| sector == 3);
        assert_eq!(first_bytes(&disk), [1, 0, 3, 5, 0, 0, 0, 0]);
    }

    #[test]
    fn failures_come_where_they_were_ordered() {
        let mut disk = Disk::new(8);
        disk.fail_operation(1);
        assert_eq!(write(&mut disk, 0, false, 1), Ok(()));
        assert_eq!(write(&mut disk, 0, false, 2), Err(Errno::EIO));
        assert_eq!(write(&mut disk, 1, false, 3), Ok(()));
        disk.make_bad(3..5);
        assert_eq!(
            disk.operate(Op::Write, false, 2, 2, &mut [9; 2 * SECTOR]),
            Err(Errno::EIO)
        );
        assert_eq!(disk.contents()[2 * SECTOR], 9);
        assert_eq!(disk.contents()[3 * SECTOR], 0);
        assert_eq!(write(&mut disk, 8, false, 1), Err(Errno::EIO));
        assert_eq!(write(&mut disk, u64::MAX, false, 1), Err(Errno::EIO));
        let mut disk = Disk::new(16).with_block_size(4096).without_discard();
        assert_eq!(write(&mut disk, 0, false, 1), Err(Errno::EINVAL));
        assert_eq!(disk.operate(Op::Discard, false, 0, 8, &mut []), Err(Errno::EOPNOTSUPP));
        assert_eq!(write(&mut Disk::new(8).read_only(), 0, false, 1), Err(Errno::EACCES));
    }
}
