//! System V semaphores, one to a set.
#![allow(unsafe_code, reason = "System V semaphores have no safe wrapper")]

use std::io::Read;

use nix::errno::Errno;

use super::{BASE_MASK, FLAGS_SHIFT, MAGIC};
use crate::error::{Error, Result};

/// The command of semctl that counts semaphore sets (linux/sem.h).
const SEM_INFO: libc::c_int = 19;
/// How often another key is tried when one is in use.
const ATTEMPTS: u32 = 1000;

/// The fourth argument of semctl, which the caller must declare.
#[repr(C)]
#[derive(Clone, Copy)]
union Argument {
    val: libc::c_int,
    info: *mut SemInfo,
}

/// `struct seminfo` of sys/sem.h.
#[repr(C)]
#[derive(Default)]
struct SemInfo {
    fields: [libc::c_int; 10],
}

/// Whether the kernel has System V semaphores.
pub(super) fn are_available() -> bool {
    let mut info = SemInfo::default();
    let argument = Argument { info: &raw mut info };
    // SAFETY: SEM_INFO writes one struct seminfo of ten ints, to which the argument points.
    if unsafe { libc::semctl(0, 0, SEM_INFO, argument) } < 0 {
        crate::log_warn!("Kernel not configured for semaphores (System V IPC). Not using udev synchronisation code.");
        return false;
    }
    true
}

/// The semaphore of a cookie.
#[derive(Debug)]
pub(super) struct Semaphore {
    cookie: u32,
    id: libc::c_int,
}

fn key(cookie: u32) -> libc::key_t {
    cookie.cast_signed()
}

impl Semaphore {
    /// Makes a semaphore of value 1 with a random cookie.
    pub(super) fn create() -> Result<Self> {
        let mut random = std::fs::File::open("/dev/urandom").map_err(|source| {
            crate::log_sys_error!("/dev/urandom", "open", source);
            Error::System {
                path: "/dev/urandom".into(),
                call: "open",
                source,
            }
        })?;
        for _ in 0..ATTEMPTS {
            let mut base = [0; 2];
            random.read_exact(&mut base).map_err(|source| {
                crate::log_sys_error!("/dev/urandom", "read", source);
                Error::System {
                    path: "/dev/urandom".into(),
                    call: "read",
                    source,
                }
            })?;
            let base = u32::from(u16::from_ne_bytes(base)) & BASE_MASK;
            if base == 0 {
                continue;
            }
            let cookie = MAGIC << FLAGS_SHIFT | base;
            // SAFETY: semget takes numbers only.
            let id = unsafe { libc::semget(key(cookie), 1, 0o600 | libc::IPC_CREAT | libc::IPC_EXCL) };
            if id >= 0 {
                let this = Self { cookie, id };
                // SAFETY: SETVAL takes `val` by value.
                if unsafe { libc::semctl(id, 0, libc::SETVAL, Argument { val: 1 }) } < 0 {
                    let error = this.failed("initialise");
                    let _ = this.destroy();
                    return Err(error);
                }
                crate::log_debug!("Udev cookie 0x{cookie:x} (semid {id}) created");
                return Ok(this);
            }
            match Errno::last() {
                Errno::EEXIST => {}
                errno => {
                    let message = match errno {
                        Errno::ENOSPC => "No space left for notification semaphores. Limits for System V \
                                          semaphores (kernel.sem) are too low, or cookies were left behind: \
                                          see dmsetup udevcookies."
                            .to_owned(),
                        _ => format!("Failed to create notification semaphore: {}", errno.desc()),
                    };
                    crate::log_error!("{message}");
                    return Err(Error::Invalid(message));
                }
            }
        }
        let message = "All cookies are in use.";
        crate::log_error!("{message}");
        Err(Error::Invalid(message.into()))
    }

    /// The semaphore of a cookie that somebody made.
    pub(super) fn open(cookie: u32) -> Result<Self> {
        // SAFETY: semget takes numbers only.
        let id = unsafe { libc::semget(key(cookie), 1, 0) };
        if id >= 0 {
            return Ok(Self { cookie, id });
        }
        let message = match Errno::last() {
            Errno::ENOENT => {
                format!("Could not find notification semaphore identified by cookie value {cookie} (0x{cookie:x})")
            }
            Errno::EACCES => {
                format!(
                    "No permission to access notification semaphore identified by cookie value {cookie} (0x{cookie:x})"
                )
            }
            errno => format!(
                "Failed to access notification semaphore identified by cookie value {cookie} (0x{cookie:x}): {}",
                errno.desc()
            ),
        };
        crate::log_error!("{message}");
        Err(Error::Invalid(message))
    }

