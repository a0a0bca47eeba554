//! Regions that follow the extents of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};

use bstr::BString;

use super::{NewRegion, Region, Stats, Step, members, refused};
use crate::error::{Error, Result};
use extents::Extent;

impl Stats {
    /// Binds the handle to the device that the file is on.
    ///
    /// # Errors
    /// The file's state cannot be read; logged.
    pub fn bind_file(&mut self, file: BorrowedFd<'_>) -> Result<()> {
        let (major, minor) = extents::device(&stat(file)?);
        self.bind(super::Binding::DevNo { major, minor });
        Ok(())
    }

    /// Creates a region for each extent of a file on the device, and a group of them, named `alias`, if asked for. The
    /// ids come in the order of the file, and the regions are listed.
    ///
    /// # Errors
    /// An alias without group, a file that is not regular, not on device-mapper or has no extents, or the engine
    /// refuses; logged. Regions that were created before that are deleted again.
    pub fn create_regions_from_file(
        &mut self,
        file: BorrowedFd<'_>,
        group: bool,
        precise: bool,
        bounds: Option<&[u64]>,
        alias: Option<&[u8]>,
    ) -> Result<Vec<u64>> {
        if alias.is_some() && !group {
            return refused("Cannot set alias without grouping regions.".into());
        }
        if let Some(alias) = alias {
            super::tag::check_alias(alias)?;
        }
        let extents = self.extents(file)?;
        self.bound()?;
        self.create_grouped(&extents, group, precise, bounds, alias)
    }

    /// [`Stats::create_regions_from_file`] for known extents.
    fn create_grouped(
        &mut self,
        extents: &[Extent],
        group: bool,
        precise: bool,
        bounds: Option<&[u64]>,
        alias: Option<&[u8]>,
    ) -> Result<Vec<u64>> {
        let ids = self.create_extents(extents, precise, bounds)?;
        let listed = self.list(None).and_then(|()| match group {
            true => self
                .add_new_group(ids.iter().copied().collect(), alias.map(BString::from))
                .map(drop),
            false => Ok(()),
        });
        if let Err(error) = listed {
            self.delete_created(&ids);
            return Err(error);
        }
        Ok(ids)
    }

    /// Makes the regions of a group agree with the extents of their file again. The ids come in the order of the file,
    /// and the regions are listed. The group's id changes if its first region goes.
    ///
    /// # Errors
    /// There is no such group, the file is not as for [`Stats::create_regions_from_file`], or the engine refuses; logged.
    /// A file without extents changes nothing.
    pub fn update_regions_from_file(&mut self, file: BorrowedFd<'_>, group: u64) -> Result<Vec<u64>> {
        self.bound()?;
        if self.table.is_none() {
            self.list(None)?;
        }
        if self.group(group).is_none() {
            return refused(format!("Group ID {group} does not exist."));
        }
        let extents = self.extents(file)?;
        self.update_group(&extents, group)
    }

    /// [`Stats::update_regions_from_file`] for known extents.
    fn update_group(&mut self, extents: &[Extent], group: u64) -> Result<Vec<u64>> {
        let old = self.known_group(group)?.clone();
        let leader = self.region(group);
        let (precise, bounds) = leader.map_or((false, None), |r| (r.precise(), r.bounds.clone()));

        let wanted: BTreeSet<Extent> = extents.iter().copied().collect();
        let mut kept: BTreeMap<Extent, u64> = BTreeMap::new();
        let mut vanished = Vec::new();
        for region in self.members_of(group) {
            let extent = Extent {
                start: region.start,
                len: region.len,
            };
            if wanted.contains(&extent) && !kept.contains_key(&extent) {
                kept.insert(extent, region.id);
            } else {
                vanished.push(region.id);
            }
        }
        for &id in vanished.iter().rev() {
            self.delete_region(id)?;
        }
        let new: Vec<Extent> = extents.iter().copied().filter(|e| !kept.contains_key(e)).collect();
        let created = self.create_extents(&new, precise, bounds.as_deref())?;
        kept.extend(new.iter().copied().zip(created.iter().copied()));
        let current: BTreeSet<u64> = kept.values().copied().collect();

        let grouped = if vanished.contains(&group) {
            self.list(None)
                .and_then(|()| self.add_new_group(current, old.alias).map(drop))
        } else {
            let group_now = super::Group {
                alias: old.alias,
                members: current,
            };
            self.write_aux(group, Some(&group_now)).and_then(|()| self.list(None))
        };
        if let Err(error) = grouped {
            self.delete_created(&created);
            return Err(error);
        }
        Ok(extents.iter().filter_map(|e| kept.get(e)).copied().collect())
    }

