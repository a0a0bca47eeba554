//! Udev cookies.
//!
//! A cookie stands for a transaction with udev: a System V semaphore whose value is 1 for the program that waits, plus 1
//! for each event that udev has not processed yet. `dmsetup udevcomplete`, called by udev's rules, decrements it.
//! The cookie is the semaphore's key: the upper half is [`MAGIC`], the lower half a random number that also goes
//! to the driver, which hands it to udev in the event's environment.

#[cfg_attr(not(target_os = "linux"), path = "udev/no_semaphore.rs")]
mod semaphore;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::library::Library;
use crate::transport::Transport;
use semaphore::Semaphore;

/// Upper half of a cookie.
pub const MAGIC: u32 = 0x0d4d;
/// Where the flags begin in the word that goes to the driver, and [`MAGIC`] in a cookie.
pub const FLAGS_SHIFT: u32 = 16;
/// The random part of a cookie.
pub const BASE_MASK: u32 = 0xffff;

/// Environment variable that stops all cooperation with udev.
const ENV_DISABLE: &str = "DM_DISABLE_UDEV";
/// Exists while the udev daemon runs.
const UDEV_CONTROL: &str = "/run/udev/control";

/// What udev's rules are told about an event (`DM_UDEV_*_FLAG`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// No nodes by udev.
    pub const DISABLE_DM_RULES: u16 = 0x01;
    /// No rules of the subsystem, such as LVM.
    pub const DISABLE_SUBSYSTEM_RULES: u16 = 0x02;
    /// The library makes no nodes, whatever udev does.
    pub const DISABLE_LIBRARY_FALLBACK: u16 = 0x20;
    /// The event comes from a request of this library.
    pub const PRIMARY_SOURCE: u16 = 0x40;

    /// The flags in the word that goes to the driver.
    #[must_use]
    pub const fn of_word(word: u32) -> Self {
        let [_, _, low, high] = word.to_le_bytes();
        Self(u16::from_le_bytes([low, high]))
    }

    /// Whether all bits of `flags` are set.
    #[must_use]
    pub const fn has(self, flags: u16) -> bool {
        self.0 & flags == flags
    }
}

/// Switches and what was found out about udev.
#[derive(Debug, Default)]
pub struct Udev {
    disabled: AtomicBool,
    sync_off: AtomicBool,
    checking_off: AtomicBool,
    warned: AtomicBool,
    semaphores: OnceLock<bool>,
    daemon: OnceLock<bool>,
}

impl Udev {
    pub(crate) fn read_environment(&self) {
        self.disabled
            .store(std::env::var_os(ENV_DISABLE).is_some(), Ordering::Relaxed);
    }

    /// Whether the node warnings are on.
    #[must_use]
    pub fn checking(&self) -> bool {
        !self.checking_off.load(Ordering::Relaxed)
    }

    fn daemon_runs(&self) -> bool {
        *self.daemon.get_or_init(|| {
            let runs = Path::new(UDEV_CONTROL).exists();
            if !runs {
                crate::log_debug!("Udev is not running. Not using udev synchronisation code.");
            }
            runs
        })
    }

    /// Whether requests are synchronised with udev. The driver's version must be known.
    pub(crate) fn is_active(&self, library: &Library, transport: &dyn Transport) -> bool {
        if !transport.has_udev() {
            return false;
        }
        if self.disabled.load(Ordering::Relaxed) {
            if self.daemon_runs() && !self.warned.swap(true, Ordering::Relaxed) {
                crate::log_warn!(
                    "Udev is running and {ENV_DISABLE} environment variable is set. \
                     Bypassing udev, the library will manage device nodes in device directory."
                );
            }
            return false;
        }
        !self.sync_off.load(Ordering::Relaxed)
            && library.driver_has(15)
            && *self.semaphores.get_or_init(semaphore::are_available)
            && self.daemon_runs()
    }

    /// The flags of a cookie call as they must be with `DM_DISABLE_UDEV`, or where udev never hears of the devices: whoever
    /// trusts udev to make the nodes would get none.
    pub(crate) fn forced(&self, flags: u16, has_udev: bool) -> u16 {
        if !has_udev || self.disabled.load(Ordering::Relaxed) {
            flags & !Flags::DISABLE_LIBRARY_FALLBACK | Flags::DISABLE_DM_RULES | Flags::DISABLE_SUBSYSTEM_RULES
        } else {
            flags
        }
    }
}

