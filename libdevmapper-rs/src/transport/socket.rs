//! The Unix socket of udmd.
//!
//! ```text
//! request: u32 LE magic | u32 LE command | u64 LE length | length bytes, the dm_ioctl buffer
//! reply:   u32 LE magic | i32 LE errno   | u64 LE length | length bytes, the dm_ioctl buffer
//! ```
//! A connection carries one request at a time. Each request in flight has a connection of its own; idle ones are kept
//! for the next request.

use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, Header};
use nix::sys::socket::{MsgFlags, recv, send};
use zeroize::Zeroizing;

use super::{Failure, Transport};
use crate::error::{Error, Result};
use crate::task::DevNo;

/// First word of requests and replies.
pub const MAGIC: u32 = 0x6d64_6475;
/// Command that returns when an event happened after the last ARM_POLL.
pub const WAIT_EVENT: u32 = 0x100;
/// Command that carries a property list instead of a `struct dm_ioctl`, on udmd's second socket.
pub const PLIST: u32 = 0x110;
/// Command that opens and closes a block node, given by path or by the name of a mapped device: EBUSY when somebody has
/// it open. Where property lists go to a driver in another kernel, the nodes that it sees are there.
pub const TRY_OPEN: u32 = 0x111;
/// Command that returns the daemon's version as UTF-8 text.
pub const HELLO: u32 = 0x101;
/// Size of the header of requests and replies.
pub const HEADER: usize = 16;
/// Idle connections kept for later requests.
const IDLE_MAX: usize = 4;
/// How long a daemon that was there is given to come back.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest greeting, in bytes.
const HELLO_MAX: usize = 4096;
/// Major number of the loop devices that udmd's volumes appear as.
pub const LOOP_MAJOR: u32 = 7;

/// A daemon that was reached.
#[derive(Debug)]
pub struct Udmd {
    path: PathBuf,
    idle: Mutex<Idle>,
}

/// Connections without a request. They belong to the process that opened them: after a fork, parent and child on one
/// connection would read each other's replies.
#[derive(Debug, Default)]
struct Idle {
    process: u32,
    streams: Vec<UnixStream>,
    /// The connection of the last ARM_POLL; events are counted from there.
    armed: Option<UnixStream>,
}

/// What went wrong with an exchange.
#[derive(Debug)]
enum Trouble {
    /// The connection was closed before the daemon had the whole request.
    Unsent,
    /// The connection was closed after that.
    Gone,
    /// A signal came while an event was awaited.
    Interrupted,
    /// Anything else, in words.
    Broken(String),
}

type Exchanged = std::result::Result<(i32, Vec<u8>), Trouble>;

impl Udmd {
    /// Connects and greets.
    ///
    /// # Errors
    /// Logged in one sentence: no socket, nobody listening, no permission, something else listening.
    pub fn connect(path: PathBuf) -> Result<Self> {
        let this = Self {
            path,
            idle: Mutex::default(),
        };
        let stream = this.dial(&mut Patience::none())?;
        match exchange(&stream, HELLO, &[]) {
            Ok((0, version)) => {
                crate::log_debug!(
                    "udmd at {} is {}.",
                    this.path.display(),
                    String::from_utf8_lossy(&version)
                );
                this.keep(stream);
                Ok(this)
            }
            Ok((errno, _)) => Err(this.fail(&format!("refused the greeting: {}", Errno(errno)))),
            Err(Trouble::Unsent | Trouble::Gone | Trouble::Interrupted) => {
                Err(this.fail("closed the connection instead of greeting"))
            }
            Err(Trouble::Broken(why)) => Err(this.fail(&why)),
        }
    }

    /// Sends a property list for the command with this number, and gives errno and answer.
    pub(super) fn plist(&self, command: u32, xml: &[u8]) -> std::result::Result<(i32, Vec<u8>), Failure> {
        let (stream, errno, answer) = self.request_for(PLIST, command, xml)?;
        self.put_back(command, stream);
        Ok((errno, answer))
    }

    /// Opens a block node on the other side and closes it again.
    pub(super) fn try_open(&self, node: &[u8]) -> std::result::Result<(), Failure> {
        let (stream, errno, _) = self.request(TRY_OPEN, node)?;
        self.keep(stream);
        match errno {
            0 => Ok(()),
            errno => Err(Failure::Refused(Errno(errno))),
        }
    }

    /// Keeps a connection after a request.
    fn put_back(&self, command: u32, stream: UnixStream) {
        if command == Command::DevArmPoll.number() {
            self.idle().armed = Some(stream);
        } else {
            self.keep(stream);
        }
    }

