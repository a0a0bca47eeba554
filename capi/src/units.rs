//! Sizes with units, percentages.