    pub(super) fn cookie(&self) -> u32 {
        self.cookie
    }

    fn failed(&self, verb: &str) -> Error {
        let reason = Errno::last().desc();
        let message = format!(
            "cookie 0x{:x}: failed to {verb} notification semaphore: {reason}",
            self.cookie
        );
        crate::log_error!("{message}");
        Error::Invalid(message)
    }

    fn operate(&self, change: libc::c_short, flags: libc::c_int) -> std::result::Result<(), Errno> {
        let flags = libc::c_short::try_from(flags).unwrap_or(0);
        let mut operation = libc::sembuf {
            sem_num: 0,
            sem_op: change,
            sem_flg: flags,
        };
        // SAFETY: the pointer and the count describe the one operation.
        Errno::result(unsafe { libc::semop(self.id, &raw mut operation, 1) }).map(drop)
    }

    /// The semaphore's value.
    pub(super) fn value(&self) -> Result<i32> {
        // SAFETY: GETVAL takes no argument.
        let value = unsafe { libc::semctl(self.id, 0, libc::GETVAL) };
        if value < 0 { Err(self.failed("read")) } else { Ok(value) }
    }

    pub(super) fn increment(&self) -> Result<()> {
        self.operate(1, 0).map_err(|_| self.failed("increment"))?;
        crate::log_debug!(
            "Udev cookie 0x{:x} (semid {}) incremented to {}",
            self.cookie,
            self.id,
            self.value()?
        );
        Ok(())
    }

    pub(super) fn decrement(&self) -> Result<()> {
        self.operate(-1, libc::IPC_NOWAIT).map_err(|errno| match errno {
            Errno::EAGAIN => {
                let message = format!("cookie 0x{:x}: notification semaphore is zero already", self.cookie);
                crate::log_error!("{message}");
                Error::Invalid(message)
            }
            _ => self.failed("decrement"),
        })?;
        crate::log_debug!("Udev cookie 0x{:x} (semid {}) decremented", self.cookie, self.id);
        Ok(())
    }

    /// Waits until the value is 0. A semaphore that is removed meanwhile counts as zero.
    pub(super) fn wait_for_zero(&self) -> Result<()> {
        crate::log_debug!("Udev cookie 0x{:x} (semid {}) waiting for zero", self.cookie, self.id);
        loop {
            match self.operate(0, 0) {
                Ok(()) | Err(Errno::EIDRM) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(_) => return Err(self.failed("wait for")),
            }
        }
    }

    pub(super) fn destroy(&self) -> Result<()> {
        // SAFETY: IPC_RMID takes no argument.
        if unsafe { libc::semctl(self.id, 0, libc::IPC_RMID) } < 0 {
            return match Errno::last() {
                // It is gone already.
                Errno::EIDRM | Errno::EINVAL => Ok(()),
                _ => Err(self.failed("destroy")),
            };
        }
        crate::log_debug!("Udev cookie 0x{:x} (semid {}) destroyed", self.cookie, self.id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_of_a_cookie() {
        if !are_available() {
            return;
        }
        let semaphore = Semaphore::create().unwrap();
        assert_eq!(semaphore.value().unwrap(), 1);
        assert_eq!(semaphore.cookie() >> FLAGS_SHIFT, MAGIC);
        let other = Semaphore::open(semaphore.cookie()).unwrap();
        other.increment().unwrap();
        assert_eq!(semaphore.value().unwrap(), 2);
        semaphore.decrement().unwrap();
        let waiter = std::thread::spawn(move || {
            semaphore.decrement().unwrap();
            semaphore.wait_for_zero().unwrap();
            semaphore.destroy().unwrap();
            semaphore
        });
        let semaphore = waiter.join().unwrap();
        assert!(Semaphore::open(semaphore.cookie()).is_err());
        assert!(semaphore.decrement().is_err());
    }
}
