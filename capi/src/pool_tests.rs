//! Tests of the pool: stack order, growth, alignment, locking.
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each test owns its pools and keeps their contracts"
)]

use super::*;

struct Owned(*mut dm_pool);

impl Owned {
    fn new() -> Self {
        Self(create_static(c"test", 16))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        unsafe { destroy(self.0) }
    }
}

#[test]
fn objects_keep_their_content_and_alignment() {
    let pool = Owned::new();
    let mut objects = Vec::new();
    for i in 0..if cfg!(miri) { 300 } else { 20_000_usize } {
        let size = i * 7 % 300;
        let object = unsafe { alloc(pool.0, size) }.cast::<u8>();
        assert_eq!(object as usize % 8, 0);
        unsafe { object.write_bytes(i as u8, size) };
        objects.push((object, size, i as u8));
    }
    for (object, size, byte) in objects {
        assert!(
            unsafe { std::slice::from_raw_parts(object, size) }
                .iter()
                .all(|&b| b == byte)
        );
    }
}

#[test]
fn alignment_one_packs() {
    let pool = Owned::new();
    unsafe {
        let a = alloc_aligned(pool.0, 3, 1) as usize;
        assert_eq!(alloc_aligned(pool.0, 1, 1) as usize, a + 3);
        assert_eq!(alloc_aligned(pool.0, 1, 256) as usize % 256, 0);
        assert_eq!(alloc_aligned(pool.0, 5000, 4096) as usize % 4096, 0);
        assert!(!alloc(pool.0, 0).is_null());
    }
}

#[test]
fn freeing_an_object_frees_what_came_later() {
    let pool = Owned::new();
    unsafe {
        let a = strdup_bytes(pool.0, b"first");
        let b = alloc(pool.0, 3);
        for _ in 0..100 {
            alloc(pool.0, 5000);
        }
        free(pool.0, b);
        assert_eq!(alloc(pool.0, 3), b);
        assert_eq!(CStr::from_ptr(a).to_bytes(), b"first");
        let mut other = 0_u64;
        free(pool.0, (&raw mut other).cast());
        assert_eq!(
            CStr::from_ptr(a).to_bytes(),
            b"first",
            "a foreign pointer changes nothing"
        );
        free(pool.0, a.cast());
        assert_eq!(alloc(pool.0, 3), a.cast());
        empty(pool.0);
        assert_eq!(alloc(pool.0, 3), a.cast());
    }
}

#[test]
fn growing_object_may_move() {
    let pool = Owned::new();
    unsafe {
        let first = strdup_bytes(pool.0, b"before");
        for round in 0..3 {
            assert!(begin_object(pool.0, 1));
            let mut want = Vec::new();
            for i in 0..if cfg!(miri) { 300 } else { 50_000_u32 } {
                let piece = format!("{i:010}");
                assert!(grow_object(pool.0, piece.as_bytes()));
                want.extend_from_slice(piece.as_bytes());
            }
            let object = end_object(pool.0).cast::<u8>();
            assert_eq!(object as usize % 8, 0);
            assert_eq!(std::slice::from_raw_parts(object, want.len()), want, "round {round}");
        }
        assert_eq!(CStr::from_ptr(first).to_bytes(), b"before");
        assert!(begin_object(pool.0, 10));
        let empty = end_object(pool.0);
        assert!(!empty.is_null());
    }
}

#[test]
fn abandoned_object_leaves_no_trace() {
    let pool = Owned::new();
    unsafe {
        assert!(begin_object(pool.0, 10));
        assert_eq!(dm_pool_grow_object(pool.0, c"abc".as_ptr().cast(), 0), 1);
        abandon_object(pool.0);
        assert!(begin_object(pool.0, 10));
        assert_eq!(dm_pool_grow_object(pool.0, c"".as_ptr().cast(), 0), 1);
        assert_eq!(dm_pool_grow_object(pool.0, c"xy".as_ptr().cast(), 0), 1);
        assert_eq!(dm_pool_grow_object(pool.0, c"".as_ptr().cast(), 1), 1);
        assert_eq!(CStr::from_ptr(end_object(pool.0).cast()).to_bytes(), b"xy");
    }
}

#[test]
fn huge_requests_fail() {
    let pool = Owned::new();
    unsafe {
        assert!(alloc(pool.0, 50_000_001).is_null());
        assert!(alloc(pool.0, usize::MAX).is_null());
        assert!(!alloc(pool.0, 49_000_000).is_null());
        assert!(dm_pool_strndup(pool.0, c"a".as_ptr(), usize::MAX).is_null());
        assert!(!begin_object(pool.0, usize::MAX - 4));
    }
}

#[test]
fn lock_notices_changes() {
    let pool = Owned::new();
    unsafe {
        let text = strdup_bytes(pool.0, b"text");
        assert_eq!(
            (dm_pool_locked(pool.0), dm_pool_lock(pool.0, 1), dm_pool_locked(pool.0)),
            (0, 1, 1)
        );
        assert_eq!(dm_pool_lock(pool.0, 1), 0);
        assert_eq!(dm_pool_unlock(pool.0, 1), 1);
        assert_eq!(dm_pool_unlock(pool.0, 1), 0);
        dm_pool_lock(pool.0, 1);
        *text = b'T' as c_char;
        assert_eq!((dm_pool_unlock(pool.0, 1), dm_pool_locked(pool.0)), (0, 0));
        dm_pool_lock(pool.0, 1);
        alloc(pool.0, 1);
        assert_eq!(dm_pool_unlock(pool.0, 1), 0);
    }
}

#[test]
fn owned_values_go_with_their_place() {
    use std::rc::Rc;
    let (a, b, c) = (Rc::new(()), Rc::new(()), Rc::new(()));
    let alive = || [&a, &b, &c].map(|x| Rc::strong_count(x) - 1);
    let pool = Owned::new();
    unsafe {
        own(pool.0, a.clone());
        let between = alloc(pool.0, 100);
        own(pool.0, b.clone());
        let big = alloc(pool.0, 3000);
        own(pool.0, c.clone());
        assert_eq!(alive(), [1, 1, 1]);
        free(pool.0, big);
        assert_eq!(alive(), [1, 1, 0]);
        own(pool.0, c.clone());
        free(pool.0, between);
        assert_eq!(alive(), [1, 0, 0]);
        own(pool.0, b.clone());
        empty(pool.0);
        assert_eq!(alive(), [0, 0, 0]);
        own(pool.0, c.clone());
    }
    drop(pool);
    assert_eq!([&a, &b, &c].map(|x| Rc::strong_count(x) - 1), [0, 0, 0]);
}

/// A chunk was given back although a small object lay in front of the growing one (found by Miri).
#[test]
fn a_small_object_stays_when_the_next_one_grows_and_moves() {
    let pool = Owned::new();
    for size in 1..=9 {
        unsafe {
            let small = alloc(pool.0, size).cast::<u8>();
            small.write_bytes(7, size);
            assert!(begin_object(pool.0, 1));
            for _ in 0..100 {
                assert!(grow_object(pool.0, &[1; 1000]));
            }
            assert!(!end_object(pool.0).is_null());
            assert!(std::slice::from_raw_parts(small, size).iter().all(|&b| b == 7));
            free(pool.0, small.cast());
            assert_eq!(alloc(pool.0, 1).cast(), small);
            empty(pool.0);
        }
    }
}
