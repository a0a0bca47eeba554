//! Questions answered by sysfs and /proc: names, holders, mounts.

#[cfg_attr(target_os = "netbsd", allow(dead_code, reason = "there is no mountinfo to read"))]
mod mounts;
#[cfg(target_os = "netbsd")]
mod netbsd;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use bstr::BString;

use crate::error::{Error, Result};
use crate::library::Library;
use crate::settings::Settings;
use crate::task::{DevNo, Task, TaskType};

pub use mounts::{Mount, has_mounted_fs, read_mountinfo};

/// The block devices that filesystems are mounted from.
#[cfg(target_os = "netbsd")]
pub(crate) fn mounted_devices() -> Vec<DevNo> {
    let mounted = netbsd::mounted().into_iter().map(|mounted| mounted.dev);
    mounted.filter(|dev| *dev != DevNo::default()).collect()
}

/// The name of a block device: for a mapped device the one it was created with, unless the kernel's is preferred;
/// for others the kernel's (`dm-0`, `sda1`). It is not unmangled.
///
/// # Errors
/// There is no such device, or sysfs must not be used; only debug messages say so.
pub fn device_name(library: &Arc<Library>, dev: DevNo, prefer_kernel: bool) -> Result<BString> {
    let settings = library.settings();
    #[cfg(target_os = "netbsd")]
    {
        let mapped = (!prefer_kernel && library.is_dm_major(dev.major)).then(|| engine_name(library, dev));
        let name = mapped.flatten().or_else(|| netbsd::node_name(dev));
        if let Some(name) = name {
            return Ok(name);
        }
    }
    if settings.sysfs_dir.is_empty() {
        return Err(Error::NotFound("sysfs".into()));
    }
    if !prefer_kernel
        && library.is_dm_major(dev.major)
        && let Some(name) = dm_name(library, &settings, dev)
    {
        return Ok(name);
    }
    kernel_name(&settings, dev).ok_or_else(|| {
        crate::log_debug!("No block device {dev} in sysfs.");
        Error::NotFound(format!("block device {dev}"))
    })
}

fn dm_name(library: &Arc<Library>, settings: &Settings, dev: DevNo) -> Option<BString> {
    let file = settings.sysfs(format!("dev/block/{dev}/dm/name"))?;
    match crate::files::read_attribute(&file) {
        Ok(mut name) => {
            let end = name.iter().position(|&b| b == b'\n').unwrap_or(name.len());
            name.truncate(end);
            (!name.is_empty()).then_some(name)
        }
        Err(e) => {
            crate::log_sys_debug!(file.display(), "open", e);
            engine_name(library, dev)
        }
    }
}

/// Asks the engine, for hosts whose kernel does not know the devices as mapped ones.
fn engine_name(library: &Arc<Library>, dev: DevNo) -> Option<BString> {
    if library.transport().ok()?.has_sysfs_names() {
        return None;
    }
    let mut task = Task::on(library, TaskType::Info).ok()?;
    task.set_major_minor(i32::try_from(dev.major).ok()?, i32::try_from(dev.minor).ok()?, false);
    task.no_open_count();
    task.run().ok()?;
    let name = BString::from(task.raw_name()?);
    (task.info()?.exists && !name.is_empty()).then_some(name)
}

/// The last component of the link `dev/block/MAJOR:MINOR`, or where `block/*/dev` says so.
fn kernel_name(settings: &Settings, dev: DevNo) -> Option<BString> {
    let link = settings.sysfs(format!("dev/block/{dev}"))?;
    if let Ok(target) = std::fs::read_link(&link) {
        return target.file_name().map(|name| BString::from(name.as_bytes()));
    }
    let is_it = |path: &Path| {
        crate::files::read_attribute(&path.join("dev"))
            .is_ok_and(|text| text.trim_ascii() == dev.to_string().as_bytes())
    };
    let children = |path: &Path| {
        std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect::<Vec<_>>()
    };
    let disks = children(&settings.sysfs("block")?);
    let parts = disks.iter().flat_map(|disk| children(disk));
    let found = disks.iter().cloned().chain(parts).find(|path| is_it(path))?;
    found.file_name().map(|name| BString::from(name.as_bytes()))
}

/// Whether other block devices use this one.
#[must_use]
pub fn has_holders(library: &Arc<Library>, dev: DevNo) -> bool {
    #[cfg(target_os = "netbsd")]
    if netbsd::has_holders(library, dev) {
        return true;
    }
    let Some(holders) = library.settings().sysfs(format!("dev/block/{dev}/holders")) else {
        return false;
    };
    let view = library.open_transport().filter(|engine| engine.is_dm_major(dev.major));
    let view = view.and_then(|engine| Some(engine.sysfs()?.join(format!("block/dm-{}/holders", dev.minor))));
    if view.is_some_and(|view| std::fs::read_dir(view).is_ok_and(|mut entries| entries.next().is_some())) {
        return true;
    }
    match std::fs::read_dir(&holders) {
        Ok(mut entries) => entries.next().is_some(),
        Err(e) => {
            crate::log_sys_debug!(holders.display(), "opendir", e);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_in_a_made_up_sysfs() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for path in [
            "dev/block",
            "devices/sda/holders",
            "block/old/old1",
            "devices/dm-0/holders/dm-1",
        ] {
            std::fs::create_dir_all(at(path)).unwrap();
        }
        symlink("../../devices/sda", at("dev/block/8:0")).unwrap();
        symlink("../../devices/dm-0", at("dev/block/254:0")).unwrap();
        std::fs::write(at("block/old/old1/dev"), "3:1\n").unwrap();
        let library = Arc::new(Library::default());
        library
            .change_settings(|s| s.set_sysfs_dir(dir.path().as_os_str().as_bytes()))
            .unwrap();
        let dev = |major, minor| DevNo { major, minor };
        let name = |dev| device_name(&library, dev, true).ok();
        assert_eq!(name(dev(8, 0)).unwrap(), "sda");
        assert_eq!(name(dev(3, 1)).unwrap(), "old1");
        assert_eq!(name(dev(9, 9)), None);
        assert!(!has_holders(&library, dev(8, 0)));
        assert!(has_holders(&library, dev(254, 0)));
        assert!(!has_holders(&library, dev(9, 9)));
        library.change_settings(|s| s.set_sysfs_dir(b"")).unwrap();
        assert_eq!(name(dev(8, 0)), None);
    }
}
