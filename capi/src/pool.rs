//! `dm_pool_*`: arenas that C programs allocate from.
//!
//! A pool is a stack of objects. It lives in chunks from libc malloc, newest first; within a chunk objects lie one
//! behind the other, each at its alignment:
//!
//! ```text
//! pool.top ─► Chunk { below, top, end } | object | object | free ...        (the only chunk that allocations come from)
//!                    └─► Chunk { ... }  | object | free
//! ```
//!
//! Releasing an object moves `top` of its chunk back to it and gives away the chunks above, so that everything that was
//! allocated later goes too. Chunks double in size up to a limit: a small pool stays small and a large one calls malloc
//! rarely.

mod chunk;

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::Mutex;

use chunk::{Chunk, HEADER, USUAL};
use libdevmapper::{log_at, log_error};

/// Largest request to malloc, as for `dm_malloc`.
const MAX_REQUEST: usize = crate::malloc::MAX_REQUEST;
/// Chunks start at least this large, in bytes.
const MIN_CHUNK: usize = 1024;
/// Alignment of objects for which none was asked: that of a double.
const ALIGNMENT: usize = 8;
/// Debug class of messages about memory.
const CLASS_MEMORY: i32 = 1;

/// An arena (opaque to C).
pub struct dm_pool {
    top: *mut Chunk,
    /// Size of the next chunk, header included.
    next_size: usize,
    /// Bytes of the object under construction, which starts at `top.top`.
    object_len: usize,
    locked: bool,
    checksum: u64,
    /// What has to be released with its object, newest first.
    cleanups: *mut Cleanup,
    name: *const c_char,
    /// Neighbours in the list of living pools.
    older: *mut dm_pool,
    newer: *mut dm_pool,
}

/// An object in the pool that owns something outside of it.
struct Cleanup {
    older: *mut Cleanup,
    release: unsafe fn(*mut c_void),
    data: *mut c_void,
}

/// The newest living pool; the mutex guards the links of all.
struct Living(*mut dm_pool);
// SAFETY: the pointer is only followed with the mutex held, and leads to pools that unlink themselves before they go.
unsafe impl Send for Living {}

static LIVING: Mutex<Living> = Mutex::new(Living(ptr::null_mut()));

/// Makes a pool.
///
/// # Safety
/// `name` is NULL or a C string that outlives the pool.
pub unsafe fn create(name: *const c_char, hint: usize) -> *mut dm_pool {
    let pool = Box::into_raw(Box::new(dm_pool {
        top: ptr::null_mut(),
        next_size: hint.clamp(MIN_CHUNK, MAX_REQUEST).next_power_of_two().min(MAX_REQUEST),
        object_len: 0,
        locked: false,
        checksum: 0,
        cleanups: ptr::null_mut(),
        name,
        older: ptr::null_mut(),
        newer: ptr::null_mut(),
    }));
    let mut living = LIVING.lock().unwrap_or_else(|e| e.into_inner());
    // SAFETY: `pool` is new, and the list holds living pools only, whose links the mutex guards.
    unsafe {
        (*pool).older = living.0;
        if !living.0.is_null() {
            (*living.0).newer = pool;
        }
    }
    living.0 = pool;
    pool
}

/// [`create`] with a name that lives forever.
pub fn create_static(name: &'static CStr, hint: usize) -> *mut dm_pool {
    // SAFETY: the name is a C string that lives forever.
    unsafe { create(name.as_ptr(), hint) }
}

/// Releases a pool with all that is in it.
///
/// # Safety
/// `pool` is a living pool that nobody uses any more.
pub unsafe fn destroy(pool: *mut dm_pool) {
    {
        let mut living = LIVING.lock().unwrap_or_else(|e| e.into_inner());
        // SAFETY: the pool lives, so its links lead to living pools or nowhere.
        unsafe {
            let (older, newer) = ((*pool).older, (*pool).newer);
            if newer.is_null() {
                living.0 = older;
            } else {
                (*newer).older = older;
            }
            if !older.is_null() {
                (*older).newer = newer;
            }
        }
    }
    // SAFETY: the pool came from `Box::into_raw`, its chunks from malloc, and nobody uses them any more.
    unsafe {
        run_cleanups(pool, |_| true);
        let pool = Box::from_raw(pool);
        Chunk::release(pool.top, ptr::null_mut());
    }
}

