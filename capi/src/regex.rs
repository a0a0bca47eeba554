//! `dm_regex_*`.
