//! The control plane: the registry of devices and the answers to `struct dm_ioctl` requests.
//!
//! ```text
//! request(command, buffer) ---> Done(result)            reply is in the buffer
//!                          \--> Wait(ticket, what)      the host does or awaits `what` without the control lock, then calls
//! proceed(ticket, result, buffer)                       and looks again; or, when the client gives up,
//! cancel(ticket, buffer)                                and looks again (an undo may be needed)
//! ```
//!
//! The buffer is the client's whole buffer, the same one at each step of a request. The command is the number without the
//! ioctl encoding. Flags, error numbers, truncation and reply bytes are those of Linux 6.12 (interface 4.48.0), seen from
//! outside; where we differ on purpose, the place says so.
//!
//! Requests on one device may overlap: while one suspends or resumes a device, the others go on, but further suspends,
//! resumes and removes of that device wait for it.
//!
//! # Surviving the host's death
//! [`Control::export`] gives the whole state, [`Control::import`] takes it up again. A host that wants that saves the
//! export whenever [`Control::revision`] changed before it answers a request, and when [`Awaited::Save`] asks for it:
//! then I/O goes through another table afterwards, and a host that came back with the old one would mix up sectors.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use dm_abi::errno::Errno;
use dm_abi::ioctl::Command;

use crate::host::{Component, DevNo, DeviceId, Host, SharedTable};

mod call;
mod devices;
mod registry;
mod remove;
mod state;
mod suspend;
mod tables;
#[cfg(test)]
mod tests;

use call::Pending;
use registry::Registry;

pub use state::{Broken, ImportError};

/// The most mapped devices that a control plane holds, unless set otherwise.
pub const MAX_DEVICES: usize = 1 << 16;

/// The longest chain of mapped devices on each other: hosts may recurse along it.
pub const MAX_DEPTH: usize = 32;

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The host freezes the filesystem on the device (suspend without SKIP_LOCKFS), if there is one.
    Freeze(DeviceId),
    /// The host thaws what it froze, if it froze something.
    Thaw(DeviceId),
    /// [`crate::volume::Volume::is_drained`]; proceeding earlier does no harm.
    Drained(DeviceId),
    /// The host stores the exported state so that it outlives the host: afterwards I/O goes through a new table.
    /// A host that does not do that proceeds with `Ok`; with an error the device goes on with its old table.
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
    /// It is complete. On success this many bytes at the start of the buffer are for the client. On failure only the
    /// version (12 bytes) was written, except that a request with SECURE_DATA had its whole buffer wiped.
    Done(Result<usize, Errno>),
    /// It waits.
    Wait(Ticket, Awaited),
}

/// The registry of devices, and the requests that wait.
#[derive(Debug)]
pub struct Control<H: Host> {
    host: H,
    registry: Registry<H::Component>,
    pending: BTreeMap<u64, Pending<H::Component>>,
    next_ticket: u64,
    events: u64,
    revision: u64,
    max_devices: usize,
    /// Tables that are not used any more, but whose machines still write, and the devices that had them.
    retiring: Vec<(DeviceId, SharedTable<H::Component>)>,
}

impl<H: Host> Control<H> {
    /// A control plane without devices.
    #[must_use]
    pub fn new(host: H) -> Self {
        Self {
            host,
            registry: Registry::default(),
            pending: BTreeMap::new(),
            next_ticket: 0,
            events: 0,
            revision: 0,
            max_devices: MAX_DEVICES,
            retiring: Vec::new(),
        }
    }

