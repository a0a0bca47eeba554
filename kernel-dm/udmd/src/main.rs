//! Userspace host of the device-mapper engine.
fn main() {}
