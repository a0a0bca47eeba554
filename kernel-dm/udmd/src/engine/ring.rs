//! The io_uring of one thread of the data path.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};

use super::request::{Job, Work};

/// Submission entries.
const ENTRIES: u32 = 1024;
/// Entries that wait for a submission at most. With long batches the components are idle while the daemon works, and the
/// daemon while they do.
const BATCH: usize = 8;
/// Requests to components under way at a time; more wait in the daemon.
const MAX_JOBS: usize = 2048;
/// Bytes of a reply from which on a thread of the kernel's copies it, so that the components are not idle meanwhile.
const COPY_ASIDE: usize = 128 << 10;
/// Marks the completions of polls; what is left of the number is the poll's key.
const POLL: u64 = 1 << 63;
/// The key of no poll.
pub const NO_POLL: u64 = POLL - 1;
/// Marks the completions of replies; what is left of the number is the reply's index.
const REPLY: u64 = 1 << 62;

/// One completion.
#[derive(Clone, Copy, Debug)]
pub enum Completion {
    /// A descriptor is ready. When `over`, it must be polled anew.
    Poll { key: u64, over: bool },
    /// A job ended with the result of its system call.
    Job { index: usize, result: i32 },
    /// A reply was written, with the result of its system call.
    Reply { index: usize, result: i32 },
}

/// A ring and the jobs that do not fit into it yet.
pub struct Ring {
    ring: IoUring,
    backlog: VecDeque<(usize, squeue::Entry)>,
    under_way: usize,
}

impl Ring {
    /// Makes a ring for the calling thread.
    ///
    /// # Errors
    /// ENOSYS or EPERM where the kernel has none or forbids it.
    pub fn new() -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_coop_taskrun()
            .setup_single_issuer()
            .setup_cqsize(8192)
            .build(ENTRIES)
            .or_else(|_| IoUring::builder().setup_cqsize(8192).build(ENTRIES))?;
        Ok(Self {
            ring,
            backlog: VecDeque::with_capacity(1024),
            under_way: 0,
        })
    }

    /// Reports whenever a descriptor becomes readable. `fd` stays open until the poll is over.
    pub fn poll(&mut self, key: u64, fd: BorrowedFd<'_>) {
        let entry = opcode::PollAdd::new(Fd(fd.as_raw_fd()), libc::POLLIN.cast_unsigned().into())
            .multi(true)
            .build()
            .user_data(POLL | key);
        self.push_at_once(&entry);
    }

    /// Writes a reply. `message` and `fd` stay valid until it is complete.
    pub fn reply(&mut self, index: usize, fd: BorrowedFd<'_>, message: &[u8]) {
        // A message is at most one buffer long.
        let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let mut entry = opcode::Write::new(Fd(fd.as_raw_fd()), message.as_ptr(), len)
            .build()
            .user_data(REPLY | index as u64);
        if message.len() >= COPY_ASIDE {
            entry = entry.flags(squeue::Flags::ASYNC);
        }
        self.push_at_once(&entry);
    }

    /// Ends a poll.
    pub fn unpoll(&mut self, key: u64) {
        let entry = opcode::PollRemove::new(POLL | key).build().user_data(POLL | NO_POLL);
        self.push_at_once(&entry);
    }

    /// The queue may be full of entries, which the kernel then takes at once.
    fn push_at_once(&mut self, entry: &squeue::Entry) {
        while !self.push(entry) {
            self.submit(Some(Duration::ZERO));
        }
    }

    /// Starts a job. `data` is the address of its first byte of data; both stay valid until it is complete.
    pub fn start(&mut self, index: usize, job: &Job, data: *mut u8) {
        let entry = entry(job, data).user_data(index as u64);
        if self.under_way < MAX_JOBS && self.backlog.is_empty() && self.push(&entry) {
            self.under_way += 1;
        } else {
            self.backlog.push_back((index, entry));
        }
    }

    fn push(&mut self, entry: &squeue::Entry) -> bool {
        if self.ring.submission().len() >= BATCH {
            self.submit(Some(Duration::ZERO));
        }
        // SAFETY: the caller keeps descriptor and data valid until the completion, see `start` and `poll`.
        unsafe { self.ring.submission().push(entry).is_ok() }
    }

    /// Gives what was started to the kernel, and waits for a completion for at most `wait` (`None`: for any time).
    pub fn submit(&mut self, wait: Option<Duration>) {
        let result = match wait {
            Some(Duration::ZERO) => self.ring.submit(),
            None => self.ring.submit_and_wait(1),
            Some(wait) => {
                let time = Timespec::from(wait);
                self.ring
                    .submitter()
                    .submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
        };
        if let Err(error) = result {
            let expected = [libc::EINTR, libc::ETIME, libc::EBUSY, libc::EAGAIN];
            if !error.raw_os_error().is_some_and(|errno| expected.contains(&errno)) {
                crate::log!("io_uring does not take requests: {error}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    /// Takes the completions that there are.
    pub fn reap(&mut self, out: &mut Vec<Completion>) {
        for entry in self.ring.completion() {
            let data = entry.user_data();
            out.push(if data & POLL != 0 {
                Completion::Poll {
                    key: data & !POLL,
                    over: !io_uring::cqueue::more(entry.flags()),
                }
            } else if data & REPLY != 0 {
                Completion::Reply {
                    index: usize::try_from(data & !REPLY).unwrap_or(usize::MAX),
                    result: entry.result(),
                }
            } else {
                self.under_way -= 1;
                Completion::Job {
                    index: usize::try_from(data).unwrap_or(usize::MAX),
                    result: entry.result(),
                }
            });
        }
        while self.under_way < MAX_JOBS
            && let Some((_, entry)) = self.backlog.front().cloned()
            && self.push(&entry)
        {
            self.backlog.pop_front();
            self.under_way += 1;
        }
    }
}

/// The submission entry that does what is left of a job.
fn entry(job: &Job, data: *mut u8) -> squeue::Entry {
    let fd = Fd(descriptor(job));
    let offset = job.position + job.done;
    let len = job.len - job.done;
    // Requests with data are at most one buffer long.
    let short = u32::try_from(len).unwrap_or(u32::MAX);
    let data = data.wrapping_add(usize::try_from(job.done).unwrap_or(0));
    match job.work {
        Work::Read => opcode::Read::new(fd, data, short).offset(offset).build(),
        Work::Write { durable } => opcode::Write::new(fd, data, short)
            .offset(offset)
            .rw_flags(if durable { libc::RWF_DSYNC } else { 0 })
            .build(),
        Work::Flush => opcode::Fsync::new(fd).build(),
        Work::Zero { unmap } => {
            let kind = if unmap {
                libc::FALLOC_FL_PUNCH_HOLE
            } else {
                libc::FALLOC_FL_ZERO_RANGE
            };
            opcode::Fallocate::new(fd, len)
                .offset(offset)
                .mode(kind | libc::FALLOC_FL_KEEP_SIZE)
                .build()
        }
    }
}

fn descriptor(job: &Job) -> RawFd {
    job.component.fd()
}
