//! The library's life, settings, versions, and questions about devices.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::sync::Mutex;

use libdevmapper::library::Library;
use libdevmapper::log_error;
use libdevmapper::mangle::Mode;
use libdevmapper::task::DevNo;
use libdevmapper::{settings, sysfs};

use crate::entry::{bytes, one_zero};

/// Copies a text and its NUL to a buffer of C's, cut to its size. Returns whether it fit.
///
/// # Safety
/// `size` bytes at `to` may be written, or it is NULL.
pub(crate) unsafe fn copy_out(text: &[u8], to: *mut c_char, size: usize) -> bool {
    if to.is_null() || size == 0 {
        return false;
    }
    let len = text.len().min(size - 1);
    // SAFETY: by contract, and `len` is less than `size`.
    unsafe {
        to.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), len);
        to.add(len).write(0);
    }
    len == text.len()
}

/// A C string of this text that lives forever; the same for the same text. There are few: clients set directories once.
fn eternal(text: &[u8]) -> *const c_char {
    static TEXTS: Mutex<Vec<&CStr>> = Mutex::new(Vec::new());
    let mut texts = TEXTS.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(known) = texts.iter().find(|known| known.to_bytes() == text) {
        return known.as_ptr();
    }
    let new: &'static CStr = Box::leak(CString::new(text).unwrap_or_default().into_boxed_c_str());
    texts.push(new);
    new.as_ptr()
}

/// `dm_mountinfo_read`'s callback: line, major, minor, mount point, data.
pub type dm_mountinfo_line_callback_fn =
    unsafe extern "C" fn(*mut c_char, c_uint, c_uint, *mut c_char, *mut c_void) -> c_int;

c_api! {
    /// Reads the environment. Runs by itself when the library is loaded.
    fn dm_lib_init() -> () {
        // The first use of the global library reads it.
        let _ = Library::global();
    }

    /// Closes the way to the driver unless it is held, and carries out queued node operations.
    fn dm_lib_release() -> () {
        crate::task::timestamp::destroy();
        Library::global().release();
    }

    /// Ends the library; only the first call acts. Runs by itself when the process ends.
    fn dm_lib_exit() -> () {
        if Library::global().exit() {
            crate::task::timestamp::destroy();
            crate::pool::report_leaks();
        }
    }

    /// Holds the way to the driver open.
    fn dm_hold_control_dev(hold_open: c_int) -> () {
        Library::global().hold_control(hold_open != 0);
    }

    /// The library's version.
    fn dm_get_library_version(version: *mut c_char, size: usize) -> c_int {
        // SAFETY: the caller passes a buffer of `size` bytes.
        c_int::from(unsafe { copy_out(settings::LIBRARY_VERSION.as_bytes(), version, size) })
    }

    /// The driver's version, asked for now.
    fn dm_driver_version(version: *mut c_char, size: usize) -> c_int {
        let found = Library::global().driver_version();
        let text = found.as_ref().map_or(String::new(), |[major, minor, patch]| format!("{major}.{minor}.{patch}"));
        // SAFETY: the caller passes a buffer of `size` bytes. A version that is cut is no failure in the C library.
        unsafe { copy_out(text.as_bytes(), version, size) };
        found.is_ok().into()
    }

    /// Sets the device directory.
    fn dm_set_dev_dir(dir: *const c_char) -> c_int {
        // SAFETY: the caller passes a string.
        unsafe { bytes(dir) }.map_or(0, |dir| one_zero(settings::set_dev_dir(dir)))
    }

    /// The directory of nodes.
    fn dm_dir() -> *const c_char {
        eternal(&settings::dm_dir())
    }

    /// Sets where sysfs is; NULL or "" stops its use.
    fn dm_set_sysfs_dir(dir: *const c_char) -> c_int {
        // SAFETY: the caller passes a string or NULL.
        one_zero(settings::set_sysfs_dir(unsafe { bytes(dir) }.unwrap_or_default()))
    }

    /// Where sysfs is.
    fn dm_sysfs_dir() -> *const c_char {
        eternal(&settings::sysfs_dir())
    }

    /// Sets the uuid prefix.
    fn dm_set_uuid_prefix(uuid_prefix: *const c_char) -> c_int {
        // SAFETY: the caller passes a string or NULL.
        unsafe { bytes(uuid_prefix) }.map_or(0, |prefix| one_zero(settings::set_uuid_prefix(prefix)))
    }

    /// The uuid prefix.
    fn dm_uuid_prefix() -> *const c_char {
        eternal(&settings::uuid_prefix())
    }

    /// Sets the mangling mode.
    fn dm_set_name_mangling_mode(name_mangling: c_uint) -> c_int {
        settings::set_name_mangling_mode(match name_mangling {
            0 => Mode::None,
            1 => Mode::Auto,
            2 => Mode::Hex,
            _ => return 1,
        });
        1
    }

    /// The mangling mode.
    fn dm_get_name_mangling_mode() -> c_uint {
        settings::name_mangling_mode() as c_uint
    }

    /// 1 if block devices of this major number are device-mapper's.
    fn dm_is_dm_major(major: u32) -> c_int {
        Library::global().is_dm_major(major).into()
    }

    /// 1 if statistics take precise timestamps and histograms.
    fn dm_message_supports_precise_timestamps() -> c_int {
        Library::global().supports_precise_timestamps().into()
    }

    /// Writes `MAJOR:MINOR`.
    fn dm_format_dev(buf: *mut c_char, bufsize: c_int, dev_major: u32, dev_minor: u32) -> c_int {
        let size = usize::try_from(bufsize).unwrap_or(0);
        if size < 8 {
            return 0;
        }
        // SAFETY: the caller passes a buffer of `bufsize` bytes.
        c_int::from(unsafe { copy_out(format!("{dev_major}:{dev_minor}").as_bytes(), buf, size) })
    }

    /// The name of a block device.
    fn dm_device_get_name(major: u32, minor: u32, prefer_kernel_name: c_int, buf: *mut c_char, buf_size: usize) -> c_int {
        match sysfs::device_name(Library::global(), DevNo { major, minor }, prefer_kernel_name != 0) {
            Ok(name) if name.len() < buf_size => {
                // SAFETY: the caller passes a buffer of `buf_size` bytes.
                c_int::from(unsafe { copy_out(&name, buf, buf_size) })
            }
            Ok(name) => {
                log_error!("dm_device_get_name: buffer of {buf_size} bytes is too small for \"{name}\".");
                0
            }
            Err(_) => 0,
        }
    }

    /// 1 if other block devices use this one.
    fn dm_device_has_holders(major: u32, minor: u32) -> c_int {
        sysfs::has_holders(Library::global(), DevNo { major, minor }).into()
    }

    /// 1 if a filesystem on this device is mounted.
    fn dm_device_has_mounted_fs(major: u32, minor: u32) -> c_int {
        sysfs::has_mounted_fs(Library::global(), DevNo { major, minor }).into()
    }

    /// Calls `read_fn` for each mounted filesystem until it returns 0.
    fn dm_mountinfo_read(read_fn: Option<dm_mountinfo_line_callback_fn>, cb_data: *mut c_void) -> c_int {
        let Some(read_fn) = read_fn else { return 0 };
        one_zero(sysfs::read_mountinfo(Library::global(), |mount| {
            let mut line = [&mount.line[..], b"\0"].concat();
            let mut target = [&mount.target[..], b"\0"].concat();
            // SAFETY: the caller passes such a function; both strings are terminated, and it may write in them.
            unsafe {
                read_fn(
                    line.as_mut_ptr().cast(),
                    mount.dev.major,
                    mount.dev.minor,
                    target.as_mut_ptr().cast(),
                    cb_data,
                ) != 0
            }
        }))
    }

    /// Would set the SELinux context of files made next; this library is built without SELinux, so nothing is done.
    fn dm_prepare_selinux_context(_path: *const c_char, _mode: libc::mode_t) -> c_int {
        1
    }

    /// Would set the SELinux context of a file; this library is built without SELinux, so nothing is done.
    fn dm_set_selinux_context(_path: *const c_char, _mode: libc::mode_t) -> c_int {
        1
    }
}

