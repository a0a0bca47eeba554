//! Answers about loop devices that are not ours.
//!
//! With loop devices as mapped devices, clients take every loop device for a mapped one and ask about it. Those that are
//! not ours get answers that show an ordinary disk.

use dm_abi::errno::Errno;
use dm_abi::ioctl::reply::{StatusWriter, payload_area};
use dm_abi::ioctl::{Command, DATA_OFFSET, HEADER_SIZE, Header, VERSION, decode_dev, flag};
use dm_core::host::DevNo;

use crate::loopdev;

fn dev(header: &Header) -> DevNo {
    let (major, minor) = decode_dev(header.dev);
    DevNo { major, minor }
}

/// Whether a request asks about a loop device that is not ours, by number.
pub fn concerns(command: u32, buffer: &[u8], is_ours: impl Fn(DevNo) -> bool) -> bool {
    let asks = matches!(
        Command::from_number(command),
        Some(Command::DevStatus | Command::TableDeps | Command::TableStatus)
    );
    let Some(header) = Header::read(buffer).filter(|_| asks) else {
        return false;
    };
    let dev = dev(&header);
    // Names and UUIDs are not numbers.
    header.name().is_empty()
        && header.uuid().is_empty()
        && dev.major == loopdev::MAJOR
        && !is_ours(dev)
        && loopdev::index_of(dev).is_some()
}

/// Answers such a request with the length of the answer in bytes.
///
/// # Errors
/// EINVAL for a request of another version, or with a buffer of an impossible size.
pub fn answer(command: u32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let Some(mut header) = Header::read(buffer) else {
        return Err(Errno::EINVAL);
    };
    Header::write_version(buffer);
    let end = usize::try_from(header.data_size).unwrap_or(usize::MAX);
    if header.version[0] != VERSION[0] || header.version[1] > VERSION[1] || end < DATA_OFFSET || end > buffer.len() {
        return Err(Errno::EINVAL);
    }
    let sectors = loopdev::index_of(dev(&header))
        .and_then(|index| std::fs::read_to_string(loopdev::sysfs(index, "size")).ok())
        .and_then(|text| text.trim().parse::<u64>().ok())
        .unwrap_or(0);
    let mut used = DATA_OFFSET;
    header.flags |= flag::ACTIVE_PRESENT;
    if command == Command::TableStatus.number() {
        let (start, area) = payload_area(&mut buffer[..end]);
        let mut records = StatusWriter::new(area);
        records.record(0, sectors, b"linear", |_| Ok(()));
        let (len, full) = records.finish();
        if full {
            header.flags |= flag::BUFFER_FULL;
        }
        used = start + len;
    } else {
        // No components.
        let rest = HEADER_SIZE.min(end);
        buffer[DATA_OFFSET..rest].fill(0);
    }
    header.version = VERSION;
    header.data_size = u32::try_from(used).unwrap_or(u32::MAX);
    header.data_start = u32::try_from(HEADER_SIZE).unwrap_or(0);
    header.target_count = 1;
    header.open_count = 0;
    header.event_nr = 0;
    if header.write(buffer) {
        Ok(used)
    } else {
        Err(Errno::EINVAL)
    }
}

#[cfg(test)]
mod tests {
    use dm_abi::ioctl::{encode_dev, reply};

    use super::*;

    const STATUS: u32 = 12;

    fn request(minor: u32) -> Vec<u8> {
        let mut buffer = vec![0; 16384];
        let mut header = Header::default();
        header.version = [4, 0, 0];
        header.data_size = 16384;
        header.flags = flag::EXISTS;
        header.dev = encode_dev(7, minor);
        assert!(header.write(&mut buffer));
        buffer
    }

    #[test]
    fn only_numbers_of_loop_devices_that_are_not_ours_are_answered() {
        // /dev/loop0 exists wherever the loop driver does.
        assert!(concerns(STATUS, &request(0), |_| false));
        assert!(!concerns(STATUS, &request(0), |dev| dev.minor == 0));
        assert!(!concerns(STATUS, &request(0xf_fff0), |_| false));
        assert!(!concerns(9, &request(0), |_| false));
        let mut named = request(0);
        named[48] = b'x';
        assert!(!concerns(STATUS, &named, |_| false));
    }

    #[test]
    fn the_table_is_one_linear_line() {
        let mut buffer = request(0);
        let used = answer(STATUS, &mut buffer).unwrap();
        let header = Header::read(&buffer).unwrap();
        assert_eq!((header.target_count, header.data_size as usize), (1, used));
        assert_eq!(header.flags, flag::EXISTS | flag::ACTIVE_PRESENT);
        assert!(header.name().is_empty());
        let records: Vec<_> = reply::read_status(&buffer[312..used], 1).collect();
        assert_eq!(
            (records.len(), records[0].kind, records[0].params),
            (1, &b"linear"[..], &b""[..])
        );
    }

    #[test]
    fn there_are_no_components() {
        let mut buffer = request(0);
        assert_eq!(answer(11, &mut buffer), Ok(305));
        assert_eq!(buffer[312..320], [0; 8]);
        buffer[0] = 5;
        assert_eq!(answer(11, &mut buffer), Err(Errno::EINVAL));
    }
}
