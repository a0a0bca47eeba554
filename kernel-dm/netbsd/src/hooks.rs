//! The C half's functions (`sys/dm_glue.h`). Numbers that mean errors are NetBSD's.

use core::ffi::{c_int, c_void};

/// A mapped device of the C half.
#[repr(C)]
pub(crate) struct Dev {
    _opaque: [u8; 0],
}

/// A request under way.
#[repr(C)]
pub(crate) struct Io {
    _opaque: [u8; 0],
}

/// An open component.
#[repr(C)]
pub(crate) struct Part {
    _opaque: [u8; 0],
}

/// A piece that a machine holds.
#[repr(C)]
pub(crate) struct HeldPiece {
    _opaque: [u8; 0],
}

/// `struct dmk_held`: what is known about a [`HeldPiece`].
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct HeldInfo {
    pub(crate) io: *mut Io,
    pub(crate) table: *const c_void,
    pub(crate) offset: u64,
    pub(crate) sectors: u64,
    pub(crate) op: u32,
    pub(crate) pad: u32,
}

/// `struct dmk_part_info`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct PartInfo {
    pub(crate) sectors: u64,
    pub(crate) sector_size: u32,
    pub(crate) writable: u8,
    pub(crate) discard: u8,
    pub(crate) pad: [u8; 2],
}

/// `struct dmrs_bio`: [`dm_core::io::Bio`] for C.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct CBio {
    pub(crate) op: u32,
    pub(crate) fua: u32,
    pub(crate) sector: u64,
    pub(crate) sectors: u64,
}

/// `struct dmrs_piece`: a remapped [`dm_core::io::Piece`] for C.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct CPiece {
    /// Sectors from the request's first.
    pub(crate) offset: u64,
    pub(crate) sectors: u64,
    /// First sector on the component.
    pub(crate) sector: u64,
    pub(crate) component: u32,
    pub(crate) delay_ms: u32,
    /// Index of a byte in the request's data that gets a value; [`NO_BYTE`] for none.
    pub(crate) corrupt_byte: u64,
    pub(crate) corrupt_value: u32,
    /// Minor number of the mapped device that is the component, when `part` is null.
    pub(crate) minor: u32,
    pub(crate) part: *mut Part,
}

/// No byte is to be changed.
pub(crate) const NO_BYTE: u64 = u64::MAX;
/// Any minor number.
pub(crate) const ANY_MINOR: u32 = u32::MAX;

