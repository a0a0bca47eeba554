//! Memory: `dm_malloc_wrapper` and friends.
