//! Tasks that take several requests.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use bstr::{BStr, ByteSlice};

use super::{DevNo, Target, Task, TaskType};
use crate::error::{Error, Result};
use crate::udev;

impl Task {
    fn sibling(&self, kind: TaskType) -> Self {
        let mut task = Self::unprobed(&self.library, kind);
        task.name.clone_from(&self.name);
        task.options.no_open_count = self.options.no_open_count;
        task
    }

    /// CREATE with a table: create, reload, resume. When a step fails, the new device is removed again.
    pub(super) fn create_and_load(&mut self) -> Result<()> {
        let mut create = self.sibling(TaskType::Create);
        create.uuid.clone_from(&self.uuid);
        (create.major, create.minor, create.allow_default_major) = (self.major, self.minor, self.allow_default_major);
        (create.uid, create.gid, create.mode) = (self.uid, self.gid, self.mode);
        create.add_node = self.add_node;
        create.cookie_set = self.cookie_set;
        create.event_nr = self.event_nr & !udev::BASE_MASK;
        if let Err(error) = create.run() {
            self.reply = None;
            self.errno = create.errno;
            self.complete_cookie();
            return Err(error);
        }
        let dev = create.reply.as_ref().map(super::reply::Reply::dev).unwrap_or_default();
        let number = |n: u32| i32::try_from(n).unwrap_or(-1);

        let mut reload = self.sibling(TaskType::Reload);
        reload.set_major_minor(number(dev.major), number(dev.minor), false);
        reload.targets = std::mem::take(&mut self.targets);
        reload.options.read_only = self.options.read_only;
        reload.options.secure_data = self.options.secure_data;
        reload.options.ima_measurement = self.options.ima_measurement;
        let mut result = reload.run();
        drop(create);
        if result.is_err() {
            self.reply = None;
            self.errno = reload.errno;
            self.complete_cookie();
        } else {
            self.kind = TaskType::Resume.number();
            self.uuid = None;
            if self.minor >= 0 {
                // A number together with a name finds nothing; the device's own number does.
                self.set_major_minor(number(dev.major), number(dev.minor), false);
            }
            result = self.run();
        }
        result.inspect_err(|_| self.revert_create())
    }

    fn revert_create(&self) {
        let mut remove = self.sibling(TaskType::Remove);
        let mut cookie = self.cookie().unwrap_or(0);
        let flags = udev::Flags::of_word(self.event_nr).0;
        let prepared = if self.cookie_set {
            remove.set_cookie(&mut cookie, flags)
        } else {
            Ok(())
        };
        if prepared.and_then(|()| remove.run()).is_err() {
            crate::log_error!("Failed to revert device creation.");
        }
    }

    /// RELOAD unless the live table is the same.
    pub(super) fn reload_if_different(&mut self) -> Result<()> {
        let mut table = self.sibling(TaskType::Table);
        table.uuid.clone_from(&self.uuid);
        (table.major, table.minor, table.allow_default_major) = (self.major, self.minor, self.allow_default_major);
        self.reply = None;
        // The driver's answer to that task is not one to this.
        self.errno = 0;
        table.run()?;
        self.existing_table_size = table.targets.last().map_or(0, |t| t.start.saturating_add(t.length));
        if self.is_identical(&table) {
            self.errno = table.errno;
            self.reply = table.reply.take();
            return Ok(());
        }
        self.request(TaskType::Reload)
    }

    /// Whether a live table is what this task would load.
    fn is_identical(&self, live: &Self) -> bool {
        let read_only = live.info().is_some_and(|info| info.read_only);
        if read_only != self.options.read_only {
            crate::log_debug!(
                "{}: read-only {read_only} in the live table, {} wanted.",
                self.label(),
                self.options.read_only
            );
            return false;
        }
        if live.targets.len() != self.targets.len() {
            crate::log_debug!(
                "{}: {} live targets, {} wanted.",
                self.label(),
                live.targets.len(),
                self.targets.len()
            );
            return false;
        }
        live.targets.iter().zip(&self.targets).all(|(live, wanted)| {
            let params = live.params.trim_end_with(|c| c == ' ');
            let same = (live.start, live.length, &live.kind) == (wanted.start, wanted.length, &wanted.kind)
                && (self.options.ignore_params || params == wanted.params);
            if !same {
                log_difference(live, wanted, self.options.secure_data);
            }
            same
        })
    }

