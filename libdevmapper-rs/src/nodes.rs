//! The queue of device-node operations below the dm directory.