/// Runs the newest cleanups as long as `gone` says so of their place.
///
/// # Safety
/// The pool lives, and no one uses what those cleanups release.
unsafe fn run_cleanups(pool: *mut dm_pool, gone: impl Fn(*mut u8) -> bool) {
    // SAFETY: cleanups lie in the pool and are taken off the chain before their memory is given back.
    unsafe {
        while !(*pool).cleanups.is_null() && gone((*pool).cleanups.cast()) {
            let cleanup = (*pool).cleanups.read();
            (*pool).cleanups = cleanup.older;
            (cleanup.release)(cleanup.data);
        }
    }
}

/// Hands a value to the pool, which drops it with what was allocated after this call. NULL after an error message.
///
/// # Safety
/// `pool` is a living pool that no one else uses now.
pub unsafe fn own<T>(pool: *mut dm_pool, value: T) -> *mut T {
    unsafe fn release<T>(data: *mut c_void) {
        // SAFETY: it came from `Box::into_raw` below, and is released once.
        drop(unsafe { Box::from_raw(data.cast::<T>()) });
    }
    // SAFETY: by contract; the new object has room for the record.
    unsafe {
        let cleanup = alloc_for::<Cleanup>(pool);
        if cleanup.is_null() {
            return ptr::null_mut();
        }
        let value = Box::into_raw(Box::new(value));
        cleanup.write(Cleanup {
            older: (*pool).cleanups,
            release: release::<T>,
            data: value.cast(),
        });
        (*pool).cleanups = cleanup;
        value
    }
}

/// `top` moved up to a multiple of `alignment`, or NULL on overflow.
#[inline]
fn aligned(top: *mut u8, alignment: usize) -> *mut u8 {
    let address = top as usize;
    match address.checked_add(alignment - 1) {
        Some(up) => top.wrapping_add((up & !(alignment - 1)) - address),
        None => ptr::null_mut(),
    }
}

/// Puts a chunk on top whose free part holds `size` bytes at any address that is a multiple of `alignment`. False,
/// after an error message, without memory.
///
/// # Safety
/// `pool` is a living pool that no one else uses now.
#[cold]
unsafe fn add_chunk(pool: *mut dm_pool, size: usize, alignment: usize) -> bool {
    // SAFETY: the pool and its chunks are ours by contract.
    unsafe {
        let Some(need) = size.checked_add(HEADER + alignment) else {
            log_error!("Huge memory allocation (size {size}) rejected - metadata corruption?");
            return false;
        };
        let chunk = Chunk::new(need.max((*pool).next_size), (*pool).top);
        if chunk.is_null() {
            return false;
        }
        if (*pool).next_size < USUAL {
            (*pool).next_size *= 2;
        }
        (*pool).top = chunk;
        true
    }
}

/// `size` bytes at a multiple of `alignment` (a power of two; 0 means that of a double). NULL after an error message.
///
/// # Safety
/// `pool` is a living pool that no one else uses now.
#[inline]
pub unsafe fn alloc_aligned(pool: *mut dm_pool, size: usize, alignment: usize) -> *mut c_void {
    let alignment = if alignment == 0 {
        ALIGNMENT
    } else {
        alignment.next_power_of_two()
    };
    // SAFETY: the pool and its chunks are ours by contract; the pointer arithmetic stays within the top chunk, since
    // `top <= end` and the size is compared with what is left.
    unsafe {
        loop {
            let chunk = (*pool).top;
            if !chunk.is_null() {
                let object = aligned((*chunk).top, alignment);
                let end = (*chunk).end;
                if !object.is_null() && object <= end && size <= end as usize - object as usize {
                    (*chunk).top = object.add(size);
                    return object.cast();
                }
            }
            if !add_chunk(pool, size, alignment) {
                return ptr::null_mut();
            }
        }
    }
}

