//! Control requests as raw bytes, built without the project's own encoders, so that these are checked too.
//!
//! Text form, one request a line: `NR HEX`, where NR is the command number and HEX the whole buffer.
//! Text form of an answer: `ERRNO HEX`, where HEX is the buffer up to the reply's data_size.

use std::fmt::Write as _;

/// Command numbers of the device-mapper ioctls.
pub mod nr {
    #![allow(missing_docs, reason = "the names say it")]
    pub const VERSION: u32 = 0;
    pub const REMOVE_ALL: u32 = 1;
    pub const LIST_DEVICES: u32 = 2;
    pub const DEV_CREATE: u32 = 3;
    pub const DEV_REMOVE: u32 = 4;
    pub const DEV_RENAME: u32 = 5;
    pub const DEV_SUSPEND: u32 = 6;
    pub const DEV_STATUS: u32 = 7;
    pub const DEV_WAIT: u32 = 8;
    pub const TABLE_LOAD: u32 = 9;
    pub const TABLE_CLEAR: u32 = 10;
    pub const TABLE_DEPS: u32 = 11;
    pub const TABLE_STATUS: u32 = 12;
    pub const LIST_VERSIONS: u32 = 13;
    pub const TARGET_MSG: u32 = 14;
    pub const DEV_SET_GEOMETRY: u32 = 15;
    pub const DEV_ARM_POLL: u32 = 16;
    pub const GET_TARGET_VERSION: u32 = 17;
}

/// Flag bits of a request.
pub mod flag {
    #![allow(missing_docs, reason = "the names say it")]
    pub const READONLY: u32 = 1 << 0;
    pub const SUSPEND: u32 = 1 << 1;
    pub const EXISTS: u32 = 1 << 2;
    pub const PERSISTENT_DEV: u32 = 1 << 3;
    pub const STATUS_TABLE: u32 = 1 << 4;
    pub const SKIP_LOCKFS: u32 = 1 << 10;
    pub const NOFLUSH: u32 = 1 << 11;
    pub const QUERY_INACTIVE_TABLE: u32 = 1 << 12;
    pub const UEVENT_GENERATED: u32 = 1 << 13;
    pub const UUID: u32 = 1 << 14;
    pub const SECURE_DATA: u32 = 1 << 15;
    pub const DEFERRED_REMOVE: u32 = 1 << 17;
}

/// Size of `struct dm_ioctl` in bytes.
pub const HEADER: usize = 312;
/// Size of a `struct dm_target_spec` in bytes.
const SPEC: usize = 40;

/// One request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Command number.
    pub nr: u32,
    /// The whole buffer.
    pub buffer: Vec<u8>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |from: usize, len: usize| {
            let bytes = self.buffer.get(from..from + len).unwrap_or_default();
            String::from_utf8_lossy(bytes.split(|&b| b == 0).next().unwrap_or_default()).into_owned()
        };
        write!(
            f,
            "nr {} size {} flags {:#x} event {} dev {:#x} name {:?} uuid {:?} payload {:?}",
            self.nr,
            self.buffer.len(),
            self.u32_at(28),
            self.u32_at(32),
            self.u32_at(40),
            text(48, 128),
            text(176, 129),
            String::from_utf8_lossy(self.buffer.get(HEADER..).unwrap_or_default()).trim_end_matches('\0'),
        )
    }
}

impl Request {
    /// A request with version 4.0.0 and a buffer of `size` bytes.
    ///
    /// # Panics
    /// When `size` is less than the header's.
    #[must_use]
    pub fn new(nr: u32, size: usize) -> Self {
        assert!(size >= HEADER);
        let request = Self {
            nr,
            buffer: vec![0; size],
        };
        let size = u32::try_from(size).expect("small");
        request.put_u32(0, 4).put_u32(12, size).put_u32(16, 312)
    }

    /// Puts a number at a byte offset.
    #[must_use]
    pub fn put_u32(mut self, at: usize, value: u32) -> Self {
        self.buffer[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self
    }

    fn u32_at(&self, at: usize) -> u32 {
        self.buffer
            .get(at..at + 4)
            .map_or(0, |b| u32::from_le_bytes(b.try_into().expect("four bytes")))
    }

    /// Puts bytes at an offset.
    #[must_use]
    pub fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.buffer[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Sets the name (cut to the field).
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        let bytes = &name.as_bytes()[..name.len().min(128)];
        self.put(48, bytes)
    }

    /// Sets the uuid (cut to the field).
    #[must_use]
    pub fn uuid(self, uuid: &str) -> Self {
        let bytes = &uuid.as_bytes()[..uuid.len().min(129)];
        self.put(176, bytes)
    }

    /// Adds flags.
    #[must_use]
    pub fn flags(self, flags: u32) -> Self {
        let flags = self.u32_at(28) | flags;
        self.put_u32(28, flags)
    }

    /// Sets the device number.
    #[must_use]
    pub fn dev(self, major: u32, minor: u32) -> Self {
        self.put_u32(40, (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12))
    }

    /// Sets the event number.
    #[must_use]
    pub fn event(self, event: u32) -> Self {
        self.put_u32(32, event)
    }

    /// Puts a NUL-terminated string as payload; the buffer grows where needed.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        let need = HEADER + text.len() + 1;
        if self.buffer.len() < need {
            self.buffer.resize(need, 0);
            self = self.put_u32(12, u32::try_from(need).expect("small"));
        }
        self.put(HEADER, text.as_bytes())
    }

    /// Puts a target message as payload.
    #[must_use]
    pub fn message(mut self, sector: u64, text: &str) -> Self {
        let need = HEADER + 8 + text.len() + 1;
        if self.buffer.len() < need {
            self.buffer.resize(need, 0);
            self = self.put_u32(12, u32::try_from(need).expect("small"));
        }
        self.put(HEADER, &sector.to_le_bytes()).put(HEADER + 8, text.as_bytes())
    }

    /// Puts table records as payload.
    #[must_use]
    pub fn table(mut self, lines: &[(u64, u64, &str, &str)]) -> Self {
        let mut payload = Vec::new();
        for (start, length, target, params) in lines {
            let size = (SPEC + params.len() + 1).next_multiple_of(8);
            let mut record = vec![0; size];
            record[..8].copy_from_slice(&start.to_le_bytes());
            record[8..16].copy_from_slice(&length.to_le_bytes());
            record[20..24].copy_from_slice(&u32::try_from(size).expect("small").to_le_bytes());
            record[24..24 + target.len()].copy_from_slice(target.as_bytes());
            record[SPEC..SPEC + params.len()].copy_from_slice(params.as_bytes());
            payload.extend(record);
        }
        self.buffer.truncate(HEADER);
        self.buffer.extend(payload);
        let size = u32::try_from(self.buffer.len()).expect("small");
        let count = u32::try_from(lines.len()).expect("few");
        self.put_u32(12, size).put_u32(20, count)
    }

    /// The text form.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.nr, hex(&self.buffer))
    }

    /// Reads the text form.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (nr, bytes) = line.split_once(' ')?;
        Some(Self {
            nr: nr.parse().ok()?,
            buffer: unhex(bytes)?,
        })
    }
}

/// The text form of an answer: errno, then the buffer up to its own data_size (all of it when that makes no sense).
#[must_use]
pub fn answer(errno: i32, buffer: &[u8]) -> String {
    let used = buffer.get(12..16).map_or(buffer.len(), |b| {
        u32::from_le_bytes(b.try_into().expect("four")) as usize
    });
    format!("{errno} {}", hex(&buffer[..used.clamp(0, buffer.len())]))
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Reads hex.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok())
        .collect()
}
