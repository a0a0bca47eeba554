//! What can be set on a task, apart from names.

use bstr::BString;
use dm_abi::errno::Errno;

use super::{AddNode, Target, Task};
use crate::error::{Error, Result};
use crate::log::Raw;

/// Longest target type, in bytes.
const MAX_TYPE: usize = 15;

macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident => $field:ident;)*) => {
        $($(#[$doc])* pub fn $name(&mut self) { self.options.$field = true; })*
    };
}

impl Task {
    switches! {
        /// Read-only: the table to load, or the device to resume.
        set_ro => read_only;
        /// Suspends without flushing what targets queue.
        no_flush => no_flush;
        /// Suspends without freezing the filesystem.
        skip_lockfs => skip_lockfs;
        /// Does not need the open count.
        no_open_count => no_open_count;
        /// Asks about the inactive table.
        query_inactive_table => query_inactive;
        /// Has the driver wipe its copy of the request, and wipes its own.
        secure_data => secure_data;
        /// Asks for an IMA measurement of the table.
        ima_measurement => ima_measurement;
        /// Tries REMOVE again for five seconds while the device is open.
        retry_remove => retry_remove;
        /// Has the driver remove an open device when it is closed (REMOVE, REMOVE_ALL).
        deferred_remove => deferred_remove;
        /// Skips a RELOAD of the table that is already live.
        suppress_identical_reload => suppress_identical;
        /// Makes that comparison without the parameters.
        ignore_params_in_comparison => ignore_params;
        /// Checks before SUSPEND that nothing below is suspended.
        enable_checks => enable_checks;
        /// Notes the time when the request returns, see [`crate::library::Library::ioctl_timestamp`].
        record_timestamp => record_timestamp;
    }

    /// Whether [`Task::record_timestamp`] was called.
    #[must_use]
    pub fn records_timestamp(&self) -> bool {
        self.options.record_timestamp
    }

    /// Sets the major number; a wrong one is then sent as it is.
    pub fn set_major(&mut self, major: i32) {
        self.major = major;
        self.allow_default_major = false;
    }

    /// Sets the minor number.
    pub fn set_minor(&mut self, minor: i32) {
        self.minor = minor;
    }

    /// Sets both numbers; with `fallback` a major number that is not device-mapper's is replaced.
    pub fn set_major_minor(&mut self, major: i32, minor: i32, fallback: bool) {
        self.major = major;
        self.minor = minor;
        self.allow_default_major = fallback;
    }

    /// Sets the owner of the node.
    pub fn set_uid(&mut self, uid: u32) {
        self.uid = uid;
    }

    /// Sets the group of the node.
    pub fn set_gid(&mut self, gid: u32) {
        self.gid = gid;
    }

    /// Sets the permissions of the node.
    pub fn set_mode(&mut self, mode: u32) {
        self.mode = mode;
    }

    /// Sets the event number that WAITEVENT compares with.
    pub fn set_event_nr(&mut self, event_nr: u32) {
        self.event_nr = event_nr;
    }

    /// Sets when the node is made.
    pub fn set_add_node(&mut self, when: AddNode) {
        self.add_node = when;
    }

    /// Sets the read-ahead that RESUME applies, in sectors of 512 bytes, see [`super::READ_AHEAD_AUTO`].
    pub fn set_read_ahead(&mut self, read_ahead: u32, flags: u32) {
        self.read_ahead = read_ahead;
        self.read_ahead_flags = flags;
    }

    /// Sets the sector that selects the target of a message.
    pub fn set_sector(&mut self, sector: u64) {
        self.extra.sector = sector;
    }

    /// Sets the message.
    pub fn set_message(&mut self, message: &[u8]) {
        self.extra.message = Some(message.into());
    }

    /// Sets the geometry, as decimal texts.
    pub fn set_geometry(&mut self, cylinders: &[u8], heads: &[u8], sectors: &[u8], start: &[u8]) {
        self.extra.geometry = Some(BString::from(bstr::join(" ", [cylinders, heads, sectors, start])));
    }

    /// Adds a line to the table.
    ///
    /// # Errors
    /// A target type of more than 15 bytes; logged.
    pub fn add_target(&mut self, start: u64, length: u64, kind: &[u8], params: &[u8]) -> Result<()> {
        if kind.len() > MAX_TYPE {
            let message = format!("Target type name {} is too long.", Raw(kind));
            crate::log_error!("{message}");
            return Err(Error::Invalid(message));
        }
        self.targets.push(Target {
            start,
            length,
            kind: kind.into(),
            params: params.into(),
        });
        Ok(())
    }

    /// Takes this refusal by the driver as success.
    pub fn expect_errno(&mut self, errno: Errno) {
        self.expected_errno = Some(errno);
    }
}