/// `size` bytes, aligned for a double. NULL after an error message.
///
/// # Safety
/// `pool` is a living pool that no one else uses now.
#[inline]
pub unsafe fn alloc(pool: *mut dm_pool, size: usize) -> *mut c_void {
    // SAFETY: the same contract.
    unsafe { alloc_aligned(pool, size, ALIGNMENT) }
}

/// `size` zero bytes, aligned for a double. NULL after an error message.
///
/// # Safety
/// `pool` is a living pool that no one else uses now.
#[inline]
pub unsafe fn zalloc(pool: *mut dm_pool, size: usize) -> *mut c_void {
    // SAFETY: the same contract; the object has `size` bytes.
    unsafe {
        let object = alloc(pool, size);
        if !object.is_null() {
            object.cast::<u8>().write_bytes(0, size);
        }
        object
    }
}

/// Memory for one `T` that the caller writes. NULL after an error message.
///
/// # Safety
/// `pool` is a living pool that no one else uses now.
#[inline]
pub unsafe fn alloc_for<T>(pool: *mut dm_pool) -> *mut T {
    // SAFETY: the same contract.
    unsafe { alloc_aligned(pool, size_of::<T>(), align_of::<T>().max(ALIGNMENT)) }.cast()
}

/// A copy of `data`. NULL after an error message.
///
/// # Safety
/// `pool` is a living pool that no one else uses now.
#[inline]
pub unsafe fn memdup(pool: *mut dm_pool, data: &[u8]) -> *mut c_void {
    // SAFETY: the same contract; the new object has room for the data and cannot overlap it.
    unsafe {
        let object = alloc(pool, data.len());
        if !object.is_null() {
            object.cast::<u8>().copy_from_nonoverlapping(data.as_ptr(), data.len());
        }
        object
    }
}

/// A copy of `text` with a NUL behind it. NULL after an error message.
///
/// # Safety
/// `pool` is a living pool that no one else uses now.
#[inline]
pub unsafe fn strdup_bytes(pool: *mut dm_pool, text: &[u8]) -> *mut c_char {
    // SAFETY: the same contract; the new object has room for the text and its NUL and cannot overlap it.
    unsafe {
        let copy = alloc(pool, text.len() + 1).cast::<u8>();
        if !copy.is_null() {
            copy.copy_from_nonoverlapping(text.as_ptr(), text.len());
            copy.add(text.len()).write(0);
        }
        copy.cast()
    }
}

/// Releases `object` and everything that was allocated after it.
///
/// # Safety
/// `pool` is a living pool that no one else uses now, and no one uses those objects any more.
pub unsafe fn free(pool: *mut dm_pool, object: *mut c_void) {
    let object = object.cast::<u8>();
    let contains = |chunk: *mut Chunk| {
        // SAFETY: called for chunks of the pool only.
        object >= Chunk::start(chunk) && object <= unsafe { (*chunk).top }
    };
    // SAFETY: the pool and its chunks are ours by contract.
    unsafe {
        let mut home = (*pool).top;
        while !home.is_null() && !contains(home) {
            home = (*home).below;
        }
        if home.is_null() {
            log_error!("Internal error: pool_free asked to free pointer not in pool");
            return;
        }
        if !(*pool).cleanups.is_null() {
            // Objects lie in stack order: what is not in a chunk below, nor below the object in its own, goes.
            let within = |chunk: *mut Chunk, place| place >= Chunk::start(chunk) && place < (*chunk).top;
            run_cleanups(pool, |place| {
                let mut chunk = home;
                while !chunk.is_null() {
                    if within(chunk, place) {
                        return chunk == home && place >= object;
                    }
                    chunk = (*chunk).below;
                }
                true
            });
        }
        Chunk::release((*pool).top, home);
        (*pool).top = home;
        (*home).top = object;
        (*pool).object_len = 0;
    }
}

/// Releases all objects; the pool stays usable.
///
/// # Safety
/// As for [`free`].
pub unsafe fn empty(pool: *mut dm_pool) {
    // SAFETY: the pool and its chunks are ours by contract.
    unsafe {
        let mut bottom = (*pool).top;
        if bottom.is_null() {
            return;
        }
        while !(*bottom).below.is_null() {
            bottom = (*bottom).below;
        }
        run_cleanups(pool, |_| true);
        Chunk::release((*pool).top, bottom);
        (*pool).top = bottom;
        (*bottom).top = Chunk::start(bottom);
        (*pool).object_len = 0;
    }
}

