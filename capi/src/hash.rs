//! `dm_hash_*`: the table itself is here, since clients hold its nodes and pointers to its keys.
//!
//! Nodes are in chains by hash, the newest of equal keys first, and in one list in the order in which they came, which
//! iteration follows: it touches each node once and does not care about a growing table. The list is linked one way, so
//! that nodes are small. A node that is removed leaves its chain; its memory goes when it is the oldest, or when more nodes
//! are removed than are left.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;

use libdevmapper::log_error;

/// A new table has at least as many chains.
const MIN_CHAINS: usize = 16;
/// However many entries are expected, a new table has no more; it grows as they come.
const MAX_NEW_CHAINS: usize = 1 << 20;

/// An entry (opaque to C); its key follows.
#[repr(C)]
pub struct dm_hash_node {
    /// The node itself, when it was removed.
    next_in_chain: *mut dm_hash_node,
    newer: *mut dm_hash_node,
    data: *const c_void,
    key_len: u32,
    /// Length of what `data` points to, if it is one of several values of the key; else 0.
    value_len: u32,
}

/// Where the key begins.
const KEY: usize = size_of::<dm_hash_node>();

/// A table (opaque to C).
pub struct dm_hash_table {
    /// A power of two.
    chains: Vec<*mut dm_hash_node>,
    entries: usize,
    /// Removed nodes that are still in the list.
    removed: usize,
    /// Not a removed one.
    oldest: *mut dm_hash_node,
    newest: *mut dm_hash_node,
}

impl dm_hash_node {
    /// The key's bytes.
    ///
    /// # Safety
    /// `node` is a living node.
    unsafe fn key<'a>(node: *const Self) -> &'a [u8] {
        // SAFETY: the key lies behind the node's fields.
        unsafe { std::slice::from_raw_parts(node.cast::<u8>().add(KEY), (*node).key_len as usize) }
    }

    /// Whether a node was removed and only its memory is left.
    ///
    /// # Safety
    /// `node` is in a list.
    unsafe fn removed(node: *mut Self) -> bool {
        // SAFETY: nodes in a list were not freed.
        unsafe { (*node).next_in_chain == node }
    }

    /// The next node of the list that was not removed; NULL at the end.
    ///
    /// # Safety
    /// `node` is in a list.
    unsafe fn next(node: *mut Self) -> *mut Self {
        // SAFETY: nodes in a list were not freed.
        unsafe {
            let mut next = (*node).newer;
            while !next.is_null() && Self::removed(next) {
                next = (*next).newer;
            }
            next
        }
    }
}

impl dm_hash_table {
    fn new(hint: usize) -> Self {
        let chains = hint.clamp(MIN_CHAINS, MAX_NEW_CHAINS).next_power_of_two();
        Self {
            chains: vec![ptr::null_mut(); chains],
            entries: 0,
            removed: 0,
            oldest: ptr::null_mut(),
            newest: ptr::null_mut(),
        }
    }

    fn chain(&self, hash: u32) -> usize {
        hash as usize & (self.chains.len() - 1)
    }

    /// The place of the pointer to the first node with this key that `wanted` takes; a pointer to NULL at the chain's end.
    fn find(&mut self, hash: u32, key: &[u8], wanted: impl Fn(*mut dm_hash_node) -> bool) -> *mut *mut dm_hash_node {
        let chain = self.chain(hash);
        let mut place = &raw mut self.chains[chain];
        // SAFETY: chains hold living nodes.
        unsafe {
            while !(*place).is_null() {
                let node = *place;
                if dm_hash_node::key(node) == key && wanted(node) {
                    break;
                }
                place = &raw mut (*node).next_in_chain;
            }
        }
        place
    }

    /// Adds an entry in front of those with the same key. False without memory.
    fn add(&mut self, hash: u32, key: &[u8], data: *const c_void, value_len: u32) -> bool {
        if self.entries >= self.chains.len() {
            self.grow();
        }
        let size = KEY + key.len();
        // SAFETY: malloc has no preconditions.
        let node = unsafe { libc::malloc(size) }.cast::<dm_hash_node>();
        if node.is_null() {
            log_error!("Failed to allocate memory for a hash node of {size} bytes.");
            return false;
        }
        let chain = self.chain(hash);
        // SAFETY: the node is new, with room for the fields and the key; the list holds living nodes.
        unsafe {
            node.write(dm_hash_node {
                next_in_chain: self.chains[chain],
                newer: ptr::null_mut(),
                data,
                key_len: key.len() as u32,
                value_len,
            });
            node.cast::<u8>()
                .add(KEY)
                .copy_from_nonoverlapping(key.as_ptr(), key.len());
            if self.newest.is_null() {
                self.oldest = node;
            } else {
                (*self.newest).newer = node;
            }
        }
        self.newest = node;
        self.chains[chain] = node;
        self.entries += 1;
        true
    }

