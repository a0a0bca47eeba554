//! Finding nodes, and which of them a walk is about.

use super::node::Node;
use super::{NodeId, ROOT, Tree};
use crate::task::DevNo;
use bstr::{BStr, ByteSlice};

impl Tree {
    /// The node of a device number; 0:0 is the root. Devices that this tree creates are not found by number.
    pub fn find(&self, dev: DevNo) -> Option<NodeId> {
        if dev == DevNo::default() {
            return Some(ROOT);
        }
        self.by_number.borrow().get(&dev).copied()
    }

    /// The node of a uuid; the empty uuid is the root's.
    ///
    /// A device may lack one of the optional suffixes, or the library's uuid prefix, but not both.
    pub fn find_by_uuid(&self, uuid: &BStr) -> Option<NodeId> {
        if uuid.is_empty() {
            return Some(ROOT);
        }
        let by_uuid = self.by_uuid.borrow();
        let found = |id: NodeId, how: std::fmt::Arguments<'_>| {
            crate::log_activation!("Matched uuid {uuid}{how} {} in deptree.", self.node(id));
            Some(id)
        };
        if let Some(id) = by_uuid.get(uuid) {
            return found(*id, format_args!(""));
        }
        if let Some(at) = uuid.rfind_byte(b'-') {
            let (stem, suffix) = (uuid[..at].as_bstr(), uuid[at + 1..].as_bstr());
            if self.optional_suffixes.borrow().iter().any(|s| s == suffix)
                && let Some(id) = by_uuid.get(stem)
            {
                return found(*id, format_args!(" (missing suffix -{suffix})"));
            }
        }
        let prefix = self.driver.uuid_prefix();
        if let Some(rest) = uuid.strip_prefix(prefix.as_slice())
            && let Some(id) = by_uuid.get(rest.as_bstr())
        {
            return found(*id, format_args!(" (missing prefix)"));
        }
        crate::log_activation!("Not matched uuid {uuid} in deptree.");
        None
    }

    /// Whether a walk limited to uuids that begin with `prefix` is about a uuid.
    pub(super) fn matches(&self, uuid: &BStr, prefix: Option<&BStr>) -> bool {
        let Some(prefix) = prefix else {
            return true;
        };
        if uuid.starts_with(prefix) {
            return true;
        }
        // Devices that were activated before uuids had the library's prefix.
        let library = self.driver.uuid_prefix();
        prefix.len() > 4
            && !uuid.starts_with(&library)
            && prefix
                .strip_prefix(library.as_slice())
                .is_some_and(|rest| uuid.starts_with(rest))
    }

    /// Whether a walk limited to uuids that begin with `prefix` is about a node.
    pub(super) fn is_wanted(&self, node: &Node, prefix: Option<&BStr>) -> bool {
        self.matches(node.visible_uuid(), prefix)
    }

    /// Whether the uuid of any direct child begins with `prefix`.
    pub fn children_use_uuid(&self, id: NodeId, prefix: Option<&BStr>) -> bool {
        self.below(id).iter().any(|child| self.is_wanted(child, prefix))
    }
}
