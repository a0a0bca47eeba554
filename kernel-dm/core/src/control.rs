//! The control plane: the registry of devices and the answers to `struct dm_ioctl` requests.
//!
//! ```text
//! request(command, buffer) ---> Done(result)            reply is in the buffer
//!                          \--> Wait(ticket, what)      the host does or awaits `what` without the control lock, then calls
//! proceed(ticket, result, buffer)                       and looks again; or, when the client gives up,
//! cancel(ticket, buffer)                                and looks again (an undo may be needed)
//!
//! Control<H: Host>::new(host) / import(host, bytes) -> (Control, Vec<Broken>)
//! request(&mut self, command: u32, buffer: &mut [u8]) -> Outcome
//! proceed(&mut self, ticket: Ticket, result: Result<(), Errno>, buffer: &mut [u8]) -> Outcome
//! cancel(&mut self, ticket: Ticket, buffer: &mut [u8]) -> Outcome
//! closed(&mut self, id: DeviceId)                       nobody has it open any more (Host::watch_close)
//! event(&mut self, id: DeviceId)                        a target raised an event
//! events(&self) -> u64                                  global event counter, for ARM_POLL and poll(2)
//! export(&self) -> Vec<u8>                              the whole state
//! revision(&self) -> u64                                changes with the exported state
//! host(&self) / host_mut(&mut self)
//! ```
//!
//! The buffer is the client's whole buffer, the same one at each step of a request. The command is the number without the
//! ioctl encoding. A host that survives its own death saves [`export`](Control) whenever the revision changed before it
//! answers a request, and when it is asked to by [`Awaited::Save`].

use dm_abi::errno::Errno;

use crate::host::DeviceId;

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The host freezes the filesystem on the device (suspend without SKIP_LOCKFS), if there is one.
    Freeze(DeviceId),
    /// The host thaws what it froze (resume), if it froze something.
    Thaw(DeviceId),
    /// [`crate::volume::Volume::is_drained`]; proceeding earlier does no harm.
    Drained(DeviceId),
    /// The host stores the exported state so that it outlives the host: afterwards I/O goes through a new table.
    /// A host that does not do that proceeds with `Ok`.
    Save,
    /// Any event, see [`crate::host::Host::changed`]; proceeding earlier does no harm.
    Changed,
}

/// A request that waits. It cannot be cloned: each is proceeded with or cancelled once.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Ticket(u64);

impl Ticket {
    /// A number that tells this request from all others.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0
    }
}

/// The state of a request.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It is complete. On success the reply is in the buffer, and its length in bytes is here;
    /// on failure only the version at the start of the buffer was written.
    Done(Result<usize, Errno>),
    /// It waits.
    Wait(Ticket, Awaited),
}
