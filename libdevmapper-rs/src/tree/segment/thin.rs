//! thin-pool and thin.

use super::{Kind, Line, Surroundings, refuse};
use crate::error::Result;
use crate::table::{self, ThinPoolOption};
use crate::tree::Tree;
use crate::tree::messages::ThinMessage;
use crate::tree::node::{Delay, Messages, Node, NodeId};
use bstr::BStr;

/// Largest id of a thin device.
pub const MAX_DEVICE_ID: u32 = (1 << 24) - 1;
/// Smallest block of a pool, sectors.
const MIN_BLOCK: u32 = 128;
/// Largest block of a pool, sectors.
const MAX_BLOCK: u32 = 2_097_152;
/// Sectors of a metadata device that the kernel uses.
const METADATA_MAX: u64 = 33_161_216;

/// A thin-pool segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThinPool<'a> {
    /// The transaction that the pool's metadata must be at; 0 if it does not matter.
    pub transaction_id: u64,
    /// Uuid of the metadata device.
    pub metadata_uuid: &'a BStr,
    /// Uuid of the data device.
    pub data_uuid: &'a BStr,
    /// Sectors of a block.
    pub data_block_size: u32,
    /// Blocks left at which the pool raises an event.
    pub low_water_mark: u64,
    /// New blocks are not zeroed.
    pub skip_block_zeroing: bool,
    /// Maps no more of the metadata device than the kernel uses.
    pub crop_metadata: bool,
}

#[derive(Debug)]
pub(in crate::tree) struct Pool {
    metadata: NodeId,
    data: NodeId,
    data_block_size: u32,
    low_water_mark: u64,
    skip_block_zeroing: bool,
    ignore_discard: bool,
    no_discard_passdown: bool,
    error_if_no_space: bool,
    read_only: bool,
    pub transaction_id: u64,
    pub messages: Vec<ThinMessage>,
}

impl Pool {
    pub(super) fn line(&self, around: &dyn Surroundings) -> Result<Line> {
        let options = [
            (self.skip_block_zeroing, ThinPoolOption::SkipBlockZeroing),
            (self.ignore_discard, ThinPoolOption::IgnoreDiscard),
            (self.no_discard_passdown, ThinPoolOption::NoDiscardPassdown),
            (self.error_if_no_space, ThinPoolOption::ErrorIfNoSpace),
            (self.read_only, ThinPoolOption::ReadOnly),
        ];
        let mut line = Line::default();
        // Without the blank that the kernel prints at the end.
        table::ThinPool {
            metadata: around.number(self.metadata)?.into(),
            data: around.number(self.data)?.into(),
            block_size: self.data_block_size,
            low_water_mark: self.low_water_mark,
            options: options
                .into_iter()
                .filter(|(is_on, _)| *is_on)
                .map(|(_, option)| option)
                .collect(),
        }
        .write_words(&mut line);
        Ok(line)
    }
}

pub(super) fn thin_line(
    pool: NodeId,
    device_id: u32,
    external_origin: Option<NodeId>,
    around: &dyn Surroundings,
) -> Result<Line> {
    let external_origin = external_origin.map(|origin| around.number(origin)).transpose()?;
    Ok(Line::of(&table::Thin {
        pool: around.number(pool)?.into(),
        id: device_id,
        external_origin: external_origin.map(Into::into),
    }))
}

/// Checks the size of a block, for thin pools and caches.
pub(super) fn check_block_size(size: u32, min: u32, max: u32) -> Result<()> {
    if size < min {
        return refuse(format_args!("Data block size {size} is lower then {min} sectors."));
    }
    if size > max {
        return refuse(format_args!("Data block size {size} is higher then {max} sectors."));
    }
    Ok(())
}

fn check_device_id(id: u32) -> Result<()> {
    if id > MAX_DEVICE_ID {
        return refuse(format_args!("Device id {id} is higher then {MAX_DEVICE_ID}."));
    }
    Ok(())
}

