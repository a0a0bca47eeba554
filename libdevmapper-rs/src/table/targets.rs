//! The target types that are known: parameters and status of any of them.

use super::*;
use bstr::{BStr, BString};
use words::{Field, Words};

/// A target of a type that is not known here: its words as they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Other {
    kind: BString,
    text: BString,
}

impl Other {
    /// The target type.
    #[must_use]
    pub fn kind(&self) -> &BStr {
        self.kind.as_ref()
    }

    /// Its parameters or status.
    #[must_use]
    pub fn text(&self) -> &BStr {
        self.text.as_ref()
    }

    fn read(kind: &[u8], words: &mut Words<'_, '_>) -> Self {
        Self {
            kind: kind.into(),
            text: bstr::join(" ", words.rest()).into(),
        }
    }
}

/// An enum with a variant per target type.
macro_rules! targets {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$doc:meta])* $variant:ident($type:ty) = $kind:literal,)*
        ..
        $($(#[$rdoc:meta])* $rest:ident($rtype:ty),)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant($type),)*
            $($(#[$rdoc])* $rest($rtype),)*
        }

        impl Target for $name {
            fn kind(&self) -> &BStr {
                match self {
                    $(Self::$variant(_) => BStr::new($kind),)*
                    $(Self::$rest(rest) => rest.kind(),)*
                }
            }

            fn to_bytes(&self) -> BString {
                match self {
                    $(Self::$variant(text) => text.to_bytes(),)*
                    $(Self::$rest(rest) => rest.text().into(),)*
                }
            }
        }

        impl whole::Read for $name {
            fn read(kind: &[u8], words: &mut Words<'_, '_>) -> words::Result<Self> {
                if Self::is_failure(words) {
                    return Ok(Self::unknown(kind, words));
                }
                $(if kind == $kind.as_bytes() {
                    return <$type as Field>::read(words, "words").map(Self::$variant);
                })*
                Ok(Self::unknown(kind, words))
            }
        }

        #[cfg(test)]
        impl $name {
            /// The target types.
            pub(super) const KINDS: &'static [&'static str] = &[$($kind,)*];
        }
    };
}

targets! {
    /// The parameters of a line of a table.
    pub enum Params {
        /// Maps to one area.
        Linear(Linear) = "linear",
        /// Maps to areas in turn.
        Striped(Striped) = "striped",
        /// Reads as zeros.
        Zero(Zero) = "zero",
        /// Always fails.
        Error(Fail) = "error",
        /// One stripe of a striped device.
        Unstriped(Unstriped) = "unstriped",
        /// Regions on paths.
        Switch(Switch) = "switch",
        /// An emulated block size.
        Ebs(Ebs) = "ebs",
        /// Waits.
        Delay(Delay) = "delay",
        /// Fails from time to time.
        Flakey(Flakey) = "flakey",
        /// Has bad blocks.
        Dust(Dust) = "dust",
        /// Records writes.
        LogWrites(LogWrites) = "log-writes",
        /// Has snapshots.
        SnapshotOrigin(SnapshotOrigin) = "snapshot-origin",
        /// An origin as it was.
        Snapshot(Snapshot) = "snapshot",
        /// A snapshot that goes back into its origin.
        SnapshotMerge(Snapshot) = "snapshot-merge",
        /// A mirror.
        Mirror(Mirror) = "mirror",
        /// Encryption.
        Crypt(Crypt) = "crypt",
        /// A raid set.
        Raid(Raid) = "raid",
        /// Blocks for thin devices.
        ThinPool(ThinPool) = "thin-pool",
        /// A thin device.
        Thin(Thin) = "thin",
        /// A cache of reads and writes.
        Cache(Cache) = "cache",
        /// A cache of writes.
        Writecache(Writecache) = "writecache",
        /// Tags that data is checked against.
        Integrity(Integrity) = "integrity",
        /// Hashes that data is checked against.
        Verity(Verity) = "verity",
        /// Deduplication and compression.
        Vdo(Vdo) = "vdo",
        /// Remembers when blocks were written.
        Era(Era) = "era",
        /// Copies a device while it is used.
        Clone(CloneTarget) = "clone",
        /// One device by several paths.
        Multipath(Multipath) = "multipath",
        ..
        /// A target type that is not known here, or a target that says `Fail` or `Error` in the place of its table.
        Other(Other),
    }
}

