//! Udev cookies.

use std::ffi::c_int;

use libdevmapper::library::Library;
use libdevmapper::udev;

use crate::entry::one_zero;

c_api! {
    /// 1 if the driver takes cookies.
    fn dm_cookie_supported() -> c_int {
        Library::global().cookie_supported().into()
    }

    /// Switches synchronisation with udev.
    fn dm_udev_set_sync_support(sync_with_udev: c_int) -> () {
        udev::set_sync_support(Library::global(), sync_with_udev != 0);
    }

    /// 1 if requests are synchronised with udev.
    fn dm_udev_get_sync_support() -> c_int {
        udev::sync_support(Library::global()).into()
    }

    /// Switches the warnings about nodes that udev did not make.
    fn dm_udev_set_checking(checking: c_int) -> () {
        udev::set_checking(Library::global(), checking != 0);
    }

    /// 1 if these warnings are on.
    fn dm_udev_get_checking() -> c_int {
        udev::checking(Library::global()).into()
    }

    /// Makes a cookie; 0 without udev.
    fn dm_udev_create_cookie(cookie: *mut u32) -> c_int {
        // SAFETY: the caller passes a cookie that may be written.
        let Some(cookie) = (unsafe { cookie.as_mut() }) else { return 0 };
        one_zero(udev::create_cookie(Library::global()).map(|new| *cookie = new))
    }

    /// Udev has processed one event of a cookie.
    fn dm_udev_complete(cookie: u32) -> c_int {
        one_zero(udev::complete(Library::global(), cookie))
    }

    /// Waits until all events of a cookie were processed, and carries out queued node operations.
    fn dm_udev_wait(cookie: u32) -> c_int {
        one_zero(udev::wait(Library::global(), cookie))
    }

    /// The same if nothing has to be waited for; `ready` tells.
    fn dm_udev_wait_immediate(cookie: u32, ready: *mut c_int) -> c_int {
        // SAFETY: the caller passes a number that may be written.
        let Some(ready) = (unsafe { ready.as_mut() }) else { return 0 };
        let result = udev::wait_immediate(Library::global(), cookie);
        *ready = c_int::from(!matches!(result, Ok(false)));
        one_zero(result)
    }
}
