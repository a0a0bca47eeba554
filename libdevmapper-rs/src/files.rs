//! Files and directories: create, lock, buffered output, empty checks.
