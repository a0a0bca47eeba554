//! Directories, uuid prefix, name mangling.
