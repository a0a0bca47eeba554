//! The engine's host: block devices by a [`Presentation`], components, the descriptor holder.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bstr::ByteSlice;
use dm_abi::errno::Errno;
use dm_core::host::{Adopted, DevNo, DevSpec, DeviceId, Found, Host, Limits};
use dm_core::machine::{Action, Machines, SharedMachine, Wanted};
use dm_core::table::TableError;
use dm_core::volume::Volume;

use crate::component::{Components, Handle};
use crate::engine::{Inbox, Locked, Mapped, Message, Shared, now_ms};
use crate::hold::Holder;
use crate::log;
use crate::mounts;
use crate::present::{Device, Presentation};

/// How long a daemon that takes over waits for the last requests of the one before it.
const CLAIM_WAIT: Duration = Duration::from_secs(30);

/// What the host knows of a mapped device.
struct Presented {
    mapped: Arc<Mapped>,
    device: Arc<dyn Device>,
    name: Vec<u8>,
    limits: Option<Limits>,
    inbox: Arc<Inbox>,
    /// It came from an earlier daemon, and its unanswered requests have not been asked for yet.
    adopted: Option<Adoption>,
}

#[derive(Clone, Copy)]
struct Adoption {
    frozen: bool,
}

/// The host of the engine.
pub struct UdmHost {
    shared: Arc<Shared>,
    inboxes: Vec<Arc<Inbox>>,
    next_inbox: usize,
    presentation: Box<dyn Presentation>,
    components: Components,
    machines: Machines<Handle>,
    devices: HashMap<DeviceId, Presented>,
    by_dev: HashMap<DevNo, DeviceId>,
    holder: Holder,
    inherited: BTreeMap<u64, (DevNo, OwnedFd)>,
    watched: HashSet<DeviceId>,
    /// Devices whose filesystem we have frozen.
    frozen: HashSet<DeviceId>,
    /// Changes that wait until requests flow again.
    unsettled: Vec<(Arc<dyn Device>, Limits)>,
}

/// One line of [`UdmHost::list`].
pub struct Listed {
    /// Its number.
    pub dev: DevNo,
    /// Its name.
    pub name: Vec<u8>,
    /// Size in sectors.
    pub sectors: u64,
    /// Requests held back.
    pub held: usize,
    /// Whether the gate is closed.
    pub suspended: bool,
}

impl UdmHost {
    /// A host without devices. `inherited` is what an earlier daemon left.
    pub fn new(
        shared: Arc<Shared>,
        inboxes: Vec<Arc<Inbox>>,
        presentation: Box<dyn Presentation>,
        holder: Holder,
        inherited: BTreeMap<u64, (DevNo, OwnedFd)>,
    ) -> Self {
        Self {
            shared,
            inboxes,
            next_inbox: 0,
            presentation,
            components: Components::default(),
            machines: Machines::default(),
            devices: HashMap::new(),
            by_dev: HashMap::new(),
            holder,
            inherited,
            watched: HashSet::new(),
            frozen: HashSet::new(),
            unsettled: Vec::new(),
        }
    }

    fn next_inbox(&mut self) -> Arc<Inbox> {
        self.next_inbox = (self.next_inbox + 1) % self.inboxes.len();
        self.inboxes[self.next_inbox].clone()
    }

    fn tell_all(&self, message: impl Fn() -> Message) {
        self.inboxes.iter().for_each(|inbox| inbox.send(message()));
    }

    /// Lets the devices of an earlier daemon go on, after their tables are back, and ends those that the state did not
    /// know any more.
    pub fn go_on(&mut self) {
        for presented in self.devices.values_mut() {
            let Some(Adoption { frozen }) = presented.adopted.take() else {
                continue;
            };
            let name = presented.name.as_bstr();
            if let Err(errno) = presented.device.resend() {
                log!("{name}: its requests cannot be taken over: {errno}");
            }
            // The earlier daemon may have died between saving the state and telling the machine.
            match presented.device.configure(presented.limits) {
                Ok(()) => self
                    .unsettled
                    .extend(presented.limits.map(|limits| (presented.device.clone(), limits))),
                Err(errno) => log!("{name}: its size cannot be set: {errno}"),
            }
            if !frozen {
                mounts::thaw(presented.device.dev());
            }
            log!("{name} goes on");
        }
        for (id, (dev, fd)) in std::mem::take(&mut self.inherited) {
            drop(fd);
            log!("{}:{} was given up", dev.major, dev.minor);
            let _ = self.holder.release(id);
        }
        let ours: Vec<DevNo> = self.by_dev.keys().copied().collect();
        self.presentation.remove_leftovers(&ours);
    }

