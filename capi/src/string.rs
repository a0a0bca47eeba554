//! Strings and names.

use std::ffi::{c_char, c_int, c_uint};
use std::ptr;

use libdevmapper::log_error;
use libdevmapper::string;

use crate::entry::bytes;
use crate::pool::{self, dm_pool};

/// The bytes of a string that may be written, without its NUL.
///
/// # Safety
/// `text` is a C string that no one else uses for `'a`.
unsafe fn buffer<'a>(text: *mut c_char) -> &'a mut [u8] {
    // SAFETY: by contract.
    unsafe { std::slice::from_raw_parts_mut(text.cast(), libc::strlen(text)) }
}

/// Sets `*place`, if there is one, to the place `at` in `text`, or to NULL.
///
/// # Safety
/// `place` is NULL or may be written; `at` is within `text`.
unsafe fn point(place: *mut *mut c_char, text: *mut c_char, at: Option<usize>) {
    if !place.is_null() {
        // SAFETY: by contract.
        unsafe { *place = at.map_or(ptr::null_mut(), |at| text.add(at)) };
    }
}

c_api! {
    /// Splits at white space, in place; gives the number of words.
    fn dm_split_words(buffer: *mut c_char, max: c_uint, _ignore_comments: c_uint, argv: *mut *mut c_char) -> c_int {
        required!(dm_split_words: buffer, argv => 0);
        // SAFETY: the caller passes a C string that it lets us change, and room for `max` pointers. A word ends at the
        // string's NUL at the latest.
        unsafe {
            let words: Vec<_> = string::words(bytes(buffer).unwrap_or_default(), max as usize).collect();
            for (i, &(begin, end)) in words.iter().enumerate() {
                *argv.add(i) = buffer.add(begin);
                buffer.add(end).write(0);
            }
            words.len() as c_int
        }
    }

    /// The part of a path behind its last slash.
    fn dm_basename(path: *const c_char) -> *const c_char {
        required!(dm_basename: path => ptr::null());
        // SAFETY: the caller passes a C string, of which the result is the end.
        unsafe {
            let all = bytes(path).unwrap_or_default();
            path.add(all.len() - string::basename(all).len())
        }
    }

    /// How often `c` is among `len` bytes.
    fn dm_count_chars(str: *const c_char, len: usize, c: c_int) -> c_uint {
        if len == 0 {
            return 0;
        }
        required!(dm_count_chars: str => 0);
        // SAFETY: the caller passes `len` bytes.
        let all = unsafe { std::slice::from_raw_parts(str.cast::<u8>(), len) };
        all.iter().filter(|&&byte| c_int::from(byte as c_char) == c).count() as c_uint
    }

    /// Copies as much as fits, with a NUL; 1 if that was all.
    fn dm_strncpy(dest: *mut c_char, src: *const c_char, n: usize) -> c_int {
        required!(dm_strncpy: dest, src => 0);
        if n == 0 {
            return 0;
        }
        // SAFETY: the caller passes a C string and room for `n` bytes.
        unsafe {
            let len = crate::entry::strnlen(src, n);
            let copied = len.min(n - 1);
            ptr::copy(src, dest, copied);
            dest.add(copied).write(0);
            c_int::from(len < n)
        }
    }

    /// Bytes that a string takes with its quotes and backslashes escaped, and its NUL.
    fn dm_escaped_len(str: *const c_char) -> usize {
        // SAFETY: the caller passes a C string.
        let text = unsafe { bytes(str) }.unwrap_or_default();
        text.len() + text.iter().filter(|b| matches!(b, b'"' | b'\\')).count() + 1
    }

    /// Copies a string with a backslash in front of each quote and backslash.
    fn dm_escape_double_quotes(out: *mut c_char, src: *const c_char) -> *mut c_char {
        required!(dm_escape_double_quotes: out, src => ptr::null_mut());
        // SAFETY: the caller passes a C string and room for `dm_escaped_len` bytes.
        unsafe {
            let escaped = string::escape_double_quotes(bytes(src).unwrap_or_default());
            out.cast::<u8>().copy_from_nonoverlapping(escaped.as_ptr(), escaped.len());
            out.add(escaped.len()).write(0);
        }
        out
    }

    /// Takes these backslashes away, in place.
    fn dm_unescape_double_quotes(src: *mut c_char) -> () {
        required!(dm_unescape_double_quotes: src);
        // SAFETY: the caller passes a C string that it lets us change.
        unsafe {
            let len = string::unescape_double_quotes(buffer(src));
            src.add(len).write(0);
        }
    }

    /// Takes the backslash from `\:` and `\@`, in place, and finds the first of each that has none.
    fn dm_unescape_colons_and_at_signs(
        src: *mut c_char,
        substr_first_unquoted_colon: *mut *mut c_char,
        substr_first_unquoted_at_sign: *mut *mut c_char,
    ) -> () {
        required!(dm_unescape_colons_and_at_signs: src);
        // SAFETY: the caller passes a C string that it lets us change, and NULL or places for the results.
        unsafe {
            let (len, colon, at) = string::unescape_colons_and_at_signs(buffer(src));
            src.add(len).write(0);
            point(substr_first_unquoted_colon, src, colon);
            point(substr_first_unquoted_at_sign, src, at);
        }
    }

    /// The name of an LVM volume's device, in pool memory.
    fn dm_build_dm_name(
        mem: *mut dm_pool,
        vgname: *const c_char,
        lvname: *const c_char,
        layer: *const c_char,
    ) -> *mut c_char {
        required!(dm_build_dm_name: mem, vgname, lvname => ptr::null_mut());
        // SAFETY: the caller passes a pool and C strings, the layer perhaps NULL.
        unsafe {
            let part = |text| bytes(text).unwrap_or_default();
            let name = pool::strdup_bytes(mem, &string::build_dm_name(part(vgname), part(lvname), part(layer)));
            if name.is_null() {
                log_error!("build_dm_name: Allocation failed");
            }
            name
        }
    }

    /// The uuid of an LVM volume's device, in pool memory.
    fn dm_build_dm_uuid(
        mem: *mut dm_pool,
        prefix: *const c_char,
        lvid: *const c_char,
        layer: *const c_char,
    ) -> *mut c_char {
        required!(dm_build_dm_uuid: mem, prefix, lvid => ptr::null_mut());
        // SAFETY: the caller passes a pool and C strings, the layer perhaps NULL.
        unsafe {
            let part = |text| bytes(text).unwrap_or_default();
            let uuid = pool::strdup_bytes(mem, &string::build_dm_uuid(part(prefix), part(lvid), part(layer)));
            if uuid.is_null() {
                log_error!("build_dm_uuid: Allocation failed");
            }
            uuid
        }
    }

    /// Splits the name of an LVM volume's device, into pool memory or in place.
    fn dm_split_lvm_name(
        mem: *mut dm_pool,
        dmname: *const c_char,
        vgname: *mut *mut c_char,
        lvname: *mut *mut c_char,
        layer: *mut *mut c_char,
    ) -> c_int {
        if vgname.is_null() || lvname.is_null() || layer.is_null() {
            log_error!("Internal error: dm_split_lvm_name: Forbidden NULL parameter detected.");
            return 0;
        }
        // SAFETY: the caller passes places for the results, and a pool and a C string, or in the first place a C string
        // that it lets us change. Each part ends at or before the string's NUL.
        unsafe {
            if !mem.is_null() {
                let copy = bytes(dmname).map_or(ptr::null_mut(), |name| pool::strdup_bytes(mem, name));
                if copy.is_null() {
                    log_error!("Failed to duplicate lvm name.");
                    return 0;
                }
                *vgname = copy;
            } else if (*vgname).is_null() {
                log_error!("Missing lvm name for split.");
                return 0;
            }
            let name = *vgname;
            let parts = string::split_lvm_name(buffer(name));
            for (place, (begin, end)) in [vgname, lvname, layer].into_iter().zip(parts) {
                *place = name.add(begin);
                name.add(end).write(0);
            }
        }
        1
    }
}
