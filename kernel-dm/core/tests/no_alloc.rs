//! Mapping a request allocates nothing.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::table;
use dm_core::io::{Bio, Op};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what each thread asks for.
struct Counting;

// SAFETY: everything is passed to `System` unchanged; the counter is a plain thread-local cell that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn pieces_allocate_nothing() {
    let mut text = String::new();
    let kinds = [
        "linear 1:0 8",
        "striped 2 8 1:0 0 1:1 0",
        "zero",
        "error",
        "delay 1:0 0 10 1:1 8 20 1:2 16 30",
        "flakey 1:0 0 0 1 9 corrupt_bio_byte 1 w 1 0 random_read_corrupt 1000 random_write_corrupt 1000",
    ];
    for index in 0..600 {
        text += &format!("{} 64 {}\n", index * 64, kinds[index % kinds.len()]);
    }
    let table = table(text.as_bytes()).unwrap();
    let ops = [Op::Read, Op::Write, Op::Flush, Op::Discard, Op::WriteZeroes];
    let before = ALLOCATIONS.with(Cell::get);
    assert!(before > 0);
    let mut pieces = 0;
    for op in ops {
        for (sector, sectors) in [(0, 1), (5000, 8), (0, 600 * 64), (77, 12_345), (600 * 64 - 1, 2)] {
            let sectors = if op == Op::Flush { 0 } else { sectors };
            let bio = Bio {
                op,
                sector,
                sectors,
                fua: false,
            };
            for piece in table.pieces(bio, 500) {
                table.delay_over(&bio, &piece);
                pieces += 1;
            }
        }
    }
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
    assert!(pieces > 3000);
}
