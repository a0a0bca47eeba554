//! Packets between the daemon and the holder: a fixed record and at most one descriptor.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use dm_core::host::DevNo;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Yes; the end of a list.
    Done = 0,
    /// Keep this descriptor.
    Hold = 1,
    /// Close the descriptor of this device.
    Drop = 2,
    /// Keep this file with the engine's state.
    State = 3,
    /// Send all that is kept.
    Fetch = 4,
    /// End.
    Quit = 5,
}

/// A packet.
#[derive(Debug)]
pub struct Packet {
    pub kind: Kind,
    /// The engine's identity of the device.
    pub id: u64,
    pub dev: DevNo,
    pub fd: Option<OwnedFd>,
}

const LEN: usize = 24;

/// Sends a packet.
///
/// # Errors
/// EPIPE when the other side is gone.
pub fn send(socket: BorrowedFd<'_>, kind: Kind, id: u64, dev: DevNo, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut bytes = [0; LEN];
    bytes[..4].copy_from_slice(&(kind as u32).to_ne_bytes());
    bytes[8..16].copy_from_slice(&id.to_ne_bytes());
    bytes[16..20].copy_from_slice(&dev.major.to_ne_bytes());
    bytes[20..].copy_from_slice(&dev.minor.to_ne_bytes());
    let fds: Vec<RawFd> = fd.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let rights = if fds.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<UnixAddr>(
        socket.as_raw_fd(),
        &[IoSlice::new(&bytes)],
        rights,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

/// Receives a packet; `None` when the other side is gone.
///
/// # Errors
/// EINVAL for a packet that is none.
#[allow(unsafe_code)]
pub fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<Packet>> {
    let mut bytes = [0; LEN];
    let mut space = nix::cmsg_space!(RawFd);
    let (len, fd) = {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let message = loop {
            match recvmsg::<UnixAddr>(
                socket.as_raw_fd(),
                &mut slices,
                Some(&mut space),
                MsgFlags::MSG_CMSG_CLOEXEC,
            ) {
                Err(nix::errno::Errno::EINTR) => {}
                other => break other?,
            }
        };
        let mut fd = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(fds) = control {
                for raw in fds {
                    // SAFETY: the kernel has just made these descriptors for us.
                    fd = Some(unsafe { OwnedFd::from_raw_fd(raw) });
                }
            }
        }
        (message.bytes, fd)
    };
    if len == 0 {
        return Ok(None);
    }
    let number = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut id = [0; 8];
    id.copy_from_slice(&bytes[8..16]);
    let id = u64::from_ne_bytes(id);
    let kinds = [Kind::Done, Kind::Hold, Kind::Drop, Kind::State, Kind::Fetch, Kind::Quit];
    let kind = kinds.into_iter().find(|&kind| kind as u32 == number(0));
    match kind {
        Some(kind) if len == LEN => Ok(Some(Packet {
            kind,
            id,
            dev: DevNo {
                major: number(16),
                minor: number(20),
            },
            fd,
        })),
        _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}
