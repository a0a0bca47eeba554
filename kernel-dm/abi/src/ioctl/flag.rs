//! Bits of the header's `flags`.

/// In: the table to load is read-only. Out: the table is.
pub const READONLY: u32 = 1 << 0;
/// In: suspend (clear: resume). Out: the device is suspended.
pub const SUSPEND: u32 = 1 << 1;
/// The library's own; comes back as it was sent.
pub const EXISTS: u32 = 1 << 2;
/// In: `dev` holds the minor number that a new device is to get.
pub const PERSISTENT_DEV: u32 = 1 << 3;
/// In: the table instead of the status.
pub const STATUS_TABLE: u32 = 1 << 4;
/// Out: there is a live table.
pub const ACTIVE_PRESENT: u32 = 1 << 5;
/// Out: there is an inactive table.
pub const INACTIVE_PRESENT: u32 = 1 << 6;
/// Out: the buffer was too small for the payload.
pub const BUFFER_FULL: u32 = 1 << 8;
/// In: the open count does not matter.
pub const SKIP_BDGET: u32 = 1 << 9;
/// In: suspend without freezing the filesystem.
pub const SKIP_LOCKFS: u32 = 1 << 10;
/// In: suspend without freezing the filesystem or flushing what targets queue.
pub const NOFLUSH: u32 = 1 << 11;
/// In: the inactive table instead of the live one.
pub const QUERY_INACTIVE_TABLE: u32 = 1 << 12;
/// Out: a uevent was sent.
pub const UEVENT_GENERATED: u32 = 1 << 13;
/// In: rename sets the UUID; lists carry UUIDs.
pub const UUID: u32 = 1 << 14;
/// In: the buffer holds secrets, wipe it.
pub const SECURE_DATA: u32 = 1 << 15;
/// Out: a message was answered.
pub const DATA_OUT: u32 = 1 << 16;
/// In: remove when nobody uses it any more. Out: that will happen.
pub const DEFERRED_REMOVE: u32 = 1 << 17;
/// Out: suspended by the kernel itself.
pub const INTERNAL_SUSPEND: u32 = 1 << 18;
/// In: the table's measurement.
pub const IMA_MEASUREMENT: u32 = 1 << 19;
