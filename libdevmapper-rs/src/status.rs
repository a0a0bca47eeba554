//! Status lines of the targets, parsed.
