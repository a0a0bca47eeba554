//! Precautions of a process that other processes' memory may depend on, and checks of who is calling.

use std::os::fd::BorrowedFd;

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// Keeps the process alive and at work when memory is low: the kernel may wait for it to write out pages that it wants
/// to free. What the machine does not permit is left out.
#[allow(unsafe_code)]
pub fn against_low_memory() {
    const PR_SET_IO_FLUSHER: libc::c_int = 57;
    // SAFETY: this prctl takes numbers only.
    unsafe { libc::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) };
    // Pages stay once they were touched; buffers that were never used take no memory.
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    let _ = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault);
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
}

/// Lets the calling thread go before ordinary ones: as with the kernel's own block devices, all who wait for data wait for it.
#[allow(unsafe_code)]
pub fn prefer_this_thread() {
    // SAFETY: setpriority(2) takes numbers only; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) };
}

/// Allows as many descriptors as the machine permits: each device takes one here and one in the holder.
pub fn raise_descriptor_limit() {
    let wanted = 1 << 20;
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_err()
        && let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Whether the process at the other end of a Unix socket runs as root.
#[must_use]
pub fn is_root(socket: BorrowedFd<'_>) -> bool {
    getsockopt(&socket, PeerCredentials).is_ok_and(|peer| peer.uid() == 0)
}
