//! Memory for the data of requests, aligned for O_DIRECT, with room in front of the data for a protocol's header.
//!
//! The data of a request goes from the presentation to the components and back without being copied, so its memory must
//! suit both: the payload starts on a page (no component has a larger block than its page-aligned address allows), and
//! the header that precedes it on /dev/fuse ends right before it.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::Arc;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

/// Room in front of a payload, in bytes; also the alignment of payloads.
pub const HEAD: usize = 4096;

/// Largest payload of one request, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// Payload of a small buffer, in bytes.
pub const SMALL: usize = 64 << 10;

/// Size and alignment of a huge page, in bytes.
const HUGE: usize = 2 << 20;

/// Memory for many buffers, in huge pages where the kernel has them: it then pins one page for a request instead of
/// hundreds, and components get it in one piece. It is zero, and given by the kernel as it is used.
#[derive(Debug)]
struct Block {
    map: NonNull<c_void>,
    len: usize,
}

// SAFETY: a block is memory that its buffers hand out, each its own part.
unsafe impl Send for Block {}
// SAFETY: as above; a block itself gives nobody access.
unsafe impl Sync for Block {}

impl Block {
    /// `count` buffers of `capacity` bytes of payload each; `None` when there is no memory.
    fn buffers(count: usize, capacity: usize) -> Option<Vec<Buffer>> {
        let step = capacity.checked_add(HEAD)?;
        let len = step.checked_mul(count)?.checked_add(HUGE)?;
        // SAFETY: a new mapping, which touches no other memory.
        let map = unsafe {
            mmap_anonymous(
                None,
                NonZeroUsize::new(len)?,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE,
            )
        }
        .ok()?;
        let block = Arc::new(Self { map, len });
        // SAFETY: the range is the mapping. Where the kernel has no huge pages, small ones do.
        let _ = unsafe { madvise(map, len, MmapAdvise::MADV_HUGEPAGE) };
        let first = map.cast::<u8>();
        let skip = first.addr().get().next_multiple_of(HUGE) - first.addr().get();
        let buffer = |index: usize| Buffer {
            // SAFETY: skip is less than HUGE, so all `count` steps lie in the mapping.
            base: unsafe { first.add(skip + index * step) },
            capacity,
            block: Some(block.clone()),
        };
        Some((0..count).map(buffer).collect())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the mapping of `buffers`, and the last of its buffers is gone.
        let _ = unsafe { munmap(self.map, self.len) };
    }
}

/// One buffer. The memory is owned by it alone.
#[derive(Debug)]
pub struct Buffer {
    base: NonNull<u8>,
    capacity: usize,
    /// What the memory is a part of, if it is not an allocation of its own.
    block: Option<Arc<Block>>,
}

// SAFETY: a buffer owns its memory and hands it out only through itself.
unsafe impl Send for Buffer {}

impl Buffer {
    /// A buffer of its own for `capacity` bytes of payload; `None` when there is no memory.
    #[must_use]
    pub fn new(capacity: usize) -> Option<Self> {
        let layout = Self::layout(capacity)?;
        // SAFETY: the layout's size is not 0, it holds at least HEAD bytes.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self {
            base,
            capacity,
            block: None,
        })
    }

    fn layout(capacity: usize) -> Option<Layout> {
        Layout::from_size_align(capacity.checked_add(HEAD)?, HEAD).ok()
    }

    /// Bytes of payload that it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Address of byte `offset` of the payload.
    ///
    /// # Panics
    /// When the offset is beyond the payload's end.
    #[must_use]
    pub fn payload_ptr(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.capacity);
        // SAFETY: the allocation has HEAD + capacity bytes, and offset was checked.
        unsafe { self.base.as_ptr().add(HEAD + offset) }
    }

    /// The `head` bytes before the payload and the first `len` of the payload.
    ///
    /// # Panics
    /// When that is more than there is.
    #[must_use]
    pub fn bytes(&self, head: usize, len: usize) -> &[u8] {
        assert!(head <= HEAD && len <= self.capacity);
        // SAFETY: the range lies in the allocation, which was zeroed at first and so is initialised, and borrows self. The kernel
        // writes to it only while a request is under way, when nobody looks at it.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(HEAD - head), head + len) }
    }

    /// Like [`Buffer::bytes`], to write to.
    ///
    /// # Panics
    /// When that is more than there is.
    #[must_use]
    pub fn bytes_mut(&mut self, head: usize, len: usize) -> &mut [u8] {
        assert!(head <= HEAD && len <= self.capacity);
        // SAFETY: as in `bytes`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr().add(HEAD - head), head + len) }
    }

    /// Zeroes a part of the payload, which no request may be using.
    ///
    /// # Panics
    /// When the range leaves the payload.
    pub fn zero(&mut self, offset: usize, len: usize) {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.capacity));
        // SAFETY: the range lies in the allocation.
        unsafe { self.payload_ptr(offset).write_bytes(0, len) };
    }

    /// Has the kernel give all pages.
    fn touch(&mut self) {
        for offset in (0..self.capacity).step_by(4096) {
            self.set(offset, 0);
        }
        std::hint::black_box(self.base);
    }

    /// Sets one byte of the payload.
    ///
    /// # Panics
    /// When it is beyond the payload's end.
    pub fn set(&mut self, offset: usize, value: u8) {
        assert!(offset < self.capacity);
        // SAFETY: the byte lies in the allocation.
        unsafe { self.payload_ptr(offset).write(value) };
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.block.is_none()
            && let Some(layout) = Self::layout(self.capacity)
        {
            // SAFETY: allocated in `new` with the same layout.
            unsafe { dealloc(self.base.as_ptr(), layout) };
        }
    }
}

