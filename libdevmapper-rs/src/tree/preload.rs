//! Creating devices and loading tables, from the leaves up.

use super::node::{CallbackEvent, Delay, Messages, Node};
use super::{NodeId, ROOT, Tree};
use crate::error::{Error, Result};
use bstr::BStr;

impl Tree {
    /// Creates the devices below a node that do not exist, and loads tables where segments were added. Devices that
    /// others stack on are resumed when they are new or have grown.
    ///
    /// When a device fails, what this tree created below the same node is removed, and the result is an error; other
    /// branches may have succeeded. The tree should be dropped then.
    pub fn preload_children(&self, id: NodeId, prefix: Option<&BStr>) -> Result<()> {
        let parent = self.node(id);
        let mut failed = None;
        let mut created = false;
        let mut need_nodes = false;

        for child in self.below(id) {
            if child.delay_if_new.get() == Delay::UntilActivationOnTop && id != ROOT && !parent.info.get().exists {
                child.delay_if_new.set(Delay::No);
            }
            if child.is_foreign() && !child.reverted.get() {
                continue;
            }
            if child.info.get().exists && !self.is_wanted(&child, prefix) {
                continue;
            }
            if child.has_children() {
                self.preload_children(child.id, prefix)?;
            }
            if child.reverted.get() {
                let text = format!("Internal error: {child} was removed by a failed preload of the same tree.");
                crate::log_error!("{text}");
                return Err(Error::Invalid(text));
            }
            if !child.info.get().exists {
                self.create(&child)?;
                created = true;
            }
            if child.delay_if_extended.get() {
                // What is stacked on it must not grow before it does.
                parent.delay_if_extended.set(true);
            }
            match self.load_and_resume(&child, prefix, created) {
                Ok(resumed) => need_nodes |= resumed && child.immediate_dev_node.get(),
                Err(error) => {
                    self.wait_for_udev();
                    self.revert(&parent);
                    failed = Some(error);
                }
            }
        }

        let is_new = !parent.info.get().exists;
        let callback = parent.callback.borrow().clone().filter(|_| is_new && failed.is_none());
        if need_nodes || callback.is_some() {
            self.wait_for_udev();
        }
        if let Some(callback) = callback
            && !callback(self, id, CallbackEvent::Preloaded)
        {
            self.revert(&parent);
            return Err(Error::Invalid(format!("callback of {parent} failed")));
        }
        failed.map_or(Ok(()), Err)
    }

    fn create(&self, node: &Node) -> Result<()> {
        let name = node.name.borrow().clone();
        crate::log_notice!("Creating {name}");
        let info = self.driver.create(
            name.as_ref(),
            node.uuid.as_ref(),
            node.wanted.get(),
            node.read_only.get(),
        )?;
        node.info.set(info);
        node.created.set(true);
        Ok(())
    }

    /// Loads the table if there is one to load, and resumes the device if others need it now. Says whether it did.
    fn load_and_resume(&self, child: &Node, prefix: Option<&BStr>, created: bool) -> Result<bool> {
        if child.pending.get() && !child.info.get().inactive_table {
            self.load(child)?;
        }
        if !child.has_parents() || child.size_changed.get() <= 0 {
            return Ok(false);
        }
        let info = child.info.get();
        if !info.inactive_table && !info.suspended {
            return Ok(false);
        }
        self.resume(child, child.udev_flags.get()).inspect_err(|_| {
            crate::log_error!("Unable to resume {child}.");
        })?;
        if created && child.messages.get() != Messages::None {
            self.check_messages(child, prefix)?;
        }
        Ok(true)
    }

    /// Removes what this tree created below a node. Ends with the first removal that fails.
    fn revert(&self, parent: &Node) -> bool {
        for child in self.below(parent.id) {
            if child.created.get() {
                crate::log_debug!("Reverting {child}.");
                *child.callback.borrow_mut() = None;
                if self.remove(&child, false).is_err() {
                    crate::log_error!("Unable to deactivate {child}.");
                    return false;
                }
                child.created.set(false);
                // Its number may belong to another device from now on: nothing may be done by it.
                child.reverted.set(true);
                let mut info = child.info.get();
                (info.exists, info.suspended, info.live_table, info.inactive_table) = (false, false, false, false);
                child.info.set(info);
            }
            if child.has_children() && !self.revert(&child) {
                return false;
            }
        }
        true
    }
}
