//! Loop devices on FUSE files.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dm_abi::errno::Errno;
use dm_core::host::{DevNo, Limits};
use nix::errno::Errno as Sys;

use super::channel::FuseChannel;
use super::mount;
use super::spares::{self, Spares};
use crate::closer;
use crate::log;
use crate::loopdev::{self, LoopFile};
use crate::present::{Channel, Device, Presentation};

/// First loop device that the daemon makes for itself. Lower ones are left to those who write fixed names in scripts.
const FIRST_INDEX: u32 = 256;
/// Number of loop devices that are tried.
const INDEX_COUNT: u32 = 1 << 16;
/// `max_sectors_kb`: the most that one FUSE request carries.
const MAX_SECTORS_KB: u64 = 1024;
/// `read_ahead_kb`: what Linux gives a new device. A loop device keeps what the device before had.
const READ_AHEAD_KB: u64 = 128;
/// How long a removal waits for the kernel.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// Block size of a device without a table, in bytes.
const BLOCK: u32 = 512;

/// Makes loop devices on FUSE files.
#[derive(Debug)]
pub struct FuseLoop {
    /// What the devices show as the name of their file; tells the devices of several daemons apart.
    mark: Arc<str>,
    spares: Arc<Spares>,
}

impl FuseLoop {
    /// Marks its devices with a text of at most 63 bytes.
    pub fn new(mark: String) -> Self {
        Self {
            mark: mark.into(),
            spares: Arc::default(),
        }
    }

    fn device(&self, number: FuseDeviceNumber, channel: Arc<FuseChannel>) -> FuseDevice {
        FuseDevice {
            mark: self.mark.clone(),
            spares: self.spares.clone(),
            index: number.index,
            dev: number.dev,
            created: number.created,
            channel,
            told: Mutex::new(None),
        }
    }

    /// Binds the loop device `index`, and gives `None` when it is in use.
    fn bind(&self, index: u32, file: BorrowedFd<'_>) -> Result<Option<FuseDeviceNumber>, Errno> {
        for _ in 0..2 {
            let Some((number, created)) = self.try_bind(index, file)? else {
                return Ok(None);
            };
            if created || index < FIRST_INDEX || loopdev::takes_discards(index) {
                return Ok(Some(number));
            }
            // Another daemon was about to delete it, see `FuseDevice::set_queue_limits`.
            let looped = LoopFile::open(number.dev).map_err(|error| from_io(&error))?;
            looped.unbind().map_err(from_sys)?;
            drop(looped);
            spares::delete(index);
        }
        Ok(None)
    }

    /// Binds the loop device `index`, which is made if it does not exist: true beside it then.
    fn try_bind(&self, index: u32, file: BorrowedFd<'_>) -> Result<Option<(FuseDeviceNumber, bool)>, Errno> {
        let created = match loopdev::add(index) {
            Ok(()) => true,
            Err(Sys::EEXIST) if loopdev::is_bound(index) => return Ok(None),
            Err(Sys::EEXIST) => false,
            Err(errno) => {
                log!("/dev/loop{index} cannot be made: {errno}");
                return Err(from_sys(errno));
            }
        };
        let result = Self::bind_existing(index, file, &self.mark);
        match &result {
            Ok(Some(_)) => self.spares.used(index),
            _ if created => spares::delete(index),
            _ => {}
        }
        let number = |dev| FuseDeviceNumber {
            index,
            dev,
            created: created || index >= FIRST_INDEX,
        };
        Ok(result?.map(|dev| (number(dev), created)))
    }

    fn bind_existing(index: u32, file: BorrowedFd<'_>, mark: &str) -> Result<Option<DevNo>, Errno> {
        let Some(dev) = loopdev::dev(index) else {
            // Others make and delete loop devices as well.
            if loopdev::is_shown() {
                return Ok(None);
            }
            log!("/sys/block does not show the loop devices");
            return Err(Errno::ENXIO);
        };
        let looped = match LoopFile::open_to_bind(dev) {
            Ok(looped) => looped,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENOENT | libc::EBUSY)) => {
                return Ok(None);
            }
            Err(error) => return Err(from_io(&error)),
        };
        match looped.bind(file, BLOCK, loopdev::DIRECT_IO, mark) {
            Ok(()) => {}
            Err(Sys::EBUSY) => return Ok(None),
            Err(errno) => {
                log!("/dev/loop{index} cannot be bound: {errno}");
                return Err(from_sys(errno));
            }
        }
        let direct = looped.info().is_ok_and(|info| info.flags & loopdev::DIRECT_IO != 0);
        if !direct {
            log!("/dev/loop{index} does not take direct I/O: it will be slow");
        }
        for (file, value) in [("max_sectors_kb", MAX_SECTORS_KB), ("read_ahead_kb", READ_AHEAD_KB)] {
            let path = format!("queue/{file}");
            if loopdev::get(index, &path) != Some(value)
                && let Err(error) = loopdev::set(index, &path, &value.to_string())
            {
                log!("/dev/loop{index}: {file} cannot be set: {error}");
            }
        }
        Ok(Some(dev))
    }
}

