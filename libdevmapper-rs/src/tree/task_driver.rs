//! The driver of real trees: each request is a [`Task`].

use super::driver::{Deps, Driver, Identity, Load, Loaded, ReadAhead};
use crate::error::{Error, Result};
use crate::library::Library;
use crate::status::vdo;
use crate::task::{DevNo, Info, Target, Task, TaskType};
use crate::{sysfs, udev};
use bstr::{BStr, BString, ByteSlice};
use dm_abi::errno::Errno;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

/// Acts through the tasks of a library.
#[derive(Clone, Debug)]
pub struct TaskDriver {
    library: Arc<Library>,
}

impl TaskDriver {
    /// Acts through the tasks of `library`.
    pub fn new(library: Arc<Library>) -> Self {
        Self { library }
    }

    fn task(&self, kind: TaskType) -> Result<Task> {
        Task::on(&self.library, kind)
    }

    /// A task about a device by its number.
    fn task_on(&self, kind: TaskType, dev: DevNo) -> Result<Task> {
        let mut task = self.task(kind)?;
        // LVM2 asks for "any number" with -1, which a task takes as not set.
        task.set_major_minor(dev.major.cast_signed(), dev.minor.cast_signed(), false);
        Ok(task)
    }

    fn lines(&self, kind: TaskType, dev: DevNo) -> Result<Vec<Target>> {
        let mut task = self.task_on(kind, dev)?;
        task.no_flush();
        task.run()?;
        Ok(task.targets().to_vec())
    }
}

fn info(task: &Task) -> Result<Info> {
    task.info().ok_or_else(|| {
        crate::log_error!("Internal error: a request has no reply.");
        Error::NotFound("reply".into())
    })
}

fn identity(task: &Task) -> Result<Identity> {
    Ok(Identity {
        info: info(task)?,
        name: task.name().unwrap_or_default().into(),
        uuid: task.uuid().unwrap_or_default().into(),
    })
}

impl Driver for TaskDriver {
    fn create(&self, name: &BStr, uuid: &BStr, number: Option<DevNo>, read_only: bool) -> Result<Info> {
        let mut task = match number {
            Some(dev) => self.task_on(TaskType::Create, dev)?,
            None => self.task(TaskType::Create)?,
        };
        task.set_name(name)?;
        task.set_uuid(uuid)?;
        if read_only {
            task.set_ro();
        }
        task.no_open_count();
        task.run()?;
        info(&task)
    }

    fn load(&self, load: Load<'_>) -> Result<Loaded> {
        let mut task = self.task_on(TaskType::Reload, load.dev)?;
        if load.read_only {
            task.set_ro();
        }
        if load.secure {
            task.secure_data();
        }
        if load.ignore_params {
            task.ignore_params_in_comparison();
        }
        task.no_open_count();
        task.suppress_identical_reload();
        for target in &load.targets {
            task.add_target(target.start, target.length, &target.kind, &target.params)?;
        }
        task.run()?;
        Ok(Loaded {
            info: info(&task)?,
            live_size: task.existing_table_size(),
        })
    }

    fn resume(
        &self,
        dev: DevNo,
        name: &BStr,
        read_ahead: ReadAhead,
        cookie: &mut u32,
        udev_flags: u16,
    ) -> Result<Info> {
        let mut task = self.task_on(TaskType::Resume, dev)?;
        // The request goes by number; the name is that of the node.
        task.set_name(name)?;
        task.no_open_count();
        task.set_read_ahead(read_ahead.sectors, read_ahead.flags);
        task.set_cookie(cookie, udev_flags)?;
        task.run()?;
        info(&task)
    }

    fn suspend(&self, dev: DevNo, skip_lockfs: bool, no_flush: bool) -> Result<Info> {
        let mut task = self.task_on(TaskType::Suspend, dev)?;
        if skip_lockfs {
            task.skip_lockfs();
        }
        if no_flush {
            task.no_flush();
        }
        task.no_open_count();
        task.run()?;
        info(&task)
    }

