//! The target types, one file each.
//!
//! A target has two sides. Parsing: [`TargetKind::parse`] reads the words of a table line and [`TargetKind::table`]
//! prints them again. Performing: [`TargetKind::map`] and what follows it. Both know components only as indices into
//! the table's list of components.
//!
//! To add a target, write its file and add its line to the `targets!` list below.
//!
//! # Targets that keep state
//! A [`Verb`](crate::io::Verb) is one step: the host does it and the piece is complete. A target with I/O of its own answers
//! [`Verb::Ask`](crate::io::Verb::Ask) instead and has a [`crate::machine::Machine`] behind it, which its segment joins when
//! the table is built ([`TargetKind::joins`]).

use core::fmt::{self, Write};

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use dm_abi::errno::Errno;

use crate::host::DevNo;
use crate::io::{Op, Verb};
use crate::snapshots::{Role, Shape};

pub mod args;
mod crypt;
mod delay;
mod dust;
mod error;
mod flakey;
mod linear;
mod log_writes;
mod mirror;
mod snapshot;
mod striped;
mod switch;
mod unstriped;
mod zero;

use args::{Args, Refusal};

pub use crypt::Crypt;
pub use delay::Delay;
pub use dust::Dust;
pub use error::Error;
pub use flakey::Flakey;
pub use linear::Linear;
pub use log_writes::LogWrites;
pub use mirror::Mirror;
pub use snapshot::{Snapshot, SnapshotMerge, SnapshotOrigin};
pub use striped::Striped;
pub use switch::Switch;
pub use unstriped::Unstriped;
pub use zero::Zero;

/// Opens the component that a word of a table line names, and gives its index.
pub type Open<'a> = &'a mut dyn FnMut(&[u8]) -> Result<u32, Refusal>;

/// Gives the number of a component, for printing.
pub type Devices<'a> = &'a dyn Fn(u32) -> DevNo;

/// The part of a request that lies in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What to do; never [`Op::Flush`].
    pub op: Op,
    /// A write that must be durable when it completes.
    pub fua: bool,
    /// First sector, counted from the segment's start.
    pub first: u64,
    /// Number of sectors, up to the end of the request or of the segment.
    pub sectors: u64,
    /// Number of sectors that earlier pieces cover.
    pub done: u64,
    /// Sectors of the request before this part, for [`Corrupt::byte`](crate::io::Corrupt::byte).
    pub offset: u64,
    /// The host's clock.
    pub now_ms: u64,
}

impl Part {
    /// The next sector to map, counted from the segment's start.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + self.done
    }

    /// Number of sectors that are left to map.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.sectors - self.done
    }
}

/// A range of a component that a segment uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Index of the component.
    pub component: u32,
    /// First sector on it.
    pub first: u64,
    /// Number of sectors.
    pub sectors: u64,
}

/// How a segment takes part in a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushRule {
    /// The flush goes to the components, once for all such segments of the table.
    Components,
    /// The target decides, see [`TargetKind::flush`].
    Ask,
    /// The segment has nothing to flush.
    Nothing,
}

/// How a segment takes discards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscardRule {
    /// If all its components do.
    Components,
    /// Always.
    Accepts,
    /// Never.
    Refuses,
}

/// Which way data go that a target changes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the component.
    Read,
    /// To the component.
    Write,
}

/// What a target knows about its device when a message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The device is suspended.
    pub suspended: bool,
}

/// How a segment joins a machine; components are indices.
#[derive(Clone, Debug)]
pub enum Joins {
    /// That of an origin and its snapshots.
    Snapshots(JoinsSnapshots),
    /// One of its own, a mirror.
    Mirror(crate::mirrors::Line),
    /// One of its own, bad blocks.
    Dust(crate::dust::Line),
    /// One of its own, a log of writes; with the first sector of the segment.
    LogWrites(crate::log_writes::Line, u64),
}

/// How a segment joins the machine of an origin and its snapshots; components are indices.
#[derive(Clone, Debug)]
pub struct JoinsSnapshots {
    /// What it is for.
    pub role: Role,
    /// The origin.
    pub origin: u32,
    /// The device of the store, unless it is an origin.
    pub cow: Option<u32>,
    /// What the target and the machine share.
    pub shape: Arc<Shape>,
    /// Discards go on to the origin.
    pub passdown: bool,
}

