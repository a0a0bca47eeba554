//! `dm_tree_*`.
