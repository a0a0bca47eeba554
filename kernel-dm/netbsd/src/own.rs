//! Machines of targets: pieces that they are asked about, and I/O of their own (see [`dm_core::machine`]).
//!
//! All of this runs in threads that may sleep for memory, and none of it waits for I/O. Every end comes back with
//! [`dmrs_own_done`].

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::ptr;

use dm_abi::errno::Errno;
use dm_core::host::Component;
use dm_core::io::{Bio, Op, Piece, Verb};
use dm_core::machine::{self, Action, Lock, Machine, PieceId, SharedMachine, Token};

use crate::data::{self, LiveTable};
use crate::errno::{from_native, to_native};
use crate::hooks::{self, CBio, CPiece, HeldInfo, HeldPiece, NO_BYTE};
use crate::host::Handle;

/// A machine behind a lock of the kernel that may be held while sleeping for memory.
struct Locked {
    lock: *mut c_void,
    machine: UnsafeCell<Machine<Handle>>,
}

// SAFETY: the machine is only touched under the lock.
unsafe impl Send for Locked {}
// SAFETY: as above.
unsafe impl Sync for Locked {}

impl core::fmt::Debug for Locked {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Locked")
    }
}

impl Lock<Handle> for Locked {
    fn with(&self, f: &mut dyn FnMut(&mut Machine<Handle>)) {
        // SAFETY: the lock exists as long as `self`, is not held by this thread, since `f` does not call back, and makes
        // the reference the only one.
        unsafe {
            hooks::dmk_lock_enter(self.lock);
            f(&mut *self.machine.get());
            hooks::dmk_lock_exit(self.lock);
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: it came from dmk_lock_new, and nobody holds it.
        unsafe { hooks::dmk_lock_free(self.lock) }
    }
}

/// Puts a machine behind a lock.
pub(crate) fn locked(machine: Machine<Handle>) -> SharedMachine<Handle> {
    Arc::new(Locked {
        // SAFETY: this thread may sleep for memory.
        lock: unsafe { hooks::dmk_lock_new() },
        machine: UnsafeCell::new(machine),
    })
}

/// Sectors that drivers take at a time: MAXPHYS of 64 KiB.
const PART: u64 = 128;

/// What a machine waits for. The C half has it while something is under way.
struct Own {
    machine: Whose,
    token: Token,
    /// `None` for a piece of a request, and for a time.
    work: Option<Work>,
}

impl Own {
    /// For the C half, which gives it back with [`dmrs_own_done`].
    fn raw(machine: Whose, token: Token, work: Option<Work>) -> *mut Self {
        Box::into_raw(Box::new(Self { machine, token, work }))
    }
}

/// The machine that waits.
enum Whose {
    /// It stays until then.
    Machine(SharedMachine<Handle>),
    /// It waits for a time only, and may be gone by then.
    Passing(Weak<dyn Lock<Handle>>),
}

/// An operation of a machine, done in parts one after the other.
struct Work {
    op: Op,
    component: Component<Handle>,
    sector: u64,
    sectors: u64,
    /// Sectors that are done, and that are under way.
    done: u64,
    part: u64,
    /// As long as the operation; of zeroes, as long as a part.
    data: Vec<u8>,
    /// A flush comes after it.
    fua: bool,
    /// What was read is written there.
    then: Option<(Component<Handle>, u64)>,
}

/// Actions that are to be done, with the machine that wants them.
type Queue = VecDeque<(SharedMachine<Handle>, Action<Handle>)>;

pub(crate) fn bytes(sectors: u64) -> usize {
    usize::try_from(sectors).unwrap_or(usize::MAX).saturating_mul(512)
}

/// Begins to do what a machine wants.
pub(crate) fn perform(machine: &SharedMachine<Handle>, actions: Vec<Action<Handle>>) {
    let mut queue: Queue = actions.into_iter().map(|action| (machine.clone(), action)).collect();
    run(&mut queue);
}

fn run(queue: &mut Queue) {
    while let Some((machine, action)) = queue.pop_front() {
        act(queue, machine, action);
    }
}

/// Tells a machine the end of what it wanted.
fn tell(queue: &mut Queue, machine: &SharedMachine<Handle>, token: Token, result: Result<Vec<u8>, Errno>) {
    let mut actions = Vec::new();
    machine::done(machine, token, result, &mut actions);
    queue.extend(actions.into_iter().map(|action| (machine.clone(), action)));
}

fn act(queue: &mut Queue, machine: SharedMachine<Handle>, action: Action<Handle>) {
    match action {
        Action::Io {
            token,
            component,
            bio,
            data,
        } => {
            let data = match bio.op {
                Op::Read => vec![0; bytes(bio.sectors)],
                Op::WriteZeroes => vec![0; bytes(bio.sectors.min(PART))],
                _ => data,
            };
            if bio.op == Op::Write && data.len() != bytes(bio.sectors) {
                return tell(queue, &machine, token, Err(Errno::EIO));
            }
            let work = Work {
                op: bio.op,
                component,
                sector: bio.sector,
                sectors: bio.sectors,
                done: 0,
                part: 0,
                data,
                fua: bio.fua,
                then: None,
            };
            start(machine, token, work);
        }
        Action::Copy {
            token,
            from,
            to,
            sectors,
        } => {
            let work = Work {
                op: Op::Read,
                component: from.0,
                sector: from.1,
                sectors,
                done: 0,
                part: 0,
                data: vec![0; bytes(sectors)],
                fua: false,
                then: Some(to),
            };
            start(machine, token, work);
        }
        Action::Send {
            token,
            piece,
            component,
            sector,
        } => {
            let held = held(piece);
            // SAFETY: a held piece keeps its request under way, and that keeps the table.
            let table: &LiveTable = unsafe { &*held.table.cast() };
            let piece_there = Piece {
                offset: held.offset,
                sectors: held.sectors,
                verb: Verb::remap(component, sector),
            };
            let Some(to) = data::c_piece(table, &piece_there) else {
                return tell(queue, &machine, token, Err(Errno::EIO));
            };
            let own = Own::raw(Whose::Machine(machine), token, None);
            // SAFETY: the piece is held.
            unsafe { hooks::dmk_held_send(pointer(piece), &raw const to, own.cast()) }
        }
        Action::Data { token, piece } => {
            let held = held(piece);
            let data = match held.op == data::op_number(Op::Write) {
                // SAFETY: a held piece keeps its request, and the data of a write are as long as its sectors.
                true => Ok(unsafe {
                    core::slice::from_raw_parts(hooks::dmk_held_data(pointer(piece)), bytes(held.sectors)).to_vec()
                }),
                false => Err(Errno::EIO),
            };
            tell(queue, &machine, token, data);
        }
        Action::Release { piece, verb, report } => release(queue, machine, piece, verb, report),
        Action::Wait { token, ms } => {
            let own = Own::raw(Whose::Passing(Arc::downgrade(&machine)), token, None);
            // SAFETY: this thread may sleep for memory.
            unsafe { hooks::dmk_own_wait(own.cast(), ms) }
        }
        // SAFETY: this thread may sleep for memory.
        Action::Event(id) => unsafe { hooks::dmk_event(id.0) },
        // This host does not save states.
        Action::Changed => {}
        // SAFETY: it only takes a lock of its own.
        Action::Settled => unsafe { hooks::dmk_changed() },
    }
}

fn pointer(piece: PieceId) -> *mut HeldPiece {
    ptr::with_exposed_provenance_mut(usize::try_from(piece.0).unwrap_or(0))
}

fn held(piece: PieceId) -> HeldInfo {
    let mut held = HeldInfo {
        io: ptr::null_mut(),
        table: ptr::null(),
        offset: 0,
        sectors: 0,
        op: 0,
        pad: 0,
    };
    // SAFETY: machines name only pieces that they hold.
    unsafe { hooks::dmk_held_info(pointer(piece), &raw mut held) }
    held
}

fn release(queue: &mut Queue, machine: SharedMachine<Handle>, piece: PieceId, verb: Verb, report: Option<Token>) {
    let held = held(piece);
    let mut result = Ok(Vec::new());
    let mut report = report;
    // SAFETY: the request is under way until dmk_held_put, and keeps the table.
    unsafe {
        match verb {
            Verb::Remap { .. } => {
                let there = Piece {
                    offset: held.offset,
                    sectors: held.sectors,
                    verb,
                };
                match data::c_piece(&*held.table.cast(), &there) {
                    Some(there) => {
                        let own = report
                            .take()
                            .map(|token| Own::raw(Whose::Machine(machine.clone()), token, None));
                        let raw = own.map_or(ptr::null_mut(), <*mut Own>::cast);
                        let answer = hooks::dmk_io_piece(held.io, &raw const there, raw);
                        if answer != 0
                            && let Some(own) = own
                        {
                            report = Some(Box::from_raw(own).token);
                            result = Err(from_native(answer));
                        }
                    }
                    None => result = Err(Errno::EIO),
                }
            }
            Verb::Zero if held.op == data::op_number(Op::Read) => {
                hooks::dmk_io_zero(held.io, held.offset, held.sectors);
            }
            Verb::Zero | Verb::Drop => {}
            Verb::Fail(errno) => result = Err(errno),
            Verb::Ask | Verb::Transform { .. } => result = Err(Errno::EIO),
            Verb::Again => hooks::dmk_io_again(held.io),
        }
        if let Err(errno) = result {
            hooks::dmk_io_fail(held.io, to_native(errno));
        }
    }
    // The machine knows before the request is complete.
    if let Some(token) = report {
        tell(queue, &machine, token, result);
    }
    // SAFETY: machines release a piece once.
    unsafe { hooks::dmk_held_put(pointer(piece)) }
}

/// Starts the next part of an operation.
fn start(machine: SharedMachine<Handle>, token: Token, mut work: Work) {
    let left = work.sectors - work.done;
    let (op, offset) = match work.op {
        Op::WriteZeroes => (Op::Write, 0),
        op => (op, bytes(work.done)),
    };
    work.part = match op {
        Op::Read | Op::Write => left.min(PART),
        _ => left,
    };
    let (part, minor) = data::place(&work.component);
    let to = CPiece {
        offset: 0,
        sectors: work.part,
        sector: work.sector + work.done,
        component: 0,
        delay_ms: 0,
        corrupt_byte: NO_BYTE,
        corrupt_value: 0,
        minor,
        part,
    };
    let data = match op {
        // The buffer is as long as what is left, or, of zeroes, as a part.
        Op::Read | Op::Write => work.data.get_mut(offset..).map_or(ptr::null_mut(), <[u8]>::as_mut_ptr),
        _ => ptr::null_mut(),
    };
    let own = Own::raw(Whose::Machine(machine), token, Some(work));
    // SAFETY: `own` has the data until it comes back.
    unsafe { hooks::dmk_own_io(own.cast(), data::op_number(op), &raw const to, data) }
}

/// A piece is for its machine to decide.
///
/// # Safety
/// The piece is of a request that entered `table`, whose bio this is; it stays until it is released.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_ask(
    piece: *mut HeldPiece,
    table: *const c_void,
    bio: *const CBio,
    offset: u64,
    sectors: u64,
) {
    // SAFETY: the caller's.
    let (table, bio): (&LiveTable, Bio) = unsafe { (&*table.cast(), data::bio_of(&*bio)) };
    let asked = Piece {
        offset,
        sectors,
        verb: Verb::Ask,
    };
    let id = PieceId(piece.expose_provenance() as u64);
    let mut actions = Vec::new();
    match table.ask(id, &bio, &asked, &mut actions) {
        Some(machine) => perform(&machine, actions),
        None => {
            // SAFETY: nobody holds it.
            unsafe {
                hooks::dmk_io_fail(held(id).io, to_native(Errno::EIO));
                hooks::dmk_held_put(piece);
            }
        }
    }
}

