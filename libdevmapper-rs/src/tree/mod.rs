//! Trees of devices: what uses what, and how to bring all of it up, change it or take it down in the right order.
//!
//! A [`Tree`] holds nodes for devices that exist ([`Tree::add_dev`]) and for devices that are to exist or to change
//! ([`Tree::add_new_dev`], then segments). Four walks act on the children of a node, normally of [`ROOT`]:
//!
//! 1. [`Tree::preload_children`] creates missing devices and loads tables, from the leaves up; what must be live for
//!    the tables above is resumed.
//! 2. [`Tree::suspend_children`] suspends, from the top down.
//! 3. [`Tree::activate_children`] renames and resumes, from the leaves up.
//! 4. [`Tree::deactivate_children`] removes, from the top down.
//!
//! ```text
//!             ROOT            every node that nobody uses is a child of ROOT
//!            /    \
//!       origin    snap        links say "uses": from the user down to the used
//!            \    /  \
//!            real    cow      every node that uses nothing has ROOT as its only child
//! ```
//!
//! All methods take `&Tree`, so that a callback may use the tree that calls it. Sizes are in sectors of 512 bytes.

mod activate;
mod add;
mod area;
mod deactivate;
mod driver;
mod find;
mod links;
mod load;
mod messages;
mod node;
mod preload;
pub mod segment;
mod suspend;
mod task_driver;
#[cfg(test)]
mod tests;

pub use add::NewDev;
pub use driver::{Deps, Driver, Identity, Load, Loaded, ReadAhead};
pub use messages::ThinMessage;
pub use node::{Callback, CallbackEvent, NodeId};
pub use task_driver::TaskDriver;

use crate::error::Result;
use crate::task::{DevNo, Info};
use bstr::BString;
use node::Node;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// The node that stands for no device: above all that nobody uses.
pub const ROOT: NodeId = NodeId(0);

/// Bits of the udev flags of a device, as in [`crate::udev`].
mod udev_flag {
    pub const DISABLE_SUBSYSTEM_RULES: u16 = 0x02;
    pub const DISABLE_DISK_RULES: u16 = 0x04;
    pub const DISABLE_OTHER_RULES: u16 = 0x08;
    pub const SUBSYSTEM_0: u16 = 0x0100;
}

/// Devices and what they use.
pub struct Tree {
    driver: Rc<dyn Driver>,
    nodes: RefCell<Vec<Rc<Node>>>,
    by_number: RefCell<HashMap<DevNo, NodeId>>,
    by_uuid: RefCell<HashMap<BString, NodeId>>,
    optional_suffixes: RefCell<Vec<BString>>,
    skip_lockfs: Cell<bool>,
    no_flush: Cell<bool>,
    retry_remove: Cell<bool>,
    cookie: Cell<u32>,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("nodes", &self.nodes.borrow())
            .finish_non_exhaustive()
    }
}

impl Tree {
    /// An empty tree that acts through `driver`.
    pub fn new(driver: Rc<dyn Driver>) -> Self {
        let root = Rc::new(Node::new(
            ROOT,
            BString::default(),
            BString::default(),
            Info::default(),
            0,
        ));
        Self {
            driver,
            nodes: RefCell::new(vec![root]),
            by_number: RefCell::default(),
            by_uuid: RefCell::default(),
            optional_suffixes: RefCell::default(),
            skip_lockfs: Cell::default(),
            no_flush: Cell::default(),
            retry_remove: Cell::default(),
            cookie: Cell::default(),
        }
    }

    /// The node with this id. Ids come from this tree only, so there always is one.
    fn node(&self, id: NodeId) -> Rc<Node> {
        Rc::clone(&self.nodes.borrow()[id.0])
    }

    /// Number of nodes, the root included; ids are below it.
    pub fn len(&self) -> usize {
        self.nodes.borrow().len()
    }

    /// Whether there is no device.
    pub fn is_empty(&self) -> bool {
        self.len() == 1
    }

    /// The device's name; empty while it is not known to exist.
    pub fn name(&self, id: NodeId) -> BString {
        let node = self.node(id);

        if node.info.get().exists {
            node.name.borrow().clone()
        } else {
            BString::default()
        }
    }

    /// The device's uuid; empty while it is not known to exist.
    pub fn uuid(&self, id: NodeId) -> BString {
        self.node(id).visible_uuid().into()
    }

