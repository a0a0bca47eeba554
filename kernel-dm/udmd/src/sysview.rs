//! What programs look for in /sys about mapped devices, as a directory that stands for /sys.
//!
//! The kernel knows our devices as loop devices that have nothing to do with each other. LVM2 reads
//! `block/dm-MINOR/holders` below what libdevmapper gives as the place of sysfs, so the library gives this place:
//!
//! ```text
//! block/dm-MINOR/holders/dm-MINOR     a mapped device, and those whose tables name it as component
//! block/NAME, NAME                    links to what /sys has by that name
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{fs, mem};

/// Where sysfs is.
const SYS: &str = "/sys";

/// The mapped devices by minor number, and the minor numbers of those that use them.
pub type Holders = BTreeMap<u32, Vec<u32>>;

/// The directory.
#[derive(Debug)]
pub struct SysView {
    root: PathBuf,
    holders: Holders,
    disks: Vec<OsString>,
}

impl SysView {
    /// Makes the directory anew.
    ///
    /// # Errors
    /// What the file system says.
    pub fn new(root: PathBuf) -> io::Result<Self> {
        let mut this = Self {
            root,
            holders: Holders::new(),
            disks: Vec::new(),
        };
        this.remove()?;
        fs::create_dir_all(this.root.join("block"))?;
        for name in names(Path::new(SYS))?.into_iter().filter(|name| name != "block") {
            symlink(Path::new(SYS).join(&name), this.root.join(&name))?;
        }
        this.update(Holders::new())?;
        Ok(this)
    }

    /// Shows these devices, and the disks that the machine has now.
    ///
    /// # Errors
    /// What the file system says.
    pub fn update(&mut self, mut holders: Holders) -> io::Result<()> {
        holders.values_mut().for_each(|minors| {
            minors.sort_unstable();
            minors.dedup();
        });
        let (old, block) = (mem::take(&mut self.holders), self.root.join("block"));
        for (minor, before) in &old {
            let directory = block.join(format!("dm-{minor}"));
            match holders.get(minor) {
                None => fs::remove_dir_all(directory)?,
                Some(now) => {
                    for gone in before.iter().filter(|minor| !now.contains(minor)) {
                        fs::remove_file(directory.join(format!("holders/dm-{gone}")))?;
                    }
                }
            }
        }
        for (minor, now) in &holders {
            let directory = block.join(format!("dm-{minor}/holders"));
            let before = old.get(minor);
            if before.is_none() {
                fs::create_dir_all(&directory)?;
            }
            for new in now
                .iter()
                .filter(|&minor| before.is_none_or(|before| !before.contains(minor)))
            {
                symlink(format!("../../dm-{new}"), directory.join(format!("dm-{new}")))?;
            }
        }
        self.holders = holders;
        self.show_disks(&block)
    }

    fn show_disks(&mut self, block: &Path) -> io::Result<()> {
        let sys = Path::new(SYS).join("block");
        let (now, before) = (names(&sys)?, mem::take(&mut self.disks));
        for gone in before.iter().filter(|name| !now.contains(name)) {
            fs::remove_file(block.join(gone))?;
        }
        for new in now.iter().filter(|name| !before.contains(name)) {
            symlink(sys.join(new), block.join(new))?;
        }
        self.disks = now;
        Ok(())
    }

    /// Removes the directory.
    ///
    /// # Errors
    /// What the file system says; a directory that is not there is none.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holders(root: &Path, minor: u32) -> Vec<OsString> {
        let mut names = names(&root.join(format!("block/dm-{minor}/holders"))).unwrap();
        names.sort();
        names
    }

    #[test]
    fn it_follows_the_devices() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("sys");
        let mut view = SysView::new(root.clone()).unwrap();
        assert!(fs::metadata(root.join("dev/block")).unwrap().is_dir());
        assert_eq!(
            names(&root.join("block")).unwrap().len(),
            names(Path::new("/sys/block")).unwrap().len()
        );
        view.update(Holders::from([
            (256, vec![258, 257, 258]),
            (257, vec![]),
            (258, vec![]),
        ]))
        .unwrap();
        assert_eq!(holders(&root, 256), ["dm-257", "dm-258"]);
        assert!(holders(&root, 257).is_empty());
        assert!(
            fs::metadata(root.join("block/dm-256/holders/dm-257/holders"))
                .unwrap()
                .is_dir()
        );
        view.update(Holders::from([(256, vec![257]), (257, vec![259]), (259, vec![])]))
            .unwrap();
        assert_eq!(holders(&root, 256), ["dm-257"]);
        assert_eq!(holders(&root, 257), ["dm-259"]);
        assert!(!root.join("block/dm-258").exists());
        // What a dead daemon left is gone, and nothing of /sys with it.
        let view = SysView::new(root.clone()).unwrap();
        assert!(!root.join("block/dm-256").exists());
        view.remove().unwrap();
        view.remove().unwrap();
        assert!(!root.exists() && Path::new("/sys/dev/block").is_dir());
    }
}