/// The buffers that all devices of a thread share.
///
/// They are made at the start, the first of them with their memory, so that I/O in low memory does not wait for memory that
/// only I/O can free. When they are used up (requests that a suspended device holds keep theirs) more are made, and freed after use.
#[derive(Debug)]
pub struct Pool {
    large: Vec<Buffer>,
    small: Vec<Buffer>,
    extra_bytes: usize,
}

/// Number of large buffers, with the one that requests are read to.
const LARGE_COUNT: usize = 33;
/// Number of small buffers.
const SMALL_COUNT: usize = 256;
/// How many of the large ones have memory before they are used.
const LARGE_RESIDENT: usize = 4;
/// How many of the small ones have memory before they are used.
const SMALL_RESIDENT: usize = 64;

impl Pool {
    /// Makes the buffers; `None` when there is no memory.
    #[must_use]
    pub fn new() -> Option<Self> {
        let mut pool = Self {
            large: Block::buffers(LARGE_COUNT, MAX_PAYLOAD)?,
            small: Block::buffers(SMALL_COUNT, SMALL)?,
            extra_bytes: 0,
        };
        // Those that are taken first have their memory from the start.
        let first = pool.large.iter_mut().rev().take(LARGE_RESIDENT);
        first
            .chain(pool.small.iter_mut().rev().take(SMALL_RESIDENT))
            .for_each(Buffer::touch);
        Some(pool)
    }

    /// A buffer for at least `len` bytes; `None` when there is no memory at all.
    pub fn take(&mut self, len: usize) -> Option<Buffer> {
        let class = if len <= SMALL { &mut self.small } else { &mut self.large };
        if let Some(buffer) = class.pop() {
            return Some(buffer);
        }
        self.take_extra(len)
    }

    /// A buffer for exactly `len` bytes that is not one of the pool's.
    pub fn take_extra(&mut self, len: usize) -> Option<Buffer> {
        let buffer = Buffer::new(len)?;
        self.extra_bytes += len;
        Some(buffer)
    }

    /// A large buffer of the pool, if one is left.
    pub fn take_large(&mut self) -> Option<Buffer> {
        self.large.pop()
    }

    /// Gives a buffer back.
    pub fn give(&mut self, buffer: Buffer) {
        match buffer.capacity() {
            MAX_PAYLOAD if self.large.len() < LARGE_COUNT => self.large.push(buffer),
            SMALL if self.small.len() < SMALL_COUNT => self.small.push(buffer),
            other => self.extra_bytes = self.extra_bytes.saturating_sub(other),
        }
    }

    /// Bytes of payload in buffers that were made beyond the pool.
    #[must_use]
    pub fn extra_bytes(&self) -> usize {
        self.extra_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_aligned_and_keep_their_bytes() {
        let mut buffer = Buffer::new(8192).unwrap();
        assert_eq!(buffer.payload_ptr(0).addr() % HEAD, 0);
        assert_eq!(buffer.payload_ptr(8192).addr() - buffer.payload_ptr(0).addr(), 8192);
        buffer.bytes_mut(16, 8192).fill(7);
        buffer.zero(512, 512);
        buffer.set(600, 9);
        let payload = &buffer.bytes(16, 8192)[16..];
        assert!(payload[..512].iter().chain(&payload[1024..]).all(|&byte| byte == 7));
        assert_eq!((payload[512], payload[600], payload[1023]), (0, 9, 0));
    }

    #[test]
    fn an_empty_pool_goes_on_with_more_memory() {
        let mut pool = Pool::new().unwrap();
        let mut taken: Vec<_> = (0..LARGE_COUNT + 3).map(|_| pool.take(MAX_PAYLOAD).unwrap()).collect();
        assert_eq!(pool.extra_bytes(), 3 * MAX_PAYLOAD);
        assert!(pool.take_large().is_none());
        taken.drain(..).for_each(|buffer| pool.give(buffer));
        assert_eq!(pool.large.len(), LARGE_COUNT);
    }
}
