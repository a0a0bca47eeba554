//! Segments: the lines of a table to be loaded, one file per target family.
//!
//! Devices appear in a line as `major:minor` with the number the node has when the table is loaded.

mod basic;
mod cache;
mod crypt;
mod integrity;
mod mirror;
mod raid;
mod snapshot;
mod thin;
mod vdo;
mod writecache;

pub use cache::{Cache, CacheFeatures};
pub use crypt::{Crypt, IV_OFFSET_DEFAULT};
pub use integrity::{Integrity, IntegritySettings};
pub use mirror::{MirrorFlags, MirrorLog};
pub use raid::{Raid, RaidFlags, RaidType};
pub use snapshot::Snapshot;
pub use thin::{MAX_DEVICE_ID, ThinPool};
pub use vdo::Vdo;
pub use writecache::{Writecache, WritecacheSettings};

use super::node::{Messages, Node, NodeId};
use super::{ROOT, Tree};
use crate::error::{Error, Result};
use crate::table::line::Line;
use crate::task::DevNo;
use bstr::BStr;
use std::fmt::Arguments;
use std::rc::Rc;

/// A device that a segment maps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// A node and the sector its area begins at.
    Device(NodeId, u64),
    /// A missing device of a raid set.
    Null,
}

/// One line of a table.
#[derive(Debug)]
pub(super) struct Segment {
    /// Length in sectors.
    pub size: u64,
    pub kind: Kind,
    pub areas: Vec<Area>,
}

/// What a line says.
#[derive(Debug)]
pub(super) enum Kind {
    Error,
    Zero,
    Linear,
    Striped {
        stripe_size: u32,
    },
    Crypt(Crypt),
    SnapshotOrigin {
        origin: NodeId,
    },
    Snapshot(snapshot::SnapshotOf),
    Mirror(mirror::Mirror),
    Raid(Raid),
    ThinPool(Box<thin::Pool>),
    Thin {
        pool: NodeId,
        device_id: u32,
        external_origin: Option<NodeId>,
    },
    Cache(cache::CacheOf),
    Writecache(writecache::WritecacheOf),
    Integrity(integrity::IntegrityOf),
    Vdo(vdo::VdoOf),
}

impl Kind {
    /// The target type in the table.
    pub fn target(&self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Zero => "zero",
            Self::Linear => "linear",
            Self::Striped { .. } => "striped",
            Self::Crypt(_) => "crypt",
            Self::SnapshotOrigin { .. } => "snapshot-origin",
            Self::Snapshot(s) => s.target(),
            Self::Mirror(_) => "mirror",
            Self::Raid(_) => "raid",
            Self::ThinPool(_) => "thin-pool",
            Self::Thin { .. } => "thin",
            Self::Cache(_) => "cache",
            Self::Writecache(_) => "writecache",
            Self::Integrity(_) => "integrity",
            Self::Vdo(_) => "vdo",
        }
    }
}

/// What writing a line needs to know from outside.
pub(super) trait Surroundings {
    /// The number of a node's device.
    fn number(&self, id: NodeId) -> Result<DevNo>;
    /// Version of a target type in the driver.
    fn target_version(&self, kind: &str) -> Result<Option<[u32; 3]>>;
}

impl Segment {
    /// The parameters, for a line that begins at sector `start`.
    pub fn params(&self, start: u64, around: &dyn Surroundings) -> Result<Vec<u8>> {
        let line = match &self.kind {
            Kind::Error | Kind::Zero => Line::default(),
            Kind::Linear => self.area_words(around)?,
            Kind::Striped { stripe_size } => basic::striped(*stripe_size, self, around)?,
            Kind::Crypt(crypt) => crypt.line(start, self, around)?,
            Kind::SnapshotOrigin { origin } => snapshot::origin_line(*origin, around)?,
            Kind::Snapshot(s) => s.line(around)?,
            Kind::Mirror(mirror) => mirror.line(self, around)?,
            Kind::Raid(raid) => raid.line(self, around)?,
            Kind::ThinPool(pool) => pool.line(around)?,
            Kind::Thin {
                pool,
                device_id,
                external_origin,
            } => thin::thin_line(*pool, *device_id, *external_origin, around)?,
            Kind::Cache(cache) => cache.line(around)?,
            Kind::Writecache(writecache) => writecache.line(around)?,
            Kind::Integrity(integrity) => integrity.line(around)?,
            Kind::Vdo(vdo) => vdo.line(around)?,
        };
        line.finish()
    }

    /// `DEVICE OFFSET` of each area.
    fn area_words(&self, around: &dyn Surroundings) -> Result<Line> {
        let mut line = Line::default();
        for area in &self.areas {
            match area {
                Area::Device(id, offset) => line.word(format_args!("{} {offset}", around.number(*id)?)),
                Area::Null => line.word("- -"),
            };
        }
        Ok(line)
    }
}

/// Logs and refuses.
fn refuse<T>(text: Arguments<'_>) -> Result<T> {
    crate::log_error!("{text}");
    Err(Error::Invalid(text.to_string()))
}

impl Tree {
    /// Appends a segment to a node.
    fn push(&self, node: &Node, size: u64, kind: Kind) -> Result<()> {
        if node.id == ROOT {
            return refuse(format_args!("Internal error: The root of a tree has no table."));
        }
        node.segments.borrow_mut().push(Segment {
            size,
            kind,
            areas: Vec::new(),
        });
        node.pending.set(true);
        Ok(())
    }

    /// The node of a uuid; if there is none, logs `missing` with the uuid.
    pub(super) fn lookup(&self, uuid: &BStr, missing: &str) -> Result<Rc<Node>> {
        match self.find_by_uuid(uuid).filter(|id| *id != ROOT) {
            Some(id) => Ok(self.node(id)),
            None => refuse(format_args!("{missing} {uuid}.")),
        }
    }

    /// Runs `change` on the only segment of a node, if `select` takes it.
    fn only_segment<T>(
        &self,
        node: &Node,
        target: &str,
        select: impl FnOnce(&mut Kind) -> Option<&mut T>,
        change: impl FnOnce(&mut T),
    ) -> Result<()> {
        let mut segments = node.segments.borrow_mut();
        let [segment] = segments.as_mut_slice() else {
            return refuse(format_args!("Node {target} must have only one segment."));
        };
        let found = segment.kind.target();
        match select(&mut segment.kind) {
            Some(kind) => {
                change(kind);
                Ok(())
            }
            None => refuse(format_args!("Node {target} has segment type {found}.")),
        }
    }

    /// Has messages sent to the node's target.
    fn want_messages(&self, node: &Node, messages: Messages) {
        node.messages.set(messages);
    }

    /// Adds a replicator segment: not supported.
    pub fn add_replicator(&self) -> Result<()> {
        refuse(format_args!("Replicator segment is unsupported."))
    }

    /// Adds a replicator device segment: not supported.
    pub fn add_replicator_dev(&self) -> Result<()> {
        refuse(format_args!("Replicator target is unsupported."))
    }
}