    /// Where the socket is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn fail(&self, why: &str) -> Error {
        let message = format!("udmd at {} {why}.", self.path.display());
        crate::log_error!("{message}");
        Error::Invalid(message)
    }

    /// Connects. With `patience`, a daemon that is not there is given this time to come back.
    fn dial(&self, patience: &mut Patience) -> Result<UnixStream> {
        let source = loop {
            match UnixStream::connect(&self.path) {
                Ok(stream) => return Ok(stream),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    let may_return = matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
                    if !may_return || !patience.pause() {
                        break e;
                    }
                }
            }
        };
        let why = match source.kind() {
            ErrorKind::NotFound => "is not there: no such socket".into(),
            ErrorKind::ConnectionRefused => "does not answer: the socket is there, but no daemon listens".into(),
            ErrorKind::PermissionDenied => "refused the connection: permission denied".into(),
            _ => format!("cannot be reached: {}", crate::log::SysText(&source)),
        };
        self.fail(&why);
        Err(Error::System {
            path: self.path.display().to_string(),
            call: "connect",
            source,
        })
    }

    fn keep(&self, stream: UnixStream) {
        let mut idle = self.idle();
        if idle.streams.len() < IDLE_MAX {
            idle.streams.push(stream);
        }
    }

    /// The idle connections of this process.
    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(|e| e.into_inner());
        let process = std::process::id();
        if idle.process != process {
            *idle = Idle {
                process,
                ..Idle::default()
            };
        }
        idle
    }

    /// One request over an idle connection or a new one, which is returned too.
    ///
    /// A daemon that was restarted closed the old connections. What it had not read is sent to the new daemon, and so
    /// are questions that it had not answered; another request may have taken effect and is not sent twice.
    fn request(&self, nr: u32, payload: &[u8]) -> std::result::Result<(UnixStream, i32, Vec<u8>), Failure> {
        self.request_for(nr, nr, payload)
    }

    /// As [`Self::request`], where the payload itself holds the command: `meant` is its number.
    fn request_for(
        &self,
        nr: u32,
        meant: u32,
        payload: &[u8],
    ) -> std::result::Result<(UnixStream, i32, Vec<u8>), Failure> {
        let mut patience = Patience::new(PATIENCE);
        loop {
            let idle = self.idle().streams.pop();
            let stream = match idle {
                Some(stream) if is_stale(&stream) => continue,
                Some(stream) => stream,
                None => self.dial(&mut patience).map_err(|_| Failure::Broken)?,
            };
            let trouble = match exchange_for(&stream, nr, meant, payload) {
                Ok((errno, body)) => return Ok((stream, errno, body)),
                Err(trouble) => trouble,
            };
            let again = matches!(trouble, Trouble::Unsent) || matches!(trouble, Trouble::Gone) && is_question(meant);
            if !again || !patience.pause() {
                return Err(self.failure(trouble));
            }
            crate::log_debug!("udmd at {} went away: connecting again.", self.path.display());
        }
    }

    fn failure(&self, trouble: Trouble) -> Failure {
        let why = match trouble {
            // Closing the connection tells the daemon that nobody waits any more.
            Trouble::Interrupted => return Failure::Refused(Errno::EINTR),
            Trouble::Unsent => "closed the connection before it took the request".into(),
            Trouble::Gone => "went away before it answered; the request may have taken effect".into(),
            Trouble::Broken(why) => why,
        };
        self.fail(&why);
        Failure::Broken
    }
}

/// Time for a daemon to come back.
struct Patience {
    left: Duration,
}

impl Patience {
    fn new(left: Duration) -> Self {
        Self { left }
    }

    fn none() -> Self {
        Self::new(Duration::ZERO)
    }

    /// Sleeps a little; false when the time is over.
    fn pause(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(PAUSE) else {
            return false;
        };
        self.left = left;
        std::thread::sleep(PAUSE);
        true
    }
}

/// Whether a command only asks, so that asking twice does no harm.
fn is_question(nr: u32) -> bool {
    matches!(
        Command::from_number(nr),
        Some(
            Command::Version
                | Command::ListDevices
                | Command::DevStatus
                | Command::DevWait
                | Command::TableDeps
                | Command::TableStatus
                | Command::ListVersions
                | Command::GetTargetVersion
        )
    )
}

/// Whether an idle connection was closed, or holds bytes that nobody asked for.
fn is_stale(stream: &UnixStream) -> bool {
    let mut byte = [0];
    let peek = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    !matches!(
        recv(stream.as_raw_fd(), &mut byte, peek),
        Err(nix::errno::Errno::EAGAIN)
    )
}

fn exchange(stream: &UnixStream, nr: u32, payload: &[u8]) -> Exchanged {
    exchange_for(stream, nr, nr, payload)
}

