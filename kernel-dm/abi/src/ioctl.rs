//! `struct dm_ioctl` (312 bytes) and the records behind it.
