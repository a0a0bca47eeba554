//! The property-list protocol of NetBSD's dm(4).
//!
//! A request is an XML property list in proplib's externalised form: one dictionary, described in [`request`]. The reply
//! is that dictionary with the answer's keys put in or replaced ([`reply`]). It travels by one ioctl,
//! `_IOWR(0xfd, 0, struct plistref)`, or, framed, over a socket. Where the keys come from: observation of the stock
//! driver (NetBSD 7.99 and 10.99) from outside, and its reading.
//!
//! Both sides of the translation between this and `struct dm_ioctl` are here, so that one engine and one library speak
//! both: [`serve`] for an engine, [`ask`] for a library.
//!
//! ```text
//! library: dm_ioctl buffer -- ask::encode --> XML -- serve::Served::begin --> dm_ioctl buffer: engine
//!          dm_ioctl buffer <-- ask::decode -- XML <-- serve::Served::end  --  dm_ioctl buffer
//! ```
//!
//! # What our driver adds
//! The stock driver answers every well-formed request with success; ours fails the ioctl with the engine's errno. It
//! takes the further commands of [`word`], and it adds to each reply the key [`key::ENGINE`], which tells the two apart:
//! the stock driver never makes a key of that name up.

pub mod ask;
mod read;
pub mod reply;
pub mod request;
pub mod serve;
mod value;
mod word;
mod write;

#[cfg(test)]
mod tests;

pub use read::{Error, parse};
pub use reply::{Answer, Reply};
pub use request::{Fields, Payload, Request};
pub use value::{Dict, Number, Value};
pub use word::{Word, word};
pub use write::write;

/// The longest request that older stock drivers take, in bytes; newer ones take twice as much.
pub const STOCK_MAX_REQUEST: usize = 64 << 10;
/// The longest property list that our driver and library take, in bytes.
pub const MAX_LENGTH: usize = 16 << 20;
/// The longest request that our driver takes, in bytes.
pub const MAX_REQUEST: usize = 1 << 20;
/// How deep values may be nested; the protocol needs 4.
pub const MAX_DEPTH: usize = 8;

/// The ioctl number on NetBSD/LP64: `_IOWR(0xfd, 0, struct plistref)`, where the struct is a pointer and a length.
pub const IOCTL: u32 = 0xc010_fd00;

/// Names of the dictionary's keys.
pub mod key {
    /// What is asked, a string.
    pub const COMMAND: &[u8] = b"command";
    /// Three integers. In: what the client needs. Out, of the command `version`: what the driver is.
    pub const VERSION: &[u8] = b"version";
    /// A device's name, a string.
    pub const NAME: &[u8] = b"name";
    /// A device's UUID, a string.
    pub const UUID: &[u8] = b"uuid";
    /// A device's minor number.
    pub const MINOR: &[u8] = b"minor";
    /// Its major number; ours alone.
    pub const MAJOR: &[u8] = b"major";
    /// See [`crate::ioctl::flag`].
    pub const FLAGS: &[u8] = b"flags";
    /// An event number or a udev cookie.
    pub const EVENT_NR: &[u8] = b"event_nr";
    /// Opens of the device.
    pub const OPEN_COUNT: &[u8] = b"open_count";
    /// Lines of the table.
    pub const TARGET_COUNT: &[u8] = b"target_count";
    /// The payload, an array.
    pub const DATA: &[u8] = b"cmd_data";
    /// Of a table line: the target type.
    pub const TYPE: &[u8] = b"type";
    /// Of a table line: first sector.
    pub const START: &[u8] = b"start";
    /// Of a table line: sectors.
    pub const LENGTH: &[u8] = b"length";
    /// Of a table line: parameters, or the status.
    pub const PARAMS: &[u8] = b"params";
    /// Of a table line: 0.
    pub const STATUS: &[u8] = b"status";
    /// Of a listed device: its minor number.
    pub const DEV: &[u8] = b"dev";
    /// Of a listed target type: three integers.
    pub const TYPE_VERSION: &[u8] = b"ver";
    /// Of a message: the sector of the target.
    pub const SECTOR: &[u8] = b"sector";
    /// Of a message: its text.
    pub const MESSAGE: &[u8] = b"message";
    /// In replies of our driver: its name.
    pub const ENGINE: &[u8] = b"engine";
}

/// The value of [`key::ENGINE`].
pub const ENGINE: &[u8] = b"kernel-dm";