impl Presentation for FuseLoop {
    fn remove_leftovers(&self, keep: &[DevNo]) {
        let Ok(entries) = std::fs::read_dir("/sys/block") else {
            return;
        };
        for index in entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("loop")?.parse::<u32>().ok())
        {
            let Some(dev) = loopdev::dev(index).filter(|dev| loopdev::is_bound(index) && !keep.contains(dev)) else {
                continue;
            };
            let Ok(file) = LoopFile::open(dev) else { continue };
            let ours = match file.info() {
                Ok(info) => info.name() == self.mark.as_bytes(),
                // Its FUSE connection is gone for good, whosever it was.
                Err(Sys::ENOTCONN | Sys::ECONNABORTED) => {
                    loopdev::text(index, "loop/backing_file").is_some_and(|path| path.trim() == "/")
                }
                Err(_) => false,
            };
            if ours {
                log!("/dev/loop{index} is left over from an earlier daemon: removed");
                let _ = file.unbind();
                drop(file);
                spares::delete(index);
            }
        }
    }

    fn end(&self) {
        self.spares.clear();
    }

    fn create(&self, minor: Option<u32>, serve: &mut dyn FnMut(Arc<dyn Channel>)) -> Result<Arc<dyn Device>, Errno> {
        if minor.is_some_and(|minor| loopdev::exists(minor) && loopdev::is_bound(minor)) {
            return Err(Errno::ENXIO);
        }
        let fuse = mount::open_dev().map_err(|errno| {
            log!("/dev/fuse cannot be opened: {errno}");
            from_sys(errno)
        })?;
        let channel = Arc::new(FuseChannel::new(fuse, 0, BLOCK));
        let root = mount::mount(channel.fd()).map_err(|errno| {
            log!("a FUSE file cannot be made: {errno}");
            from_sys(errno)
        })?;
        serve(channel.clone());
        let file = mount::open_root(&root).map_err(|error| from_io(&error))?;
        let number = match minor {
            Some(minor) => self.bind(minor, file.as_fd())?.ok_or(Errno::ENXIO)?,
            None => {
                let mut found = None;
                for index in (FIRST_INDEX..FIRST_INDEX + INDEX_COUNT).filter(|&index| !loopdev::is_bound(index)) {
                    found = self.bind(index, file.as_fd())?;
                    if found.is_some() {
                        break;
                    }
                }
                found.ok_or(Errno::ENOSPC)?
            }
        };
        Ok(Arc::new(self.device(number, channel)))
    }

    fn adopt(&self, lifeline: OwnedFd, dev: DevNo, limits: Option<Limits>) -> Result<Arc<dyn Device>, Errno> {
        let index = loopdev::index_of(dev)
            .filter(|&index| loopdev::is_bound(index))
            .ok_or(Errno::ENODEV)?;
        let block = loopdev::get(index, "queue/logical_block_size")
            .and_then(|block| u32::try_from(block).ok())
            .unwrap_or(BLOCK);
        let bytes = limits.map_or(0, |limits| limits.sectors << 9);
        let channel = Arc::new(FuseChannel::new(lifeline, bytes, block));
        let number = FuseDeviceNumber {
            index,
            dev,
            created: index >= FIRST_INDEX,
        };
        Ok(Arc::new(self.device(number, channel)))
    }
}

/// A loop device that is bound to a file of ours.
#[derive(Clone, Copy, Debug)]
struct FuseDeviceNumber {
    index: u32,
    dev: DevNo,
    created: bool,
}

/// A loop device on a FUSE file.
#[derive(Debug)]
struct FuseDevice {
    index: u32,
    dev: DevNo,
    /// The loop device was made by the daemon, and goes with the device.
    created: bool,
    channel: Arc<FuseChannel>,
    mark: Arc<str>,
    spares: Arc<Spares>,
    /// What the machine was told last.
    told: Mutex<Option<Limits>>,
}

impl FuseDevice {
    /// Whether the loop device is still the one that we have bound: once it is not, another daemon may have taken it.
    fn is_ours(&self, looped: &LoopFile) -> bool {
        looped.info().is_ok_and(|info| info.name() == self.mark.as_bytes())
    }

    fn is_still_bound(&self) -> bool {
        let Ok(looped) = LoopFile::open(self.dev) else {
            return false;
        };
        let ours = self.is_ours(&looped);
        closer::close_later(looped.0);
        ours
    }

