//! Memory: `dm_malloc_wrapper` and friends.
//!
//! All blocks of the plain functions are libc malloc's, so that clients may mix `dm_free` and `free`. The functions of
//! the debug set keep a list of their blocks and guard bytes behind each; what they give out only they may take back.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::Mutex;

use libdevmapper::{log_at, log_error, log_info};

/// Largest request that is granted, in bytes; more is taken for a sign of damaged metadata.
pub(crate) const MAX_REQUEST: usize = 50_000_000;

/// False, after an error message, when `size` is over [`MAX_REQUEST`].
fn allowed(size: usize) -> bool {
    if size > MAX_REQUEST {
        log_error!("Huge memory allocation (size {size}) rejected - metadata corruption?");
        return false;
    }
    true
}

/// malloc with the limit.
#[inline]
fn plain(size: usize) -> *mut c_void {
    if size > MAX_REQUEST && !allowed(size) {
        return ptr::null_mut();
    }
    // SAFETY: malloc has no preconditions.
    unsafe { libc::malloc(size) }
}

/// calloc with the limit.
#[inline]
pub(crate) fn zeroed(size: usize) -> *mut c_void {
    if size > MAX_REQUEST && !allowed(size) {
        return ptr::null_mut();
    }
    // SAFETY: calloc has no preconditions.
    unsafe { libc::calloc(size, 1) }
}

c_api! {
    /// malloc, refusing more than 50 000 000 bytes.
    fn dm_malloc_wrapper(s: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
        plain(s)
    }

    /// As `dm_malloc_wrapper`, with the memory zeroed.
    fn dm_zalloc_wrapper(s: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
        zeroed(s)
    }

    /// As `dm_malloc_wrapper`, at a multiple of `a`; 0 means the page size.
    fn dm_malloc_aligned_wrapper(s: usize, a: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
        if !allowed(s) {
            return ptr::null_mut();
        }
        // SAFETY: sysconf has no preconditions.
        let alignment = if a == 0 { usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096) } else { a };
        let mut memory = ptr::null_mut();
        // SAFETY: `memory` is a place for the result; an alignment that does not suit is refused with EINVAL.
        let error = unsafe { libc::posix_memalign(&mut memory, alignment, s) };
        if error != 0 {
            log_error!("Failed to allocate memory {s} bytes aligned on {alignment} bytes: {}.",
                       libdevmapper::log::SysText(&std::io::Error::from_raw_os_error(error)));
            return ptr::null_mut();
        }
        memory
    }

    /// realloc.
    fn dm_realloc_wrapper(p: *mut c_void, s: c_uint, _file: *const c_char, _line: c_int) -> *mut c_void {
        // SAFETY: the caller passes NULL or a block of malloc's.
        unsafe { libc::realloc(p, s as usize) }
    }

    /// strdup.
    fn dm_strdup_wrapper(s: *const c_char, _file: *const c_char, _line: c_int) -> *mut c_char {
        required!(dm_strdup_wrapper: s => ptr::null_mut());
        // SAFETY: the caller passes a C string.
        unsafe { libc::strdup(s) }
    }

    /// free.
    fn dm_free_wrapper(ptr: *mut c_void) -> () {
        // SAFETY: the caller passes NULL or a block of malloc's.
        unsafe { libc::free(ptr) }
    }

    /// Nothing to dump: the plain functions keep no list.
    fn dm_dump_memory_wrapper() -> c_int {
        1
    }

    /// Nothing to check: the plain functions keep no guard bytes.
    fn dm_bounds_check_wrapper() -> () {}

    /// As `dm_malloc_wrapper`.
    fn dm_malloc_aux(s: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
        plain(s)
    }

    /// As `dm_zalloc_wrapper`.
    fn dm_zalloc_aux(s: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
        zeroed(s)
    }
}

/// Header of a block of the debug set; its bytes follow, then [`GUARD_LEN`] guard bytes.
#[repr(C, align(16))]
struct Block {
    older: *mut Block,
    newer: *mut Block,
    len: usize,
    id: u64,
    file: *const c_char,
    line: c_int,
    magic: u32,
}

const BLOCK: usize = size_of::<Block>();
const MAGIC: u32 = 0xd1ad_b10c;
const GUARD_LEN: usize = 8;

/// The guard byte behind a block.
fn guard_byte(id: u64) -> u8 {
    (id as u8) ^ 0xa5
}

