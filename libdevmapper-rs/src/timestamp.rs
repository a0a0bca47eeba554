//! Monotonic timestamps.
