//! `dm_report_*`.
