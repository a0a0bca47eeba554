//! The data path. None of it allocates; only [`dmrs_sync`] sleeps. What machines decide is in [`crate::own`].

use alloc::sync::Arc;
use core::ffi::{c_int, c_void};
use core::ptr;

use dm_abi::errno::Errno;
use dm_core::host::Component;
use dm_core::io::{Bio, Op, Piece, Verb};
use dm_core::table::Table;
use dm_core::targets::Direction;
use dm_core::volume::{Enter, Volume};

use crate::errno::{check, to_native};
use crate::hooks::{self, CBio, CPiece, Dev, Io, NO_BYTE};
use crate::host::Handle;

pub(crate) type Gate = Volume<Handle>;
pub(crate) type LiveTable = Table<Handle>;

/// How deep [`dmrs_sync`] goes along a chain of devices on the stack of a kernel thread.
const MAX_SYNC_DEPTH: u32 = 12;

/// Runs `f` on the volume under the device's lock.
///
/// # Safety
/// Both exist and belong together; the lock is free.
pub(crate) unsafe fn locked<R>(dev: *mut Dev, volume: *mut Gate, f: impl FnOnce(&mut Gate) -> R) -> R {
    // SAFETY: the caller's; the lock makes the reference the only one.
    unsafe {
        hooks::dmk_dev_lock(dev);
        let result = f(&mut *volume);
        hooks::dmk_dev_unlock(dev);
        result
    }
}

/// Sleeps until `ready`.
///
/// # Safety
/// As of [`locked`]; and this is a thread that may sleep.
pub(crate) unsafe fn wait(dev: *mut Dev, volume: *mut Gate, ready: impl Fn(&Gate) -> bool) -> Result<(), Errno> {
    // SAFETY: the caller's; each use of the volume is under the lock.
    unsafe {
        hooks::dmk_dev_lock(dev);
        let mut answer = 0;
        while answer == 0 && !ready(&*volume) {
            answer = hooks::dmk_dev_sleep(dev);
        }
        hooks::dmk_dev_unlock(dev);
        check(answer)
    }
}

pub(crate) fn bio_of(bio: &CBio) -> Bio {
    Bio {
        op: match bio.op {
            0 => Op::Read,
            1 => Op::Write,
            2 => Op::Flush,
            3 => Op::Discard,
            _ => Op::WriteZeroes,
        },
        sector: bio.sector,
        sectors: bio.sectors,
        fua: bio.fua != 0,
    }
}

/// The number of an operation in C.
pub(crate) fn op_number(op: Op) -> u32 {
    match op {
        Op::Read => 0,
        Op::Write => 1,
        Op::Flush => 2,
        Op::Discard => 3,
        Op::WriteZeroes => 4,
    }
}

/// Starts a request: 1 when the device's gate is closed and the request was put away with `dmk_dev_hold` (then it is
/// not the caller's any more), else 0. What it entered is in `table`, for [`dmrs_exit`]; null when it entered nothing.
///
/// # Safety
/// `dev` and its `volume` exist, all pointers are valid, and the device's lock is free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_start(
    dev: *mut Dev,
    volume: *mut c_void,
    io: *mut Io,
    bio: *const CBio,
    table: *mut *const c_void,
) -> c_int {
    let volume: *mut Gate = volume.cast();
    // SAFETY: the caller's. A held request is put away under the lock, so that it cannot be missed when the gate opens.
    let entered = unsafe {
        locked(dev, volume, |volume| {
            let entered = volume.enter();
            if matches!(entered, Enter::Hold) {
                hooks::dmk_dev_hold(dev, io);
            }
            entered
        })
    };
    let live = match entered {
        Enter::Hold => return 1,
        Enter::NoTable => {
            // SAFETY: the request is still ours.
            unsafe { hooks::dmk_io_fail(io, to_native(Errno::EIO)) };
            return 0;
        }
        Enter::Go(live) => live,
    };
    // SAFETY: the caller's.
    let bio = bio_of(unsafe { &*bio });
    let live = Arc::into_raw(live);
    // SAFETY: the caller's; written before the first piece can complete. The request counts as under way until
    // dmrs_exit, so the table stays.
    let live: &LiveTable = unsafe {
        table.write(live.cast());
        &*live
    };
    // SAFETY: it only returns a number.
    let now = unsafe { hooks::dmk_now_ms() };
    for piece in live.pieces(bio, now) {
        // SAFETY: the request is ours until we return, for the caller holds a reference.
        unsafe {
            match piece.verb {
                Verb::Drop => {}
                Verb::Zero if bio.op == Op::Read => hooks::dmk_io_zero(io, piece.offset, piece.sectors),
                Verb::Zero => {}
                Verb::Fail(errno) => hooks::dmk_io_fail(io, to_native(errno)),
                Verb::Ask => hooks::dmk_io_ask(io, piece.offset, piece.sectors),
                // Only machines say this.
                Verb::Again => hooks::dmk_io_fail(io, to_native(Errno::EIO)),
                Verb::Transform { .. } => {
                    if let Some(piece) = c_piece(live, &piece) {
                        hooks::dmk_io_transform(io, &raw const piece);
                    }
                }
                Verb::Remap { .. } => {
                    if let Some(piece) = c_piece(live, &piece) {
                        let _ = hooks::dmk_io_piece(io, &raw const piece, ptr::null_mut());
                    }
                }
            }
        }
    }
    0
}

