//! `dm_list_*`.
