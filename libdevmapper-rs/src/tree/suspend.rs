//! Suspending devices, from the top down.

use super::node::{Messages, Node};
use super::{NodeId, Tree};
use crate::error::Result;
use bstr::BStr;

impl Tree {
    /// Suspends the devices below a node, level by level; a device that several others use after the last of them.
    /// A thin pool with messages gets its messages instead.
    ///
    /// An error means that at least one device failed; others may be suspended.
    pub fn suspend_children(&self, id: NodeId, prefix: Option<&BStr>) -> Result<()> {
        let mut failed = None;
        for child in self.below(id) {
            if !child.info.get().exists
                || !self.is_wanted(&child, prefix)
                || !self.all_parents_suspended(&child, prefix)
            {
                continue;
            }
            let now = self.driver.info(child.number(), false)?.info;
            if !now.exists || now.suspended {
                continue;
            }
            if child.messages.get() == Messages::Send && failed.is_none() {
                match self.send_messages(&child, prefix) {
                    Ok(()) => {
                        crate::log_debug!("Sent messages to {child} instead of suspending it and its children.");
                        child.skip_suspend.set(true);
                    }
                    Err(error) => failed = Some(error),
                }
                continue;
            }
            if let Err(error) = self.suspend(&child) {
                crate::log_error!("Unable to suspend {child}.");
                failed = Some(error);
            }
        }
        for child in self.below(id) {
            if !child.skip_suspend.get() && self.is_wanted(&child, prefix) && child.has_children() {
                self.suspend_children(child.id, prefix)?;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn all_parents_suspended(&self, node: &Node, prefix: Option<&BStr>) -> bool {
        self.above(node).iter().all(|parent| {
            let info = parent.info.get();
            !info.exists
                || info.suspended
                || parent.presuspend.get() == Some(node.id)
                || !self.is_wanted(parent, prefix)
        })
    }
}
