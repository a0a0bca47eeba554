//! Carrying out node operations.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::{Error as IoError, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::{Gid, Uid, chown};

use super::{Action, Operation, read_ahead};
use crate::settings::Settings;
use crate::task::DevNo;
use crate::transport::with_umask;

/// Carries out one operation; failures are logged. With `warn`, udev should have done it.
pub(super) fn execute(settings: &Settings, operation: &Operation, warn: bool) {
    one(settings, operation, Kind::Block, warn);
    if let Some(major) = operation.twin {
        one(settings, operation, Kind::Character(major), warn);
    }
}

/// What kind a node is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    /// The character twin of a block node, with its own major number.
    Character(u32),
}

impl Kind {
    fn fits(self, meta: &Metadata) -> bool {
        match self {
            Kind::Block => meta.file_type().is_block_device(),
            Kind::Character(_) => meta.file_type().is_char_device(),
        }
    }

    fn flag(self) -> SFlag {
        match self {
            Kind::Block => SFlag::S_IFBLK,
            Kind::Character(_) => SFlag::S_IFCHR,
        }
    }

    fn number(self, dev: DevNo) -> u64 {
        match self {
            Kind::Block => libc::makedev(dev.major, dev.minor),
            Kind::Character(major) => libc::makedev(major, dev.minor),
        }
    }

    /// The path of the node: that of a twin has an `r` before the name.
    fn path(self, settings: &Settings, name: &[u8]) -> PathBuf {
        let path = settings.node_path(name);
        match (self, path.file_name()) {
            (Kind::Character(_), Some(last)) => {
                let mut twin = OsString::from("r");
                twin.push(last);
                path.with_file_name(twin)
            }
            _ => path,
        }
    }
}

/// Carries out an operation on the block node or its twin.
fn one(settings: &Settings, operation: &Operation, kind: Kind, warn: bool) {
    let path = kind.path(settings, &operation.name);
    match &operation.action {
        Action::Add {
            dev,
            uid,
            gid,
            mode,
            link,
        } => {
            let owner = Owner {
                uid: *uid,
                gid: *gid,
                mode: *mode,
            };
            let link = link.as_deref().filter(|_| kind == Kind::Block);
            add(&path, kind, *dev, owner, link, warn);
        }
        // Where nodes have twins, the twin of one device may be called like another device.
        Action::Delete if operation.twin.is_some() && is_other(&path, kind) => {}
        Action::Delete => delete(&path, warn),
        Action::Rename { .. } if operation.twin.is_some() && is_other(&path, kind) => {}
        Action::Rename { to } => rename(&path, &kind.path(settings, to), kind, warn),
        Action::ReadAhead { .. } if kind != Kind::Block => {}
        Action::ReadAhead { dev, value, flags } => {
            read_ahead::set(settings, operation.name.as_ref(), *dev, *value, *flags)
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
}

/// What the kernel's own node has, and so a link to it.
const KERNEL_OWNER: Owner = Owner {
    uid: 0,
    gid: 0,
    mode: 0o600,
};

fn is_missing(error: &IoError) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// Whether there is something else than a node of this kind.
fn is_other(path: &Path, kind: Kind) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| !kind.fits(&meta))
}

fn refuse_other(path: &Path, kind: Kind) {
    match kind {
        Kind::Block => crate::log_error!("A non-block device file at '{}' is already present", path.display()),
        Kind::Character(_) => {
            crate::log_error!("A non-character device file at '{}' is already present", path.display());
        }
    }
}