/// A piece with [`Verb::Remap`] or [`Verb::Transform`] for C.
pub(crate) fn c_piece(table: &LiveTable, piece: &Piece) -> Option<CPiece> {
    let (component, sector, delay_ms, corrupt) = match piece.verb {
        Verb::Remap {
            component,
            sector,
            delay_ms,
            corrupt,
        } => (component, sector, delay_ms, corrupt),
        Verb::Transform { component, sector } => (component, sector, 0, None),
        _ => return None,
    };
    let (part, minor) = place(table.components().get(component as usize)?);
    Some(CPiece {
        offset: piece.offset,
        sectors: piece.sectors,
        sector,
        component,
        delay_ms,
        corrupt_byte: corrupt.map_or(NO_BYTE, |corrupt| corrupt.byte),
        corrupt_value: corrupt.map_or(0, |corrupt| corrupt.value.into()),
        minor,
        part,
    })
}

/// A component for C: a part, or the minor number of a mapped device.
pub(crate) fn place(component: &Component<Handle>) -> (*mut hooks::Part, u32) {
    match component {
        Component::Host(opened) => (opened.handle.part(), 0),
        Component::Mapped { dev, .. } => (ptr::null_mut(), dev.minor),
    }
}

fn piece_of(piece: &CPiece) -> Piece {
    Piece {
        offset: piece.offset,
        sectors: piece.sectors,
        verb: Verb::Remap {
            component: piece.component,
            sector: piece.sector,
            delay_ms: piece.delay_ms,
            corrupt: None,
        },
    }
}

/// The work of a delayed piece starts.
///
/// # Safety
/// `table` is what [`dmrs_start`] gave, before [`dmrs_exit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_delay_over(table: *const c_void, bio: *const CBio, piece: *const CPiece) {
    // SAFETY: the caller's.
    unsafe { (*table.cast::<LiveTable>()).delay_over(&bio_of(&*bio), &piece_of(&*piece)) }
}

/// Changes the data of a piece on their way to the component or from there: 0 or an error.
///
/// # Safety
/// `table` is what [`dmrs_start`] gave, before [`dmrs_exit`]; the data are as long as the piece.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_transform(
    table: *const c_void,
    bio: *const CBio,
    piece: *const CPiece,
    data: *mut u8,
) -> c_int {
    // SAFETY: the caller's.
    let (table, bio, piece): (&LiveTable, Bio, &CPiece) = unsafe { (&*table.cast(), bio_of(&*bio), &*piece) };
    let direction = match bio.op {
        Op::Read => Direction::Read,
        _ => Direction::Write,
    };
    // SAFETY: the caller's.
    let data = unsafe { core::slice::from_raw_parts_mut(data, crate::own::bytes(piece.sectors)) };
    match table.transform(direction, &bio, &piece_of(piece), 0, data) {
        Ok(()) => 0,
        Err(errno) => to_native(errno),
    }
}

/// A piece failed at its component: 1 when an event is to be raised.
///
/// # Safety
/// `table` is what [`dmrs_start`] gave, before [`dmrs_exit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_piece_failed(table: *const c_void, bio: *const CBio, piece: *const CPiece) -> c_int {
    // SAFETY: the caller's.
    c_int::from(unsafe { (*table.cast::<LiveTable>()).piece_failed(&bio_of(&*bio), &piece_of(&*piece)) })
}

/// A request that was let in is complete.
///
/// # Safety
/// `table` is what [`dmrs_start`] gave, used no more; the device's lock is free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_exit(dev: *mut Dev, volume: *mut c_void, table: *const c_void) {
    // SAFETY: the caller's. It is never the last clone: the volume keeps one as long as requests are under way.
    unsafe {
        drop(Arc::from_raw(table.cast::<LiveTable>()));
        locked(dev, volume.cast(), |volume| {
            if volume.exit() {
                hooks::dmk_dev_drained(dev);
            }
        });
    }
}

/// Flushes or discards, in a thread that may sleep: 0 or an error.
///
/// # Safety
/// `dev` and its `volume` exist until this returns, `bio` is valid, no lock is held.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_sync(dev: *mut Dev, volume: *mut c_void, bio: *const CBio) -> c_int {
    // SAFETY: the caller's.
    match unsafe { sync(dev, volume.cast(), &bio_of(&*bio), 0) } {
        Ok(()) => 0,
        Err(errno) => to_native(errno),
    }
}

