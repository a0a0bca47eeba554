//! What the engine asks of the kernel.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ffi::c_int;

use dm_abi::errno::Errno;
use dm_core::host::{Adopted, DevNo, DevSpec, DeviceId, Found, Host, Limits, Opened};
use dm_core::machine::{Action, Machines, SharedMachine, Wanted};
use dm_core::table::TableError;
use dm_core::volume::Volume;

use crate::data::{self, Gate};
use crate::errno::{check, from_native};
use crate::hooks::{self, Dev, Part, PartInfo};
use crate::own;

/// An open component; closed when dropped, which may sleep: only control and threads of machines drop the last clone.
#[derive(Debug)]
pub(crate) struct Component {
    part: *mut Part,
    dev: DevNo,
    info: PartInfo,
}

/// A component as tables hold it. The block layer opens a block device once, so all tables share it.
pub(crate) type Handle = Arc<Component>;

// SAFETY: the C half's component may be used from any thread.
unsafe impl Send for Component {}
// SAFETY: as above; it has no state that this half changes.
unsafe impl Sync for Component {}

impl Component {
    pub(crate) fn part(&self) -> *mut Part {
        self.part
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        // SAFETY: it was opened by dmk_part_open and is closed once.
        unsafe { hooks::dmk_part_close(self.part) }
    }
}

impl core::fmt::Debug for PartInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} sectors of {}", self.sectors, self.sector_size)
    }
}

/// A mapped device: the C half's, and the volume that it gives back with each call.
#[derive(Clone, Copy)]
pub(crate) struct Mapped {
    pub(crate) dev: *mut Dev,
    volume: *mut Gate,
    minor: u32,
}

/// The kernel.
#[derive(Default)]
pub(crate) struct Kernel {
    devices: BTreeMap<DeviceId, Mapped>,
    components: BTreeMap<DevNo, Weak<Component>>,
    machines: Machines<Handle>,
}

// SAFETY: its pointers are used under the control lock only, or lead to what has locks of its own.
unsafe impl Send for Kernel {}

impl Kernel {
    pub(crate) fn mapped(&self, id: DeviceId) -> Option<Mapped> {
        self.devices.get(&id).copied()
    }

    fn open_component(&mut self, dev: DevNo) -> Result<Handle, Errno> {
        if let Some(open) = self.components.get(&dev).and_then(Weak::upgrade) {
            return Ok(open);
        }
        let mut part = core::ptr::null_mut();
        let mut info = PartInfo::default();
        // SAFETY: both are written when the answer is 0.
        check(unsafe { hooks::dmk_part_open(dev.major, dev.minor, &raw mut part, &raw mut info) })?;
        let handle = Arc::new(Component { part, dev, info });
        self.components.retain(|_, weak| weak.strong_count() > 0);
        self.components.insert(dev, Arc::downgrade(&handle));
        Ok(handle)
    }
}

fn number_of_path(path: &[u8]) -> Result<DevNo, Errno> {
    if path.contains(&0) {
        return Err(Errno::ENOENT);
    }
    let text: Vec<u8> = path.iter().copied().chain([0]).collect();
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the text ends with a NUL; the numbers are written when the answer is 0.
    check(unsafe { hooks::dmk_path(text.as_ptr(), &raw mut major, &raw mut minor) })?;
    Ok(DevNo { major, minor })
}

impl Host for Kernel {
    const MACHINES: bool = true;

    const CIPHER: dm_core::cipher::New = crate::cipher::new;

    type Component = Handle;

    fn open(&mut self, spec: DevSpec<'_>, read_only: bool) -> Result<Found<Handle>, Errno> {
        let dev = match spec {
            DevSpec::Number(dev) => dev,
            DevSpec::Path(path) => number_of_path(path)?,
        };
        // SAFETY: it only returns a number.
        if dev.major == unsafe { hooks::dmk_major() } {
            let found = self.devices.iter().find(|(_, mapped)| mapped.minor == dev.minor);
            return found.map(|(&id, _)| Found::Mapped(id)).ok_or(Errno::ENXIO);
        }
        let handle = self.open_component(dev)?;
        let info = handle.info;
        if info.writable == 0 && !read_only {
            return Err(Errno::EACCES);
        }
        Ok(Found::Host(Opened {
            dev: handle.dev,
            handle,
            sectors: info.sectors,
            logical_block_size: info.sector_size,
            discard: info.discard != 0,
        }))
    }