    /// Doubles the number of chains. Going from the oldest node to the newest keeps the newest first in its chain.
    #[cold]
    fn grow(&mut self) {
        let mut chains = Vec::new();
        if chains.try_reserve_exact(self.chains.len() * 2).is_err() {
            // It works with long chains too.
            return;
        }
        chains.resize(self.chains.len() * 2, ptr::null_mut());
        self.chains = chains;
        self.sweep();
        let mut node = self.oldest;
        while !node.is_null() {
            // SAFETY: the list holds living nodes.
            unsafe {
                let chain = self.chain(libdevmapper::hash::hash(dm_hash_node::key(node)));
                (*node).next_in_chain = self.chains[chain];
                self.chains[chain] = node;
                node = (*node).newer;
            }
        }
    }

    /// Removes the node that `place` leads to, if there is one.
    ///
    /// # Safety
    /// `place` came from [`Self::find`], with no change since.
    unsafe fn remove(&mut self, place: *mut *mut dm_hash_node) {
        // SAFETY: by contract `place` leads to a living node, and so does the list.
        unsafe {
            let node = *place;
            if node.is_null() {
                return;
            }
            *place = (*node).next_in_chain;
            (*node).next_in_chain = node;
            self.entries -= 1;
            self.removed += 1;
            while !self.oldest.is_null() && dm_hash_node::removed(self.oldest) {
                let newer = (*self.oldest).newer;
                libc::free(self.oldest.cast());
                self.oldest = newer;
                self.removed -= 1;
            }
            if self.oldest.is_null() {
                self.newest = ptr::null_mut();
            }
            if self.removed > self.entries {
                self.sweep();
            }
        }
    }

    /// Takes what was removed out of the list and frees it.
    #[cold]
    fn sweep(&mut self) {
        let mut place = &raw mut self.oldest;
        self.newest = ptr::null_mut();
        // SAFETY: the list holds living nodes; those that are freed left their chains before.
        unsafe {
            while !(*place).is_null() {
                let node = *place;
                if dm_hash_node::removed(node) {
                    *place = (*node).newer;
                    libc::free(node.cast());
                } else {
                    self.newest = node;
                    place = &raw mut (*node).newer;
                }
            }
        }
        self.removed = 0;
    }

    /// Adds an entry or gives the first one with this key other data.
    fn insert(&mut self, key: &[u8], data: *mut c_void) -> bool {
        let hash = libdevmapper::hash::hash(key);
        // SAFETY: `find` gives the place of a living node or of NULL.
        unsafe {
            let node = *self.find(hash, key, |_| true);
            if node.is_null() {
                return self.add(hash, key, data, 0);
            }
            (*node).data = data;
            (*node).value_len = 0;
        }
        true
    }

    /// Data of the first entry with this key that `wanted` takes.
    fn lookup(&mut self, key: &[u8], wanted: impl Fn(*mut dm_hash_node) -> bool) -> *mut c_void {
        // SAFETY: `find` gives the place of a living node or of NULL.
        unsafe {
            let node = *self.find(libdevmapper::hash::hash(key), key, wanted);
            if node.is_null() {
                ptr::null_mut()
            } else {
                (*node).data.cast_mut()
            }
        }
    }

    /// Removes the first entry with this key that `wanted` takes.
    fn remove_key(&mut self, key: &[u8], wanted: impl Fn(*mut dm_hash_node) -> bool) {
        let place = self.find(libdevmapper::hash::hash(key), key, wanted);
        // SAFETY: the place is fresh.
        unsafe { self.remove(place) }
    }

    fn wipe(&mut self) {
        let mut node = self.oldest;
        while !node.is_null() {
            // SAFETY: the list holds living nodes, which leave it all at once.
            unsafe {
                let next = (*node).newer;
                libc::free(node.cast());
                node = next;
            }
        }
        self.chains.fill(ptr::null_mut());
        self.oldest = ptr::null_mut();
        self.newest = ptr::null_mut();
        self.entries = 0;
        self.removed = 0;
    }
}

