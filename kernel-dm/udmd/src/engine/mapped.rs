//! One mapped device on the data path.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dm_abi::errno::Errno;
use dm_core::host::{DeviceId, SharedTable};
use dm_core::volume::{Enter, Volume};

use crate::component::Handle;

/// The gate, the live table and what is held back.
#[derive(Debug)]
pub struct Mapped {
    /// The engine's identity of the device.
    pub id: DeviceId,
    gate: Mutex<Gate>,
    held: AtomicUsize,
}

#[derive(Debug, Default)]
struct Gate {
    volume: Volume<Handle>,
    /// The device is being removed: what would be held fails instead, so that the removal does not wait for it.
    failing: bool,
}

/// Whether a request may go on.
#[derive(Debug)]
pub enum Entry {
    /// With this table; [`Mapped::exit`] when it is complete.
    Go(SharedTable<Handle>),
    /// Not now.
    Hold,
    /// Never.
    Fail(Errno),
}

/// What a change of the volume means for the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The gate was opened: what is held may go on.
    pub opened: bool,
    /// The gate was closed: nothing may be delayed any more.
    pub closed: bool,
}

impl Mapped {
    /// A device without a table.
    #[must_use]
    pub fn new(id: DeviceId) -> Self {
        Self {
            id,
            gate: Mutex::default(),
            held: AtomicUsize::new(0),
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request in, or not.
    #[must_use]
    pub fn enter(&self) -> Entry {
        let mut gate = self.gate();
        match gate.volume.enter() {
            Enter::Go(table) => Entry::Go(table),
            Enter::Hold if !gate.failing => Entry::Hold,
            Enter::Hold | Enter::NoTable => Entry::Fail(Errno::EIO),
        }
    }

    /// A request that was let in is complete, and has let go of the table. True when somebody waits for that.
    #[must_use]
    pub fn exit(&self) -> bool {
        self.gate().volume.exit()
    }

    /// Runs `f` on the volume.
    pub fn with<R>(&self, f: impl FnOnce(&mut Volume<Handle>) -> R) -> (R, Change) {
        let mut gate = self.gate();
        let was_closed = gate.volume.is_closed();
        let result = f(&mut gate.volume);
        let closed = gate.volume.is_closed();
        let change = Change {
            opened: was_closed && !closed,
            closed: closed && !was_closed,
        };
        (result, change)
    }

    /// Whether the gate is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.gate().volume.is_closed()
    }

    /// Sets whether requests fail that would be held.
    pub fn set_failing(&self, on: bool) {
        self.gate().failing = on;
    }

    /// A request is held back (`true`) or not any more.
    pub fn count_held(&self, on: bool) {
        if on {
            self.held.fetch_add(1, Ordering::Relaxed);
        } else {
            self.held.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Number of requests that are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dm_core::table::{Line, Table};
    use dm_core::targets::args::Given;

    use super::*;

    fn table() -> SharedTable<Handle> {
        let line = Line {
            start: 0,
            length: 8,
            kind: b"zero",
            params: b"",
        };
        Arc::new(Table::build(&mut |_, _| Err(Errno::ENXIO), [line], false, Given::at(0)).unwrap())
    }

    #[test]
    fn changes_of_the_gate_are_noticed() {
        let device = Mapped::new(DeviceId(1));
        assert!(matches!(device.enter(), Entry::Fail(Errno::EIO)));
        let (_, change) = device.with(|volume| volume.swap(Some(table())));
        assert_eq!(
            change,
            Change {
                opened: false,
                closed: false
            }
        );
        assert!(matches!(device.enter(), Entry::Go(_)));
        let ((), change) = device.with(Volume::close);
        assert_eq!(
            change,
            Change {
                opened: false,
                closed: true
            }
        );
        assert!(matches!(device.enter(), Entry::Hold));
        assert!(device.exit());
        let ((), change) = device.with(Volume::open);
        assert_eq!(
            change,
            Change {
                opened: true,
                closed: false
            }
        );
    }

    #[test]
    fn what_would_wait_for_a_removal_fails() {
        let device = Mapped::new(DeviceId(1));
        let _ = device.with(|volume| volume.swap(Some(table())));
        let _ = device.with(Volume::close);
        assert!(matches!(device.enter(), Entry::Hold));
        device.set_failing(true);
        assert!(matches!(device.enter(), Entry::Fail(Errno::EIO)));
    }
}