    /// Takes back that the device goes at its last close. False when that did not succeed soon: the kernel waits for the
    /// requests that are under way, which may in turn wait for the caller.
    fn stay(&self) -> bool {
        let (done, wait) = std::sync::mpsc::channel();
        let dev = self.dev;
        let started = std::thread::Builder::new().spawn(move || {
            let result = match LoopFile::open(dev) {
                Ok(looped) => {
                    let result = looped.clear_autoclear();
                    closer::close_later(looped.0);
                    result
                }
                Err(error) => Err(Sys::from_raw(error.raw_os_error().unwrap_or(libc::EIO))),
            };
            // Its last user may have closed it before.
            let _ = done.send(matches!(result, Ok(()) | Err(Sys::ENXIO)));
        });
        started.is_ok() && wait.recv_timeout(CLOSE_WAIT) == Ok(true)
    }

    /// Block size and discards. Both wait in the kernel for the requests that are under way.
    fn set_queue_limits(&self, looped: &LoopFile, limits: Limits) {
        let block = limits.logical_block_size.max(BLOCK);
        if block != self.channel.block() {
            self.channel.set_block(block);
            if let Err(errno) = looped.set_block_size(block) {
                log!("/dev/loop{}: block size {block} cannot be set: {errno}", self.index);
            }
        }
        // Writing waits for all requests, so only what changes is written.
        let most = match (loopdev::takes_discards(self.index), limits.discard) {
            (true, false) => 0,
            // A multiple of the granularity, and of the largest block.
            (false, true) => !0xfff_u32,
            _ => return,
        };
        if let Err(error) = loopdev::set(self.index, "queue/discard_max_bytes", &most.to_string()) {
            log!(
                "/dev/loop{}: takes no discards until it is made anew: {error}",
                self.index
            );
        }
    }
}

impl Device for FuseDevice {
    fn dev(&self) -> DevNo {
        self.dev
    }

    fn channel(&self) -> Arc<dyn Channel> {
        self.channel.clone()
    }

    fn configure(&self, limits: Option<Limits>) -> Result<(), Errno> {
        let looped = LoopFile::open(self.dev).map_err(|error| from_io(&error))?;
        let result = (|| {
            // An empty device has no requests to wait for.
            if let Some(limits) = limits
                && self.channel.bytes() == 0
            {
                self.set_queue_limits(&looped, limits);
                *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(limits);
            }
            if let Some(limits) = limits {
                looped.set_read_only(limits.read_only)?;
            }
            self.channel.set_bytes(limits.map_or(0, |limits| limits.sectors << 9));
            looped.update_capacity()
        })();
        // Closing might write what somebody else has left in the cache, and the device may be suspended.
        closer::close_later(looped.0);
        result.map_err(from_sys)
    }

    fn is_unsettled(&self, limits: Limits) -> bool {
        let told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.is_none_or(|told| told.logical_block_size != limits.logical_block_size || told.discard != limits.discard)
    }

    fn settle(&self, limits: Limits) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(limits);
        // Without the lock: this may wait for requests that a resume must let go on first.
        if let Ok(looped) = LoopFile::open(self.dev) {
            self.set_queue_limits(&looped, limits);
            closer::close_later(looped.0);
        }
    }

    fn remove(&self) -> Result<(), Errno> {
        if !closer::wait(CLOSE_WAIT) {
            return Err(Errno::EBUSY);
        }
        let looped = match LoopFile::open(self.dev) {
            Ok(looped) => looped,
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Ok(()),
            Err(error) => return Err(from_io(&error)),
        };
        if !self.is_ours(&looped) {
            // It went at its last close.
            closer::close_later(looped.0);
            return Ok(());
        }
        let no_discards = !loopdev::takes_discards(self.index);
        // Without waiting for requests; when others have it open, it only sets AUTOCLEAR.
        match looped.unbind() {
            Ok(()) => {}
            Err(Sys::ENXIO) => return Ok(()),
            Err(errno) => return Err(from_sys(errno)),
        }
        closer::close_later(looped.0);
        let closed = closer::wait(CLOSE_WAIT);
        if self.is_still_bound() {
            if !closed || !self.stay() {
                log!("/dev/loop{}: is in use, and may go at its last close", self.index);
                return Err(Errno::EBUSY);
            }
            if self.is_still_bound() {
                return Err(Errno::EBUSY);
            }
        }
        match self.created {
            // See `set_queue_limits`: no other device is to get it as it is.
            true if no_discards => spares::delete(self.index),
            true => self.spares.add(self.index),
            false => {}
        }
        Ok(())
    }

    fn lifeline(&self) -> BorrowedFd<'_> {
        self.channel.fd()
    }

    fn resend(&self) -> Result<(), Errno> {
        self.channel.resend()
    }
}

fn from_sys(errno: Sys) -> Errno {
    Errno(errno as i32)
}

fn from_io(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}
