//! Sizes with units.