    fn create(&mut self, id: DeviceId, minor: Option<u32>) -> Result<DevNo, Errno> {
        let mut number = match minor {
            Some(hooks::ANY_MINOR) => return Err(Errno::EINVAL),
            Some(minor) => minor,
            None => hooks::ANY_MINOR,
        };
        let volume = Box::into_raw(Box::new(Gate::default()));
        let mut dev = core::ptr::null_mut();
        // SAFETY: `volume` stays until the device is removed; the others are written when the answer is 0.
        let answer = unsafe { hooks::dmk_dev_create(id.0, &raw mut number, volume.cast(), &raw mut dev) };
        if answer != 0 {
            // SAFETY: the C half has not kept it.
            drop(unsafe { Box::from_raw(volume) });
            return Err(from_native(answer));
        }
        self.devices.insert(
            id,
            Mapped {
                dev,
                volume,
                minor: number,
            },
        );
        Ok(DevNo {
            // SAFETY: it only returns a number.
            major: unsafe { hooks::dmk_major() },
            minor: number,
        })
    }

    /// No state outlives the module.
    fn adopt(&mut self, _: &Adopted<'_>) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn remove(&mut self, id: DeviceId) -> Result<(), Errno> {
        let Some(mapped) = self.mapped(id) else {
            return Err(Errno::ENXIO);
        };
        // SAFETY: the device exists; when the answer is 0 the C half has forgotten it and its volume.
        check(unsafe { hooks::dmk_dev_remove(mapped.dev) })?;
        self.devices.remove(&id);
        // SAFETY: it came from Box::into_raw, and nobody else has it any more.
        drop(unsafe { Box::from_raw(mapped.volume) });
        Ok(())
    }

    fn open_count(&mut self, id: DeviceId, _wanted: bool) -> u32 {
        // SAFETY: the device exists.
        self.mapped(id)
            .map_or(0, |mapped| unsafe { hooks::dmk_dev_opens(mapped.dev) })
    }

    fn watch_close(&mut self, id: DeviceId, on: bool) {
        if let Some(mapped) = self.mapped(id) {
            // SAFETY: the device exists.
            unsafe { hooks::dmk_dev_watch(mapped.dev, c_int::from(on)) }
        }
    }

    fn named(&mut self, id: DeviceId, name: &[u8]) {
        if let Some(mapped) = self.mapped(id) {
            // SAFETY: the device exists, the name is `len` bytes.
            unsafe { hooks::dmk_dev_named(mapped.dev, name.as_ptr(), name.len()) }
        }
    }

    fn configure(&mut self, id: DeviceId, limits: Option<Limits>) -> Result<(), Errno> {
        let mapped = self.mapped(id).ok_or(Errno::ENXIO)?;
        let limits = limits.unwrap_or(Limits {
            sectors: 0,
            read_only: false,
            logical_block_size: 512,
            discard: false,
        });
        // SAFETY: the device exists.
        unsafe {
            hooks::dmk_dev_configure(
                mapped.dev,
                limits.sectors,
                limits.logical_block_size,
                c_int::from(limits.read_only),
                c_int::from(limits.discard),
            );
        }
        Ok(())
    }

    fn volume<R>(&mut self, id: DeviceId, f: impl FnOnce(&mut Volume<Handle>) -> R) -> R {
        let mapped = self.mapped(id).expect("control only asks for devices that it created");
        // SAFETY: both belong together and exist.
        let (before, after, result) = unsafe {
            data::locked(mapped.dev, mapped.volume, |volume| {
                let before = volume.is_closed();
                let result = f(volume);
                (before, volume.is_closed(), result)
            })
        };
        match (before, after) {
            // SAFETY: the device exists, and its lock is free again.
            (true, false) => unsafe { hooks::dmk_dev_opened(mapped.dev) },
            // SAFETY: as above.
            (false, true) => unsafe { hooks::dmk_dev_closed(mapped.dev) },
            _ => {}
        }
        result
    }

    fn now_ms(&self) -> u64 {
        // SAFETY: it only returns a number.
        unsafe { hooks::dmk_now_ms() }
    }

    fn changed(&mut self) {
        // SAFETY: it may be called with the control lock held.
        unsafe { hooks::dmk_changed() }
    }

    fn machine(&mut self, wanted: Wanted<Handle>) -> Option<SharedMachine<Handle>> {
        Some(self.machines.find(wanted, own::locked))
    }

    fn perform(&mut self, machine: &SharedMachine<Handle>, actions: Vec<Action<Handle>>) {
        own::perform(machine, actions);
    }

    fn refused(&mut self, _: DeviceId, name: &[u8], error: &TableError) {
        let mut text = Vec::from(name);
        text.extend_from_slice(b": ");
        text.extend_from_slice(error.reason.as_bytes());
        // SAFETY: the text is `len` bytes.
        unsafe { hooks::dmk_log(text.as_ptr(), text.len()) }
    }
}
