//! What a process shares among its tasks: settings, the way to the engine, queued node operations, udev state.
//!
//! Programs use the one [`Library::global`]; tests make libraries of their own over a scripted transport. No lock is
//! held while a request runs, since one that waits for an event may run for hours.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, RwLock};

use crate::error::{Error, Result};
use crate::mangle::Mode;
use crate::nodes::Nodes;
use crate::settings::{LIBRARY_VERSION, Settings};
use crate::task::{Task, TaskType};
use crate::timestamp::Timestamp;
use crate::transport::{self, Transport, select};
use crate::udev::Udev;
use crate::wiped::Spare;

/// Environment variable with the default mangling mode: `none`, `auto` or `hex`.
const ENV_MANGLING: &str = "DM_DEFAULT_NAME_MANGLING_MODE";

/// Major number of the driver interface.
const INTERFACE: u32 = 4;

/// What the driver is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Driver {
    #[default]
    Unknown,
    /// Probing failed: no task can be made.
    Incompatible,
    Version([u32; 3]),
}

/// Everything that tasks share.
#[derive(Debug, Default)]
pub struct Library {
    settings: RwLock<Settings>,
    transport: Mutex<Option<Arc<dyn Transport>>>,
    /// A transport that is never closed or replaced, for tests.
    fixed: Option<Arc<dyn Transport>>,
    hold_control: AtomicBool,
    driver: Mutex<Driver>,
    /// How often reply buffers were doubled.
    pub(crate) growth: AtomicU32,
    /// The buffer for the next request.
    pub(crate) spare: Arc<Spare>,
    /// Queued node operations.
    pub(crate) nodes: Nodes,
    /// Cookies and their switches.
    pub(crate) udev: Udev,
    suspended: AtomicI32,
    timestamp: Mutex<Option<Timestamp>>,
    exited: AtomicBool,
    pub(crate) inactive_warned: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

static GLOBAL: LazyLock<Arc<Library>> = LazyLock::new(|| {
    let library = Library::default();
    library.read_environment();
    Arc::new(library)
});

impl Library {
    /// The library of the process.
    #[must_use]
    pub fn global() -> &'static Arc<Self> {
        &GLOBAL
    }

    /// A library over a given transport, with default settings and without udev.
    #[must_use]
    pub fn with_transport(transport: Arc<dyn Transport>) -> Arc<Self> {
        Arc::new(Self {
            fixed: Some(transport),
            ..Self::default()
        })
    }

    /// Reads `DM_DISABLE_UDEV` and `DM_DEFAULT_NAME_MANGLING_MODE`.
    pub fn read_environment(&self) {
        self.udev.read_environment();
        if let Some(mode) = std::env::var_os(ENV_MANGLING) {
            let mode = match mode.to_string_lossy().to_ascii_lowercase().as_str() {
                "none" => Mode::None,
                "auto" => Mode::Auto,
                "hex" => Mode::Hex,
                _ => return,
            };
            self.change_settings(|s| s.mangling = mode);
        }
    }

    /// A copy of the settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Changes the settings.
    pub fn change_settings<T>(&self, change: impl FnOnce(&mut Settings) -> T) -> T {
        change(&mut self.settings.write().unwrap_or_else(|e| e.into_inner()))
    }

