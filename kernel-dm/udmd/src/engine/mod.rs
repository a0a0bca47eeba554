//! The data path: from the requests that come in to the components and back.

mod mapped;
mod notify;
mod own;
mod pieces;
mod reactor;
mod request;
mod ring;
#[cfg(test)]
mod tests;
mod transform;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use dm_core::host::DeviceId;

pub use mapped::Mapped;
pub use notify::{Notifier, Waiter};
pub use own::Locked;
pub use reactor::{Inbox, Message, Raised, spawn};

/// What the threads of the data path and those of the control path share.
#[derive(Debug, Default)]
pub struct Shared {
    devices: RwLock<HashMap<DeviceId, Arc<Mapped>>>,
    /// Those of the threads of the data path, in order.
    inboxes: RwLock<Vec<Arc<Inbox>>>,
    /// Wakes those who wait for events or for a device to drain.
    pub notifier: Notifier,
}

impl Shared {
    /// The device with an identity.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<Arc<Mapped>> {
        self.devices
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// The inbox of a thread of the data path.
    #[must_use]
    pub fn inbox(&self, thread: usize) -> Option<Arc<Inbox>> {
        self.inboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(thread)
            .cloned()
    }

    /// Adds the inbox of a further thread of the data path, and gives its number.
    fn add_inbox(&self, inbox: Arc<Inbox>) -> u64 {
        let mut inboxes = self.inboxes.write().unwrap_or_else(PoisonError::into_inner);
        inboxes.push(inbox);
        inboxes.len() as u64 - 1
    }

    /// Adds a device.
    pub fn insert(&self, device: Arc<Mapped>) {
        self.devices
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(device.id, device);
    }

    /// Forgets a device.
    pub fn forget(&self, id: DeviceId) {
        self.devices.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// Milliseconds of the machine's monotonic clock, which goes on when one daemon takes over from another.
#[must_use]
pub fn now_ms() -> u64 {
    let Ok(now) = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC) else {
        return 0;
    };
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec()).unwrap_or(0);
    seconds * 1000 + nanos / 1_000_000
}
