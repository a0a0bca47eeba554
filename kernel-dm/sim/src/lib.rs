//! Test host of the engine.
