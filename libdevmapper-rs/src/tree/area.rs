//! Areas: the devices that a segment maps to.

use super::segment::{Area, Kind};
use super::{NodeId, Tree};
use crate::error::{Error, Result};
use bstr::BStr;

impl Tree {
    /// Appends a device and the sector its area begins at to the last segment of `id`. The device is a node of the tree
    /// by its uuid, or any block device by its path; the uuid goes first.
    pub fn add_target_area(&self, id: NodeId, path: Option<&BStr>, uuid: Option<&BStr>, offset: u64) -> Result<()> {
        let node = self.node(id);
        let path = path.filter(|p| !p.is_empty());
        let used = match (uuid.filter(|u| !u.is_empty()), path) {
            (Some(uuid), _) => {
                let used = self.lookup(uuid, "Couldn't find area uuid")?;
                self.link(&node, &used)?;
                used
            }
            (None, Some(path)) => {
                let dev = self.driver.block_device(path)?;
                self.add_existing(dev, &node, false, 0)?
            }
            (None, None) => {
                crate::log_error!("dm_tree_node_add_target_area called without device");
                return Err(Error::Invalid("area without device".into()));
            }
        };
        match node.segments.borrow_mut().last_mut() {
            Some(segment) => {
                segment.areas.push(Area::Device(used.id, offset));
                Ok(())
            }
            None => {
                let text = format!("Node {node} is missing a segment.");
                crate::log_error!("{text}");
                Err(Error::Invalid(text))
            }
        }
    }

    /// Appends a missing device to the last segment of `id`, which must be raid but not raid10.
    pub fn add_null_area(&self, id: NodeId) -> Result<()> {
        let node = self.node(id);
        let mut segments = node.segments.borrow_mut();
        match segments.last_mut() {
            Some(segment) if matches!(&segment.kind, Kind::Raid(raid) if raid.takes_null_areas()) => {
                segment.areas.push(Area::Null);
                Ok(())
            }
            _ => {
                crate::log_error!("dm_tree_node_add_null_area() called on an unsupported segment type");
                Err(Error::Invalid("null area on a segment type without".into()))
            }
        }
    }
}
