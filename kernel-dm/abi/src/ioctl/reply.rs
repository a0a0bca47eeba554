//! The records of replies, written by a driver into the client's buffer and read back by a client.
//!
//! Padding between records is not written: it keeps what the client sent, as under Linux.

use core::fmt;

use super::bytes::{align8, put, terminated, text, u32_at, u64_at};
use super::load::{SPEC_SIZE, TargetSpec};
use super::{HEADER_SIZE, TYPE_LEN};

/// Where the payload of a reply goes: `data_start`, and the bytes from there to `data_size`.
/// `buffer` is the request up to `data_size`.
#[must_use]
pub fn payload_area(buffer: &mut [u8]) -> (usize, &mut [u8]) {
    let start = HEADER_SIZE.min(buffer.len());
    (start, buffer.get_mut(start..).unwrap_or_default())
}

/// Writes the records of a table's status: `struct dm_target_spec`, where `next` counts from the FIRST record.
#[derive(Debug)]
pub struct StatusWriter<'b> {
    area: &'b mut [u8],
    next: usize,
    used: usize,
    full: bool,
}

impl<'b> StatusWriter<'b> {
    /// Writes into a [`payload_area`].
    #[must_use]
    pub fn new(area: &'b mut [u8]) -> Self {
        Self {
            area,
            next: 0,
            used: 0,
            full: false,
        }
    }

    /// Appends a record whose text `write` prints; does nothing once the area is full.
    pub fn record(
        &mut self,
        start: u64,
        length: u64,
        kind: &[u8],
        write: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result,
    ) {
        self.record_line(start, length, kind, |line| write(line));
    }

    /// Appends a record with a text that need not be UTF-8; does nothing once the area is full.
    pub fn record_bytes(&mut self, start: u64, length: u64, kind: &[u8], text: &[u8]) {
        self.record_line(start, length, kind, |line| line.append(text));
    }

    fn record_line(&mut self, start: u64, length: u64, kind: &[u8], write: impl FnOnce(&mut Line<'_>) -> fmt::Result) {
        if self.full {
            return;
        }
        let base = self.next;
        let Some(record) = self.area.get_mut(base..).filter(|record| record.len() > SPEC_SIZE) else {
            self.full = true;
            return;
        };
        put(record, 0, &start.to_ne_bytes());
        put(record, 8, &length.to_ne_bytes());
        put(record, 16, &0u32.to_ne_bytes());
        let mut field = [0; TYPE_LEN];
        put(&mut field, 0, kind.get(..TYPE_LEN - 1).unwrap_or(kind));
        put(record, 24, &field);
        let mut line = Line {
            bytes: record.get_mut(SPEC_SIZE..).unwrap_or_default(),
            len: 0,
        };
        // One byte for the NUL, and one more that Linux leaves unused.
        if write(&mut line).is_err() || line.len + 2 > line.bytes.len() {
            self.full = true;
            return;
        }
        let len = line.len;
        put(record, SPEC_SIZE + len, &[0]);
        self.used = base + SPEC_SIZE + len + 1;
        let next = align8(self.used);
        if next > self.area.len() {
            self.full = true;
            return;
        }
        let distance = u32::try_from(next).unwrap_or(u32::MAX);
        put(self.area, base + 20, &distance.to_ne_bytes());
        self.next = next;
    }

    /// The bytes used by whole records, and whether something did not fit.
    #[must_use]
    pub fn finish(self) -> (usize, bool) {
        (self.used, self.full)
    }
}

/// Text that goes into a slice and fails when it is full.
struct Line<'b> {
    bytes: &'b mut [u8],
    len: usize,
}

impl Line<'_> {
    /// Appends what fits, so that what is left of a line that does not fit is the same whatever pieces it comes in.
    fn append(&mut self, text: &[u8]) -> fmt::Result {
        let room = self.bytes.get(self.len..).map_or(0, <[u8]>::len);
        let fits = text.get(..room).unwrap_or(text);
        put(self.bytes, self.len, fits);
        self.len += fits.len();
        if fits.len() < text.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

impl fmt::Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.append(text.as_bytes())
    }
}

