//! Control requests of both protocols, with their waits.

use alloc::boxed::Box;
use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, Header, flag};
use dm_abi::plist::serve::{Ended, Served};
use dm_core::control::{Awaited, Control, Outcome};
use dm_core::host::DeviceId;

use crate::errno::to_native;
use crate::hooks;
use crate::host::Kernel;

/// The one control plane, between [`dmrs_init`] and [`dmrs_fini`].
static CONTROL: AtomicPtr<Control<Kernel>> = AtomicPtr::new(ptr::null_mut());

/// Runs `f` on the control plane under its lock.
fn locked<R>(f: impl FnOnce(&mut Control<Kernel>) -> R) -> R {
    // SAFETY: the pointer is valid between init and fini, and the lock makes the reference the only one.
    unsafe {
        hooks::dmk_control_lock();
        let control = CONTROL.load(Ordering::Acquire);
        let result = f(&mut *control);
        hooks::dmk_events((*control).events());
        hooks::dmk_control_unlock();
        result
    }
}

/// One step of a request, and the count of changes before it: whatever makes the step worth trying again comes after, also
/// from threads that do not take the lock.
fn step(f: impl FnOnce(&mut Control<Kernel>) -> Outcome) -> (Outcome, u64) {
    locked(|control| {
        // SAFETY: it only returns a number.
        let seen = unsafe { hooks::dmk_changes() };
        (f(control), seen)
    })
}

/// Waits for what a request wants, or for anything else to change.
fn sleep(awaited: Awaited, seen: u64) -> Result<(), Errno> {
    match awaited {
        // Devices that have drained count as changes, and a table whose machine is not quiet yet looks drained already.
        // SAFETY: no lock is held.
        Awaited::Drained(_) | Awaited::Changed => crate::errno::check(unsafe { hooks::dmk_wait_changed(seen) }),
        // Filesystems are not frozen, no state outlives the module.
        Awaited::Freeze(_) | Awaited::Thaw(_) | Awaited::Save => Ok(()),
    }
}

/// Carries out one request, waits included.
fn run(number: u32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let (mut outcome, mut seen) = step(|control| control.request(number, buffer));
    loop {
        let (ticket, awaited) = match outcome {
            Outcome::Done(result) => return result,
            Outcome::Wait(ticket, awaited) => (ticket, awaited),
        };
        let slept = sleep(awaited, seen);
        (outcome, seen) = step(|control| match slept {
            Ok(()) => control.proceed(ticket, Ok(()), buffer),
            Err(_) => control.cancel(ticket, buffer),
        });
    }
}

/// Whether everybody who may open the control node may ask this.
fn is_question(number: u32) -> bool {
    matches!(
        Command::from_number(number),
        None | Some(
            Command::Version
                | Command::ListDevices
                | Command::DevStatus
                | Command::DevWait
                | Command::TableDeps
                | Command::TableStatus
                | Command::ListVersions
                | Command::DevArmPoll
                | Command::GetTargetVersion
        )
    )
}

fn permit(number: u32, privileged: c_int) -> Result<(), Errno> {
    match privileged != 0 || is_question(number) {
        true => Ok(()),
        false => Err(Errno::EPERM),
    }
}

/// The events before a request that arms the control node.
fn arms(number: u32) -> Option<u64> {
    (number == Command::DevArmPoll.number()).then(|| locked(|control| control.events()))
}

/// The control node is armed from `events` on, if there are some.
fn arm(armed: *mut u64, events: Option<u64>) {
    if let Some(events) = events {
        // SAFETY: callers of the two protocols give a place for it.
        unsafe { armed.write(events) }
    }
}

/// Starts the control plane. The C half calls nothing else before.
#[unsafe(no_mangle)]
pub extern "C" fn dmrs_init() {
    let control = Box::new(Control::new(Kernel::default()));
    CONTROL.store(Box::into_raw(control), Ordering::Release);
}

/// Ends the control plane; EBUSY when devices exist.
///
/// # Safety
/// No other call is under way, and after 0 none comes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_fini() -> c_int {
    if locked(|control| control.devices().next().is_some()) {
        return to_native(Errno::EBUSY);
    }
    let control = CONTROL.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: it came from Box::into_raw, and the caller's promise.
    drop(unsafe { Box::from_raw(control) });
    0
}

/// A `struct dm_ioctl` request; 0 or an error. `used` is how much of the buffer goes back to the client; `armed` is only
/// written when the request arms the control node: the events that do not count any more.
///
/// # Safety
/// `buffer` is `length` bytes, the others can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_ioctl(
    number: u32,
    buffer: *mut u8,
    length: usize,
    privileged: c_int,
    armed: *mut u64,
    used: *mut usize,
) -> c_int {
    // SAFETY: the caller's.
    let buffer = unsafe { core::slice::from_raw_parts_mut(buffer, length) };
    // The engine wipes what may hold keys, and the client's copy goes with it.
    let secure = Header::read(buffer).is_some_and(|header| header.flags & flag::SECURE_DATA != 0);
    let result = permit(number, privileged).and_then(|()| {
        let events = arms(number);
        run(number, buffer).inspect(|_| arm(armed, events))
    });
    // On failure the version went into the buffer, as on Linux.
    let (answer, bytes) = match result {
        Ok(bytes) => (0, bytes),
        Err(errno) if secure => (to_native(errno), length),
        Err(errno) => (to_native(errno), length.min(12)),
    };
    // SAFETY: the caller's.
    unsafe { used.write(bytes) };
    answer
}

/// A property-list request; 0 or an error. The reply is memory for [`dmrs_free`], without NUL; `armed` as of
/// [`dmrs_ioctl`].
///
/// # Safety
/// `xml` is `length` bytes, the others can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_plist(
    xml: *const u8,
    length: usize,
    privileged: c_int,
    armed: *mut u64,
    reply: *mut *mut c_void,
    reply_length: *mut usize,
) -> c_int {
    // SAFETY: the caller's.
    let xml = unsafe { core::slice::from_raw_parts(xml, length) };
    match serve(xml, privileged) {
        Ok((text, events)) => {
            arm(armed, events);
            // SAFETY: the caller's.
            unsafe {
                reply_length.write(text.len());
                reply.write(Box::into_raw(text).cast());
            }
            0
        }
        Err(errno) => to_native(errno),
    }
}

/// The reply, and [`arms`].
fn serve(xml: &[u8], privileged: c_int) -> Result<(Box<[u8]>, Option<u64>), Errno> {
    // SAFETY: it only returns a number.
    let mut served = Served::begin(xml, unsafe { hooks::dmk_major() })?;
    permit(served.command(), privileged)?;
    let events = arms(served.command());
    loop {
        let result = run(served.command(), served.buffer());
        match served.end(result) {
            Ended::Reply(text) => return Ok((text.into_boxed_slice(), events)),
            Ended::Failed(errno) => return Err(errno),
            Ended::Again(again) => served = again,
        }
    }
}

/// Frees a reply of [`dmrs_plist`].
///
/// # Safety
/// Both are what it gave, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmrs_free(reply: *mut c_void, length: usize) {
    // SAFETY: the caller's; it came from Box::into_raw of a slice of that length.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(reply.cast::<u8>(), length)) });
}

/// Nobody has the device open any more, and control asked to be told.
#[unsafe(no_mangle)]
pub extern "C" fn dmrs_closed(id: u64) {
    locked(|control| control.closed(DeviceId(id)));
}

/// A target raised an event.
#[unsafe(no_mangle)]
pub extern "C" fn dmrs_event(id: u64) {
    locked(|control| control.event(DeviceId(id)));
}
