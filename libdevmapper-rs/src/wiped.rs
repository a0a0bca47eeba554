//! Buffers of requests and replies: they may hold keys, so they are wiped when they go.

use std::fmt;
use std::hint::black_box;
use std::ops::{Deref, DerefMut};

/// Bytes that are overwritten before their memory is given back.
///
/// `zeroize` writes byte by byte; this is for buffers of many kilobytes that each request has.
pub(crate) struct Wiped(Vec<u8>);

impl Wiped {
    /// Takes bytes over.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Wiped {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Zeros in all of the capacity, what was cut off included.
fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    // Somebody might look: the compiler must not leave out the writes because the memory is freed next.
    black_box(bytes.as_mut_slice());
}

#[cfg(test)]
mod tests {
    use super::{Wiped, wipe};

    #[test]
    fn all_of_the_capacity_is_wiped() {
        let mut bytes = b"secret key".to_vec();
        let (place, room) = (bytes.as_ptr(), bytes.capacity());
        bytes.truncate(3);
        wipe(&mut bytes);
        assert_eq!((bytes.as_ptr(), bytes.len()), (place, room));
        assert!(bytes.iter().all(|&b| b == 0));
        assert_eq!(format!("{:?}", Wiped::new(vec![7; 5])), "5 bytes");
    }
}
