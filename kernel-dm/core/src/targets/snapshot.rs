//! `snapshot-origin ORIGIN`, `snapshot ORIGIN COW P|PO|N CHUNK [FEATURES]` and `snapshot-merge` with the same words.
//!
//! What they do is in [`crate::snapshots`].

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use dm_abi::errno::Errno;

use super::args::{self, Args, Refusal};
use super::{Devices, DiscardRule, Extent, FlushRule, Joins, JoinsSnapshots, Open, Part, TargetKind};
use crate::io::{Op, Verb};
use crate::snapshots::format::DEFAULT_CHUNK;
use crate::snapshots::{Kind, Role, Shape};

/// The origin itself: its writes make exceptions in all its snapshots first.
#[derive(Debug)]
pub struct SnapshotOrigin {
    component: u32,
    shape: Arc<Shape>,
}

impl TargetKind for SnapshotOrigin {
    const NAME: &'static str = "snapshot-origin";
    const VERSION: [u32; 3] = [1, 9, 0];
    const MACHINE: bool = true;

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        if args.count() != 1 {
            return Err(Refusal::invalid("not exactly an origin"));
        }
        Ok(Self {
            component: open(args.word(0))?,
            // Until the machine says that no snapshot is there.
            shape: Arc::new(Shape::new(1, Kind::Transient)),
        })
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{}", devices(self.component))
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        let verb = match part.op {
            Op::Read => Verb::remap(self.component, part.next()),
            _ if self.shape.chunk() == 0 => Verb::remap(self.component, part.next()),
            _ => Verb::Ask,
        };
        (part.left(), verb)
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        f(Extent {
            component: self.component,
            first: 0,
            sectors: length,
        });
    }

    fn joins(&self) -> Option<Joins> {
        Some(Joins::Snapshots(JoinsSnapshots {
            role: Role::Origin,
            origin: self.component,
            cow: None,
            shape: self.shape.clone(),
            passdown: false,
        }))
    }
}

/// What the table lines of [`Snapshot`] and [`SnapshotMerge`] have in common.
#[derive(Debug)]
struct Words {
    origin: u32,
    cow: u32,
    shape: Arc<Shape>,
    discard_zeroes_cow: bool,
    discard_passdown_origin: bool,
}

impl Words {
    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        if args.count() < 4 {
            return Err(Refusal::invalid(
                "not at least an origin, a store, its type and a chunk size",
            ));
        }
        let (zeroes, passdown) = features(args.rest(4))?;
        let kind = kind(args.word(2)).ok_or_else(|| args::bad("type of a store", args.word(2)))?;
        let bad_chunk = || args::bad("chunk size", args.word(3));
        let chunk: u32 = args::number_with_plus(args.word(3)).ok_or_else(bad_chunk)?;
        if chunk == 0 && kind == Kind::Transient {
            return Err(bad_chunk());
        }
        let origin = open(args.word(0))?;
        let cow = open(args.word(1))?;
        if origin == cow {
            return Err(Refusal::invalid("the store is the origin"));
        }
        let chunk = if chunk == 0 { DEFAULT_CHUNK } else { chunk };
        Ok(Self {
            origin,
            cow,
            shape: Arc::new(Shape::new(chunk, kind)),
            discard_zeroes_cow: zeroes,
            discard_passdown_origin: passdown,
        })
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        let (origin, cow) = (devices(self.origin), devices(self.cow));
        write!(out, "{origin} {cow} {} {}", self.shape.kind(), self.shape.chunk())?;
        match (self.discard_zeroes_cow, self.discard_passdown_origin) {
            (_, true) => out.write_str(" 2 discard_zeroes_cow discard_passdown_origin"),
            (true, false) => out.write_str(" 1 discard_zeroes_cow"),
            (false, false) => Ok(()),
        }
    }

    /// Sectors of a part up to the end of a chunk, or of `chunks` chunks.
    fn cut(&self, part: &Part, chunks: u64) -> u64 {
        let size = u64::from(self.shape.chunk().max(1)).saturating_mul(chunks);
        part.left().min(size - part.next() % size)
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        for (component, sectors) in [(self.origin, length), (self.cow, 0)] {
            f(Extent {
                component,
                first: 0,
                sectors,
            });
        }
    }

    fn joins(&self, role: Role) -> Joins {
        Joins::Snapshots(JoinsSnapshots {
            role,
            origin: self.origin,
            cow: Some(self.cow),
            shape: self.shape.clone(),
            passdown: self.discard_passdown_origin,
        })
    }
}