/// Starts an object that grows; about `hint` bytes are expected. False after an error message.
///
/// # Safety
/// `pool` is a living pool that no one else uses now.
pub unsafe fn begin_object(pool: *mut dm_pool, hint: usize) -> bool {
    // SAFETY: the pool and its chunks are ours by contract; `top <= end` in each.
    unsafe {
        (*pool).object_len = 0;
        let chunk = (*pool).top;
        if !chunk.is_null() {
            let start = aligned((*chunk).top, ALIGNMENT);
            if !start.is_null() && start <= (*chunk).end && hint <= (*chunk).end as usize - start as usize {
                (*chunk).top = start;
                return true;
            }
        }
        if !add_chunk(pool, hint, ALIGNMENT) {
            return false;
        }
        let chunk = (*pool).top;
        (*chunk).top = aligned((*chunk).top, ALIGNMENT);
        true
    }
}

/// Appends `data` to the object under construction. False after an error message.
///
/// # Safety
/// `pool` is a living pool that no one else uses now, with an object under construction; `data` is not part of it.
#[inline]
pub unsafe fn grow_object(pool: *mut dm_pool, data: &[u8]) -> bool {
    // SAFETY: the pool and its chunks are ours by contract. The object lies at `top` of the top chunk and fits, so what
    // is left behind it is a number of bytes of this chunk, and the data fits there.
    unsafe {
        let mut chunk = (*pool).top;
        if chunk.is_null() {
            return false;
        }
        let len = (*pool).object_len;
        if (*chunk).end as usize - (*chunk).top as usize - len < data.len() {
            if !make_room(pool, data.len()) {
                return false;
            }
            chunk = (*pool).top;
        }
        (*chunk)
            .top
            .add(len)
            .copy_from_nonoverlapping(data.as_ptr(), data.len());
        (*pool).object_len = len + data.len();
        true
    }
}

/// Moves the object under construction to where it can grow by `more` bytes, and then some.
///
/// # Safety
/// As for [`grow_object`].
#[cold]
unsafe fn make_room(pool: *mut dm_pool, more: usize) -> bool {
    // SAFETY: the pool and its chunks are ours by contract; the object's `len` bytes fit into its old and its new place.
    unsafe {
        let old = (*pool).top;
        let len = (*pool).object_len;
        let Some(need) = len.checked_add(more) else {
            log_error!("Huge memory allocation (size {more}) rejected - metadata corruption?");
            return false;
        };
        // Doubling makes the cost of all moves linear in the object's final size.
        let roomy = need.saturating_mul(2).min(MAX_REQUEST - HEADER - ALIGNMENT).max(need);
        // Nothing else may be in a chunk that goes: the object is where an empty chunk has its first one.
        let alone = (*old).top == aligned(Chunk::start(old), ALIGNMENT);
        if !add_chunk(pool, roomy, ALIGNMENT) {
            return false;
        }
        let new = (*pool).top;
        (*new).top = aligned((*new).top, ALIGNMENT);
        (*new).top.copy_from_nonoverlapping((*old).top, len);
        if alone && (*new).below == old {
            (*new).below = (*old).below;
            Chunk::release(old, (*new).below);
        }
        true
    }
}

/// Finishes the object under construction and gives its address.
///
/// # Safety
/// As for [`grow_object`].
pub unsafe fn end_object(pool: *mut dm_pool) -> *mut c_void {
    // SAFETY: the pool and its chunks are ours by contract; the object fits into the top chunk.
    unsafe {
        let chunk = (*pool).top;
        if chunk.is_null() {
            return ptr::null_mut();
        }
        let object = (*chunk).top;
        (*chunk).top = object.add((*pool).object_len);
        (*pool).object_len = 0;
        object.cast()
    }
}

/// Drops the object under construction.
///
/// # Safety
/// As for [`grow_object`].
pub unsafe fn abandon_object(pool: *mut dm_pool) {
    // SAFETY: the pool is ours by contract.
    unsafe { (*pool).object_len = 0 }
}

