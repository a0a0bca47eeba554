//! The part of the FUSE protocol that a single regular file under a loop device needs.
//!
//! Source: the kernel's public header `linux/fuse.h`, version 7.38, and for [`NOTIFY_RESEND`] and [`INIT_HAS_RESEND`]
//! version 7.40. All numbers are in the machine's byte order.

/// Bytes of the header of a request.
pub const IN_HEADER: usize = 40;
/// Bytes of the header of an answer.
pub const OUT_HEADER: usize = 16;
/// Bytes in front of the data of a write: the header and `struct fuse_write_in`.
pub const WRITE_HEAD: usize = 80;
/// The node of the only file.
pub const ROOT: u64 = 1;

pub const FORGET: u32 = 2;
pub const GETATTR: u32 = 3;
pub const SETATTR: u32 = 4;
pub const OPEN: u32 = 14;
pub const READ: u32 = 15;
pub const WRITE: u32 = 16;
pub const STATFS: u32 = 17;
pub const RELEASE: u32 = 18;
pub const FSYNC: u32 = 20;
pub const FLUSH: u32 = 25;
pub const INIT: u32 = 26;
pub const INTERRUPT: u32 = 36;
pub const DESTROY: u32 = 38;
pub const BATCH_FORGET: u32 = 42;
pub const FALLOCATE: u32 = 43;

/// Notification: put the requests that were read and not answered back in the queue.
pub const NOTIFY_RESEND: i32 = 7;

pub const FOPEN_DIRECT_IO: u32 = 1;
pub const FOPEN_PARALLEL_DIRECT_WRITES: u32 = 1 << 6;

pub const INIT_ASYNC_READ: u64 = 1;
pub const INIT_BIG_WRITES: u64 = 1 << 5;
pub const INIT_ASYNC_DIO: u64 = 1 << 15;
pub const INIT_MAX_PAGES: u64 = 1 << 22;
pub const INIT_EXT: u64 = 1 << 30;
pub const INIT_HAS_RESEND: u64 = 1 << 39;

/// The header of a request.
#[derive(Clone, Copy, Debug)]
pub struct InHeader {
    pub len: u32,
    pub opcode: u32,
    pub unique: u64,
    pub nodeid: u64,
}

impl InHeader {
    /// Reads it from the start of a request.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < IN_HEADER {
            return None;
        }
        Some(Self {
            len: u32_at(bytes, 0)?,
            opcode: u32_at(bytes, 4)?,
            unique: u64_at(bytes, 8)?,
            nodeid: u64_at(bytes, 16)?,
        })
    }
}

/// The number at a byte offset, if it lies inside.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The number at a byte offset, if it lies inside.
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// An answer that is built up field by field.
#[derive(Debug, Default)]
pub struct Out(Vec<u8>);

impl Out {
    /// An answer or notification: the header, whose length field is filled in by [`Out::finish`].
    pub fn new(error: i32, unique: u64) -> Self {
        Self(Vec::with_capacity(128))
            .u32(0)
            .u32(error.cast_unsigned())
            .u64(unique)
    }

    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_ne_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_ne_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_ne_bytes());
        self
    }

    pub fn zeroes(mut self, bytes: usize) -> Self {
        self.0.resize(self.0.len() + bytes, 0);
        self
    }

    /// The whole message.
    pub fn finish(mut self) -> Vec<u8> {
        let len = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        self.0
    }

    /// `struct fuse_attr` of the only file: a regular file, mode 0600, owned by root.
    pub fn attr(self, size: u64, block: u32) -> Self {
        self.u64(ROOT)
            .u64(size)
            .u64(size >> 9)
            .zeroes(24 + 12)
            .u32(libc::S_IFREG | 0o600)
            .u32(1)
            .zeroes(12)
            .u32(block)
            .u32(0)
    }

    /// `struct fuse_kstatfs`: bsize is the granularity of the loop device's discards.
    pub fn statfs(self, size: u64, block: u32) -> Self {
        self.u64(size / u64::from(block.max(1)))
            .zeroes(16)
            .u64(1)
            .u64(0)
            .u32(block)
            .u32(255)
            .u32(block)
            .zeroes(28)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_sizes_of_the_header_file() {
        let attr = Out::new(0, 1).u64(0).u64(0).attr(4096, 512).finish();
        assert_eq!(attr.len(), OUT_HEADER + 104);
        assert_eq!(u32_at(&attr, 0), Some(120));
        assert_eq!(u64_at(&attr, OUT_HEADER + 16 + 8), Some(4096));
        assert_eq!(u32_at(&attr, OUT_HEADER + 16 + 60), Some(0o100_600));
        assert_eq!(u32_at(&attr, OUT_HEADER + 16 + 80), Some(512));
        assert_eq!(Out::new(0, 1).statfs(4096, 512).finish().len(), OUT_HEADER + 80);
    }

    #[test]
    fn a_short_request_is_no_request() {
        assert!(InHeader::parse(&[0; 39]).is_none());
        assert!(u64_at(&[0; 8], usize::MAX).is_none());
    }
}
