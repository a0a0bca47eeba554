//! What the engine needs of the place it runs in.

use alloc::sync::Arc;
use alloc::vec::Vec;

use dm_abi::errno::Errno;

use crate::cipher;
use crate::machine::{Action, SharedMachine, Wanted};
use crate::table::{Table, TableError};
use crate::volume::Volume;

/// A block device number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevNo {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// Identity of a mapped device inside the engine; never used again after the device is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u64);

/// How a table line names a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevSpec<'a> {
    /// `major:minor`.
    Number(DevNo),
    /// A path, as written.
    Path(&'a [u8]),
}

/// An open component and its properties. Dropping the last clone closes it, so the host's handle must close on drop.
#[derive(Clone, Debug)]
pub struct Opened<C> {
    /// The host's handle.
    pub handle: C,
    /// Its number, as table lines print it.
    pub dev: DevNo,
    /// Its size in sectors.
    pub sectors: u64,
    /// Its logical block size in bytes.
    pub logical_block_size: u32,
    /// Whether it accepts discards.
    pub discard: bool,
}

/// What a host tells the block layer about a device when a table becomes live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size in sectors.
    pub sectors: u64,
    /// Refuses writes.
    pub read_only: bool,
    /// Largest logical block size of the components, in bytes; at least 512.
    pub logical_block_size: u32,
    /// All components accept discards.
    pub discard: bool,
}

/// The services of a host. Control calls them with the control lock held; none may call back into control.
pub trait Host: Sized {
    /// Whether it keeps machines: without them, the target types that need one are not there.
    const MACHINES: bool = false;

    /// AES for target crypt: the host's own, or the engine's.
    const CIPHER: cipher::New = cipher::new;

    /// Handle of an open component that is not one of the engine's own devices.
    type Component: Clone + Send + Sync + 'static;

