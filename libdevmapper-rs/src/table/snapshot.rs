//! snapshot-origin, snapshot, snapshot-merge.

use super::line::Line;
use super::values::Device;
use super::words::{Field, Result, Words, options, text, words};

/// snapshot-origin: a device that has snapshots, `ORIGIN`. It has no status.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct SnapshotOrigin {
    /// The device with the data.
    pub origin: Device,
}

impl Field for SnapshotOrigin {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            origin: words.read("origin (MAJOR:MINOR or path)")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.origin.write(line);
    }
}

words! {
    /// How a snapshot keeps its exceptions.
    pub enum ExceptionStore {
        /// On the device: they are there after a restart.
        Persistent = "P",
        /// As [`ExceptionStore::Persistent`]; a full store is told apart from an invalid one.
        PersistentOverflow = "PO",
        /// In memory.
        Transient = "N",
    }
}

options! {
    /// What a snapshot does with discards.
    pub enum SnapshotOption, "option of snapshot" {
        /// A discard of a whole chunk frees it in the store.
        DiscardZeroesCow = "discard_zeroes_cow",
        /// Discards of the snapshot go to its origin; needs the former.
        DiscardPassdownOrigin = "discard_passdown_origin",
    }
}

/// snapshot and snapshot-merge: `ORIGIN COW STORE CHUNK [COUNT OPTION...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Snapshot {
    /// The device with the data.
    pub origin: Device,
    /// The device with the exceptions.
    pub cow: Device,
    /// How exceptions are kept.
    pub store: ExceptionStore,
    /// Sectors of 512 bytes of a chunk: a power of two.
    pub chunk: u32,
    /// Options.
    pub options: Vec<SnapshotOption>,
}

impl Field for Snapshot {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            origin: words.read("origin (MAJOR:MINOR or path)")?,
            cow: words.read("exception store (MAJOR:MINOR or path)")?,
            store: words.read("type of the exception store (P, PO or N)")?,
            chunk: words.read("chunk size in sectors")?,
            options: words.group_if_any("option of snapshot")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.values([&self.origin, &self.cow]).word(self.store).word(self.chunk);
        line.group_if_any(&self.options);
    }
}

/// Status of snapshot and snapshot-merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub enum SnapshotStatus {
    /// `USED/TOTAL METADATA`, all in sectors of 512 bytes.
    Used {
        /// Sectors of the store in use, metadata included.
        used: u64,
        /// Sectors of the store.
        total: u64,
        /// Sectors used by metadata; not told by kernels before 2.6.33.
        metadata: Option<u64>,
    },
    /// The store filled up or could not be written: the snapshot is lost.
    Invalid,
    /// The store is full ([`ExceptionStore::PersistentOverflow`]).
    Overflow,
    /// Merging hit an error and stopped.
    MergeFailed,
    /// The store cannot tell.
    Unknown,
}

impl Field for SnapshotStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        for (word, status) in [
            ("Invalid", Self::Invalid),
            ("Overflow", Self::Overflow),
            ("Unknown", Self::Unknown),
        ] {
            if words.accept(word) {
                return Ok(status);
            }
        }
        if words.accept("Merge") {
            words.choice("failed", &[("failed", ())])?;
            return Ok(Self::MergeFailed);
        }
        let (used, total) = words.ratio("used and all sectors (USED/TOTAL), or a state")?;
        Ok(Self::Used {
            used,
            total,
            metadata: words.read_if_any("sectors used by metadata")?,
        })
    }

    fn write(&self, line: &mut Line) {
        match self {
            Self::Used { used, total, metadata } => line.word(format_args!("{used}/{total}")).values(metadata),
            Self::Invalid => line.word("Invalid"),
            Self::Overflow => line.word("Overflow"),
            Self::MergeFailed => line.word("Merge failed"),
            Self::Unknown => line.word("Unknown"),
        };
    }
}

text!(SnapshotOrigin, Snapshot, SnapshotStatus);