/// The living blocks of the debug set.
struct Blocks {
    newest: *mut Block,
    next_id: u64,
    bytes: usize,
}
// SAFETY: the list is only followed with the mutex held, and blocks unlink themselves before they are freed.
unsafe impl Send for Blocks {}

static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks {
    newest: ptr::null_mut(),
    next_id: 1,
    bytes: 0,
});

/// A new block of the debug set, or NULL.
///
/// # Safety
/// `file` is NULL or a C string that outlives the block.
unsafe fn debug_alloc(len: usize, file: *const c_char, line: c_int) -> *mut c_void {
    if !allowed(len) {
        return ptr::null_mut();
    }
    // SAFETY: malloc has no preconditions.
    let block = unsafe { libc::malloc(BLOCK + len + GUARD_LEN) }.cast::<Block>();
    if block.is_null() {
        log_error!("couldn't allocate any memory, size = {len}");
        return ptr::null_mut();
    }
    let mut blocks = BLOCKS.lock().unwrap_or_else(|e| e.into_inner());
    let id = blocks.next_id;
    blocks.next_id += 1;
    blocks.bytes += len;
    // SAFETY: the block has room for header, bytes and guard; the list holds living blocks only.
    unsafe {
        block.write(Block {
            older: blocks.newest,
            newer: ptr::null_mut(),
            len,
            id,
            file,
            line,
            magic: MAGIC,
        });
        if !blocks.newest.is_null() {
            (*blocks.newest).newer = block;
        }
        blocks.newest = block;
        let data = block.cast::<u8>().add(BLOCK);
        data.write_bytes(0x62, len);
        data.add(len).write_bytes(guard_byte(id), GUARD_LEN);
        data.cast()
    }
}

/// Whether header and guard of a block are whole.
///
/// # Safety
/// `block` is a living block of the debug set.
unsafe fn whole(block: *mut Block) -> bool {
    // SAFETY: by contract; the guard bytes are only looked at when the header is whole.
    unsafe {
        (*block).magic == MAGIC && {
            let guard = block.cast::<u8>().add(BLOCK + (*block).len);
            (0..GUARD_LEN).all(|i| *guard.add(i) == guard_byte((*block).id))
        }
    }
}

/// Ends the process, since going on with damaged memory could harm data.
fn damaged(block: *mut Block) -> ! {
    log_at!(
        Fatal,
        0,
        -1,
        "Internal error: Memory block at {:p} is damaged.",
        block.cast::<u8>().wrapping_add(BLOCK)
    );
    std::process::abort()
}

/// Takes a block of the debug set back.
///
/// # Safety
/// `data` is NULL or came from [`debug_alloc`] and is not used any more.
unsafe fn debug_free(data: *mut c_void) {
    if data.is_null() {
        return;
    }
    // SAFETY: a header lies in front of the data by contract; the list holds living blocks only.
    unsafe {
        let block = data.cast::<u8>().sub(BLOCK).cast::<Block>();
        if !whole(block) {
            damaged(block);
        }
        {
            let mut blocks = BLOCKS.lock().unwrap_or_else(|e| e.into_inner());
            let (older, newer) = ((*block).older, (*block).newer);
            if newer.is_null() {
                blocks.newest = older;
            } else {
                (*newer).older = older;
            }
            if !older.is_null() {
                (*older).newer = newer;
            }
            blocks.bytes -= (*block).len;
        }
        // Later use of the block, or a second release, is then noticed.
        let len = (*block).len;
        block.cast::<u8>().write_bytes(0xde, BLOCK + len);
        libc::free(block.cast());
    }
}

