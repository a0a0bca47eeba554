//! Failed-device marks in the superblock that a raid target keeps at the start of each metadata device.
//!
//! Little-endian: magic `DmRd` at 0, u32 compat_features at 4 (bit 0: the extended part exists), u64 failed_devices at
//! 24, u64[3] extended failed_devices at 120. Without the extended part the superblock ends at 60, else at 148.

use crate::error::{Error, Result};
use bstr::BStr;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;

const SIZE: usize = 4096;
const MAGIC: &[u8] = b"DmRd";
const BASE_END: usize = 60;
const EXTENDED_END: usize = 148;
const FAILED: usize = 24;
const EXTENDED_FAILED: usize = 120;

/// A block that starts on a page, as O_DIRECT wants it.
#[repr(align(4096))]
struct Block([u8; SIZE]);

impl Block {
    fn extended(&self) -> bool {
        self.0[4] & 1 != 0
    }

    /// Offsets of the words that mark failed devices.
    fn words(&self) -> impl Iterator<Item = usize> + use<> {
        let extra = if self.extended() { 3 } else { 0 };
        std::iter::once(FAILED).chain((0..extra).map(|i| EXTENDED_FAILED + 8 * i))
    }

    /// Marks of one word are mirrored in none of the others, but only the largest count is reported: callers ask
    /// whether, not how many, and expect the C library's number.
    fn failed(&self) -> u32 {
        self.words()
            .map(|at| self.0[at..at + 8].iter().map(|b| b.count_ones()).sum())
            .max()
            .unwrap_or(0)
    }

    fn clear(&mut self) {
        let end = if self.extended() { EXTENDED_END } else { BASE_END };
        for at in self.words() {
            self.0[at..at + 8].fill(0);
        }
        self.0[end..].fill(0);
    }
}

/// Counts the devices that the superblock at the start of `path` says have failed.
pub fn count_failed_devices(path: &[u8]) -> Result<u32> {
    let (_, block) = open(path, false)?;
    Ok(block.failed())
}

/// Clears the marks in the superblock at the start of `path`; returns how many there were.
pub fn clear_failed_devices(path: &[u8]) -> Result<u32> {
    let (mut file, mut block) = open(path, true)?;
    let failed = block.failed();
    block.clear();
    file.rewind().map_err(|e| system(path, "lseek", e))?;
    file.write_all(&block.0).map_err(|e| system(path, "write", e))?;
    file.sync_all().map_err(|e| system(path, "fsync", e))?;
    Ok(failed)
}

fn open(path: &[u8], write: bool) -> Result<(File, Box<Block>)> {
    // O_EXCL without O_CREAT: a block device that is mounted or otherwise held is refused.
    let mut flags = libc::O_EXCL;
    #[cfg(any(target_os = "linux", target_os = "netbsd"))]
    {
        flags |= libc::O_DIRECT;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(flags)
        .open(OsStr::from_bytes(path))
        .map_err(|e| system(path, "open", e))?;
    let mut block = Box::new(Block([0; SIZE]));
    file.read_exact(&mut block.0).map_err(|e| system(path, "read", e))?;
    if !block.0.starts_with(MAGIC) {
        let text = format!("No RAID signature on {}.", BStr::new(path));
        crate::log_error!("{text}");
        return Err(Error::Invalid(text));
    }
    Ok((file, block))
}

fn system(path: &[u8], call: &'static str, source: std::io::Error) -> Error {
    let path = BStr::new(path).to_string();
    crate::log_sys_error!(path, call, source);
    Error::System { path, call, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock(extended: bool) -> Vec<u8> {
        let mut b = vec![0xffu8; SIZE];
        b[..4].copy_from_slice(MAGIC);
        b[4..8].copy_from_slice(&u32::from(extended).to_le_bytes());
        b[FAILED..FAILED + 8].copy_from_slice(&0b11u64.to_le_bytes());
        b[EXTENDED_FAILED..EXTENDED_FAILED + 8].copy_from_slice(&0b111u64.to_le_bytes());
        b[EXTENDED_FAILED + 8..EXTENDED_FAILED + 24].fill(0);
        b
    }

    #[test]
    fn marks_are_counted_and_cleared() {
        // Not under /tmp: tmpfs of old kernels refuses O_DIRECT.
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        for (extended, count, end) in [(false, 2, 60), (true, 3, 148)] {
            let path = dir.path().join("meta");
            std::fs::write(&path, superblock(extended)).unwrap();
            let name = path.as_os_str().as_bytes();
            assert_eq!(count_failed_devices(name).unwrap(), count);
            assert_eq!(clear_failed_devices(name).unwrap(), count);
            assert_eq!(count_failed_devices(name).unwrap(), 0);
            let now = std::fs::read(&path).unwrap();
            assert_eq!(now.len(), SIZE);
            assert!(now[end..].iter().all(|b| *b == 0));
            assert_eq!(now[32..60], [0xff; 28]);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("meta");
        std::fs::write(&path, vec![0u8; SIZE]).unwrap();
        assert!(count_failed_devices(path.as_os_str().as_bytes()).is_err());
        std::fs::write(&path, b"DmRd").unwrap();
        assert!(clear_failed_devices(path.as_os_str().as_bytes()).is_err());
        assert!(count_failed_devices(b"/nonexistent/x").is_err());
    }
}
