//! Fixed-point percentages.