    /// Opens a component, or resolves the name of one of the engine's own devices (see [`Found`]).
    ///
    /// # Errors
    /// Those of Linux: ENXIO for a number without a device, ENOENT for a missing path, ENOTBLK for a path to something
    /// else, EBUSY, EACCES for a write to a read-only device.
    fn open(&mut self, spec: DevSpec<'_>, read_only: bool) -> Result<Found<Self::Component>, Errno>;

    /// Opens a component of a table that was in use when the engine's state was exported. A host may answer with a handle
    /// that fails every request when the device is gone, as it would if the device had gone under a running engine.
    ///
    /// # Errors
    /// As of [`Host::open`]; the device that needs the component then comes back suspended, and without this table.
    fn reopen(&mut self, dev: DevNo, read_only: bool) -> Result<Found<Self::Component>, Errno> {
        self.open(DevSpec::Number(dev), read_only)
    }

    /// Creates the block device of `id`, of size 0 and not yet readable, and its [`Volume`].
    /// `minor` is what the client asked for, if it did.
    ///
    /// # Errors
    /// ENXIO when the wanted minor is in use; EBUSY, ENOMEM, ENOSPC when no device can be made.
    fn create(&mut self, id: DeviceId, minor: Option<u32>) -> Result<DevNo, Errno>;

    /// Takes over the block device `dev` of a device that was exported, and makes its [`Volume`] with the gate CLOSED:
    /// control puts the table in and opens the gate when the whole state is back.
    ///
    /// # Errors
    /// Any: the device is gone, and is left out of the new state.
    fn adopt(&mut self, adopted: &Adopted<'_>) -> Result<(), Errno>;

    /// Removes the block device of `id` and drops its [`Volume`].
    ///
    /// # Errors
    /// EBUSY when somebody has it open; then nothing has changed.
    fn remove(&mut self, id: DeviceId) -> Result<(), Errno>;

    /// Number of opens of the device from outside the engine. `wanted` is false when the client said that it does not care
    /// (flag SKIP_BDGET): a host where counting is dear may then answer 0.
    fn open_count(&mut self, id: DeviceId, wanted: bool) -> u32;

    /// From now on (or no longer) the host calls [`crate::control::Control::closed`] when nobody has the device open any
    /// more: it is to be removed then.
    fn watch_close(&mut self, id: DeviceId, on: bool);

    /// The device's name changed (also called once after creation).
    fn named(&mut self, id: DeviceId, name: &[u8]);

    /// A table became live, or size or access changed; `None` when the live table went away.
    /// The gate is closed meanwhile, so the host must not wait for I/O of this device.
    ///
    /// # Errors
    /// Whatever keeps the host from presenting it; the resume then fails and the old table stays live.
    fn configure(&mut self, id: DeviceId, limits: Option<Limits>) -> Result<(), Errno>;

    /// Runs `f` on the data path of `id` under its lock. When `f` opened the gate, the host afterwards submits again
    /// what it held. When `f` closed it, the host starts at once the work of delayed pieces.
    fn volume<R>(&mut self, id: DeviceId, f: impl FnOnce(&mut Volume<Self::Component>) -> R) -> R;

    /// Milliseconds of a clock that never goes back.
    fn now_ms(&self) -> u64;

    /// An event happened on some device, or a device came, went, changed its name, or is free for the next request:
    /// waiters for [`crate::control::Awaited::Changed`] are to proceed with their tickets, and those who poll look at
    /// [`crate::control::Control::events`].
    fn changed(&mut self);

    /// Tells the rest of the system about a device, with the cookie that the request carried, and says whether there is
    /// somebody to listen. Only then the reply has UEVENT_GENERATED, and libdevmapper waits until the listener (udev) has
    /// completed the cookie; otherwise it completes it itself.
    fn uevent(&mut self, id: DeviceId, event: Uevent, cookie: u32) -> bool {
        let _ = (id, event, cookie);
        false
    }

    /// The machine that a segment wants (see [`crate::machine::Machines`]); `None` if it keeps none.
    fn machine(&mut self, wanted: Wanted<Self::Component>) -> Option<SharedMachine<Self::Component>> {
        let _ = wanted;
        None
    }

    /// Begins to perform actions of a machine; does not wait for them.
    fn perform(&mut self, machine: &SharedMachine<Self::Component>, actions: Vec<Action<Self::Component>>) {
        let _ = (machine, actions);
    }

    /// A table was refused; for the host's log.
    fn refused(&mut self, id: DeviceId, name: &[u8], error: &TableError) {
        let _ = (id, name, error);
    }
}

/// What [`Host::uevent`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uevent {
    /// The device was resumed, or has a new table.
    Change,
    /// It has a new name or UUID.
    Rename,
    /// It is gone.
    Remove,
}

/// A device that a host takes over, see [`Host::adopt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted<'a> {
    /// Its identity, as before.
    pub id: DeviceId,
    /// Its number, as before.
    pub dev: DevNo,
    /// Its name.
    pub name: &'a [u8],
    /// Its UUID, perhaps empty.
    pub uuid: &'a [u8],
    /// What [`Host::configure`] was last told.
    pub limits: Option<Limits>,
    /// It is suspended with its filesystem frozen. Otherwise the host thaws what a broken-off suspend has frozen.
    pub frozen: bool,
    /// [`Host::watch_close`] is on.
    pub watch_close: bool,
}

/// The answer of [`Host::open`].
#[derive(Clone, Debug)]
pub enum Found<C> {
    /// A device of the host, now open.
    Host(Opened<C>),
    /// One of the engine's own devices.
    Mapped(DeviceId),
}

/// A component of a table, as the data path sees it.
#[derive(Clone, Debug)]
pub enum Component<C> {
    /// A device of the host.
    Host(Opened<C>),
    /// Another mapped device: the host passes the piece through that device's gate and live table.
    Mapped {
        /// Which one.
        id: DeviceId,
        /// Its number, as table lines print it.
        dev: DevNo,
        /// Its size in sectors when the table was loaded.
        sectors: u64,
        /// Its logical block size in bytes ([`Limits::logical_block_size`] of its live table, else 512).
        logical_block_size: u32,
        /// Whether it accepts discards ([`Limits::discard`] of its live table).
        discard: bool,
    },
}

/// A live table as hosts hold it during I/O.
pub type SharedTable<C> = Arc<Table<C>>;