    /// Sets the most devices that may exist; creating more gives EBUSY.
    #[must_use]
    pub fn with_max_devices(mut self, max_devices: usize) -> Self {
        self.max_devices = max_devices;
        self
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &H {
        &self.host
    }

    /// The host.
    pub fn host_mut(&mut self) -> &mut H {
        &mut self.host
    }

    /// Takes a new request. `command` is the number without the ioctl encoding.
    pub fn request(&mut self, command: u32, buffer: &mut [u8]) -> Outcome {
        self.reap();
        match call::Call::begin(command, buffer) {
            Ok(None) => Outcome::Done(Ok(call::VERSION_SIZE)),
            Ok(Some(call)) => self.run(call, None, buffer),
            Err(errno) => Outcome::Done(Err(errno)),
        }
    }

    /// Goes on with a request that waited; `result` says how the host got on with what it had to do.
    pub fn proceed(&mut self, ticket: Ticket, result: Result<(), Errno>, buffer: &mut [u8]) -> Outcome {
        self.reap();
        match self.pending.remove(&ticket.0) {
            None => Outcome::Done(Err(Errno::EINVAL)),
            Some(pending) => self.go_on(ticket, pending, result, buffer),
        }
    }

    /// The client gave up: undoes the request as far as it can be undone, and ends it with EINTR.
    ///
    /// A request that waits for [`Awaited::Save`] or [`Awaited::Thaw`] cannot be interrupted: it goes on waiting.
    pub fn cancel(&mut self, ticket: Ticket, buffer: &mut [u8]) -> Outcome {
        match self.pending.remove(&ticket.0) {
            None => Outcome::Done(Err(Errno::EINVAL)),
            Some(pending) => self.give_up(ticket, pending, buffer),
        }
    }

    /// Nobody outside the engine has the device open any more (see [`Host::watch_close`]).
    pub fn closed(&mut self, id: DeviceId) {
        self.remove_deferred(id);
    }

    /// A target raised an event.
    pub fn event(&mut self, id: DeviceId) {
        if let Some(device) = self.registry.get_mut(id) {
            device.event_nr = device.event_nr.wrapping_add(1);
            self.happened();
        }
    }

    /// Counts the events on all devices. A client that armed its control descriptor ([`Command::DevArmPoll`] done)
    /// finds it readable once this has changed since.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Changes whenever the exported state does.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether a table still reads what it must before it shows its status: only after [`Control::import`], since a load
    /// waits for that. [`crate::machine::Action::Settled`] tells when to ask again.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        self.registry
            .all()
            .flat_map(|(_, device)| [&device.live, &device.inactive])
            .flatten()
            .any(|table| table.loaded().is_none())
    }

    /// The identities and names of all devices, in the order of names.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, &[u8])> {
        self.registry.by_name()
    }

    /// The numbers of the components of a device's tables, live or not; some may come more than once.
    pub fn components(&self, id: DeviceId) -> impl Iterator<Item = DevNo> {
        let tables = self.registry.get(id).into_iter().flat_map(registry::Device::tables);
        tables.flat_map(|table| table.components().iter().map(Component::dev))
    }

    /// Number of devices that are suspended.
    #[must_use]
    pub fn suspended(&self) -> usize {
        self.registry.all().filter(|(_, device)| device.suspended).count()
    }

    /// An event that all waiters are to see.
    fn happened(&mut self) {
        self.events = self.events.wrapping_add(1);
        self.touched();
        self.host.changed();
    }

    /// What machines of targets are has changed, see [`crate::machine::Action::Changed`].
    pub fn machine_changed(&mut self) {
        self.touched();
    }

    /// The exported state changed.
    fn touched(&mut self) {
        self.revision = self.revision.wrapping_add(1);
    }

    fn dispatch(&mut self, call: &mut call::Call, buffer: &mut [u8]) -> call::Step<H::Component> {
        let done = match call.command {
            Command::DevSuspend => return self.suspend_or_resume(call),
            Command::DevWait => return self.wait(call, buffer),
            Command::DevRemove => return self.remove(call),
            Command::Version => Ok(()),
            Command::RemoveAll => self.remove_all(call),
            Command::ListDevices => self.list(call, buffer),
            Command::DevCreate => self.create(call),
            Command::DevRename => self.rename(call, buffer),
            Command::DevStatus => self.info(call),
            Command::TableLoad => return self.load(call, buffer),
            Command::TableClear => self.clear(call),
            Command::TableDeps => self.deps(call, buffer),
            Command::TableStatus => self.status(call, buffer),
            Command::ListVersions => self.versions(call, buffer),
            Command::TargetMsg => self.message(call, buffer),
            Command::DevSetGeometry => self.set_geometry(call, buffer),
            Command::DevArmPoll => Ok(()),
            Command::GetTargetVersion => self.target_version(call, buffer),
        };
        call::Step::Done(done)
    }
}