/// What every target does.
pub trait TargetKind: Sized + fmt::Debug {
    /// The type's name in table lines.
    const NAME: &'static str;
    /// The version that Linux 6.12 reports.
    const VERSION: [u32; 3];
    /// Whether the type needs a host with machines, see [`TargetKind::joins`].
    const MACHINE: bool = false;
    /// Whether its table lines and messages have secrets, which no log may have and which are wiped.
    const SECRET: bool = false;
    /// How flushes are treated.
    const FLUSH: FlushRule = FlushRule::Components;
    /// How discards are treated.
    const DISCARD: DiscardRule = DiscardRule::Components;

    /// Reads the words of a table line. That components are large enough is checked later, by [`TargetKind::extents`].
    ///
    /// # Errors
    /// EINVAL for anything that is not the target's grammar; those of `open`.
    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal>;

    /// Prints the words of the table line.
    ///
    /// # Errors
    /// Those of `out`.
    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result;

    /// Prints words that [`TargetKind::parse`] makes the same target of, for an exported state.
    ///
    /// # Errors
    /// Those of `out`.
    fn save(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        self.table(devices, out)
    }

    /// What the target has become since its table line was read, for an exported state; nothing where a table of the line
    /// is the same. The machine, if there is one, says that for itself.
    fn state(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Becomes what [`TargetKind::state`] has given, which is not empty. False when that cannot be.
    fn restore(&self, state: &[u8]) -> bool {
        let _ = state;
        false
    }

    /// Whether a device with this segment can be resumed.
    ///
    /// # Errors
    /// What the resume then fails with.
    fn can_resume(&self) -> Result<(), Errno> {
        Ok(())
    }

    /// Changes the data of a piece of [`Verb::Transform`]; `first` is their first sector in the segment.
    ///
    /// # Errors
    /// EIO when the target cannot do that.
    fn transform(&self, direction: Direction, first: u64, data: &mut [u8]) -> Result<(), Errno> {
        let _ = (direction, first, data);
        Err(Errno::EIO)
    }

    /// Bytes that requests must be multiples of, at least 512.
    fn block_size(&self) -> u32 {
        512
    }

    /// The next piece of a part: its length in sectors, at least 1 and at most [`Part::left`], and what to do.
    fn map(&self, part: &Part) -> (u64, Verb);

    /// What a flush does at component number `nth` of [`TargetKind::extents`]; only for [`FlushRule::Ask`]. When the
    /// segment has a component several times, it is asked for the last of them.
    fn flush(&self, component: u32, nth: u32, now_ms: u64) -> Verb {
        let _ = (nth, now_ms);
        Verb::Remap {
            component,
            sector: 0,
            delay_ms: 0,
            corrupt: None,
        }
    }

    /// Calls `f` for every range of components that a segment of `length` sectors uses, in table line order.
    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        let _ = (length, f);
    }

    /// How discards are treated, [`TargetKind::DISCARD`] unless that depends on the table line.
    fn discard_rule(&self) -> DiscardRule {
        Self::DISCARD
    }

    /// The machine behind the target, if it has one. The machine then gives the status.
    fn joins(&self) -> Option<Joins> {
        None
    }

    /// Prints the status.
    ///
    /// # Errors
    /// Those of `out`.
    fn status(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        let _ = (devices, out);
        Ok(())
    }

    /// A delayed piece of this operation has been started.
    fn delay_over(&self, op: Op) {
        let _ = op;
    }

    /// A piece failed at its component, where it had this first sector; the segment has `length` sectors. True when
    /// that is an event.
    fn failed(&self, component: u32, sector: u64, length: u64) -> bool {
        let _ = (component, sector, length);
        false
    }

    /// Obeys a message and perhaps writes a reply.
    ///
    /// # Errors
    /// EINVAL for a message that the target does not know.
    fn message(&self, words: &[Vec<u8>], asked: &Asked, reply: &mut Vec<u8>) -> Result<(), Errno> {
        let _ = (words, asked, reply);
        Err(Errno::EINVAL)
    }
}

