//! cache and writecache.

use super::line::Line;
use super::thin::{needs_check_word, read_needs_check};
use super::values::{Device, Setting, State, Word};
use super::words::{Field, Result, Words, options, text, words};
use crate::status::{self, CacheCounters};

options! {
    /// A feature of [`Cache`].
    #[derive(Copy)]
    pub enum CacheFeature, "feature of cache" {
        /// Second format of the metadata: which blocks are dirty is kept apart.
        Metadata2 = "metadata2",
        /// Writes go to the cache; the origin gets them later.
        Writeback = "writeback",
        /// Writes go to both.
        Writethrough = "writethrough",
        /// The cache is not used, only invalidated.
        Passthrough = "passthrough",
        /// Discards are not passed to the origin.
        NoDiscardPassdown = "no_discard_passdown",
    }
}

/// cache: `METADATA CACHE ORIGIN BLOCK COUNT FEATURE... POLICY COUNT (KEY VALUE)...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Cache {
    /// The device with the mappings.
    pub metadata: Device,
    /// The fast device.
    pub cache: Device,
    /// The slow device.
    pub origin: Device,
    /// Sectors of 512 bytes of a cache block: a multiple of 64.
    pub block_size: u32,
    /// Features; writeback if no mode is among them.
    pub features: Vec<CacheFeature>,
    /// Who decides what is cached: `smq`, `cleaner`, `default`.
    pub policy: Word,
    /// Settings of the policy, and `migration_threshold`.
    pub settings: Vec<Setting>,
}

impl Field for Cache {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            metadata: words.read("metadata device (MAJOR:MINOR or path)")?,
            cache: words.read("cache device (MAJOR:MINOR or path)")?,
            origin: words.read("origin (MAJOR:MINOR or path)")?,
            block_size: words.read("block size in sectors")?,
            features: words.group("feature of cache")?,
            policy: words.read("policy")?,
            settings: words.group("setting of the policy")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.values([&self.metadata, &self.cache, &self.origin]);
        line.word(self.block_size).group(&self.features);
        self.policy.write(line);
        line.group(&self.settings);
    }
}

/// State of a cache that works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct CacheState {
    /// The numbers.
    pub counters: CacheCounters,
    /// Features.
    pub features: Vec<CacheFeature>,
    /// Settings of the target itself, such as `migration_threshold`.
    pub core_settings: Vec<Setting>,
    /// The policy.
    pub policy: Word,
    /// Settings of the policy.
    pub policy_settings: Vec<Setting>,
    /// Metadata is not written any more (`ro`).
    pub read_only: bool,
    /// The metadata must be checked.
    pub needs_check: bool,
}

/// Status of cache.
pub type CacheStatus = State<Box<CacheState>>;

impl Field for CacheCounters {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let metadata_block_size = words.read("metadata block size in sectors, Fail or Error")?;
        let (metadata_used_blocks, metadata_total_blocks) = words.ratio("metadata blocks (USED/TOTAL)")?;
        let block_size = words.read("block size in sectors")?;
        let (used_blocks, total_blocks) = words.ratio("cache blocks (USED/TOTAL)")?;
        Ok(Self {
            metadata_block_size,
            metadata_used_blocks,
            metadata_total_blocks,
            block_size,
            used_blocks,
            total_blocks,
            read_hits: words.read("read hits")?,
            read_misses: words.read("read misses")?,
            write_hits: words.read("write hits")?,
            write_misses: words.read("write misses")?,
            demotions: words.read("demotions")?,
            promotions: words.read("promotions")?,
            dirty_blocks: words.read("dirty blocks")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.metadata_block_size)
            .word(format_args!(
                "{}/{}",
                self.metadata_used_blocks, self.metadata_total_blocks
            ))
            .word(self.block_size)
            .word(format_args!("{}/{}", self.used_blocks, self.total_blocks))
            .values(&[
                self.read_hits,
                self.read_misses,
                self.write_hits,
                self.write_misses,
                self.demotions,
                self.promotions,
                self.dirty_blocks,
            ]);
    }
}

impl Field for Box<CacheState> {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self::new(CacheState {
            counters: words.read("counters")?,
            features: words.group("feature of cache")?,
            core_settings: words.group("setting of the cache")?,
            policy: words.read("policy")?,
            policy_settings: words.group("setting of the policy")?,
            read_only: words.choice("rw or ro", &[("rw", false), ("ro", true)])?,
            needs_check: read_needs_check(words)?,
        }))
    }

    fn write(&self, line: &mut Line) {
        self.counters.write(line);
        line.group(&self.features).group(&self.core_settings);
        self.policy.write(line);
        line.group(&self.policy_settings)
            .word(if self.read_only { "ro" } else { "rw" })
            .word(needs_check_word(self.needs_check))
            .trailing_blank();
    }
}

words! {
    /// What a write cache is on.
    pub enum Medium {
        /// Persistent memory.
        Pmem = "p",
        /// A disk.
        Ssd = "s",
    }
}

