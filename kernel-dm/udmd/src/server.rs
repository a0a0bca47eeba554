//! The control socket.
//!
//! ```text
//! request: u32 LE magic | u32 LE command | u64 LE length | length bytes, the dm_ioctl buffer
//! reply:   u32 LE magic | i32 LE errno   | u64 LE length | length bytes, the dm_ioctl buffer
//! ```
//! The commands below 0x100 are those of the ioctl interface. A reply carries what of the buffer is used, and of a failed
//! request the version only. A connection carries one request at a time and has a thread of its own, so that a request
//! which waits holds up nobody else; closing the connection is to such a request what a signal is to an ioctl.
//!
//! On the second socket ([`Protocol::Plist`]) requests are property lists, all with the command [`PLIST`], and replies
//! carry property lists, or nothing and an errno.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, Header, flag};
use dm_abi::plist::serve::{Ended, Served};
use dm_core::secret::Secret;

use crate::daemon::{Daemon, Stop};
use crate::guard;
use crate::log;
use crate::loopdev;

/// First word of requests and replies.
pub const MAGIC: u32 = 0x6d64_6475;
/// Longest buffer of a request, in bytes.
pub const MAX_LENGTH: u64 = 16 << 20;
/// Returns when an event happened after the connection's last ARM_POLL (before the first: after it was opened).
pub const WAIT_EVENT: u32 = 0x100;
/// Returns the daemon's version and process as UTF-8 text.
pub const HELLO: u32 = 0x101;
/// On the second socket: the payload is a property list, see `dm_abi::plist`.
pub const PLIST: u32 = 0x110;
/// Returns a list of the devices as text.
pub const STATUS: u32 = 0x102;
/// Ends the daemon; the payload is one byte, see [`Stop`].
pub const STOP: u32 = 0x103;

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `struct dm_ioctl`, and what `udmd`'s own command line asks.
    Ioctl,
    /// Property lists.
    Plist,
}

