//! Error numbers: the engine speaks Linux's, the kernel NetBSD's. Up to 34 they are the same.

use dm_abi::errno::Errno;

/// Pairs that differ: Linux, NetBSD.
const DIFFER: [(Errno, i32); 7] = [
    (Errno::EAGAIN, 35),
    (Errno::ELOOP, 62),
    (Errno::ENODATA, 89),
    (Errno::EOVERFLOW, 84),
    (Errno::EILSEQ, 85),
    (Errno::EOPNOTSUPP, 45),
    // NetBSD has no such number.
    (Errno::ENOKEY, 2),
];

/// As the kernel numbers it.
pub(crate) fn to_native(errno: Errno) -> i32 {
    match DIFFER.iter().find(|(linux, _)| *linux == errno) {
        Some(&(_, native)) => native,
        None if (1..=34).contains(&errno.0) && errno.0 != 11 => errno.0,
        None => Errno::EIO.0,
    }
}

/// As the engine numbers it; what it does not know is an I/O error.
pub(crate) fn from_native(native: i32) -> Errno {
    match native {
        // Restart and "not handled", as the kernel uses them inside.
        -3 => Errno::EINTR,
        -4 => Errno::ENOTTY,
        1..=34 if native != 11 => Errno(native),
        _ => DIFFER
            .iter()
            .find(|(_, number)| *number == native)
            .map_or(Errno::EIO, |&(linux, _)| linux),
    }
}

/// 0 or an error of the kernel.
pub(crate) fn check(native: i32) -> Result<(), Errno> {
    match native {
        0 => Ok(()),
        _ => Err(from_native(native)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (linux, native) in [(Errno::EBUSY, 16), (Errno::EOVERFLOW, 84), (Errno::EOPNOTSUPP, 45)] {
            assert_eq!(to_native(linux), native);
            assert_eq!(from_native(native), linux);
        }
        assert_eq!(from_native(-3), Errno::EINTR);
        assert_eq!(from_native(11), Errno::EIO, "EDEADLK is not EAGAIN");
        assert_eq!(to_native(Errno(11)), 35);
        assert_eq!(check(0), Ok(()));
    }
}