    /// Saves the engine's state with the holder.
    ///
    /// # Errors
    /// What the machine says; the state that was saved before is still there then.
    pub fn save(&mut self, state: &[u8]) -> std::io::Result<()> {
        self.holder.save(state)
    }

    /// Prepares the end of the daemon: with `all`, the holder's as well.
    pub fn end(&mut self, all: bool) {
        self.presentation.end();
        if all {
            self.holder.quit();
        }
    }

    /// The number of a device.
    pub fn dev(&self, id: DeviceId) -> Option<DevNo> {
        self.devices.get(&id).map(|presented| presented.device.dev())
    }

    /// Whether a number is that of one of our devices.
    pub fn is_ours(&self, dev: DevNo) -> bool {
        self.by_dev.contains_key(&dev)
    }

    /// Notes whether we have frozen the filesystem on a device.
    pub fn set_frozen(&mut self, id: DeviceId, on: bool) {
        if on {
            self.frozen.insert(id);
        } else {
            self.frozen.remove(&id);
        }
    }

    /// Whether we have frozen the filesystem on a device.
    pub fn is_frozen(&self, id: DeviceId) -> bool {
        self.frozen.contains(&id)
    }

    /// The devices to be removed when nobody has them open any more.
    pub fn watched(&self) -> Vec<(DeviceId, DevNo)> {
        self.watched
            .iter()
            .filter_map(|&id| Some((id, self.dev(id)?)))
            .collect()
    }

    /// Takes the changes that wait until requests flow. They may have to wait for requests, so they are made without any
    /// lock, and not while requests are held.
    pub fn take_unsettled(&mut self) -> Vec<(Arc<dyn Device>, Limits)> {
        if self.unsettled.is_empty() || self.devices.values().any(|presented| presented.mapped.is_closed()) {
            return Vec::new();
        }
        std::mem::take(&mut self.unsettled)
    }

    /// All devices, by name.
    pub fn list(&self) -> Vec<Listed> {
        let mut list: Vec<_> = self
            .devices
            .values()
            .map(|presented| Listed {
                dev: presented.device.dev(),
                name: presented.name.clone(),
                sectors: presented.limits.map_or(0, |limits| limits.sectors),
                held: presented.mapped.held(),
                suspended: presented.mapped.is_closed(),
            })
            .collect();
        list.sort_by(|one, two| one.name.cmp(&two.name));
        list
    }

    fn insert(
        &mut self,
        device: Arc<dyn Device>,
        mapped: Arc<Mapped>,
        inbox: Arc<Inbox>,
        old: Option<(&Adopted<'_>, Adoption)>,
    ) {
        self.by_dev.insert(device.dev(), mapped.id);
        let presented = Presented {
            device,
            name: old.map_or(Vec::new(), |(adopted, _)| adopted.name.to_vec()),
            limits: old.and_then(|(adopted, _)| adopted.limits),
            inbox,
            adopted: old.map(|(_, adoption)| adoption),
            mapped,
        };
        self.devices.insert(presented.mapped.id, presented);
    }

    fn forget(&mut self, id: DeviceId) {
        if let Some(presented) = self.devices.remove(&id) {
            self.by_dev.remove(&presented.device.dev());
        }
        self.shared.forget(id);
        self.watched.remove(&id);
        self.frozen.remove(&id);
        if let Err(error) = self.holder.release(id.0) {
            log!("the descriptor holder does not answer: {error}");
        }
    }
}

impl Host for UdmHost {
    const MACHINES: bool = true;

    type Component = Handle;

    fn open(&mut self, spec: DevSpec<'_>, read_only: bool) -> Result<Found<Handle>, Errno> {
        let dev = Components::number(spec)?;
        match self.by_dev.get(&dev) {
            Some(&id) => Ok(Found::Mapped(id)),
            None => self.components.open(dev, read_only).map(Found::Host),
        }
    }

    fn reopen(&mut self, dev: DevNo, read_only: bool) -> Result<Found<Handle>, Errno> {
        let start = Instant::now();
        loop {
            match self.open(DevSpec::Number(dev), read_only) {
                // The claim of the earlier daemon lasts until its last request is complete. Going on before that could
                // let one of its writes overtake a newer one of ours.
                Err(Errno::EBUSY) if start.elapsed() < CLAIM_WAIT => std::thread::sleep(Duration::from_millis(5)),
                other => return other,
            }
        }
    }