impl Params {
    /// Thin devices answer so when their pool has failed.
    fn is_failure(words: &Words<'_, '_>) -> bool {
        words.left() == 1 && matches!(words.peek(), Some(b"Fail" | b"Error"))
    }

    fn unknown(kind: &[u8], words: &mut Words<'_, '_>) -> Self {
        Self::Other(Other::read(kind, words))
    }
}

macro_rules! into_params {
    ($($variant:ident($type:ty),)*) => {$(
        impl From<$type> for Params {
            fn from(params: $type) -> Self {
                Self::$variant(params)
            }
        }
    )*};
}

// A `Snapshot` becomes a snapshot; whoever wants to merge it says `Params::SnapshotMerge`.
into_params! {
    Linear(Linear),
    Striped(Striped),
    Zero(Zero),
    Error(Fail),
    Unstriped(Unstriped),
    Switch(Switch),
    Ebs(Ebs),
    Delay(Delay),
    Flakey(Flakey),
    Dust(Dust),
    LogWrites(LogWrites),
    SnapshotOrigin(SnapshotOrigin),
    Snapshot(Snapshot),
    Mirror(Mirror),
    Crypt(Crypt),
    Raid(Raid),
    ThinPool(ThinPool),
    Thin(Thin),
    Cache(Cache),
    Writecache(Writecache),
    Integrity(Integrity),
    Verity(Verity),
    Vdo(Vdo),
    Era(Era),
    Clone(CloneTarget),
    Multipath(Multipath),
}

targets! {
    /// What a target says about itself.
    pub enum Status {
        /// Health of the stripes.
        Striped(StripedStatus) = "striped",
        /// Requests that wait.
        Delay(DelayStatus) = "delay",
        /// What happens to bad blocks.
        Dust(DustStatus) = "dust",
        /// Length of the log.
        LogWrites(LogWritesStatus) = "log-writes",
        /// Fill of the exception store.
        Snapshot(SnapshotStatus) = "snapshot",
        /// Fill of the exception store of a snapshot that merges.
        SnapshotMerge(SnapshotStatus) = "snapshot-merge",
        /// Health and progress of a mirror.
        Mirror(MirrorStatus) = "mirror",
        /// Health and progress of a raid set.
        Raid(RaidStatus) = "raid",
        /// Fill and state of a pool.
        ThinPool(ThinPoolStatus) = "thin-pool",
        /// Fill of a thin device.
        Thin(ThinStatus) = "thin",
        /// Fill, counters and state of a cache.
        Cache(CacheStatus) = "cache",
        /// Fill and counters of a write cache.
        Writecache(WritecacheStatus) = "writecache",
        /// Mismatches and progress.
        Integrity(IntegrityStatus) = "integrity",
        /// Whether corruption was seen.
        Verity(VerityStatus) = "verity",
        /// Fill and state of a volume.
        Vdo(VdoStatus) = "vdo",
        /// The era.
        Era(EraStatus) = "era",
        /// Progress and state of a clone.
        Clone(CloneStatus) = "clone",
        /// State of groups and paths.
        Multipath(MultipathStatus) = "multipath",
        ..
        /// A target type that has no status (its text is empty), or is not known here.
        Other(Other),
    }
}

impl Status {
    /// Those that can fail have a value for that.
    fn is_failure(_: &Words<'_, '_>) -> bool {
        false
    }

    fn unknown(kind: &[u8], words: &mut Words<'_, '_>) -> Self {
        Self::Other(Other::read(kind, words))
    }
}
