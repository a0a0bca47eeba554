//! The C ABI of libdevmapper 1.02: `extern "C"` functions and C structs, one file per header section.
//!
//! Conversion only: the logic is in `libdevmapper`. What is not implemented yet is absent from the symbol map.
#![allow(non_camel_case_types, reason = "C names are kept")]
#![allow(clippy::cast_possible_truncation, reason = "C integer types are what the ABI says")]

#[macro_use]
pub mod entry;

pub mod bitset;
pub mod config;
pub mod files;
pub mod hash;
pub mod list;
pub mod log;
pub mod malloc;
pub mod pool;
pub mod regex;
pub mod report;
pub mod settings;
pub mod stats;
pub mod status;
pub mod string;
pub mod task;
pub mod timestamp;
pub mod tree;
pub mod udev;
pub mod units;
