//! Shared helpers of the comparison tests.
