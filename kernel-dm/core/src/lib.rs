//! The device-mapper engine: control requests in, replies out; I/O in, pieces of work out.
//!
//! The engine knows no kernel, no clock, no thread and no file. It has two halves:
//! * [`control::Control`], the registry of devices and tables. A host keeps it behind one lock that may sleep.
//! * [`volume::Volume`], the data path of one mapped device: its suspend gate and its live table. A host keeps each
//!   behind a short lock of its own, and maps requests through [`table::Table::pieces`] without any lock.
//!
//! What the engine needs of its host is the trait [`host::Host`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod cipher;
pub mod control;
pub mod dust;
pub mod host;
pub mod io;
pub mod log_writes;
pub mod machine;
pub mod mirrors;
pub mod secret;
pub mod snapshots;
pub mod table;
pub mod targets;
pub mod volume;
