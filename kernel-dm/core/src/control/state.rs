//! The whole state as bytes, and back.
//!
//! All numbers are little-endian. A text is its length (u32) and its bytes.
//!
//! ```text
//! "dmstate\0"  magic
//! u32          version of this format: 2
//! u64          identity of the next device
//! u64          event counter
//! u32          number of devices, and for each:
//!     u64          identity
//!     u32 u32      major, minor
//!     text text    name, UUID (empty: none)
//!     u32          event number
//!     u8           bit 0 suspended, 1 frozen, 2 visible, 3 deferred remove, 4 geometry, 5 limits, 6 live, 7 inactive table
//!     u16 u8 u8 u64            geometry, if it is there: cylinders, heads, sectors, start
//!     u64 u8 u32 u8            limits, if they are there: sectors, read-only, logical block size, discard
//!     table table              live, inactive, those that are there:
//!         u8           read-only
//!         u32          number of components, and for each:
//!             u32 u32 u64 u32 u8   major, minor, sectors, logical block size, discard
//!         u32          number of lines, and for each:
//!             u64 u64 text text    start, length, target type, parameters, most as TABLE_STATUS prints them
//!             text                 what the target has become since it was loaded (not in version 1)
//! u32          CRC-32 of all bytes before
//! ```
//! What a target has become is for the target to say: the regions of a switch, the bad blocks of dust, that a log of writes
//! was begun. What targets count (phase of flakey, requests delayed) is not part of it and starts anew. The bytes have keys
//! and are wiped.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use dm_abi::errno::Errno;

use super::Control;
use super::registry::{Device, Geometry, Graph};
use crate::host::{Adopted, Component, DevNo, DevSpec, DeviceId, Found, Host, Limits, SharedTable};
use crate::secret::Secret;
use crate::table::{Line, MachineWork, Table, TableError};
use crate::targets::args::Given;
use wire::{Reader, Writer};

mod wire;

const MAGIC: &[u8; 8] = b"dmstate\0";
const FORMAT: u32 = 2;
/// The oldest format that is read.
const OLDEST: u32 = 1;

const SUSPENDED: u8 = 1 << 0;
const FROZEN: u8 = 1 << 1;
const VISIBLE: u8 = 1 << 2;
const DEFERRED: u8 = 1 << 3;
const GEOMETRY: u8 = 1 << 4;
const LIMITS: u8 = 1 << 5;
const LIVE: u8 = 1 << 6;
const INACTIVE: u8 = 1 << 7;

/// Why exported bytes cannot be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// They are not an exported state.
    Magic,
    /// They are in a later format, of this number.
    Version(u32),
    /// They were damaged or cut short.
    Checksum,
    /// They say what cannot be.
    Contents,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Magic => f.write_str("not a saved state of device-mapper"),
            ImportError::Version(version) => write!(f, "saved state of format {version}, this is for format {FORMAT}"),
            ImportError::Checksum => f.write_str("the saved state is damaged"),
            ImportError::Contents => f.write_str("the saved state contradicts itself"),
        }
    }
}

impl core::error::Error for ImportError {}

/// What did not come back of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its identity.
    pub id: DeviceId,
    /// Its name.
    pub name: Box<[u8]>,
    /// The host did not adopt it, so it is gone altogether. Otherwise it lacks a table, and if that was the live one, it is
    /// suspended so that nobody's requests fail.
    pub gone: bool,
    /// Why.
    pub error: TableError,
}

impl<H: Host> Control<H> {
    /// The whole state: devices with names, UUIDs, numbers, event numbers, flags, geometry and tables.
    ///
    /// A device that is being suspended counts as not suspended, and a table that is being made live as inactive, up to
    /// the moment when the request asks for [`super::Awaited::Save`].
    #[must_use]
    pub fn export(&self) -> Secret {
        let mut out = Writer(Secret::new());
        out.0.extend(MAGIC);
        out.u32(FORMAT);
        out.u64(self.registry.next_id());
        out.u64(self.events);
        out.count(self.registry.len());
        for (id, device) in self.registry.all() {
            out.device(id, device);
        }
        let sum = crc32fast::hash(&out.0);
        out.u32(sum);
        out.0
    }

