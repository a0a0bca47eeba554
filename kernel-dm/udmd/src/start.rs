//! Starting the daemon.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use bstr::ByteSlice;
use dm_core::control::Control;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};

use crate::daemon::{Daemon, Stop};
use crate::engine::{self, Shared};
use crate::fuse::FuseLoop;
use crate::guard;
use crate::hold::Holder;
use crate::host::UdmHost;
use crate::log;
use crate::server::{self, Protocol};
use crate::sysview::SysView;

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// The control socket. Its directory is the daemon's.
    pub socket: PathBuf,
    /// A second socket, for the property-list protocol.
    pub plist_socket: Option<PathBuf>,
    /// Threads of the data path.
    pub threads: usize,
    /// Where the log goes instead of standard error.
    pub log: Option<PathBuf>,
}

impl Options {
    fn directory(&self) -> &Path {
        self.socket
            .parent()
            .filter(|path| !path.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }

    /// The presentation of the daemon with this socket.
    pub fn presentation(&self) -> FuseLoop {
        let absolute = std::path::absolute(&self.socket).unwrap_or_else(|_| self.socket.clone());
        let text = format!("udmd:{}", absolute.display());
        // The end of a path tells more than its start.
        let mut from = text.len().saturating_sub(63);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        FuseLoop::new(text[from..].to_owned())
    }
}

/// A daemon that accepts connections as soon as it is told to.
pub struct Started {
    daemon: Arc<Daemon>,
    listener: UnixListener,
    plist_listener: Option<UnixListener>,
    /// Nobody else starts while it is held.
    _lock: Flock<File>,
}

impl Started {
    /// Serves clients for ever.
    pub fn serve(self) {
        if let Some(listener) = self.plist_listener {
            let daemon = self.daemon.clone();
            std::thread::spawn(move || server::serve(&daemon, &listener, Protocol::Plist));
        }
        server::serve(&self.daemon, &self.listener, Protocol::Ioctl);
    }
}

/// Starts everything.
///
/// # Errors
/// One sentence for the user.
pub fn start(options: &Options) -> Result<Started, String> {
    check_machine()?;
    let lock = lock(options)?;
    if let Some(path) = &options.log {
        log::to_file(path).map_err(|error| format!("{}: cannot be written: {error}", path.display()))?;
    }
    guard::raise_descriptor_limit();
    let signals = block_signals().map_err(|errno| format!("signals cannot be blocked: {errno}"))?;
    abort_on_panic();

    let (holder, inheritance) = Holder::connect_or_start(&options.directory().join("holder"))
        .map_err(|error| format!("the descriptor holder cannot be started: {error}"))?;
    guard::against_low_memory();
    let shared = Arc::new(Shared::default());
    let (events, raised) = channel();
    let inboxes = (0..options.threads.max(1))
        .map(|index| engine::spawn(shared.clone(), events.clone(), format!("udmd-io-{index}")))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| format!("the I/O threads cannot be started: {error}"))?;
    let host = UdmHost::new(
        shared.clone(),
        inboxes,
        Box::new(options.presentation()),
        holder,
        inheritance.devices,
    );
    let mut control = match &inheritance.state {
        None => Control::new(host),
        Some(state) => {
            let (control, broken) = Control::import(host, state)
                .map_err(|error| format!("the state of the earlier daemon cannot be read: {error}"))?;
            for broken in broken {
                let what = if broken.gone { "is gone" } else { "lacks a table" };
                log!("{} {what}: {}", broken.name.as_bstr(), broken.error);
            }
            control
        }
    };
    control.host_mut().go_on();
    let view = options.directory().join("sys");
    let view = SysView::new(view.clone()).map_err(|error| format!("{}: {error}", view.display()))?;
    let listener = listen(&options.socket)?;
    let plist_listener = options.plist_socket.as_deref().map(listen).transpose()?;
    let sockets = std::iter::once(&options.socket).chain(&options.plist_socket);
    let daemon = Arc::new(Daemon::new(control, shared, sockets.cloned().collect(), view));
    let threads = daemon
        .start_threads(raised)
        .and_then(|()| await_signals(daemon.clone(), signals));
    threads.map_err(|error| format!("threads cannot be started: {error}"))?;
    daemon.await_tables();
    log!(
        "version {} serves {}",
        env!("CARGO_PKG_VERSION"),
        options.socket.display()
    );
    Ok(Started {
        daemon,
        listener,
        plist_listener,
        _lock: lock,
    })
}

