//! era and clone.

use super::line::Line;
use super::values::{Device, Setting, State};
use super::words::{Field, Result, Words, options, text};

/// era: remembers when each block was written, `METADATA ORIGIN BLOCK`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Era {
    /// The device with the eras.
    pub metadata: Device,
    /// The device with the data.
    pub origin: Device,
    /// Sectors of 512 bytes of a block.
    pub block_size: u32,
}

impl Field for Era {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            metadata: words.read("metadata device (MAJOR:MINOR or path)")?,
            origin: words.read("origin (MAJOR:MINOR or path)")?,
            block_size: words.read("block size in sectors")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.values([&self.metadata, &self.origin]).word(self.block_size);
    }
}

/// State of an era target that works: `BLOCK USED/TOTAL ERA HELD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct EraState {
    /// Sectors of 512 bytes of a metadata block.
    pub metadata_block_size: u32,
    /// Metadata blocks in use.
    pub used_metadata_blocks: u64,
    /// Metadata blocks.
    pub total_metadata_blocks: u64,
    /// The era.
    pub era: u32,
    /// Metadata block with the root of the metadata snapshot, if there is one.
    pub held_metadata_root: Option<u64>,
}

/// Status of era.
pub type EraStatus = State<EraState>;

impl Field for EraState {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let metadata_block_size = words.read("metadata block size in sectors, Fail or Error")?;
        let (used_metadata_blocks, total_metadata_blocks) = words.ratio("metadata blocks (USED/TOTAL)")?;
        Ok(Self {
            metadata_block_size,
            used_metadata_blocks,
            total_metadata_blocks,
            era: words.read("era")?,
            held_metadata_root: words.read("block of the metadata snapshot or -")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.metadata_block_size)
            .word(format_args!(
                "{}/{}",
                self.used_metadata_blocks, self.total_metadata_blocks
            ))
            .word(self.era)
            .values([&self.held_metadata_root]);
    }
}

options! {
    /// A feature of [`CloneTarget`].
    #[derive(Copy)]
    pub enum CloneFeature, "feature of clone" {
        /// Nothing is copied in the background.
        NoHydration = "no_hydration",
        /// Discards are not passed to the destination.
        NoDiscardPassdown = "no_discard_passdown",
    }
}

/// clone: copies a device while it is used, `METADATA DESTINATION SOURCE REGION [COUNT FEATURE... [COUNT (KEY VALUE)...]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct CloneTarget {
    /// The device that says which regions were copied.
    pub metadata: Device,
    /// The device that is written.
    pub destination: Device,
    /// The device that is copied.
    pub source: Device,
    /// Sectors of 512 bytes of a region: a power of two.
    pub region_size: u32,
    /// Features.
    pub features: Vec<CloneFeature>,
    /// Settings: `hydration_threshold`, `hydration_batch_size`, in regions.
    pub settings: Vec<Setting>,
}

impl Field for CloneTarget {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            metadata: words.read("metadata device (MAJOR:MINOR or path)")?,
            destination: words.read("destination (MAJOR:MINOR or path)")?,
            source: words.read("source (MAJOR:MINOR or path)")?,
            region_size: words.read("region size in sectors")?,
            features: words.group_if_any("feature of clone")?,
            settings: words.group_if_any("setting of clone")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.values([&self.metadata, &self.destination, &self.source])
            .word(self.region_size);
        if !self.features.is_empty() || !self.settings.is_empty() {
            line.group(&self.features).group_if_any(&self.settings);
        }
    }
}

/// State of a clone that works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct CloneState {
    /// Sectors of 512 bytes of a metadata block.
    pub metadata_block_size: u32,
    /// Metadata blocks in use.
    pub used_metadata_blocks: u64,
    /// Metadata blocks.
    pub total_metadata_blocks: u64,
    /// Sectors of 512 bytes of a region.
    pub region_size: u64,
    /// Regions that were copied.
    pub hydrated_regions: u64,
    /// Regions.
    pub total_regions: u64,
    /// Regions that are being copied.
    pub hydrating_regions: u64,
    /// Features.
    pub features: Vec<CloneFeature>,
    /// Settings, in regions.
    pub settings: Vec<Setting>,
    /// Metadata is not written any more (`ro`).
    pub read_only: bool,
}

/// Status of clone.
pub type CloneStatus = State<CloneState>;

impl Field for CloneState {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let metadata_block_size = words.read("metadata block size in sectors, Fail or Error")?;
        let (used_metadata_blocks, total_metadata_blocks) = words.ratio("metadata blocks (USED/TOTAL)")?;
        let region_size = words.read("region size in sectors")?;
        let (hydrated_regions, total_regions) = words.ratio("regions (HYDRATED/TOTAL)")?;
        Ok(Self {
            metadata_block_size,
            used_metadata_blocks,
            total_metadata_blocks,
            region_size,
            hydrated_regions,
            total_regions,
            hydrating_regions: words.read("hydrating regions")?,
            features: words.group("feature of clone")?,
            settings: words.group("setting of clone")?,
            read_only: words.choice("rw or ro", &[("rw", false), ("ro", true)])?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.metadata_block_size)
            .word(format_args!(
                "{}/{}",
                self.used_metadata_blocks, self.total_metadata_blocks
            ))
            .word(self.region_size)
            .word(format_args!("{}/{}", self.hydrated_regions, self.total_regions))
            .word(self.hydrating_regions)
            .group(&self.features)
            .group(&self.settings)
            .word(if self.read_only { "ro" } else { "rw" });
    }
}

text!(Era, EraStatus, CloneTarget, CloneStatus);
