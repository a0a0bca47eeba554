//! The host: disks, mapped devices, virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use dm_abi::errno::Errno;
use dm_core::host::{Adopted, Component, DevNo, DevSpec, DeviceId, Found, Host, Limits, Opened};
use dm_core::io::Piece;
use dm_core::machine::{Action, Lock, Machine, Machines, PieceId, SharedMachine, Token, Wanted};
use dm_core::table::{Line, MachineWork, Table, TableError};
use dm_core::targets::args::Given;
use dm_core::volume::Volume;

use crate::disk::Disk;
use crate::io::{Request, RequestId, Work};

/// Major number of the mapped devices, unless set otherwise.
pub const MAJOR: u32 = 254;

/// How a host numbers its mapped devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Major number.
    pub major: u32,
    /// The lowest minor number that a device can have.
    pub first_minor: u32,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            major: MAJOR,
            first_minor: 0,
        }
    }
}

/// An open disk. The disk counts its openings by counting these.
#[derive(Clone, Debug)]
pub struct Handle(Arc<DevNo>);

impl Handle {
    /// The disk's number.
    #[must_use]
    pub fn dev(&self) -> DevNo {
        *self.0
    }
}

/// A machine behind its lock.
#[derive(Debug)]
struct Locked(Mutex<Machine<Handle>>);

impl Lock<Handle> for Locked {
    fn with(&self, f: &mut dyn FnMut(&mut Machine<Handle>)) {
        f(&mut self.0.lock().expect("no panic left it locked"));
    }
}

/// A mapped device as the host sees it.
#[derive(Debug)]
pub struct Device {
    /// Its number.
    pub dev: DevNo,
    /// Its name, as last told by control.
    pub name: Vec<u8>,
    /// What the block layer was told.
    pub limits: Option<Limits>,
    /// How many have it open, for [`Host::open_count`] and [`Host::remove`].
    pub open_count: u32,
    /// [`Host::watch_close`] is on.
    pub watch_close: bool,
    /// Number of events that targets raised.
    pub events: u64,
    pub(crate) volume: Volume<Handle>,
    /// Requests that wait for the gate.
    pub(crate) held: Vec<RequestId>,
}

impl Device {
    /// The data path.
    #[must_use]
    pub fn volume(&self) -> &Volume<Handle> {
        &self.volume
    }

    /// Number of requests that wait for the gate.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }
}

/// A test host. Nothing happens by itself: time stands still and work waits until the test lets it go on
/// (see the methods in [`crate::io`]).
#[derive(Debug, Default)]
pub struct Sim {
    disks: BTreeMap<DevNo, (Disk, Handle)>,
    paths: BTreeMap<Vec<u8>, DevNo>,
    /// Paths to things that are not block devices.
    other_paths: BTreeSet<Vec<u8>>,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    pub(crate) now_ms: u64,
    pub(crate) requests: BTreeMap<RequestId, Request>,
    pub(crate) last_request: u64,
    pub(crate) work: Vec<Work>,
    pub(crate) done: BTreeMap<RequestId, Result<Vec<u8>, Errno>>,
    refusals: Vec<String>,
    pub(crate) changes: u64,
    machines: Machines<Handle>,
    /// Pieces that machines hold.
    pub(crate) asked: BTreeMap<PieceId, (RequestId, Piece)>,
    pub(crate) last_asked: u64,
    /// Pieces that machines let go, and want to know the end of.
    pub(crate) reports: Vec<(RequestId, Piece, SharedMachine<Handle>, Token)>,
    configure_error: Option<Errno>,
    numbers: Numbers,
}

impl Sim {
    /// A machine without devices at time 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A machine without devices that numbers its mapped devices as another host does.
    #[must_use]
    pub fn with_numbers(numbers: Numbers) -> Self {
        Self {
            numbers,
            ..Self::default()
        }
    }

    /// Plugs in a disk, which `path` names too.
    pub fn add_disk(&mut self, major: u32, minor: u32, path: &str, disk: Disk) -> DevNo {
        let dev = DevNo { major, minor };
        self.disks.insert(dev, (disk, Handle(Arc::new(dev))));
        self.paths.insert(path.into(), dev);
        dev
    }

