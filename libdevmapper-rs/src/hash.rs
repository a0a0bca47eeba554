//! Hash tables with binary keys.
