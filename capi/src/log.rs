//! Log functions and their data symbols.
//!
//! Two styles of callback exist, with and without an errno. One is the client's, the other then forwards to it:
//!
//! ```text
//!                        dm_log                  dm_log_with_errno
//! at start, or NULL set  default                 default
//! dm_log_init(f)         f                       formats, then dm_log
//! dm_log_with_errno_init formats, then the other f
//! ```
//!
//! Messages of `libdevmapper` go out through `dm_log_with_errno`.

use std::ffi::{c_char, c_int};
use std::io::Write;
use std::sync::atomic::{AtomicI32, Ordering};

use libdevmapper::log::{Level, Record};

/// A callback without errno.
pub type dm_log_fn = unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, ...);
/// A callback with an errno (errors) or a debug class (debug messages).
pub type dm_log_with_errno_fn = unsafe extern "C" fn(c_int, *const c_char, c_int, c_int, *const c_char, ...);

unsafe extern "C" {
    fn dm_shim_default_old(level: c_int, file: *const c_char, line: c_int, format: *const c_char, ...);
    fn dm_shim_default_new(level: c_int, file: *const c_char, line: c_int, errno: c_int, format: *const c_char, ...);
    fn dm_shim_forward_old(level: c_int, file: *const c_char, line: c_int, format: *const c_char, ...);
    fn dm_shim_forward_new(level: c_int, file: *const c_char, line: c_int, errno: c_int, format: *const c_char, ...);
    fn dm_shim_set_verbose(level: c_int);
}

/// The current callback of the old style. Clients read it, and the linker may move it into a client (COPY relocation).
#[unsafe(no_mangle)]
pub static mut dm_log: dm_log_fn = dm_shim_default_old;

/// The current callback of the new style, likewise.
#[unsafe(no_mangle)]
pub static mut dm_log_with_errno: dm_log_with_errno_fn = dm_shim_default_new;

static VERBOSE: AtomicI32 = AtomicI32::new(0);

/// Sets both callbacks.
fn set(old: dm_log_fn, new: dm_log_with_errno_fn) {
    // SAFETY: as the C ABI has it, clients set callbacks while no other thread logs.
    unsafe {
        (&raw mut dm_log).write_volatile(old);
        (&raw mut dm_log_with_errno).write_volatile(new);
    }
}

/// The callback that messages go to.
fn current() -> dm_log_with_errno_fn {
    // SAFETY: as for `set`; the static always holds a function.
    unsafe { (&raw const dm_log_with_errno).read_volatile() }
}

c_api! {
    /// Installs a callback of the old style, NULL the default.
    fn dm_log_init(fun: Option<dm_log_fn>) -> () {
        match fun {
            Some(fun) => set(fun, dm_shim_forward_new),
            None => set(dm_shim_default_old, dm_shim_default_new),
        }
    }

    /// Installs a callback of the new style, NULL the default.
    fn dm_log_with_errno_init(fun: Option<dm_log_with_errno_fn>) -> () {
        match fun {
            Some(fun) => set(dm_shim_forward_old, fun),
            None => set(dm_shim_default_old, dm_shim_default_new),
        }
    }

    /// 1 if a callback of the client's is installed.
    fn dm_log_is_non_default() -> c_int {
        // SAFETY: as for `current`.
        let old = unsafe { (&raw const dm_log).read_volatile() };
        c_int::from(old as usize != dm_shim_default_old as *const () as usize || !is_default(current()))
    }

    /// Makes the default functions print messages below warnings as well, if `level` is not 0.
    fn dm_log_init_verbose(level: c_int) -> () {
        VERBOSE.store(level, Ordering::Relaxed);
        // SAFETY: it only stores the number.
        unsafe { dm_shim_set_verbose(level) }
    }
}

fn is_default(fun: dm_log_with_errno_fn) -> bool {
    fun as usize == dm_shim_default_new as *const () as usize
}