/// A checksum over all objects and over where they end, for [`dm_pool_lock`].
///
/// # Safety
/// `pool` is a living pool that no one else uses now.
unsafe fn checksum(pool: *mut dm_pool) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |word: u64| sum = (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    // SAFETY: between a chunk's start and its top lie bytes from calloc, all initialised. Clients may write to their
    // objects meanwhile, from where this code cannot see: so the reads are volatile.
    unsafe {
        let mut chunk = (*pool).top;
        while !chunk.is_null() {
            let top = (*chunk).top;
            add(top as u64);
            let mut at = Chunk::start(chunk);
            while top as usize - at as usize >= 8 {
                add(at.cast::<u64>().read_volatile());
                at = at.add(8);
            }
            while at < top {
                add(u64::from(at.read_volatile()));
                at = at.add(1);
            }
            chunk = (*chunk).below;
        }
    }
    sum
}

/// The pool's name, for messages.
///
/// # Safety
/// `pool` is a living pool.
unsafe fn name<'a>(pool: *mut dm_pool) -> std::borrow::Cow<'a, str> {
    // SAFETY: a pool's name is NULL or a C string that outlives it.
    let name = unsafe { crate::entry::bytes((*pool).name) };
    String::from_utf8_lossy(name.unwrap_or_default())
}

/// Logs an error for each pool that is still alive. Called at the end of the library (`dm_lib_exit`).
pub fn report_leaks() {
    let living = LIVING.lock().unwrap_or_else(|e| e.into_inner());
    let mut pool = living.0;
    if pool.is_null() {
        return;
    }
    log_error!("You have a memory leak (not released memory pool):");
    while !pool.is_null() {
        // SAFETY: pools unlink themselves under the mutex, which is held, before they go.
        unsafe {
            log_error!(" [{pool:p}] {}", name(pool));
            pool = (*pool).older;
        }
    }
    drop(living);
    log_error!("Internal error: Unreleased memory pool(s) found.");
}