    /// Makes a path that names something else than a block device.
    pub fn add_other_path(&mut self, path: &str) {
        self.other_paths.insert(path.into());
    }

    /// A disk.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn disk(&self, dev: DevNo) -> &Disk {
        &self.disks[&dev].0
    }

    /// A disk, to be changed.
    ///
    /// # Panics
    /// When there is none.
    pub fn disk_mut(&mut self, dev: DevNo) -> &mut Disk {
        &mut self.disks.get_mut(&dev).expect("the disk exists").0
    }

    /// How many tables have a disk open.
    ///
    /// # Panics
    /// When there is no such disk.
    #[must_use]
    pub fn opens(&self, dev: DevNo) -> usize {
        Arc::strong_count(&self.disks[&dev].1.0) - 1
    }

    /// A mapped device.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(&id)
    }

    /// A mapped device, to be changed.
    pub fn device_mut(&mut self, id: DeviceId) -> Option<&mut Device> {
        self.devices.get_mut(&id)
    }

    /// The identity of the mapped device with a number.
    #[must_use]
    pub fn find(&self, dev: DevNo) -> Option<DeviceId> {
        self.devices
            .iter()
            .find(|(_, device)| device.dev == dev)
            .map(|(&id, _)| id)
    }

    /// Reasons for refusals of tables, oldest first.
    #[must_use]
    pub fn refusals(&self) -> &[String] {
        &self.refusals
    }

    /// Number of calls of [`Host::changed`].
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// From now on [`Host::configure`] fails, or no longer.
    pub fn fail_configure(&mut self, errno: Option<Errno>) {
        self.configure_error = errno;
    }

    /// Builds a table from a text of lines `START LENGTH TYPE PARAMETERS`, without the help of control.
    ///
    /// # Errors
    /// Those of [`Table::build`].
    ///
    /// # Panics
    /// When a line does not begin with two numbers and a word.
    pub fn table(&mut self, text: &str, read_only: bool) -> Result<Table<Handle>, TableError> {
        let lines = text.lines().map(|line| {
            let mut words = line.splitn(4, ' ');
            let mut number = || words.next().and_then(|word| word.parse().ok()).expect("a number");
            Line {
                start: number(),
                length: number(),
                kind: words.next().expect("a type").as_bytes(),
                params: words.next().unwrap_or("").as_bytes(),
            }
        });
        let given = Given::at(self.now_ms);
        Table::build(
            &mut |spec, read_only| {
                Ok(match self.open(spec, read_only)? {
                    Found::Host(opened) => Component::Host(opened),
                    Found::Mapped(id) => {
                        let device = &self.devices[&id];
                        let limits = device.volume.table().map(|table| table.limits());
                        Component::Mapped {
                            id,
                            dev: device.dev,
                            sectors: limits.map_or(0, |limits| limits.sectors),
                            logical_block_size: limits.map_or(512, |limits| limits.logical_block_size),
                            discard: limits.is_some_and(|limits| limits.discard),
                        }
                    }
                })
            },
            lines,
            read_only,
            given,
        )
    }

    /// Makes a table live on a device, without the help of control: closes the gate, lets what is in flight finish,
    /// swaps and opens the gate.
    ///
    /// # Errors
    /// Those of [`Sim::table`], and of its stores.
    ///
    /// # Panics
    /// When there is no such device.
    pub fn load(&mut self, id: DeviceId, text: &str) -> Result<(), TableError> {
        let table = self.prepare(text, false)?;
        self.suspend(id);
        self.put(id, table).map_err(|errno| TableError {
            errno,
            reason: "the table cannot become live".into(),
        })
    }

    /// Builds a table, and reads its stores.
    ///
    /// # Errors
    /// Those of [`Sim::table`], and of its stores.
    pub fn prepare(&mut self, text: &str, read_only: bool) -> Result<Arc<Table<Handle>>, TableError> {
        let mut table = self.table(text, read_only)?;
        let work = table.attach(&mut |wanted| self.machine(wanted))?;
        self.perform_all(work);
        self.run_until(|_| table.loaded().is_some());
        match table.loaded() {
            Some(Ok(())) => Ok(Arc::new(table)),
            read => {
                // As control does.
                self.close(&table);
                Err(TableError {
                    errno: read.expect("all work is done").expect_err("it failed"),
                    reason: "a store cannot be read".into(),
                })
            }
        }
    }

    /// Makes a table live on a suspended device, and lets go of the old one.
    ///
    /// # Errors
    /// EINVAL when a store belongs to a device that is not suspended; the device is as before then.
    ///
    /// # Panics
    /// When there is no such device.
    pub fn put(&mut self, id: DeviceId, table: Arc<Table<Handle>>) -> Result<(), Errno> {
        let work = table.resume(id, &|below| self.size(below))?;
        self.perform_all(work);
        let old = self.volume(id, |volume| {
            let old = volume.swap(Some(table));
            volume.open();
            old
        });
        self.opened(id);
        if let Some(old) = old {
            self.close(&old);
        }
        Ok(())
    }

    /// Closes the gate of a device and lets what is in flight finish.
    ///
    /// # Panics
    /// When there is no such device.
    pub fn suspend(&mut self, id: DeviceId) {
        let live = self.devices[&id].volume.table().cloned();
        self.volume(id, Volume::close);
        if let Some(live) = &live {
            let work = live.suspend();
            self.perform_all(work);
        }
        self.run_until(|sim| sim.devices[&id].volume.is_drained() && live.as_ref().is_none_or(|live| live.suspended()));
    }

    /// Opens the gate of a suspended device again.
    ///
    /// # Errors
    /// EINVAL when its store belongs to another device now.
    ///
    /// # Panics
    /// When there is no such device.
    pub fn resume(&mut self, id: DeviceId) -> Result<(), Errno> {
        if let Some(live) = self.devices[&id].volume.table().cloned() {
            let work = live.resume(id, &|below| self.size(below))?;
            self.perform_all(work);
        }
        self.volume(id, Volume::open);
        self.opened(id);
        Ok(())
    }

    /// The gate of a device was opened.
    fn opened(&mut self, id: DeviceId) {
        if let Some(live) = self.devices[&id].volume.table().cloned() {
            let work = live.opened();
            self.perform_all(work);
        }
    }

    /// Waits until nothing of a table is left.
    fn close(&mut self, table: &Table<Handle>) {
        loop {
            let mut work = Vec::new();
            let closed = table.close(&mut work);
            self.perform_all(work);
            if closed || !(self.step(0) || self.advance_to_work()) {
                return;
            }
        }
    }

    /// Removes a device with its table, when all is done.
    ///
    /// # Panics
    /// When there is no such device, or it is open.
    pub fn unload(&mut self, id: DeviceId) {
        self.suspend(id);
        let live = self.devices[&id].volume.table().cloned();
        self.remove(id).expect("nobody has it open");
        if let Some(live) = live {
            self.close(&live);
        }
    }

    fn size(&self, id: DeviceId) -> Option<u64> {
        self.devices.get(&id)?.volume.table().map(|table| table.sectors())
    }

    /// Begins to do what machines want.
    pub fn perform_all(&mut self, work: MachineWork<Handle>) {
        for (machine, actions) in work {
            self.perform_actions(&machine, actions);
        }
    }
}