    fn remove(&self, dev: DevNo, name: &BStr, retry: bool, cookie: &mut u32, udev_flags: u16) -> Result<()> {
        let mut task = self.task_on(TaskType::Remove, dev)?;
        task.set_name(name)?;
        task.no_open_count();
        if retry {
            task.retry_remove();
        }
        task.set_cookie(cookie, udev_flags)?;
        task.run()
    }

    fn rename(&self, old: &BStr, new: &BStr, cookie: &mut u32, udev_flags: u16) -> Result<()> {
        let mut task = self.task(TaskType::Rename)?;
        task.set_name(old)?;
        task.set_newname(new)?;
        task.no_open_count();
        task.set_cookie(cookie, udev_flags)?;
        task.run()
    }

    fn clear(&self, dev: DevNo) -> Result<Info> {
        let mut task = self.task_on(TaskType::Clear, dev)?;
        task.run()?;
        info(&task)
    }

    fn deps(&self, dev: DevNo, inactive: bool) -> Result<Deps> {
        let mut task = self.task_on(TaskType::Deps, dev)?;
        if inactive {
            task.query_inactive_table();
        }
        task.run()?;
        Ok(Deps {
            device: identity(&task)?,
            deps: task.deps().unwrap_or_default(),
        })
    }

    fn info(&self, dev: DevNo, open_count: bool) -> Result<Identity> {
        let mut task = self.task_on(TaskType::Info, dev)?;
        if !open_count {
            task.no_open_count();
        }
        task.run()?;
        identity(&task)
    }

    fn status(&self, dev: DevNo) -> Result<Vec<Target>> {
        self.lines(TaskType::Status, dev)
    }

    fn table(&self, dev: DevNo) -> Result<Vec<Target>> {
        self.lines(TaskType::Table, dev)
    }

    fn message(&self, dev: DevNo, message: &BStr, tolerated: Option<Errno>) -> Result<()> {
        let mut task = self.task_on(TaskType::TargetMsg, dev)?;
        task.set_message(message);
        if let Some(errno) = tolerated {
            task.expect_errno(errno);
        }
        task.run()
    }

    fn target_version(&self, kind: &str) -> Result<Option<[u32; 3]>> {
        let mut task = self.task(TaskType::ListVersions)?;
        task.run()?;
        let versions = task.target_versions().unwrap_or_default();
        Ok(versions
            .iter()
            .find(|entry| entry.name == kind)
            .map(|entry| entry.version))
    }

    fn is_dm_major(&self, major: u32) -> bool {
        self.library.is_dm_major(major)
    }

    fn uuid_prefix(&self) -> BString {
        self.library.settings().uuid_prefix
    }

    fn wait_for_udev(&self, cookie: u32) {
        // What fails has been logged, and the nodes are processed in every case.
        let _ = udev::wait(&self.library, cookie);
    }

    fn count_suspended(&self) {
        self.library.inc_suspended();
    }

    fn count_resumed(&self) {
        self.library.dec_suspended();
    }

    fn has_sysfs(&self) -> bool {
        !self.library.settings().sysfs_dir.is_empty()
    }

    fn has_holders(&self, dev: DevNo) -> bool {
        sysfs::has_holders(&self.library, dev)
    }

    fn has_mounted_filesystem(&self, dev: DevNo) -> bool {
        sysfs::has_mounted_fs(&self.library, dev)
    }

    fn block_device(&self, path: &BStr) -> Result<DevNo> {
        let refuse = |text: String| {
            crate::log_error!("{text}");
            Error::Invalid(text)
        };
        let found =
            std::fs::metadata(path.to_os_str_lossy()).map_err(|_| refuse(format!("Device {path} not found.")))?;
        if !found.file_type().is_block_device() {
            return Err(refuse(format!("Device {path} is not a block device.")));
        }
        Ok(DevNo::from_rdev(found.rdev()))
    }

    fn vdo_logical_size(&self, dev: DevNo) -> Result<u64> {
        // The directory of the kernel's own device names is beside that of the mapped names.
        let dm_dir = PathBuf::from(self.library.settings().dm_dir.to_os_str_lossy().into_owned());
        let path = dm_dir.with_file_name(format!("dm-{}", dev.minor));
        vdo::logical_size(path.as_os_str().as_encoded_bytes())
    }
}
