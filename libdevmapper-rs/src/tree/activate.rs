//! Renaming and resuming devices, from the leaves up.

use super::node::{Messages, Node};
use super::{NodeId, Tree};
use crate::error::{Error, Result};
use bstr::BStr;
use std::rc::Rc;

/// Rounds of activation: most devices, then origins of snapshots, then snapshots that merge.
const PRIORITIES: std::ops::RangeInclusive<u8> = 0..=2;

impl Tree {
    /// Gives devices below a node their new names and resumes those that have an inactive table or are suspended.
    ///
    /// An error means that at least one device failed; others may be live. Wait for [`Tree::cookie`] afterwards.
    pub fn activate_children(&self, id: NodeId, prefix: Option<&BStr>) -> Result<()> {
        let children = self.below(id);
        for child in &children {
            if self.is_wanted(child, prefix) && child.has_children() {
                self.activate_children(child.id, prefix)?;
            }
        }
        let mut failed = None;
        for priority in PRIORITIES {
            let round: Vec<_> = children
                .iter()
                .filter(|child| child.priority.get() == priority)
                .collect();
            let mut waiting = self.activate_round(&children, &round, prefix, &mut failed)?;
            while waiting > 0 {
                let still = self.activate_round(&children, &round, prefix, &mut failed)?;
                if still == waiting {
                    // Names that are to be swapped: the driver could not do it either.
                    let text = format!("Failed to rename {still} devices: each waits for the name of another.");
                    crate::log_error!("{text}");
                    return Err(Error::Invalid(text));
                }
                waiting = still;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Activates the devices of one round. Returns how many wait for a name that another device still has.
    fn activate_round(
        &self,
        siblings: &[Rc<Node>],
        round: &[&Rc<Node>],
        prefix: Option<&BStr>,
        failed: &mut Option<Error>,
    ) -> Result<usize> {
        let mut waiting = 0;
        for child in round {
            if !self.is_wanted(child, prefix) {
                continue;
            }
            if !self.rename(child, siblings)? {
                waiting += 1;
                continue;
            }
            let info = child.info.get();
            if !info.inactive_table && !info.suspended {
                child.created.set(false);
                continue;
            }
            if let Err(error) = self.resume(child, child.udev_flags.get()) {
                crate::log_error!("Unable to resume {child}.");
                *failed = Some(error);
                continue;
            }
            // From here on the device is in use; a later preload that fails does not take it back.
            child.created.set(false);
            if failed.is_none()
                && child.messages.get() == Messages::Send
                && let Err(error) = self.send_messages(child, prefix)
            {
                *failed = Some(error);
            }
            if failed.is_none()
                && child.reactivate_siblings.get()
                && let Err(error) = self.reactivate(siblings, prefix)
            {
                *failed = Some(error);
            }
        }
        Ok(waiting)
    }

    /// Carries out a pending rename. False: another device must give the name away first.
    fn rename(&self, child: &Node, siblings: &[Rc<Node>]) -> Result<bool> {
        let Some(new) = child.new_name.borrow().clone() else {
            return Ok(true);
        };
        if !child.info.get().exists {
            // A new device is created under its first name; there is nothing to rename.
            return Ok(true);
        }
        let is_taken = siblings
            .iter()
            .any(|other| other.id != child.id && *other.name.borrow() == new && other.new_name.borrow().is_some());
        if is_taken {
            return Ok(false);
        }
        let old = child.name.borrow().clone();
        crate::log_notice!("Renaming {child} to {new}");
        self.with_cookie(|driver, cookie| driver.rename(old.as_ref(), new.as_ref(), cookie, child.udev_flags.get()))
            .inspect_err(|_| crate::log_error!("Failed to rename {child} to {new}"))?;
        *child.name.borrow_mut() = new;
        *child.new_name.borrow_mut() = None;
        Ok(true)
    }

    /// Suspends and resumes what was activated beside a new origin, so that udev looks at it again now that the origin
    /// is there.
    fn reactivate(&self, siblings: &[Rc<Node>], prefix: Option<&BStr>) -> Result<()> {
        self.wait_for_udev();
        let mut failed = None;
        for sibling in siblings {
            if sibling.reactivate_siblings.replace(false) {
                continue;
            }
            if !sibling.info.get().live_table || !self.is_wanted(sibling, prefix) {
                continue;
            }
            if let Err(error) = self.suspend(sibling) {
                crate::log_error!("Unable to suspend {sibling}.");
                failed = Some(error);
                continue;
            }
            let flags = sibling.saved_udev_flags.get().unwrap_or(sibling.udev_flags.get());
            if let Err(error) = self.resume(sibling, flags) {
                crate::log_error!("Failed to resume {sibling}.");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
