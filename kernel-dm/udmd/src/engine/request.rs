//! What is known about a request while it is under way.

use std::sync::Arc;

use dm_abi::errno::Errno;
use dm_core::host::SharedTable;
use dm_core::io::{Bio, Piece};

use super::Mapped;
use super::own::Own;
use crate::buffer::Buffer;
use crate::component::Handle;
use crate::present::{Channel, Token};

/// A request to one mapped device: one that came in from outside, or a piece of one for a device beneath another.
pub struct Frame {
    pub origin: Origin,
    /// The frame that came in from outside; its buffer holds the data.
    pub root: usize,
    /// Where this frame's data begin in the buffer, in bytes.
    pub data: usize,
    pub device: Arc<Mapped>,
    pub bio: Bio,
    /// Zeroes may be made by giving up storage.
    pub unmap: bool,
    /// The table it goes through, once it has passed the gate.
    pub table: Option<SharedTable<Handle>>,
    /// Of a root: the data.
    pub buffer: Option<Buffer>,
    /// Pieces that are not complete.
    pub pending: usize,
    pub error: Option<Errno>,
    /// It is to be done once more, see [`dm_core::io::Verb::Again`].
    pub again: bool,
}

impl Frame {
    /// A frame that has not passed the gate, has no buffer and no pieces.
    pub fn new(origin: Origin, root: usize, data: usize, device: Arc<Mapped>, bio: Bio, unmap: bool) -> Self {
        Self {
            origin,
            root,
            data,
            device,
            bio,
            unmap,
            table: None,
            buffer: None,
            pending: 0,
            error: None,
            again: false,
        }
    }

    /// A frame for one piece of this one, with its data and table, whose end goes elsewhere.
    pub fn for_piece(&self, origin: Origin) -> Self {
        Self {
            table: self.table.clone(),
            pending: 1,
            ..Self::new(origin, self.root, self.data, self.device.clone(), self.bio, self.unmap)
        }
    }
}

/// Where the result of a frame goes.
pub enum Origin {
    /// To the outside.
    Channel { channel: Arc<dyn Channel>, token: Token },
    /// To the frame above, of which it is this piece.
    Frame(usize, Piece),
    /// To the frame above, of which it is a piece that a machine let go; and to the machine.
    Reported(usize, Own),
    /// To a machine, which holds a piece of the frame above: it is that piece at a component.
    Sent(usize, Own),
    /// To a machine, whose own I/O it is.
    Machine(Own),
    /// To the frame above, of which it is a piece whose data change on their way; sectors that are written of it.
    Transformed { above: usize, piece: Piece, done: u64 },
    /// It has arrived.
    Gone,
}

/// A request to a component.
pub struct Job {
    pub frame: usize,
    pub piece: Piece,
    pub work: Work,
    pub component: Handle,
    /// Where it begins on the component, in bytes.
    pub position: u64,
    pub len: u64,
    /// What is done of it, in bytes.
    pub done: u64,
    /// Where its data begin in the root's buffer, in bytes.
    pub data: usize,
    /// Of a read: a byte in the root's buffer to change afterwards, and its value.
    pub corrupt: Option<(usize, u8)>,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Read,
    Write { durable: bool },
    Flush,
    Zero { unmap: bool },
}

/// Something to do at a later time.
pub struct Delayed {
    /// Whose piece it is.
    pub frame: usize,
    pub piece: Piece,
}
