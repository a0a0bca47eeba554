//! One request to the driver and its reply.
