//! Log functions and their data symbols.