    /// Takes up an exported state: the host adopts the devices, opens the components again, and gets the tables put into
    /// the volumes; then the gates of those that are not suspended open.
    ///
    /// # Errors
    /// When the bytes cannot be read; nothing was done then. What is wrong with single devices is in the list.
    pub fn import(mut host: H, bytes: &[u8]) -> Result<(Self, Vec<Broken>), ImportError> {
        let saved = Saved::read(bytes)?;
        let mut broken = Vec::new();
        let mut devices = saved.devices;
        devices.retain(|device| match host.adopt(&device.adopted()) {
            Ok(()) => true,
            Err(errno) => {
                let reason = "the host could not adopt it".into();
                broken.push(device.broken(true, TableError { errno, reason }));
                false
            }
        });
        let mut control = Control::new(host);
        control.events = saved.events;
        control.registry.set_next_id(saved.next_id);
        let numbers: BTreeMap<DevNo, DeviceId> = devices.iter().map(|device| (device.dev, device.id)).collect();
        for device in &devices {
            if !control.registry.insert(device.id, device.entry()) {
                return Err(ImportError::Contents);
            }
        }
        for device in &devices {
            for (saved_table, is_live) in [(&device.live, true), (&device.inactive, false)] {
                let Some(saved_table) = saved_table else { continue };
                let built = saved_table.build(&mut control.host, &numbers, device.id);
                let built = built.map(|(table, work)| {
                    control.perform(work);
                    table
                });
                match built.and_then(|table| control.put(device.id, table, is_live)) {
                    Ok(()) => {}
                    Err(error) => {
                        broken.push(device.broken(false, error));
                        if is_live && let Some(entry) = control.registry.get_mut(device.id) {
                            entry.suspended = true;
                        }
                    }
                }
            }
        }
        control.start_tables();
        for device in &devices {
            if control.registry.get(device.id).is_some_and(|entry| !entry.suspended) {
                control.open_gate(device.id);
            }
        }
        Ok((control, broken))
    }

    /// Starts the live tables: those of suspended devices last, which may have lost their stores to others.
    fn start_tables(&mut self) {
        for suspended in [false, true] {
            let tables: Vec<_> = self
                .registry
                .all()
                .filter(|(_, device)| device.suspended == suspended)
                .filter_map(|(id, device)| Some((id, device.live.clone()?)))
                .collect();
            for (id, table) in tables {
                let started = self.start_table(id, &table);
                if suspended && started.is_ok() {
                    let work = table.suspend();
                    self.perform(work);
                    let _ = table.suspended();
                }
            }
        }
    }

    fn put(&mut self, id: DeviceId, table: SharedTable<H::Component>, is_live: bool) -> Result<(), TableError> {
        if is_live {
            self.registry
                .check_stack(id, &table, Graph::Live)
                .map_err(|errno| TableError {
                    errno,
                    reason: "it is stacked on itself, or too deep".into(),
                })?;
        }
        self.registry.retain(id, &table);
        if is_live {
            self.host.volume(id, |volume| volume.swap(Some(table.clone())));
        }
        if let Some(entry) = self.registry.get_mut(id) {
            match is_live {
                true => entry.live = Some(table),
                false => entry.inactive = Some(table),
            }
        }
        Ok(())
    }
}

impl Writer {
    fn device<C>(&mut self, id: DeviceId, device: &Device<C>) {
        let limits = device.live.as_ref().map(|table| table.limits());
        let inactive = device.inactive.as_ref().or(device.resuming.as_ref());
        self.u64(id.0);
        self.u32(device.dev.major);
        self.u32(device.dev.minor);
        self.text(&device.name);
        self.text(&device.uuid);
        self.u32(device.event_nr);
        let mut flags = 0;
        for (on, bit) in [
            (device.suspended, SUSPENDED),
            (device.suspended && device.frozen, FROZEN),
            (device.visible, VISIBLE),
            (device.deferred, DEFERRED),
            (device.geometry.is_some(), GEOMETRY),
            (limits.is_some(), LIMITS),
            (device.live.is_some(), LIVE),
            (inactive.is_some(), INACTIVE),
        ] {
            flags |= if on { bit } else { 0 };
        }
        self.u8(flags);
        if let Some(geometry) = device.geometry {
            self.u16(geometry.cylinders);
            self.u8(geometry.heads);
            self.u8(geometry.sectors);
            self.u64(geometry.start);
        }
        if let Some(limits) = limits {
            self.u64(limits.sectors);
            self.u8(limits.read_only.into());
            self.u32(limits.logical_block_size);
            self.u8(limits.discard.into());
        }
        for table in [device.live.as_ref(), inactive].into_iter().flatten() {
            self.table(table);
        }
    }

