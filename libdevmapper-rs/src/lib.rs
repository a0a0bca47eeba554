//! The device-mapper library in safe Rust: what `libdevmapper` offers to C programs, without its C conventions.
//!
//! One module per subject. Byte strings (`&[u8]`, [`bstr::BStr`]) are used wherever a name, a parameter line or a
//! configuration text may hold arbitrary bytes.
#![deny(unsafe_code)]

pub mod bitset;
pub mod config;
pub mod errno;
pub mod error;
pub mod files;
pub mod hash;
pub mod library;
pub mod log;
pub mod mangle;
pub mod nodes;
pub mod percent;
pub mod regex;
pub mod report;
pub mod settings;
pub mod stats;
pub mod status;
pub mod string;
pub mod sysfs;
pub mod table;
pub mod task;
pub mod timestamp;
pub mod transport;
pub mod tree;
pub mod udev;
pub mod units;
mod wiped;

pub use error::Error;
