//! writecache.

use super::{Kind, Line, Surroundings};
use crate::error::Result;
use crate::table::{Medium, WritecacheOption};
use crate::tree::{NodeId, Tree};
use bstr::{BStr, BString};

/// Size of a block if none is given, bytes.
const DEFAULT_BLOCK: u32 = 4096;

/// Settings of a write cache. `None` leaves a setting to the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WritecacheSettings {
    /// Percentage of used blocks at which writing back begins.
    pub high_watermark: Option<u64>,
    /// Percentage of used blocks at which it ends.
    pub low_watermark: Option<u64>,
    /// Blocks written back at a time.
    pub writeback_jobs: Option<u64>,
    /// Uncommitted blocks after which metadata is written.
    pub autocommit_blocks: Option<u64>,
    /// Milliseconds after which metadata is written.
    pub autocommit_time: Option<u64>,
    /// Writes back with forced unit access.
    pub fua: bool,
    /// Writes back without it, and flushes.
    pub nofua: bool,
    /// Only writes back.
    pub cleaner: bool,
    /// Milliseconds after which a block is written back.
    pub max_age: Option<u32>,
    /// Keeps only metadata writes.
    pub metadata_only: bool,
    /// Milliseconds to wait after a write to the origin before writing back.
    pub pause_writeback: Option<u32>,
    /// A setting that this library does not know.
    pub other: Option<(BString, BString)>,
}

/// A writecache segment.
#[derive(Clone, Debug)]
pub struct Writecache<'a> {
    /// Uuid of the slow device.
    pub origin_uuid: &'a BStr,
    /// Uuid of the fast device.
    pub cache_uuid: &'a BStr,
    /// The fast device is persistent memory.
    pub pmem: bool,
    /// Size of a block, bytes; 0 for 4096.
    pub block_size: u32,
    /// Settings.
    pub settings: WritecacheSettings,
}

#[derive(Debug)]
pub(in crate::tree) struct WritecacheOf {
    origin: NodeId,
    cache: NodeId,
    pmem: bool,
    block_size: u32,
    settings: WritecacheSettings,
}

impl WritecacheOf {
    pub(super) fn line(&self, around: &dyn Surroundings) -> Result<Line> {
        let s = &self.settings;
        use WritecacheOption as Is;
        let options = [
            s.high_watermark.map(Is::HighWatermark),
            s.low_watermark.map(Is::LowWatermark),
            s.writeback_jobs.map(Is::WritebackJobs),
            s.autocommit_blocks.map(Is::AutocommitBlocks),
            s.autocommit_time.map(Is::AutocommitTime),
            s.fua.then_some(Is::Fua),
            s.nofua.then_some(Is::NoFua),
            s.cleaner.then_some(Is::Cleaner),
            s.max_age.map(Is::MaxAge),
            s.metadata_only.then_some(Is::MetadataOnly),
            s.pause_writeback.map(Is::PauseWriteback),
        ];
        let mut options = Line::of_all(options.iter().flatten());
        if let Some((key, value)) = &s.other {
            options.bytes(key).bytes(value);
        }
        let mut line = Line::default();
        line.word(if self.pmem { Medium::Pmem } else { Medium::Ssd })
            .word(around.number(self.origin)?)
            .word(around.number(self.cache)?)
            .word(if self.block_size == 0 {
                DEFAULT_BLOCK
            } else {
                self.block_size
            })
            .counted(&options);
        Ok(line)
    }
}

impl Tree {
    /// Adds a writecache segment.
    pub fn add_writecache_target(&self, id: NodeId, size: u64, writecache: Writecache<'_>) -> Result<()> {
        let node = self.node(id);
        let cache = self.lookup(writecache.cache_uuid, "Missing writecache's cache uuid")?;
        let origin = self.lookup(writecache.origin_uuid, "Missing writecache's origin uuid")?;
        self.link(&node, &cache)?;
        self.link(&node, &origin)?;
        let kind = WritecacheOf {
            origin: origin.id,
            cache: cache.id,
            pmem: writecache.pmem,
            block_size: writecache.block_size,
            settings: writecache.settings,
        };
        self.push(&node, size, Kind::Writecache(kind))
    }
}
