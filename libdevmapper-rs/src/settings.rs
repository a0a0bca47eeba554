//! Process-wide settings: directories, uuid prefix, mangling mode.
