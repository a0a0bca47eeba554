//! Targets for tests: delay, flakey, dust, log-writes.

use super::line::Line;
use super::values::{Area, Device};
use super::words::{Field, Result, Words, options, text, words};

/// An area, and how long requests to it are delayed: `DEVICE OFFSET MILLISECONDS`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Delayed {
    /// Where the data is.
    pub area: Area,
    /// Milliseconds.
    pub delay: u32,
}

impl Field for Delayed {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            area: words.read("area")?,
            delay: words.read("delay in milliseconds")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.area.write(line);
        self.delay.write(line);
    }
}

/// delay: requests wait. One, two or three groups of `DEVICE OFFSET MILLISECONDS`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub enum Delay {
    /// The same for all requests.
    All(Delayed),
    /// Reads, and everything else.
    ReadWrite(Delayed, Delayed),
    /// Reads, writes, and flushes.
    ReadWriteFlush(Delayed, Delayed, Delayed),
}

impl Field for Delay {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        let all = words.read(what)?;
        let Some(writes) = words.read_if_any(what)? else {
            return Ok(Self::All(all));
        };
        Ok(match words.read_if_any(what)? {
            Some(flushes) => Self::ReadWriteFlush(all, writes, flushes),
            None => Self::ReadWrite(all, writes),
        })
    }

    fn write(&self, line: &mut Line) {
        match self {
            Self::All(all) => line.values([all]),
            Self::ReadWrite(reads, writes) => line.values([reads, writes]),
            Self::ReadWriteFlush(reads, writes, flushes) => line.values([reads, writes, flushes]),
        };
    }
}

/// Status of delay: the requests that wait now, `READS WRITES FLUSHES`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct DelayStatus {
    /// Reads that wait.
    pub reads: u64,
    /// Writes that wait.
    pub writes: u64,
    /// Flushes that wait.
    pub flushes: u64,
}

impl Field for DelayStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            reads: words.read("number of delayed reads")?,
            writes: words.read("number of delayed writes")?,
            flushes: words.read("number of delayed flushes")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.values(&[self.reads, self.writes, self.flushes]);
    }
}

words! {
    /// Which requests [`CorruptBioByte`] corrupts.
    pub enum Direction {
        /// Reads.
        Read = "r",
        /// Writes.
        Write = "w",
    }
}

/// Corruption of a byte of each request: `NTH r|w VALUE FLAGS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct CorruptBioByte {
    /// The byte, from 1.
    pub nth: u32,
    /// Which requests.
    pub direction: Direction,
    /// What the byte becomes.
    pub value: u8,
    /// Only requests that have all of these flags (of the kernel's `bio`); 0 for all.
    pub flags: u32,
}

impl Field for CorruptBioByte {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            nth: words.read("position of the byte, from 1")?,
            direction: words.read("direction (r or w)")?,
            value: words.read("value of the byte (0 to 255)")?,
            flags: words.read("flags of the requests")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.nth)
            .word(self.direction)
            .word(self.value)
            .word(self.flags);
    }
}

options! {
    /// What a [`Flakey`] device does in its bad times; without options all requests fail.
    pub enum FlakeyOption, "option of flakey" {
        /// Writes are dropped silently.
        DropWrites = "drop_writes",
        /// Writes fail.
        ErrorWrites = "error_writes",
        /// Reads fail.
        ErrorReads = "error_reads",
        /// A byte is corrupted.
        CorruptBioByte(byte: CorruptBioByte, "byte to corrupt") = "corrupt_bio_byte",
        /// A byte of this many reads in 1,000,000,000 is corrupted.
        RandomReadCorrupt(probability: u32, "probability in 1/1,000,000,000") = "random_read_corrupt",
        /// A byte of this many writes in 1,000,000,000 is corrupted.
        RandomWriteCorrupt(probability: u32, "probability in 1/1,000,000,000") = "random_write_corrupt",
    }
}

/// flakey: good and bad times take turns, `DEVICE OFFSET UP DOWN [COUNT OPTION...]`. It has no status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Flakey {
    /// Where the data is.
    pub area: Area,
    /// Seconds of a good time.
    pub up: u32,
    /// Seconds of a bad time.
    pub down: u32,
    /// What happens in a bad time.
    pub options: Vec<FlakeyOption>,
}

impl Field for Flakey {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            area: words.read("area")?,
            up: words.read("good time in seconds")?,
            down: words.read("bad time in seconds")?,
            options: words.group_if_any("option of flakey")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.area.write(line);
        line.word(self.up).word(self.down).group(&self.options);
    }
}

/// dust: blocks can be made unreadable by messages, `DEVICE OFFSET BLOCK`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Dust {
    /// Where the data is.
    pub area: Area,
    /// Bytes of a block: a power of two, at least 512.
    pub block_size: u32,
}

impl Field for Dust {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            area: words.read("area")?,
            block_size: words.read("block size in bytes")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.area.write(line);
        self.block_size.write(line);
    }
}

words! {
    /// What [`Dust`] does with bad blocks.
    pub enum DustMode {
        /// Reading them fails, writing them makes them good.
        Fail = "fail_read_on_bad_block",
        /// Nothing.
        Bypass = "bypass",
    }
}

words! {
    /// Whether [`Dust`] logs what happens to bad blocks.
    pub enum DustLog {
        /// It does.
        Verbose = "verbose",
        /// It does not.
        Quiet = "quiet",
    }
}

/// Status of dust: `DEVICE MODE LOG`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct DustStatus {
    /// The device below.
    pub device: Device,
    /// What happens to bad blocks.
    pub mode: DustMode,
    /// Whether it is logged.
    pub log: DustLog,
}

impl Field for DustStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            device: words.read("device (MAJOR:MINOR or path)")?,
            mode: words.read("mode (fail_read_on_bad_block or bypass)")?,
            log: words.read("verbose or quiet")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.device.write(line);
        line.word(self.mode).word(self.log);
    }
}

/// log-writes: records all writes, `DEVICE LOGDEVICE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct LogWrites {
    /// The device that is written.
    pub device: Device,
    /// The device that the log is on.
    pub log: Device,
}

impl Field for LogWrites {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            device: words.read("device (MAJOR:MINOR or path)")?,
            log: words.read("log device (MAJOR:MINOR or path)")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.values([&self.device, &self.log]);
    }
}

/// Status of log-writes: `ENTRIES SECTOR`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct LogWritesStatus {
    /// Entries of the log.
    pub entries: u64,
    /// Last sector of the log that is used, in sectors of 512 bytes.
    pub last_sector: u64,
}

impl Field for LogWritesStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            entries: words.read("number of entries")?,
            last_sector: words.read("last sector of the log")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.values(&[self.entries, self.last_sector]);
    }
}

text!(Delay, DelayStatus, Flakey, Dust, DustStatus, LogWrites, LogWritesStatus);
