//! Adding devices.

use super::node::Node;
use super::udev_flag::{DISABLE_DISK_RULES, DISABLE_OTHER_RULES, DISABLE_SUBSYSTEM_RULES};
use super::{NodeId, ROOT, Tree};
use crate::error::{Error, Result};
use crate::task::{DevNo, Info};
use bstr::{BStr, BString, ByteSlice};
use std::rc::Rc;

/// A device to be created or changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewDev {
    /// Number wanted for a new device.
    pub number: Option<DevNo>,
    /// The device shall refuse writes.
    pub read_only: bool,
    /// Drops the inactive table of an existing device, and what only that table used.
    pub clear_inactive: bool,
    /// Flags for udev.
    pub udev_flags: u16,
}

impl Tree {
    /// Adds an existing device and, with udev rules switched off, everything it uses.
    pub fn add_dev(&self, dev: DevNo, udev_flags: u16) -> Result<NodeId> {
        let root = self.node(ROOT);
        self.add_existing(dev, &root, false, udev_flags).map(|node| node.id)
    }

    /// Adds an existing device below `parent`.
    pub(super) fn add_existing(&self, dev: DevNo, parent: &Node, implicit: bool, udev_flags: u16) -> Result<Rc<Node>> {
        let known = self.by_number.borrow().get(&dev).copied();
        if let Some(id) = known {
            let node = self.node(id);
            self.link(parent, &node)?;
            if !implicit && node.implicit.replace(false) {
                self.set_udev_flags(id, udev_flags);
            }
            return Ok(node);
        }
        let (node, deps) = if self.driver.is_dm_major(dev.major) {
            let found = self.driver.deps(dev, false).inspect_err(|_| {
                crate::log_error!("_deps: task run failed for ({dev})");
            })?;
            let device = found.device;
            if (device.info.major, device.info.minor) != (dev.major, dev.minor) {
                let text = format!(
                    "Inconsistent dtree major:minor numbers: asked {dev}, got {}:{}",
                    device.info.major, device.info.minor
                );
                crate::log_error!("{text}");
                return Err(Error::Invalid(text));
            }
            (
                self.new_node(device.name, device.uuid, device.info, udev_flags),
                found.deps,
            )
        } else {
            let info = Info {
                major: dev.major,
                minor: dev.minor,
                ..Info::default()
            };
            (
                self.new_node(BString::default(), BString::default(), info, udev_flags),
                Vec::new(),
            )
        };
        node.implicit.set(implicit);
        self.by_number.borrow_mut().insert(dev, node.id);
        self.link(parent, &node)?;
        let below = udev_flags | DISABLE_SUBSYSTEM_RULES | DISABLE_DISK_RULES | DISABLE_OTHER_RULES;
        for dep in deps {
            self.add_existing(dep, &node, true, below)?;
        }
        Ok(node)
    }

    /// Adds a device that shall exist, or announces a change of an existing one, found by uuid.
    ///
    /// A new name is given to an existing device by [`Tree::activate_children`].
    pub fn add_new_dev(&self, name: &BStr, uuid: &BStr, new: NewDev) -> Result<NodeId> {
        if uuid.is_empty() {
            crate::log_error!("Cannot add device without name and uuid.");
            return Err(Error::Invalid("device without uuid".into()));
        }
        let node = match self.find_by_uuid(uuid) {
            Some(id) => {
                let node = self.node(id);
                if *node.name.borrow() != name {
                    *node.new_name.borrow_mut() = Some(name.into());
                }
                node
            }
            None => {
                let node = self.new_node(name.into(), uuid.into(), Info::default(), new.udev_flags);
                node.wanted.set(new.number.filter(|dev| dev.major != 0));
                node
            }
        };
        node.read_only.set(new.read_only);
        node.read_ahead.take();
        if new.clear_inactive {
            self.clear_inactive(&node, new.udev_flags)?;
        }
        node.udev_flags.set(new.udev_flags);
        Ok(node.id)
    }

    /// Drops the inactive table and the devices that were made for it only.
    fn clear_inactive(&self, node: &Node, udev_flags: u16) -> Result<()> {
        let info = node.info.get();
        if !info.exists || !info.inactive_table {
            return Ok(());
        }
        let deps = self.driver.deps(node.number(), true).inspect_err(|_| {
            crate::log_error!("Failed to obtain dependencies of the inactive table of {node}.");
        })?;
        crate::log_notice!("Clearing inactive table {node}");
        node.info.set(self.driver.clear(node.number())?);

        let prefix = self.driver.uuid_prefix();
        for dev in deps.deps {
            if !self.driver.is_dm_major(dev.major) || self.by_number.borrow().contains_key(&dev) {
                continue;
            }
            let device = self.driver.info(dev, true)?;
            let info = device.info;
            if !info.exists || info.live_table || info.open_count != 0 || !device.uuid.starts_with(&prefix) {
                continue;
            }
            crate::log_notice!("Removing {} ({dev}), which only the cleared table used", device.name);
            let removed =
                self.with_cookie(|driver, cookie| driver.remove(dev, device.name.as_bstr(), false, cookie, udev_flags));
            match removed {
                Ok(()) if info.suspended => self.driver.count_resumed(),
                Ok(()) => {}
                Err(_) => crate::log_error!("Failed to remove {} ({dev}).", device.name),
            }
        }
        Ok(())
    }
}