/// Something that was started for a machine is done.
///
/// # Safety
/// `own` is what was given to the C half, once; the thread may sleep.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_own_done(own: *mut c_void, error: c_int) {
    // SAFETY: the caller's; it came from Box::into_raw.
    let own = unsafe { Box::from_raw(own.cast::<Own>()) };
    let Own { machine, token, work } = *own;
    let machine = match machine {
        Whose::Machine(machine) => Some(machine),
        Whose::Passing(machine) => machine.upgrade(),
    };
    let Some(machine) = machine else { return };
    let mut queue = Queue::new();
    let result = match (error, work) {
        (0, None) => Ok(Vec::new()),
        (0, Some(mut work)) => {
            work.done += work.part;
            if work.done < work.sectors {
                return start(machine, token, work);
            }
            if work.op == Op::Read
                && let Some((component, sector)) = work.then.take()
            {
                (work.op, work.component, work.sector, work.done) = (Op::Write, component, sector, 0);
                return start(machine, token, work);
            }
            if core::mem::take(&mut work.fua) && matches!(work.op, Op::Write | Op::WriteZeroes) {
                (work.op, work.sector, work.sectors, work.done) = (Op::Flush, 0, 0, 0);
                return start(machine, token, work);
            }
            match work.op {
                Op::Read => Ok(work.data),
                _ => Ok(Vec::new()),
            }
        }
        (error, _) => Err(from_native(error)),
    };
    tell(&mut queue, &machine, token, result);
    run(&mut queue);
}
