//! vdo.

use super::{Kind, Line, Surroundings};
use crate::error::Result;
use crate::status::vdo::{TargetParams, WritePolicy, validate};
use crate::table::{self, Device, VdoOption, VdoVersion, Word};
use crate::tree::node::Messages;
use crate::tree::{NodeId, Tree};
use bstr::{BStr, BString};

/// First version of the target that takes compression and deduplication in its table.
const VERSION_WITHOUT_MESSAGES: u32 = 4;

/// A vdo segment.
#[derive(Clone, Copy, Debug)]
pub struct Vdo<'a> {
    /// Version of the table line, 2 or 4.
    pub version: u32,
    /// Name of the pool.
    pub pool_name: &'a BStr,
    /// Uuid of the device below.
    pub data_uuid: &'a BStr,
    /// Its size in sectors.
    pub data_size: u64,
    /// Parameters.
    pub params: TargetParams,
}

#[derive(Debug)]
pub(in crate::tree) struct VdoOf {
    version: u32,
    pool_name: BString,
    pub data: NodeId,
    data_size: u64,
    params: TargetParams,
}

impl VdoOf {
    pub(super) fn line(&self, around: &dyn Surroundings) -> Result<Line> {
        let p = &self.params;
        use VdoOption as Is;
        let mut options = Vec::new();
        let version = if self.wants_messages() {
            VdoVersion::V2 {
                metadata_hints: p.use_metadata_hints.into(),
                write_policy: WritePolicy::from_number(p.write_policy).unwrap_or_default(),
                pool: Word::unchecked(&self.pool_name),
            }
        } else {
            options.extend([
                Is::Deduplication(p.use_deduplication.into()),
                Is::Compression(p.use_compression.into()),
            ]);
            VdoVersion::V4
        };
        options.extend([
            Is::MaxDiscard(p.max_discard),
            Is::Ack(p.ack_threads),
            Is::Bio(p.bio_threads),
            Is::BioRotationInterval(p.bio_rotation),
            Is::Cpu(p.cpu_threads),
            Is::Hash(p.hash_zone_threads),
            Is::Logical(p.logical_threads),
            Is::Physical(p.physical_threads),
        ]);
        Ok(Line::of(&table::Vdo {
            version,
            device: Device::at(format!("/dev/dm-{}", around.number(self.data)?.minor)),
            blocks: self.data_size / 8,
            // In range: the parameters were validated.
            minimum_io_size: p.minimum_io_size.saturating_mul(512),
            block_map_cache: p.block_map_cache_size_mb.saturating_mul(256),
            block_map_era: p.block_map_era_length,
            options,
        }))
    }

    /// Whether compression and deduplication are switched by messages.
    pub fn wants_messages(&self) -> bool {
        self.version < VERSION_WITHOUT_MESSAGES
    }

    /// Whether data shall be compressed, and deduplicated.
    pub fn wanted(&self) -> (bool, bool) {
        (self.params.use_compression, self.params.use_deduplication)
    }
}

impl Tree {
    /// Adds a vdo segment. It becomes longer if the volume was formatted with a larger size.
    pub fn add_vdo_target(&self, id: NodeId, size: u64, vdo: Vdo<'_>) -> Result<()> {
        validate(&vdo.params, size)?;
        let node = self.node(id);
        let data = self.lookup(vdo.data_uuid, "Missing VDO's data uuid")?;
        self.link(&node, &data)?;
        let kind = VdoOf {
            version: vdo.version,
            pool_name: vdo.pool_name.into(),
            data: data.id,
            data_size: vdo.data_size,
            params: vdo.params,
        };
        let messages = kind.wants_messages();
        self.push(&node, size, Kind::Vdo(kind))?;
        if messages {
            self.want_messages(&node, Messages::Send);
        }
        Ok(())
    }
}