extern "C" fn at_load() {
    let _ = Library::global();
}

extern "C" fn at_unload() {
    // SAFETY: it takes no pointers.
    unsafe { dm_lib_exit() }
}

/// Reads the environment when the library is loaded: programs change it later.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = at_load;

/// Releases everything when the process ends or the library is unloaded.
#[used]
#[unsafe(link_section = ".fini_array")]
static AT_UNLOAD: extern "C" fn() = at_unload;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_cut_and_terminated() {
        let mut buffer = [1; 8];
        // SAFETY: the size is that of the buffer, or less.
        unsafe {
            assert!(copy_out(b"1234567", buffer.as_mut_ptr(), 8));
            assert!(!copy_out(b"abcdefgh", buffer.as_mut_ptr(), 4));
            assert_eq!(CStr::from_ptr(buffer.as_ptr()), c"abc");
            assert!(!copy_out(b"", std::ptr::null_mut(), 4));
            assert!(!copy_out(b"", buffer.as_mut_ptr(), 0));
        }
    }

    #[test]
    fn device_numbers_as_text() {
        let mut buffer = [0; 13];
        let mut format = |size, major, minor| {
            // SAFETY: the size is at most that of the buffer.
            let done = unsafe { dm_format_dev(buffer.as_mut_ptr(), size, major, minor) };
            // SAFETY: it is terminated, since the buffer starts as zeros.
            (done == 1).then(|| unsafe { CStr::from_ptr(buffer.as_ptr()) }.to_str().unwrap().to_owned())
        };
        assert_eq!(format(7, 1, 2), None);
        assert_eq!(format(8, 253, 10).unwrap(), "253:10");
        assert_eq!(format(8, 4095, 1_048_575), None);
        assert_eq!(format(13, 4095, 1_048_575).unwrap(), "4095:1048575");
    }

    #[test]
    fn eternal_texts_are_shared() {
        assert_eq!(eternal(b"/x"), eternal(b"/x"));
        assert_ne!(eternal(b"/x"), eternal(b"/y"));
    }
}
