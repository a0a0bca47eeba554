//! Test host of the engine: RAM disks that fail on demand, virtual time, work in any order, and a reference model.
//!
//! [`Sim`] implements [`dm_core::host::Host`]. Requests with data go in by [`Sim::submit`] or [`Sim::io`], through the
//! gates and tables of stacked devices, to [`Disk`]s. [`model::Model`] says what must come out.

pub mod disk;
pub mod host;
pub mod io;
pub mod model;
pub mod numbered;
pub mod random;
pub mod stock;

pub use disk::{Disk, SECTOR};
pub use host::Sim;
pub use io::RequestId;
pub use random::Random;
