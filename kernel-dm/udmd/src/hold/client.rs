//! The daemon's side.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dm_core::host::DevNo;
use dm_core::secret::Secret;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket, socketpair,
};

use super::wire::{self, Kind};

const NO_DEV: DevNo = DevNo { major: 0, minor: 0 };

/// What an earlier daemon has left.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// The devices' descriptors, by the engine's identity.
    pub devices: BTreeMap<u64, (DevNo, OwnedFd)>,
    /// The engine's state.
    pub state: Option<Secret>,
}

/// The connection to the holder, and all that it must know if it has to be started again.
#[derive(Debug)]
pub struct Holder {
    path: PathBuf,
    socket: OwnedFd,
    devices: BTreeMap<u64, (DevNo, OwnedFd)>,
    state: Option<File>,
}

impl Holder {
    /// Connects to the holder of an earlier daemon, or starts one. `path` is its socket.
    ///
    /// # Errors
    /// What keeps it from being reached or started.
    pub fn connect_or_start(path: &Path) -> io::Result<(Self, Inheritance)> {
        let (mut inheritance, mut state) = (Inheritance::default(), None);
        let socket = match Self::connect(path) {
            Ok(socket) => {
                wire::send(socket.as_fd(), Kind::Fetch, 0, NO_DEV, None)?;
                loop {
                    let packet = wire::receive(socket.as_fd())?
                        .ok_or_else(|| io::Error::other("the descriptor holder closed the connection"))?;
                    match (packet.kind, packet.fd) {
                        (Kind::Hold, Some(fd)) => drop(inheritance.devices.insert(packet.id, (packet.dev, fd))),
                        (Kind::State, Some(fd)) => {
                            let file = File::from(fd);
                            let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
                            let mut bytes = Secret::zeroes(len);
                            file.read_exact_at(&mut bytes, 0)?;
                            inheritance.state = Some(bytes);
                            state = Some(file);
                        }
                        (Kind::Done, _) => break,
                        _ => return Err(io::Error::from_raw_os_error(libc::EPROTO)),
                    }
                }
                socket
            }
            Err(_) => Self::start(path)?,
        };
        let mut devices = BTreeMap::new();
        for (&id, (dev, fd)) in &inheritance.devices {
            devices.insert(id, (*dev, fd.try_clone()?));
        }
        let holder = Self {
            path: path.to_owned(),
            socket,
            devices,
            state,
        };
        Ok((holder, inheritance))
    }

    fn new_socket() -> nix::Result<OwnedFd> {
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
    }

    fn connect(path: &Path) -> io::Result<OwnedFd> {
        let socket = Self::new_socket()?;
        connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        Ok(socket)
    }

    #[allow(unsafe_code)]
    fn start(path: &Path) -> io::Result<OwnedFd> {
        let listener = Self::new_socket()?;
        let _ = std::fs::remove_file(path);
        bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
        listen(&listener, Backlog::new(4)?)?;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("udmd-hold")
            .arg("hold")
            .arg(path)
            .current_dir("/")
            .stdin(Stdio::from(listener))
            .stdout(Stdio::from(theirs))
            .stderr(Stdio::null());
        // SAFETY: between fork and exec only setsid(2) is called, which is safe there.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                Ok(())
            })
        };
        command.spawn()?;
        Ok(ours)
    }

    /// Sends a packet and waits for the answer. A holder that is gone is started again, and told everything anew.
    fn tell(&mut self, kind: Kind, id: u64, dev: DevNo, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let Err(error) = Self::ask(self.socket.as_fd(), kind, id, dev, fd) else {
            return Ok(());
        };
        crate::log!("the descriptor holder is gone ({error}): another is started");
        let socket = Self::start(&self.path)?;
        for (&id, (dev, fd)) in &self.devices {
            Self::ask(socket.as_fd(), Kind::Hold, id, *dev, Some(fd.as_fd()))?;
        }
        if let Some(state) = &self.state {
            Self::ask(socket.as_fd(), Kind::State, 0, NO_DEV, Some(state.as_fd()))?;
        }
        self.socket = socket;
        Self::ask(self.socket.as_fd(), kind, id, dev, fd)
    }

    fn ask(socket: BorrowedFd<'_>, kind: Kind, id: u64, dev: DevNo, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        wire::send(socket, kind, id, dev, fd)?;
        match wire::receive(socket)? {
            Some(packet) if packet.kind == Kind::Done => Ok(()),
            Some(_) => Err(io::Error::from_raw_os_error(libc::EPROTO)),
            None => Err(io::Error::from_raw_os_error(libc::EPIPE)),
        }
    }

    /// Has the holder keep a device's descriptor.
    ///
    /// # Errors
    /// The holder cannot be reached and none can be started.
    pub fn hold(&mut self, id: u64, dev: DevNo, fd: BorrowedFd<'_>) -> io::Result<()> {
        let copy = fd.try_clone_to_owned()?;
        self.tell(Kind::Hold, id, dev, Some(fd))?;
        self.devices.insert(id, (dev, copy));
        Ok(())
    }

    /// Has the holder close a device's descriptor.
    ///
    /// # Errors
    /// The holder cannot be reached and none can be started.
    pub fn release(&mut self, id: u64) -> io::Result<()> {
        self.devices.remove(&id);
        self.tell(Kind::Drop, id, NO_DEV, None)
    }

    /// Has the holder keep the engine's state in place of what it had. When this returns, the state outlives the daemon.
    ///
    /// # Errors
    /// There is no memory, or the holder cannot be reached and none can be started.
    pub fn save(&mut self, state: &[u8]) -> io::Result<()> {
        let mut file = File::from(memfd_create(c"udmd-state", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(state)?;
        self.tell(Kind::State, 0, NO_DEV, Some(file.as_fd()))?;
        if let Some(old) = self.state.replace(file) {
            wipe(&old);
        }
        Ok(())
    }

    /// Ends the holder, and with it the devices that are left.
    pub fn quit(&mut self) {
        let _ = Self::ask(self.socket.as_fd(), Kind::Quit, 0, NO_DEV, None);
        if let Some(state) = self.state.take() {
            wipe(&state);
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Overwrites a state that nobody needs any more: it can have keys, and the system does not wipe memory that it gets back.
fn wipe(state: &File) {
    let zeroes = [0; 4096];
    let len = state.metadata().map_or(0, |metadata| metadata.len());
    for at in (0..len).step_by(zeroes.len()) {
        let part = usize::try_from(len - at).unwrap_or(usize::MAX).min(zeroes.len());
        if let Err(error) = state.write_all_at(&zeroes[..part], at) {
            return crate::log!("an old state cannot be wiped: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wiped_state_has_nothing_left() {
        let mut file = File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap());
        file.write_all(&[7; 10_000]).unwrap();
        wipe(&file);
        let mut bytes = vec![1; 10_000];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0));
    }
}
