//! `dm_timestamp_*`.
