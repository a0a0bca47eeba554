//! The device-mapper engine as NetBSD's dm(4) driver: what stands between `dm-core` and the C half in `sys/`.
//!
//! The C half is called by the kernel and calls `dmrs_*` here; this half calls `dmk_*` there ([`hooks`]). Both sides of
//! that border are declared once more in `sys/dm_glue.h`.
//! * [`cipher`]: AES for target crypt.
//! * [`control`]: requests of both protocols, with their waits.
//! * [`host`]: what the engine asks of the kernel.
//! * [`data`]: the data path.
//! * [`own`]: machines of targets, their locks and their I/O.
#![no_std]

extern crate alloc;

mod cipher;
mod control;
mod data;
mod errno;
mod hooks;
mod host;
mod own;
#[cfg(feature = "kernel")]
mod runtime;