impl Host for Sim {
    const MACHINES: bool = true;

    type Component = Handle;

    fn open(&mut self, spec: DevSpec<'_>, read_only: bool) -> Result<Found<Handle>, Errno> {
        let dev = match spec {
            DevSpec::Number(dev) => dev,
            DevSpec::Path(path) if self.other_paths.contains(path) => return Err(Errno::ENOTBLK),
            DevSpec::Path(path) => *self.paths.get(path).ok_or(Errno::ENOENT)?,
        };
        if dev.major == self.numbers.major {
            return self.find(dev).map(Found::Mapped).ok_or(Errno::ENXIO);
        }
        let (disk, handle) = self.disks.get(&dev).ok_or(Errno::ENXIO)?;
        if disk.is_read_only() && !read_only {
            return Err(Errno::EACCES);
        }
        Ok(Found::Host(Opened {
            handle: handle.clone(),
            dev,
            sectors: disk.sectors(),
            logical_block_size: disk.logical_block_size(),
            discard: disk.accepts_discard(),
        }))
    }

    fn create(&mut self, id: DeviceId, minor: Option<u32>) -> Result<DevNo, Errno> {
        let Numbers { major, first_minor } = self.numbers;
        let taken = |minor| self.find(DevNo { major, minor }).is_some();
        let minor = match minor {
            Some(minor) if taken(minor) || minor < first_minor => return Err(Errno::ENXIO),
            Some(minor) => minor,
            None => (first_minor..).find(|&minor| !taken(minor)).ok_or(Errno::EBUSY)?,
        };
        let dev = DevNo { major, minor };
        self.devices.insert(
            id,
            Device {
                dev,
                name: Vec::new(),
                limits: None,
                open_count: 0,
                watch_close: false,
                events: 0,
                volume: Volume::default(),
                held: Vec::new(),
            },
        );
        Ok(dev)
    }

