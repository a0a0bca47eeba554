//! A daemon of its own for each test, a client, and disks. All need root, loop devices and FUSE, and go with the test.
#![allow(dead_code, missing_docs)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use dm_abi::ioctl::load::{TargetSpec, push_record};
use dm_abi::ioctl::{Command as Dm, HEADER_SIZE, Header, decode_dev, encode_dev, flag};

pub const MAGIC: u32 = 0x6d64_6475;
pub const WAIT_EVENT: u32 = 0x100;
pub const SECTOR: usize = 512;

/// Fails the test in clear words where it cannot run.
fn check_machine() {
    assert!(nix::unistd::geteuid().is_root(), "these tests must run as root");
    for path in ["/dev/fuse", "/dev/loop-control"] {
        assert!(Path::new(path).exists(), "these tests need {path}");
    }
}

/// Runs a program that must succeed, and gives what it printed.
pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    succeeded(&format!("{program} {args:?}"), output)
}

fn succeeded(what: &str, output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{text}{errors}", output.status);
    text
}

/// A mounted directory.
pub struct Unmount(pub String);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Waits for something that must come true soon.
pub fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A loop device on a temporary file.
pub struct Disk {
    pub path: String,
    file: tempfile::NamedTempFile,
}

impl Disk {
    pub fn new(bytes: u64) -> Self {
        Self::with_block_size(bytes, 512)
    }

    pub fn with_block_size(bytes: u64, block: u32) -> Self {
        check_machine();
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(bytes).unwrap();
        let block = block.to_string();
        let name = file.path().to_str().unwrap();
        let args = ["--find", "--show", "--direct-io=on", "--sector-size", &block, name];
        let bind = || run("losetup", &args).trim().to_owned();
        let mut path = bind();
        for _ in 0..10 {
            let limit = std::fs::read_to_string(format!("/sys/block/{}/queue/discard_max_bytes", &path[5..]));
            if limit.unwrap().trim() != "0" {
                break;
            }
            // A daemon of another test was about to delete it, since it will never have discards again.
            run("losetup", &["--detach", &path]);
            std::thread::sleep(Duration::from_millis(50));
            path = bind();
        }
        Self { path, file }
    }

    /// The disk's own bytes, read past all caches of the loop device.
    pub fn read(&self, sector: usize, sectors: usize) -> Vec<u8> {
        let mut bytes = vec![0; sectors * SECTOR];
        self.file
            .as_file()
            .read_exact_at(&mut bytes, (sector * SECTOR) as u64)
            .unwrap();
        bytes
    }

    /// 512-byte blocks of storage that the file uses.
    pub fn used(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        self.file.as_file().metadata().unwrap().blocks()
    }

    pub fn number(&self) -> String {
        let name = self.path.strip_prefix("/dev/").unwrap();
        let dev = std::fs::read_to_string(format!("/sys/block/{name}/dev")).unwrap();
        dev.trim().to_owned()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A device that is still held goes when it is let go.
        let _ = Command::new("losetup").args(["--detach", &self.path]).output();
    }
}

/// A daemon in a directory of its own.
pub struct Daemon {
    directory: tempfile::TempDir,
    extra: Vec<String>,
}

impl Daemon {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(extra: &[&str]) -> Self {
        check_machine();
        let daemon = Self {
            directory: tempfile::tempdir().unwrap(),
            extra: extra.iter().map(ToString::to_string).collect(),
        };
        daemon.start_again();
        daemon
    }

