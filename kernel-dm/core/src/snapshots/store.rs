//! One store: what it holds, and where the next exception goes.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

use dm_abi::errno::Errno;

use super::commit::Commit;
use super::exceptions::Exceptions;
use super::format::Layout;
use super::load::Loading;
use super::merge::Merge;
use super::{Held, Kind, Shape};
use crate::host::Component;
use crate::io::{Bio, Op};
use crate::machine::PieceId;

/// Whether a store can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is being read.
    Loading,
    Ready,
    /// The snapshot is lost.
    Invalid,
    /// It could not be read.
    Failed(Errno),
}

/// An exception that is being made.
#[derive(Debug)]
pub(super) struct Pending {
    /// The chunk of the store.
    pub(super) stored: u64,
    /// Sectors that are copied.
    pub(super) done: u64,
    /// The exception counts; only operations are left, which wait for reads of the origin.
    pub(super) committed: bool,
    pub(super) waiters: Vec<Waiter>,
}

/// Who waits for an exception.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiter {
    /// A write to the snapshot, which then goes to this sector of the chunk on component `cow`.
    Piece { piece: PieceId, cow: u32, inside: u64 },
    /// A write to the snapshot that is done, in place of the copy.
    Written(PieceId),
    /// An operation.
    Operation(u64),
}

/// Where the list of exceptions on disk ends.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) layout: Layout,
    /// The area of the next pair.
    pub(super) area: u64,
    /// Its number in the area, always below [`Layout::pairs`].
    pub(super) index: u64,
    /// The unit that it goes to, as it is on disk.
    pub(super) unit: Vec<u8>,
    /// There is something behind the end of the list in this area, which must be zeroed before the list grows.
    pub(super) tail: bool,
}

impl List {
    /// The list of an empty store.
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            layout,
            area: 0,
            index: 0,
            unit: vec![0; layout.unit_bytes()],
            tail: false,
        }
    }

    /// Number of exceptions.
    pub(super) fn len(&self) -> u64 {
        self.area * self.layout.pairs() + self.index
    }
}

/// See [`super`].
#[derive(Debug)]
pub(super) struct Store<C> {
    pub(super) origin: Component<C>,
    pub(super) cow: Component<C>,
    pub(super) kind: Kind,
    /// Sectors of a chunk; the default while none is known.
    pub(super) chunk: u64,
    pub(super) state: State,
    /// It was full (of kind `PO`): writes to the snapshot fail.
    pub(super) overflow: bool,
    /// A table that uses it has been live.
    pub(super) active: bool,
    /// No table uses it any more; what is under way is finished.
    pub(super) closing: bool,
    /// The member whose I/O it does.
    pub(super) owner: Option<u64>,
    /// The next chunk of the store to be used.
    pub(super) next: u64,
    pub(super) table: Exceptions,
    pub(super) pending: BTreeMap<u64, Pending>,
    /// How many of them are not committed.
    pub(super) uncommitted: u64,
    /// Reads of the origin under way, by chunk.
    pub(super) reads: BTreeMap<u64, u32>,
    /// Writes to the store under way, by chunk of the origin; while it is merged.
    pub(super) writes: BTreeMap<u64, u32>,
    /// Of a persistent store, once its chunk size is known.
    pub(super) list: Option<List>,
    /// Chunks that are copied and not committed.
    pub(super) ready: VecDeque<u64>,
    pub(super) commit: Option<Commit>,
    pub(super) loading: Loading,
    /// Pieces that came while it was being read.
    pub(super) arrived: Vec<Held>,
    /// Operations that came while it was being read.
    pub(super) after_load: Vec<u64>,
    /// The header is being marked invalid.
    pub(super) invalidating: bool,
    /// Operations that wait for that.
    pub(super) after_invalid: Vec<u64>,
    /// The role of its owner.
    pub(super) merging: bool,
    /// Exceptions that are being merged.
    pub(super) merge: Option<Merge>,
    pub(super) merge_failed: bool,
    /// Own actions under way.
    pub(super) in_flight: u32,
}

