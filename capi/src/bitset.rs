//! `dm_bitset_*`, `dm_bit_*`.