    /// The extents of a file, checked to be on device-mapper.
    fn extents(&self, file: BorrowedFd<'_>) -> Result<Vec<Extent>> {
        let stat = stat(file)?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            return refused("Not a regular file".into());
        }
        let (major, _) = extents::device(&stat);
        if extents::on_btrfs(file)? {
            return refused("Cannot map file: btrfs is not supported.".into());
        }
        if !self.channel.is_dm_major(major) {
            return refused("Cannot map file: not a device-mapper device.".into());
        }
        let extents = extents::read(file)?;
        if extents.is_empty() {
            return refused("Cannot map file: no allocated extents.".into());
        }
        Ok(extents)
    }

    /// Creates a region of one area for each extent. If one cannot be, those before are deleted again.
    fn create_extents(&mut self, extents: &[Extent], precise: bool, bounds: Option<&[u64]>) -> Result<Vec<u64>> {
        let mut ids = Vec::with_capacity(extents.len());
        for extent in extents {
            let region = NewRegion {
                start: extent.start,
                len: extent.len,
                step: Step::Areas(1),
                precise,
                bounds,
                ..NewRegion::default()
            };
            match self.create_region(&region) {
                Ok(id) => ids.push(id),
                Err(error) => {
                    self.delete_created(&ids);
                    return Err(error);
                }
            }
        }
        Ok(ids)
    }

    /// Deletes regions that were just created.
    fn delete_created(&mut self, ids: &[u64]) {
        if ids.is_empty() {
            return;
        }
        if self.list(None).is_err() {
            crate::log_error!(
                "Regions {} are left over.",
                members::format(&ids.iter().copied().collect())
            );
            return;
        }
        for &id in ids.iter().rev() {
            // What is left over has been logged.
            let _ = self.region(id).map(Region::id).map(|id| self.delete_region(id));
        }
    }
}

fn stat(file: BorrowedFd<'_>) -> Result<nix::sys::stat::FileStat> {
    nix::sys::stat::fstat(file.as_fd()).map_err(|errno| system("fstat", errno.into()))
}

/// Logs and makes the error of a call on the file.
fn system(call: &'static str, source: std::io::Error) -> Error {
    crate::log_sys_error!("file", call, source);
    Error::System {
        path: "file".into(),
        call,
        source,
    }
}

/// Where the bytes of a file lie.
mod extents {
    use super::*;

