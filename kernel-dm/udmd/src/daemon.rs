//! The daemon between its clients and the engine.

use std::fmt::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bstr::ByteSlice;
use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, Header};
use dm_core::control::{Awaited, Control, Outcome};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::engine::{Raised, Shared, Waiter};
use crate::foreign;
use crate::host::UdmHost;
use crate::log;
use crate::mounts;
use crate::sysview::{Holders, SysView};

/// How often devices are looked at that go when nobody has them open any more.
const WATCH: Duration = Duration::from_millis(200);

/// How long clients wait for tables of an earlier daemon to be read again. One that lies on a suspended device is read
/// when that is resumed, by a client.
const READING: Duration = Duration::from_secs(5);

/// How the daemon is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// If no device is in use; all are removed.
    Unused,
    /// In any case; users of devices get errors.
    Force,
    /// The devices stay with the descriptor holder, and requests wait for the next daemon.
    Keep,
}

impl Stop {
    /// Reads the payload of a request; what is unknown is the most careful.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Stop::Force,
            2 => Stop::Keep,
            _ => Stop::Unused,
        }
    }

    /// The payload of a request.
    #[must_use]
    pub fn to_byte(self) -> u8 {
        match self {
            Stop::Unused => 0,
            Stop::Force => 1,
            Stop::Keep => 2,
        }
    }
}

/// The engine and what was last saved of it.
pub struct Core {
    control: Control<UdmHost>,
    saved: Option<u64>,
    view: SysView,
    /// The daemon is about to end: the holder is told.
    quit_holder: bool,
}

/// The running daemon.
pub struct Daemon {
    core: Mutex<Core>,
    shared: Arc<Shared>,
    sockets: Vec<PathBuf>,
}

