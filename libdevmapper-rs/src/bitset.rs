//! Sets of small numbers, and their list notation (`1-3,7`).
