//! Presentation by a FUSE file under a loop device.
//!
//! One device is one FUSE connection, because the number of requests under way, and so what a suspended device may hold
//! back, is counted per connection. Its only file is mounted nowhere; the loop device alone has it open.

mod abi;
mod channel;
mod device;
mod mount;
mod spares;

pub use device::FuseLoop;