c_api! {
    /// Debug set: malloc.
    fn dm_malloc_aux_debug(s: usize, file: *const c_char, line: c_int) -> *mut c_void {
        // SAFETY: the caller passes `__FILE__`.
        unsafe { debug_alloc(s, file, line) }
    }

    /// Debug set: zeroed memory.
    fn dm_zalloc_aux_debug(s: usize, file: *const c_char, line: c_int) -> *mut c_void {
        // SAFETY: the caller passes `__FILE__`; the block has `s` bytes.
        unsafe {
            let data = debug_alloc(s, file, line);
            if !data.is_null() {
                data.cast::<u8>().write_bytes(0, s);
            }
            data
        }
    }

    /// Debug set: strdup.
    fn dm_strdup_aux(str: *const c_char, file: *const c_char, line: c_int) -> *mut c_char {
        // SAFETY: the caller passes NULL or a C string; the block has room for it and its NUL.
        unsafe {
            if str.is_null() {
                log_error!("Internal error: dm_strdup called with NULL pointer");
                return ptr::null_mut();
            }
            let len = libc::strlen(str) + 1;
            let copy = debug_alloc(len, file, line).cast::<c_char>();
            if !copy.is_null() {
                copy.copy_from_nonoverlapping(str, len);
            }
            copy
        }
    }

    /// Debug set: realloc.
    fn dm_realloc_aux(p: *mut c_void, s: c_uint, file: *const c_char, line: c_int) -> *mut c_void {
        // SAFETY: the caller passes NULL or a block of the debug set; what is copied fits into both blocks.
        unsafe {
            let new = debug_alloc(s as usize, file, line);
            if !new.is_null() && !p.is_null() {
                let old = p.cast::<u8>().sub(BLOCK).cast::<Block>();
                if !whole(old) {
                    damaged(old);
                }
                new.cast::<u8>().copy_from_nonoverlapping(p.cast(), (*old).len.min(s as usize));
                debug_free(p);
            }
            new
        }
    }

    /// Debug set: free.
    fn dm_free_aux(p: *mut c_void) -> () {
        // SAFETY: the caller passes NULL or a block of the debug set.
        unsafe { debug_free(p) }
    }

    /// Debug set: logs each living block.
    fn dm_dump_memory_debug() -> c_int {
        let blocks = BLOCKS.lock().unwrap_or_else(|e| e.into_inner());
        if !blocks.newest.is_null() {
            log_info!("You have a memory leak:");
        }
        let mut block = blocks.newest;
        while !block.is_null() {
            // SAFETY: blocks unlink themselves under the mutex, which is held, before they go.
            unsafe {
                let file = String::from_utf8_lossy(crate::entry::bytes((*block).file).unwrap_or_default());
                log_info!("block {} at {:p}, size {}, allocated at {file}:{}", (*block).id,
                          block.cast::<u8>().wrapping_add(BLOCK), (*block).len, (*block).line);
                block = (*block).older;
            }
        }
        if blocks.bytes > 0 {
            log_info!("{} bytes leaked in total", blocks.bytes);
        }
        1
    }

    /// Debug set: ends the process if a living block is damaged.
    fn dm_bounds_check_debug() -> () {
        let blocks = BLOCKS.lock().unwrap_or_else(|e| e.into_inner());
        let mut block = blocks.newest;
        while !block.is_null() {
            // SAFETY: as above.
            unsafe {
                if !whole(block) {
                    damaged(block);
                }
                block = (*block).older;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::undocumented_unsafe_blocks, reason = "the tests own their blocks")]
    use super::*;

    #[test]
    fn limit_is_inclusive() {
        unsafe {
            let p = dm_malloc_wrapper(MAX_REQUEST, ptr::null(), 0);
            assert!(!p.is_null());
            libc::free(p);
            assert!(dm_malloc_wrapper(MAX_REQUEST + 1, ptr::null(), 0).is_null());
            assert!(dm_zalloc_wrapper(MAX_REQUEST + 1, ptr::null(), 0).is_null());
            assert!(dm_malloc_aligned_wrapper(MAX_REQUEST + 1, 0, ptr::null(), 0).is_null());
        }
    }

    #[test]
    fn aligned_blocks() {
        unsafe {
            let p = dm_malloc_aligned_wrapper(10, 0, ptr::null(), 0);
            assert_eq!(p as usize % 4096, 0);
            dm_free_wrapper(p);
            assert!(dm_malloc_aligned_wrapper(10, 3, ptr::null(), 0).is_null());
        }
    }

    #[test]
    fn debug_blocks_are_consistent() {
        unsafe {
            let text = dm_strdup_aux(c"hello".as_ptr(), c"f.c".as_ptr(), 1);
            let text = dm_realloc_aux(text.cast(), 100, c"f.c".as_ptr(), 2).cast::<c_char>();
            assert_eq!(std::ffi::CStr::from_ptr(text).to_bytes(), b"hello");
            assert!(dm_strdup_aux(ptr::null(), ptr::null(), 0).is_null());
            dm_bounds_check_debug();
            assert_eq!(dm_dump_memory_debug(), 1);
            let zero = dm_zalloc_aux_debug(33, ptr::null(), 0).cast::<u8>();
            assert!(std::slice::from_raw_parts(zero, 33).iter().all(|&b| b == 0));
            dm_free_aux(text.cast());
            dm_free_aux(zero.cast());
            dm_free_aux(ptr::null_mut());
        }
    }
}
