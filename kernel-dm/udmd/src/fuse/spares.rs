//! Loop devices that are bound to nothing for a moment.
//!
//! The kernel takes some 50 ms to delete one and 20 ms to set up a new one, while tools remove and create devices in quick
//! succession. So one is deleted only when it was not used again for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno as Sys;

use crate::log;
use crate::loopdev;

/// How long one is kept.
const KEEP: Duration = Duration::from_millis(500);

/// The numbers of such loop devices, and when they are to be deleted.
#[derive(Debug, Default)]
pub struct Spares {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    due: BTreeMap<u32, Instant>,
    sweeping: bool,
}

impl Spares {
    /// Has a loop device deleted that is bound to nothing any more, if it stays so.
    pub fn add(&self, index: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.due.insert(index, Instant::now() + KEEP);
        if !state.sweeping {
            let theirs = self.state.clone();
            let started = std::thread::Builder::new()
                .name("udmd-spares".into())
                .spawn(move || sweep(&theirs));
            state.sweeping = started.is_ok();
        }
    }

    /// A loop device is bound again.
    pub fn used(&self, index: u32) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .due
            .remove(&index);
    }

    /// Deletes all now.
    pub fn clear(&self) {
        let due = std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).due);
        due.into_keys().for_each(delete);
    }
}

fn sweep(state: &Mutex<State>) {
    loop {
        std::thread::sleep(KEEP / 2);
        let now = Instant::now();
        let mut locked = state.lock().unwrap_or_else(PoisonError::into_inner);
        if locked.due.is_empty() {
            locked.sweeping = false;
            return;
        }
        let due: Vec<u32> = locked
            .due
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(&index, _)| index)
            .collect();
        for index in due {
            locked.due.remove(&index);
            drop(locked);
            delete(index);
            locked = state.lock().unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Deletes a loop device if it is bound to nothing. Whoever looks at it just now, such as udev, is waited for a little.
pub fn delete(index: u32) {
    for _ in 0..20 {
        match loopdev::delete(index) {
            Err(Sys::EBUSY) if loopdev::is_bound(index) => return,
            Err(Sys::EBUSY) => std::thread::sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
    log!("/dev/loop{index} is unbound and could not be deleted: somebody has it open");
}
