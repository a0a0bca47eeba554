//! A driver behind a Unix socket that speaks like udmd's second one, as the library's property-list transport wants it.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use libdevmapper::transport::socket::MAGIC;

/// Opens the block node of a device (its name is the payload) and keeps it open.
pub const OPEN: u32 = 0x200;
/// Closes it.
pub const CLOSE: u32 = 0x201;

/// Linux's numbers.
pub const ENXIO: i32 = 6;
/// No such command.
pub const ENOTTY: i32 = 25;

fn read(mut stream: &UnixStream) -> Option<(u32, Vec<u8>)> {
    let mut header = [0; 16];
    stream.read_exact(&mut header).ok()?;
    let word = |at: usize| {
        header
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u32::from_le_bytes)
    };
    if word(0) != MAGIC || word(12) != 0 || word(8) > 1 << 24 {
        return None;
    }
    let mut payload = vec![0; usize::try_from(word(8)).ok()?];
    stream.read_exact(&mut payload).ok()?;
    Some((word(4), payload))
}

fn send(mut stream: &UnixStream, word: u32, payload: &[u8]) -> std::io::Result<()> {
    let mut message = MAGIC.to_le_bytes().to_vec();
    message.extend_from_slice(&word.to_le_bytes());
    message.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    message.extend_from_slice(payload);
    stream.write_all(&message)
}

/// Answers commands until the process is killed. Errors of `answer` are Linux's numbers.
///
/// # Errors
/// No socket can be made there.
pub fn serve(socket: &str, mut answer: impl FnMut(u32, &[u8]) -> Result<Vec<u8>, i32>) -> std::io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    for stream in listener.incoming() {
        let stream = stream?;
        // Clients of a test come one after the other.
        while let Some((command, payload)) = read(&stream) {
            let sent = match answer(command, &payload) {
                Ok(bytes) => send(&stream, 0, &bytes),
                Err(errno) => send(&stream, errno.cast_unsigned(), &[]),
            };
            if sent.is_err() {
                break;
            }
        }
    }
    Ok(())
}

/// Sends one command to [`serve`].
///
/// # Errors
/// Nobody there, or the command was refused.
pub fn ask(socket: &str, command: u32, payload: &[u8]) -> std::io::Result<()> {
    let stream = UnixStream::connect(socket)?;
    send(&stream, command, payload)?;
    match read(&stream) {
        Some((0, _)) => Ok(()),
        Some((errno, _)) => Err(std::io::Error::from_raw_os_error(errno.cast_signed())),
        None => Err(std::io::Error::other("no answer")),
    }
}