    fn adopt(&mut self, adopted: &Adopted<'_>) -> Result<(), Errno> {
        self.create(adopted.id, Some(adopted.dev.minor))?;
        let device = self.devices.get_mut(&adopted.id).ok_or(Errno::ENXIO)?;
        device.name = adopted.name.into();
        device.limits = adopted.limits;
        device.watch_close = adopted.watch_close;
        device.volume.close();
        Ok(())
    }

    fn remove(&mut self, id: DeviceId) -> Result<(), Errno> {
        if self.devices.get(&id).is_some_and(|device| device.open_count > 0) {
            return Err(Errno::EBUSY);
        }
        if let Some(device) = self.devices.remove(&id) {
            for request in device.held {
                self.finish(request, Some(Errno::EIO));
            }
        }
        Ok(())
    }

    fn open_count(&mut self, id: DeviceId, _wanted: bool) -> u32 {
        self.devices.get(&id).map_or(0, |device| device.open_count)
    }

    fn watch_close(&mut self, id: DeviceId, on: bool) {
        if let Some(device) = self.devices.get_mut(&id) {
            device.watch_close = on;
        }
    }

    fn named(&mut self, id: DeviceId, name: &[u8]) {
        if let Some(device) = self.devices.get_mut(&id) {
            device.name = name.into();
        }
    }

    fn configure(&mut self, id: DeviceId, limits: Option<Limits>) -> Result<(), Errno> {
        if let Some(errno) = self.configure_error {
            return Err(errno);
        }
        if let Some(device) = self.devices.get_mut(&id) {
            device.limits = limits;
        }
        Ok(())
    }

    fn volume<R>(&mut self, id: DeviceId, f: impl FnOnce(&mut Volume<Handle>) -> R) -> R {
        let device = self
            .devices
            .get_mut(&id)
            .expect("control only asks for devices that it created");
        let was_closed = device.volume.is_closed();
        let result = f(&mut device.volume);
        match (was_closed, device.volume.is_closed()) {
            (true, false) => {
                for request in std::mem::take(&mut device.held) {
                    self.enter(request);
                }
            }
            (false, true) => self.hurry(id),
            _ => {}
        }
        result
    }

    fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn changed(&mut self) {
        self.changes += 1;
    }

    fn machine(&mut self, wanted: Wanted<Handle>) -> Option<SharedMachine<Handle>> {
        let lock = |machine| -> SharedMachine<Handle> { Arc::new(Locked(Mutex::new(machine))) };
        Some(self.machines.find(wanted, lock))
    }

    fn perform(&mut self, machine: &SharedMachine<Handle>, actions: Vec<Action<Handle>>) {
        self.perform_actions(machine, actions);
    }

    fn refused(&mut self, _: DeviceId, _: &[u8], error: &TableError) {
        self.refusals.push(error.reason.clone());
    }
}
