//! NetBSD has neither sysfs nor mountinfo: nodes in /dev, getmntinfo(3) and the engine itself know what those tell.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::sync::{Arc, Mutex};

use bstr::{BStr, BString, ByteSlice};

use crate::library::Library;
use crate::task::{DevNo, Task, TaskType};

/// A mounted filesystem.
pub(super) struct Mounted {
    pub(super) dev: DevNo,
    pub(super) from: BString,
    pub(super) target: BString,
    pub(super) kind: BString,
}

fn text(field: &[libc::c_char]) -> BString {
    field
        .iter()
        .take_while(|&&byte| byte != 0)
        .map(|&byte| byte.cast_unsigned())
        .collect::<Vec<u8>>()
        .into()
}

/// All filesystems, with the number 0:0 where none is mounted from a block device.
#[allow(unsafe_code, reason = "getmntinfo has no safe wrapper")]
pub(super) fn mounted() -> Vec<Mounted> {
    // The list is the C library's, and the next call overwrites it.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let mut list: *mut libc::statvfs = std::ptr::null_mut();
    // SAFETY: the function stores a pointer to its list and returns its length.
    let count = unsafe { libc::getmntinfo(&raw mut list, libc::MNT_NOWAIT) };
    let Some(count) = usize::try_from(count)
        .ok()
        .filter(|&count| count > 0 && !list.is_null())
    else {
        return Vec::new();
    };
    // SAFETY: the list has `count` elements, and TURN keeps this library from asking for another meanwhile.
    let list = unsafe { std::slice::from_raw_parts(list, count) };
    let entries = list.iter().map(|entry| {
        let from = text(&entry.f_mntfromname);
        let meta = std::fs::metadata(from.to_path_lossy());
        let meta = meta.ok().filter(|meta| meta.file_type().is_block_device());
        Mounted {
            dev: meta.map_or(DevNo::default(), |meta| DevNo::from_rdev(meta.rdev())),
            from,
            target: text(&entry.f_mntonname),
            kind: text(&entry.f_fstypename),
        }
    });
    entries.collect()
}

/// The name of a node in /dev of this block device: what the kernel calls it.
pub(super) fn node_name(dev: DevNo) -> Option<BString> {
    let nodes = std::fs::read_dir("/dev").ok()?.flatten();
    let is_it = |entry: &std::fs::DirEntry| {
        let meta = std::fs::symlink_metadata(entry.path());
        meta.is_ok_and(|meta| meta.file_type().is_block_device() && DevNo::from_rdev(meta.rdev()) == dev)
    };
    nodes
        .into_iter()
        .find(is_it)
        .map(|entry| BString::from(entry.file_name().as_bytes()))
}

/// Whether another mapped device has this one as component: no other user of a block device can be asked for.
pub(super) fn has_holders(library: &Arc<Library>, dev: DevNo) -> bool {
    let names = || {
        let mut task = Task::on(library, TaskType::List).ok()?;
        task.run().ok()?;
        Some(
            task.devices()?
                .into_iter()
                .map(|device| device.name)
                .collect::<Vec<_>>(),
        )
    };
    let holds = |name: &BStr| {
        let mut task = Task::on(library, TaskType::Deps).ok()?;
        task.set_name(name).ok()?;
        task.no_open_count();
        task.run().ok()?;
        Some(task.deps()?.contains(&dev))
    };
    names()
        .unwrap_or_default()
        .iter()
        .any(|name| holds(BStr::new(name)).unwrap_or(false))
}
