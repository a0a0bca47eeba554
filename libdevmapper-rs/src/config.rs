//! Configuration trees: parse, find, change, write.