    fn table<C>(&mut self, table: &Table<C>) {
        self.u8(table.read_only().into());
        self.count(table.components().len());
        for component in table.components() {
            self.u32(component.dev().major);
            self.u32(component.dev().minor);
            self.u64(component.sectors());
            self.u32(component.logical_block_size());
            self.u8(component.discard().into());
        }
        self.count(table.segments().len());
        let mut params = Secret::new();
        for (index, segment) in table.segments().iter().enumerate() {
            params.clear();
            // Writing into memory does not fail.
            let _ = table.write_saved(segment, &mut params);
            self.u64(segment.start);
            self.u64(segment.length);
            self.text(segment.target.name().as_bytes());
            self.text(&params);
            let mut state = Vec::new();
            table.write_state(index, &mut state);
            self.text(&state);
        }
    }
}

/// A state as it was read, before anything is done with it.
struct Saved<'a> {
    next_id: u64,
    events: u64,
    devices: Vec<SavedDevice<'a>>,
}

struct SavedDevice<'a> {
    id: DeviceId,
    dev: DevNo,
    name: &'a [u8],
    uuid: &'a [u8],
    event_nr: u32,
    flags: u8,
    geometry: Option<Geometry>,
    limits: Option<Limits>,
    live: Option<SavedTable<'a>>,
    inactive: Option<SavedTable<'a>>,
}

/// A table that was built again, and what its machines want.
type Built<C> = (SharedTable<C>, MachineWork<C>);

struct SavedTable<'a> {
    read_only: bool,
    components: Vec<SavedComponent>,
    lines: Vec<Line<'a>>,
    /// Of each line: what the target has become since.
    states: Vec<&'a [u8]>,
}

#[derive(Clone, Copy)]
struct SavedComponent {
    dev: DevNo,
    sectors: u64,
    logical_block_size: u32,
    discard: bool,
}

impl<'a> Saved<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ImportError> {
        if !bytes.starts_with(MAGIC) {
            return Err(ImportError::Magic);
        }
        let (rest, sum) = bytes.split_last_chunk::<4>().ok_or(ImportError::Checksum)?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
            return Err(ImportError::Checksum);
        }
        let mut reader = Reader(rest.get(MAGIC.len()..).ok_or(ImportError::Checksum)?);
        let version = reader.u32()?;
        if !(OLDEST..=FORMAT).contains(&version) {
            return Err(ImportError::Version(version));
        }
        let mut saved = Self {
            next_id: reader.u64()?,
            events: reader.u64()?,
            devices: Vec::new(),
        };
        for _ in 0..reader.u32()? {
            let device = reader.device(version)?;
            if device.id.0 >= saved.next_id
                || device.name.is_empty()
                || device.name.len() > 127
                || device.uuid.len() > 128
            {
                return Err(ImportError::Contents);
            }
            saved.devices.push(device);
        }
        saved.check_unique()?;
        match reader.0 {
            [] => Ok(saved),
            _ => Err(ImportError::Contents),
        }
    }

    fn check_unique(&self) -> Result<(), ImportError> {
        fn unique<T: Ord>(items: impl Iterator<Item = T>) -> bool {
            let mut items: Vec<T> = items.collect();
            let count = items.len();
            items.sort_unstable();
            items.dedup();
            items.len() == count
        }
        let uuids = self
            .devices
            .iter()
            .map(|device| device.uuid)
            .filter(|uuid| !uuid.is_empty());
        let good = unique(self.devices.iter().map(|device| device.id))
            && unique(self.devices.iter().map(|device| device.dev))
            && unique(self.devices.iter().map(|device| device.name))
            && unique(uuids);
        good.then_some(()).ok_or(ImportError::Contents)
    }
}