fn check_machine() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("must be run as root: it makes block devices".into());
    }
    for (path, what) in [
        ("/dev/fuse", "FUSE (CONFIG_FUSE_FS, module fuse)"),
        ("/dev/loop-control", "loop devices (CONFIG_BLK_DEV_LOOP, module loop)"),
    ] {
        if let Err(error) = OpenOptions::new().read(true).write(true).open(path) {
            return Err(format!(
                "{path} cannot be opened ({error}): the kernel must have {what}"
            ));
        }
    }
    Ok(())
}

/// Takes the lock of the daemon's directory, which is made if need be.
fn lock(options: &Options) -> Result<Flock<File>, String> {
    let directory = options.directory();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| format!("{} cannot be made: {error}", directory.display()))?;
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| format!("{} cannot be made: {error}", path.display()))?;
    let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, errno)| {
        let mut pid = String::new();
        let _ = file.read_to_string(&mut pid);
        match errno {
            nix::errno::Errno::EWOULDBLOCK => {
                format!(
                    "another daemon is running in {} (process {})",
                    directory.display(),
                    pid.trim()
                )
            }
            errno => format!("{} cannot be locked: {errno}", path.display()),
        }
    })?;
    let written = lock
        .set_len(0)
        .and_then(|()| lock.write_all(format!("{}\n", std::process::id()).as_bytes()));
    if let Err(error) = written {
        log!("{} cannot be written: {error}", path.display());
    }
    Ok(lock)
}

/// Whether no daemon runs with these options, nor its holder.
pub fn is_free(options: &Options) -> bool {
    let lock = File::open(options.directory().join("lock")).ok();
    lock.is_none_or(|lock| Flock::lock(lock, FlockArg::LockExclusiveNonblock).is_ok())
}

/// Makes a control socket. One that a dead daemon left is replaced.
fn listen(path: &Path) -> Result<UnixListener, String> {
    if std::fs::symlink_metadata(path).is_ok() {
        match UnixStream::connect(path) {
            Ok(_) => return Err(format!("{}: somebody else listens there", path.display())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                log!("{}: left over from an earlier daemon, replaced", path.display());
                std::fs::remove_file(path)
                    .map_err(|error| format!("{} cannot be replaced: {error}", path.display()))?;
            }
            Err(error) => {
                return Err(format!(
                    "{} is there and is not a socket of ours: {error}",
                    path.display()
                ));
            }
        }
    }
    // Nobody can connect before the mode is set: the directory is root's or the check of each client refuses them.
    let listener = UnixListener::bind(path).map_err(|error| format!("{} cannot be made: {error}", path.display()))?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(|error| format!("{}: its mode cannot be set: {error}", path.display()))?;
    Ok(listener)
}

/// Signals go to the thread of [`await_signals`].
#[allow(unsafe_code)]
fn block_signals() -> nix::Result<SigSet> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGINT);
    set.add(Signal::SIGHUP);
    set.thread_block()?;
    // The holder is nobody's concern when it ends.
    // SAFETY: ignoring a signal installs no handler.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }?;
    Ok(set)
}

fn await_signals(daemon: Arc<Daemon>, set: SigSet) -> io::Result<()> {
    std::thread::Builder::new().name("udmd-signals".into()).spawn(move || {
        loop {
            if let Ok(Signal::SIGTERM | Signal::SIGINT) = set.wait() {
                match daemon.stop(Stop::Unused) {
                    Ok(()) => daemon.end(),
                    Err(users) => log!("does not stop, devices are {users}"),
                }
            }
        }
    })?;
    Ok(())
}

/// A thread that panics takes the process with it: the devices are then with the holder, and nothing goes on with a
/// broken state.
fn abort_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        log!("internal error: {info}");
        before(info);
        std::process::abort();
    }));
}
