//! Userspace host of the device-mapper engine: real block devices on a Linux machine without device-mapper.
//!
//! ```text
//! client -- control socket -- server -- daemon -- dm-core's Control -- host
//! block device -- loop -- FUSE -- engine (dm-core's Volume and Table) -- io_uring -- components
//! ```

mod buffer;
mod closer;
mod component;
mod daemon;
mod engine;
mod foreign;
mod fuse;
mod guard;
mod hold;
mod host;
mod log;
mod loopdev;
mod mounts;
mod nodes;
mod present;
mod server;
mod start;
mod sysview;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nix::unistd::ForkResult;

use crate::daemon::Stop;
use crate::present::Presentation;
use crate::start::Options;

/// Serves device-mapper devices as loop devices, for machines whose kernel has no device-mapper.
///
/// LVM and dmsetup reach it through libdevmapper. Without a command it starts in the background, and returns when clients
/// can connect.
#[derive(Parser)]
#[command(name = "udmd", version)]
struct Arguments {
    /// The control socket; its directory also holds the daemon's lock and log.
    #[arg(long, global = true, value_name = "PATH", default_value = "/run/udmd/control")]
    socket: PathBuf,
    /// Also listen here, for the property-list protocol of NetBSD's driver.
    #[arg(long, value_name = "PATH")]
    plist_socket: Option<PathBuf>,
    /// Stay in the foreground, with the log on standard error.
    #[arg(long)]
    foreground: bool,
    /// Append the log to this file [in the background: `log` beside the socket].
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Number of threads that move data.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: u8,
    #[command(subcommand)]
    command: Option<Request>,
}

#[derive(Subcommand)]
enum Request {
    /// Remove all devices and end the daemon; refused while one is in use.
    Stop {
        /// End it all the same: users of devices get errors from then on.
        #[arg(long, conflicts_with = "keep")]
        force: bool,
        /// End only the daemon: requests to devices wait until another is started.
        #[arg(long)]
        keep: bool,
    },
    /// Show the daemon and its devices.
    Status,
    /// Hold the devices' descriptors (started by the daemon).
    #[command(hide = true)]
    Hold {
        /// The holder's socket, to tell several apart.
        path: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options {
        socket: arguments.socket,
        plist_socket: arguments.plist_socket,
        threads: usize::from(arguments.threads),
        log: arguments.log,
    };
    let result = match arguments.command {
        None if arguments.foreground => start::start(&options).map(start::Started::serve),
        None => background(options),
        Some(Request::Hold { path: _ }) => hold::run().map_err(|error| error.to_string()),
        Some(Request::Status) => ask(&options, server::STATUS, &[]).map(|text| print!("{text}")),
        Some(Request::Stop { force, keep }) => {
            let how = match (force, keep) {
                (true, _) => Stop::Force,
                (_, true) => Stop::Keep,
                _ => Stop::Unused,
            };
            stop(&options, how)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("udmd: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Asks the running daemon.
fn ask(options: &Options, command: u32, payload: &[u8]) -> Result<String, String> {
    let path = options.socket.display();
    let (errno, text) = server::ask(&options.socket, command, payload).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("no daemon is running: there is no socket {path}"),
        io::ErrorKind::ConnectionRefused => {
            format!(
                "no daemon is running: the socket {path} was left by one that died; start udmd to take over its devices"
            )
        }
        io::ErrorKind::UnexpectedEof => format!("the daemon at {path} closed the connection"),
        io::ErrorKind::InvalidData => format!("what listens at {path} is not udmd"),
        _ => format!("{path}: {error}"),
    })?;
    let text = String::from_utf8_lossy(&text).into_owned();
    if errno == 0 {
        Ok(text)
    } else {
        Err(format!("devices are {text}"))
    }
}

fn stop(options: &Options, how: Stop) -> Result<(), String> {
    ask(options, server::STOP, &[how.to_byte()])?;
    // The daemon and the holder end after the answer; what is left bound is unbound when they have.
    for _ in 0..500 {
        if start::is_free(options) {
            if how == Stop::Force {
                options.presentation().remove_leftovers(&[]);
            }
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Err("the daemon was told to end and has not ended".into())
}

/// Starts the daemon in the background and waits until it accepts connections.
#[allow(unsafe_code)]
fn background(mut options: Options) -> Result<(), String> {
    let (mut ready, tell) = io::pipe().map_err(|error| format!("no pipe: {error}"))?;
    options.socket = std::path::absolute(&options.socket).map_err(|error| error.to_string())?;
    if let Some(path) = &mut options.plist_socket {
        *path = std::path::absolute(&*path).map_err(|error| error.to_string())?;
    }
    let log = options
        .log
        .take()
        .or_else(|| options.socket.parent().map(|directory| directory.join("log")));
    options.log = match log {
        Some(log) => Some(std::path::absolute(log).map_err(|error| error.to_string())?),
        None => None,
    };
    // SAFETY: the process has a single thread yet, so the child may do anything.
    match unsafe { nix::unistd::fork() } {
        Err(errno) => Err(format!("no process can be started: {errno}")),
        Ok(ForkResult::Parent { .. }) => {
            drop(tell);
            let mut text = String::new();
            let read = ready.read_to_string(&mut text);
            match (read, text.as_str()) {
                (Ok(_), "ok") => Ok(()),
                (_, "") => Err("the daemon ended while it was starting".into()),
                (_, text) => Err(text.to_owned()),
            }
        }
        Ok(ForkResult::Child) => {
            drop(ready);
            in_child(&options, tell);
            std::process::exit(1)
        }
    }
}

fn in_child(options: &Options, mut tell: io::PipeWriter) {
    let _ = nix::unistd::setsid();
    let _ = nix::unistd::chdir("/");
    match start::start(options).and_then(|started| detach().map(|()| started)) {
        Ok(started) => {
            let _ = tell.write_all(b"ok");
            drop(tell);
            started.serve();
        }
        Err(text) => drop(tell.write_all(text.as_bytes())),
    }
}

/// Lets go of the caller's standard descriptors.
fn detach() -> Result<(), String> {
    let null = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|error| format!("/dev/null cannot be opened: {error}"))?;
    nix::unistd::dup2_stdin(&null)
        .and_then(|()| nix::unistd::dup2_stdout(&null))
        .and_then(|()| nix::unistd::dup2_stderr(&null))
        .map_err(|errno| format!("the standard descriptors cannot be replaced: {errno}"))
}
