//! Shared helpers of the comparison tests.

pub mod oracle;
pub mod requests;
pub mod sequences;