impl Drop for dm_hash_table {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A string's bytes with its NUL, which is part of the key.
///
/// # Safety
/// `key` is a C string that stays unchanged for `'a`.
unsafe fn string_key<'a>(key: *const c_char) -> &'a [u8] {
    // SAFETY: by contract.
    unsafe { std::ffi::CStr::from_ptr(key) }.to_bytes_with_nul()
}

/// A key of given length.
///
/// # Safety
/// `key` is NULL, or `len` bytes at it are readable and stay unchanged for `'a`.
unsafe fn binary_key<'a>(key: *const c_void, len: u32) -> &'a [u8] {
    if len == 0 || key.is_null() {
        return &[];
    }
    // SAFETY: by contract.
    unsafe { std::slice::from_raw_parts(key.cast(), len as usize) }
}

/// Whether an entry is the one for these bytes.
///
/// # Safety
/// `node` is a living node, and `len` bytes at `val` and at its data, if it tells that length, are readable.
unsafe fn has_value(node: *mut dm_hash_node, val: *const c_void, len: u32) -> bool {
    // SAFETY: by contract.
    unsafe { (*node).value_len == len && binary_key((*node).data, len) == binary_key(val, len) }
}

c_api! {
    /// A table for about `size_hint` entries.
    fn dm_hash_create(size_hint: c_uint) -> *mut dm_hash_table {
        Box::into_raw(Box::new(dm_hash_table::new(size_hint as usize)))
    }

    /// Releases a table, not the data.
    fn dm_hash_destroy(t: *mut dm_hash_table) -> () {
        required!(dm_hash_destroy: t);
        // SAFETY: the caller passes a table that it does not use any more.
        drop(unsafe { Box::from_raw(t) });
    }

    /// Removes all entries.
    fn dm_hash_wipe(t: *mut dm_hash_table) -> () {
        required!(dm_hash_wipe: t);
        // SAFETY: the caller passes a table.
        unsafe { (*t).wipe() }
    }

    /// Data of a string key.
    fn dm_hash_lookup(t: *mut dm_hash_table, key: *const c_char) -> *mut c_void {
        required!(dm_hash_lookup: t, key => ptr::null_mut());
        // SAFETY: the caller passes a table and a C string.
        unsafe { (*t).lookup(string_key(key), |_| true) }
    }

    /// Adds or replaces the data of a string key.
    fn dm_hash_insert(t: *mut dm_hash_table, key: *const c_char, data: *mut c_void) -> c_int {
        required!(dm_hash_insert: t, key => 0);
        // SAFETY: the caller passes a table and a C string.
        c_int::from(unsafe { (*t).insert(string_key(key), data) })
    }

    /// Removes a string key.
    fn dm_hash_remove(t: *mut dm_hash_table, key: *const c_char) -> () {
        required!(dm_hash_remove: t, key);
        // SAFETY: the caller passes a table and a C string.
        unsafe { (*t).remove_key(string_key(key), |_| true) }
    }

    /// Data of a key of `len` bytes.
    fn dm_hash_lookup_binary(t: *mut dm_hash_table, key: *const c_void, len: u32) -> *mut c_void {
        required!(dm_hash_lookup_binary: t => ptr::null_mut());
        if len > 0 {
            required!(dm_hash_lookup_binary: key => ptr::null_mut());
        }
        // SAFETY: the caller passes a table and `len` bytes.
        unsafe { (*t).lookup(binary_key(key, len), |_| true) }
    }

    /// Adds or replaces the data of a key of `len` bytes.
    fn dm_hash_insert_binary(t: *mut dm_hash_table, key: *const c_void, len: u32, data: *mut c_void) -> c_int {
        required!(dm_hash_insert_binary: t => 0);
        if len > 0 {
            required!(dm_hash_insert_binary: key => 0);
        }
        // SAFETY: the caller passes a table and `len` bytes.
        c_int::from(unsafe { (*t).insert(binary_key(key, len), data) })
    }

    /// Removes a key of `len` bytes.
    fn dm_hash_remove_binary(t: *mut dm_hash_table, key: *const c_void, len: u32) -> () {
        required!(dm_hash_remove_binary: t);
        if len > 0 {
            required!(dm_hash_remove_binary: key);
        }
        // SAFETY: the caller passes a table and `len` bytes.
        unsafe { (*t).remove_key(binary_key(key, len), |_| true) }
    }

    /// Number of entries.
    fn dm_hash_get_num_entries(t: *mut dm_hash_table) -> c_uint {
        required!(dm_hash_get_num_entries: t => 0);
        // SAFETY: the caller passes a table.
        unsafe { (*t).entries as c_uint }
    }

    /// Calls `f` with the data of each entry; it may remove that entry.
    fn dm_hash_iter(t: *mut dm_hash_table, f: Option<unsafe extern "C" fn(*mut c_void)>) -> () {
        required!(dm_hash_iter: t);
        let Some(f) = f else {
            return crate::entry::refuse_null("dm_hash_iter", &[("f", true)]);
        };
        // SAFETY: the caller passes a table; the next node is known before `f` can remove the current one.
        unsafe {
            let mut node = (*t).oldest;
            while !node.is_null() {
                let next = dm_hash_node::next(node);
                f((*node).data.cast_mut());
                node = next;
            }
        }
    }

    /// A key's bytes, those of a string with its NUL.
    fn dm_hash_get_key(_t: *mut dm_hash_table, n: *mut dm_hash_node) -> *mut c_char {
        required!(dm_hash_get_key: n => ptr::null_mut());
        n.cast::<c_char>().wrapping_add(KEY)
    }

    /// The data of an entry.
    fn dm_hash_get_data(_t: *mut dm_hash_table, n: *mut dm_hash_node) -> *mut c_void {
        required!(dm_hash_get_data: n => ptr::null_mut());
        // SAFETY: the caller passes a node of the table.
        unsafe { (*n).data.cast_mut() }
    }

    /// The first entry of an iteration.
    fn dm_hash_get_first(t: *mut dm_hash_table) -> *mut dm_hash_node {
        required!(dm_hash_get_first: t => ptr::null_mut());
        // SAFETY: the caller passes a table.
        unsafe { (*t).oldest }
    }

    /// The entry behind `n`.
    fn dm_hash_get_next(_t: *mut dm_hash_table, n: *mut dm_hash_node) -> *mut dm_hash_node {
        required!(dm_hash_get_next: n => ptr::null_mut());
        // SAFETY: the caller passes a node of the table.
        unsafe { dm_hash_node::next(n) }
    }

    /// Adds a value to those of a key.
    fn dm_hash_insert_allow_multiple(t: *mut dm_hash_table, key: *const c_char, val: *const c_void, val_len: u32) -> c_int {
        required!(dm_hash_insert_allow_multiple: t, key => 0);
        // SAFETY: the caller passes a table and a C string.
        unsafe {
            let key = string_key(key);
            c_int::from((*t).add(libdevmapper::hash::hash(key), key, val, val_len))
        }
    }

    /// The entry of a key whose value has these bytes.
    fn dm_hash_lookup_with_val(t: *mut dm_hash_table, key: *const c_char, val: *const c_void, val_len: u32) -> *mut c_void {
        required!(dm_hash_lookup_with_val: t, key => ptr::null_mut());
        // SAFETY: the caller passes a table, a C string and `val_len` bytes; so many are at the data of entries that
        // tell this length.
        unsafe { (*t).lookup(string_key(key), |node| has_value(node, val, val_len)) }
    }

    /// Removes the entry of a key whose value has these bytes.
    fn dm_hash_remove_with_val(t: *mut dm_hash_table, key: *const c_char, val: *const c_void, val_len: u32) -> () {
        required!(dm_hash_remove_with_val: t, key);
        // SAFETY: as above.
        unsafe { (*t).remove_key(string_key(key), |node| has_value(node, val, val_len)) }
    }

    /// Counts the entries of a key, and gives the data of the first.
    fn dm_hash_lookup_with_count(t: *mut dm_hash_table, key: *const c_char, count: *mut c_int) -> *mut c_void {
        required!(dm_hash_lookup_with_count: t, key, count => ptr::null_mut());
        // SAFETY: the caller passes a table, a C string and a place for the number.
        unsafe {
            let key = string_key(key);
            let seen = std::cell::Cell::new(0);
            let table = &mut *t;
            // Nothing is wanted, so that the whole chain is looked at.
            table.find(libdevmapper::hash::hash(key), key, |_| {
                seen.set(seen.get() + 1);
                false
            });
            count.write(seen.get());
            table.lookup(key, |_| true)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::undocumented_unsafe_blocks, reason = "the tests own their tables")]
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn like_a_map_while_growing() {
        let mut table = dm_hash_table::new(0);
        let mut model = HashMap::new();
        let mut x = 1_u32;
        // Miri takes its time.
        for i in 1..if cfg!(miri) { 200 } else { 20_000_usize } {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (x >> 18).to_le_bytes()[..(x >> 8) as usize % 5].to_vec();
            if x & 0x30 == 0 {
                table.remove_key(&key, |_| true);
                model.remove(&key);
            } else {
                assert!(table.insert(&key, ptr::without_provenance_mut(i)));
                model.insert(key, i);
            }
            assert_eq!(table.entries, model.len());
            assert!(table.removed <= table.entries);
        }
        for (key, &value) in &model {
            assert_eq!(table.lookup(key, |_| true).addr(), value);
        }
        let mut seen = 0;
        let mut node = table.oldest;
        while !node.is_null() {
            unsafe {
                assert_eq!(model[dm_hash_node::key(node)], (*node).data.addr());
                node = dm_hash_node::next(node);
            }
            seen += 1;
        }
        assert_eq!(seen, model.len());
    }

    #[test]
    fn iteration_passes_over_what_was_removed() {
        unsafe {
            let t = dm_hash_create(0);
            for i in 0..10_u32 {
                dm_hash_insert_binary(t, (&raw const i).cast(), 4, ptr::without_provenance_mut(i as usize));
            }
            let left = |t| {
                let (mut node, mut left) = (dm_hash_get_first(t), Vec::new());
                while !node.is_null() {
                    left.push(dm_hash_get_data(t, node).addr());
                    node = dm_hash_get_next(t, node);
                }
                assert_eq!(left.len(), dm_hash_get_num_entries(t) as usize);
                left
            };
            let remove = |keys: &[u32]| {
                for i in keys {
                    dm_hash_remove_binary(t, ptr::from_ref(i).cast(), 4);
                }
            };
            remove(&[9, 1, 2]);
            assert_eq!(((*t).removed, left(t)), (3, vec![0, 3, 4, 5, 6, 7, 8]));
            // With the oldest go those behind it.
            remove(&[0]);
            assert_eq!(((*t).removed, left(t)), (1, vec![3, 4, 5, 6, 7, 8]));
            remove(&[8, 4, 5]);
            assert_eq!(((*t).removed, left(t)), (0, vec![3, 6, 7]));
            dm_hash_insert_binary(t, (&raw const *b"last").cast(), 4, ptr::without_provenance_mut(10));
            assert_eq!(left(t), [3, 6, 7, 10]);
            remove(&[7, 6, 3]);
            assert_eq!(((*t).removed, left(t)), (0, vec![10]));
            dm_hash_remove_binary(t, (&raw const *b"last").cast(), 4);
            assert!((*t).newest.is_null() && left(t).is_empty());
            remove(&[0]);
            dm_hash_destroy(t);
        }
    }

    #[test]
    fn several_values_of_a_key() {
        unsafe {
            let t = dm_hash_create(0);
            let (k, mut count) = (c"k".as_ptr(), 0);
            let values = [*b"v1\0", *b"v2\0", *b"v1\0"];
            let [v1, v2, v3] = [&values[0], &values[1], &values[2]].map(|v| v.as_ptr().cast::<c_void>());
            for v in [v1, v2, v3] {
                assert_eq!(dm_hash_insert_allow_multiple(t, k, v, 3), 1);
            }
            for i in 0..100 {
                // Growing must not change the order.
                dm_hash_insert_binary(t, (&raw const i).cast(), 4, ptr::null_mut());
            }
            assert_eq!(dm_hash_lookup_with_count(t, k, &mut count).cast_const(), v3);
            assert_eq!((count, dm_hash_get_num_entries(t)), (3, 103));
            assert_eq!(dm_hash_lookup_with_val(t, k, v1, 3).cast_const(), v3);
            assert_eq!(dm_hash_lookup(t, k).cast_const(), v3);
            assert!(dm_hash_lookup_with_val(t, k, v1, 2).is_null());
            dm_hash_remove_with_val(t, k, v1, 3);
            assert_eq!(dm_hash_lookup_with_count(t, k, &mut count).cast_const(), v2);
            assert_eq!(count, 2);
            dm_hash_remove(t, k);
            assert_eq!(dm_hash_lookup(t, k).cast_const(), v1);
            assert_eq!(dm_hash_lookup_binary(t, c"k".as_ptr().cast(), 2).cast_const(), v1);
            dm_hash_remove(t, k);
            assert!(dm_hash_lookup_with_count(t, k, &mut count).is_null());
            assert_eq!(count, 0);
            dm_hash_insert(t, k, v1.cast_mut());
            assert_eq!(dm_hash_lookup_with_val(t, k, ptr::null(), 0).cast_const(), v1);
            dm_hash_wipe(t);
            assert_eq!(dm_hash_get_num_entries(t), 0);
            dm_hash_destroy(t);
        }
    }
}
