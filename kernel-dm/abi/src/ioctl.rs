//! `struct dm_ioctl` (312 bytes) and the records behind it.
//!
//! A request is one buffer: the header below, then at `data_start` the command's payload. The reply overwrites the same
//! buffer. All numbers are in the byte order of the machine. The layout is that of the public header
//! `linux/dm-ioctl.h`; how Linux uses it was seen on kernel 6.12 (interface 4.48.0).
//!
//! | offset | field | | offset | field |
//! |---|---|---|---|---|
//! | 0 | `version` u32\[3\] | | 28 | `flags` u32 |
//! | 12 | `data_size` u32 | | 32 | `event_nr` u32 |
//! | 16 | `data_start` u32 | | 36 | `padding` u32 |
//! | 20 | `target_count` u32 | | 40 | `dev` u64 |
//! | 24 | `open_count` i32 | | 48 | `name` char\[128\] |
//! | 305 | `data` char\[7\] | | 176 | `uuid` char\[129\] |

mod bytes;
mod command;
pub mod flag;
mod header;
pub mod load;
pub mod reply;

#[cfg(test)]
mod tests;

pub use command::Command;
pub use header::Header;

/// Size of `struct dm_ioctl` in bytes; payloads usually start here.
pub const HEADER_SIZE: usize = 312;
/// Offset of the member `data`: the smallest request, and the size of a reply without payload.
pub const DATA_OFFSET: usize = 305;
/// Size of the name field, with its NUL.
pub const NAME_LEN: usize = 128;
/// Size of the UUID field, with its NUL.
pub const UUID_LEN: usize = 129;
/// Size of the target type field, with its NUL.
pub const TYPE_LEN: usize = 16;
/// The largest `data_size` that Linux takes, in bytes.
pub const MAX_DATA_SIZE: u32 = 1 << 30;
/// The largest `target_count` that Linux takes.
pub const MAX_TARGETS: u32 = 1 << 20;
/// The interface version of Linux 6.12, which the engine speaks.
pub const VERSION: [u32; 3] = [4, 48, 0];
/// The type byte of the ioctl numbers.
pub const IOCTL_TYPE: u8 = 0xfd;

/// The ioctl number of a command: `_IOWR(0xfd, command, struct dm_ioctl)`.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "312 fits")]
pub const fn ioctl_number(command: u32) -> u32 {
    (3 << 30) | ((HEADER_SIZE as u32) << 16) | ((IOCTL_TYPE as u32) << 8) | (command & 0xff)
}

/// Packs a device number as payloads carry it ("huge" encoding: 12 bits of major, 20 bits of minor).
#[must_use]
pub const fn encode_dev(major: u32, minor: u32) -> u64 {
    ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) as u64
}

/// Unpacks a device number into major and minor; only the low 32 bits count.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "Linux looks at the low half only")]
pub const fn decode_dev(dev: u64) -> (u32, u32) {
    let dev = dev as u32;
    ((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00))
}

#[cfg(test)]
mod number_tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_header() {
        assert_eq!(ioctl_number(0), 0xc138_fd00);
        assert_eq!(ioctl_number(17), 0xc138_fd11);
    }

    #[test]
    fn device_numbers() {
        assert_eq!(encode_dev(254, 77), 0xfe4d);
        assert_eq!(encode_dev(254, 0xfffff), 0xfff0_feff);
        assert_eq!(decode_dev(0xfff0_feff), (254, 0xfffff));
        assert_eq!(decode_dev(0x5_0000_fe58), (254, 88));
        for (major, minor) in [(0, 0), (7, 256), (0xfff, 0x12345), (1, 0xff)] {
            assert_eq!(decode_dev(encode_dev(major, minor)), (major, minor));
        }
    }
}
