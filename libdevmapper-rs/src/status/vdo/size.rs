//! Logical size of a formatted VDO volume.
//!
//! Block 0 begins with the magic `dmvdo001`, a header and the geometry; the geometry says where the component data
//! lies, which holds the size. All little-endian and packed.

use crate::error::{Error, Result};
use bstr::BStr;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

const BLOCK: usize = 4096;
const MAGIC: &[u8] = b"dmvdo001";
/// Id of the header that introduces the geometry.
const GEOMETRY_ID: u32 = 5;
/// Newest component version understood.
const COMPONENT_MAJOR_MAX: u32 = 41;
/// Magic, header and checksum ahead of the component data.
const COMPONENT_AT: usize = 32;

/// Reads how many logical blocks of 4 KiB the VDO volume on the device or file `path` has. Failures are only logged at
/// debug level: not every device is a formatted VDO.
pub fn logical_size(path: &[u8]) -> Result<u64> {
    let shown = BStr::new(path);
    let file = File::open(OsStr::from_bytes(path)).map_err(|e| {
        crate::log_sys_debug!(shown, "open", e);
        Error::System {
            path: shown.to_string(),
            call: "open",
            source: e,
        }
    })?;
    let read = |offset: u64| {
        let mut block = [0u8; BLOCK];
        file.read_exact_at(&mut block, offset).map(|()| block).map_err(|e| {
            crate::log_sys_debug!(shown, "read", e);
            Error::System {
                path: shown.to_string(),
                call: "read",
                source: e,
            }
        })
    };
    let refuse = |what: &str| {
        crate::log_debug!("{shown}: {what}");
        Error::Parse(format!("{shown}: {what}"))
    };
    let (offset, nonce) = geometry(&read(0)?).map_err(refuse)?;
    component(&read(offset)?, nonce).map_err(refuse)
}

fn u32_at(block: &[u8; BLOCK], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

fn u64_at(block: &[u8; BLOCK], at: usize) -> u64 {
    u64::from(u32_at(block, at)) | u64::from(u32_at(block, at + 4)) << 32
}

/// Byte offset of the component data, and the nonce.
fn geometry(block: &[u8; BLOCK]) -> std::result::Result<(u64, u64), &'static str> {
    if !block.starts_with(MAGIC) {
        return Err("not a VDO volume");
    }
    if u32_at(block, 8) != GEOMETRY_ID {
        return Err("unknown id of the VDO geometry");
    }
    // The geometry begins at 28: u32 release, u64 nonce, uuid[16], in version 5 u64 bio_offset, then the regions of
    // u32 id and u64 start_block each. The second region is the data region.
    let (bio_offset, regions) = match u32_at(block, 12) {
        4 => (0, 28 + 28),
        5 => (u64_at(block, 28 + 28), 28 + 36),
        _ => return Err("unknown version of the VDO geometry"),
    };
    let start = u64_at(block, regions + 12 + 4);
    let offset = start
        .checked_sub(bio_offset)
        .and_then(|blocks| blocks.checked_mul(BLOCK as u64))
        .filter(|offset| i64::try_from(*offset).is_ok())
        .ok_or("VDO data region lies outside of the device")?;
    Ok((offset, u64_at(block, 28 + 4)))
}

/// Logical blocks.
fn component(block: &[u8; BLOCK], nonce: u64) -> std::result::Result<u64, &'static str> {
    if u32_at(block, COMPONENT_AT) > COMPONENT_MAJOR_MAX {
        return Err("unknown version of the VDO component data");
    }
    // u32 major, u32 minor, u32 state, u64 complete_recoveries, u64 read_only_recoveries, then the configuration of
    // five u64, the first of them the logical blocks, then u64 nonce.
    let config = COMPONENT_AT + 8 + 4 + 8 + 8;
    if u64_at(block, config + 40) != nonce {
        return Err("VDO component data belongs to another volume");
    }
    Ok(u64_at(block, config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(major: u32) -> Vec<u8> {
        let mut v = vec![0u8; 8 * BLOCK];
        v[..8].copy_from_slice(MAGIC);
        v[8..12].copy_from_slice(&5u32.to_le_bytes());
        v[12..16].copy_from_slice(&major.to_le_bytes());
        v[32..40].copy_from_slice(&77u64.to_le_bytes());
        let regions = if major == 5 {
            v[56..64].copy_from_slice(&2u64.to_le_bytes());
            64
        } else {
            56
        };
        v[regions + 16..regions + 24].copy_from_slice(&5u64.to_le_bytes());
        let at = if major == 5 { 3 * BLOCK } else { 5 * BLOCK };
        v[at + 32..at + 36].copy_from_slice(&41u32.to_le_bytes());
        v[at + 60..at + 68].copy_from_slice(&123_456u64.to_le_bytes());
        v[at + 100..at + 108].copy_from_slice(&77u64.to_le_bytes());
        v
    }

    #[test]
    fn both_versions_of_the_geometry() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vdo");
        let size = |v: &[u8]| {
            std::fs::write(&path, v).unwrap();
            logical_size(path.as_os_str().as_bytes()).ok()
        };
        assert_eq!(size(&volume(4)), Some(123_456));
        assert_eq!(size(&volume(5)), Some(123_456));
        assert_eq!(size(&volume(6)), None);
        assert_eq!(size(&volume(5)[..4 * BLOCK - 1]), None);
        let mut v = volume(5);
        v[32] ^= 1;
        assert_eq!(size(&v), None, "the nonces differ");
        v = volume(5);
        v[56..64].fill(0xff);
        assert_eq!(size(&v), None, "the position underflows");
        assert_eq!(size(b"x"), None);
    }
}