unsafe extern "C" {
    // Memory, messages, time.
    #[cfg_attr(not(feature = "kernel"), allow(dead_code))]
    pub(crate) fn dmk_alloc(size: usize) -> *mut c_void;
    #[cfg_attr(not(feature = "kernel"), allow(dead_code))]
    pub(crate) fn dmk_free(memory: *mut c_void, size: usize);
    #[cfg_attr(not(feature = "kernel"), allow(dead_code))]
    pub(crate) fn dmk_panic(text: *const u8, length: usize) -> !;
    pub(crate) fn dmk_log(text: *const u8, length: usize);
    pub(crate) fn dmk_now_ms() -> u64;
    pub(crate) fn dmk_sleep_ms(ms: u32);

    // The control lock, and the count of changes.
    pub(crate) fn dmk_control_lock();
    pub(crate) fn dmk_control_unlock();
    pub(crate) fn dmk_changes() -> u64;
    pub(crate) fn dmk_changed();
    /// So many events have happened; wakes who polls the control node. May be called with the control lock held.
    pub(crate) fn dmk_events(count: u64);
    /// Sleeps until the count differs from `seen`; EINTR or ERESTART on a signal.
    pub(crate) fn dmk_wait_changed(seen: u64) -> c_int;

    // Mapped devices.
    pub(crate) fn dmk_major() -> u32;
    /// Makes a device; `volume` and `id` are kept for the other half's calls. `minor` goes in as wanted and comes out as given.
    pub(crate) fn dmk_dev_create(id: u64, minor: *mut u32, volume: *mut c_void, dev: *mut *mut Dev) -> c_int;
    pub(crate) fn dmk_dev_remove(dev: *mut Dev) -> c_int;
    pub(crate) fn dmk_dev_opens(dev: *mut Dev) -> u32;
    pub(crate) fn dmk_dev_watch(dev: *mut Dev, on: c_int);
    pub(crate) fn dmk_dev_named(dev: *mut Dev, name: *const u8, length: usize);
    pub(crate) fn dmk_dev_configure(dev: *mut Dev, sectors: u64, sector_size: u32, read_only: c_int, discard: c_int);
    pub(crate) fn dmk_dev_lock(dev: *mut Dev);
    pub(crate) fn dmk_dev_unlock(dev: *mut Dev);
    /// Keeps a request until the gate opens. Under the device's lock.
    pub(crate) fn dmk_dev_hold(dev: *mut Dev, io: *mut Io);
    /// The gate is open: starts again what was kept, wakes who waits for that.
    pub(crate) fn dmk_dev_opened(dev: *mut Dev);
    /// The gate is closed: delayed pieces start now.
    pub(crate) fn dmk_dev_closed(dev: *mut Dev);
    /// The last request is complete. Under the device's lock.
    pub(crate) fn dmk_dev_drained(dev: *mut Dev);
    /// Sleeps once on the device's condition; under its lock. EINTR or ERESTART on a signal.
    pub(crate) fn dmk_dev_sleep(dev: *mut Dev) -> c_int;
    /// The device with a minor number, or null, and its volume.
    pub(crate) fn dmk_dev_find(minor: u32, volume: *mut *mut c_void) -> *mut Dev;
    /// A target raised an event: the C half calls `dmrs_event` from a thread.
    pub(crate) fn dmk_dev_event(dev: *mut Dev);

    // Components.
    /// The number of the block device at a path; ENOTBLK for something else.
    pub(crate) fn dmk_path(path: *const u8, major: *mut u32, minor: *mut u32) -> c_int;
    pub(crate) fn dmk_part_open(major: u32, minor: u32, part: *mut *mut Part, info: *mut PartInfo) -> c_int;
    pub(crate) fn dmk_part_close(part: *mut Part);
    pub(crate) fn dmk_part_flush(part: *mut Part) -> c_int;
    pub(crate) fn dmk_part_discard(part: *mut Part, sector: u64, sectors: u64) -> c_int;
    pub(crate) fn dmk_part_dump(part: *mut Part, sector: u64, data: *mut c_void, length: usize) -> c_int;

    // Pieces of a request.
    /// Starts a piece. `own`, if not null, comes back with `dmrs_own_done` when it is done; when there is no memory, the
    /// request fails, and the answer is an error if there is an `own`, which then does not come back.
    pub(crate) fn dmk_io_piece(io: *mut Io, piece: *const CPiece, own: *mut c_void) -> c_int;
    /// Starts a piece whose data are changed on their way: `dmrs_transform` comes from a thread.
    pub(crate) fn dmk_io_transform(io: *mut Io, piece: *const CPiece);
    /// A machine is to be asked about a piece: `dmrs_ask` comes from a thread.
    pub(crate) fn dmk_io_ask(io: *mut Io, offset: u64, sectors: u64);
    /// The request goes back to the gate when its pieces are done.
    pub(crate) fn dmk_io_again(io: *mut Io);
    pub(crate) fn dmk_io_zero(io: *mut Io, offset: u64, sectors: u64);
    pub(crate) fn dmk_io_fail(io: *mut Io, error: c_int);

    // Machines. Nothing here waits for I/O or a gate but dmk_sync_io; all may sleep for memory.
    pub(crate) fn dmk_held_info(piece: *const HeldPiece, held: *mut HeldInfo);
    /// Where the data of a held piece are, while it is held.
    pub(crate) fn dmk_held_data(piece: *const HeldPiece) -> *const u8;
    /// Does the operation of a held piece at a component; `own` comes back.
    pub(crate) fn dmk_held_send(piece: *mut HeldPiece, to: *const CPiece, own: *mut c_void);
    /// The piece is not held any more, and done, but for what was started with `dmk_io_piece`.
    pub(crate) fn dmk_held_put(piece: *mut HeldPiece);
    /// An operation of a machine; `own` comes back, and the data stay until then.
    pub(crate) fn dmk_own_io(own: *mut c_void, op: u32, to: *const CPiece, data: *mut u8);
    /// `own` comes back after a time in milliseconds, or sooner when the module goes.
    pub(crate) fn dmk_own_wait(own: *mut c_void, ms: u32);
    /// Flushes or discards as a request like others; sleeps until it is complete.
    pub(crate) fn dmk_sync_io(dev: *mut Dev, op: u32, sector: u64, sectors: u64) -> c_int;
    /// A target raised an event on a device: the C half calls `dmrs_event` from a thread.
    pub(crate) fn dmk_event(id: u64);
    pub(crate) fn dmk_lock_new() -> *mut c_void;
    pub(crate) fn dmk_lock_free(lock: *mut c_void);
    pub(crate) fn dmk_lock_enter(lock: *mut c_void);
    pub(crate) fn dmk_lock_exit(lock: *mut c_void);

    // AES of the kernel, see [`crate::cipher`].
    /// 0: it has none, and the others are not called.
    pub(crate) fn dmk_aes() -> c_int;
    /// Null for a key of a length that AES does not have.
    pub(crate) fn dmk_aes_new(mode: u32, key: *const u8, length: usize) -> *mut c_void;
    pub(crate) fn dmk_aes_free(key: *mut c_void);
    /// Encrypts or decrypts sectors in place, as many as the IVs of 16 bytes, which are used up.
    pub(crate) fn dmk_aes_run(
        key: *const c_void,
        encrypt: c_int,
        ivs: *mut u8,
        count: usize,
        data: *mut u8,
        length: usize,
    );
}
