//! `dm_task_*` and device queries.
