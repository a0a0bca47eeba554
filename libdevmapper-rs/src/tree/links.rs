//! Links between nodes.

use super::node::Node;
use super::{NodeId, ROOT, Tree};
use crate::error::{Error, Result};
use crate::task::Info;
use bstr::BString;
use std::collections::HashSet;
use std::rc::Rc;

impl Tree {
    /// Adds a node that nobody uses and that uses nothing.
    pub(super) fn new_node(&self, name: BString, uuid: BString, info: Info, udev_flags: u16) -> Rc<Node> {
        let mut nodes = self.nodes.borrow_mut();
        let id = NodeId(nodes.len());
        if !uuid.is_empty() {
            self.by_uuid.borrow_mut().insert(uuid.clone(), id);
        }
        let node = Rc::new(Node::new(id, name, uuid, info, udev_flags));
        let root = &nodes[ROOT.0];
        root.uses.borrow_mut().push(id);
        root.used_by.borrow_mut().push(id);
        node.uses.borrow_mut().push(ROOT);
        node.used_by.borrow_mut().push(ROOT);
        nodes.push(Rc::clone(&node));
        node
    }

    /// Notes that `parent` uses `child`. A node with users is no child of the root any more.
    pub(super) fn link(&self, parent: &Node, child: &Node) -> Result<()> {
        if parent.id == ROOT || child.id == ROOT {
            // The root is linked where nothing else is.
            return Ok(());
        }
        if self.is_linked(parent, child) {
            return Ok(());
        }
        if self.reaches(child, parent) {
            let text = format!("Internal error: Device {parent} would use itself through {child}.");
            crate::log_error!("{text}");
            return Err(Error::Invalid(text));
        }
        let root = self.node(ROOT);
        // The root is the only link of a node on a side, or it is not linked there.
        if child.used_by.borrow().first() == Some(&ROOT) {
            drop_link(&root, child);
        }
        if parent.uses.borrow().first() == Some(&ROOT) {
            drop_link(parent, &root);
        }
        parent.uses.borrow_mut().push(child.id);
        child.used_by.borrow_mut().push(parent.id);
        Ok(())
    }

    fn is_linked(&self, parent: &Node, child: &Node) -> bool {
        let (uses, used_by) = (parent.uses.borrow(), child.used_by.borrow());
        if uses.len() < used_by.len() {
            uses.contains(&child.id)
        } else {
            used_by.contains(&parent.id)
        }
    }

    /// Whether `to` is `from` or below it.
    fn reaches(&self, from: &Node, to: &Node) -> bool {
        if from.id == to.id {
            return true;
        }
        if !to.has_parents() {
            return false;
        }
        let mut seen = HashSet::from([ROOT]);
        let mut todo = vec![from.id];
        while let Some(id) = todo.pop() {
            if id == to.id {
                return true;
            }
            if seen.insert(id) {
                todo.extend(self.node(id).uses.borrow().iter());
            }
        }
        false
    }

    /// The devices that a device uses (its children, or the root for a leaf), in the order of linking.
    pub fn children(&self, id: NodeId) -> Vec<NodeId> {
        self.node(id).uses.borrow().clone()
    }

    /// The devices that use a device (its parents, or the root).
    pub fn parents(&self, id: NodeId) -> Vec<NodeId> {
        self.node(id).used_by.borrow().clone()
    }

    /// The `n`-th child, or parent if `inverted`.
    pub fn nth_child(&self, id: NodeId, n: usize, inverted: bool) -> Option<NodeId> {
        let node = self.node(id);
        let links = if inverted { &node.used_by } else { &node.uses };

        links.borrow().get(n).copied()
    }

    /// Number of children, or parents if `inverted`, not counting the root.
    pub fn num_children(&self, id: NodeId, inverted: bool) -> usize {
        let node = self.node(id);
        let links = if inverted { &node.used_by } else { &node.uses };

        links.borrow().iter().filter(|id| **id != ROOT).count()
    }

    /// The nodes below a node, without the root: what walkers visit.
    pub(super) fn below(&self, id: NodeId) -> Vec<Rc<Node>> {
        let nodes = self.nodes.borrow();
        let uses = nodes[id.0].uses.borrow();
        uses.iter()
            .filter(|id| **id != ROOT)
            .map(|id| Rc::clone(&nodes[id.0]))
            .collect()
    }

    /// The nodes above a node, without the root.
    pub(super) fn above(&self, node: &Node) -> Vec<Rc<Node>> {
        let nodes = self.nodes.borrow();
        let used_by = node.used_by.borrow();
        used_by
            .iter()
            .filter(|id| **id != ROOT)
            .map(|id| Rc::clone(&nodes[id.0]))
            .collect()
    }
}

fn drop_link(parent: &Node, child: &Node) {
    parent.uses.borrow_mut().retain(|id| *id != child.id);
    child.used_by.borrow_mut().retain(|id| *id != parent.id);
}
