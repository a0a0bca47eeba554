//! Numbers and texts of an exported state.

use super::ImportError;
use crate::host::DevNo;
use crate::secret::Secret;

/// Writes them. Table lines can have keys.
pub(super) struct Writer(pub(super) Secret);

impl Writer {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.extend(&[value]);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.0.extend(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend(&value.to_le_bytes());
    }

    /// No list here can be that long: each element takes memory.
    pub(super) fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(super) fn text(&mut self, text: &[u8]) {
        self.count(text.len());
        self.0.extend(text);
    }
}

/// Reads them; holds what is left.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ImportError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ImportError::Contents)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ImportError> {
        self.take(N)?.try_into().map_err(|_| ImportError::Contents)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ImportError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, ImportError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ImportError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ImportError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn flag(&mut self) -> Result<bool, ImportError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ImportError::Contents),
        }
    }

    pub(super) fn text(&mut self) -> Result<&'a [u8], ImportError> {
        let len = usize::try_from(self.u32()?).map_err(|_| ImportError::Contents)?;
        self.take(len)
    }

    pub(super) fn dev(&mut self) -> Result<DevNo, ImportError> {
        Ok(DevNo {
            major: self.u32()?,
            minor: self.u32()?,
        })
    }
}
