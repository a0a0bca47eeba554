//! Removing devices, from the top down.

use super::node::{CallbackEvent, Node};
use super::{NodeId, Tree};
use crate::error::{Error, Result};
use crate::task::Info;
use bstr::{BStr, ByteSlice};

/// Legs of a mirror may be held open by its removal, and are waited for.
const MIRROR_LEG: &str = "_mimage";

impl Tree {
    /// Removes the devices below a node. Devices further down that something else has open are left alone.
    ///
    /// An error means that at least one device failed; others may be gone.
    pub fn deactivate_children(&self, id: NodeId, prefix: Option<&BStr>) -> Result<()> {
        self.deactivate(id, prefix, 0)
    }

    fn deactivate(&self, id: NodeId, prefix: Option<&BStr>, level: usize) -> Result<()> {
        let mut failed = None;
        for child in self.below(id) {
            if !child.info.get().exists || !self.is_wanted(&child, prefix) {
                continue;
            }
            let now = self.driver.info(child.number(), true)?.info;
            if !now.exists {
                continue;
            }
            match self.take_down(&child, now, prefix, level) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            }
            if child.has_children() {
                self.deactivate(child.id, prefix, level + 1)?;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Removes one device. False: it is to be left alone, with all below it.
    fn take_down(&self, child: &Node, now: Info, prefix: Option<&BStr>, level: usize) -> Result<bool> {
        if now.open_count > 0 {
            if level > 0 && !child.name.borrow().contains_str(MIRROR_LEG) {
                return Ok(false);
            }
            self.check_open(child)?;
        }
        if let Some(presuspend) = child.presuspend.get() {
            let presuspend = self.node(presuspend);
            if self.any_parent_open(&presuspend, prefix)? {
                return if level == 0 { refuse_open(child) } else { Ok(false) };
            }
            if self.suspend_children(child.id, prefix).is_err() {
                return Ok(false);
            }
        }
        self.remove(child, self.retry_remove.get()).inspect_err(|_| {
            crate::log_error!("Unable to deactivate {child}.");
        })?;
        if now.suspended && now.live_table {
            self.driver.count_resumed();
        }
        let callback = child.callback.borrow().clone();
        if let Some(callback) = callback
            && !callback(self, child.id, CallbackEvent::Deactivated)
        {
            crate::log_debug!("Callback of deactivated {child} failed.");
        }
        Ok(true)
    }

    /// Whether it makes sense to try and remove a device that is open.
    fn check_open(&self, child: &Node) -> Result<()> {
        if !self.retry_remove.get() {
            return refuse_open(child).map(drop);
        }
        let dev = child.number();
        let why = if !self.driver.has_sysfs() {
            "in use"
        } else if self.driver.has_holders(dev) {
            "is used by another device"
        } else if self.driver.has_mounted_filesystem(dev) {
            "contains a filesystem in use"
        } else {
            return Ok(());
        };
        crate::log_error!("Device {child} {why}.");
        Err(Error::Invalid(format!("device {child} {why}")))
    }

    fn any_parent_open(&self, node: &Node, prefix: Option<&BStr>) -> Result<bool> {
        for parent in self.above(node) {
            if !parent.info.get().exists || !self.is_wanted(&parent, prefix) {
                continue;
            }
            let info = self.driver.info(parent.number(), true)?.info;
            if info.exists && info.open_count > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn refuse_open(child: &Node) -> Result<bool> {
    let text = format!("Unable to deactivate open {child}.");
    crate::log_error!("{text}");
    Err(Error::Invalid(text))
}
