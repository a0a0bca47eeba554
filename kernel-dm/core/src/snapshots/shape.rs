//! What a target of this family and its member of the group say of each other.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// snapshot-origin.
    Origin,
    /// snapshot.
    Snapshot,
    /// snapshot-merge.
    Merge,
}

/// What a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `P`, or `PO`: a full store fails writes to the snapshot only.
    Persistent {
        /// `PO`.
        overflow: bool,
    },
    /// `N`.
    Transient,
}

/// What a target and its member of the group share.
#[derive(Debug)]
pub struct Shape {
    /// snapshot: sectors of a chunk, as far as is known. snapshot-origin: 0 if no snapshot wants to know of writes.
    chunk: AtomicU32,
    kind: AtomicU32,
}

impl Shape {
    /// What a table line says.
    #[must_use]
    pub fn new(chunk: u32, kind: Kind) -> Self {
        let shape = Self {
            chunk: AtomicU32::new(0),
            kind: AtomicU32::new(0),
        };
        shape.set(chunk, kind);
        shape
    }

    /// snapshot-origin: whether a snapshot wants to know of writes.
    pub(super) fn watch(&self, watched: bool) {
        self.chunk.store(watched.into(), Ordering::Relaxed);
    }

    pub(super) fn set(&self, chunk: u32, kind: Kind) {
        self.chunk.store(chunk, Ordering::Relaxed);
        let kind = match kind {
            Kind::Persistent { overflow: false } => 0,
            Kind::Persistent { overflow: true } => 1,
            Kind::Transient => 2,
        };
        self.kind.store(kind, Ordering::Relaxed);
    }

    /// Sectors of a chunk; see [`Shape`].
    #[inline]
    #[must_use]
    pub fn chunk(&self) -> u32 {
        self.chunk.load(Ordering::Relaxed)
    }

    /// What the store is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.kind.load(Ordering::Relaxed) {
            0 => Kind::Persistent { overflow: false },
            1 => Kind::Persistent { overflow: true },
            _ => Kind::Transient,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Persistent { overflow: false } => "P",
            Kind::Persistent { overflow: true } => "PO",
            Kind::Transient => "N",
        })
    }
}
