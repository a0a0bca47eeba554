//! vdo.

use super::line::Line;
use super::values::{Device, Word};
use super::words::{Field, Result, Words, options, text, words};
use crate::status::vdo::{CompressionState, IndexState, OperatingMode, Status, WritePolicy};

words! {
    /// A switch of vdo.
    pub enum OnOff {
        /// On.
        On = "on",
        /// Off.
        Off = "off",
    }
}

impl From<bool> for OnOff {
    fn from(is_on: bool) -> Self {
        if is_on { Self::On } else { Self::Off }
    }
}

options! {
    /// An option of [`Vdo`].
    pub enum VdoOption, "option of vdo" {
        /// Deduplication (version 4).
        Deduplication(switch: OnOff, "on or off") = "deduplication",
        /// Compression (version 4).
        Compression(switch: OnOff, "on or off") = "compression",
        /// Largest discard, in blocks of 4 KiB.
        MaxDiscard(blocks: u32, "number of blocks") = "maxDiscard",
        /// Threads that acknowledge requests.
        Ack(threads: u32, "number of threads") = "ack",
        /// Threads that send requests to the device below.
        Bio(threads: u32, "number of threads") = "bio",
        /// Requests sent by a thread before it is the next one's turn.
        BioRotationInterval(requests: u32, "number of requests") = "bioRotationInterval",
        /// Threads that hash and compress.
        Cpu(threads: u32, "number of threads") = "cpu",
        /// Threads that look for duplicates.
        Hash(threads: u32, "number of threads") = "hash",
        /// Threads for logical blocks.
        Logical(threads: u32, "number of threads") = "logical",
        /// Threads for physical blocks.
        Physical(threads: u32, "number of threads") = "physical",
    }
}

impl Field for WritePolicy {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        words.choice(
            what,
            &[
                ("auto", Self::Auto),
                ("sync", Self::Sync),
                ("async", Self::Async),
                ("async-unsafe", Self::AsyncUnsafe),
            ],
        )
    }

    fn write(&self, line: &mut Line) {
        line.word(self.word());
    }
}

/// The words of a vdo line that depend on its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub enum VdoVersion {
    /// `V2`; deduplication and compression are switched by messages.
    V2 {
        /// The volume tells the device below which of its writes are metadata.
        metadata_hints: OnOff,
        /// When a write is acknowledged.
        write_policy: WritePolicy,
        /// Name of the pool.
        pool: Word,
    },
    /// `V4`.
    V4,
}

/// vdo: deduplication and compression,
/// `V2|V4 DEVICE BLOCKS MINIMUM_IO CACHE ERA [HINTS POLICY POOL] (KEY VALUE)...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Vdo {
    /// The words that depend on the version.
    pub version: VdoVersion,
    /// The device below.
    pub device: Device,
    /// Its size, in blocks of 4 KiB.
    pub blocks: u64,
    /// Smallest request that is taken: 512 or 4096 bytes.
    pub minimum_io_size: u32,
    /// Size of the cache of the block map, in blocks of 4 KiB.
    pub block_map_cache: u32,
    /// How long a changed page of the block map may stay in that cache: more is longer.
    pub block_map_era: u32,
    /// Options, in the order of the line.
    pub options: Vec<VdoOption>,
}

impl Field for Vdo {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let is_old = words.choice("version (V2 or V4)", &[("V2", true), ("V4", false)])?;
        let device = words.read("device (MAJOR:MINOR or path)")?;
        let blocks = words.read("size in blocks of 4 KiB")?;
        let minimum_io_size = words.read("minimum I/O size in bytes")?;
        let block_map_cache = words.read("size of the block map cache in blocks of 4 KiB")?;
        let block_map_era = words.read("era length of the block map")?;
        let version = if is_old {
            VdoVersion::V2 {
                metadata_hints: words.read("metadata hints (on or off)")?,
                write_policy: words.read("write policy (auto, sync, async or async-unsafe)")?,
                pool: words.read("name of the pool")?,
            }
        } else {
            VdoVersion::V4
        };
        let mut options = Vec::new();
        while !words.is_empty() {
            options.push(words.read("option of vdo")?);
        }
        Ok(Self {
            version,
            device,
            blocks,
            minimum_io_size,
            block_map_cache,
            block_map_era,
            options,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(match &self.version {
            VdoVersion::V2 { .. } => "V2",
            VdoVersion::V4 => "V4",
        });
        self.device.write(line);
        line.word(self.blocks)
            .word(self.minimum_io_size)
            .word(self.block_map_cache)
            .word(self.block_map_era);
        if let VdoVersion::V2 {
            metadata_hints,
            write_policy,
            pool,
        } = &self.version
        {
            line.word(metadata_hints).word(write_policy.word()).values([pool]);
        }
        line.values(&self.options);
    }
}

const MODES: [(&str, OperatingMode); 3] = [
    ("recovering", OperatingMode::Recovering),
    ("read-only", OperatingMode::ReadOnly),
    ("normal", OperatingMode::Normal),
];
const RECOVERING: [(&str, bool); 2] = [("recovering", true), ("-", false)];
const INDEX: [(&str, IndexState); 7] = [
    ("error", IndexState::Error),
    ("closed", IndexState::Closed),
    ("opening", IndexState::Opening),
    ("closing", IndexState::Closing),
    ("offline", IndexState::Offline),
    ("online", IndexState::Online),
    ("unknown", IndexState::Unknown),
];
const COMPRESSION: [(&str, CompressionState); 2] = [
    ("online", CompressionState::Online),
    ("offline", CompressionState::Offline),
];

/// The word of a value; all values have one.
fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words
        .iter()
        .find(|(_, known)| known == value)
        .map_or("", |(word, _)| word)
}

/// `DEVICE MODE RECOVERING INDEX COMPRESSION USED TOTAL`; the names in errors are those that the C library uses.
impl Field for Status {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            device: words.next("device")?.into(),
            operating_mode: words.choice("operating mode", &MODES)?,
            recovering: words.choice("recovering", &RECOVERING)?,
            index_state: words.choice("index state", &INDEX)?,
            compression_state: words.choice("compression state", &COMPRESSION)?,
            used_blocks: words.read("used blocks")?,
            total_blocks: words.read("total blocks")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.bytes(&self.device)
            .word(word_of(&MODES, &self.operating_mode))
            .word(word_of(&RECOVERING, &self.recovering))
            .word(word_of(&INDEX, &self.index_state))
            .word(word_of(&COMPRESSION, &self.compression_state))
            .word(self.used_blocks)
            .word(self.total_blocks);
    }
}

text!(Vdo, Status);
