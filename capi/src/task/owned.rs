//! Memory that a task lends to C: copies made when first asked for, kept until the task runs again.

use std::cell::OnceCell;
use std::ffi::{c_char, c_void};
use std::ptr;

use libdevmapper::task::Target;

/// Memory aligned to 8 bytes that C may write to. It is wiped when it goes: it may hold keys.
#[derive(Debug)]
pub(super) struct Owned(*mut [u64]);

impl Owned {
    /// A copy of `bytes` with at least 8 zero bytes behind it.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self::filled(bytes.len(), |area| area.copy_from_slice(bytes))
    }

    /// Zeros, of which `fill` gets the first `size`; at least 8 follow.
    pub(super) fn filled(size: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut words = vec![0u64; size.div_ceil(8) + 1].into_boxed_slice();
        // SAFETY: the words are at least `size` bytes, any bytes are words, and nothing else uses them meanwhile.
        fill(unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size) });
        Self(Box::into_raw(words))
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the allocation is this long and lives as long as `self`; the tests do not write to it.
        unsafe { std::slice::from_raw_parts(self.0.cast(), self.0.len() * 8) }
    }

    /// Where it begins.
    pub(super) fn as_ptr<T>(&self) -> *mut T {
        self.0.cast()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        for index in 0..self.0.len() {
            // SAFETY: within the allocation. Volatile, or the compiler would leave it out.
            unsafe { self.0.cast::<u64>().add(index).write_volatile(0) };
        }
        // SAFETY: it came from Box::into_raw.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// A line of a table for C.
#[derive(Debug)]
pub(super) struct CTarget {
    pub(super) start: u64,
    pub(super) length: u64,
    pub(super) kind: Owned,
    pub(super) params: Owned,
}

/// What was lent since the last run.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pub(super) name: OnceCell<Owned>,
    pub(super) uuid: OnceCell<Owned>,
    pub(super) deps: OnceCell<Owned>,
    pub(super) names: OnceCell<Owned>,
    pub(super) versions: OnceCell<Owned>,
    pub(super) message: OnceCell<Owned>,
    targets: OnceCell<Vec<CTarget>>,
}

impl Cache {
    /// Ends all pointers.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Ends the pointers to table lines.
    pub(super) fn clear_targets(&mut self) {
        self.targets = OnceCell::new();
    }

    /// The table lines.
    pub(super) fn targets(&self, targets: &[Target]) -> &[CTarget] {
        self.targets.get_or_init(|| {
            targets
                .iter()
                .map(|target| CTarget {
                    start: target.start,
                    length: target.length,
                    kind: Owned::new(&target.kind),
                    params: Owned::new(&target.params),
                })
                .collect()
        })
    }
}

/// A lent copy of a text, or NULL for `None`.
pub(super) fn lend_text<T: AsRef<[u8]>>(cell: &OnceCell<Owned>, text: Option<T>) -> *mut c_char {
    lend(cell, text.as_ref().map(AsRef::as_ref))
}

/// A lent copy of bytes, or NULL for `None`.
pub(super) fn lend<T>(cell: &OnceCell<Owned>, bytes: Option<&[u8]>) -> *mut T {
    match bytes {
        Some(bytes) => cell.get_or_init(|| Owned::new(bytes)).as_ptr(),
        None => ptr::null_mut::<c_void>().cast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_terminated_and_stay() {
        let cell = OnceCell::new();
        let first = lend_text(&cell, Some(b"12345678"));
        assert_eq!(lend_text(&cell, Some(b"12345678")), first);
        // SAFETY: it was lent by `cell`, which lives.
        assert_eq!(unsafe { std::ffi::CStr::from_ptr(first) }, c"12345678");
        assert!(lend_text(&OnceCell::new(), None::<&[u8]>).is_null());
    }
}
