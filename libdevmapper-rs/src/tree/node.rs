//! One device of a tree.

use super::driver::ReadAhead;
use super::segment::Segment;
use super::{ROOT, Tree};
use crate::error::{Error, Result};
use crate::task::{DevNo, Info};
use bstr::{BStr, BString};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Names a node of a tree; valid as long as the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub(super) usize);

impl NodeId {
    /// Position among the nodes of the tree, the root being 0.
    pub fn index(self) -> usize {
        self.0
    }
}

/// When a callback is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackEvent {
    /// All children of a device to be created have been preloaded. Answering false fails the preload.
    Preloaded,
    /// The device has been removed; its children not yet. The answer means nothing.
    Deactivated,
}

/// A function that is told about a node.
pub type Callback = Rc<dyn Fn(&Tree, NodeId, CallbackEvent) -> bool>;

/// Whether a new device must not be resumed during preload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Delay {
    /// It is resumed as soon as something stacks on it.
    #[default]
    No,
    /// It is resumed by activation.
    UntilActivation,
    /// As [`Delay::UntilActivation`], unless it is found below a new device (pvmove).
    UntilActivationOnTop,
}

/// What is to be told to a device's target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Messages {
    /// Nothing, not even that it is in the expected state.
    #[default]
    None,
    /// Nothing, but the state is checked.
    Check,
    /// Messages are waiting.
    Send,
}

pub(super) struct Node {
    pub id: NodeId,
    pub name: RefCell<BString>,
    pub uuid: BString,
    pub info: Cell<Info>,
    /// Added as a dependency, not asked for.
    pub implicit: Cell<bool>,
    pub udev_flags: Cell<u16>,
    pub uses: RefCell<Vec<NodeId>>,
    pub used_by: RefCell<Vec<NodeId>>,

    /// Round of activation: 0 first, 2 last.
    pub priority: Cell<u8>,
    pub presuspend: Cell<Option<NodeId>>,
    pub callback: RefCell<Option<Callback>>,

    pub read_only: Cell<bool>,
    /// Number wanted for a new device.
    pub wanted: Cell<Option<DevNo>>,
    pub read_ahead: Cell<ReadAhead>,
    pub new_name: RefCell<Option<BString>>,
    pub segments: RefCell<Vec<Segment>>,
    /// Segments were added since the last load.
    pub pending: Cell<bool>,
    pub size_changed: Cell<i32>,

    pub delay_if_new: Cell<Delay>,
    pub delay_if_extended: Cell<bool>,
    pub immediate_dev_node: Cell<bool>,
    pub messages: Cell<Messages>,
    /// Messages took the place of suspending; nothing below is suspended either.
    pub skip_suspend: Cell<bool>,
    /// Only type and extent of the lines decide whether a table must be loaded, and its text is secret.
    pub ignore_params: Cell<bool>,
    pub reactivate_siblings: Cell<bool>,
    /// Udev flags for when the snapshot is resumed again with its origin.
    pub saved_udev_flags: Cell<Option<u16>>,
    /// This tree created the device.
    pub created: Cell<bool>,
    /// This tree created the device and removed it again; its number may be another's by now.
    pub reverted: Cell<bool>,
}

impl Node {
    pub fn new(id: NodeId, name: BString, uuid: BString, info: Info, udev_flags: u16) -> Self {
        Self {
            id,
            name: RefCell::new(name),
            uuid,
            info: Cell::new(info),
            implicit: Cell::default(),
            udev_flags: Cell::new(udev_flags),
            uses: RefCell::default(),
            used_by: RefCell::default(),
            priority: Cell::default(),
            presuspend: Cell::default(),
            callback: RefCell::default(),
            read_only: Cell::default(),
            wanted: Cell::default(),
            read_ahead: Cell::default(),
            new_name: RefCell::default(),
            segments: RefCell::default(),
            pending: Cell::default(),
            size_changed: Cell::default(),
            delay_if_new: Cell::default(),
            delay_if_extended: Cell::default(),
            immediate_dev_node: Cell::default(),
            messages: Cell::default(),
            skip_suspend: Cell::default(),
            ignore_params: Cell::default(),
            reactivate_siblings: Cell::default(),
            saved_udev_flags: Cell::default(),
            created: Cell::default(),
            reverted: Cell::default(),
        }
    }

    /// The device number.
    pub fn number(&self) -> DevNo {
        let info = self.info.get();
        DevNo {
            major: info.major,
            minor: info.minor,
        }
    }

    /// The device number to be written into a table.
    pub fn number_for_table(&self) -> Result<DevNo> {
        let info = self.info.get();
        if self.reverted.get() || (!info.exists && info.major == 0) {
            let text = format!("Internal error: device {self} is in a table but does not exist.");
            crate::log_error!("{text}");
            return Err(Error::Invalid(text));
        }
        Ok(self.number())
    }

    /// The uuid, or nothing while the device is not known to exist.
    pub fn visible_uuid(&self) -> &BStr {
        if self.info.get().exists {
            self.uuid.as_ref()
        } else {
            BStr::new("")
        }
    }

    /// A device of another driver.
    pub fn is_foreign(&self) -> bool {
        let info = self.info.get();
        !info.exists && info.major != 0
    }

    /// Whether anything is below.
    pub fn has_children(&self) -> bool {
        self.uses.borrow().iter().any(|id| *id != ROOT)
    }

    /// Whether anything but the root is above.
    pub fn has_parents(&self) -> bool {
        self.used_by.borrow().iter().any(|id| *id != ROOT)
    }
}

/// `NAME (MAJOR:MINOR)`, as in messages.
impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name.borrow(), self.number())
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id)
            .field("name", &self.name.borrow())
            .field("uuid", &self.uuid)
            .field("info", &self.info.get())
            .field("uses", &self.uses.borrow())
            .field("used_by", &self.used_by.borrow())
            .finish_non_exhaustive()
    }
}
