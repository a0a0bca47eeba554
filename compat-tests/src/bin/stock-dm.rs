//! NetBSD's stock dm(4) driver, simulated (`dm_sim::stock`), behind a socket that speaks like udmd's second one:
//!
//! ```text
//! stock-dm SOCKET 2016|2025        serves until it is killed; ends with an error where the kernel would panic
//! stock-dm SOCKET open|close NAME  what a user of the device would do
//! ```

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;

use dm_abi::ioctl::encode_dev;
use dm_sim::stock::{StockDriver, Year};
use libdevmapper::transport::socket::{HELLO, MAGIC, PLIST};

/// Opens (with the name as payload).
const OPEN: u32 = 0x200;
/// Closes.
const CLOSE: u32 = 0x201;
/// No such command.
const ENOTTY: i32 = 25;
/// No such device.
const ENXIO: i32 = 6;

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

fn block_device(path: &[u8]) -> Option<u64> {
    let meta = std::fs::metadata(std::str::from_utf8(path).ok()?).ok()?;
    let dev = meta.rdev();
    meta.file_type()
        .is_block_device()
        .then(|| encode_dev(libc::major(dev), libc::minor(dev)))
}

fn serve(socket: &str, year: Year) -> std::io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    let mut driver = StockDriver::new(year, Box::new(block_device));
    for stream in listener.incoming() {
        let stream = stream?;
        // Clients of a test come one after the other.
        while let Some((command, payload)) = read(&stream) {
            let answer = match command {
                HELLO => Ok(b"the stock driver, simulated".to_vec()),
                PLIST => driver.ioctl(&payload).map_err(|errno| errno.0),
                OPEN | CLOSE if driver.set_open(&payload, command == OPEN) => Ok(Vec::new()),
                OPEN | CLOSE => Err(ENXIO),
                _ => Err(ENOTTY),
            };
            let sent = match answer {
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

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        [socket, "2016"] => serve(socket, Year::Y2016),
        [socket, "2025"] => serve(socket, Year::Y2025),
        [socket, what @ ("open" | "close"), name] => UnixStream::connect(socket).and_then(|stream| {
            send(&stream, if what == "open" { OPEN } else { CLOSE }, name.as_bytes())?;
            match read(&stream) {
                Some((0, _)) => Ok(()),
                _ => Err(std::io::Error::other("no such device")),
            }
        }),
        _ => Err(std::io::Error::other(
            "usage: stock-dm SOCKET 2016|2025, or SOCKET open|close NAME",
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stock-dm: {error}");
            ExitCode::FAILURE
        }
    }
}
