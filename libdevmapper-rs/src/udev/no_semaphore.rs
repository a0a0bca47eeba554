//! The semaphores of cookies on systems without udev: there are none, so no cookie is ever made or found.

use crate::error::{Error, Result};

/// Whether there are semaphores to wait for udev with.
pub(super) fn are_available() -> bool {
    false
}

/// The semaphore of a cookie; no value of this type exists.
#[derive(Debug)]
pub(super) enum Semaphore {}

fn refused<T>() -> Result<T> {
    let message = "There are no udev cookies on this system.";
    crate::log_error!("{message}");
    Err(Error::Invalid(message.into()))
}

impl Semaphore {
    pub(super) fn create() -> Result<Self> {
        refused()
    }

    pub(super) fn open(_cookie: u32) -> Result<Self> {
        refused()
    }

    pub(super) fn cookie(&self) -> u32 {
        match *self {}
    }

    pub(super) fn value(&self) -> Result<i32> {
        match *self {}
    }

    pub(super) fn increment(&self) -> Result<()> {
        match *self {}
    }

    pub(super) fn decrement(&self) -> Result<()> {
        match *self {}
    }

    pub(super) fn wait_for_zero(&self) -> Result<()> {
        match *self {}
    }

    pub(super) fn destroy(&self) -> Result<()> {
        match *self {}
    }
}