impl Tree {
    /// Adds a thin-pool segment.
    pub fn add_thin_pool_target(&self, id: NodeId, size: u64, pool: ThinPool<'_>) -> Result<()> {
        check_block_size(pool.data_block_size, MIN_BLOCK, MAX_BLOCK)?;
        let node = self.node(id);
        let metadata = self.lookup(pool.metadata_uuid, "Missing metadata uuid")?;
        let data = self.lookup(pool.data_uuid, "Missing pool uuid")?;
        self.link(&node, &metadata)?;
        self.link(&node, &data)?;
        if pool.crop_metadata {
            crop(&metadata);
        }
        let kind = Pool {
            metadata: metadata.id,
            data: data.id,
            data_block_size: pool.data_block_size,
            low_water_mark: pool.low_water_mark,
            skip_block_zeroing: pool.skip_block_zeroing,
            ignore_discard: false,
            no_discard_passdown: false,
            error_if_no_space: false,
            read_only: false,
            transaction_id: pool.transaction_id,
            messages: Vec::new(),
        };
        self.push(&node, size, Kind::ThinPool(Box::new(kind)))?;
        metadata.delay_if_new.set(Delay::No);
        data.delay_if_new.set(Delay::No);
        // A running pool must not see its new size before its messages were sent.
        node.delay_if_extended.set(true);
        if pool.transaction_id != 0 {
            self.want_messages(&node, Messages::Check);
        }
        Ok(())
    }

    fn change_pool(&self, id: NodeId, change: impl FnOnce(&mut Pool)) -> Result<()> {
        self.only_segment(
            &self.node(id),
            "thin-pool",
            |kind| match kind {
                Kind::ThinPool(pool) => Some(&mut **pool),
                _ => None,
            },
            change,
        )
    }

    /// Sets what a pool does with discards.
    pub fn set_thin_pool_discard(&self, id: NodeId, ignore: bool, no_passdown: bool) -> Result<()> {
        self.change_pool(id, |pool| {
            pool.ignore_discard = ignore;
            pool.no_discard_passdown = no_passdown;
        })
    }

    /// Sets whether writes fail at once when space runs out.
    pub fn set_thin_pool_error_if_no_space(&self, id: NodeId, error_if_no_space: bool) -> Result<()> {
        self.change_pool(id, |pool| pool.error_if_no_space = error_if_no_space)
    }

    /// Sets whether the pool's metadata is left as it is.
    pub fn set_thin_pool_read_only(&self, id: NodeId, read_only: bool) -> Result<()> {
        self.change_pool(id, |pool| pool.read_only = read_only)
    }

    /// Queues a message, sent when the pool is activated or instead of suspending it.
    pub fn add_thin_pool_message(&self, id: NodeId, message: ThinMessage) -> Result<()> {
        // Without a pool that error goes before those of the message.
        let mut transaction_id = 0;
        self.change_pool(id, |pool| transaction_id = pool.transaction_id)?;
        match message {
            ThinMessage::CreateSnap { id, origin } => {
                if id == origin {
                    return refuse(format_args!("Cannot use same device id for origin and its snapshot."));
                }
                check_device_id(id)?;
                check_device_id(origin)?;
            }
            ThinMessage::CreateThin { id } | ThinMessage::Delete { id } => check_device_id(id)?,
            ThinMessage::SetTransactionId { current, new } => {
                if current.checked_add(1) != Some(new) {
                    return refuse(format_args!("New transaction id must be sequential."));
                }
                if new != transaction_id {
                    return refuse(format_args!("Current transaction id is different from thin pool."));
                }
            }
        }
        self.change_pool(id, |pool| pool.messages.push(message))?;
        self.want_messages(&self.node(id), Messages::Send);
        Ok(())
    }

    /// Adds a thin segment.
    pub fn add_thin_target(&self, id: NodeId, size: u64, pool_uuid: &BStr, device_id: u32) -> Result<()> {
        let node = self.node(id);
        let pool = self.lookup(pool_uuid, "Missing thin pool uuid")?;
        check_device_id(device_id)?;
        self.link(&node, &pool)?;
        self.push(
            &node,
            size,
            Kind::Thin {
                pool: pool.id,
                device_id,
                external_origin: None,
            },
        )
    }

    /// Has a thin volume read from another device what was not written yet.
    pub fn set_thin_external_origin(&self, id: NodeId, uuid: &BStr) -> Result<()> {
        let node = self.node(id);
        self.only_segment(&node, "thin", thin_origin, |_| ())?;
        let origin = self.lookup(uuid, "Missing thin external origin uuid")?;
        self.link(&node, &origin)?;
        if !origin.info.get().exists {
            origin.delay_if_new.set(Delay::UntilActivation);
        }
        self.only_segment(&node, "thin", thin_origin, |slot| *slot = Some(origin.id))
    }
}

fn thin_origin(kind: &mut Kind) -> Option<&mut Option<NodeId>> {
    match kind {
        Kind::Thin { external_origin, .. } => Some(external_origin),
        _ => None,
    }
}

/// Shortens the metadata device to what the kernel uses.
fn crop(metadata: &Node) {
    let mut left = METADATA_MAX;
    metadata.segments.borrow_mut().retain_mut(|segment| {
        segment.size = segment.size.min(left);
        left -= segment.size;
        segment.size != 0
    });
}
