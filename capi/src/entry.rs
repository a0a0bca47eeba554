//! What every exported function goes through.

use std::ffi::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a C entry. A panic inside is a bug of ours: it is logged and ends the process, since unwinding into
/// C is undefined and going on could harm data.
#[inline]
pub(crate) fn guard<T>(name: &'static str, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(_) => {
            libdevmapper::log_at!(Fatal, 0, -1, "Internal error: panic in {name}.");
            std::process::abort()
        }
    }
}

/// Defines exported C functions: `c_api! { fn dm_x(a: c_int) -> c_int { ... } }`. Pointers come from C, so the bodies
/// need `unsafe` blocks with their `// SAFETY:`.
macro_rules! c_api {
    ($( $(#[$meta:meta])* fn $name:ident ( $($arg:ident : $ty:ty),* $(,)? ) $(-> $ret:ty)? $body:block )*) => {
        $(
            $(#[$meta])*
            #[doc = ""]
            #[doc = "# Safety"]
            #[doc = "Pointers must be valid as libdevmapper.h says for this function."]
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($arg: $ty),*) $(-> $ret)? {
                $crate::entry::guard(stringify!($name), move || $body)
            }
        )*
    };
}

/// Ends a C entry with an error message and the value behind `=>` when one of these pointers is NULL, which
/// libdevmapper.h forbids: `required!(dm_hash_insert: t, key => 0);`.
macro_rules! required {
    ($name:ident: $($arg:ident),+ => $result:expr) => {
        if false $(|| $arg.is_null())+ {
            $crate::entry::refuse_null(stringify!($name), &[$((stringify!($arg), $arg.is_null())),+]);
            return $result;
        }
    };
    ($name:ident: $($arg:ident),+) => { required!($name: $($arg),+ => ()) };
}

/// Logs which parameter was NULL.
#[cold]
pub(crate) fn refuse_null(name: &str, parameters: &[(&str, bool)]) {
    for (parameter, _) in parameters.iter().filter(|(_, is_null)| *is_null) {
        libdevmapper::log_error!("Internal error: {name}: Forbidden NULL parameter {parameter}.");
    }
}

/// The return convention "1 for success, 0 for failure".
#[derive(Clone, Copy, Debug)]
pub struct OneZero(pub bool);

impl From<OneZero> for c_int {
    fn from(value: OneZero) -> c_int {
        c_int::from(value.0)
    }
}

impl<T, E> From<Result<T, E>> for OneZero {
    fn from(result: Result<T, E>) -> Self {
        Self(result.is_ok())
    }
}

/// 1 for `Ok`, 0 for an error (which has been logged where it arose).
pub(crate) fn one_zero<T, E>(result: Result<T, E>) -> c_int {
    OneZero::from(result).into()
}

/// The bytes of a C string, without NUL; `None` for NULL.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string that lives and stays unchanged for `'a`.
pub(crate) unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not NULL, and the caller promises the rest.
    Some(unsafe { std::ffi::CStr::from_ptr(text) }.to_bytes())
}

/// The length of a C string, looked for in its first `max` bytes; `max` if there is no NUL among them.
///
/// # Safety
/// `text` is readable up to its NUL, or for `max` bytes.
pub(crate) unsafe fn strnlen(text: *const c_char, max: usize) -> usize {
    // SAFETY: by contract, for both. Miri has no `strnlen`.
    unsafe {
        if cfg!(miri) {
            (0..max).find(|&at| *text.add(at) == 0).unwrap_or(max)
        } else {
            libc::strnlen(text, max)
        }
    }
}

/// A copy of `text` in memory from libc malloc, NUL-terminated, for strings that the C caller frees. NULL without memory.
pub(crate) fn malloc_string(text: &[u8]) -> *mut c_char {
    // SAFETY: malloc has no preconditions.
    let copy = unsafe { libc::malloc(text.len() + 1) }.cast::<u8>();
    if !copy.is_null() {
        // SAFETY: `copy` has room for the text and its NUL, and is a new object that `text` cannot overlap.
        unsafe {
            copy.copy_from_nonoverlapping(text.as_ptr(), text.len());
            copy.add(text.len()).write(0);
        }
    }
    copy.cast()
}