    /// Starts a daemon in the place of one that is gone.
    pub fn start_again(&self) {
        let output = self.command().args(&self.extra).output().unwrap();
        succeeded("udmd", output);
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_udmd"));
        command.arg("--socket").arg(self.socket());
        command
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("control")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    pub fn pid(&self) -> i32 {
        let text = std::fs::read_to_string(self.directory.path().join("lock")).unwrap();
        text.trim().parse().unwrap()
    }

    pub fn client(&self) -> Client {
        Client(UnixStream::connect(self.socket()).unwrap())
    }

    /// Kills the daemon as nothing else can be killed, and waits until it is gone.
    pub fn kill(&self) {
        let pid = self.pid();
        kill(pid);
        eventually("the daemon is gone", || !Path::new(&format!("/proc/{pid}")).exists());
    }

    /// The processes that hold this daemon's descriptors.
    pub fn holders(&self) -> Vec<i32> {
        let path = self.directory.path().join("holder");
        let wanted = format!("udmd-hold\0hold\0{}\0", path.display());
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == wanted.as_bytes())
            })
            .collect()
    }

    /// What the daemon has open.
    pub fn open_files(&self) -> Vec<String> {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let target = |fd: std::fs::DirEntry| std::fs::read_link(fd.path()).ok()?.into_os_string().into_string().ok();
        fds.flatten().filter_map(target).collect()
    }

    /// Number of descriptors that the daemon has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }
}

pub fn kill(pid: i32) {
    use nix::sys::signal::{Signal, kill};
    let _ = kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let stop = || {
            self.command()
                .args(["stop", "--force"])
                .output()
                .is_ok_and(|out| out.status.success())
        };
        // A daemon that was killed has left its devices behind: another takes them over and ends them.
        if stop() || (self.command().output().is_ok() && stop()) {
            return;
        }
        if self.directory.path().join("lock").exists() {
            kill(self.pid());
        }
        self.holders().into_iter().for_each(kill);
        if !std::thread::panicking() {
            panic!("the daemon could not be stopped:\n{}", self.log());
        }
    }
}

/// An answer: header and payload, or an errno.
pub type Answer = Result<(Header, Vec<u8>), i32>;

/// How a request names its device.
#[derive(Clone, Copy)]
pub enum Name<'a> {
    Name(&'a str),
    Number(u32, u32),
}

/// A connection to a daemon.
pub struct Client(pub UnixStream);

impl Client {
    pub fn send(&mut self, command: u32, buffer: &[u8]) {
        let mut message = MAGIC.to_le_bytes().to_vec();
        message.extend_from_slice(&command.to_le_bytes());
        message.extend_from_slice(&(buffer.len() as u64).to_le_bytes());
        message.extend_from_slice(buffer);
        self.0.write_all(&message).unwrap();
    }

    pub fn receive(&mut self) -> (i32, Vec<u8>) {
        let mut header = [0; 16];
        self.0.read_exact(&mut header).unwrap();
        assert_eq!(header[..4], MAGIC.to_le_bytes());
        let errno = i32::from_le_bytes(header[4..8].try_into().unwrap());
        let length = u64::from_le_bytes(header[8..].try_into().unwrap());
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).unwrap();
        (errno, payload)
    }

    pub fn call(&mut self, command: Dm, name: Name<'_>, flags: u32, targets: u32, payload: &[u8]) -> Answer {
        self.send(command.number(), &request(name, flags, targets, payload));
        self.answer()
    }

    pub fn answer(&mut self) -> Answer {
        let (errno, buffer) = self.receive();
        if errno != 0 {
            return Err(errno);
        }
        let header = Header::read(&buffer).unwrap();
        Ok((header, buffer.get(HEADER_SIZE..).unwrap_or_default().to_vec()))
    }

    /// Creates a device and gives its path and number.
    pub fn create(&mut self, name: &str) -> Volume {
        let (header, _) = self.call(Dm::DevCreate, Name::Name(name), 0, 0, &[]).unwrap();
        let (major, minor) = decode_dev(header.dev);
        assert_eq!(major, 7);
        Volume {
            minor,
            path: PathBuf::from(format!("/dev/loop{minor}")),
        }
    }

    pub fn load(&mut self, name: &str, lines: &[(u64, u64, &str, String)]) -> Answer {
        self.load_with(name, 0, lines)
    }

    pub fn load_with(&mut self, name: &str, flags: u32, lines: &[(u64, u64, &str, String)]) -> Answer {
        let mut payload = Vec::new();
        for (start, length, kind, params) in lines {
            let spec = TargetSpec {
                start: *start,
                length: *length,
                kind: kind.as_bytes(),
                params: params.as_bytes(),
            };
            push_record(&mut payload, &spec);
        }
        let count = u32::try_from(lines.len()).unwrap();
        self.call(Dm::TableLoad, Name::Name(name), flags, count, &payload)
    }

    /// Sends a message to the target at sector 0.
    pub fn message(&mut self, name: &str, text: &str) -> Answer {
        let mut payload = 0u64.to_le_bytes().to_vec();
        payload.extend_from_slice(text.as_bytes());
        payload.push(0);
        self.call(Dm::TargetMsg, Name::Name(name), 0, 0, &payload)
    }

    pub fn resume(&mut self, name: &str) -> Answer {
        self.call(Dm::DevSuspend, Name::Name(name), 0, 0, &[])
    }

    pub fn suspend(&mut self, name: &str) -> Answer {
        self.call(Dm::DevSuspend, Name::Name(name), flag::SUSPEND, 0, &[])
    }

    pub fn remove(&mut self, name: &str) -> Answer {
        self.call(Dm::DevRemove, Name::Name(name), 0, 0, &[])
    }

    /// Removes a device that is not in use, but may still look so: a process that another test has forked keeps all
    /// descriptors until it runs its program, and whoever looks through all devices opens ours as well.
    pub fn remove_soon(&mut self, name: &str) {
        eventually("it can be removed", || match self.remove(name) {
            Ok(_) => true,
            Err(errno) => {
                assert_eq!(errno, libc::EBUSY, "{name}");
                false
            }
        });
    }

    /// Creates a device with a live table.
    pub fn make(&mut self, name: &str, lines: &[(u64, u64, &str, String)]) -> Volume {
        let volume = self.create(name);
        self.load(name, lines).unwrap();
        self.resume(name).unwrap();
        volume
    }
}

