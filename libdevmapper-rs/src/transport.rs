//! Ways to reach an engine: the Linux control node, the udmd socket, NetBSD's property lists.
//!
//! To the rest of the library all of them carry the same bytes, `struct dm_ioctl` and what follows it. Which one is used
//! is decided at first use, see [`select()`].

mod linux;
#[cfg(target_os = "netbsd")]
mod netbsd;
mod node;
pub mod plist;
mod select;
pub mod socket;

use std::fmt::Debug;
use std::path::PathBuf;

use dm_abi::errno::Errno;

use crate::task::DevNo;

pub use linux::Linux;
pub(crate) use node::with_umask;
pub(crate) use select::is_dm_major;
pub use select::{Choice, ENVIRONMENT, UDMD_SOCKET, select};
pub use socket::Udmd;

/// Why a request brought no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The driver's answer.
    Refused(Errno),
    /// The engine could not be reached or broke off; the reason has been logged.
    Broken,
}

/// A way to an engine. Requests run in parallel: one that blocks for hours must not stop the others.
pub trait Transport: Debug + Send + Sync {
    /// Sends a request and overwrites `buffer` with the reply. `nr` is the command's number in `linux/dm-ioctl.h`.
    /// After success nothing behind the reply's `data_size` was written, unless the reply did not fit (`BUFFER_FULL`).
    ///
    /// # Errors
    /// The driver's errno, or [`Failure::Broken`].
    fn ioctl(&self, nr: u32, buffer: &mut [u8]) -> Result<(), Failure>;

    /// Major number of the engine's devices, if it is known; used for persistent device numbers.
    fn dm_major(&self) -> Option<u32>;

    /// Whether block devices of this major number are the engine's.
    fn is_dm_major(&self, major: u32) -> bool {
        self.dm_major() == Some(major)
    }

    /// Whether udev learns of the engine's devices by device-mapper uevents, so that cookies make sense.
    fn has_udev(&self) -> bool;

    /// Whether the kernel shows names of the engine's devices in sysfs (`dm/name`).
    fn has_sysfs_names(&self) -> bool {
        self.has_udev()
    }

    /// Major number of the character devices that stand beside the block devices, where nodes for both are made: NetBSD.
    fn char_major(&self) -> Option<u32> {
        None
    }

    /// The node that the kernel makes of a device by itself, if nothing is wrong.
    fn kernel_node(&self, _dev: DevNo) -> Option<PathBuf> {
        None
    }

    /// A directory that stands for /sys, where the kernel's own does not know the engine's devices as mapped ones:
    /// `block/dm-MINOR/holders` are there.
    fn sysfs(&self) -> Option<PathBuf> {
        None
    }

    /// Waits until an event happened after the last ARM_POLL.
    ///
    /// # Errors
    /// As of [`Transport::ioctl`].
    fn wait_event(&self) -> Result<(), Failure>;
}