unsafe fn sync(dev: *mut Dev, volume: *mut Gate, bio: &Bio, depth: u32) -> Result<(), Errno> {
    if depth > MAX_SYNC_DEPTH {
        return Err(Errno::EIO);
    }
    let live = loop {
        // SAFETY: the caller's.
        match unsafe { locked(dev, volume, Volume::enter) } {
            Enter::Go(live) => break live,
            Enter::NoTable => return Err(Errno::EIO),
            // SAFETY: the caller's.
            Enter::Hold => unsafe { wait(dev, volume, |volume| !volume.is_closed())? },
        }
    };
    if live.has_machines() {
        // SAFETY: entered above, and not used after this; the device exists.
        return unsafe {
            dmrs_exit(dev, volume.cast(), Arc::into_raw(live).cast());
            check(hooks::dmk_sync_io(dev, op_number(bio.op), bio.sector, bio.sectors))
        };
    }
    let mut result = Ok(());
    // SAFETY: it only returns a number.
    let now = unsafe { hooks::dmk_now_ms() };
    for piece in live.pieces(*bio, now) {
        // SAFETY: the components stay open as long as the table lives.
        if let Err(errno) = unsafe { sync_piece(dev, &live, bio, &piece, depth) } {
            result = Err(errno);
        }
    }
    // SAFETY: entered above, and not used after this.
    unsafe { dmrs_exit(dev, volume.cast(), Arc::into_raw(live).cast()) };
    result
}

unsafe fn sync_piece(dev: *mut Dev, live: &LiveTable, bio: &Bio, piece: &Piece, depth: u32) -> Result<(), Errno> {
    let (component, sector) = match piece.verb {
        Verb::Fail(errno) => return Err(errno),
        Verb::Ask | Verb::Again | Verb::Transform { .. } => return Err(Errno::EIO),
        Verb::Zero | Verb::Drop => return Ok(()),
        Verb::Remap {
            component,
            sector,
            delay_ms,
            ..
        } => {
            if delay_ms != 0 {
                // SAFETY: this thread may sleep.
                unsafe { hooks::dmk_sleep_ms(delay_ms) };
                live.delay_over(bio, piece);
            }
            (component, sector)
        }
    };
    let result = match &live.components()[component as usize] {
        // SAFETY: the component is open.
        Component::Host(opened) => check(unsafe {
            match bio.op {
                Op::Flush => hooks::dmk_part_flush(opened.handle.part()),
                _ => hooks::dmk_part_discard(opened.handle.part(), sector, piece.sectors),
            }
        }),
        Component::Mapped { dev, .. } => {
            let mut volume = ptr::null_mut();
            // SAFETY: a device that a live table uses exists.
            unsafe {
                let below = hooks::dmk_dev_find(dev.minor, &raw mut volume);
                if below.is_null() {
                    return Err(Errno::EIO);
                }
                let bio = Bio {
                    sector,
                    sectors: piece.sectors,
                    ..*bio
                };
                sync(below, volume.cast(), &bio, depth + 1)
            }
        }
    };
    if result.is_err_and(|errno| errno != Errno::EOPNOTSUPP) && live.piece_failed(bio, piece) {
        // SAFETY: the device exists.
        unsafe { hooks::dmk_dev_event(dev) };
    }
    result
}

/// Writes a crash dump, with the machine stopped: no lock is taken, nothing waits. 0 or an error.
///
/// # Safety
/// `volume` is a device's, `data` has `sectors` of 512 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_dump(volume: *mut c_void, sector: u64, sectors: u64, data: *mut c_void) -> c_int {
    // SAFETY: nothing else runs.
    let Some(live) = (unsafe { (*volume.cast::<Gate>()).table() }) else {
        return to_native(Errno::ENXIO);
    };
    let bio = Bio::new(Op::Write, sector, sectors);
    for piece in live.pieces(bio, 0) {
        let Verb::Remap {
            component,
            sector,
            corrupt: None,
            ..
        } = piece.verb
        else {
            return to_native(Errno::ENXIO);
        };
        let Component::Host(opened) = &live.components()[component as usize] else {
            return to_native(Errno::ENXIO);
        };
        let (Ok(offset), Ok(length)) = (
            usize::try_from(piece.offset * 512),
            usize::try_from(piece.sectors * 512),
        ) else {
            return to_native(Errno::EINVAL);
        };
        // SAFETY: pieces lie within the request.
        let answer = unsafe { hooks::dmk_part_dump(opened.handle.part(), sector, data.byte_add(offset), length) };
        if answer != 0 {
            return answer;
        }
    }
    0
}