fn exchange_for(stream: &UnixStream, nr: u32, meant: u32, payload: &[u8]) -> Exchanged {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC.to_le_bytes());
    header[4..8].copy_from_slice(&nr.to_le_bytes());
    header[8..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    send_all(stream, &header)?;
    send_all(stream, payload)?;

    let mut header = [0; HEADER];
    let waits = nr == WAIT_EVENT || meant == Command::DevWait.number();
    read_all(stream, &mut header, waits)?;
    let [magic, errno, low, high] = [0, 4, 8, 12].map(|at| {
        let bytes = header.get(at..).and_then(|b| b.first_chunk::<4>());
        bytes.copied().unwrap_or_default()
    });
    if u32::from_le_bytes(magic) != MAGIC {
        return Err(Trouble::Broken(
            "is something else: its answer has a wrong magic number".into(),
        ));
    }
    let length = u64::from(u32::from_le_bytes(low)) | u64::from(u32::from_le_bytes(high)) << 32;
    let limit = match nr {
        HELLO => HELLO_MAX,
        PLIST => dm_abi::plist::MAX_LENGTH,
        _ => payload.len(),
    };
    let Some(size) = usize::try_from(length).ok().filter(|&size| size <= limit) else {
        return Err(Trouble::Broken(format!(
            "sent a reply of {length} bytes, too long for the request"
        )));
    };
    let mut body = vec![0; size];
    read_all(stream, &mut body, false)?;
    Ok((i32::from_le_bytes(errno), body))
}

/// Sends without SIGPIPE: the library must not end a program because a daemon ended.
fn send_all(stream: &UnixStream, mut bytes: &[u8]) -> std::result::Result<(), Trouble> {
    use nix::errno::Errno as E;
    while !bytes.is_empty() {
        match send(stream.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(E::EINTR) => {}
            Err(E::EPIPE | E::ECONNRESET | E::ENOTCONN) => return Err(Trouble::Unsent),
            Err(e) => return Err(Trouble::Broken(format!("did not take a request: {}", e.desc()))),
        }
    }
    Ok(())
}

/// Fills `bytes`. With `interruptible`, a signal before the first byte ends it.
fn read_all(mut stream: &UnixStream, bytes: &mut [u8], interruptible: bool) -> std::result::Result<(), Trouble> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => return Err(Trouble::Gone),
            Ok(count) => done += count,
            Err(e) if e.kind() == ErrorKind::Interrupted => {
                if interruptible && done == 0 {
                    return Err(Trouble::Interrupted);
                }
            }
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return Err(Trouble::Gone),
            Err(e) => return Err(Trouble::Broken(format!("did not answer: {}", crate::log::SysText(&e)))),
        }
    }
    Ok(())
}

impl Transport for Udmd {
    fn ioctl(&self, nr: u32, buffer: &mut [u8]) -> std::result::Result<(), Failure> {
        let (stream, errno, body) = self.request(nr, buffer)?;
        self.put_back(nr, stream);
        // A failed request brings the version back, or nothing.
        let body = Zeroizing::new(body);
        let size = Header::read(&body).and_then(|header| usize::try_from(header.data_size).ok());
        let reply = body.get(..size.unwrap_or(usize::MAX)).unwrap_or(&body);
        if let Some(start) = buffer.get_mut(..reply.len()) {
            start.copy_from_slice(reply);
        }
        if errno == 0 {
            Ok(())
        } else {
            Err(Failure::Refused(Errno(errno)))
        }
    }

    fn dm_major(&self) -> Option<u32> {
        Some(LOOP_MAJOR)
    }

    fn has_udev(&self) -> bool {
        false
    }

    fn kernel_node(&self, dev: DevNo) -> Option<PathBuf> {
        Some(format!("/dev/loop{}", dev.minor).into())
    }

    fn sysfs(&self) -> Option<PathBuf> {
        Some(self.path.parent()?.join("sys")).filter(|view| view.join("block").is_dir())
    }

