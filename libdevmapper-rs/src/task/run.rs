//! Running a task: which requests it takes, growing buffers, trying again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bstr::BString;
use dm_abi::errno::Errno;
use dm_abi::ioctl::{Header, flag};

use super::reply::Reply;
use super::{Task, TaskType};
use crate::error::{Error, Result};
use crate::log::Raw;
use crate::transport::{Failure, Transport};
use crate::wiped::Wiped;

/// Further attempts to remove a device that is open.
const REMOVE_RETRIES: u32 = 25;
/// Pause before each.
const REMOVE_PAUSE: Duration = Duration::from_millis(200);
/// How often buffers are doubled at most; tests need not allocate gigabytes.
pub(super) const MAX_GROWTH: u32 = if cfg!(test) { 6 } else { 16 };

impl Task {
    /// Sends the request, or the several requests that the task takes, and takes in the reply.
    ///
    /// # Errors
    /// Logged where they arise. [`Task::errno`] tells the driver's answer to the last request.
    pub fn run(&mut self) -> Result<()> {
        let Some(kind) = self.kind() else {
            let message = format!("Internal error: unknown device-mapper task {}", self.kind);
            crate::log_error!("{message}");
            return Err(Error::Invalid(message));
        };
        let unnamed = self.name.is_none() && self.uuid.is_none() && self.major <= 0;
        match kind {
            TaskType::Create if !self.targets.is_empty() => self.create_and_load(),
            TaskType::Mknodes if unnamed => self.make_all_nodes(),
            TaskType::Reload if self.options.suppress_identical => self.reload_if_different(),
            TaskType::Suspend if self.options.enable_checks => {
                self.check_suspend()?;
                self.request(kind)
            }
            _ => self.request(kind),
        }
    }

    /// One request, its reply and what follows from it.
    pub(super) fn request(&mut self, kind: TaskType) -> Result<()> {
        self.reply = None;
        self.errno = 0;
        let library = Arc::clone(&self.library);
        let transport = match library.transport() {
            Ok(transport) => transport,
            Err(error) => {
                self.complete_cookie();
                return Err(error);
            }
        };
        let suspended = library.suspended_counter();
        if kind == TaskType::Reload && suspended > 0 {
            crate::log_error!(
                "Internal error: Performing unsafe table load while {suspended} device(s) are known to be suspended: {} ({}:{})",
                self.label(),
                self.major,
                self.minor
            );
        }
        if kind.has_uevent() && library.driver_has(15) {
            self.mark_primary_source(&*transport);
        }
        let reply = self.exchange(kind, &*transport)?;
        self.finish(kind, reply, &*transport)
    }

    /// Sends the request, again with larger buffers while the reply does not fit.
    fn exchange(&mut self, kind: TaskType, transport: &dyn Transport) -> Result<Reply> {
        loop {
            let growth = self.library.growth.load(Ordering::Relaxed);
            let (header, request) = match self.build_request(kind, transport.dm_major(), growth) {
                Ok(built) => built,
                Err(error) => {
                    crate::log_error!("Couldn't create ioctl argument.");
                    self.complete_cookie();
                    return Err(error);
                }
            };
            self.log_request(kind, &header);
            let reply = self.send(kind, &header, request, transport)?;
            if !reply.has(flag::BUFFER_FULL) {
                return Ok(reply);
            }
            if !kind.may_grow() {
                let message = "WARNING: libdevmapper buffer too small for data.";
                crate::log_error!("{message}");
                return Err(Error::Invalid(message.into()));
            }
            if growth >= MAX_GROWTH {
                let message = format!("Ioctl buffer maximum reached ({} bytes).", header.data_size);
                crate::log_error!("{message}");
                return Err(Error::Invalid(message));
            }
            // Another thread may have doubled it meanwhile; then its size is tried first.
            let _ = self
                .library
                .growth
                .compare_exchange(growth, growth + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// One ioctl, with the retries of REMOVE. The request is the first `sent` bytes of the buffer.
    fn send(
        &mut self,
        kind: TaskType,
        header: &Header,
        (mut buffer, sent): (Wiped, usize),
        transport: &dyn Transport,
    ) -> Result<Reply> {
        let mut attempt = 0;
        let result = loop {
            let result = transport.ioctl(kind.command().number(), &mut buffer);
            if self.options.record_timestamp {
                self.library.take_timestamp();
            }
            let retry = kind == TaskType::Remove && self.options.retry_remove && attempt < REMOVE_RETRIES;
            if !retry || result != Err(Failure::Refused(Errno::EBUSY)) {
                break result;
            }
            attempt += 1;
            crate::log_debug!("EBUSY retry {attempt}/{REMOVE_RETRIES} for {}.", self.label());
            std::thread::sleep(REMOVE_PAUSE);
            // The driver only wrote its version there, but the request must be the same bytes again.
            if !header.write(&mut buffer) {
                break result;
            }
        };
        let errno = match result {
            Ok(()) => Errno(0),
            Err(Failure::Refused(errno)) => errno,
            Err(Failure::Broken) => {
                self.complete_cookie();
                return Err(Error::Ioctl {
                    command: kind.word(),
                    errno: Errno::EIO,
                });
            }
        };
        self.errno = errno.0;
        let mut reply = Reply::new(buffer).ok_or_else(|| Error::Invalid("short reply".into()))?;
        if errno == Errno(0) && !self.options.secure_data {
            reply.wrote_only_itself(sent);
        }
        if errno == Errno(0) || self.expected_errno == Some(errno) {
            return Ok(reply);
        }
        if errno == Errno::ENXIO && matches!(kind, TaskType::Info | TaskType::Mknodes | TaskType::Status) {
            reply.header.flags &= !flag::EXISTS;
            return Ok(reply);
        }
        self.log_refusal(kind, header, errno);
        self.complete_cookie();
        Err(Error::Ioctl {
            command: kind.word(),
            errno,
        })
    }

    fn log_refusal(&self, kind: TaskType, header: &Header, errno: Errno) {
        let name = match header.name() {
            b"" => self.name.as_ref().map(|n| n.sent.clone()).unwrap_or_default(),
            name => BString::from(name),
        };
        let name = Raw(&name);
        let (major, minor) = dm_abi::ioctl::decode_dev(header.dev);
        let dev = if major > 0 {
            format!("({major}:{minor})")
        } else {
            String::new()
        };
        let reason = nix::errno::Errno::from_raw(crate::errno::to_system(errno));
        let reason = match reason {
            nix::errno::Errno::UnknownErrno => format!("Unknown error {}", errno.0),
            known => known.desc().into(),
        };
        let uuid = Raw(header.uuid());
        let text = format_args!(
            "device-mapper: {} ioctl on {name} {uuid}{dev} failed: {reason}",
            kind.word()
        );
        if errno == Errno::EINTR {
            crate::log_notice!("{text}");
        } else {
            crate::log_error!("{text}");
        }
    }

    /// How messages call the device.
    pub(super) fn label(&self) -> BString {
        let name = self.name.as_ref().or(self.uuid.as_ref());
        name.map(|n| n.sent.clone()).unwrap_or_default()
    }
}
