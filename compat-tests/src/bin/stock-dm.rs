//! NetBSD's stock dm(4) driver, simulated (`dm_sim::stock`), behind a socket that speaks like udmd's second one:
//!
//! ```text
//! stock-dm SOCKET 2016|2025        serves until it is killed; ends with an error where the kernel would panic
//! stock-dm SOCKET open|close NAME  what a user of a device or disk would do (also to rump-stock)
//! ```

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::ExitCode;

use compat_tests::serve::{CLOSE, ENOTTY, ENXIO, OPEN, ask, serve};
use dm_abi::ioctl::encode_dev;
use dm_sim::stock::{StockDriver, Year};
use libdevmapper::transport::socket::{HELLO, PLIST, TRY_OPEN};

const EBUSY: i32 = 16;

fn block_device(path: &[u8]) -> Option<u64> {
    let meta = std::fs::metadata(std::str::from_utf8(path).ok()?).ok()?;
    let dev = meta.rdev();
    meta.file_type()
        .is_block_device()
        .then(|| encode_dev(libc::major(dev), libc::minor(dev)))
}

fn simulate(socket: &str, year: Year) -> std::io::Result<()> {
    let mut driver = StockDriver::new(year, Box::new(block_device));
    serve(socket, |command, payload| match command {
        HELLO => Ok(b"the stock driver, simulated".to_vec()),
        PLIST => driver.ioctl(payload).map_err(|errno| errno.0),
        OPEN | CLOSE if driver.set_open(payload, command == OPEN) => Ok(Vec::new()),
        OPEN | CLOSE => Err(ENXIO),
        TRY_OPEN => match driver.is_open(payload) {
            Some(false) => Ok(Vec::new()),
            Some(true) => Err(EBUSY),
            None => Err(ENXIO),
        },
        _ => Err(ENOTTY),
    })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        [socket, "2016"] => simulate(socket, Year::Y2016),
        [socket, "2025"] => simulate(socket, Year::Y2025),
        [socket, "open", name] => ask(socket, OPEN, name.as_bytes()),
        [socket, "close", name] => ask(socket, CLOSE, name.as_bytes()),
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