    fn create(&mut self, id: DeviceId, minor: Option<u32>) -> Result<DevNo, Errno> {
        let mapped = Arc::new(Mapped::new(id));
        let inbox = self.next_inbox();
        let device = self.presentation.create(minor, &mut |channel| {
            inbox.send(Message::Serve(mapped.clone(), channel));
        })?;
        let dev = device.dev();
        if let Err(error) = self.holder.hold(id.0, dev, device.lifeline()) {
            log!("the descriptor holder does not answer: {error}");
            let _ = device.remove();
            return Err(Errno::ENOMEM);
        }
        self.shared.insert(mapped.clone());
        self.insert(device, mapped, inbox, None);
        Ok(dev)
    }

    fn adopt(&mut self, adopted: &Adopted<'_>) -> Result<(), Errno> {
        let (_, lifeline) = self.inherited.remove(&adopted.id.0).ok_or(Errno::ENODEV)?;
        let device = match self.presentation.adopt(lifeline, adopted.dev, adopted.limits) {
            Ok(device) => device,
            Err(errno) => {
                log!("{} is gone: {errno}", adopted.name.as_bstr());
                let _ = self.holder.release(adopted.id.0);
                return Err(errno);
            }
        };
        let mapped = Arc::new(Mapped::new(adopted.id));
        let ((), _) = mapped.with(Volume::close);
        let inbox = self.next_inbox();
        self.shared.insert(mapped.clone());
        inbox.send(Message::Serve(mapped.clone(), device.channel()));
        let adoption = Adoption { frozen: adopted.frozen };
        self.insert(device, mapped, inbox, Some((adopted, adoption)));
        self.set_frozen(adopted.id, adopted.frozen);
        self.watch_close(adopted.id, adopted.watch_close);
        Ok(())
    }

    fn remove(&mut self, id: DeviceId) -> Result<(), Errno> {
        let Some(presented) = self.devices.get(&id) else {
            return Err(Errno::ENXIO);
        };
        let mapped = presented.mapped.clone();
        // The removal itself would find out as well, but would then have to wait for all requests that are under way, also
        // those that a closed gate holds.
        if mapped.held() > 0 || mounts::users(presented.device.dev()) > 0 {
            return Err(Errno::EBUSY);
        }
        mapped.set_failing(true);
        presented.inbox.send(Message::Retry(id));
        let result = presented.device.remove();
        if result.is_ok() {
            self.forget(id);
        } else {
            mapped.set_failing(false);
        }
        result
    }

    fn open_count(&mut self, id: DeviceId, wanted: bool) -> u32 {
        match self.dev(id) {
            Some(dev) if wanted => mounts::users(dev),
            _ => 0,
        }
    }

    fn watch_close(&mut self, id: DeviceId, on: bool) {
        if on {
            self.watched.insert(id);
        } else {
            self.watched.remove(&id);
        }
    }

    fn named(&mut self, id: DeviceId, name: &[u8]) {
        if let Some(presented) = self.devices.get_mut(&id) {
            presented.name = name.to_vec();
        }
    }

    fn configure(&mut self, id: DeviceId, limits: Option<Limits>) -> Result<(), Errno> {
        let presented = self.devices.get_mut(&id).ok_or(Errno::ENXIO)?;
        presented.device.configure(limits)?;
        presented.limits = limits;
        if let Some(limits) = limits.filter(|&limits| presented.device.is_unsettled(limits)) {
            self.unsettled.push((presented.device.clone(), limits));
        }
        Ok(())
    }

    fn volume<R>(&mut self, id: DeviceId, f: impl FnOnce(&mut Volume<Handle>) -> R) -> R {
        let Some(presented) = self.devices.get(&id) else {
            log!("there is no device {id:?} any more");
            return f(&mut Volume::default());
        };
        let (result, change) = presented.mapped.with(f);
        // Any thread of the data path may hold requests for a device beneath its own.
        if change.opened {
            self.tell_all(|| Message::Retry(id));
        }
        if change.closed {
            self.tell_all(|| Message::Hurry(id));
        }
        result
    }

    fn now_ms(&self) -> u64 {
        now_ms()
    }

    fn changed(&mut self) {
        self.shared.notifier.notify();
    }

    fn machine(&mut self, wanted: Wanted<Handle>) -> Option<SharedMachine<Handle>> {
        Some(self.machines.find(wanted, |machine| Arc::new(Locked::new(machine))))
    }

    fn perform(&mut self, machine: &SharedMachine<Handle>, actions: Vec<Action<Handle>>) {
        let inbox = self.next_inbox();
        inbox.send(Message::Perform(machine.clone(), actions));
    }

    fn refused(&mut self, _id: DeviceId, name: &[u8], error: &TableError) {
        log!("{}: table refused: {error}", name.as_bstr());
    }
}