/// Switches synchronisation on or off.
pub fn set_sync_support(library: &Library, on: bool) {
    library.udev.sync_off.store(!on, Ordering::Relaxed);
}

/// Whether requests are synchronised with udev.
#[must_use]
pub fn sync_support(library: &Arc<Library>) -> bool {
    let udev = &library.udev;
    // Without that, the driver need not be asked.
    if udev.sync_off.load(Ordering::Relaxed) && !udev.disabled.load(Ordering::Relaxed) {
        return false;
    }
    library.check_version().is_ok()
        && library
            .transport()
            .is_ok_and(|transport| udev.is_active(library, &*transport))
}

/// Switches the warnings about nodes that udev did not make.
pub fn set_checking(library: &Library, on: bool) {
    crate::log_debug!("DM udev checking {}abled", if on { "en" } else { "dis" });
    library.udev.checking_off.store(!on, Ordering::Relaxed);
}

/// Whether these warnings are on.
#[must_use]
pub fn checking(library: &Library) -> bool {
    library.udev.checking()
}

fn refuse(message: String) -> Error {
    crate::log_error!("{message}");
    Error::Invalid(message)
}

fn find(cookie: u32) -> Result<Semaphore> {
    if cookie >> FLAGS_SHIFT != MAGIC {
        return Err(refuse(format!(
            "Could not continue to access notification semaphore identified by cookie value {cookie} (0x{cookie:x}). \
             Incorrect cookie prefix."
        )));
    }
    Semaphore::open(cookie)
}

/// Makes a cookie; without udev it is 0.
///
/// # Errors
/// No semaphore can be made; logged.
pub fn create_cookie(library: &Arc<Library>) -> Result<u32> {
    if !sync_support(library) {
        return Ok(0);
    }
    Semaphore::create().map(|semaphore| semaphore.cookie())
}

/// One more event for `cookie`, which is made first if it is 0.
pub(crate) fn join(cookie: u32) -> Result<u32> {
    let semaphore = if cookie == 0 {
        Semaphore::create()?
    } else {
        find(cookie)?
    };
    if let Err(error) = semaphore.increment() {
        if cookie == 0 {
            let _ = semaphore.destroy();
        }
        return Err(error);
    }
    Ok(semaphore.cookie())
}

/// One event less for `cookie`: udev has processed it, or it will not come.
///
/// # Errors
/// Not a cookie, or its semaphore is gone; logged.
pub fn complete(library: &Arc<Library>, cookie: u32) -> Result<()> {
    if cookie == 0 || !sync_support(library) {
        return Ok(());
    }
    find(cookie)?.decrement()
}

/// Waits until all events of `cookie` were processed, then carries out queued node operations. The cookie is gone then.
///
/// # Errors
/// Not a cookie, or its semaphore is gone; logged. Node operations are carried out nevertheless.
pub fn wait(library: &Arc<Library>, cookie: u32) -> Result<()> {
    let result = if cookie == 0 || !sync_support(library) {
        Ok(())
    } else {
        find(cookie).and_then(|semaphore| finish(&semaphore))
    };
    library.update_nodes();
    result
}

/// Like [`wait`] if all events were processed; else does nothing and returns false.
///
/// # Errors
/// As of [`wait`].
pub fn wait_immediate(library: &Arc<Library>, cookie: u32) -> Result<bool> {
    if cookie != 0 && sync_support(library) && find(cookie)?.value()? > 1 {
        return Ok(false);
    }
    wait(library, cookie).map(|()| true)
}

fn finish(semaphore: &Semaphore) -> Result<()> {
    semaphore.decrement()?;
    semaphore.wait_for_zero()?;
    semaphore.destroy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_a_word() {
        assert!(Flags::of_word(0x0040_1234).has(Flags::PRIMARY_SOURCE));
        assert_eq!(Flags::of_word(0xff23_1234), Flags(0xff23));
    }

    #[test]
    fn environment_forces_flags() {
        let udev = Udev::default();
        assert_eq!(udev.forced(0x20, true), 0x20);
        assert_eq!(udev.forced(0x20, false), 0x03);
        udev.disabled.store(true, Ordering::Relaxed);
        assert_eq!(udev.forced(0x20, true), 0x03);
        assert_eq!(udev.forced(0x40, true), 0x43);
    }

    #[test]
    fn wrong_cookies() {
        assert!(find(0x1234_5678).is_err());
    }
}