    fn wait_event(&self) -> std::result::Result<(), Failure> {
        let armed = self.idle().armed.take();
        let (stream, errno) = match armed {
            Some(stream) => {
                let (errno, _) = exchange(&stream, WAIT_EVENT, &[]).map_err(|trouble| self.failure(trouble))?;
                (stream, errno)
            }
            None => self
                .request(WAIT_EVENT, &[])
                .map(|(stream, errno, _)| (stream, errno))?,
        };
        self.idle().armed = Some(stream);
        if errno == 0 {
            Ok(())
        } else {
            Err(Failure::Refused(Errno(errno)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A daemon that answers each connection's requests with `answer(command, payload)`.
    fn daemon(answer: fn(u32, &[u8]) -> Vec<u8>) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut header = [0; HEADER];
                    while stream.read_exact(&mut header).is_ok() {
                        assert_eq!(header[..4], MAGIC.to_le_bytes());
                        let nr = u32::from_le_bytes(header[4..8].try_into().unwrap());
                        let length = u64::from_le_bytes(header[8..].try_into().unwrap());
                        let mut payload = vec![0; usize::try_from(length).unwrap()];
                        stream.read_exact(&mut payload).unwrap();
                        let reply = answer(nr, &payload);
                        if reply.is_empty() {
                            return;
                        }
                        stream.write_all(&reply).unwrap();
                    }
                });
            }
        });
        (dir, path)
    }

    fn reply(errno: i32, body: &[u8]) -> Vec<u8> {
        let mut out = MAGIC.to_le_bytes().to_vec();
        out.extend_from_slice(&errno.to_le_bytes());
        out.extend_from_slice(&(body.len() as u64).to_le_bytes());
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn requests_and_errors() {
        let (_dir, path) = daemon(|nr, payload| match nr {
            HELLO => reply(0, b"udmd 0"),
            3 => reply(16, &payload[..12]),
            9 => Vec::new(),
            10 => b"HTTP/1.1 400 Bad Request".to_vec(),
            11 => reply(0, &[7; 100]),
            _ => reply(0, &payload.iter().map(|b| b + 1).collect::<Vec<_>>()),
        });
        let udmd = Udmd::connect(path).unwrap();
        let mut buffer = [1; 40];
        udmd.ioctl(7, &mut buffer).unwrap();
        assert_eq!(buffer, [2; 40]);
        assert_eq!(udmd.ioctl(3, &mut buffer), Err(Failure::Refused(Errno::EBUSY)));
        assert_eq!(udmd.ioctl(9, &mut buffer), Err(Failure::Broken));
        assert_eq!(udmd.ioctl(10, &mut buffer), Err(Failure::Broken));
        assert_eq!(udmd.ioctl(11, &mut buffer), Err(Failure::Broken));
        // Each broken connection was replaced.
        udmd.ioctl(7, &mut buffer).unwrap();
        assert!(udmd.is_dm_major(7) && !udmd.is_dm_major(254) && !udmd.has_udev());
    }

    #[test]
    fn a_waiting_request_does_not_stop_others() {
        static GATE: std::sync::Barrier = std::sync::Barrier::new(2);
        let (_dir, path) = daemon(|nr, payload| {
            if nr == 8 {
                GATE.wait();
            }
            reply(0, if nr == HELLO { b"udmd" } else { payload })
        });
        let udmd = Udmd::connect(path).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| udmd.ioctl(8, &mut [0; 16]));
            udmd.ioctl(7, &mut [0; 16]).unwrap();
            GATE.wait();
            waiter.join().unwrap().unwrap();
        });
    }

    #[test]
    fn nobody_there() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Udmd::connect(dir.path().join("none")).is_err());
        let path = dir.path().join("dead");
        drop(UnixListener::bind(&path).unwrap());
        assert!(Udmd::connect(path).is_err());
        let (_dir, wrong) = daemon(|_, _| b"SSH-2.0-something-else".to_vec());
        assert!(Udmd::connect(wrong).is_err());
    }

    #[test]
    fn questions_are_asked_again() {
        use std::sync::atomic::{AtomicU32, Ordering};
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let (_dir, path) = daemon(|nr, payload| match nr {
            HELLO => reply(0, b"udmd"),
            // The first two daemons die over each request.
            _ if ASKED.fetch_add(1, Ordering::Relaxed) < 2 => Vec::new(),
            _ => reply(0, payload),
        });
        let udmd = Udmd::connect(path).unwrap();
        udmd.ioctl(8, &mut [0; 16]).unwrap();
        assert_eq!(ASKED.load(Ordering::Relaxed), 3);
        ASKED.store(0, Ordering::Relaxed);
        assert_eq!(udmd.ioctl(4, &mut [0; 16]), Err(Failure::Broken));
        assert_eq!(ASKED.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_restarted_daemon_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        let serve_once = |listener: &UnixListener| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut header = [0; HEADER];
            stream.read_exact(&mut header).unwrap();
            let mut payload = vec![0; usize::from(header[8])];
            stream.read_exact(&mut payload).unwrap();
            stream.write_all(&reply(0, b"")).unwrap();
        };
        let listener = UnixListener::bind(&path).unwrap();
        let closed = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                serve_once(&listener);
                closed.wait();
                serve_once(&listener);
            });
            let udmd = Udmd::connect(path.clone()).unwrap();
            // The daemon closed the idle connection after the greeting.
            closed.wait();
            udmd.ioctl(7, &mut [0; 16]).unwrap();
            server.join().unwrap();
        });
    }
}