impl SavedDevice<'_> {
    fn has(&self, bit: u8) -> bool {
        self.flags & bit != 0
    }

    fn adopted(&self) -> Adopted<'_> {
        Adopted {
            id: self.id,
            dev: self.dev,
            name: self.name,
            uuid: self.uuid,
            limits: self.limits,
            frozen: self.has(FROZEN),
            watch_close: self.has(DEFERRED),
        }
    }

    fn broken(&self, gone: bool, error: TableError) -> Broken {
        Broken {
            id: self.id,
            name: self.name.into(),
            gone,
            error,
        }
    }

    fn entry<C>(&self) -> Device<C> {
        let mut entry = Device::new(self.dev, self.name, self.uuid);
        entry.event_nr = self.event_nr;
        entry.suspended = self.has(SUSPENDED);
        entry.frozen = self.has(FROZEN);
        entry.visible = self.has(VISIBLE);
        entry.deferred = self.has(DEFERRED);
        entry.geometry = self.geometry;
        entry
    }
}

impl SavedTable<'_> {
    /// Builds the table again, whatever has become of the sizes of its components in the meantime.
    fn build<H: Host>(
        &self,
        host: &mut H,
        numbers: &BTreeMap<DevNo, DeviceId>,
        holder: DeviceId,
    ) -> Result<Built<H::Component>, TableError> {
        let given = Given::of(host);
        let mut open = |spec: DevSpec<'_>, read_only: bool| {
            let DevSpec::Number(dev) = spec else {
                return Err(Errno::EINVAL);
            };
            let known = self.components.iter().find(|component| component.dev == dev);
            let known = known.copied().ok_or(Errno::EINVAL)?;
            let id = match numbers.get(&dev) {
                Some(&id) => id,
                None => match host.reopen(dev, read_only)? {
                    Found::Host(mut opened) => {
                        opened.sectors = opened.sectors.max(known.sectors);
                        return Ok(Component::Host(opened));
                    }
                    Found::Mapped(_) => return Err(Errno::ENXIO),
                },
            };
            if id == holder {
                return Err(Errno::EINVAL);
            }
            Ok(Component::Mapped {
                id,
                dev,
                sectors: known.sectors,
                logical_block_size: known.logical_block_size,
                discard: known.discard,
            })
        };
        let mut table = Table::build(&mut open, self.lines.iter().copied(), self.read_only, given)?;
        let work = table.attach(&mut |wanted| host.machine(wanted))?;
        for (index, state) in self.states.iter().enumerate() {
            table.restore(index, state)?;
        }
        Ok((Arc::new(table), work))
    }
}

impl<'a> Reader<'a> {
    fn device(&mut self, version: u32) -> Result<SavedDevice<'a>, ImportError> {
        let id = DeviceId(self.u64()?);
        let dev = self.dev()?;
        let (name, uuid) = (self.text()?, self.text()?);
        let event_nr = self.u32()?;
        let flags = self.u8()?;
        let mut device = SavedDevice {
            id,
            dev,
            name,
            uuid,
            event_nr,
            flags,
            geometry: None,
            limits: None,
            live: None,
            inactive: None,
        };
        if device.has(GEOMETRY) {
            device.geometry = Some(Geometry {
                cylinders: self.u16()?,
                heads: self.u8()?,
                sectors: self.u8()?,
                start: self.u64()?,
            });
        }
        if device.has(LIMITS) {
            device.limits = Some(Limits {
                sectors: self.u64()?,
                read_only: self.flag()?,
                logical_block_size: self.u32()?,
                discard: self.flag()?,
            });
        }
        if device.has(LIVE) {
            device.live = Some(self.table(version)?);
        }
        if device.has(INACTIVE) {
            device.inactive = Some(self.table(version)?);
        }
        Ok(device)
    }

    fn table(&mut self, version: u32) -> Result<SavedTable<'a>, ImportError> {
        let read_only = self.flag()?;
        let mut components = Vec::new();
        for _ in 0..self.u32()? {
            components.push(SavedComponent {
                dev: self.dev()?,
                sectors: self.u64()?,
                logical_block_size: self.u32()?,
                discard: self.flag()?,
            });
        }
        let (mut lines, mut states) = (Vec::new(), Vec::new());
        for _ in 0..self.u32()? {
            lines.push(Line {
                start: self.u64()?,
                length: self.u64()?,
                kind: self.text()?,
                params: self.text()?,
            });
            states.push(if version == OLDEST { &[] } else { self.text()? });
        }
        Ok(SavedTable {
            read_only,
            components,
            lines,
            states,
        })
    }
}