impl<C: Clone> Store<C> {
    pub(super) fn new(origin: &Component<C>, cow: &Component<C>, shape: &Shape) -> Self {
        Self {
            origin: origin.clone(),
            cow: cow.clone(),
            kind: shape.kind(),
            chunk: match shape.chunk() {
                0 => super::format::DEFAULT_CHUNK.into(),
                chunk => chunk.into(),
            },
            state: State::Loading,
            overflow: false,
            active: false,
            closing: false,
            owner: None,
            next: 0,
            table: Exceptions::default(),
            pending: BTreeMap::new(),
            uncommitted: 0,
            reads: BTreeMap::new(),
            writes: BTreeMap::new(),
            list: None,
            ready: VecDeque::new(),
            commit: None,
            loading: Loading::Start,
            arrived: Vec::new(),
            after_load: Vec::new(),
            invalidating: false,
            after_invalid: Vec::new(),
            merging: false,
            merge: None,
            merge_failed: false,
            in_flight: 0,
        }
    }
}

impl<C> Store<C> {
    /// Sectors that its device writes at once.
    pub(super) fn unit(&self) -> u64 {
        u64::from(self.cow.logical_block_size() / 512).max(1)
    }

    /// The chunk size as table lines have it.
    pub(super) fn shown_chunk(&self) -> u32 {
        u32::try_from(self.chunk).unwrap_or(u32::MAX)
    }

    /// Whether own I/O is under way, or will be.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight > 0 || !self.pending.is_empty() || self.merge.is_some()
    }

    /// Whether a chunk lies on the store's device as a whole.
    pub(super) fn has_chunk(&self, chunk: u64) -> bool {
        let end = chunk.checked_add(1).and_then(|next| next.checked_mul(self.chunk));
        end.is_some_and(|end| end <= self.cow.sectors())
    }

    /// Takes the next free chunk, if there is one.
    pub(super) fn allocate(&mut self) -> Option<u64> {
        if !self.has_chunk(self.next) {
            return None;
        }
        if let Some(list) = &self.list {
            let length = list.len() + self.uncommitted + 1;
            let pairs = list.layout.pairs();
            // The pair that fills an area needs the next area.
            if length.is_multiple_of(pairs) && !self.has_chunk(list.layout.area(length / pairs)) {
                return None;
            }
        }
        let chunk = self.next;
        self.use_up(chunk);
        Some(chunk)
    }

    /// An exception is being made in a chunk of the store that was allocated.
    pub(super) fn await_exception(&mut self, chunk: u64, stored: u64, waiters: Vec<Waiter>) {
        let pending = Pending {
            stored,
            done: 0,
            committed: false,
            waiters,
        };
        self.pending.insert(chunk, pending);
        self.uncommitted += 1;
    }

    /// A chunk of the store is taken.
    pub(super) fn use_up(&mut self, chunk: u64) {
        self.next = self.next.max(chunk.saturating_add(1));
        if let Some(list) = &self.list
            && !list.layout.is_data(self.next)
        {
            self.next = self.next.saturating_add(1);
        }
    }

    /// The header as it should be now.
    pub(super) fn header(&self, valid: bool) -> (Bio, Vec<u8>) {
        let header = super::format::Header {
            valid,
            chunk: self.shown_chunk(),
        };
        let sectors = self.unit();
        let data = header.write(usize::try_from(sectors * 512).unwrap_or(512));
        (Bio::new(Op::Write, 0, sectors).durable(), data)
    }
}

/// Counts one less of a chunk. True when it was the last.
pub(super) fn count_down(counts: &mut BTreeMap<u64, u32>, chunk: u64) -> bool {
    let Some(count) = counts.get_mut(&chunk) else {
        return false;
    };
    *count = count.saturating_sub(1);
    if *count > 0 {
        return false;
    }
    counts.remove(&chunk);
    true
}
