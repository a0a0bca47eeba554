//! thin-pool and thin.

use super::line::Line;
use super::values::{Device, State};
use super::words::{Field, Result, Words, options, text, words};
use crate::status::Discards;

options! {
    /// An option of [`ThinPool`].
    pub enum ThinPoolOption, "option of thin-pool" {
        /// New blocks are not zeroed.
        SkipBlockZeroing = "skip_block_zeroing",
        /// Discards are refused.
        IgnoreDiscard = "ignore_discard",
        /// Discards free blocks and are not passed to the data device.
        NoDiscardPassdown = "no_discard_passdown",
        /// Writes fail at once when space runs out.
        ErrorIfNoSpace = "error_if_no_space",
        /// The metadata is not changed.
        ReadOnly = "read_only",
    }
}

/// thin-pool: blocks for thin devices, `METADATA DATA BLOCK LOW_WATER [COUNT OPTION...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct ThinPool {
    /// The device with the mappings.
    pub metadata: Device,
    /// The device with the data.
    pub data: Device,
    /// Sectors of 512 bytes of a block: a multiple of 128.
    pub block_size: u32,
    /// Blocks left at which the pool raises an event.
    pub low_water_mark: u64,
    /// Options.
    pub options: Vec<ThinPoolOption>,
}

impl ThinPool {
    /// All but the blank at the end of what the kernel prints.
    pub(crate) fn write_words(&self, line: &mut Line) {
        line.values([&self.metadata, &self.data]);
        line.word(self.block_size)
            .word(self.low_water_mark)
            .group(&self.options);
    }
}

impl Field for ThinPool {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            metadata: words.read("metadata device (MAJOR:MINOR or path)")?,
            data: words.read("data device (MAJOR:MINOR or path)")?,
            block_size: words.read("block size in sectors")?,
            low_water_mark: words.read("low water mark in blocks")?,
            options: words.group_if_any("option of thin-pool")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.write_words(line);
        line.trailing_blank();
    }
}

words! {
    /// What a pool can do.
    pub enum PoolMode {
        /// Everything.
        ReadWrite = "rw",
        /// Nothing that changes metadata.
        ReadOnly = "ro",
        /// Nothing that needs a new block.
        OutOfDataSpace = "out_of_data_space",
    }
}

words! {
    /// What happens to a write that needs a block when there is none.
    pub enum NoSpace {
        /// It fails.
        Error = "error_if_no_space",
        /// It waits.
        Queue = "queue_if_no_space",
    }
}

/// State of a pool that works: `TRANSACTION USED/TOTAL USED/TOTAL HELD MODE DISCARDS NO_SPACE CHECK LOW_WATER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct ThinPoolState {
    /// The transaction id that user space has set.
    pub transaction_id: u64,
    /// Metadata blocks (4 KiB) in use.
    pub used_metadata_blocks: u64,
    /// Metadata blocks (4 KiB).
    pub total_metadata_blocks: u64,
    /// Data blocks in use.
    pub used_data_blocks: u64,
    /// Data blocks.
    pub total_data_blocks: u64,
    /// Metadata block with the root of the metadata snapshot, if there is one.
    pub held_metadata_root: Option<u64>,
    /// What it can do.
    pub mode: PoolMode,
    /// What happens to discards.
    pub discards: Discards,
    /// What happens when space runs out.
    pub no_space: NoSpace,
    /// The metadata must be checked before the pool may be used.
    pub needs_check: bool,
    /// Metadata blocks left at which the pool raises an event; not told by kernels before 4.19.
    pub metadata_low_water_mark: Option<u64>,
}

/// Status of thin-pool.
pub type ThinPoolStatus = State<ThinPoolState>;

/// `needs_check` or `-`.
pub(super) fn read_needs_check(words: &mut Words<'_, '_>) -> Result<bool> {
    words.choice("needs_check or -", &[("needs_check", true), ("-", false)])
}

pub(super) fn needs_check_word(needs_check: bool) -> &'static str {
    if needs_check { "needs_check" } else { "-" }
}

const DISCARDS: [(&str, Discards); 3] = [
    ("ignore_discard", Discards::Ignore),
    ("no_discard_passdown", Discards::NoPassdown),
    ("discard_passdown", Discards::Passdown),
];

impl Field for ThinPoolState {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let transaction_id = words.read("transaction id, Fail or Error")?;
        let (used_metadata_blocks, total_metadata_blocks) = words.ratio("metadata blocks (USED/TOTAL)")?;
        let (used_data_blocks, total_data_blocks) = words.ratio("data blocks (USED/TOTAL)")?;
        Ok(Self {
            transaction_id,
            used_metadata_blocks,
            total_metadata_blocks,
            used_data_blocks,
            total_data_blocks,
            held_metadata_root: words.read("block of the metadata snapshot or -")?,
            mode: words.read("mode (rw, ro or out_of_data_space)")?,
            discards: words.choice("what happens to discards", &DISCARDS)?,
            no_space: words.read("error_if_no_space or queue_if_no_space")?,
            needs_check: read_needs_check(words)?,
            metadata_low_water_mark: words.read_if_any("metadata low water mark in blocks")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.transaction_id)
            .word(format_args!(
                "{}/{}",
                self.used_metadata_blocks, self.total_metadata_blocks
            ))
            .word(format_args!("{}/{}", self.used_data_blocks, self.total_data_blocks))
            .values([&self.held_metadata_root])
            .word(self.mode)
            .word(match self.discards {
                Discards::Ignore => "ignore_discard",
                Discards::NoPassdown => "no_discard_passdown",
                Discards::Passdown => "discard_passdown",
            })
            .word(self.no_space)
            .word(needs_check_word(self.needs_check))
            .values(&self.metadata_low_water_mark)
            .trailing_blank();
    }
}

/// thin: a thin device, `POOL ID [EXTERNAL_ORIGIN]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Thin {
    /// The pool.
    pub pool: Device,
    /// Its number in the pool, below 2^24.
    pub id: u32,
    /// A device that has what was not written yet.
    pub external_origin: Option<Device>,
}

impl Field for Thin {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            pool: words.read("pool (MAJOR:MINOR or path)")?,
            id: words.read("number in the pool")?,
            external_origin: words.read_if_any("external origin (MAJOR:MINOR or path)")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.pool.write(line);
        line.word(self.id).values(&self.external_origin);
    }
}

/// Status of thin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub enum ThinStatus {
    /// `MAPPED HIGHEST`, or `-` while the pool is suspended and cannot tell.
    Mapped {
        /// Sectors of 512 bytes with a mapping.
        mapped: u64,
        /// Last sector with a mapping, if there is any.
        highest: Option<u64>,
    },
    /// `-`: there is nothing to tell.
    Nothing,
    /// It answers nothing any more.
    Fail,
    /// The state could not be read.
    Error,
}

impl Field for ThinStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        for (word, status) in [("Fail", Self::Fail), ("Error", Self::Error), ("-", Self::Nothing)] {
            if words.accept(word) {
                return Ok(status);
            }
        }
        Ok(Self::Mapped {
            mapped: words.read("mapped sectors, -, Fail or Error")?,
            highest: words.read("last mapped sector or -")?,
        })
    }

    fn write(&self, line: &mut Line) {
        match self {
            Self::Mapped { mapped, highest } => line.word(mapped).values([highest]),
            Self::Nothing => line.word("-"),
            Self::Fail => line.word("Fail"),
            Self::Error => line.word("Error"),
        };
    }
}

text!(ThinPool, ThinPoolStatus, Thin, ThinStatus);
