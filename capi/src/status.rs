//! `dm_get_status_*` and target helpers.
