//! The devices by identity, name, UUID and number, and who uses whom.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use dm_abi::errno::Errno;
use dm_abi::ioctl::{Header, decode_dev};

use super::MAX_DEPTH;
use crate::host::{Component, DevNo, DeviceId, SharedTable};

/// What a client set as the geometry of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) cylinders: u16,
    pub(super) heads: u8,
    pub(super) sectors: u8,
    /// First sector of the device on its disk.
    pub(super) start: u64,
}

/// A mapped device.
#[derive(Debug)]
pub(super) struct Device<C> {
    pub(super) dev: DevNo,
    pub(super) name: Box<[u8]>,
    /// Empty when it has none.
    pub(super) uuid: Box<[u8]>,
    pub(super) event_nr: u32,
    pub(super) suspended: bool,
    /// The host froze its filesystem.
    pub(super) frozen: bool,
    /// A table was loaded once: from then on Linux shows the disk, and sends uevents.
    pub(super) visible: bool,
    /// To be removed when nobody uses it any more.
    pub(super) deferred: bool,
    /// A request suspends or resumes it.
    pub(super) busy: bool,
    pub(super) geometry: Option<Geometry>,
    pub(super) live: Option<SharedTable<C>>,
    pub(super) inactive: Option<SharedTable<C>>,
    /// The table that a resume in progress makes live.
    pub(super) resuming: Option<SharedTable<C>>,
    /// The table that a resume in progress replaced.
    pub(super) replaced: Option<SharedTable<C>>,
    /// The devices whose tables use this one, and whether read-only; with the number of such tables.
    users: BTreeMap<(DeviceId, bool), u32>,
}

impl<C> Device<C> {
    pub(super) fn new(dev: DevNo, name: &[u8], uuid: &[u8]) -> Self {
        Self {
            dev,
            name: name.into(),
            uuid: uuid.into(),
            event_nr: 0,
            suspended: false,
            frozen: false,
            visible: false,
            deferred: false,
            busy: false,
            geometry: None,
            live: None,
            inactive: None,
            resuming: None,
            replaced: None,
            users: BTreeMap::new(),
        }
    }

    /// Opens by other devices, counted as Linux does: once for each device and mode.
    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    /// All its tables.
    pub(super) fn tables(&self) -> impl Iterator<Item = &SharedTable<C>> {
        [&self.live, &self.inactive, &self.resuming, &self.replaced]
            .into_iter()
            .flatten()
    }

    /// The table that will be live when all that is loaded has been resumed.
    fn future(&self) -> Option<&SharedTable<C>> {
        self.inactive.as_ref().or(self.resuming.as_ref()).or(self.live.as_ref())
    }
}

/// Which tables a walk through stacked devices follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Graph {
    /// The live ones: the way that I/O takes.
    Live,
    /// The ones that will be live when all that is loaded has been resumed.
    Future,
}

/// All devices.
#[derive(Debug)]
pub(super) struct Registry<C> {
    devices: BTreeMap<DeviceId, Device<C>>,
    names: BTreeMap<Box<[u8]>, DeviceId>,
    uuids: BTreeMap<Box<[u8]>, DeviceId>,
    numbers: BTreeMap<DevNo, DeviceId>,
    next: u64,
}

impl<C> Default for Registry<C> {
    fn default() -> Self {
        Self {
            devices: BTreeMap::new(),
            names: BTreeMap::new(),
            uuids: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next: 1,
        }
    }
}

