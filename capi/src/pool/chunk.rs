//! Chunks: the memory of pools, from libc malloc.
//!
//! Chunks of the usual size that pools give back are kept, up to a limit, and the next pools take them: to return memory
//! to the system and to have it mapped again costs as much as most of what is done with it meanwhile.

use std::ptr;
use std::sync::{Mutex, MutexGuard};

use libdevmapper::log_error;

/// Largest request to malloc, as for `dm_malloc`.
const MAX_REQUEST: usize = crate::malloc::MAX_REQUEST;
/// The usual size, in bytes: a pool's chunks double up to it. Larger objects get a chunk that fits.
pub(super) const USUAL: usize = 64 * 1024;
/// So many chunks of the usual size are kept: 64 MiB, what the metadata of 1,000 volumes needs.
const MAX_KEPT: usize = 1024;

/// Header of one piece of memory from malloc.
#[repr(C)]
pub(super) struct Chunk {
    /// The chunk that was in use before this one.
    pub(super) below: *mut Chunk,
    /// First free byte.
    pub(super) top: *mut u8,
    /// One past the last byte.
    pub(super) end: *mut u8,
}

pub(super) const HEADER: usize = size_of::<Chunk>();

/// A chain of chunks that no pool has.
struct Kept {
    newest: *mut Chunk,
    count: usize,
}
// SAFETY: what the pointer leads to belongs to who holds the mutex.
unsafe impl Send for Kept {}

static KEPT: Mutex<Kept> = Mutex::new(Kept {
    newest: ptr::null_mut(),
    count: 0,
});

impl Kept {
    fn take(&mut self) -> Option<*mut Chunk> {
        let chunk = self.newest;
        if chunk.is_null() {
            return None;
        }
        // SAFETY: the chain is made of chunks that are nobody else's.
        self.newest = unsafe { (*chunk).below };
        self.count -= 1;
        Some(chunk)
    }

    /// Keeps a chunk, or frees it.
    ///
    /// # Safety
    /// The chunk came from [`Chunk::new`], and nobody uses it any more.
    unsafe fn give(&mut self, chunk: *mut Chunk) {
        // SAFETY: by contract.
        unsafe {
            if self.count < MAX_KEPT && (*chunk).end as usize - chunk as usize == USUAL {
                (*chunk).below = self.newest;
                self.newest = chunk;
                self.count += 1;
            } else {
                libc::free(chunk.cast());
            }
        }
    }
}

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(|e| e.into_inner())
}

impl Chunk {
    /// First byte behind the header.
    pub(super) fn start(chunk: *mut Self) -> *mut u8 {
        chunk.cast::<u8>().wrapping_add(HEADER)
    }

    /// An empty chunk of `total` bytes, all of them initialised, that comes after `below`. NULL after an error message.
    pub(super) fn new(total: usize, below: *mut Self) -> *mut Self {
        if total > MAX_REQUEST {
            log_error!("Huge memory allocation (size {total}) rejected - metadata corruption?");
            log_error!("Out of memory.  Requested {total} bytes.");
            return ptr::null_mut();
        }
        let used = if total == USUAL { kept().take() } else { None };
        // Zeroed, so that a checksum may read what clients have not written. Large chunks come from the system so.
        // SAFETY: calloc has no preconditions.
        let chunk = used.unwrap_or_else(|| unsafe { libc::calloc(total, 1) }.cast::<Self>());
        if chunk.is_null() {
            log_error!("Out of memory.  Requested {total} bytes.");
            return chunk;
        }
        // SAFETY: the chunk is nobody else's and has `total` bytes.
        unsafe {
            chunk.write(Self {
                below,
                top: Self::start(chunk),
                end: chunk.cast::<u8>().add(total),
            });
        }
        chunk
    }

    /// Gives the chunks of a chain from `newest` down to, not including, `end` back.
    ///
    /// The oldest go first: those that are kept then have the lowest addresses, and malloc can give what is behind
    /// them to the system, which it does once, when the last piece is free.
    ///
    /// # Safety
    /// `end` is NULL or in the chain, and nobody uses the chunks any more.
    pub(super) unsafe fn release(newest: *mut Self, end: *mut Self) {
        if newest == end {
            return;
        }
        let (mut chunk, mut oldest) = (newest, ptr::null_mut::<Self>());
        // SAFETY: by contract. First the links are turned round, then they are followed.
        unsafe {
            while chunk != end {
                let below = std::mem::replace(&mut (*chunk).below, oldest);
                oldest = chunk;
                chunk = below;
            }
            let mut kept = kept();
            while !oldest.is_null() {
                let chunk = oldest;
                oldest = (*chunk).below;
                kept.give(chunk);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::undocumented_unsafe_blocks, reason = "the test owns its chunks")]
    use super::*;

    #[test]
    fn chunks_of_the_usual_size_are_kept_up_to_the_limit() {
        let [a, b, small] = [USUAL, USUAL, 1024].map(|size| Chunk::new(size, ptr::null_mut()));
        let mut kept = Kept {
            newest: ptr::null_mut(),
            count: MAX_KEPT - 1,
        };
        unsafe {
            kept.give(small);
            assert!(kept.newest.is_null());
            kept.give(a);
            kept.give(b);
            assert_eq!((kept.newest, kept.count), (a, MAX_KEPT));
            assert_eq!((kept.take(), kept.take(), kept.count), (Some(a), None, MAX_KEPT - 1));
            libc::free(a.cast());
        }
    }
}