/// Applications look for this at the start of the format.
const INTERNAL: &[u8] = b"Internal error: ";

/// Takes the messages of `libdevmapper` to the client's callback.
fn sink(record: &Record<'_>) {
    let fun = current();
    if record.level >= Level::Notice && VERBOSE.load(Ordering::Relaxed) == 0 && is_default(fun) {
        // Nobody would see it: do not even format it.
        return;
    }
    let mut text = Vec::with_capacity(128);
    // A Display that fails would only cut the message short.
    let _ = write!(text, "{}", record.message);
    libdevmapper::log::restore_raw(&mut text);
    let level = record.level as c_int | record.modifiers;
    let line = c_int::try_from(record.line).unwrap_or(c_int::MAX);
    let file = record.file.as_ptr();
    if text.starts_with(INTERNAL) {
        let mut format = Vec::with_capacity(text.len() + 8);
        for byte in text {
            format.push(byte);
            if byte == b'%' {
                format.push(b'%');
            }
        }
        format.push(0);
        // SAFETY: a printf format without conversions, NUL-terminated.
        unsafe { fun(level, file, line, record.errno_or_class, format.as_ptr().cast()) }
    } else {
        text.push(0);
        // SAFETY: one conversion, one NUL-terminated string.
        unsafe {
            fun(
                level,
                file,
                line,
                record.errno_or_class,
                c"%s".as_ptr(),
                text.as_ptr().cast::<c_char>(),
            );
        }
    }
}

/// Connects `libdevmapper` with the callbacks. Idempotent.
extern "C" fn connect() {
    // Miri has no C shim to call.
    if cfg!(miri) {
        return;
    }
    libdevmapper::log::set_sink(Some(sink));
}

/// Runs [`connect`] when the library is loaded.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static CONNECT: extern "C" fn() = connect;

#[cfg(test)]
mod tests {
    use super::*;
    use libdevmapper::{log_error, log_warn};
    use std::ffi::CStr;
    use std::sync::Mutex;

    static SEEN: Mutex<Vec<(c_int, c_int, Vec<u8>)>> = Mutex::new(Vec::new());

    // Stable Rust cannot define a variadic function. A function with one fixed argument more is called the same way by
    // the C ABIs we build for, as long as the call passes that argument.
    extern "C" fn catch(
        level: c_int,
        _: *const c_char,
        _: c_int,
        errno: c_int,
        format: *const c_char,
        arg: *const c_char,
    ) {
        // SAFETY: the sink passes C strings; the argument only with a format that wants it.
        let text = unsafe {
            let format = CStr::from_ptr(format).to_bytes();
            if format == b"%s" {
                CStr::from_ptr(arg).to_bytes()
            } else {
                format
            }
        };
        SEEN.lock().unwrap().push((level, errno, text.to_vec()));
    }

    #[test]
    #[cfg_attr(miri, ignore = "calls C")]
    fn messages_reach_the_client() {
        // SAFETY: see `catch`.
        unsafe {
            let fun: dm_log_with_errno_fn = std::mem::transmute(catch as *const ());
            assert_eq!(dm_log_is_non_default(), 0);
            dm_log_with_errno_init(Some(fun));
            assert_eq!(dm_log_is_non_default(), 1);
            log_error!("a {} 100%", 1);
            log_warn!("{}", libdevmapper::log::Raw(b"w\xff\xc3\xa4"));
            log_error!("Internal error: 50%");
            let from_here: Vec<_> = std::mem::take(&mut *SEEN.lock().unwrap());
            dm_log_with_errno_init(None);
            assert_eq!(dm_log_is_non_default(), 0);
            for want in [
                (3, -1, b"a 1 100%".to_vec()),
                (0x84, 0, b"w\xff\xc3\xa4".to_vec()),
                (3, -1, b"Internal error: 50%%".to_vec()),
            ] {
                assert!(from_here.contains(&want), "{want:?} in {from_here:?}");
            }
        }
    }
}