impl Daemon {
    /// A daemon for an engine, which listens at these sockets.
    pub fn new(control: Control<UdmHost>, shared: Arc<Shared>, sockets: Vec<PathBuf>, view: SysView) -> Self {
        let mut core = Core {
            control,
            saved: None,
            view,
            quit_holder: false,
        };
        core.show();
        Self {
            core: Mutex::new(core),
            shared,
            sockets,
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads that take what does not come from clients. `events` is what targets raise.
    ///
    /// # Errors
    /// EAGAIN when there can be no more threads.
    pub fn start_threads(self: &Arc<Self>, events: Receiver<Raised>) -> std::io::Result<()> {
        let this = self.clone();
        std::thread::Builder::new().name("udmd-events".into()).spawn(move || {
            while let Ok(first) = events.recv() {
                let mut core = this.core();
                for raised in std::iter::once(first).chain(events.try_iter()) {
                    match raised {
                        Raised::Event(id) => core.control.event(id),
                        Raised::Changed => core.control.machine_changed(),
                    }
                }
                core.save_changes();
            }
        })?;
        let this = self.clone();
        std::thread::Builder::new().name("udmd-watch".into()).spawn(move || {
            loop {
                std::thread::sleep(WATCH);
                this.look_for_closed();
            }
        })?;
        Ok(())
    }

    /// Tells the engine of devices that are to go when nobody has them open any more.
    fn look_for_closed(&self) {
        let watched = self.core().control.host().watched();
        for (id, dev) in watched {
            if mounts::users(dev) == 0 {
                let mut core = self.core();
                core.control.closed(id);
                core.save_changes();
            }
        }
    }

    /// Waits until the tables of an earlier daemon have read their stores and logs again, but not for ever.
    pub fn await_tables(&self) {
        let end = Instant::now() + READING;
        let Ok(waiter) = self.shared.notifier.waiter() else {
            return;
        };
        loop {
            waiter.clear();
            if !self.core().control.is_loading() {
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                log!("serves, although some snapshots are not read yet");
                return;
            }
            let mut fds = [PollFd::new(waiter.fd(), PollFlags::POLLIN)];
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let _ = poll(&mut fds, left);
        }
    }

    /// The engine's event counter.
    pub fn events(&self) -> u64 {
        self.core().control.events()
    }

    /// Carries out a request of the ioctl interface. The answer is in the buffer, and its length is here.
    ///
    /// # Errors
    /// Those of the interface; EINTR when the client went away.
    pub fn request(&self, command: u32, buffer: &mut [u8], client: BorrowedFd<'_>) -> Result<usize, Errno> {
        let mut core = self.core();
        if foreign::concerns(command, buffer, |dev| core.control.host().is_ours(dev)) {
            drop(core);
            return foreign::answer(command, buffer);
        }
        let mut outcome = core.control.request(command, buffer);
        let mut waiter: Option<Waiter<'_>> = None;
        let mut gone = false;
        loop {
            let (ticket, awaited) = match outcome {
                Outcome::Done(result) => {
                    core.save_changes();
                    let unsettled = core.control.host_mut().take_unsettled();
                    drop(core);
                    if !unsettled.is_empty() {
                        // On a thread of its own: it may wait for a device beneath that this client resumes next.
                        std::thread::spawn(move || {
                            unsettled.iter().for_each(|(device, limits)| device.settle(*limits));
                        });
                    }
                    return result;
                }
                Outcome::Wait(ticket, awaited) => (ticket, awaited),
            };
            let was_gone = gone;
            let result = match awaited {
                Awaited::Save => core.save(),
                Awaited::Freeze(id) => {
                    let dev = core.control.host().dev(id);
                    drop(core);
                    let frozen = dev.map_or(Ok(false), mounts::freeze);
                    core = self.core();
                    frozen.map(|frozen| core.control.host_mut().set_frozen(id, frozen))
                }
                Awaited::Thaw(id) => {
                    let host = core.control.host_mut();
                    let dev = host.dev(id).filter(|_| host.is_frozen(id));
                    host.set_frozen(id, false);
                    drop(core);
                    dev.into_iter().for_each(mounts::thaw);
                    core = self.core();
                    Ok(())
                }
                Awaited::Drained(_) | Awaited::Changed => {
                    drop(core);
                    let result = match &waiter {
                        Some(waiter) => {
                            gone = wait(waiter, (!gone).then_some(client)) || gone;
                            Ok(())
                        }
                        // The engine looks once more, now that changes are noticed.
                        None => match self.shared.notifier.waiter() {
                            Ok(new) => {
                                waiter = Some(new);
                                Ok(())
                            }
                            Err(errno) => Err(Errno(errno as i32)),
                        },
                    };
                    if let Some(waiter) = &waiter {
                        waiter.clear();
                    }
                    core = self.core();
                    result
                }
            };
            outcome = if gone && !was_gone {
                core.control.cancel(ticket, buffer)
            } else {
                core.control.proceed(ticket, result, buffer)
            };
        }
    }

    /// Waits until the engine's event counter is not `armed`.
    ///
    /// # Errors
    /// EINTR when the client went away.
    pub fn wait_event(&self, armed: u64, client: BorrowedFd<'_>) -> Result<(), Errno> {
        let waiter = self.shared.notifier.waiter().map_err(|errno| Errno(errno as i32))?;
        loop {
            waiter.clear();
            if self.events() != armed {
                return Ok(());
            }
            if wait(&waiter, Some(client)) {
                return Err(Errno::EINTR);
            }
        }
    }

    /// Who answers.
    pub fn hello(&self) -> String {
        format!("udmd {} pid {}", env!("CARGO_PKG_VERSION"), std::process::id())
    }

    /// A list of the devices.
    pub fn status(&self) -> String {
        let list = self.core().control.host().list();
        let mut text = self.hello();
        text.push('\n');
        for device in list {
            let _ = writeln!(
                text,
                "{} {}:{} sectors {} users {} held {}{}",
                device.name.as_bstr(),
                device.dev.major,
                device.dev.minor,
                device.sectors,
                mounts::users(device.dev),
                device.held,
                if device.suspended { " suspended" } else { "" },
            );
        }
        text
    }

    /// Prepares the end of the daemon, see [`Daemon::end`].
    ///
    /// # Errors
    /// A sentence about the devices that are in use.
    pub fn stop(&self, how: Stop) -> Result<(), String> {
        if how == Stop::Keep {
            self.core().save_changes();
            return Ok(());
        }
        let nobody = std::fs::File::open("/dev/null").map_err(|error| error.to_string())?;
        let mut left = usize::MAX;
        loop {
            let list = self.core().control.host().list();
            let used: Vec<_> = list.iter().filter(|device| mounts::users(device.dev) > 0).collect();
            if how == Stop::Unused && !used.is_empty() {
                let names: Vec<_> = used.iter().map(|device| device.name.as_bstr().to_string()).collect();
                return Err(format!("in use: {}", names.join(" ")));
            }
            if list.is_empty() {
                break;
            }
            // Each round may free the devices beneath.
            if list.len() >= left {
                if how == Stop::Force {
                    break;
                }
                let names: Vec<_> = list.iter().map(|device| device.name.as_bstr().to_string()).collect();
                return Err(format!("cannot be removed: {}", names.join(" ")));
            }
            left = list.len();
            let mut buffer = vec![0; 512];
            let mut header = Header::default();
            header.data_size = 512;
            header.data_start = 312;
            if !header.write(&mut buffer) {
                return Err("impossible request".into());
            }
            let _ = self.request(Command::RemoveAll.number(), &mut buffer, nobody.as_fd());
        }
        self.core().quit_holder = true;
        Ok(())
    }

    /// Ends the process.
    pub fn end(&self) -> ! {
        let mut core = self.core();
        let all = core.quit_holder;
        core.control.host_mut().end(all);
        if all && let Err(error) = core.view.remove() {
            log!("the view of /sys stays: {error}");
        }
        for socket in &self.sockets {
            let _ = std::fs::remove_file(socket);
        }
        log!("ends");
        std::process::exit(0)
    }
}

impl Core {
    /// Saves the state if it is not the one that was saved last. A failure is logged: what must not be lost was saved
    /// before it took effect, see [`Awaited::Save`].
    fn save_changes(&mut self) {
        if self.saved != Some(self.control.revision()) {
            let _ = self.save();
        }
    }

    /// Shows which devices use which.
    fn show(&mut self) {
        let host = self.control.host();
        let ids: Vec<_> = self.control.devices().map(|(id, _)| id).collect();
        let minor = |id| host.dev(id).map(|dev| dev.minor);
        let mut holders: Holders = ids.iter().filter_map(|&id| Some((minor(id)?, Vec::new()))).collect();
        for id in ids {
            let ours = self.control.components(id).filter(|&dev| host.is_ours(dev));
            for (dev, holder) in ours.filter_map(|dev| Some((dev, minor(id)?))) {
                holders.entry(dev.minor).or_default().push(holder);
            }
        }
        if let Err(error) = self.view.update(holders) {
            log!("the view of /sys cannot be kept: {error}");
        }
    }

    fn save(&mut self) -> Result<(), Errno> {
        self.show();
        let revision = self.control.revision();
        let state = self.control.export();
        match self.control.host_mut().save(&state) {
            Ok(()) => {
                self.saved = Some(revision);
                Ok(())
            }
            Err(error) => {
                log!("the state cannot be saved: {error}");
                Err(Errno::ENOMEM)
            }
        }
    }
}

/// Waits for a change. True when the client went away.
// A hangup is reported whatever is asked for.
fn wait(waiter: &Waiter<'_>, client: Option<BorrowedFd<'_>>) -> bool {
    let mut fds = vec![PollFd::new(waiter.fd(), PollFlags::POLLIN)];
    fds.extend(client.map(|client| PollFd::new(client, PollFlags::empty())));
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) => fds.get(1).is_some_and(|client| client.any().unwrap_or(true)),
        Err(_) => false,
    }
}
