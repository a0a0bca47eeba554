//! `dm_pool_*`: arenas that C programs allocate from.
