//! `dm_hash_*`.
