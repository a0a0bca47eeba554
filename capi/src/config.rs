//! `dm_config_*`.
