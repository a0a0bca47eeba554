//! Mapped devices, one call per step: create, load, suspend, resume, remove, and what they say about themselves.
//!
//! ```
//! # let library = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/engine.rs"));
//! use libdevmapper::device::MappedDevice;
//! use libdevmapper::table::{Device, Linear, Table};
//!
//! let mut table = Table::new();
//! table.push(2048, Linear::new(Device::new(1, 0), 8))?;
//! let device = MappedDevice::create("data")
//!     .on(&library) // without this: the kernel's driver, or the udmd daemon
//!     .uuid("EXAMPLE-1")
//!     .table(table)
//!     .run()?;
//! assert!(device.info()?.live_table);
//! assert_eq!(device.table()?.to_string(), "0 2048 linear 1:0 8\n");
//! assert_eq!(device.deps()?[0].to_string(), "1:0");
//!
//! // A longer table takes effect with a resume.
//! device.load(&"0 4096 striped 2 128 1:0 0 1:1 0".parse()?)?;
//! device.resume()?;
//! assert_eq!(device.status()?[0].to_string(), "0 4096 striped 2 1:0 1:1 1 AA");
//!
//! let device = device.rename("renamed")?;
//! device.remove()?;
//! assert!(!device.exists()?);
//! # Ok::<(), libdevmapper::Error>(())
//! ```
//!
//! Each call is a [`Task`], waits for udev where there is one, and makes or deletes nodes in `/dev/mapper`. What is not
//! here (geometry, read-ahead, many requests in one transaction with udev) can be done with tasks.

use std::sync::Arc;

use bstr::{BStr, BString};

use crate::error::{Error, Result};
use crate::library::Library;
use crate::table::{Line, Status, Table, Target as _};
use crate::task::{DevNo, DeviceEntry, Info, Task, TaskType};
use crate::udev;

/// What a device is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Its name.
    Name(BString),
    /// Its uuid.
    Uuid(BString),
    /// Its number.
    Number(DevNo),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(text) | Self::Uuid(text) => std::fmt::Display::fmt(text, f),
            Self::Number(number) => std::fmt::Display::fmt(number, f),
        }
    }
}

/// A mapped device that may or may not exist.
#[derive(Clone, Debug)]
pub struct MappedDevice {
    library: Arc<Library>,
    key: Key,
}

/// A device that is to be created; see [`MappedDevice::create`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before run"]
pub struct Create {
    library: Arc<Library>,
    name: BString,
    uuid: Option<BString>,
    table: Option<Table>,
    number: Option<DevNo>,
    read_only: bool,
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Create {
    /// Creates it with another library than the process's.
    pub fn on(mut self, library: &Arc<Library>) -> Self {
        self.library = Arc::clone(library);
        self
    }

    /// Gives it a uuid, at most 128 bytes.
    pub fn uuid(mut self, uuid: impl Into<BString>) -> Self {
        self.uuid = Some(uuid.into());
        self
    }

    /// Gives it a table, and resumes it. Without one the device has no size.
    pub fn table(mut self, table: Table) -> Self {
        self.table = Some(table);
        self
    }

    /// Asks for this number; the driver replaces the major number by its own.
    pub fn number(mut self, number: DevNo) -> Self {
        self.number = Some(number);
        self
    }

    /// Refuses writes to it.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Sets owner, group and permissions of its node; 0, 0 and 0600 if not given.
    pub fn node(mut self, uid: u32, gid: u32, mode: u32) -> Self {
        (self.uid, self.gid, self.mode) = (uid, gid, mode);
        self
    }

    /// Creates it. When the table is refused nothing remains of it.
    ///
    /// # Errors
    /// The driver cannot be reached, or refuses the name, the number or the table; logged.
    pub fn run(self) -> Result<MappedDevice> {
        let mut task = Task::on(&self.library, TaskType::Create)?;
        task.set_name(&self.name)?;
        if let Some(uuid) = &self.uuid {
            task.set_uuid(uuid)?;
        }
        if let Some(number) = self.number {
            task.set_major_minor(number.major.cast_signed(), number.minor.cast_signed(), true);
        }
        if self.read_only {
            task.set_ro();
        }
        task.set_uid(self.uid);
        task.set_gid(self.gid);
        task.set_mode(self.mode);
        if let Some(table) = &self.table {
            task.add_table(table)?;
        }
        run_with_udev(&mut task)?;
        Ok(MappedDevice {
            library: self.library,
            key: Key::Name(self.name),
        })
    }
}

/// How [`MappedDevice::suspend`] suspends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suspend {
    /// Does not wait until targets that queue requests have done them.
    pub no_flush: bool,
    /// Does not freeze the filesystem on the device first.
    pub skip_lockfs: bool,
}

