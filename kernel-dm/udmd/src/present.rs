//! What the daemon needs of the way in which its devices become block devices of the machine.
//!
//! There is one such way now, [`crate::fuse`] under a loop device. Where the kernel has ublk, that belongs behind the same traits.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use dm_abi::errno::Errno;
use dm_core::host::{DevNo, Limits};
use dm_core::io::Bio;

use crate::buffer::Buffer;

/// Names a request until it is answered; answered exactly once.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// The presentation's number of the request.
    pub unique: u64,
    /// Bytes that it carries or wants.
    pub len: u32,
    /// What the answer consists of.
    pub answer: Answer,
}

/// What the answer to a request consists of, if it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The data that was read.
    Data,
    /// The number of bytes that were written.
    Count,
    /// Nothing.
    Empty,
}

/// The outcome of [`Channel::receive`].
#[derive(Debug)]
pub enum Received {
    /// There is no request now.
    Nothing,
    /// There was something that the channel itself has dealt with.
    Handled,
    /// A request. The data of a write is in the payload of the buffer.
    Io {
        /// Comes back with the answer.
        token: Token,
        /// What is wanted.
        bio: Bio,
        /// For [`dm_core::io::Op::WriteZeroes`]: the storage behind may be given up.
        unmap: bool,
    },
    /// The device is gone and there will never be a request again.
    Gone,
}

/// The outcome of [`Channel::reply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer is on its way.
    Sent,
    /// The answer is in the buffer: it begins `head` bytes before the payload and ends after `len` bytes of it.
    InBuffer {
        /// Bytes before the payload.
        head: usize,
        /// Bytes of the payload.
        len: usize,
    },
}

/// The road on which the requests to one device come in. It belongs to the thread that serves the device.
pub trait Channel: Send + Sync {
    /// Readable when there may be a request.
    fn poll_fd(&self) -> BorrowedFd<'_>;

    /// Takes the next request without waiting.
    fn receive(&self, landing: &mut Buffer) -> Received;

    /// Answers a request. `data` is the request's buffer, with what was read; the answer may be left in it for the caller
    /// to write to [`Channel::poll_fd`], many of them with one system call.
    fn reply(&self, token: Token, result: Result<(), Errno>, data: Option<&mut Buffer>) -> Reply;

    /// Takes note of how the write of a [`Reply::InBuffer`] ended; `result` is that of write(2), negative for an error number.
    fn replied(&self, result: i32);
}

/// One block device of the machine. Its methods may wait for requests to its channel, so they are never called by the
/// thread that serves it.
pub trait Device: Send + Sync {
    /// Its number.
    fn dev(&self) -> DevNo;

    /// The road of its requests.
    fn channel(&self) -> Arc<dyn Channel>;

    /// Sets size and access; `None` takes the size to 0. Does not wait for requests of others, which may be held.
    ///
    /// # Errors
    /// What keeps the machine from it.
    fn configure(&self, limits: Option<Limits>) -> Result<(), Errno>;

    /// Whether [`Device::settle`] has something to do.
    fn is_unsettled(&self, limits: Limits) -> bool;

    /// Sets what cannot change while requests are held, such as the block size. Called when the gate has opened; may wait
    /// for requests.
    fn settle(&self, limits: Limits);

    /// Ends the device.
    ///
    /// # Errors
    /// EBUSY when somebody has it open; then nothing has changed.
    fn remove(&self) -> Result<(), Errno>;

    /// The descriptor that keeps the device alive while the daemon is gone.
    fn lifeline(&self) -> BorrowedFd<'_>;

    /// Lets the requests come in again that an earlier daemon had read and not answered.
    ///
    /// # Errors
    /// ENODEV when the device does not exist any more.
    fn resend(&self) -> Result<(), Errno>;
}

/// Makes block devices.
pub trait Presentation: Send + Sync {
    /// Ends what an earlier daemon has left and nobody took over; `keep` was taken over. Whoever still uses one of them
    /// gets errors, as before.
    fn remove_leftovers(&self, keep: &[DevNo]);

    /// The daemon ends: undoes what no device needs.
    fn end(&self);

    /// Makes a device of size 0. Its channel must be served as soon as `serve` was called with it: the rest of the work
    /// may wait for answers.
    ///
    /// # Errors
    /// ENXIO when `minor` is in use; what keeps the machine from making one.
    fn create(&self, minor: Option<u32>, serve: &mut dyn FnMut(Arc<dyn Channel>)) -> Result<Arc<dyn Device>, Errno>;

    /// Takes over a device that an earlier daemon made, by its lifeline and its number. Requests that the earlier daemon
    /// had not answered arrive again after [`Device::resend`].
    ///
    /// # Errors
    /// ENODEV when it does not exist any more.
    fn adopt(&self, lifeline: OwnedFd, dev: DevNo, limits: Option<Limits>) -> Result<Arc<dyn Device>, Errno>;
}
