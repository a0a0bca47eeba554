//! integrity.

use super::{Kind, Line, Surroundings};
use crate::error::Result;
use crate::table::{Algorithm, IntegrityOption};
use crate::tree::{NodeId, Tree};
use bstr::{BStr, BString};

/// Settings of an integrity device. `None` leaves a setting to the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntegritySettings {
    /// `D` direct, `J` journaled, `B` bitmap, `R` recovery.
    pub mode: BString,
    /// Bytes of a tag.
    pub tag_size: u32,
    /// Bytes of a block.
    pub block_size: u32,
    /// Algorithm of the tags.
    pub internal_hash: BString,
    /// Sectors of the journal.
    pub journal_sectors: Option<u32>,
    /// Sectors between tags that lie among the data.
    pub interleave_sectors: Option<u32>,
    /// Sectors of a buffer of tags.
    pub buffer_sectors: Option<u32>,
    /// Percentage of the journal at which it is written back.
    pub journal_watermark: Option<u32>,
    /// Milliseconds after which the journal is committed.
    pub commit_time: Option<u32>,
    /// Milliseconds after which the bitmap is written.
    pub bitmap_flush_interval: Option<u32>,
    /// Sectors per bit of the bitmap.
    pub sectors_per_bit: Option<u64>,
    /// Takes discards.
    pub allow_discards: bool,
}

/// An integrity segment.
#[derive(Clone, Debug)]
pub struct Integrity<'a> {
    /// Uuid of the device with the data.
    pub origin_uuid: &'a BStr,
    /// Uuid of the device with the tags.
    pub meta_uuid: &'a BStr,
    /// Settings.
    pub settings: IntegritySettings,
    /// Computes tags that are missing.
    pub recalculate: bool,
}

#[derive(Debug)]
pub(in crate::tree) struct IntegrityOf {
    origin: NodeId,
    meta: NodeId,
    settings: IntegritySettings,
    recalculate: bool,
}

impl IntegrityOf {
    pub(super) fn line(&self, around: &dyn Surroundings) -> Result<Line> {
        let s = &self.settings;
        use IntegrityOption as Is;
        let options = [
            Some(Is::FixPadding),
            Some(Is::BlockSize(s.block_size)),
            Some(Is::InternalHash(Algorithm::unchecked(&s.internal_hash))),
            Some(Is::MetaDevice(around.number(self.meta)?.into())),
            self.recalculate.then_some(Is::Recalculate),
            s.journal_sectors.map(Is::JournalSectors),
            s.interleave_sectors.map(Is::InterleaveSectors),
            s.buffer_sectors.map(Is::BufferSectors),
            s.journal_watermark.map(Is::JournalWatermark),
            s.commit_time.map(Is::CommitTime),
            s.bitmap_flush_interval.map(Is::BitmapFlushInterval),
            s.sectors_per_bit.map(Is::SectorsPerBit),
            s.allow_discards.then_some(Is::AllowDiscards),
        ];
        let mut line = Line::default();
        line.word(around.number(self.origin)?)
            .word(0)
            .word(s.tag_size)
            .bytes(&s.mode)
            .counted(&Line::of_all(options.iter().flatten()));
        Ok(line)
    }
}

impl Tree {
    /// Adds an integrity segment.
    pub fn add_integrity_target(&self, id: NodeId, size: u64, integrity: Integrity<'_>) -> Result<()> {
        let node = self.node(id);
        let meta = self.lookup(integrity.meta_uuid, "Missing integrity's meta uuid")?;
        let origin = self.lookup(integrity.origin_uuid, "Missing integrity's origin uuid")?;
        self.link(&node, &meta)?;
        self.link(&node, &origin)?;
        let kind = IntegrityOf {
            origin: origin.id,
            meta: meta.id,
            settings: integrity.settings,
            recalculate: integrity.recalculate,
        };
        self.push(&node, size, Kind::Integrity(kind))?;
        // The kernel adds and drops options by itself, and the text may hold a key.
        node.ignore_params.set(true);
        Ok(())
    }
}
