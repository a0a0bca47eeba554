//! The control plane: the registry of devices and the answers to `struct dm_ioctl` requests.
//!
//! ```text
//! request(command, buffer) ---> Done(result)            reply is in the buffer
//!                          \--> Wait(ticket, what)      the host does or awaits `what` without the control lock,
//!                                                       then calls proceed(ticket, buffer) and looks again
//! ```

use crate::host::DeviceId;

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The host freezes the filesystem on the device (suspend without SKIP_LOCKFS), if there is one.
    Freeze(DeviceId),
    /// The host thaws what it froze (resume).
    Thaw(DeviceId),
    /// [`crate::volume::Volume::is_drained`].
    Drained(DeviceId),
    /// Any event, see [`crate::host::Host::changed`].
    Changed,
}