options! {
    /// An option of [`Writecache`].
    pub enum WritecacheOption, "option of writecache" {
        /// Sectors of 512 bytes of the cache device that are left alone at its begin.
        StartSector(sectors: u64, "offset in sectors") = "start_sector",
        /// Percentage of used blocks at which writing back begins.
        HighWatermark(percent: u64, "percentage") = "high_watermark",
        /// Percentage of used blocks at which it ends.
        LowWatermark(percent: u64, "percentage") = "low_watermark",
        /// Blocks written back at a time.
        WritebackJobs(blocks: u64, "number of blocks") = "writeback_jobs",
        /// Uncommitted blocks after which metadata is written.
        AutocommitBlocks(blocks: u64, "number of blocks") = "autocommit_blocks",
        /// Milliseconds after which metadata is written.
        AutocommitTime(time: u64, "time in milliseconds") = "autocommit_time",
        /// Milliseconds after which a block is written back.
        MaxAge(time: u32, "time in milliseconds") = "max_age",
        /// Only writes back.
        Cleaner = "cleaner",
        /// Writes back with forced unit access (persistent memory).
        Fua = "fua",
        /// Writes back without it, and flushes (persistent memory).
        NoFua = "nofua",
        /// Keeps only metadata writes.
        MetadataOnly = "metadata_only",
        /// Milliseconds to wait after a write to the origin before writing back.
        PauseWriteback(time: u32, "time in milliseconds") = "pause_writeback",
    }
}

/// writecache: `p|s ORIGIN CACHE BLOCK COUNT OPTION...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Writecache {
    /// What the cache is on.
    pub medium: Medium,
    /// The slow device.
    pub origin: Device,
    /// The fast device.
    pub cache: Device,
    /// Bytes of a block: a power of two, 512 to the size of a page.
    pub block_size: u32,
    /// Options, in the order of the line.
    pub options: Vec<WritecacheOption>,
}

impl Field for Writecache {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            medium: words.read("medium (p or s)")?,
            origin: words.read("origin (MAJOR:MINOR or path)")?,
            cache: words.read("cache device (MAJOR:MINOR or path)")?,
            block_size: words.read("block size in bytes")?,
            options: words.group_if_any("option of writecache")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.medium).values([&self.origin, &self.cache]);
        line.word(self.block_size).group(&self.options);
    }
}

/// What happened in a write cache since it was activated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct WritecacheCounters {
    /// Reads, in blocks.
    pub reads: u64,
    /// Reads of cached blocks.
    pub read_hits: u64,
    /// Writes, in blocks.
    pub writes: u64,
    /// Writes to blocks that were not committed.
    pub write_hits_uncommitted: u64,
    /// Writes to blocks that were committed.
    pub write_hits_committed: u64,
    /// Writes that went to the origin.
    pub writes_around: u64,
    /// Writes that took a new block.
    pub writes_allocate: u64,
    /// Writes that waited for a free block.
    pub writes_blocked: u64,
    /// Flushes.
    pub flushes: u64,
    /// Discards, in blocks.
    pub discards: u64,
}

/// Status of writecache: `ERROR TOTAL FREE WRITEBACK`, then ten counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct WritecacheStatus {
    /// Error and fill.
    pub fill: status::Writecache,
    /// Counters; not told by kernels before 5.15.
    pub counters: Option<WritecacheCounters>,
}

impl Field for WritecacheCounters {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            reads: words.read("reads")?,
            read_hits: words.read("read hits")?,
            writes: words.read("writes")?,
            write_hits_uncommitted: words.read("write hits on uncommitted blocks")?,
            write_hits_committed: words.read("write hits on committed blocks")?,
            writes_around: words.read("writes around the cache")?,
            writes_allocate: words.read("writes that take a block")?,
            writes_blocked: words.read("writes that waited for a block")?,
            flushes: words.read("flushes")?,
            discards: words.read("discards")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.values(&[
            self.reads,
            self.read_hits,
            self.writes,
            self.write_hits_uncommitted,
            self.write_hits_committed,
            self.writes_around,
            self.writes_allocate,
            self.writes_blocked,
            self.flushes,
            self.discards,
        ]);
    }
}

impl Field for WritecacheStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let fill = status::Writecache {
            error: words.read("error number or 0")?,
            total_blocks: words.read("blocks")?,
            free_blocks: words.read("free blocks")?,
            writeback_blocks: words.read("blocks under writeback")?,
        };
        Ok(Self {
            fill,
            counters: words.read_if_any("counters")?,
        })
    }

    fn write(&self, line: &mut Line) {
        let fill = &self.fill;
        line.values(&[fill.error, fill.total_blocks, fill.free_blocks, fill.writeback_blocks]);
        line.values(&self.counters);
    }
}

text!(Cache, CacheStatus, Writecache, WritecacheStatus);
