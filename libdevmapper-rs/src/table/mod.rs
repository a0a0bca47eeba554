//! Tables and states of devices as values: one type per target for the parameters of its table line, one for its status.
//!
//! The kernel's interface is text. Here each text is a type whose [`Display`](std::fmt::Display) is what the kernel
//! prints and whose [`FromStr`] reads what it prints or takes:
//!
//! ```
//! use libdevmapper::table::{Device, Linear, Line, Params, Striped, Table, Area};
//!
//! // A table is written by hand ...
//! let mut table = Table::new();
//! table.push(1024, Linear::new(Device::new(8, 1), 2048))?;
//! table.push(
//!     2048,
//!     Striped {
//!         chunk: 128,
//!         stripes: vec![Area::new(Device::new(8, 16), 0), Area::new(Device::new(8, 32), 0)],
//!     },
//! )?;
//! assert_eq!(table.to_string(), "0 1024 linear 8:1 2048\n1024 2048 striped 2 128 8:16 0 8:32 0\n");
//!
//! // ... or read, for instance what `dmsetup table` prints.
//! let line: Line<Params> = "0 8192 snapshot 253:2 253:3 P 16".parse()?;
//! let Params::Snapshot(snapshot) = &line.params else { panic!() };
//! assert_eq!((line.length, snapshot.chunk), (8192, 16));
//! assert_eq!(line.to_string(), "0 8192 snapshot 253:2 253:3 P 16");
//!
//! // An error says which word is wrong, and what should be there.
//! let error = "8:1 x".parse::<Linear>().unwrap_err();
//! assert_eq!(error.to_string(), "word 2: offset in sectors expected, found \"x\"");
//! # Ok::<(), libdevmapper::Error>(())
//! ```
//!
//! Options stay in the order of the line, since the kernel's own order differs between versions; what was read is
//! written back word for word. Two things are not kept: white space but for single blanks, and forms of the same number
//! or key (`007`, upper-case digits). Only the grammar is checked. Whether a chunk size is a power of two, or a device
//! is large enough, is for the driver to say.
//!
//! Target types that are not known here are kept as they are ([`Params::Other`], [`Status::Other`]).
//!
//! Sources of the grammar: the kernel's documentation of the targets (`admin-guide/device-mapper`), and what
//! Linux 6.1, 6.12 and 7.2 take and print.
//!
//! Units: a sector is 512 bytes. Blocks, chunks and regions are as long as the table says.

mod basic;
mod cache;
mod crypt;
mod era_clone;
mod faulty;
mod integrity;
pub(crate) mod line;
mod mirror;
mod multipath;
mod raid;
mod snapshot;
mod targets;
#[cfg(test)]
mod tests;
mod thin;
mod values;
mod vdo;
mod verity;
mod whole;
pub(crate) mod words;

pub use basic::{Ebs, Fail, Linear, Striped, StripedStatus, Switch, Unstriped, Zero};
pub use cache::{
    Cache, CacheFeature, CacheState, CacheStatus, Medium, Writecache, WritecacheCounters, WritecacheOption,
    WritecacheStatus,
};
pub use crypt::{Crypt, CryptOption, CryptSwitch, CryptTags, Key, KeyType};
pub use era_clone::{CloneFeature, CloneState, CloneStatus, CloneTarget, Era, EraState, EraStatus};
pub use faulty::{
    CorruptBioByte, Delay, DelayStatus, Delayed, Direction, Dust, DustLog, DustMode, DustStatus, Flakey, FlakeyOption,
    LogWrites, LogWritesStatus,
};
pub use integrity::{Algorithm, Integrity, IntegrityMode, IntegrityOption, IntegrityStatus};
pub use mirror::{Mirror, MirrorLog, MirrorLogStatus, MirrorOption, MirrorStatus, Regions, Sync};
pub use multipath::{
    GroupState, Multipath, MultipathFeature, MultipathStatus, Path, PathGroup, PathGroupStatus, PathState, PathStatus,
    QueueMode,
};
pub use raid::{
    Journal, JournalMode, LegState, Raid, Raid10Format, RaidLeg, RaidOption, RaidStatus, RaidType, SyncAction,
};
pub use snapshot::{ExceptionStore, Snapshot, SnapshotOption, SnapshotOrigin, SnapshotStatus};
pub use targets::{Other, Params, Status};
pub use thin::{NoSpace, PoolMode, Thin, ThinPool, ThinPoolOption, ThinPoolState, ThinPoolStatus, ThinStatus};
pub use values::{Area, Device, Hex, Secret, Setting, State, Word};
pub use vdo::{OnOff, Vdo, VdoOption, VdoVersion};
pub use verity::{Verification, Verity, VerityOption, VerityStatus};
pub use whole::{Line, Table, Target};
pub use words::{ParseError, Text};

pub use crate::status::vdo::Status as VdoStatus;
#[doc(no_inline)]
pub use std::str::FromStr;
