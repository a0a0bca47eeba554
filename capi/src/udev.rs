//! Udev cookies.