    /// What was last heard about the device.
    pub fn info(&self, id: NodeId) -> Info {
        self.node(id).info.get()
    }

    /// How the last table load changed the device's size: 1 grown (also from nothing), -1 shrunk, 0 not, or not to be
    /// acted on before activation.
    pub fn size_changed(&self, id: NodeId) -> i32 {
        self.node(id).size_changed.get()
    }

    /// Replaces the udev flags of a device.
    pub fn set_udev_flags(&self, id: NodeId, flags: u16) {
        let node = self.node(id);
        let old = node.udev_flags.replace(flags);
        if old != flags {
            crate::log_debug!("Resetting udev_flags 0x{old:x} to 0x{flags:x} for {node}.");
        }
    }

    /// Sets the read-ahead that resuming the device applies.
    pub fn set_read_ahead(&self, id: NodeId, read_ahead: ReadAhead) {
        self.node(id).read_ahead.set(read_ahead);
    }

    /// Names a child of the device that is suspended before the device is removed.
    pub fn set_presuspend_node(&self, id: NodeId, presuspend: Option<NodeId>) {
        self.node(id).presuspend.set(presuspend);
    }

    /// Sets what is called when the device's children have been preloaded, and when it has been removed.
    pub fn set_callback(&self, id: NodeId, callback: Option<Callback>) {
        *self.node(id).callback.borrow_mut() = callback;
    }

    /// Suspends without freezing filesystems.
    pub fn skip_lockfs(&self) {
        self.skip_lockfs.set(true);
    }

    /// Suspends without flushing what targets queue.
    pub fn use_no_flush_suspend(&self) {
        self.no_flush.set(true);
    }

    /// Tries removals again while a device is open.
    pub fn retry_remove(&self) {
        self.retry_remove.set(true);
    }

    /// Sets the udev cookie that all of the tree's requests share; 0 makes the next request create one.
    pub fn set_cookie(&self, cookie: u32) {
        self.cookie.set(cookie);
    }

    /// The udev cookie to be waited for.
    pub fn cookie(&self) -> u32 {
        self.cookie.get()
    }

    /// Suffixes (the text behind the last `-`) that [`Tree::find_by_uuid`] may ignore.
    pub fn set_optional_uuid_suffixes(&self, suffixes: Vec<BString>) {
        *self.optional_suffixes.borrow_mut() = suffixes;
    }

    /// Runs a request that takes the tree's cookie.
    fn with_cookie<T>(&self, request: impl FnOnce(&dyn Driver, &mut u32) -> Result<T>) -> Result<T> {
        let mut cookie = self.cookie.get();
        let result = request(&*self.driver, &mut cookie);
        self.cookie.set(cookie);
        result
    }

    /// Waits until udev has dealt with all that was done so far.
    fn wait_for_udev(&self) {
        self.driver.wait_for_udev(self.cookie.replace(0));
    }

    /// Resumes a device and notes its new state.
    fn resume(&self, node: &Node, udev_flags: u16) -> Result<()> {
        crate::log_notice!("Resuming {node}.");
        let before = node.info.get();
        let name = node.name.borrow().clone();
        let info = self.with_cookie(|driver, cookie| {
            driver.resume(node.number(), name.as_ref(), node.read_ahead.get(), cookie, udev_flags)
        })?;
        node.info.set(info);
        if before.suspended {
            self.driver.count_resumed();
        }
        Ok(())
    }

    /// Suspends a device and notes its new state.
    fn suspend(&self, node: &Node) -> Result<()> {
        crate::log_notice!(
            "Suspending {node}{}{}",
            if self.skip_lockfs.get() {
                ""
            } else {
                " with filesystem sync"
            },
            if self.no_flush.get() { "" } else { " with device flush" }
        );
        let info = self
            .driver
            .suspend(node.number(), self.skip_lockfs.get(), self.no_flush.get())?;
        self.driver.count_suspended();
        node.info.set(info);
        Ok(())
    }

    /// Removes a device. What is known about it stays as it was.
    fn remove(&self, node: &Node, retry: bool) -> Result<()> {
        crate::log_notice!("Removing {node}");
        let name = node.name.borrow().clone();
        self.with_cookie(|driver, cookie| {
            driver.remove(node.number(), name.as_ref(), retry, cookie, node.udev_flags.get())
        })
    }
}