/// The buffer of a request.
pub fn request(name: Name<'_>, flags: u32, targets: u32, payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; (HEADER_SIZE + payload.len()).max(16384)];
    let mut header = Header::default();
    header.version = [4, 0, 0];
    header.data_size = u32::try_from(buffer.len()).unwrap();
    header.data_start = u32::try_from(HEADER_SIZE).unwrap();
    header.flags = flag::EXISTS | flags;
    header.target_count = targets;
    match name {
        Name::Name(name) => assert!(header.set_name(name.as_bytes())),
        Name::Number(major, minor) => header.dev = encode_dev(major, minor),
    }
    assert!(header.write(&mut buffer));
    buffer[HEADER_SIZE..HEADER_SIZE + payload.len()].copy_from_slice(payload);
    buffer
}

/// A mapped device.
pub struct Volume {
    pub minor: u32,
    pub path: PathBuf,
}

impl Volume {
    pub fn open(&self) -> File {
        File::options().read(true).write(true).open(&self.path).unwrap()
    }

    pub fn open_direct(&self) -> File {
        let mut options = File::options();
        options.read(true).write(true).custom_flags(libc::O_DIRECT);
        options.open(&self.path).unwrap()
    }

    pub fn sectors(&self) -> u64 {
        self.queue("../size")
    }

    /// A number from the device's queue directory in sysfs.
    pub fn queue(&self, file: &str) -> u64 {
        let path = format!("/sys/block/loop{}/queue/{file}", self.minor);
        std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }
}

/// Bytes on a page boundary.
pub struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    pub fn new(len: usize) -> Self {
        let bytes = vec![0u8; len + 4096];
        let start = bytes.as_ptr().align_offset(4096);
        Self { bytes, start, len }
    }

    /// A pattern that is different in each sector, and for each seed.
    pub fn pattern(len: usize, seed: u64) -> Self {
        let mut new = Self::new(len);
        fill(&mut new, seed);
        new
    }
}

/// Fills with a pattern that is different in each sector, and for each seed.
pub fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for word in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_ne_bytes()[..word.len()]);
    }
}

impl std::ops::Deref for Aligned {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl std::ops::DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

pub fn linear(start: u64, length: u64, disk: &Disk, offset: u64) -> (u64, u64, &'static str, String) {
    (start, length, "linear", format!("{} {offset}", disk.path))
}
