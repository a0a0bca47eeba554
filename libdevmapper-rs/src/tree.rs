//! The dependency tree: preload, suspend, resume, activate, deactivate in the right order.
