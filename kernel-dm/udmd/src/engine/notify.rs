//! Waking those who wait for something to change.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// Wakes all waiters at every change; they look for themselves whether it concerns them.
#[derive(Debug, Default)]
pub struct Notifier {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiters: HashMap<u64, Arc<EventFd>>,
}

impl Notifier {
    /// Wakes everybody.
    pub fn notify(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for waiter in state.waiters.values() {
            // A full counter is readable as well.
            let _ = waiter.write(1);
        }
    }

    /// From now on changes are noticed by the waiter, until it is dropped.
    ///
    /// # Errors
    /// EMFILE and the like.
    pub fn waiter(&self) -> nix::Result<Waiter<'_>> {
        let event = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let key = state.next;
        state.next += 1;
        state.waiters.insert(key, event.clone());
        Ok(Waiter {
            notifier: self,
            key,
            event,
        })
    }
}

/// Notices changes.
#[derive(Debug)]
pub struct Waiter<'n> {
    notifier: &'n Notifier,
    key: u64,
    event: Arc<EventFd>,
}

impl Waiter<'_> {
    /// Readable when something changed since the last [`Waiter::clear`].
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Forgets the changes so far. To be called before looking at what they may have changed.
    pub fn clear(&self) {
        let _ = self.event.read();
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.notifier
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .waiters
            .remove(&self.key);
    }
}