c_api! {
    /// Makes an empty pool; `name` is borrowed for its life.
    fn dm_pool_create(name: *const c_char, chunk_hint: usize) -> *mut dm_pool {
        // SAFETY: the caller's contract is the same.
        unsafe { create(name, chunk_hint) }
    }

    /// Releases a pool and all its objects.
    fn dm_pool_destroy(p: *mut dm_pool) -> () {
        required!(dm_pool_destroy: p);
        // SAFETY: the caller's contract is the same.
        unsafe { destroy(p) }
    }

    /// Allocates `s` bytes, aligned for a double.
    fn dm_pool_alloc(p: *mut dm_pool, s: usize) -> *mut c_void {
        required!(dm_pool_alloc: p => ptr::null_mut());
        // SAFETY: the caller's contract is the same.
        unsafe { alloc(p, s) }
    }

    /// Allocates `s` bytes at a multiple of `alignment`.
    fn dm_pool_alloc_aligned(p: *mut dm_pool, s: usize, alignment: c_uint) -> *mut c_void {
        required!(dm_pool_alloc_aligned: p => ptr::null_mut());
        // SAFETY: the caller's contract is the same.
        unsafe { alloc_aligned(p, s, alignment as usize) }
    }

    /// Allocates `s` zero bytes, aligned for a double.
    fn dm_pool_zalloc(p: *mut dm_pool, s: usize) -> *mut c_void {
        required!(dm_pool_zalloc: p => ptr::null_mut());
        // SAFETY: the caller's contract is the same.
        unsafe { zalloc(p, s) }
    }

    /// Copies a string.
    fn dm_pool_strdup(p: *mut dm_pool, str: *const c_char) -> *mut c_char {
        required!(dm_pool_strdup: p, str => ptr::null_mut());
        // SAFETY: the caller passes a pool and a C string.
        unsafe { strdup_bytes(p, crate::entry::bytes(str).unwrap_or_default()) }
    }

    /// Copies at most `n` bytes of a string and ends them with a NUL.
    fn dm_pool_strndup(p: *mut dm_pool, str: *const c_char, n: usize) -> *mut c_char {
        required!(dm_pool_strndup: p, str => ptr::null_mut());
        // SAFETY: the caller passes a pool and a C string, of which `strnlen` bytes are readable. The object of n + 1
        // bytes holds them and the NUL.
        unsafe {
            let Some(size) = n.checked_add(1) else {
                log_error!("Huge memory allocation (size {n}) rejected - metadata corruption?");
                return ptr::null_mut();
            };
            let copy = alloc(p, size).cast::<u8>();
            if !copy.is_null() {
                let len = crate::entry::strnlen(str, n);
                copy.copy_from_nonoverlapping(str.cast(), len);
                copy.add(len).write(0);
            }
            copy.cast()
        }
    }

    /// Releases `ptr` and all that was allocated after it.
    fn dm_pool_free(p: *mut dm_pool, ptr: *mut c_void) -> () {
        required!(dm_pool_free: p);
        // SAFETY: the caller's contract is the same.
        unsafe { free(p, ptr) }
    }

    /// Releases all objects.
    fn dm_pool_empty(p: *mut dm_pool) -> () {
        required!(dm_pool_empty: p);
        // SAFETY: the caller's contract is the same.
        unsafe { empty(p) }
    }

    /// Starts an object that grows.
    fn dm_pool_begin_object(p: *mut dm_pool, hint: usize) -> c_int {
        required!(dm_pool_begin_object: p => 0);
        // SAFETY: the caller's contract is the same.
        c_int::from(unsafe { begin_object(p, hint) })
    }

    /// Appends `delta` bytes, or all of a string when `delta` is 0.
    fn dm_pool_grow_object(p: *mut dm_pool, extra: *const c_void, delta: usize) -> c_int {
        required!(dm_pool_grow_object: p, extra => 0);
        // SAFETY: the caller passes `delta` readable bytes, or a C string.
        unsafe {
            let delta = if delta == 0 { libc::strlen(extra.cast()) } else { delta };
            c_int::from(grow_object(p, std::slice::from_raw_parts(extra.cast(), delta)))
        }
    }

    /// Finishes the growing object.
    fn dm_pool_end_object(p: *mut dm_pool) -> *mut c_void {
        required!(dm_pool_end_object: p => ptr::null_mut());
        // SAFETY: the caller's contract is the same.
        unsafe { end_object(p) }
    }

    /// Drops the growing object.
    fn dm_pool_abandon_object(p: *mut dm_pool) -> () {
        required!(dm_pool_abandon_object: p);
        // SAFETY: the caller's contract is the same.
        unsafe { abandon_object(p) }
    }

    /// Whether the pool is locked.
    fn dm_pool_locked(p: *mut dm_pool) -> c_int {
        required!(dm_pool_locked: p => 0);
        // SAFETY: the caller passes a living pool.
        c_int::from(unsafe { (*p).locked })
    }

    /// Marks the pool as locked, with `crc` remembering a checksum of what is in it.
    fn dm_pool_lock(p: *mut dm_pool, crc: c_int) -> c_int {
        required!(dm_pool_lock: p => 0);
        // SAFETY: the caller passes a living pool that no one else uses now.
        unsafe {
            if (*p).locked {
                log_error!("Internal error: Pool {} is already locked.", name(p));
                return 0;
            }
            if crc != 0 {
                (*p).checksum = checksum(p);
            }
            (*p).locked = true;
            log_at!(Debug, 0, CLASS_MEMORY, "Pool {} is locked.", name(p));
            1
        }
    }

    /// Ends the lock, with `crc` comparing the checksum.
    fn dm_pool_unlock(p: *mut dm_pool, crc: c_int) -> c_int {
        required!(dm_pool_unlock: p => 0);
        // SAFETY: the caller passes a living pool that no one else uses now.
        unsafe {
            if !(*p).locked {
                log_error!("Internal error: Pool {} is already unlocked.", name(p));
                return 0;
            }
            (*p).locked = false;
            log_at!(Debug, 0, CLASS_MEMORY, "Pool {} is unlocked.", name(p));
            if crc != 0 && (*p).checksum != checksum(p) {
                log_error!("Internal error: Pool {} crc mismatch.", name(p));
                return 0;
            }
            1
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
