//! The records of requests: tables to load, messages, names, geometry.
//!
//! A record of a table is `struct dm_target_spec` and its parameters:
//!
//! | offset | field |
//! |---|---|
//! | 0 | `sector_start` u64 |
//! | 8 | `length` u64, sectors |
//! | 16 | `status` i32, 0 |
//! | 20 | `next` u32: distance from this record to the next, a multiple of 8 |
//! | 24 | `target_type` char\[16\] |
//! | 40 | parameters, NUL-terminated |

use alloc::vec::Vec;

use super::bytes::{align8, put, terminated, text, u32_at, u64_at};
use super::{DATA_OFFSET, TYPE_LEN};

/// Size of a `struct dm_target_spec` in bytes.
pub const SPEC_SIZE: usize = 40;

/// One line of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetSpec<'a> {
    /// First sector of the mapped device.
    pub start: u64,
    /// Length in sectors.
    pub length: u64,
    /// Name of the target type, at most 15 bytes.
    pub kind: &'a [u8],
    /// Parameters, or in replies perhaps the status.
    pub params: &'a [u8],
}

/// A payload that is not what the command needs: EINVAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the request's payload is malformed")
    }
}

impl core::error::Error for Malformed {}

/// The records of a request to load a table, with the checks that Linux makes.
#[derive(Clone, Debug)]
pub struct LoadRecords<'a> {
    buffer: &'a [u8],
    offset: usize,
    left: u32,
    first: bool,
}

impl<'a> LoadRecords<'a> {
    /// `buffer` is the request up to `data_size`; `count` is the header's target count.
    #[must_use]
    pub fn new(buffer: &'a [u8], data_start: u32, count: u32) -> Self {
        Self {
            buffer,
            offset: usize::try_from(data_start).unwrap_or(usize::MAX),
            left: count,
            first: true,
        }
    }

    fn record(&mut self) -> Result<TargetSpec<'a>, Malformed> {
        // Records begin behind the header, at an aligned place.
        if self.first && (self.offset < super::HEADER_SIZE || !self.offset.is_multiple_of(8)) {
            return Err(Malformed);
        }
        self.first = false;
        let record = self.buffer.get(self.offset..).ok_or(Malformed)?;
        let tail = record.get(SPEC_SIZE..).ok_or(Malformed)?;
        let kind = record.get(24..24 + TYPE_LEN - 1).ok_or(Malformed)?;
        let params = if self.left > 1 {
            // Another record follows: it begins behind this one's parameters.
            let next = usize::try_from(u32_at(record, 20).ok_or(Malformed)?).map_err(|_| Malformed)?;
            if next <= SPEC_SIZE || !next.is_multiple_of(8) {
                return Err(Malformed);
            }
            self.offset = self.offset.checked_add(next).ok_or(Malformed)?;
            tail.get(..next - SPEC_SIZE).ok_or(Malformed)?
        } else {
            tail
        };
        Ok(TargetSpec {
            start: u64_at(record, 0).ok_or(Malformed)?,
            length: u64_at(record, 8).ok_or(Malformed)?,
            kind: text(kind),
            params: terminated(params).ok_or(Malformed)?,
        })
    }
}

impl<'a> Iterator for LoadRecords<'a> {
    type Item = Result<TargetSpec<'a>, Malformed>;

    /// After an error there are no more records.
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let record = self.record();
        self.left = if record.is_ok() { self.left - 1 } else { 0 };
        Some(record)
    }
}

/// Appends a record to a payload that begins at an aligned place. The parameters are written as they are given:
/// see [`double_backslashes`].
pub fn push_record(payload: &mut Vec<u8>, spec: &TargetSpec<'_>) {
    let size = align8(SPEC_SIZE + spec.params.len() + 1);
    let base = payload.len();
    payload.resize(base + size, 0);
    let Some(record) = payload.get_mut(base..) else { return };
    put(record, 0, &spec.start.to_ne_bytes());
    put(record, 8, &spec.length.to_ne_bytes());
    put(record, 20, &u32::try_from(size).unwrap_or(u32::MAX).to_ne_bytes());
    put(record, 24, spec.kind.get(..TYPE_LEN - 1).unwrap_or(spec.kind));
    put(record, SPEC_SIZE, spec.params);
}

/// The parameters of a record so that the driver, which takes a byte behind a backslash literally, reads `params`.
#[must_use]
pub fn double_backslashes(params: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(params.len());
    for &byte in params {
        out.push(byte);
        if byte == b'\\' {
            out.push(byte);
        }
    }
    out
}

/// Parameters as the driver understands them: a byte behind a backslash is that byte. Undoes [`double_backslashes`].
/// A backslash before a blank stays, since without it the blank would part two words.
#[must_use]
pub fn single_backslashes(params: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(params.len());
    let mut rest = params;
    while let Some((&byte, tail)) = rest.split_first() {
        (rest, _) = match (byte, tail.split_first()) {
            (b'\\', Some((&next, tail))) if !matches!(next, b' ' | b'\t'..=b'\r') => (tail, out.push(next)),
            _ => (tail, out.push(byte)),
        };
    }
    out
}

/// The NUL-terminated text of a request (a new name, a UUID, a geometry).
/// `buffer` is the request up to `data_size`.
///
/// # Errors
/// When it begins inside the header or does not end inside the buffer.
pub fn payload_text(buffer: &[u8], data_start: u32) -> Result<&[u8], Malformed> {
    let start = usize::try_from(data_start).map_err(|_| Malformed)?;
    if start < DATA_OFFSET {
        return Err(Malformed);
    }
    terminated(buffer.get(start..).ok_or(Malformed)?).ok_or(Malformed)
}

/// The sector and the text of a message. `buffer` is the request up to `data_size`.
///
/// # Errors
/// When it begins inside the header or does not end inside the buffer.
pub fn payload_message(buffer: &[u8], data_start: u32) -> Result<(u64, &[u8]), Malformed> {
    let start = usize::try_from(data_start).map_err(|_| Malformed)?;
    if start < DATA_OFFSET {
        return Err(Malformed);
    }
    let payload = buffer.get(start..).ok_or(Malformed)?;
    let sector = u64_at(payload, 0).ok_or(Malformed)?;
    let message = terminated(payload.get(8..).ok_or(Malformed)?).ok_or(Malformed)?;
    Ok((sector, message))
}
