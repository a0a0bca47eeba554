//! `dm_stats_*`.
