//! Bytes that can hold keys.

use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// Bytes that are wiped when they are dropped, and where they were before they grew.
#[derive(Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// No bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Zeroes.
    #[must_use]
    pub fn zeroes(len: usize) -> Self {
        Self(alloc::vec![0; len])
    }

    /// Appends bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            // A vector that grows by itself leaves what it had behind.
            let room = (self.0.len() + bytes.len()).max(2 * self.0.capacity());
            let mut larger = Vec::with_capacity(room);
            larger.extend_from_slice(&self.0);
            core::mem::replace(&mut self.0, larger).zeroize();
        }
        self.0.extend_from_slice(bytes);
    }

    /// Wipes the bytes, and keeps their place.
    pub fn clear(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Secret {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Write for Secret {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    #[test]
    fn bytes_come_in_order_and_are_not_shown() {
        let mut secret = Secret::new();
        for round in 0..100u8 {
            secret.extend(&[round]);
            write!(secret, "{round}").unwrap();
        }
        assert_eq!(secret[..4], *b"\x000\x011");
        assert_eq!(secret.len(), 100 + 10 + 180);
        assert_eq!(alloc::format!("{secret:?}"), "290 bytes");
        secret.clear();
        assert!(secret.is_empty());
    }
}
