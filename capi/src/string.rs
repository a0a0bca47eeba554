//! Strings and names.