/// An entry of the list of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameEntry<'a> {
    /// Device number, see [`super::encode_dev`].
    pub dev: u64,
    /// Name.
    pub name: &'a [u8],
    /// Event number.
    pub event_nr: u32,
    /// UUID: `None` when the client did not ask for it, empty when the device has none.
    pub uuid: Option<&'a [u8]>,
}

/// The flag of an entry that has a UUID behind it.
const HAS_UUID: u32 = 1;
/// The flag of an entry without UUID in a list with UUIDs.
const HAS_NO_UUID: u32 = 2;
/// Size of the fixed part of a `struct dm_name_list`.
const NAME_OFFSET: usize = 12;

impl NameEntry<'_> {
    fn extension(&self) -> usize {
        align8(NAME_OFFSET + self.name.len() + 1)
    }

    /// Size of the entry with its padding, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let uuid = self.uuid.unwrap_or_default();
        let text = if uuid.is_empty() { 0 } else { uuid.len() + 1 };
        align8(self.extension() + 8 + text)
    }
}

/// Writes a list of devices: `struct dm_name_list`, where `next` counts from each record and is 0 in the last,
/// each with its event number, flags and perhaps UUID behind the name.
///
/// Returns the bytes used; `None`, and nothing written, when it does not fit. An empty list uses no bytes, but has to
/// have room for 8.
pub fn write_names<'e>(area: &mut [u8], entries: impl Iterator<Item = NameEntry<'e>> + Clone) -> Option<usize> {
    let total: usize = entries.clone().map(|entry| entry.size()).sum();
    if total.max(8) > area.len() {
        return None;
    }
    let mut base = 0;
    let mut entries = entries.peekable();
    while let Some(entry) = entries.next() {
        let size = entry.size();
        let next = if entries.peek().is_some() {
            u32::try_from(size).ok()?
        } else {
            0
        };
        let record = area.get_mut(base..)?;
        put(record, 0, &entry.dev.to_ne_bytes());
        put(record, 8, &next.to_ne_bytes());
        put(record, NAME_OFFSET, entry.name);
        put(record, NAME_OFFSET + entry.name.len(), &[0]);
        let extension = entry.extension();
        let flags = match entry.uuid {
            None => 0,
            Some([]) => HAS_NO_UUID,
            Some(_) => HAS_UUID,
        };
        put(record, extension, &entry.event_nr.to_ne_bytes());
        put(record, extension + 4, &flags.to_ne_bytes());
        if let Some(uuid @ [_, ..]) = entry.uuid {
            put(record, extension + 8, uuid);
            put(record, extension + 8 + uuid.len(), &[0]);
        }
        base += size;
    }
    Some(total)
}

/// An entry of the list of target types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionEntry<'a> {
    /// Name of the type.
    pub name: &'a [u8],
    /// Major, minor and patch level.
    pub version: [u32; 3],
}

/// Size of the fixed part of a `struct dm_target_versions`.
const VERSIONS_NAME: usize = 16;

/// Writes a list of target types: `struct dm_target_versions`, where `next` counts from each record and is 0 in the last.
///
/// Returns the bytes that Linux counts (7 for the padding of each record, whatever it needs);
/// `None`, and nothing written, when they do not fit.
pub fn write_versions<'e>(area: &mut [u8], entries: impl Iterator<Item = VersionEntry<'e>> + Clone) -> Option<usize> {
    let total: usize = entries
        .clone()
        .map(|entry| VERSIONS_NAME + entry.name.len() + 1 + 7)
        .sum();
    if total > area.len() {
        return None;
    }
    let mut base = 0;
    let mut entries = entries.peekable();
    while let Some(entry) = entries.next() {
        let size = align8(VERSIONS_NAME + entry.name.len() + 1);
        let next = if entries.peek().is_some() {
            u32::try_from(size).ok()?
        } else {
            0
        };
        let record = area.get_mut(base..)?;
        put(record, 0, &next.to_ne_bytes());
        for (index, number) in entry.version.iter().enumerate() {
            put(record, 4 + 4 * index, &number.to_ne_bytes());
        }
        put(record, VERSIONS_NAME, entry.name);
        put(record, VERSIONS_NAME + entry.name.len(), &[0]);
        base += size;
    }
    Some(total)
}

