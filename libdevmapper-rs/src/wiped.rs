//! Buffers of requests and replies: they may hold keys, so they are wiped when they go.
//!
//! A program that asks about 1,000 devices makes as many requests, whose buffers have grown to what the list of devices
//! took. To write all of them with zeros, twice each, was most of what such a program did. So a wiped buffer is kept for the
//! next request, and only the bytes that were written are wiped.

use std::fmt;
use std::hint::black_box;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

/// Larger buffers are not kept, in bytes.
const LARGEST_KEPT: usize = 1 << 20;

/// A place for a buffer of zeros between two requests.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Vec<u8>>);

impl Spare {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// Takes a buffer of zeros, unless a longer one is there.
    fn put(&self, zeros: Vec<u8>) {
        let mut place = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if zeros.len() > place.len() && zeros.len() <= LARGEST_KEPT {
            *place = zeros;
        }
    }

    /// Gives the memory back.
    pub(crate) fn release(&self) {
        drop(self.take());
    }
}

/// Bytes that are overwritten before their memory is used for anything else.
pub(crate) struct Wiped {
    home: Arc<Spare>,
    /// All of it, of which `len` bytes are the buffer and the others are zeros.
    bytes: Vec<u8>,
    len: usize,
    /// How many bytes may be something else than zeros.
    written: usize,
}

impl Wiped {
    /// A buffer of zeros, which goes to `home` after use.
    pub(crate) fn zeros(home: &Arc<Spare>, len: usize) -> Self {
        let spare = home.take();
        Self {
            home: Arc::clone(home),
            bytes: if spare.len() >= len { spare } else { vec![0; len] },
            len,
            written: len,
        }
    }

    /// Promises that whatever was written since it was zeros is in the first `count` bytes.
    pub(crate) fn wrote_only(&mut self, count: usize) {
        self.written = count.min(self.len);
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len)
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        if let Some(written) = bytes.get_mut(..self.written) {
            wipe(written);
        }
        self.home.put(bytes);
    }
}

/// Writes zeros. `zeroize` does so byte by byte; this is for many kilobytes.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Somebody might look: the compiler must not leave out the writes because the memory is freed next.
    black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(home: &Arc<Spare>, len: usize, text: &[u8]) -> Wiped {
        let mut buffer = Wiped::zeros(home, len);
        assert!(buffer.len() == len && buffer.iter().all(|&b| b == 0));
        buffer[..text.len()].copy_from_slice(text);
        buffer
    }

    #[test]
    fn what_was_written_is_wiped_and_the_memory_used_again() {
        let home = Arc::new(Spare::default());
        let first = buffer(&home, 100, b"secret key");
        let place = first.as_ptr();
        assert_eq!(format!("{first:?}"), "100 bytes");
        drop(first);
        let kept = home.take();
        assert_eq!((kept.as_ptr(), kept.len()), (place, 100));
        assert!(kept.iter().all(|&b| b == 0));
        home.put(kept);
        // A shorter one, of which less was written, is the same memory.
        let mut second = buffer(&home, 50, b"key");
        assert_eq!(second.as_ptr(), place);
        second.wrote_only(3);
        drop(second);
        let third = buffer(&home, 100, b"");
        assert_eq!(third.as_ptr(), place);
    }

    #[test]
    fn the_longest_of_the_small_ones_is_kept() {
        let home = Arc::new(Spare::default());
        let (short, long) = (buffer(&home, 10, b"a"), buffer(&home, 20, b"b"));
        let huge = buffer(&home, LARGEST_KEPT + 1, b"c");
        drop(long);
        drop((huge, short));
        assert_eq!(home.0.lock().unwrap().len(), 20);
        home.release();
        assert_eq!(home.0.lock().unwrap().len(), 0);
    }
}
