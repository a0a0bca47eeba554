//! What a handle gave out and still owns.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_char;

use super::histogram::dm_histogram;
use super::stats::Scope;
use crate::entry::malloc_string;

/// Strings, histograms and texts that C programs hold pointers to. All are blocks of malloc's.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// One copy of each text, so that asking again costs nothing and gives the same pointer.
    strings: RefCell<HashMap<Box<[u8]>, *mut c_char>>,
    histograms: RefCell<HashMap<Scope, *mut dm_histogram>>,
    buffers: RefCell<Vec<*mut c_char>>,
}

impl Kept {
    /// A copy of `text` as a C string; NULL without memory.
    pub(super) fn string(&self, text: &[u8]) -> *mut c_char {
        let mut strings = self.strings.borrow_mut();
        if let Some(&string) = strings.get(text) {
            return string;
        }
        let string = malloc_string(text);
        if !string.is_null() {
            strings.insert(text.into(), string);
        }
        string
    }

    /// The histogram of a scope, made by `make` if it is not there; NULL if that does not.
    pub(super) fn histogram(&self, scope: Scope, make: impl FnOnce() -> *mut dm_histogram) -> *mut dm_histogram {
        let mut histograms = self.histograms.borrow_mut();
        if let Some(&histogram) = histograms.get(&scope) {
            return histogram;
        }
        let histogram = make();
        if !histogram.is_null() {
            histograms.insert(scope, histogram);
        }
        histogram
    }

    /// A text of its own, for [`Kept::drop_buffer`]; NULL without memory.
    pub(super) fn buffer(&self, text: &[u8]) -> *mut c_char {
        let buffer = malloc_string(text);
        if !buffer.is_null() {
            self.buffers.borrow_mut().push(buffer);
        }
        buffer
    }

    /// Ends one text; others, and NULL, are left alone.
    pub(super) fn drop_buffer(&self, buffer: *mut c_char) {
        let mut buffers = self.buffers.borrow_mut();
        if let Some(place) = buffers.iter().position(|&b| b == buffer) {
            buffers.swap_remove(place);
            // SAFETY: it came from malloc, and the list no longer has it.
            unsafe { libc::free(buffer.cast()) };
        }
    }

    /// Ends all.
    pub(super) fn clear(&mut self) {
        let strings = self.strings.get_mut().drain().map(|(_, s)| s.cast());
        let histograms = self.histograms.get_mut().drain().map(|(_, h)| h.cast());
        let buffers = self.buffers.get_mut().drain(..).map(<*mut c_char>::cast);
        for block in strings.chain(histograms).chain(buffers) {
            // SAFETY: all came from malloc, and the lists no longer have them.
            unsafe { libc::free(block) };
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.clear();
    }
}
