//! `dm_regex_*`.

use std::ffi::{c_char, c_int, c_uint};
use std::ptr;

use libdevmapper::log_error;
use libdevmapper::regex::Regex;

use crate::pool::{self, dm_pool};

/// A compiled set of patterns (opaque to C). It goes with the pool's memory.
pub struct dm_regex(Regex);

c_api! {
    /// Compiles patterns into one matcher.
    fn dm_regex_create(mem: *mut dm_pool, patterns: *const *const c_char, num_patterns: c_uint) -> *mut dm_regex {
        required!(dm_regex_create: mem, patterns => ptr::null_mut());
        // SAFETY: the caller passes a pool and as many C strings as it says.
        unsafe {
            let patterns = (0..num_patterns as usize).map(|i| crate::entry::bytes(*patterns.add(i)).unwrap_or_default());
            let Ok(regex) = Regex::new(patterns) else { return ptr::null_mut() };
            let regex = pool::own(mem, dm_regex(regex));
            if regex.is_null() {
                log_error!("Couldn't parse regex");
            }
            regex
        }
    }

    /// The highest index of a pattern that is found in `s`, or -1.
    fn dm_regex_match(regex: *mut dm_regex, s: *const c_char) -> c_int {
        required!(dm_regex_match: regex, s => -1);
        // SAFETY: the caller passes a matcher that no one else uses now, and a C string.
        unsafe { (*regex).0.find(crate::entry::bytes(s).unwrap_or_default()).map_or(-1, |i| i as c_int) }
    }

    /// A number that identifies the automaton.
    fn dm_regex_fingerprint(regex: *mut dm_regex) -> u32 {
        required!(dm_regex_fingerprint: regex => 0);
        // SAFETY: the caller passes a matcher that no one else uses now.
        unsafe { (*regex).0.fingerprint() }
    }
}