/// Accepts connections for ever.
pub fn serve(daemon: &Arc<Daemon>, listener: &UnixListener, protocol: Protocol) {
    for stream in listener.incoming() {
        match stream {
            Ok(stream) if guard::is_root(stream.as_fd()) => {
                let daemon = daemon.clone();
                let started = std::thread::Builder::new().name("udmd-client".into()).spawn(move || {
                    // The client is gone, or has sent nonsense: in both cases the connection ends.
                    let _ = match protocol {
                        Protocol::Ioctl => connection(&daemon, &stream),
                        Protocol::Plist => plist_connection(&daemon, &stream),
                    };
                });
                if let Err(error) = started {
                    log!("a client cannot be served: {error}");
                }
            }
            Ok(_) => log!("a client that is not root was refused"),
            Err(error) => {
                log!("a connection cannot be accepted: {error}");
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        }
    }
}

fn connection(daemon: &Daemon, mut stream: &UnixStream) -> io::Result<()> {
    let mut armed = daemon.events();
    loop {
        let Some((command, mut payload)) = read_request(stream)? else {
            return Ok(());
        };
        let secret = Header::read(&payload).is_some_and(|header| header.flags & flag::SECURE_DATA != 0);
        let result = match command {
            WAIT_EVENT => daemon.wait_event(armed, stream.as_fd()).map(|()| 0),
            HELLO => text(&mut payload, &daemon.hello()),
            STATUS => text(&mut payload, &daemon.status()),
            STOP => match daemon.stop(Stop::from_byte(payload.first().copied().unwrap_or(0))) {
                Ok(()) => {
                    // Whoever stops the daemon sees it end.
                    reply(stream, 0, &[])?;
                    daemon.end();
                }
                Err(users) => {
                    let _ = text(&mut payload, &users);
                    reply(stream, libc::EBUSY, &payload)?;
                    continue;
                }
            },
            command => {
                let events = daemon.events();
                let result = daemon.request(command, &mut payload, stream.as_fd());
                if result.is_ok() && command == Command::DevArmPoll.number() {
                    armed = events;
                }
                result
            }
        };
        match result {
            Ok(len) => reply(stream, 0, payload.get(..len).unwrap_or(&payload))?,
            // The version alone was written, or all was wiped.
            Err(Errno(errno)) if secret => reply(stream, errno, &payload)?,
            Err(Errno(errno)) => reply(stream, errno, payload.get(..12).unwrap_or(&payload))?,
        }
        stream.flush()?;
    }
}

fn plist_connection(daemon: &Daemon, mut stream: &UnixStream) -> io::Result<()> {
    let mut armed = daemon.events();
    while let Some((command, payload)) = read_request(stream)? {
        let result = match command {
            WAIT_EVENT => daemon.wait_event(armed, stream.as_fd()).map(|()| Vec::new()),
            HELLO => Ok(daemon.hello().into_bytes()),
            PLIST => {
                let events = daemon.events();
                plist(daemon, &payload, stream).map(|(command, answer)| {
                    if command == Command::DevArmPoll.number() {
                        armed = events;
                    }
                    answer
                })
            }
            _ => Err(Errno::ENOTTY),
        };
        match result {
            Ok(answer) => reply(stream, 0, &answer)?,
            Err(Errno(errno)) => reply(stream, errno, &[])?,
        }
        stream.flush()?;
    }
    Ok(())
}

/// Carries out a property list; gives the command's number and the answer.
fn plist(daemon: &Daemon, xml: &[u8], stream: &UnixStream) -> Result<(u32, Vec<u8>), Errno> {
    let mut served = Served::begin(xml, loopdev::MAJOR)?;
    loop {
        let command = served.command();
        let result = daemon.request(command, served.buffer(), stream.as_fd());
        match served.end(result) {
            Ended::Reply(answer) => return Ok((command, answer)),
            Ended::Failed(errno) => return Err(errno),
            Ended::Again(again) => served = again,
        }
    }
}

fn text(payload: &mut Secret, text: &str) -> Result<usize, Errno> {
    payload.clear();
    payload.extend(text.as_bytes());
    Ok(payload.len())
}

/// Reads a request, which can have a key in a table line; `None` when the client is done.
pub fn read_request(mut stream: &UnixStream) -> io::Result<Option<(u32, Secret)>> {
    let mut header = [0; 16];
    match stream.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (command, length) = parse(header)?;
    let mut payload = Secret::zeroes(length);
    stream.read_exact(&mut payload)?;
    Ok(Some((command, payload)))
}

/// Reads the second word and the length of a request or reply.
pub fn parse(header: [u8; 16]) -> io::Result<(u32, usize)> {
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let length = u64::from(word(8)) | u64::from(word(12)) << 32;
    if word(0) != MAGIC || length > MAX_LENGTH {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((word(4), usize::try_from(length).unwrap_or(0)))
}

/// Sends a reply.
pub fn reply(mut stream: &UnixStream, errno: i32, payload: &[u8]) -> io::Result<()> {
    send(&mut stream, errno.cast_unsigned(), payload)
}

/// Sends a request or reply.
pub fn send(stream: &mut impl Write, word: u32, payload: &[u8]) -> io::Result<()> {
    let mut message = Secret::new();
    for word in [MAGIC, word] {
        message.extend(&word.to_le_bytes());
    }
    message.extend(&(payload.len() as u64).to_le_bytes());
    message.extend(payload);
    stream.write_all(&message)
}

/// Sends a request of `udmd`'s own command line and gives errno and payload of the reply.
///
/// # Errors
/// Nobody listens, or somebody else does.
pub fn ask(path: &std::path::Path, command: u32, payload: &[u8]) -> io::Result<(i32, Vec<u8>)> {
    let mut stream = UnixStream::connect(path)?;
    send(&mut stream, command, payload)?;
    let mut header = [0; 16];
    stream.read_exact(&mut header)?;
    let (errno, length) = parse(header)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    Ok((errno.cast_signed(), payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_none_are_refused() {
        let mut message = Vec::new();
        send(&mut message, 7, b"abc").unwrap();
        let header: [u8; 16] = message[..16].try_into().unwrap();
        assert_eq!(parse(header).unwrap(), (7, 3));
        let mut wrong = header;
        wrong[0] ^= 1;
        assert!(parse(wrong).is_err());
        let mut long = header;
        long[11] = 2;
        assert!(parse(long).is_err());
    }
}
