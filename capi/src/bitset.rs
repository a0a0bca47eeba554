//! `dm_bitset_*`, `dm_bit_*`.
//!
//! A set of N bits is a word that holds N and `N / 32 + 1` words of bits; clients change the bits themselves.

use std::ffi::{c_char, c_int};
use std::ptr;

use libdevmapper::bitset::{self, Bitset};
use libdevmapper::log_debug;

use crate::malloc;
use crate::pool::{self, dm_pool};

/// A set: the number of bits, then the bits.
pub type dm_bitset_t = *mut u32;

/// The words of a set.
///
/// # Safety
/// `bs` is a set that lives and stays unchanged for `'a`.
unsafe fn data<'a>(bs: dm_bitset_t) -> &'a [u32] {
    // SAFETY: by contract the set has as many words as its first one says.
    unsafe { std::slice::from_raw_parts(bs.add(1), bitset::words(*bs as usize)) }
}

/// An empty set.
///
/// # Safety
/// `mem` is NULL or a living pool that no one else uses now.
unsafe fn create(mem: *mut dm_pool, bits: usize) -> dm_bitset_t {
    let size = (bitset::words(bits) + 1) * size_of::<u32>();
    let set = if mem.is_null() {
        malloc::zeroed(size)
    } else {
        // SAFETY: by contract.
        unsafe { pool::zalloc(mem, size) }
    };
    let set = set.cast::<u32>();
    if !set.is_null() {
        // SAFETY: the memory is ours and has this word.
        unsafe { set.write(bits as u32) };
    }
    set
}

/// A set with the members of a list.
///
/// # Safety
/// `str` is a C string; `mem` as for [`create`].
unsafe fn parse_list(str: *const c_char, mem: *mut dm_pool, min_bits: usize) -> dm_bitset_t {
    // SAFETY: by contract.
    unsafe {
        let list = crate::entry::bytes(str).unwrap_or_default();
        // The number of bits has to fit into its word.
        let parsed = if min_bits > u32::MAX as usize {
            None
        } else {
            Bitset::parse(list, min_bits).ok()
        };
        let Some(parsed) = parsed else { return ptr::null_mut() };
        let set = create(mem, parsed.len());
        if set.is_null() {
            log_debug!("No memory for a set of {} bits.", parsed.len());
        } else {
            let words = parsed.as_words();
            set.add(1).copy_from_nonoverlapping(words.as_ptr(), words.len());
        }
        set
    }
}

/// A bit number for C, -1 for none.
fn number(bit: Option<usize>) -> c_int {
    bit.map_or(-1, |bit| bit as c_int)
}

/// Combines word by word; the output may be one of the inputs.
///
/// # Safety
/// `out` and `in2` have as many words as `in1` says.
unsafe fn combine(out: dm_bitset_t, in1: dm_bitset_t, in2: dm_bitset_t, op: impl Fn(u32, u32) -> u32) {
    // SAFETY: by contract; single words are read and written, so that overlap does no harm.
    unsafe {
        for i in 1..=bitset::words(*in1 as usize) {
            *out.add(i) = op(*in1.add(i), *in2.add(i));
        }
    }
}

c_api! {
    /// An empty set, from a pool or, with NULL, from malloc.
    fn dm_bitset_create(mem: *mut dm_pool, num_bits: u32) -> dm_bitset_t {
        // SAFETY: the caller's contract is the same.
        unsafe { create(mem, num_bits as usize) }
    }

    /// Releases a set from malloc.
    fn dm_bitset_destroy(bs: dm_bitset_t) -> () {
        // SAFETY: the caller passes NULL or a set from malloc.
        unsafe { libc::free(bs.cast()) }
    }

    /// 1 if all words of the two sets are the same, as many as the first has.
    fn dm_bitset_equal(in1: dm_bitset_t, in2: dm_bitset_t) -> c_int {
        required!(dm_bitset_equal: in1, in2 => 0);
        // SAFETY: the caller passes two sets of one size.
        unsafe {
            let words = data(in1);
            c_int::from(words == std::slice::from_raw_parts(in2.add(1), words.len()))
        }
    }

    /// Intersection.
    fn dm_bit_and(out: dm_bitset_t, in1: dm_bitset_t, in2: dm_bitset_t) -> () {
        required!(dm_bit_and: out, in1, in2);
        // SAFETY: the caller passes three sets of one size.
        unsafe { combine(out, in1, in2, |a, b| a & b) }
    }

    /// Union.
    fn dm_bit_union(out: dm_bitset_t, in1: dm_bitset_t, in2: dm_bitset_t) -> () {
        required!(dm_bit_union: out, in1, in2);
        // SAFETY: the caller passes three sets of one size.
        unsafe { combine(out, in1, in2, |a, b| a | b) }
    }

    /// The lowest set bit, or -1.
    fn dm_bit_get_first(bs: dm_bitset_t) -> c_int {
        required!(dm_bit_get_first: bs => -1);
        // SAFETY: the caller passes a set.
        unsafe { number(bitset::next(data(bs), *bs as usize, 0)) }
    }

    /// The lowest set bit above `last_bit`, or -1.
    fn dm_bit_get_next(bs: dm_bitset_t, last_bit: c_int) -> c_int {
        required!(dm_bit_get_next: bs => -1);
        // SAFETY: the caller passes a set.
        unsafe { number(bitset::next(data(bs), *bs as usize, usize::try_from(last_bit).map_or(0, |bit| bit + 1))) }
    }

    /// The highest set bit, or -1. The search starts in the padding, at the bit behind the last one.
    fn dm_bit_get_last(bs: dm_bitset_t) -> c_int {
        required!(dm_bit_get_last: bs => -1);
        // SAFETY: the caller passes a set.
        unsafe { number(bitset::previous(data(bs), *bs as usize)) }
    }

    /// The highest set bit below `last_bit`, or -1.
    fn dm_bit_get_prev(bs: dm_bitset_t, last_bit: c_int) -> c_int {
        required!(dm_bit_get_prev: bs => -1);
        let from = usize::try_from(last_bit).ok().and_then(|bit| bit.checked_sub(1));
        // SAFETY: the caller passes a set.
        from.map_or(-1, |from| number(bitset::previous(unsafe { data(bs) }, from)))
    }

    /// Reads a list such as "1-3,7".
    fn dm_bitset_parse_list(str: *const c_char, mem: *mut dm_pool, min_num_bits: usize) -> dm_bitset_t {
        required!(dm_bitset_parse_list: str => ptr::null_mut());
        // SAFETY: the caller's contract is the same.
        unsafe { parse_list(str, mem, min_num_bits) }
    }

    /// `dm_bitset_parse_list` before it had a least size.
    fn dm_bitset_parse_list__DM_1_02_129(str: *const c_char, mem: *mut dm_pool) -> dm_bitset_t {
        required!(dm_bitset_parse_list__DM_1_02_129: str => ptr::null_mut());
        // SAFETY: the caller's contract is the same.
        unsafe { parse_list(str, mem, 0) }
    }
}