    /// The way to the engine, opened now if it was not.
    ///
    /// # Errors
    /// Logged: no control node, no daemon.
    pub fn transport(&self) -> Result<Arc<dyn Transport>> {
        if let Some(fixed) = &self.fixed {
            return Ok(Arc::clone(fixed));
        }
        let mut slot = lock(&self.transport);
        if let Some(open) = &*slot {
            return Ok(Arc::clone(open));
        }
        let dm_dir = self.settings().dm_dir;
        let opened = select(Path::new(OsStr::from_bytes(&dm_dir)))?;
        *slot = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Makes `transport` the way to the engine, as if it had been opened: [`Library::release`] closes it unless it is
    /// held.
    pub fn set_transport(&self, transport: Arc<dyn Transport>) {
        *lock(&self.transport) = Some(transport);
    }

    /// The way to the engine, if it is open.
    pub(crate) fn open_transport(&self) -> Option<Arc<dyn Transport>> {
        self.fixed.clone().or_else(|| lock(&self.transport).clone())
    }

    /// Keeps the way to the engine open in [`Library::release`].
    pub fn hold_control(&self, hold: bool) {
        crate::log_debug!("Hold of control device is now {}set.", if hold { "" } else { "un" });
        self.hold_control.store(hold, Ordering::Relaxed);
    }

    /// Closes the way to the engine unless it is held, and carries out queued node operations.
    pub fn release(&self) {
        if !self.hold_control.load(Ordering::Relaxed) {
            *lock(&self.transport) = None;
        }
        *lock(&self.timestamp) = None;
        self.spare.release();
        self.update_nodes();
    }

    /// Releases everything at the end of the program. Only the first call acts, and it says so by returning true.
    pub fn exit(&self) -> bool {
        if self.exited.swap(true, Ordering::AcqRel) {
            return false;
        }
        let suspended = self.suspended_counter();
        if suspended != 0 {
            crate::log_error!("libdevmapper exiting with {suspended} device(s) still suspended.");
        }
        self.release();
        *lock(&self.driver) = Driver::Unknown;
        true
    }

    /// Carries out queued node operations.
    pub fn update_nodes(&self) {
        self.nodes.process(self);
    }

    /// Makes sure that the driver's version is known and fits.
    ///
    /// # Errors
    /// The driver does not fit or cannot be reached; logged.
    pub fn check_version(self: &Arc<Self>) -> Result<[u32; 3]> {
        let refused = || Error::Invalid("incompatible device-mapper driver".into());
        match *lock(&self.driver) {
            Driver::Version(version) => return Ok(version),
            Driver::Incompatible => return Err(refused()),
            Driver::Unknown => {}
        }
        let mut task = Task::unprobed(self, TaskType::Version);
        let version = task.run().ok().and_then(|()| task.driver_version());
        if version.is_none() {
            crate::log_error!("Incompatible libdevmapper {LIBRARY_VERSION} and kernel driver (unknown version).",);
            *lock(&self.driver) = Driver::Incompatible;
        }
        version.ok_or_else(refused)
    }

    /// The driver's version, asked for anew.
    ///
    /// # Errors
    /// The driver cannot be reached; logged.
    pub fn driver_version(self: &Arc<Self>) -> Result<[u32; 3]> {
        let mut task = Task::on(self, TaskType::Version)?;
        if let Err(error) = task.run() {
            crate::log_error!("Failed to get driver version");
            return Err(error);
        }
        task.driver_version()
            .ok_or_else(|| Error::NotFound("driver version".into()))
    }

    /// Notes the version that a reply carried.
    pub(crate) fn note_driver_version(&self, version: [u32; 3]) {
        // A refused request with SECURE_DATA comes back as zeros.
        if version[0] == INTERFACE {
            *lock(&self.driver) = Driver::Version(version);
        }
    }

    /// Whether the driver is version 4 and its minor at least this. False before the first contact.
    pub(crate) fn driver_has(&self, minor: u32) -> bool {
        matches!(*lock(&self.driver), Driver::Version([_, m, _]) if m >= minor)
    }

    /// Version known so far.
    pub(crate) fn known_driver(&self) -> Option<[u32; 3]> {
        match *lock(&self.driver) {
            Driver::Version(version) => Some(version),
            _ => None,
        }
    }

    /// Whether the driver takes udev cookies (interface 4.15).
    pub fn cookie_supported(self: &Arc<Self>) -> bool {
        self.check_version().is_ok() && self.driver_has(15)
    }

    /// Whether statistics take `precise_timestamps` and histograms (interface 4.33).
    pub fn supports_precise_timestamps(self: &Arc<Self>) -> bool {
        self.check_version().is_ok() && self.driver_has(33)
    }

    /// Whether block devices of this major number are the engine's. Not an error without device-mapper.
    #[must_use]
    pub fn is_dm_major(&self, major: u32) -> bool {
        match self.open_transport() {
            Some(open) => open.is_dm_major(major),
            None => transport::is_dm_major(major),
        }
    }

    /// Devices that were suspended and not yet resumed.
    #[must_use]
    pub fn suspended_counter(&self) -> i32 {
        self.suspended.load(Ordering::Relaxed)
    }

    /// Counts a device that was suspended.
    pub fn inc_suspended(&self) {
        let now = self.suspended.fetch_add(1, Ordering::Relaxed) + 1;
        crate::log_debug!("Suspended device counter increased to {now}");
    }

    /// Counts a suspended device that was resumed or removed.
    pub fn dec_suspended(&self) {
        let change = |n: i32| (n > 0).then(|| n - 1);
        match self
            .suspended
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
        {
            Ok(before) => crate::log_debug!("Suspended device counter reduced to {}", before - 1),
            Err(_) => crate::log_error!("Internal error: Attempted to decrement suspended device counter below zero."),
        }
    }

    /// When the last timestamped request of the process returned; none since [`Library::release`].
    #[must_use]
    pub fn ioctl_timestamp(&self) -> Option<Timestamp> {
        *lock(&self.timestamp)
    }

    pub(crate) fn take_timestamp(&self) {
        *lock(&self.timestamp) = Timestamp::now().ok();
    }
}
