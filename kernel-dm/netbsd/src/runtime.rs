//! What a program without a standard library must bring itself.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt::Write as _;

use crate::hooks;

/// Memory of kmem(9); the engine allocates only where it may sleep, so none of this fails.
struct Kmem;

/// What kmem(9) aligns to at least.
const ALIGN: usize = 8;

// SAFETY: dmk_alloc gives exclusive memory of the wanted size, aligned to 8 bytes, until dmk_free gets the same size.
unsafe impl GlobalAlloc for Kmem {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGN {
            // Nothing in the engine asks for it.
            return core::ptr::null_mut();
        }
        // SAFETY: the size of a layout given to an allocator is not 0.
        unsafe { hooks::dmk_alloc(layout.size()).cast() }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `memory` came from alloc with this layout.
        unsafe { hooks::dmk_free(memory.cast(), layout.size()) }
    }
}

#[global_allocator]
static KMEM: Kmem = Kmem;

/// A line of text of limited length.
struct Line {
    bytes: [u8; 200],
    used: usize,
}

impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            if let Some(place) = self.bytes.get_mut(self.used) {
                *place = byte;
                self.used += 1;
            }
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let mut line = Line {
        bytes: [0; 200],
        used: 0,
    };
    let _ = write!(line, "{info}");
    // SAFETY: the text is `used` bytes long.
    unsafe { hooks::dmk_panic(line.bytes.as_ptr(), line.used) }
}
