//! The property-list protocol of NetBSD's dm(4): to our driver and udmd, which answer as Linux does, and to the stock
//! driver, which needs care ([`stock`]).
//!
//! Who answers is seen at the first contact: our driver says so in every reply, and the stock driver knows no such key.

mod machine;
mod stock;

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use bstr::BStr;
use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, HEADER_SIZE, Header};
use dm_abi::plist::{self, ENGINE, MAX_LENGTH, Value, ask, key};
use zeroize::Zeroizing;

use super::{Failure, Transport, Udmd, socket};
use crate::error::{Error, Result};
use crate::task::DevNo;

pub use machine::{Machine, System};
pub use stock::Stock;

/// Block major number of dm(4) in NetBSD's tables, where nothing better is known.
pub const NETBSD_BLOCK_MAJOR: u32 = 169;
/// Character major number of dm(4) in NetBSD's tables.
pub const NETBSD_CHAR_MAJOR: u32 = 194;

/// Something that takes a property list and answers with one.
pub trait Channel: Debug + Send + Sync {
    /// Sends a property list for the command with this number in `linux/dm-ioctl.h`. The number says whether asking
    /// again does harm.
    ///
    /// # Errors
    /// The driver's errno, or [`Failure::Broken`].
    fn exchange(&self, command: u32, xml: &[u8]) -> std::result::Result<Vec<u8>, Failure>;

    /// Waits until an event happened after the last ARM_POLL.
    ///
    /// # Errors
    /// As of [`Channel::exchange`].
    fn wait_event(&self) -> std::result::Result<(), Failure>;

    /// Opens and closes a block node, given by path or by the name of a mapped device, where the channel and not this
    /// machine has the nodes that the driver sees.
    ///
    /// # Errors
    /// EBUSY when somebody has it open; or as of [`Channel::exchange`].
    fn try_open(&self, _node: &[u8]) -> std::result::Result<(), Failure> {
        Ok(())
    }

    /// Block major number of the driver's devices, if the channel knows.
    fn block_major(&self) -> Option<u32>;

    /// Character major number of the driver's devices, if they have character nodes.
    fn char_major(&self) -> Option<u32>;

    /// How messages call it.
    fn label(&self) -> String;
}

/// udmd's second socket, or another that speaks like it.
#[derive(Debug)]
struct Socket {
    udmd: Udmd,
}

impl Channel for Socket {
    fn exchange(&self, command: u32, xml: &[u8]) -> std::result::Result<Vec<u8>, Failure> {
        match self.udmd.plist(command, xml)? {
            (0, answer) => Ok(answer),
            (errno, _) => Err(Failure::Refused(Errno(errno))),
        }
    }

    fn wait_event(&self) -> std::result::Result<(), Failure> {
        self.udmd.wait_event()
    }

    fn try_open(&self, node: &[u8]) -> std::result::Result<(), Failure> {
        self.udmd.try_open(node)
    }

    fn block_major(&self) -> Option<u32> {
        None
    }

    fn char_major(&self) -> Option<u32> {
        None
    }

    fn label(&self) -> String {
        self.udmd.path().display().to_string()
    }
}

/// Connects to a socket that speaks property lists. Nodes of mapped devices are in `dm_dir`.
///
/// # Errors
/// Logged: nobody there, or somebody who does not speak the protocol.
pub fn connect(path: PathBuf, dm_dir: &Path) -> Result<Box<dyn Transport>> {
    let udmd = Udmd::connect(path)?;
    open(Box::new(Socket { udmd }), Box::new(System::new(dm_dir)))
}

/// Finds out who answers on a channel.
///
/// # Errors
/// Logged: no answer, or one that makes no sense.
pub fn open(channel: Box<dyn Channel>, machine: Box<dyn Machine>) -> Result<Box<dyn Transport>> {
    let label = channel.label();
    let fail = |why: String| {
        let message = format!("{label}: {why}.");
        crate::log_error!("{message}");
        Error::Invalid(message)
    };
    let mut buffer = vec![0; HEADER_SIZE];
    let mut header = Header::default();
    header.version = [4, 0, 0];
    if !header.write(&mut buffer) {
        return Err(fail("internal error: short buffer".into()));
    }
    let version = Command::Version.number();
    let request = ask::encode(version, &buffer).map_err(|errno| fail(format!("no request can be made: {errno}")))?;
    let answer = channel.exchange(version, &request).map_err(|failure| match failure {
        Failure::Refused(errno) => fail(format!("the driver does not tell its version: {errno}")),
        Failure::Broken => Error::NotFound(label.clone()),
    })?;
    let dict = plist::parse(&answer, MAX_LENGTH).map_err(|error| fail(format!("the answer is wrong: {error}")))?;
    let version = dict
        .get(key::VERSION)
        .and_then(Value::as_version)
        .ok_or_else(|| fail("the answer has no version".into()))?;
    let [major, minor, patch] = version;
    if dict.string(key::ENGINE) == ENGINE {
        crate::log_debug!("{label}: our driver, version {major}.{minor}.{patch}.");
        return Ok(Box::new(Plist {
            block_major: dict.u32(key::MAJOR).or_else(|| channel.block_major()),
            version,
            channel,
        }));
    }
    crate::log_debug!("{label}: NetBSD's stock driver, version {major}.{minor}.{patch}; what it does is looked after.");
    Ok(Box::new(Stock::new(channel, machine, version)))
}

/// Our driver over property lists.
#[derive(Debug)]
pub struct Plist {
    channel: Box<dyn Channel>,
    version: [u32; 3],
    block_major: Option<u32>,
}

impl Transport for Plist {
    fn ioctl(&self, nr: u32, buffer: &mut [u8]) -> std::result::Result<(), Failure> {
        let asked = ask::encode(nr, buffer)
            .map(Zeroizing::new)
            .map_err(Failure::Refused)
            .and_then(|xml| self.channel.exchange(nr, &xml))
            .map(Zeroizing::new);
        let result = asked.and_then(|answer| {
            ask::decode(nr, buffer, &answer).map_err(|errno| {
                crate::log_error!("{}: the reply makes no sense: {errno}.", self.channel.label());
                Failure::Broken
            })
        });
        if let Err(Failure::Refused(_)) = result {
            ask::refused(nr, buffer, self.version);
        }
        result
    }

    fn dm_major(&self) -> Option<u32> {
        self.block_major
    }

    fn has_udev(&self) -> bool {
        false
    }

    fn char_major(&self) -> Option<u32> {
        self.channel.char_major()
    }

    fn kernel_node(&self, dev: DevNo) -> Option<PathBuf> {
        (dev.major == socket::LOOP_MAJOR && cfg!(target_os = "linux")).then(|| format!("/dev/loop{}", dev.minor).into())
    }

    fn wait_event(&self) -> std::result::Result<(), Failure> {
        self.channel.wait_event()
    }
}

/// A name for messages.
fn shown(name: &[u8]) -> &BStr {
    BStr::new(name)
}