/// The type of a store: Linux looks at the first one or two letters.
fn kind(word: &[u8]) -> Option<Kind> {
    let letter = |index: usize| word.get(index).map(u8::to_ascii_uppercase);
    match (letter(0)?, letter(1)) {
        (b'P', None) => Some(Kind::Persistent { overflow: false }),
        (b'P', Some(b'O')) => Some(Kind::Persistent { overflow: true }),
        (b'N', _) => Some(Kind::Transient),
        _ => None,
    }
}

/// Reads `COUNT word...`; words behind that are not looked at, as on Linux.
fn features(words: &[Vec<u8>]) -> Result<(bool, bool), Refusal> {
    let [count, words @ ..] = words else {
        return Ok((false, false));
    };
    let words = args::number(count)
        .filter(|&count: &usize| count <= 2)
        .and_then(|count| words.get(..count))
        .ok_or_else(|| args::bad("number of feature arguments", count))?;
    let (mut zeroes, mut passdown) = (false, false);
    for word in words {
        match word.to_ascii_lowercase().as_slice() {
            b"discard_zeroes_cow" => zeroes = true,
            b"discard_passdown_origin" => passdown = true,
            _ => return Err(args::bad("feature", word)),
        }
    }
    if passdown && !zeroes {
        return Err(Refusal::invalid("discard_passdown_origin needs discard_zeroes_cow"));
    }
    Ok((zeroes, passdown))
}

/// The origin as it was: what has changed since is in the store.
#[derive(Debug)]
pub struct Snapshot(Words);

/// Chunks of one piece of a discard.
const DISCARD_CHUNKS: u64 = 1024;

impl TargetKind for Snapshot {
    const NAME: &'static str = "snapshot";
    const VERSION: [u32; 3] = [1, 16, 0];
    const MACHINE: bool = true;
    const FLUSH: FlushRule = FlushRule::Ask;

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        Words::parse(args, open).map(Self)
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        self.0.table(devices, out)
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        match part.op {
            Op::Discard if !self.0.discard_zeroes_cow => (part.left(), Verb::Fail(Errno::EOPNOTSUPP)),
            Op::Discard => (self.0.cut(part, DISCARD_CHUNKS), Verb::Ask),
            _ => (self.0.cut(part, 1), Verb::Ask),
        }
    }

    /// All that is written goes to the store.
    fn flush(&self, component: u32, _: u32, _: u64) -> Verb {
        if component == self.0.cow {
            Verb::remap(component, 0)
        } else {
            Verb::Drop
        }
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        self.0.extents(length, f);
    }

    fn discard_rule(&self) -> DiscardRule {
        if self.0.discard_zeroes_cow {
            DiscardRule::Accepts
        } else {
            DiscardRule::Refuses
        }
    }

    fn joins(&self) -> Option<Joins> {
        Some(self.0.joins(Role::Snapshot))
    }
}

/// The origin on its way to become what the snapshot is.
#[derive(Debug)]
pub struct SnapshotMerge(Words);

impl TargetKind for SnapshotMerge {
    const NAME: &'static str = "snapshot-merge";
    const VERSION: [u32; 3] = [1, 5, 0];
    const MACHINE: bool = true;
    const DISCARD: DiscardRule = DiscardRule::Refuses;

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        let words = Words::parse(args, open)?;
        if words.shape.kind() == Kind::Transient {
            return Err(Refusal::invalid("a transient store cannot be merged"));
        }
        Ok(Self(words))
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        self.0.table(devices, out)
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        match part.op {
            Op::Discard => (part.left(), Verb::Fail(Errno::EOPNOTSUPP)),
            _ => (self.0.cut(part, 1), Verb::Ask),
        }
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        self.0.extents(length, f);
    }

    fn joins(&self) -> Option<Joins> {
        Some(self.0.joins(Role::Merge))
    }
}