fn add(path: &Path, kind: Kind, dev: DevNo, owner: Owner, link: Option<&Path>, warn: bool) {
    match std::fs::metadata(path) {
        Ok(meta) if !kind.fits(&meta) => return refuse_other(path, kind),
        Ok(meta) if meta.rdev() == kind.number(dev) => {
            crate::log_debug!("Node {} is already there.", path.display());
            return;
        }
        // A node of another device: whoever opens it would reach the wrong data.
        Ok(_) => {
            if let Err(e) = std::fs::remove_file(path) {
                crate::log_error!(
                    "Unable to unlink device node for '{}': {}",
                    path.display(),
                    crate::log::SysText(&e)
                );
                return;
            }
        }
        Err(_) => {
            if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink())
                && let Err(e) = std::fs::remove_file(path)
                && !is_missing(&e)
            {
                crate::log_sys_error!(path.display(), "unlink", e);
                return;
            }
            if warn {
                crate::log_warn!(
                    "{} not set up by udev: Falling back to direct node creation.",
                    path.display()
                );
            }
        }
    }
    if let Some(dir) = path.parent()
        && !dir.exists()
        && let Err(e) = with_umask(0o022, || std::fs::create_dir_all(dir))
    {
        crate::log_sys_error!(dir.display(), "mkdir", e);
        return;
    }
    let is_kernel_node = |link: &Path| {
        std::fs::metadata(link).is_ok_and(|meta| Kind::Block.fits(&meta) && meta.rdev() == Kind::Block.number(dev))
    };
    // A link cannot have the owner and mode that the caller asked for.
    if let Some(link) = link.filter(|link| owner == KERNEL_OWNER && is_kernel_node(link)) {
        match std::os::unix::fs::symlink(link, path) {
            Ok(()) => crate::log_debug!("Created {} -> {}", path.display(), link.display()),
            Err(e) => crate::log_sys_error!(path.display(), "symlink", e),
        }
        return;
    }
    let mode = Mode::from_bits_truncate(owner.mode);
    match with_umask(0, || mknod(path, kind.flag(), mode, kind.number(dev))) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(e) => {
            crate::log_error!("{}: mknod for {dev} failed: {}", path.display(), e.desc());
            return;
        }
    }
    if let Err(e) = chown(path, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid))) {
        crate::log_sys_error!(path.display(), "chown", IoError::from(e));
        return;
    }
    crate::log_debug!("Created {}", path.display());
}

fn delete(path: &Path, warn: bool) {
    // The entry itself: a link may outlive what it leads to.
    if std::fs::symlink_metadata(path).is_err_and(|e| is_missing(&e)) {
        return;
    }
    if warn {
        crate::log_warn!(
            "Node {} was not removed by udev. Falling back to direct node removal.",
            path.display()
        );
    }
    match std::fs::remove_file(path) {
        Ok(()) => crate::log_debug!("Removed {}", path.display()),
        Err(e) if is_missing(&e) => {}
        Err(e) => crate::log_error!(
            "Unable to unlink device node for '{}': {}",
            path.display(),
            crate::log::SysText(&e)
        ),
    }
}