impl MappedDevice {
    /// The device with this name.
    pub fn named(name: impl Into<BString>) -> Self {
        Self::with(Key::Name(name.into()))
    }

    /// The device with this uuid.
    pub fn by_uuid(uuid: impl Into<BString>) -> Self {
        Self::with(Key::Uuid(uuid.into()))
    }

    /// The device with this number.
    #[must_use]
    pub fn by_number(number: DevNo) -> Self {
        Self::with(Key::Number(number))
    }

    fn with(key: Key) -> Self {
        Self {
            library: Arc::clone(Library::global()),
            key,
        }
    }

    /// A device that is to be created with this name, at most 127 bytes.
    pub fn create(name: impl Into<BString>) -> Create {
        Create {
            library: Arc::clone(Library::global()),
            name: name.into(),
            uuid: None,
            table: None,
            number: None,
            read_only: false,
            uid: 0,
            gid: 0,
            mode: 0o600,
        }
    }

    /// The same device in another library than the process's.
    #[must_use]
    pub fn on(mut self, library: &Arc<Library>) -> Self {
        self.library = Arc::clone(library);
        self
    }

    /// What it is found by.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// A task about the device, for what has no method here.
    ///
    /// # Errors
    /// The driver cannot be reached, or there can be no such name or uuid; logged.
    pub fn task(&self, kind: TaskType) -> Result<Task> {
        let mut task = Task::on(&self.library, kind)?;
        match &self.key {
            Key::Name(name) => task.set_name(name)?,
            Key::Uuid(uuid) => task.set_uuid(uuid)?,
            Key::Number(number) => {
                task.set_major_minor(number.major.cast_signed(), number.minor.cast_signed(), false);
            }
        }
        Ok(task)
    }

    fn run(&self, kind: TaskType) -> Result<Task> {
        let mut task = self.task(kind)?;
        task.run()?;
        Ok(task)
    }

    /// The state of a device that must exist.
    fn existing(&self, task: Task) -> Result<Task> {
        match task.info() {
            Some(info) if info.exists => Ok(task),
            _ => Err(Error::NotFound(format!("device {}", self.key))),
        }
    }

    /// Whether there is such a device.
    ///
    /// # Errors
    /// The driver cannot be reached; logged.
    pub fn exists(&self) -> Result<bool> {
        Ok(self.run(TaskType::Info)?.info().is_some_and(|info| info.exists))
    }

    /// Its state.
    ///
    /// # Errors
    /// There is no such device, or the driver cannot be reached; the second is logged.
    pub fn info(&self) -> Result<Info> {
        let task = self.existing(self.run(TaskType::Info)?)?;
        Ok(task.info().unwrap_or_default())
    }

    /// Its name and its uuid; a device without a uuid has an empty one.
    ///
    /// # Errors
    /// As of [`MappedDevice::info`].
    pub fn names(&self) -> Result<(BString, BString)> {
        let task = self.existing(self.run(TaskType::Info)?)?;
        Ok((
            task.name().unwrap_or_default().into(),
            task.uuid().unwrap_or_default().into(),
        ))
    }

    /// Its live table.
    ///
    /// # Errors
    /// There is no such device (logged), or a line is not understood.
    pub fn table(&self) -> Result<Table> {
        let task = self.existing(self.run(TaskType::Table)?)?;
        Table::from_targets(task.targets())
    }

    /// Its inactive table.
    ///
    /// # Errors
    /// As of [`MappedDevice::table`].
    pub fn inactive_table(&self) -> Result<Table> {
        let mut task = self.task(TaskType::Table)?;
        task.query_inactive_table();
        task.run()?;
        Table::from_targets(self.existing(task)?.targets())
    }

    /// What its targets say about themselves, a line per target. Targets are not asked to flush before.
    ///
    /// # Errors
    /// As of [`MappedDevice::table`].
    pub fn status(&self) -> Result<Vec<Line<Status>>> {
        let mut task = self.task(TaskType::Status)?;
        task.no_flush();
        task.run()?;
        let task = self.existing(task)?;
        let lines = task.targets().iter().map(Line::<Status>::try_from);
        Ok(lines.collect::<std::result::Result<_, _>>()?)
    }

    /// The devices that its live table uses.
    ///
    /// # Errors
    /// There is no such device, or the driver cannot be reached; logged.
    pub fn deps(&self) -> Result<Vec<DevNo>> {
        Ok(self.existing(self.run(TaskType::Deps)?)?.deps().unwrap_or_default())
    }

