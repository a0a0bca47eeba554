//! Shared helpers of the comparison tests.

pub mod data;
pub mod data_targets;
pub mod engine;
pub mod library;
pub mod matrix;
pub mod oracle;
pub mod requests;
pub mod rump;
pub mod sequences;
pub mod serve;
