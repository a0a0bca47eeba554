//! The holder's side.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use dm_core::host::DevNo;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::socket::{SockFlag, accept4};

use super::wire::{self, Kind};

const NO_DEV: DevNo = DevNo { major: 0, minor: 0 };

#[derive(Default)]
struct Kept {
    devices: BTreeMap<u64, (DevNo, OwnedFd)>,
    state: Option<OwnedFd>,
}

/// Runs the holder. Descriptor 0 is the socket where daemons connect, descriptor 1 the connection of the first.
///
/// # Errors
/// What keeps it from starting.
#[allow(unsafe_code)]
pub fn run() -> io::Result<()> {
    // The daemon is stopped with the session or the service; the holder is not.
    for stop in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { signal(stop, SigHandler::SigIgn) }?;
    }
    crate::guard::against_low_memory();
    // SAFETY: the daemon that started this process has put these descriptors there for it, see client.rs.
    let (listener, first) = unsafe { (OwnedFd::from_raw_fd(0), OwnedFd::from_raw_fd(1)) };
    let mut client = Some(first);
    let mut kept = Kept::default();
    loop {
        let mut fds = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            client
                .iter()
                .map(|client| PollFd::new(client.as_fd(), PollFlags::POLLIN)),
        );
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        if ready.get(1) == Some(&true)
            && let Some(socket) = &client
        {
            match serve(socket.as_fd(), &mut kept) {
                Ok(true) => {}
                // Without devices there is nothing to live for.
                Ok(false) | Err(_) if kept.devices.is_empty() => return Ok(()),
                Ok(false) | Err(_) => client = None,
            }
        }
        if ready.first() == Some(&true)
            && let Ok(raw) = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC)
        {
            // SAFETY: accept has just made it for us.
            let socket = unsafe { OwnedFd::from_raw_fd(raw) };
            // Only one daemon holds the lock, so the newest is the living one.
            if crate::guard::is_root(socket.as_fd()) {
                client = Some(socket);
            }
        }
    }
}

/// Serves one packet. False when the daemon is gone or is done with us.
fn serve(socket: BorrowedFd<'_>, kept: &mut Kept) -> io::Result<bool> {
    let Some(packet) = wire::receive(socket)? else {
        return Ok(false);
    };
    match (packet.kind, packet.fd) {
        (Kind::Hold, Some(fd)) => drop(kept.devices.insert(packet.id, (packet.dev, fd))),
        (Kind::Drop, _) => drop(kept.devices.remove(&packet.id)),
        (Kind::State, Some(fd)) => kept.state = Some(fd),
        (Kind::Fetch, _) => {
            for (&id, (dev, fd)) in &kept.devices {
                wire::send(socket, Kind::Hold, id, *dev, Some(fd.as_fd()))?;
            }
            if let Some(state) = &kept.state {
                wire::send(socket, Kind::State, 0, NO_DEV, Some(state.as_fd()))?;
            }
        }
        (Kind::Quit, _) => {
            kept.devices.clear();
            wire::send(socket, Kind::Done, 0, NO_DEV, None)?;
            return Ok(false);
        }
        (Kind::Done | Kind::Hold | Kind::State, _) => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
    wire::send(socket, Kind::Done, 0, NO_DEV, None)?;
    Ok(true)
}
