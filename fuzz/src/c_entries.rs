//! The C entries, as a C program calls them: the strings end with a NUL, the memory is a pool's or malloc's.
//! Built with the address sanitizer (`scripts/fuzz` does that), it sees what leaves its object.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use devmapper_capi::pool::{dm_pool, dm_pool_create, dm_pool_destroy, dm_pool_free};
use devmapper_capi::{bitset, config, regex, status, string, units};

pub(crate) fn run(bytes: &[u8]) {
    let Some((&what, text)) = bytes.split_first() else {
        return;
    };
    let [text, more] = super::parts(text);
    let more = more.split(|&b| b == 0).next().unwrap_or_default();
    let (Ok(c_text), Ok(c_more)) = (CString::new(text), CString::new(more)) else {
        return;
    };
    // SAFETY: C strings, a new pool, and memory of ours of the size that each function says; nothing is used after it
    // was freed.
    unsafe {
        let pool = dm_pool_create(c"fuzz".as_ptr(), 16);
        match what % 5 {
            0 => config_tree(text, &c_more, pool),
            1 => status_line(&c_text, pool),
            2 => words(text, &c_more, pool),
            3 => lists(&c_text, &c_more, pool),
            _ => patterns(&c_text, &c_more, pool),
        }
        dm_pool_destroy(pool);
    }
}

unsafe extern "C" fn put_line(line: *const c_char, total: *mut c_void) -> c_int {
    // SAFETY: the writer passes a C string and the baton, a usize.
    unsafe { *total.cast::<usize>() += CStr::from_ptr(line).count_bytes() };
    1
}

/// # Safety
/// A living pool.
unsafe fn config_tree(text: &[u8], path: &CStr, pool: *mut dm_pool) {
    // SAFETY: what the caller promises; the text's end is given.
    unsafe {
        let cft = config::dm_config_create();
        let range = text.as_ptr_range();
        let parsed = config::dm_config_parse(cft, range.start.cast(), range.end.cast());
        if parsed == 1 {
            let mut written = 0_usize;
            config::dm_config_write_node((*cft).root, Some(put_line), (&raw mut written).cast());
            let root = (*cft).root;
            let p = path.as_ptr();
            let _ = config::dm_config_tree_find_int64(cft, p, 1);
            let _ = config::dm_config_tree_find_float(cft, p, 1.0);
            let _ = config::dm_config_tree_find_bool(cft, p, 1);
            let found = config::dm_config_tree_find_str_allow_empty(cft, p, c"".as_ptr());
            let _ = CStr::from_ptr(found);
            let copy = config::dm_config_clone_node_with_mem(pool, root, 1);
            let mut copied = 0_usize;
            config::dm_config_write_node(copy, Some(put_line), (&raw mut copied).cast());
            assert_eq!(written, copied);
            let flat = config::dm_config_flatten(cft);
            config::dm_config_destroy(flat);
            config::dm_config_remove_node(root, (*root).child);
        }
        config::dm_config_destroy(cft);
    }
}

/// # Safety
/// A living pool.
unsafe fn status_line(line: &CStr, pool: *mut dm_pool) {
    let line = line.as_ptr();
    // SAFETY: as the caller promises; each function gets a place for the struct that it makes in the pool.
    unsafe {
        macro_rules! get {
            ($($function:ident)*) => { $({
                let mut made = ptr::null_mut();
                if status::$function(pool, line, &mut made) == 1 {
                    // All of it is there to be read.
                    let _ = format!("{:?}", *made);
                    dm_pool_free(pool, made.cast());
                }
            })* };
        }
        get! {
            dm_get_status_snapshot dm_get_status_raid dm_get_status_cache dm_get_status_thin_pool dm_get_status_thin
            dm_get_status_writecache dm_get_status_integrity dm_get_status_mirror
        }
    }
}

/// # Safety
/// A living pool.
unsafe fn words(text: &[u8], layer: &CStr, pool: *mut dm_pool) {
    // SAFETY: as the caller promises; buffers are NUL-terminated copies.
    unsafe {
        let copy = || text.iter().copied().chain([0]).collect::<Vec<u8>>();
        let mut argv = [ptr::null_mut(); 8];
        let mut buffer = copy();
        let count = string::dm_split_words(buffer.as_mut_ptr().cast(), 8, 0, argv.as_mut_ptr());
        for word in &argv[..usize::try_from(count).unwrap_or(0)] {
            let _ = CStr::from_ptr(*word);
        }
        let mut buffer = copy();
        string::dm_unescape_double_quotes(buffer.as_mut_ptr().cast());
        let mut buffer = copy();
        let (mut colon, mut at) = (ptr::null_mut(), ptr::null_mut());
        string::dm_unescape_colons_and_at_signs(buffer.as_mut_ptr().cast(), &mut colon, &mut at);
        let buffer = copy();
        let mut out = vec![0_u8; string::dm_escaped_len(buffer.as_ptr().cast())];
        string::dm_escape_double_quotes(out.as_mut_ptr().cast(), buffer.as_ptr().cast());
        let source = buffer.as_ptr().cast();
        let name = string::dm_build_dm_name(pool, source, source, layer.as_ptr());
        if !name.is_null() {
            let (mut vg, mut lv, mut rest) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
            string::dm_split_lvm_name(pool, name, &mut vg, &mut lv, &mut rest);
        }
        string::dm_build_dm_uuid(pool, source, source, layer.as_ptr());
        let mut short = [1_u8; 5];
        string::dm_strncpy(short.as_mut_ptr().cast(), source, short.len());
        assert!(short.contains(&0));
    }
}

/// # Safety
/// A living pool.
unsafe fn lists(text: &CStr, units: &CStr, pool: *mut dm_pool) {
    // SAFETY: as the caller promises.
    unsafe {
        // A list with a large number makes a large set.
        let digits = text.to_bytes().split(|b| !b.is_ascii_digit()).map(<[u8]>::len).max();
        if digits.unwrap_or(0) <= 6 {
            let set = bitset::dm_bitset_parse_list(text.as_ptr(), pool, 8);
            if !set.is_null() {
                let mut bit = bitset::dm_bit_get_first(set);
                let mut last = -1;
                while bit >= 0 {
                    assert!(bit > last);
                    last = bit;
                    bit = bitset::dm_bit_get_next(set, bit);
                }
                assert_eq!(last, bitset::dm_bit_get_last(set));
            }
            let set = bitset::dm_bitset_parse_list(text.as_ptr(), ptr::null_mut(), 0);
            if !set.is_null() {
                bitset::dm_bitset_destroy(set);
            }
        }
        // They ask the C library, which Miri has not.
        if cfg!(miri) {
            return;
        }
        let (mut unit, mut end) = (0, ptr::null());
        let factor = units::dm_units_to_factor(units.as_ptr(), &mut unit, 0, &mut end);
        units::dm_size_to_string(pool, factor, unit, 1, factor, 0, 0);
    }
}

/// # Safety
/// A living pool.
unsafe fn patterns(pattern: &CStr, subject: &CStr, pool: *mut dm_pool) {
    let patterns = [pattern.as_ptr(), c"^ab*$".as_ptr()];
    // SAFETY: as the caller promises; two patterns.
    unsafe {
        let compiled = regex::dm_regex_create(pool, patterns.as_ptr(), 2);
        if !compiled.is_null() {
            let found = regex::dm_regex_match(compiled, subject.as_ptr());
            assert!((-1..2).contains(&found));
        }
    }
}