/// Makes the enum of targets and the dispatch to them.
macro_rules! targets {
    ($($kind:ident: $stored:ty,)*) => {
        /// The target of one segment. Large ones lie in a box: a segment of the others is one cache line.
        #[derive(Debug)]
        pub enum Target {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($stored),)*
        }

        /// The target types, in the order of a list of versions.
        pub const TYPES: &[TargetType] = &[$(TargetType {
            name: $kind::NAME,
            version: $kind::VERSION,
            has_machine: $kind::MACHINE,
            secret: $kind::SECRET,
            parse: |args, open| $kind::parse(args, open).map(|target| Target::$kind(target.into())),
        },)*];

        /// Evaluates `$body` with the target behind `$self`, and with its type.
        macro_rules! dispatch {
            ($this:expr, $target:ident => $body:expr) => {
                match $this { $(Target::$kind($target) => $body,)* }
            };
        }

        impl Target {
            /// The type's name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Target::$kind(_) => $kind::NAME,)* }
            }

            /// How flushes are treated.
            #[must_use]
            pub fn flush_rule(&self) -> FlushRule {
                match self { $(Target::$kind(_) => $kind::FLUSH,)* }
            }

            /// How discards are treated.
            #[must_use]
            pub fn discard_rule(&self) -> DiscardRule {
                dispatch!(self, target => target.discard_rule())
            }

            /// The machine behind the target.
            #[must_use]
            pub fn joins(&self) -> Option<Joins> {
                dispatch!(self, target => target.joins())
            }
        }

        // The same methods as TargetKind's.
        #[allow(missing_docs, clippy::missing_errors_doc)]
        impl Target {
            #[must_use]
            #[inline]
            pub fn map(&self, part: &Part) -> (u64, Verb) {
                dispatch!(self, target => target.map(part))
            }

            #[must_use]
            pub fn flush(&self, component: u32, nth: u32, now_ms: u64) -> Verb {
                dispatch!(self, target => target.flush(component, nth, now_ms))
            }

            pub fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
                dispatch!(self, target => target.extents(length, f));
            }

            pub fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
                dispatch!(self, target => target.table(devices, out))
            }

            pub fn status(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
                dispatch!(self, target => target.status(devices, out))
            }

            pub fn delay_over(&self, op: Op) {
                dispatch!(self, target => target.delay_over(op));
            }

            #[must_use]
            pub fn failed(&self, component: u32, sector: u64, length: u64) -> bool {
                dispatch!(self, target => target.failed(component, sector, length))
            }

            pub fn message(&self, words: &[Vec<u8>], asked: &Asked, reply: &mut Vec<u8>) -> Result<(), Errno> {
                dispatch!(self, target => target.message(words, asked, reply))
            }

            pub fn save(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
                dispatch!(self, target => target.save(devices, out))
            }

            pub fn state(&self, out: &mut Vec<u8>) {
                dispatch!(self, target => target.state(out));
            }

            #[must_use]
            pub fn restore(&self, state: &[u8]) -> bool {
                dispatch!(self, target => target.restore(state))
            }

            pub fn can_resume(&self) -> Result<(), Errno> {
                dispatch!(self, target => target.can_resume())
            }

            pub fn transform(&self, direction: Direction, first: u64, data: &mut [u8]) -> Result<(), Errno> {
                dispatch!(self, target => target.transform(direction, first, data))
            }

            #[must_use]
            pub fn block_size(&self) -> u32 {
                dispatch!(self, target => target.block_size())
            }

            #[must_use]
            pub fn is_secret(&self) -> bool {
                match self { $(Target::$kind(_) => $kind::SECRET,)* }
            }
        }
    };
}

/// A target type that tables can use.
#[derive(Clone, Copy, Debug)]
pub struct TargetType {
    /// Name in table lines.
    pub name: &'static str,
    /// Major, minor and patch level.
    pub version: [u32; 3],
    /// It needs a host with machines.
    pub has_machine: bool,
    /// Its parameters are no matter for a log.
    pub secret: bool,
    parse: fn(&Args<'_>, Open<'_>) -> Result<Target, Refusal>,
}

impl TargetType {
    /// Finds a type by its exact name.
    #[must_use]
    pub fn find(name: &[u8]) -> Option<&'static TargetType> {
        TYPES.iter().find(|kind| kind.name.as_bytes() == name)
    }

    /// Reads the words of a table line, see [`TargetKind::parse`].
    ///
    /// # Errors
    /// Those of [`TargetKind::parse`].
    pub fn parse(&self, args: &Args<'_>, open: Open<'_>) -> Result<Target, Refusal> {
        (self.parse)(args, open)
    }
}

targets! {
    Zero: Zero,
    Flakey: Box<Flakey>,
    Delay: Box<Delay>,
    Mirror: Box<Mirror>,
    Striped: Striped,
    Linear: Linear,
    Error: Error,
    SnapshotMerge: SnapshotMerge,
    SnapshotOrigin: SnapshotOrigin,
    Snapshot: Snapshot,
    Unstriped: Unstriped,
    Switch: Box<Switch>,
    Dust: Dust,
    LogWrites: LogWrites,
    Crypt: Box<Crypt>,
}