/// Writes the components of a table: `struct dm_target_deps`, a count and device numbers.
///
/// Returns the bytes used; `None`, and nothing written, when they do not fit.
pub fn write_deps(area: &mut [u8], devs: impl ExactSizeIterator<Item = u64>) -> Option<usize> {
    let total = devs.len().checked_mul(8)?.checked_add(8)?;
    if total > area.len() {
        return None;
    }
    put(area, 0, &u32::try_from(devs.len()).ok()?.to_ne_bytes());
    for (index, dev) in devs.enumerate() {
        put(area, 8 + 8 * index, &dev.to_ne_bytes());
    }
    Some(total)
}

/// Writes the answer to a message, with its NUL.
///
/// Returns the bytes used; `None`, and nothing written, when they do not fit.
pub fn write_message(area: &mut [u8], text: &[u8]) -> Option<usize> {
    if text.len() >= area.len() {
        return None;
    }
    put(area, 0, text);
    put(area, text.len(), &[0]);
    Some(text.len() + 1)
}

/// Reads the records of a table's status from a reply's payload. Ends early when the payload is broken.
pub fn read_status(payload: &[u8], count: u32) -> impl Iterator<Item = TargetSpec<'_>> {
    let mut base = Some(0);
    (0..count).map_while(move |_| {
        let record = payload.get(base?..)?;
        // `next` counts from the first record, and goes forward.
        let next = usize::try_from(u32_at(record, 20)?).ok()?;
        let spec = TargetSpec {
            start: u64_at(record, 0)?,
            length: u64_at(record, 8)?,
            kind: text(record.get(24..24 + TYPE_LEN)?),
            params: text(record.get(SPEC_SIZE..)?),
        };
        base = Some(next).filter(|&next| Some(next) > base);
        Some(spec)
    })
}

/// Reads a list of devices from a reply's payload. Ends early when the payload is broken.
///
/// An empty list has no bytes at all; a client that reads the whole buffer finds the device number 0.
pub fn read_names(payload: &[u8]) -> impl Iterator<Item = NameEntry<'_>> {
    let mut base = Some(0usize);
    core::iter::from_fn(move || {
        let record = payload.get(base?..)?;
        let dev = u64_at(record, 0)?;
        let next = usize::try_from(u32_at(record, 8)?).ok()?;
        if dev == 0 {
            return None;
        }
        let name = terminated(record.get(NAME_OFFSET..)?)?;
        let extension = align8(NAME_OFFSET + name.len() + 1);
        let flags = u32_at(record, extension + 4).unwrap_or(0);
        let uuid = match flags {
            HAS_UUID => Some(terminated(record.get(extension + 8..)?)?),
            HAS_NO_UUID => Some(&[][..]),
            _ => None,
        };
        base = base.and_then(|base| base.checked_add(next)).filter(|_| next > 0);
        Some(NameEntry {
            dev,
            name,
            event_nr: u32_at(record, extension).unwrap_or(0),
            uuid,
        })
    })
}

/// Reads a list of target types from a reply's payload. Ends early when the payload is broken.
pub fn read_versions(payload: &[u8]) -> impl Iterator<Item = VersionEntry<'_>> {
    let mut base = Some(0usize);
    core::iter::from_fn(move || {
        let record = payload.get(base?..)?;
        let next = usize::try_from(u32_at(record, 0)?).ok()?;
        let entry = VersionEntry {
            version: [u32_at(record, 4)?, u32_at(record, 8)?, u32_at(record, 12)?],
            name: text(record.get(VERSIONS_NAME..)?),
        };
        base = base.and_then(|base| base.checked_add(next)).filter(|_| next > 0);
        Some(entry)
    })
}

/// Reads the components of a table from a reply's payload. Ends early when the payload is broken.
pub fn read_deps(payload: &[u8]) -> impl Iterator<Item = u64> {
    let count = usize::try_from(u32_at(payload, 0).unwrap_or(0)).unwrap_or(0);
    payload
        .get(8..)
        .unwrap_or_default()
        .chunks_exact(8)
        .take(count)
        .filter_map(|dev| u64_at(dev, 0))
}
