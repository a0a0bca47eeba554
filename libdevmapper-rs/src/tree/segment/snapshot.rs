//! snapshot-origin, snapshot, snapshot-merge.

use super::{Kind, Line, Surroundings};
use crate::error::Result;
use crate::table::{self, ExceptionStore};
use crate::tree::Tree;
use crate::tree::node::{Delay, Node, NodeId};
use crate::tree::udev_flag::{DISABLE_DISK_RULES, DISABLE_OTHER_RULES, SUBSYSTEM_0};
use bstr::BStr;
use std::rc::Rc;

/// How a snapshot keeps its exceptions.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// They survive a reboot.
    pub persistent: bool,
    /// Size of a chunk, sectors.
    pub chunk_size: u32,
}

#[derive(Debug)]
pub(in crate::tree) struct SnapshotOf {
    origin: NodeId,
    cow: NodeId,
    merge: bool,
    snapshot: Snapshot,
}

impl SnapshotOf {
    pub(super) fn target(&self) -> &'static str {
        if self.merge { "snapshot-merge" } else { "snapshot" }
    }

    pub(super) fn line(&self, around: &dyn Surroundings) -> Result<Line> {
        Ok(Line::of(&table::Snapshot {
            origin: around.number(self.origin)?.into(),
            cow: around.number(self.cow)?.into(),
            store: if self.snapshot.persistent || self.merge {
                ExceptionStore::Persistent
            } else {
                ExceptionStore::Transient
            },
            chunk: self.snapshot.chunk_size,
            options: Vec::new(),
        }))
    }
}

pub(super) fn origin_line(origin: NodeId, around: &dyn Surroundings) -> Result<Line> {
    Ok(Line::of(&table::SnapshotOrigin {
        origin: around.number(origin)?.into(),
    }))
}

impl Tree {
    /// Adds a segment through which an origin is written, so that its snapshots keep what was there.
    pub fn add_snapshot_origin_target(&self, id: NodeId, size: u64, origin_uuid: &BStr) -> Result<()> {
        let node = self.node(id);
        let origin = self.lookup(origin_uuid, "Couldn't find snapshot origin uuid")?;
        self.link(&node, &origin)?;
        self.push(&node, size, Kind::SnapshotOrigin { origin: origin.id })?;
        // Resumed after its snapshots, lest a write slip by them.
        node.priority.set(1);
        if !node.info.get().exists {
            node.reactivate_siblings.set(true);
        }
        // The real device must not go live during preload.
        origin.delay_if_new.set(Delay::UntilActivation);
        Ok(())
    }

    /// The nodes of an origin and of a snapshot's exceptions, on which `node` depends from now on.
    fn link_snapshot(&self, node: &Rc<Node>, origin_uuid: &BStr, cow_uuid: &BStr) -> Result<(Rc<Node>, Rc<Node>)> {
        let origin = self.lookup(origin_uuid, "Couldn't find snapshot origin uuid")?;
        let cow = self.lookup(cow_uuid, "Couldn't find snapshot COW device uuid")?;
        self.link(node, &origin)?;
        self.link(node, &cow)?;
        Ok((origin, cow))
    }

    /// Adds a segment that shows an origin as it was.
    pub fn add_snapshot_target(
        &self,
        id: NodeId,
        size: u64,
        origin_uuid: &BStr,
        cow_uuid: &BStr,
        snapshot: Snapshot,
    ) -> Result<()> {
        let node = self.node(id);
        let (origin, cow) = self.link_snapshot(&node, origin_uuid, cow_uuid)?;
        let kind = SnapshotOf {
            origin: origin.id,
            cow: cow.id,
            merge: false,
            snapshot,
        };
        self.push(&node, size, Kind::Snapshot(kind))?;
        if !origin.info.get().exists {
            // Until the origin is live nobody should look into the snapshot.
            let flags = node.udev_flags.get();
            node.saved_udev_flags.set(Some(flags));
            let flags = flags | SUBSYSTEM_0 | DISABLE_DISK_RULES | DISABLE_OTHER_RULES;
            node.udev_flags.set(flags);
            crate::log_debug!("Using udev_flags 0x{flags:x} for activation of {}.", node.name.borrow());
        }
        Ok(())
    }

    /// Adds a segment that merges a snapshot back into its origin. `merge_uuid` is the snapshot's own device.
    pub fn add_snapshot_merge_target(
        &self,
        id: NodeId,
        size: u64,
        origin_uuid: &BStr,
        cow_uuid: &BStr,
        merge_uuid: &BStr,
        chunk_size: u32,
    ) -> Result<()> {
        let node = self.node(id);
        let (origin, cow) = self.link_snapshot(&node, origin_uuid, cow_uuid)?;
        let snapshot = Snapshot {
            persistent: true,
            chunk_size,
        };
        let kind = SnapshotOf {
            origin: origin.id,
            cow: cow.id,
            merge: true,
            snapshot,
        };
        self.push(&node, size, Kind::Snapshot(kind))?;
        node.priority.set(1);
        match self.find_by_uuid(merge_uuid) {
            Some(merging) => self.node(merging).priority.set(2),
            None => crate::log_notice!("Could not find snapshot device uuid {merge_uuid}, which merges into {node}."),
        }
        Ok(())
    }
}
