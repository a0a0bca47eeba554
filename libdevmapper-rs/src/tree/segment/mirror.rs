//! mirror (the old mirror target, not raid1).

use super::{Kind, Line, Segment, Surroundings, refuse};
use crate::error::Result;
use crate::tree::Tree;
use crate::tree::node::{Delay, NodeId};
use bstr::{BStr, BString, ByteSlice};

/// Flags of a mirror (`DM_NOSYNC` and so on).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MirrorFlags(u32);

impl MirrorFlags {
    /// The legs are the same already.
    pub const NOSYNC: Self = Self(1);
    /// The legs are to be made the same, whatever the log says.
    pub const FORCESYNC: Self = Self(2);
    /// Writes wait when a leg fails, until somebody deals with it.
    pub const BLOCK_ON_ERROR: Self = Self(4);
    /// The log is in memory.
    pub const CORELOG: Self = Self(8);

    /// Flags from the C library's number.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }
}

impl std::ops::BitOr for MirrorFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The log of a mirror.
#[derive(Clone, Copy, Debug, Default)]
pub struct MirrorLog<'a> {
    /// Size of a region, sectors.
    pub region_size: u32,
    /// The log is kept by the cluster.
    pub clustered: bool,
    /// The log device's uuid; with [`MirrorFlags::CORELOG`] the cluster log's name.
    pub uuid: Option<&'a BStr>,
    /// Number of legs.
    pub area_count: u32,
    /// Flags.
    pub flags: MirrorFlags,
}

#[derive(Debug, Default)]
pub(in crate::tree) struct Mirror {
    region_size: u32,
    clustered: bool,
    log_uuid: Option<BString>,
    log: Option<NodeId>,
    area_count: u32,
    flags: MirrorFlags,
}

impl Mirror {
    pub(super) fn line(&self, segment: &Segment, around: &dyn Surroundings) -> Result<Line> {
        let flags = self.flags;
        let mut log = Line::default();
        let kind = if self.log.is_some() { "disk" } else { "core" };
        if self.clustered {
            let Some(uuid) = &self.log_uuid else {
                return refuse(format_args!("Internal error: Clustered mirror log without uuid."));
            };
            log.bytes(uuid).word(format_args!("clustered-{kind}"));
        }
        if let Some(device) = self.log {
            log.word(around.number(device)?);
        }
        log.word(self.region_size);
        if flags.has(MirrorFlags::NOSYNC) {
            log.word("nosync");
        } else if flags.has(MirrorFlags::FORCESYNC) {
            log.word("sync");
        }
        let mut line = Line::default();
        line.word(if self.clustered { "userspace" } else { kind })
            .counted(&log)
            .word(self.area_count)
            .append(&segment.area_words(around)?);
        if flags.has(MirrorFlags::BLOCK_ON_ERROR) {
            line.word("1 handle_errors");
        }
        Ok(line)
    }
}

impl Tree {
    /// Adds a segment that is mirrored over the areas that are added next, after the log.
    pub fn add_mirror_target(&self, id: NodeId, size: u64) -> Result<()> {
        self.push(&self.node(id), size, Kind::Mirror(Mirror::default()))
    }

    /// Gives the last segment of a node its log.
    pub fn add_mirror_target_log(&self, id: NodeId, log: MirrorLog<'_>) -> Result<()> {
        let node = self.node(id);
        if node.segments.borrow().is_empty() {
            return refuse(format_args!("Node {node} is missing a segment."));
        }
        let mut device = None;
        if let Some(uuid) = log.uuid {
            if log.flags.has(MirrorFlags::CORELOG) {
                let on_top = uuid.contains_str("pvmove");
                node.delay_if_new.set(if on_top {
                    Delay::UntilActivationOnTop
                } else {
                    Delay::UntilActivation
                });
            } else {
                let found = self.lookup(uuid, "Couldn't find mirror log uuid")?;
                self.link(&node, &found)?;
                found.delay_if_new.set(Delay::No);
                if log.clustered {
                    found.immediate_dev_node.set(true);
                }
                device = Some(found.id);
            }
        }
        let mut segments = node.segments.borrow_mut();
        let Some(Kind::Mirror(mirror)) = segments.last_mut().map(|s| &mut s.kind) else {
            return refuse(format_args!("Node {node} has no mirror segment for a log."));
        };
        *mirror = Mirror {
            region_size: log.region_size,
            clustered: log.clustered,
            log_uuid: log.uuid.map(BString::from),
            log: device,
            area_count: log.area_count,
            flags: log.flags,
        };
        Ok(())
    }
}