    /// A run of sectors of 512 bytes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub(super) struct Extent {
        /// First sector.
        pub start: u64,
        /// Number of sectors.
        pub len: u64,
    }

    /// Major and minor number of the device that a file is on.
    pub(super) fn device(stat: &nix::sys::stat::FileStat) -> (u32, u32) {
        // Their types differ between systems.
        #[allow(
            clippy::unnecessary_cast,
            trivial_numeric_casts,
            reason = "wider or signed on some systems"
        )]
        (libc::major(stat.st_dev) as u32, libc::minor(stat.st_dev) as u32)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn on_btrfs(_file: BorrowedFd<'_>) -> Result<bool> {
        Ok(false)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn read(_file: BorrowedFd<'_>) -> Result<Vec<Extent>> {
        refused("Extents of files cannot be read on this system.".into())
    }

    #[cfg(target_os = "linux")]
    pub(super) use linux::{on_btrfs, read};

    /// FIEMAP, as in Linux's `Documentation/filesystems/fiemap.rst`.
    #[cfg(target_os = "linux")]
    mod linux {
        use super::*;
        use std::os::fd::AsRawFd;

        /// One request asks for so many extents.
        const BATCH: u32 = 256;
        const ROOM: usize = BATCH as usize;
        const SYNC: u32 = 1;
        const LAST: u32 = 1;
        /// Place not known, or not yet given.
        const NOWHERE: u32 = 2 | 4;

        /// `struct fiemap_extent`; in bytes.
        #[derive(Clone, Copy, Debug, Default)]
        #[repr(C)]
        pub(super) struct Raw {
            pub logical: u64,
            pub physical: u64,
            pub length: u64,
            pub reserved64: [u64; 2],
            pub flags: u32,
            pub reserved: [u32; 3],
        }

        /// `struct fiemap` with room for a batch.
        #[repr(C)]
        struct Request {
            start: u64,
            length: u64,
            flags: u32,
            mapped: u32,
            count: u32,
            reserved: u32,
            extents: [Raw; ROOM],
        }
        const _: () = assert!(size_of::<Raw>() == 56 && size_of::<Request>() == 32 + ROOM * 56);

        /// `_IOWR('f', 11, struct fiemap)`
        const FS_IOC_FIEMAP: libc::Ioctl = 0xc020_660b_u32 as libc::Ioctl;

        pub(in super::super) fn on_btrfs(file: BorrowedFd<'_>) -> Result<bool> {
            let stat = nix::sys::statfs::fstatfs(file).map_err(|errno| system("fstatfs", errno.into()))?;
            Ok(stat.filesystem_type() == nix::sys::statfs::BTRFS_SUPER_MAGIC)
        }

        pub(in super::super) fn read(file: BorrowedFd<'_>) -> Result<Vec<Extent>> {
            let mut raw: Vec<Raw> = Vec::new();
            let mut start = 0;
            loop {
                let mut request = Box::new(Request {
                    start,
                    length: u64::MAX - start,
                    flags: SYNC,
                    mapped: 0,
                    count: BATCH,
                    reserved: 0,
                    extents: [Raw::default(); ROOM],
                });
                fiemap(file, &mut request)?;
                let mapped = (request.mapped as usize).min(ROOM);
                raw.extend(&request.extents[..mapped]);
                match request.extents[..mapped].last() {
                    Some(last) if last.flags & LAST == 0 => match last.logical.checked_add(last.length) {
                        Some(next) if next > start => start = next,
                        _ => break,
                    },
                    _ => break,
                }
            }
            Ok(merge(&raw))
        }

        #[allow(unsafe_code, reason = "the system call has no safe wrapper")]
        fn fiemap(file: BorrowedFd<'_>, request: &mut Request) -> Result<()> {
            // SAFETY: the descriptor is open, and the request has room for as many extents as it says.
            let result = unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FIEMAP, request) };
            if result < 0 {
                return Err(system("FIEMAP ioctl", std::io::Error::last_os_error()));
            }
            Ok(())
        }

        /// Sectors of the extents that have a place; neighbours in the file that are neighbours on the device are one.
        pub(super) fn merge(raw: &[Raw]) -> Vec<Extent> {
            let mut extents: Vec<Extent> = Vec::new();
            let placed = raw.iter().filter(|r| r.flags & NOWHERE == 0);
            let mut end = None;
            for one in placed {
                let sectors = one.length / 512;
                match extents.last_mut() {
                    Some(last) if end == Some(one.physical) => last.len = last.len.saturating_add(sectors),
                    _ => extents.push(Extent {
                        start: one.physical / 512,
                        len: sectors,
                    }),
                }
                end = one.physical.checked_add(one.length);
            }
            extents.retain(|e| e.len > 0);
            extents
        }

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn neighbours_are_merged() {
                let raw = |physical, length, flags| Raw {
                    physical,
                    length,
                    flags,
                    ..Raw::default()
                };
                let extents = merge(&[
                    raw(8192, 4096, 0),
                    raw(12288, 4096, 0),
                    raw(0, 4096, 4),
                    raw(40960, 512, 0),
                    raw(81920, 0, 0),
                    raw(4096, 4096, LAST),
                ]);
                let pairs: Vec<(u64, u64)> = extents.iter().map(|e| (e.start, e.len)).collect();
                assert_eq!(pairs, [(16, 16), (80, 1), (8, 8)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tests::{handle, sent};

    const MS: u64 = 1_000_000;

    fn extents<const N: usize>(pairs: [(u64, u64); N]) -> [Extent; N] {
        pairs.map(|(start, len)| Extent { start, len })
    }

    #[test]
    fn created_and_grouped() {
        let (mut stats, engine) = handle();
        stats.create_region(&NewRegion::default()).unwrap();
        stats.create_region(&NewRegion::default()).unwrap();
        sent(&engine);
        let file = extents([(17026, 384), (17538, 384)]);
        let ids = stats
            .create_grouped(&file, true, true, Some(&[MS, 2 * MS]), Some(b"f1"))
            .unwrap();
        assert_eq!(ids, [2, 3]);
        assert_eq!(
            sent(&engine),
            [
                "@stats_create 17026+384 /1 2 precise_timestamps histogram:1000000,2000000 prog ",
                "@stats_create 17538+384 /1 2 precise_timestamps histogram:1000000,2000000 prog ",
                "@stats_list prog",
                "@stats_set_aux 2 DMS_GROUP=\"f1\":2-3#- ",
            ]
        );
    }

    #[test]
    fn updated() {
        let (mut stats, engine) = handle();
        let file = extents([(100, 10), (200, 10), (300, 10)]);
        stats
            .create_grouped(&file, true, false, Some(&[MS]), Some(b"f"))
            .unwrap();
        sent(&engine);
        // Nothing changed.
        assert_eq!(stats.update_group(&file, 0).unwrap(), [0, 1, 2]);
        assert_eq!(
            sent(&engine),
            ["@stats_set_aux 0 DMS_GROUP=\"f\":0-2#- ", "@stats_list prog"]
        );
        // One goes, two come; bounds as the leader's.
        let file = extents([(100, 10), (400, 10), (300, 10), (500, 10)]);
        assert_eq!(stats.update_group(&file, 0).unwrap(), [0, 1, 2, 3]);
        assert_eq!(stats.group(0).unwrap().descriptor(), "0-3");
        assert_eq!(stats.region(3).unwrap().bounds(), Some(&[MS][..]));
        // The leader goes.
        let file = extents([(600, 10), (500, 10), (300, 10)]);
        assert_eq!(stats.update_group(&file, 0).unwrap(), [0, 3, 2]);
        assert_eq!(stats.group(0).unwrap().descriptor(), "0,2-3");
        assert_eq!(stats.alias(3).unwrap(), b"f");
        assert_eq!(stats.regions().len(), 3);
    }

    #[test]
    fn what_was_created_goes_again() {
        let (mut stats, engine) = handle();
        let file = extents([(100, 10), (200, 10), (300, 0)]);
        assert!(stats.create_grouped(&file, true, false, None, None).is_err());
        assert!(engine.borrow().regions.is_empty());
        engine.borrow_mut().refuse = Some("@stats_set_aux");
        assert!(stats.create_grouped(&file[..2], true, false, None, None).is_err());
        assert!(engine.borrow().regions.is_empty());
    }

    #[test]
    fn files_that_cannot_be_mapped() {
        let (mut stats, engine) = handle();
        let directory = std::fs::File::open("/").unwrap();
        assert!(
            stats
                .create_regions_from_file(directory.as_fd(), true, false, None, None)
                .is_err()
        );
        assert!(
            stats
                .create_regions_from_file(directory.as_fd(), false, false, None, Some(b"a"))
                .is_err()
        );
        assert!(stats.update_regions_from_file(directory.as_fd(), 0).is_err());
        assert_eq!(sent(&engine), ["@stats_list prog"]);
    }
}
