//! Answers about loop devices that are not ours.
//!
//! With loop devices as mapped devices, clients take every loop device for a mapped one and ask about it. Those that are
//! not ours get answers that show an ordinary disk.

use dm_abi::errno::Errno;
use dm_core::host::DevNo;

use crate::loopdev;

const DEV_STATUS: u32 = 7;
const TABLE_DEPS: u32 = 11;
const TABLE_STATUS: u32 = 12;

/// Bytes of `struct dm_ioctl` and of an answer without payload.
const HEADER: usize = 312;
const EMPTY: usize = 305;
const RECORD: usize = 48;
const ACTIVE_PRESENT: u32 = 1 << 5;
const BUFFER_FULL: u32 = 1 << 8;

fn u32_at(buffer: &[u8], at: usize) -> u32 {
    buffer
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) {
    buffer[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The number in the header's `dev`, which has the kernel's 64-bit encoding of 12 and 20 bits.
fn dev(buffer: &[u8]) -> DevNo {
    let dev = u32_at(buffer, 40);
    DevNo {
        major: (dev >> 8) & 0xfff,
        minor: (dev & 0xff) | ((dev >> 12) & 0xf_ff00),
    }
}

/// Whether a request asks about a loop device that is not ours, by number.
pub fn concerns(command: u32, buffer: &[u8], is_ours: impl Fn(DevNo) -> bool) -> bool {
    if !matches!(command, DEV_STATUS | TABLE_DEPS | TABLE_STATUS) || buffer.len() < HEADER {
        return false;
    }
    // Names and UUIDs are not numbers.
    let dev = dev(buffer);
    buffer[48] == 0 && buffer[176] == 0 && dev.major == loopdev::MAJOR && !is_ours(dev) && loopdev::index_of(dev).is_some()
}

/// Answers such a request. `version` is the engine's, as in the first 12 bytes of its answers.
///
/// # Errors
/// EINVAL for a request of another version.
pub fn answer(command: u32, buffer: &mut [u8], version: [u32; 3]) -> Result<usize, Errno> {
    let (major, minor) = (u32_at(buffer, 0), u32_at(buffer, 4));
    for (index, number) in version.into_iter().enumerate() {
        put(buffer, index * 4, &number.to_ne_bytes());
    }
    if major != version[0] || minor > version[1] {
        return Err(Errno::EINVAL);
    }
    let sectors = loopdev::index_of(dev(buffer))
        .and_then(|index| std::fs::read_to_string(loopdev::sysfs(index, "size")).ok())
        .and_then(|text| text.trim().parse::<u64>().ok())
        .unwrap_or(0);
    let mut flags = u32_at(buffer, 28) | ACTIVE_PRESENT;
    let end = (u32_at(buffer, 12) as usize).min(buffer.len());
    let mut used = EMPTY;
    if command == TABLE_STATUS {
        if end >= HEADER + RECORD {
            used = HEADER + RECORD;
            let record = &mut buffer[HEADER..HEADER + RECORD];
            record.fill(0);
            put(record, 8, &sectors.to_ne_bytes());
            put(record, 20, &48u32.to_ne_bytes());
            put(record, 24, b"linear");
        } else {
            flags |= BUFFER_FULL;
        }
    }
    put(buffer, 12, &u32::try_from(used).unwrap_or(0).to_ne_bytes());
    put(buffer, 16, &312u32.to_ne_bytes());
    put(buffer, 20, &1u32.to_ne_bytes());
    put(buffer, 24, &0u32.to_ne_bytes());
    put(buffer, 28, &flags.to_ne_bytes());
    put(buffer, 32, &0u32.to_ne_bytes());
    if used == EMPTY {
        let rest = HEADER.min(buffer.len());
        buffer[EMPTY..rest].fill(0);
    }
    Ok(used.max(HEADER).min(buffer.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(minor: u32) -> Vec<u8> {
        let mut buffer = vec![0; 16384];
        put(&mut buffer, 0, &4u32.to_ne_bytes());
        put(&mut buffer, 12, &16384u32.to_ne_bytes());
        put(&mut buffer, 40, &(7 << 8 | minor & 0xff | (minor & !0xff) << 12).to_ne_bytes());
        buffer
    }

    #[test]
    fn only_numbers_of_loop_devices_that_are_not_ours_are_answered() {
        // /dev/loop0 exists wherever the loop driver does.
        assert!(concerns(TABLE_STATUS, &request(0), |_| false));
        assert!(!concerns(TABLE_STATUS, &request(0), |dev| dev.minor == 0));
        assert!(!concerns(TABLE_STATUS, &request(0xf_fff0), |_| false));
        assert!(!concerns(9, &request(0), |_| false));
        let mut named = request(0);
        named[48] = b'x';
        assert!(!concerns(TABLE_STATUS, &named, |_| false));
        assert_eq!(dev(&request(300)), DevNo { major: 7, minor: 300 });
    }

    #[test]
    fn the_table_is_one_linear_line() {
        let mut buffer = request(0);
        assert_eq!(answer(TABLE_STATUS, &mut buffer, [4, 48, 0]), Ok(HEADER + RECORD));
        assert_eq!(u32_at(&buffer, 20), 1);
        assert_eq!(&buffer[HEADER + 24..HEADER + 31], b"linear\0");
        assert_eq!(buffer[48], 0);
        put(&mut buffer, 0, &5u32.to_ne_bytes());
        assert_eq!(answer(TABLE_DEPS, &mut buffer, [4, 48, 0]), Err(Errno::EINVAL));
    }
}