impl<C> Registry<C> {
    pub(super) fn get(&self, id: DeviceId) -> Option<&Device<C>> {
        self.devices.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: DeviceId) -> Option<&mut Device<C>> {
        self.devices.get_mut(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }

    /// All devices in the order of their creation.
    pub(super) fn all(&self) -> impl Iterator<Item = (DeviceId, &Device<C>)> {
        self.devices.iter().map(|(&id, device)| (id, device))
    }

    pub(super) fn by_name(&self) -> impl Iterator<Item = (DeviceId, &[u8])> + Clone {
        self.names.iter().map(|(name, &id)| (id, &name[..]))
    }

    pub(super) fn has_name(&self, name: &[u8]) -> bool {
        self.names.contains_key(name)
    }

    pub(super) fn has_uuid(&self, uuid: &[u8]) -> bool {
        self.uuids.contains_key(uuid)
    }

    pub(super) fn has_minor(&self, minor: u32) -> bool {
        self.numbers.keys().any(|dev| dev.minor == minor)
    }

    pub(super) fn id_of_name(&self, name: &[u8]) -> Option<DeviceId> {
        self.names.get(name).copied()
    }

    pub(super) fn id_of_number(&self, dev: DevNo) -> Option<DeviceId> {
        self.numbers.get(&dev).copied()
    }

    /// The device that a request means: by its UUID, its name, or its number.
    pub(super) fn find(&self, header: &Header) -> Result<DeviceId, Errno> {
        let found = match (header.uuid(), header.name(), header.dev) {
            ([], [], 0) => None,
            ([], [], dev) => {
                let (major, minor) = decode_dev(dev);
                self.id_of_number(DevNo { major, minor })
            }
            ([], name, 0) => self.id_of_name(name),
            (uuid, [], 0) => self.uuids.get(uuid).copied(),
            _ => None,
        };
        found.ok_or(Errno::ENXIO)
    }

    /// An identity that no device had before.
    pub(super) fn fresh_id(&mut self) -> DeviceId {
        let id = DeviceId(self.next);
        self.next = self.next.saturating_add(1);
        id
    }

    /// The identity that comes next.
    pub(super) fn next_id(&self) -> u64 {
        self.next
    }

    pub(super) fn set_next_id(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Adds a device; false, and nothing added, when its identity, name, UUID or number is in use.
    #[must_use]
    pub(super) fn insert(&mut self, id: DeviceId, device: Device<C>) -> bool {
        if self.devices.contains_key(&id)
            || self.has_name(&device.name)
            || (!device.uuid.is_empty() && self.has_uuid(&device.uuid))
            || self.numbers.contains_key(&device.dev)
        {
            return false;
        }
        self.names.insert(device.name.clone(), id);
        if !device.uuid.is_empty() {
            self.uuids.insert(device.uuid.clone(), id);
        }
        self.numbers.insert(device.dev, id);
        self.devices.insert(id, device);
        true
    }

    pub(super) fn remove(&mut self, id: DeviceId) -> Option<Device<C>> {
        let device = self.devices.remove(&id)?;
        self.names.remove(&device.name);
        self.uuids.remove(&device.uuid);
        self.numbers.remove(&device.dev);
        Some(device)
    }

    /// The caller has made sure that the name is free.
    pub(super) fn rename(&mut self, id: DeviceId, name: &[u8]) {
        if let Some(device) = self.devices.get_mut(&id) {
            self.names.remove(&device.name);
            device.name = name.into();
            self.names.insert(name.into(), id);
        }
    }

    /// The caller has made sure that the UUID is free.
    pub(super) fn set_uuid(&mut self, id: DeviceId, uuid: &[u8]) {
        if let Some(device) = self.devices.get_mut(&id) {
            self.uuids.remove(&device.uuid);
            device.uuid = uuid.into();
            self.uuids.insert(uuid.into(), id);
        }
    }

    /// Counts a table of `holder` as a user of its components.
    pub(super) fn retain(&mut self, holder: DeviceId, table: &SharedTable<C>) {
        for lower in mapped(table) {
            if let Some(device) = self.devices.get_mut(&lower) {
                *device.users.entry((holder, table.read_only())).or_insert(0) += 1;
            }
        }
    }

    /// Drops a table of `holder`, and gives the devices that nobody uses any more.
    #[must_use]
    pub(super) fn release(&mut self, holder: DeviceId, table: SharedTable<C>) -> Vec<DeviceId> {
        let mut unused = Vec::new();
        let user = (holder, table.read_only());
        for lower in mapped(&table) {
            if let Some(device) = self.devices.get_mut(&lower)
                && let Some(count) = device.users.get_mut(&user)
            {
                *count -= 1;
                if *count == 0 {
                    device.users.remove(&user);
                }
                if device.users.is_empty() {
                    unused.push(lower);
                }
            }
        }
        unused
    }

    /// Checks that a table can be put on `holder`: that the way down from it does not lead back to it, and that it is not
    /// too long. Linux checks only that the table does not name the device itself.
    pub(super) fn check_stack(&self, holder: DeviceId, table: &SharedTable<C>, graph: Graph) -> Result<(), Errno> {
        let below = |id: &DeviceId| {
            self.table(*id, graph)
                .map(|table| mapped(table).collect::<Vec<_>>())
                .unwrap_or_default()
        };
        let down = levels(set(mapped(table)), graph, below, |level| level.contains(&holder));
        let above = |id: &DeviceId| {
            let users = self.devices.get(id).map(|device| device.users.keys());
            users
                .into_iter()
                .flatten()
                .map(|&(user, _)| user)
                .filter(|&user| {
                    user != holder
                        && self
                            .table(user, graph)
                            .is_some_and(|table| mapped(table).any(|lower| lower == *id))
                })
                .collect()
        };
        let up = levels(set([holder]), graph, above, |_| false);
        match (down, up) {
            (Some(down), Some(up)) if down + up <= MAX_DEPTH => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn table(&self, id: DeviceId, graph: Graph) -> Option<&SharedTable<C>> {
        let device = self.devices.get(&id)?;
        match graph {
            Graph::Live => device.live.as_ref(),
            Graph::Future => device.future(),
        }
    }
}

/// The number of levels from `level` on, going on with `next` of each device; `None` when there are too many of them, or
/// `stop` holds for one.
fn levels(
    mut level: BTreeSet<DeviceId>,
    graph: Graph,
    next: impl Fn(&DeviceId) -> Vec<DeviceId>,
    stop: impl Fn(&BTreeSet<DeviceId>) -> bool,
) -> Option<usize> {
    let mut seen = BTreeSet::new();
    let mut depth = 0;
    while !level.is_empty() {
        depth += 1;
        if stop(&level) || depth > MAX_DEPTH {
            return None;
        }
        seen.extend(level.iter().copied());
        level = set(level.iter().flat_map(&next));
        if graph == Graph::Future {
            // Loops among the others are possible here, and are found when one of them becomes live.
            level.retain(|id| !seen.contains(id));
        }
    }
    Some(depth)
}

/// A set. Not by collecting, which sorts with 4 KiB on the stack: a kernel thread has 16.
fn set(ids: impl IntoIterator<Item = DeviceId>) -> BTreeSet<DeviceId> {
    let mut set = BTreeSet::new();
    set.extend(ids);
    set
}

/// The devices of the engine that a table uses.
fn mapped<C>(table: &SharedTable<C>) -> impl Iterator<Item = DeviceId> {
    table.components().iter().filter_map(|component| match component {
        Component::Mapped { id, .. } => Some(*id),
        Component::Host(_) => None,
    })
}
