//! What a tree needs from the library below it.

use crate::error::Result;
use crate::task::{DevNo, Info, Target};
use bstr::{BStr, BString};
use dm_abi::errno::Errno;

/// A device and what the driver says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// State.
    pub info: Info,
    /// Name.
    pub name: BString,
    /// Uuid.
    pub uuid: BString,
}

/// A device and the devices that its table uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deps {
    /// The device.
    pub device: Identity,
    /// What it uses.
    pub deps: Vec<DevNo>,
}

/// Read-ahead to apply when a device is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAhead {
    /// Sectors, or [`crate::task::READ_AHEAD_AUTO`].
    pub sectors: u32,
    /// [`crate::task::READ_AHEAD_MINIMUM`] or 0.
    pub flags: u32,
}

impl Default for ReadAhead {
    fn default() -> Self {
        Self {
            sectors: crate::task::READ_AHEAD_AUTO,
            flags: 0,
        }
    }
}

/// A table to load.
#[derive(Debug)]
pub struct Load<'a> {
    /// The device.
    pub dev: DevNo,
    /// Its name, for messages.
    pub name: &'a BStr,
    /// The device shall refuse writes.
    pub read_only: bool,
    /// The text is secret.
    pub secure: bool,
    /// Different parameters are no reason to load.
    pub ignore_params: bool,
    /// The lines.
    pub targets: Vec<Target>,
}

/// What a load found and left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// State; without an inactive table if the live one is the same.
    pub info: Info,
    /// Length of the live table.
    pub live_size: u64,
}

/// Requests to the driver and questions to the system. Each logs why it fails.
#[expect(missing_docs, reason = "the names of the requests, see `crate::task::TaskType`")]
pub trait Driver {
    /// Creates a device without a table.
    fn create(&self, name: &BStr, uuid: &BStr, number: Option<DevNo>, read_only: bool) -> Result<Info>;
    /// Loads an inactive table unless it is the same as the live one.
    fn load(&self, load: Load<'_>) -> Result<Loaded>;
    fn resume(&self, dev: DevNo, name: &BStr, read_ahead: ReadAhead, cookie: &mut u32, udev_flags: u16)
    -> Result<Info>;
    fn suspend(&self, dev: DevNo, skip_lockfs: bool, no_flush: bool) -> Result<Info>;
    fn remove(&self, dev: DevNo, name: &BStr, retry: bool, cookie: &mut u32, udev_flags: u16) -> Result<()>;
    fn rename(&self, old: &BStr, new: &BStr, cookie: &mut u32, udev_flags: u16) -> Result<()>;
    /// Drops the inactive table.
    fn clear(&self, dev: DevNo) -> Result<Info>;
    /// The devices used by the live or the inactive table.
    fn deps(&self, dev: DevNo, inactive: bool) -> Result<Deps>;
    /// A device that does not exist is no error.
    fn info(&self, dev: DevNo, open_count: bool) -> Result<Identity>;
    /// Status lines, without flushing.
    fn status(&self, dev: DevNo) -> Result<Vec<Target>>;
    /// Lines of the live table.
    fn table(&self, dev: DevNo) -> Result<Vec<Target>>;
    /// Sends a message to the target at sector 0; the refusal `tolerated` counts as success.
    fn message(&self, dev: DevNo, message: &BStr, tolerated: Option<Errno>) -> Result<()>;
    /// Version of a target type that the driver knows now; `None` without it.
    fn target_version(&self, kind: &str) -> Result<Option<[u32; 3]>>;

    /// Whether devices of this major number are the driver's.
    fn is_dm_major(&self, major: u32) -> bool;
    /// Begins of uuids that may be missing from devices, such as `LVM-`.
    fn uuid_prefix(&self) -> BString;
    /// Waits for udev and carries out queued node operations.
    fn wait_for_udev(&self, cookie: u32);
    /// Counts a device that was suspended.
    fn count_suspended(&self);
    /// Counts a suspended device that was resumed or removed.
    fn count_resumed(&self);
    /// Whether [`Driver::has_holders`] and [`Driver::has_mounted_filesystem`] can tell.
    fn has_sysfs(&self) -> bool;
    /// Whether another device uses it.
    fn has_holders(&self, dev: DevNo) -> bool;
    fn has_mounted_filesystem(&self, dev: DevNo) -> bool;
    /// Number of the block device at a path.
    fn block_device(&self, path: &BStr) -> Result<DevNo>;
    /// Size in 4 KiB blocks that the VDO volume on a device was formatted with.
    fn vdo_logical_size(&self, dev: DevNo) -> Result<u64>;
}