    /// Loads an inactive table, which the next resume makes live.
    ///
    /// # Errors
    /// There is no such device, or the driver refuses the table; logged.
    pub fn load(&self, table: &Table) -> Result<()> {
        let mut task = self.task(TaskType::Reload)?;
        task.add_table(table)?;
        task.run()
    }

    /// Drops the inactive table.
    ///
    /// # Errors
    /// There is no such device; logged.
    pub fn clear(&self) -> Result<()> {
        self.run(TaskType::Clear).map(drop)
    }

    /// Suspends: requests wait until the device is resumed.
    ///
    /// # Errors
    /// There is no such device, or it cannot be suspended; logged.
    pub fn suspend(&self, how: Suspend) -> Result<()> {
        let mut task = self.task(TaskType::Suspend)?;
        if how.no_flush {
            task.no_flush();
        }
        if how.skip_lockfs {
            task.skip_lockfs();
        }
        task.run()
    }

    /// Resumes; an inactive table becomes live.
    ///
    /// # Errors
    /// There is no such device, or a target refuses; logged.
    pub fn resume(&self) -> Result<()> {
        run_with_udev(&mut self.task(TaskType::Resume)?)
    }

    /// Gives it another name. The result is the device with that name.
    ///
    /// # Errors
    /// There is no such device, it is not known by name, or the new name is taken or not allowed; logged.
    pub fn rename(&self, name: impl Into<BString>) -> Result<Self> {
        let name = name.into();
        let mut task = self.task(TaskType::Rename)?;
        task.set_newname(&name)?;
        run_with_udev(&mut task)?;
        Ok(Self {
            library: Arc::clone(&self.library),
            key: match &self.key {
                Key::Name(_) => Key::Name(name),
                key => key.clone(),
            },
        })
    }

    /// Gives a device without a uuid this one.
    ///
    /// # Errors
    /// There is no such device, or it has a uuid; logged.
    pub fn set_uuid(&self, uuid: impl AsRef<[u8]>) -> Result<()> {
        let mut task = self.task(TaskType::Rename)?;
        task.set_newuuid(uuid.as_ref())?;
        run_with_udev(&mut task)
    }

    /// Removes it.
    ///
    /// # Errors
    /// There is no such device, or it is open; logged.
    pub fn remove(&self) -> Result<()> {
        run_with_udev(&mut self.task(TaskType::Remove)?)
    }

    /// Sends a message to the target at a sector (of 512 bytes). The result is the target's answer, if it gave one.
    ///
    /// # Errors
    /// There is no such device, or the target refuses the message; logged.
    pub fn message(&self, sector: u64, text: impl AsRef<[u8]>) -> Result<Option<BString>> {
        let mut task = self.task(TaskType::TargetMsg)?;
        task.set_sector(sector);
        task.set_message(text.as_ref());
        task.run()?;
        Ok(task.message_response().map(BString::from))
    }

    /// Waits until the number of the device's last event differs from `event_nr` ([`Info::event_nr`]); it may do so at
    /// once.
    ///
    /// # Errors
    /// There is no such device, or the wait is interrupted; logged.
    pub fn wait_event(&self, event_nr: u32) -> Result<Info> {
        let mut task = self.task(TaskType::WaitEvent)?;
        task.set_event_nr(event_nr);
        task.run()?;
        Ok(self.existing(task)?.info().unwrap_or_default())
    }
}

/// All devices of the process's library, in the driver's order.
///
/// # Errors
/// The driver cannot be reached; logged.
pub fn list() -> Result<Vec<DeviceEntry>> {
    list_on(Library::global())
}

/// All devices of a library, in the driver's order.
///
/// # Errors
/// The driver cannot be reached; logged.
pub fn list_on(library: &Arc<Library>) -> Result<Vec<DeviceEntry>> {
    let mut task = Task::on(library, TaskType::List)?;
    task.run()?;
    Ok(task.devices().unwrap_or_default())
}

/// Runs a task as a transaction with udev, and carries out node operations.
fn run_with_udev(task: &mut Task) -> Result<()> {
    let library = Arc::clone(task.library());
    let mut cookie = 0;
    task.set_cookie(&mut cookie, 0)?;
    let result = task.run();
    // Also after a failure: the cookie must not remain.
    let waited = udev::wait(&library, cookie);
    result.and(waited)
}

impl Task {
    /// Adds the lines of a table.
    ///
    /// # Errors
    /// A target type of more than 15 bytes; logged.
    pub fn add_table(&mut self, table: &Table) -> Result<()> {
        table
            .lines()
            .iter()
            .try_for_each(|line| self.add_target(line.start, line.length, kind(line), &line.params.to_bytes()))
    }
}

fn kind(line: &Line) -> &BStr {
    line.params.kind()
}
