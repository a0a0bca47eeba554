//! Error numbers of the interface, which are Linux's, and those of the system.

use dm_abi::errno::Errno;

/// Pairs of numbers that differ: Linux's and NetBSD's. All others of the interface agree.
#[cfg(not(target_os = "linux"))]
const DIFFERENT: [(Errno, i32); 7] = [
    (Errno::EAGAIN, libc::EAGAIN),
    (Errno::ELOOP, libc::ELOOP),
    (Errno::ENODATA, libc::ENODATA),
    (Errno::EOVERFLOW, libc::EOVERFLOW),
    (Errno::EILSEQ, libc::EILSEQ),
    (Errno::EOPNOTSUPP, libc::EOPNOTSUPP),
    // There is no such number.
    (Errno::ENOKEY, libc::EACCES),
];

/// The system's number for an error of the interface, as C programs expect it.
#[must_use]
pub fn to_system(errno: Errno) -> i32 {
    #[cfg(not(target_os = "linux"))]
    if let Some((_, system)) = DIFFERENT.iter().find(|(interface, _)| *interface == errno) {
        return *system;
    }
    errno.0
}

/// The interface's number for an error of the system.
#[must_use]
pub fn from_system(number: i32) -> Errno {
    #[cfg(not(target_os = "linux"))]
    if let Some((interface, _)) = DIFFERENT.iter().find(|(_, system)| *system == number) {
        return *interface;
    }
    Errno(number)
}
