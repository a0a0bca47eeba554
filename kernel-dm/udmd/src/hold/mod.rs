//! The descriptor holder: a small process that keeps the devices alive while the daemon is gone.
//!
//! It has a duplicate of the descriptor of every device, and the engine's state as last saved. When the daemon dies, the
//! requests to its devices wait in the kernel until another daemon has fetched both and goes on.

mod client;
mod process;
mod wire;

pub use client::Holder;
pub use process::run;
