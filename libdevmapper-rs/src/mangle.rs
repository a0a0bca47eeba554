//! Mangling of device names and uuids (`\\xNN`).
