//! The header as a value.

use super::bytes::{put, text, u32_at, u64_at};
use super::{DATA_OFFSET, NAME_LEN, UUID_LEN, VERSION};

/// `struct dm_ioctl` without its `data`.
///
/// [`Header::read`] and [`Header::write`] keep every byte, so a reply made from a request carries what the request
/// carried in the fields that the reply does not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// In: what the client needs. Out: what the driver is.
    pub version: [u32; 3],
    /// Size of the whole buffer in bytes; out: what of it is used.
    pub data_size: u32,
    /// Offset of the payload in bytes.
    pub data_start: u32,
    /// In: records of a table to load. Out: segments of the table.
    pub target_count: u32,
    /// Out: opens of the device.
    pub open_count: i32,
    /// See [`super::flag`].
    pub flags: u32,
    /// In: the last event known, or a udev cookie. Out: the last event.
    pub event_nr: u32,
    /// Unused, comes back as it was sent.
    pub padding: u32,
    /// Device number, see [`super::encode_dev`].
    pub dev: u64,
    name: [u8; NAME_LEN],
    uuid: [u8; UUID_LEN],
}

impl Default for Header {
    fn default() -> Self {
        Self {
            version: VERSION,
            data_size: 0,
            data_start: 0,
            target_count: 0,
            open_count: 0,
            flags: 0,
            event_nr: 0,
            padding: 0,
            dev: 0,
            name: [0; NAME_LEN],
            uuid: [0; UUID_LEN],
        }
    }
}

impl Header {
    /// Reads the first 305 bytes of a buffer; `None` when it is shorter.
    #[must_use]
    pub fn read(buffer: &[u8]) -> Option<Self> {
        let bytes = buffer.get(..DATA_OFFSET)?;
        Some(Self {
            version: [u32_at(bytes, 0)?, u32_at(bytes, 4)?, u32_at(bytes, 8)?],
            data_size: u32_at(bytes, 12)?,
            data_start: u32_at(bytes, 16)?,
            target_count: u32_at(bytes, 20)?,
            open_count: u32_at(bytes, 24)?.cast_signed(),
            flags: u32_at(bytes, 28)?,
            event_nr: u32_at(bytes, 32)?,
            padding: u32_at(bytes, 36)?,
            dev: u64_at(bytes, 40)?,
            name: *bytes.get(48..)?.first_chunk()?,
            uuid: *bytes.get(176..)?.first_chunk()?,
        })
    }

    /// Writes the first 305 bytes of a buffer; false, and nothing written, when it is shorter.
    #[must_use]
    pub fn write(&self, buffer: &mut [u8]) -> bool {
        let Some(bytes) = buffer.get_mut(..DATA_OFFSET) else {
            return false;
        };
        let [major, minor, patch] = self.version;
        let numbers = [
            major,
            minor,
            patch,
            self.data_size,
            self.data_start,
            self.target_count,
            self.open_count.cast_unsigned(),
            self.flags,
            self.event_nr,
            self.padding,
        ];
        for (index, number) in numbers.iter().enumerate() {
            put(bytes, index * 4, &number.to_ne_bytes());
        }
        put(bytes, 40, &self.dev.to_ne_bytes());
        put(bytes, 48, &self.name);
        put(bytes, 176, &self.uuid)
    }

    /// Writes only the version, if the buffer has room for it.
    pub fn write_version(buffer: &mut [u8]) {
        for (index, number) in VERSION.iter().enumerate() {
            put(buffer, index * 4, &number.to_ne_bytes());
        }
    }

    /// The name: at most 127 bytes, for the last byte of the field counts as NUL.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        text(self.name.split_last().map_or(&[], |(_, field)| field))
    }

    /// The UUID: at most 128 bytes.
    #[must_use]
    pub fn uuid(&self) -> &[u8] {
        text(self.uuid.split_last().map_or(&[], |(_, field)| field))
    }

    /// Makes sure of the NUL at the end of both texts.
    pub fn terminate(&mut self) {
        self.name[NAME_LEN - 1] = 0;
        self.uuid[UUID_LEN - 1] = 0;
    }

    /// Sets the name; false, and nothing set, when it does not fit with its NUL.
    #[must_use]
    pub fn set_name(&mut self, name: &[u8]) -> bool {
        set_text(&mut self.name, name)
    }

    /// Sets the UUID; false, and nothing set, when it does not fit with its NUL.
    #[must_use]
    pub fn set_uuid(&mut self, uuid: &[u8]) -> bool {
        set_text(&mut self.uuid, uuid)
    }
}

/// Puts a text and its NUL; what is behind stays.
fn set_text(field: &mut [u8], value: &[u8]) -> bool {
    value.len() < field.len() && put(field, 0, value) && put(field, value.len(), &[0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_bounded() {
        let mut header = Header::default();
        assert!(header.set_name(&[b'n'; 127]));
        assert!(!header.set_name(&[b'n'; 128]));
        assert!(header.set_uuid(&[b'u'; 128]));
        assert!(!header.set_uuid(&[b'u'; 129]));
        assert_eq!((header.name().len(), header.uuid().len()), (127, 128));
        assert!(header.set_name(b""));
        assert_eq!(header.name(), b"");
    }

    proptest! {
        #[test]
        fn every_byte_is_kept(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            match Header::read(&bytes) {
                None => prop_assert!(bytes.len() < DATA_OFFSET),
                Some(header) => {
                    prop_assert!(header.name().len() < NAME_LEN && header.uuid().len() < UUID_LEN);
                    let mut copy = alloc::vec![0; bytes.len()];
                    prop_assert!(header.write(&mut copy));
                    prop_assert_eq!(&copy[..DATA_OFFSET], &bytes[..DATA_OFFSET]);
                    prop_assert!(copy[DATA_OFFSET..].iter().all(|&byte| byte == 0));
                }
            }
        }
    }
}
