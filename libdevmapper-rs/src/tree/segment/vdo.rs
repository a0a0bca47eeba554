//! vdo.

use super::{Kind, Line, Surroundings};
use crate::error::Result;
use crate::status::vdo::{TargetParams, WritePolicy, validate};
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
        let on = |is_on: bool| if is_on { "on" } else { "off" };
        let mut line = Line::default();
        let version = if self.version < VERSION_WITHOUT_MESSAGES {
            "V2"
        } else {
            "V4"
        };
        line.word(version)
            .word(format_args!("/dev/dm-{}", around.number(self.data)?.minor))
            .word(self.data_size / 8)
            .word(u64::from(p.minimum_io_size) * 512)
            .word(u64::from(p.block_map_cache_size_mb) * 256)
            .word(p.block_map_era_length);
        if self.version < VERSION_WITHOUT_MESSAGES {
            let policy = WritePolicy::from_number(p.write_policy).unwrap_or_default();
            line.word(on(p.use_metadata_hints))
                .word(policy.word())
                .bytes(&self.pool_name);
        } else {
            line.word(format_args!(
                "deduplication {} compression {}",
                on(p.use_deduplication),
                on(p.use_compression)
            ));
        }
        for (word, value) in [
            ("maxDiscard", p.max_discard),
            ("ack", p.ack_threads),
            ("bio", p.bio_threads),
            ("bioRotationInterval", p.bio_rotation),
            ("cpu", p.cpu_threads),
            ("hash", p.hash_zone_threads),
            ("logical", p.logical_threads),
            ("physical", p.physical_threads),
        ] {
            line.word(format_args!("{word} {value}"));
        }
        Ok(line)
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
