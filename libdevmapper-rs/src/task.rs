//! One request to the driver and its reply.
//!
//! ```
//! # let library = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/engine.rs"));
//! use libdevmapper::task::{Task, TaskType};
//!
//! let mut task = Task::on(&library, TaskType::Create)?; // Task::new for the process's library
//! task.set_name(b"vg-lv")?;
//! task.add_target(0, 2048, b"linear", b"1:0 8")?;
//! task.run()?;
//!
//! let mut task = Task::on(&library, TaskType::Table)?;
//! task.set_name(b"vg-lv")?;
//! task.run()?;
//! for target in task.targets() {
//!     println!("{} {} {} {}", target.start, target.length, target.kind, target.params);
//! }
//! assert_eq!(task.targets()[0].params, "1:0 8");
//! # Ok::<(), libdevmapper::Error>(())
//! ```
//! [`crate::device`] has a call per step, and [`crate::table`] the lines as types.
//!
//! Setters keep copies. A task may be run again; a new run replaces the reply. Errors are logged where they arise, the
//! driver's refusals in the form `device-mapper: reload ioctl on NAME UUID(MAJ:MIN) failed: REASON`.

mod composite;
mod kind;
mod names;
mod post;
mod reply;
mod request;
mod run;
mod setters;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bstr::{BStr, BString};
use dm_abi::errno::Errno;
use zeroize::Zeroize;

use crate::error::Result;
use crate::library::Library;
pub use composite::mknodes;
pub use kind::TaskType;
use names::Name;
use reply::Reply;
pub use reply::{DeviceEntry, Info, Listed, TargetVersion};

/// Group of new nodes where the program sets none: on NetBSD `operator`.
const NODE_GID: u32 = if cfg!(target_os = "netbsd") { 5 } else { 0 };
/// Permissions of new nodes where the program sets none.
const NODE_MODE: u32 = if cfg!(target_os = "netbsd") { 0o640 } else { 0o600 };
/// Read-ahead value: leave it alone.
pub const READ_AHEAD_AUTO: u32 = u32::MAX;
/// Read-ahead value: no read-ahead.
pub const READ_AHEAD_NONE: u32 = 0;
/// Read-ahead flag: keep a larger value.
pub const READ_AHEAD_MINIMUM: u32 = 1;

/// A block device number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevNo {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

impl DevNo {
    /// From the encoding of the driver's payloads.
    #[must_use]
    pub const fn decode(dev: u64) -> Self {
        let (major, minor) = dm_abi::ioctl::decode_dev(dev);
        Self { major, minor }
    }

    /// From the number in a file's status.
    #[must_use]
    pub fn from_rdev(rdev: u64) -> Self {
        #[cfg(target_os = "linux")]
        {
            let part = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
            Self {
                major: part(nix::sys::stat::major(rdev)),
                minor: part(nix::sys::stat::minor(rdev)),
            }
        }
        // NetBSD numbers devices as the driver's payloads do.
        #[cfg(not(target_os = "linux"))]
        Self::decode(rdev)
    }

    /// The encoding of the driver's payloads.
    #[must_use]
    pub const fn encode(self) -> u64 {
        dm_abi::ioctl::encode_dev(self.major, self.minor)
    }
}

impl std::fmt::Display for DevNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// A line of a table: what is mapped where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// First sector of the mapped device, in sectors of 512 bytes.
    pub start: u64,
    /// Length in sectors of 512 bytes.
    pub length: u64,
    /// Target type, at most 15 bytes.
    pub kind: BString,
    /// Parameters, or the status where that was asked for.
    pub params: BString,
}

/// When a device's node is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddNode {
    /// When it is resumed.
    #[default]
    OnResume,
    /// When it is created.
    OnCreate,
}

/// Options that are on or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    read_only: bool,
    no_flush: bool,
    skip_lockfs: bool,
    no_open_count: bool,
    query_inactive: bool,
    secure_data: bool,
    ima_measurement: bool,
    retry_remove: bool,
    deferred_remove: bool,
    suppress_identical: bool,
    ignore_params: bool,
    enable_checks: bool,
    record_timestamp: bool,
}

/// The text of TARGET_MSG, RENAME or SET_GEOMETRY.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Extra {
    new_name: Option<Name>,
    new_is_uuid: bool,
    sector: u64,
    message: Option<BString>,
    geometry: Option<BString>,
}

/// A request and, once it ran, its reply.
#[derive(Debug)]
pub struct Task {
    library: Arc<Library>,
    /// The number given by the program; only [`Task::run`] looks whether it means something.
    kind: i32,
    name: Option<Name>,
    uuid: Option<Name>,
    major: i32,
    minor: i32,
    allow_default_major: bool,
    uid: u32,
    gid: u32,
    mode: u32,
    options: Options,
    /// Event number, or udev flags in the upper and cookie in the lower half.
    event_nr: u32,
    cookie_set: bool,
    add_node: AddNode,
    read_ahead: u32,
    read_ahead_flags: u32,
    extra: Extra,
    targets: Vec<Target>,
    reply: Option<Reply>,
    errno: i32,
    expected_errno: Option<Errno>,
    existing_table_size: u64,
}

impl Task {
    /// A task of the process's library.
    ///
    /// # Errors
    /// The driver does not fit or cannot be reached; logged.
    pub fn new(kind: TaskType) -> Result<Self> {
        Self::on(Library::global(), kind)
    }

