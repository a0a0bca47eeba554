//! The control protocols of device-mapper as checked types, shared by the library and the engine.
//!
//! Everything here is `no_std`, allocates nothing that the caller did not ask for, and never panics on any bytes.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod errno;
pub mod ioctl;
pub mod plist;