    /// SUSPEND with checks: complains about suspended devices below this one, but only a failing query stops it.
    pub(super) fn check_suspend(&mut self) -> Result<()> {
        let mut deps = self.sibling(TaskType::Deps);
        deps.uuid.clone_from(&self.uuid);
        (deps.major, deps.minor, deps.allow_default_major) = (self.major, self.minor, self.allow_default_major);
        deps.run()?;
        if deps.info().is_some_and(|info| info.suspended) {
            crate::log_debug!(
                "Attempting to suspend a device that is already suspended ({})",
                self.label()
            );
        }
        let mut seen = BTreeSet::new();
        let mut pending = deps.deps().unwrap_or_default();
        while let Some(dev) = pending.pop() {
            if !self.library.is_dm_major(dev.major) || !seen.insert(dev) {
                continue;
            }
            let mut below = self.by_number(TaskType::Deps, dev);
            below.run()?;
            if below.info().is_some_and(|info| info.suspended) {
                crate::log_error!(
                    "Internal error: Attempt to suspend device {} ({}:{}) that uses already-suspended device ({dev})",
                    self.label(),
                    self.major,
                    self.minor
                );
            }
            pending.extend(below.deps().unwrap_or_default());
        }
        Ok(())
    }

    fn by_number(&self, kind: TaskType, dev: DevNo) -> Self {
        let mut task = Self::unprobed(&self.library, kind);
        task.options.no_open_count = self.options.no_open_count;
        task.set_major_minor(
            i32::try_from(dev.major).unwrap_or(-1),
            i32::try_from(dev.minor).unwrap_or(-1),
            false,
        );
        task
    }

    /// MKNODES without a device: every node is checked against the devices, then every device against the nodes.
    pub(super) fn make_all_nodes(&mut self) -> Result<()> {
        let dm_dir = self.library.settings().dm_dir;
        let entries = std::fs::read_dir(OsStr::from_bytes(&dm_dir)).map_err(|source| {
            crate::log_sys_error!(dm_dir, "opendir", source);
            Error::System {
                path: dm_dir.to_string(),
                call: "opendir",
                source,
            }
        })?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name != "control" {
                // Nodes that are no device's may have any name.
                let _ = self.make_node(name.as_bytes());
            }
        }
        let mut list = Self::unprobed(&self.library, TaskType::List);
        list.run()?;
        let mut result = Ok(());
        for entry in list.listed().into_iter().flatten() {
            if let Err(error) = self.make_node(entry.raw_name) {
                result = Err(error);
            }
        }
        result
    }

    fn make_node(&self, sent_name: &[u8]) -> Result<()> {
        let mut task = self.sibling(TaskType::Mknodes);
        task.set_sent_name(sent_name);
        task.run()
    }
}

fn log_difference(live: &Target, wanted: &Target, secret: bool) {
    let shown = |target: &Target| {
        let params = if secret {
            BStr::new("...")
        } else {
            BStr::new(&target.params)
        };
        format!("{} {} {} {params}", target.start, target.length, target.kind)
    };
    crate::log_debug!("Live target \"{}\" differs from \"{}\".", shown(live), shown(wanted));
}

/// Brings nodes in line with the devices: all of them, or that of `name`.
///
/// # Errors
/// The driver cannot be asked; logged. Nodes change when the queue is processed.
pub fn mknodes(library: &Arc<crate::library::Library>, name: Option<&[u8]>) -> Result<()> {
    let mut task = Task::on(library, TaskType::Mknodes)?;
    if let Some(name) = name {
        task.set_name(name)?;
    }
    task.no_open_count();
    task.run()
}