fn rename(old: &Path, new: &Path, kind: Kind, warn: bool) {
    let old_is_there = std::fs::symlink_metadata(old).is_ok();
    match std::fs::metadata(new) {
        Ok(meta) if !kind.fits(&meta) => return refuse_other(new, kind),
        Ok(_) if !old_is_there => return,
        Ok(_) if warn => {
            crate::log_warn!(
                "The node {} should have been renamed to {} by udev but old node is still present. \
                 Falling back to direct old node removal.",
                old.display(),
                new.display()
            );
            return delete(old, false);
        }
        Ok(_) => match std::fs::remove_file(new) {
            Ok(()) => {}
            Err(e) if is_missing(&e) => {}
            // Somebody else keeps the directory, and has made the node already.
            Err(e) if e.raw_os_error() == Some(Errno::EPERM as i32) => return,
            Err(e) => {
                crate::log_error!(
                    "Unable to unlink device node for '{}': {}",
                    new.display(),
                    crate::log::SysText(&e)
                );
                return;
            }
        },
        Err(_) if !old_is_there => return,
        Err(_) if warn => crate::log_warn!(
            "The node {} should have been renamed to {} by udev but new node is not present. \
             Falling back to direct node rename.",
            old.display(),
            new.display()
        ),
        Err(_) => {}
    }
    match std::fs::rename(old, new) {
        Ok(()) => crate::log_debug!("Renamed {} to {}", old.display(), new.display()),
        Err(e) if is_missing(&e) => {}
        Err(e) => {
            let name = OsStr::from_bytes(new.as_os_str().as_bytes());
            crate::log_error!(
                "Unable to replace node {} with {}: {}",
                old.display(),
                name.display(),
                crate::log::SysText(&e)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    // Links to a block device stand in for nodes: making nodes takes root. Any block device of the machine will do.
    fn block_device() -> Option<(std::path::PathBuf, DevNo)> {
        std::fs::read_dir("/dev").ok()?.flatten().find_map(|entry| {
            let meta = entry.metadata().ok()?;
            let rdev = meta.rdev();
            let part = |n: u64| u32::try_from(n).ok();
            let dev = DevNo {
                major: part(nix::sys::stat::major(rdev))?,
                minor: part(nix::sys::stat::minor(rdev))?,
            };
            meta.file_type().is_block_device().then(|| (entry.path(), dev))
        })
    }

    fn settings(dir: &Path) -> Settings {
        Settings {
            dm_dir: dir.as_os_str().as_bytes().into(),
            ..Settings::default()
        }
    }

    fn run(settings: &Settings, name: &str, action: Action) {
        execute(
            settings,
            &Operation {
                name: name.into(),
                action,
                twin: None,
                verify: false,
                trust: false,
            },
            false,
        );
    }

    #[test]
    fn links_are_made_renamed_and_deleted() {
        let Some((block, dev)) = block_device() else {
            eprintln!("no block device here");
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path());
        let at = |name: &str| dir.path().join(name);
        let add = Action::Add {
            dev,
            uid: 0,
            gid: 0,
            mode: 0o600,
            link: Some(block.clone()),
        };
        symlink(at("missing"), at("a")).unwrap();
        run(&settings, "a", add.clone());
        assert_eq!(std::fs::read_link(at("a")).unwrap(), block);
        run(&settings, "a", Action::Rename { to: "b".into() });
        assert!(!at("a").exists());
        assert_eq!(std::fs::read_link(at("b")).unwrap(), block);
        // A rename whose node is gone leaves what is there under the new name.
        run(&settings, "a", Action::Rename { to: "b".into() });
        assert!(at("b").exists());
        run(&settings, "b", Action::Delete);
        run(&settings, "b", Action::Delete);
        assert!(at("b").symlink_metadata().is_err());
        // An owner or mode that was asked for needs a node.
        let Action::Add { dev, link, .. } = add else {
            unreachable!()
        };
        run(
            &settings,
            "c",
            Action::Add {
                dev,
                uid: 12,
                gid: 34,
                mode: 0o640,
                link,
            },
        );
        let meta = at("c").symlink_metadata().unwrap();
        assert!(meta.file_type().is_block_device());
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (12, 34, 0o640));
    }

    #[test]
    fn twins_go_with_their_nodes() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("making nodes takes root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path());
        let run = |name: &str, action| {
            let operation = Operation {
                name: name.into(),
                action,
                twin: Some(194),
                verify: false,
                trust: false,
            };
            execute(&settings, &operation, false);
        };
        let add = |minor| Action::Add {
            dev: DevNo { major: 169, minor },
            uid: 0,
            gid: 5,
            mode: 0o640,
            link: None,
        };
        let node = |name: &str| {
            let meta = std::fs::symlink_metadata(dir.path().join(name)).ok()?;
            let kind = if meta.file_type().is_char_device() { 'c' } else { 'b' };
            let dev = meta.rdev();
            Some((
                kind,
                libc::major(dev),
                libc::minor(dev),
                meta.gid(),
                meta.mode() & 0o7777,
            ))
        };
        run("a", add(3));
        assert_eq!(node("a"), Some(('b', 169, 3, 5, 0o640)));
        assert_eq!(node("ra"), Some(('c', 194, 3, 5, 0o640)));
        run("a", Action::Rename { to: "b".into() });
        assert_eq!((node("a"), node("ra")), (None, None));
        assert_eq!(node("rb"), Some(('c', 194, 3, 5, 0o640)));
        // A device called like a twin: what is there stays, and goes with its own device.
        run("rb", add(4));
        assert_eq!(node("rb"), Some(('c', 194, 3, 5, 0o640)));
        assert_eq!(node("rrb"), Some(('c', 194, 4, 5, 0o640)));
        run("rb", Action::Delete);
        assert_eq!(node("rb"), Some(('c', 194, 3, 5, 0o640)));
        assert_eq!(node("rrb"), None);
        run("b", Action::Delete);
        assert_eq!((node("b"), node("rb")), (None, None));
    }

    #[test]
    fn other_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path());
        std::fs::write(dir.path().join("f"), "precious").unwrap();
        let dev = DevNo { major: 254, minor: 0 };
        run(
            &settings,
            "f",
            Action::Add {
                dev,
                uid: 0,
                gid: 0,
                mode: 0o600,
                link: None,
            },
        );
        std::fs::write(dir.path().join("g"), "").unwrap();
        run(&settings, "g", Action::Rename { to: "f".into() });
        assert_eq!(std::fs::read_to_string(dir.path().join("f")).unwrap(), "precious");
    }

    #[test]
    fn dangling_links_are_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("a");
        symlink(dir.path().join("missing"), &link).unwrap();
        run(&settings(dir.path()), "a", Action::Delete);
        assert!(link.symlink_metadata().is_err());
    }
}
