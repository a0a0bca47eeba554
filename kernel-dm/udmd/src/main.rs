//! Userspace host of the device-mapper engine.

// The control path that uses the rest comes next.
#![allow(dead_code, unused_imports)]

mod buffer;
mod closer;
mod component;
mod engine;
mod fuse;
mod log;
mod loopdev;
mod nodes;
mod present;

fn main() {}
