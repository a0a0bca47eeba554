#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dm_fuzz::run("c_devices", bytes));
