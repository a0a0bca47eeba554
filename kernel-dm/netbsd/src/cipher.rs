//! AES for target crypt: the kernel's aes(9) where there is one, else the engine's.

use alloc::boxed::Box;
use core::ffi::{c_int, c_void};

use dm_core::cipher::{self, Iv, Mode, SectorCipher};

use crate::hooks;

/// A key of aes(9).
struct Kernel {
    key: *mut c_void,
}

// SAFETY: the C half's key may be used from any thread.
unsafe impl Send for Kernel {}
// SAFETY: as above; nothing changes it.
unsafe impl Sync for Kernel {}

/// See [`cipher::New`].
pub(crate) fn new(mode: Mode, key: &[u8]) -> Option<Box<dyn SectorCipher>> {
    // SAFETY: it only returns a number.
    if unsafe { hooks::dmk_aes() } == 0 {
        return cipher::new(mode, key);
    }
    let mode = match mode {
        Mode::Xts => 0,
        Mode::Cbc => 1,
        Mode::Ecb => 2,
    };
    // SAFETY: the key is that long; this thread may sleep for memory.
    let key = unsafe { hooks::dmk_aes_new(mode, key.as_ptr(), key.len()) };
    match key.is_null() {
        true => None,
        false => Some(Box::new(Kernel { key })),
    }
}

impl Kernel {
    fn run(&self, encrypt: bool, ivs: &mut [Iv], data: &mut [u8]) {
        // SAFETY: the key exists as long as `self`; both slices are that long.
        unsafe {
            hooks::dmk_aes_run(
                self.key,
                c_int::from(encrypt),
                ivs.as_mut_ptr().cast(),
                ivs.len(),
                data.as_mut_ptr(),
                data.len(),
            );
        }
    }
}

impl SectorCipher for Kernel {
    fn encrypt(&self, ivs: &mut [Iv], data: &mut [u8]) {
        self.run(true, ivs, data);
    }

    fn decrypt(&self, ivs: &mut [Iv], data: &mut [u8]) {
        self.run(false, ivs, data);
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // SAFETY: it came from dmk_aes_new, and is used no more.
        unsafe { hooks::dmk_aes_free(self.key) }
    }
}
