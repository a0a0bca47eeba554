//! The target types, one file each.

/// The target of one segment.
#[derive(Debug)]
pub enum Target {}