    /// A task of a given library.
    ///
    /// # Errors
    /// As of [`Task::new`].
    pub fn on(library: &Arc<Library>, kind: TaskType) -> Result<Self> {
        Self::from_number(library, kind.number())
    }

    /// A task of any number; [`Task::run`] refuses numbers that mean nothing.
    ///
    /// # Errors
    /// As of [`Task::new`].
    pub fn from_number(library: &Arc<Library>, kind: i32) -> Result<Self> {
        library.check_version()?;
        let mut task = Self::unprobed(library, TaskType::Version);
        task.kind = kind;
        Ok(task)
    }

    /// A task that does not make sure of the driver's version first.
    pub(crate) fn unprobed(library: &Arc<Library>, kind: TaskType) -> Self {
        Self {
            library: Arc::clone(library),
            kind: kind.number(),
            name: None,
            uuid: None,
            major: -1,
            minor: -1,
            allow_default_major: true,
            uid: 0,
            gid: NODE_GID,
            mode: NODE_MODE,
            options: Options::default(),
            event_nr: 0,
            cookie_set: false,
            add_node: AddNode::default(),
            read_ahead: READ_AHEAD_AUTO,
            read_ahead_flags: 0,
            extra: Extra::default(),
            targets: Vec::new(),
            reply: None,
            errno: 0,
            expected_errno: None,
            existing_table_size: 0,
        }
    }

    /// The library it belongs to.
    #[must_use]
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// What the task is now; a CREATE with a table turns into a RESUME while it runs.
    #[must_use]
    pub fn kind(&self) -> Option<TaskType> {
        TaskType::from_number(self.kind)
    }

    /// The driver's errno for the last request of this task; 0 after success, and when nothing was sent.
    #[must_use]
    pub fn errno(&self) -> i32 {
        crate::errno::to_system(Errno(self.errno))
    }

    /// The device's state. `None` before a successful run.
    #[must_use]
    pub fn info(&self) -> Option<Info> {
        self.reply.as_ref().map(Reply::info)
    }

    /// The device's name in the reply, unmangled unless the mode is `none`.
    #[must_use]
    pub fn name(&self) -> Option<&BStr> {
        self.reply.as_ref().map(|r| BStr::new(&r.name))
    }

    /// The device's uuid in the reply, unmangled unless the mode is `none`.
    #[must_use]
    pub fn uuid(&self) -> Option<&BStr> {
        self.reply.as_ref().map(|r| BStr::new(&r.uuid))
    }

    /// The name in the reply as the driver has it, which is also that of the node.
    #[must_use]
    pub fn raw_name(&self) -> Option<&BStr> {
        self.reply.as_ref().map(|r| BStr::new(&r.raw_name))
    }

    /// The name as it was set, in the form that is sent to the driver.
    #[must_use]
    pub fn request_name(&self) -> Option<&BStr> {
        self.name.as_ref().map(|n| BStr::new(&n.sent))
    }

    /// The table lines that were added, or after STATUS, TABLE and WAITEVENT those of the reply.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The devices that the table uses (DEPS).
    #[must_use]
    pub fn deps(&self) -> Option<Vec<DevNo>> {
        self.reply.as_ref().map(Reply::deps)
    }

    /// All devices, in the driver's order (LIST).
    #[must_use]
    pub fn devices(&self) -> Option<Vec<DeviceEntry>> {
        Some(self.listed()?.map(|device| device.to_entry()).collect())
    }

    /// All devices, in the driver's order, read from the reply one by one (LIST).
    pub fn listed(&self) -> Option<impl Iterator<Item = Listed<'_>>> {
        let reply = self.reply.as_ref()?;
        // All of them were good when the reply came.
        let devices = reply.list.into_iter().flat_map(|mode| reply.devices(mode));
        Some(devices.filter_map(Result::ok))
    }

    /// Target types and their versions (LIST_VERSIONS, GET_TARGET_VERSION).
    #[must_use]
    pub fn target_versions(&self) -> Option<Vec<TargetVersion>> {
        self.reply.as_ref().map(Reply::versions)
    }

    /// What a target answered to a message; `None` when it answered nothing.
    #[must_use]
    pub fn message_response(&self) -> Option<&BStr> {
        self.reply.as_ref().and_then(Reply::message)
    }

    /// The driver's version in the reply.
    #[must_use]
    pub fn driver_version(&self) -> Option<[u32; 3]> {
        let version = self.reply.as_ref()?.header.version;
        self.library.note_driver_version(version);
        Some(version)
    }

    /// The device's read-ahead in sectors of 512 bytes; `None` when there is no device.
    #[must_use]
    pub fn read_ahead(&self) -> Option<u32> {
        let info = self.info().filter(|i| i.exists)?;
        let name = match &self.name {
            Some(name) => BStr::new(&name.sent),
            None => BStr::new(&self.reply.as_ref()?.raw_name),
        };
        if name.is_empty() {
            return None;
        }
        let dev = DevNo {
            major: info.major,
            minor: info.minor,
        };
        crate::nodes::read_ahead::get(&self.library.settings(), name, dev)
    }

    /// Length in sectors of the live table that a RELOAD with identical-table suppression found; 0 if none.
    #[must_use]
    pub fn existing_table_size(&self) -> u64 {
        self.existing_table_size
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.options.secure_data {
            for target in &mut self.targets {
                target.params.as_mut_slice().zeroize();
            }
            if let Some(message) = &mut self.extra.message {
                message.as_mut_slice().zeroize();
            }
        }
    }
}
