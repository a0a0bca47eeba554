//! Requests and answers on /dev/fuse.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use dm_abi::errno::Errno;
use dm_core::io::{Bio, Op};
use nix::errno::Errno as Sys;

use super::abi::{self, InHeader, Out};
use crate::buffer::{Buffer, MAX_PAYLOAD};
use crate::log;
use crate::present::{Answer, Channel, Received, Reply, Token};

/// Requests that the kernel sends without waiting for answers. The default of 12 starves a loop device; each may keep
/// one buffer of the daemon while its device is suspended.
const MAX_BACKGROUND: u16 = 64;
/// Bytes of `struct fuse_write_out`: the number of bytes written (4), padding (4).
const COUNT: u32 = 8;

/// The descriptor of one FUSE connection, whose only file is the device.
#[derive(Debug)]
pub struct FuseChannel {
    fd: OwnedFd,
    bytes: AtomicU64,
    block: AtomicU32,
}

impl FuseChannel {
    /// A channel on a descriptor of /dev/fuse that does not block.
    pub fn new(fd: OwnedFd, bytes: u64, block: u32) -> Self {
        Self {
            fd,
            bytes: AtomicU64::new(bytes),
            block: AtomicU32::new(block),
        }
    }

    /// The descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sets the size in bytes that the file shows when the kernel asks next.
    pub fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Release);
    }

    /// The size in bytes that the file shows.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Sets the block size in bytes.
    pub fn set_block(&self, block: u32) {
        self.block.store(block, Ordering::Release);
    }

    /// The block size in bytes.
    pub fn block(&self) -> u32 {
        self.block.load(Ordering::Acquire)
    }

    /// Puts the requests that were read and never answered back in the kernel's queue.
    pub fn resend(&self) -> Result<(), Errno> {
        let message = Out::new(abi::NOTIFY_RESEND, 0).finish();
        self.send(&message).map_err(|errno| Errno(errno as i32))
    }

    fn send(&self, message: &[u8]) -> Result<(), Sys> {
        nix::unistd::write(&self.fd, message).map(drop)
    }

    fn answer(&self, message: &[u8]) {
        Self::check(self.send(message));
    }

    /// A request that is gone meanwhile, or a device that is, needs no answer.
    fn check(sent: Result<(), Sys>) {
        match sent {
            Ok(()) | Err(Sys::ENOENT | Sys::ENODEV | Sys::ECONNABORTED) => {}
            Err(errno) => log!("the kernel refused an answer: {errno}"),
        }
    }

    fn fail(&self, unique: u64, errno: i32) -> Received {
        self.answer(&Out::new(-errno, unique).finish());
        Received::Handled
    }

    fn done(&self, out: Out) -> Received {
        self.answer(&out.finish());
        Received::Handled
    }

    fn init(&self, unique: u64, body: &[u8]) -> Received {
        let (Some(major), Some(minor), Some(readahead), Some(flags)) = (
            abi::u32_at(body, 0),
            abi::u32_at(body, 4),
            abi::u32_at(body, 8),
            abi::u32_at(body, 12),
        ) else {
            return self.fail(unique, libc::EIO);
        };
        if major != 7 || minor < 31 {
            log!("FUSE protocol {major}.{minor} of this kernel is not supported");
            return self.fail(unique, libc::EPROTO);
        }
        let offered = u64::from(flags) | u64::from(abi::u32_at(body, 16).unwrap_or(0)) << 32;
        let wanted = abi::INIT_ASYNC_READ
            | abi::INIT_BIG_WRITES
            | abi::INIT_ASYNC_DIO
            | abi::INIT_MAX_PAGES
            | abi::INIT_EXT
            | abi::INIT_HAS_RESEND;
        let agreed = offered & wanted;
        let low = u32::try_from(agreed & u64::from(u32::MAX)).unwrap_or(0);
        let high = u32::try_from(agreed >> 32).unwrap_or(0);
        self.done(
            Out::new(0, unique)
                .u32(7)
                .u32(minor.min(40))
                .u32(readahead)
                .u32(low)
                .u16(MAX_BACKGROUND)
                .u16(MAX_BACKGROUND)
                .u32(u32::try_from(MAX_PAYLOAD).unwrap_or(u32::MAX))
                .u32(1)
                .u16(u16::try_from(MAX_PAYLOAD / 4096).unwrap_or(u16::MAX))
                .u16(0)
                .u32(high)
                .zeroes(28),
        )
    }

    /// `body` is what follows the header, without the data of a write.
    fn dispatch(&self, header: InHeader, body: &[u8]) -> Received {
        let unique = header.unique;
        match header.opcode {
            abi::READ | abi::WRITE => {
                let (Some(offset), Some(len)) = (abi::u64_at(body, 8), abi::u32_at(body, 16)) else {
                    return self.fail(unique, libc::EIO);
                };
                let write = header.opcode == abi::WRITE;
                let carried = header.len as usize;
                let expected = abi::WRITE_HEAD + if write { len as usize } else { 0 };
                if offset % 512 != 0 || len % 512 != 0 || len as usize > MAX_PAYLOAD || carried != expected {
                    return self.fail(unique, libc::EINVAL);
                }
                if len == 0 {
                    let out = Out::new(0, unique);
                    return self.done(if write { out.u64(0) } else { out });
                }
                let (op, answer) = if write {
                    (Op::Write, Answer::Count)
                } else {
                    (Op::Read, Answer::Data)
                };
                let token = Token { unique, len, answer };
                Self::io(token, op, offset >> 9, u64::from(len >> 9), false)
            }
            abi::FSYNC => Self::io(Self::empty(unique), Op::Flush, 0, 0, false),
            abi::FALLOCATE => {
                let (Some(offset), Some(len), Some(mode)) = (
                    abi::u64_at(body, 8),
                    abi::u64_at(body, 16),
                    abi::u32_at(body, 24).map(u32::cast_signed),
                ) else {
                    return self.fail(unique, libc::EIO);
                };
                if offset % 512 != 0 || len % 512 != 0 {
                    return self.fail(unique, libc::EINVAL);
                }
                if len == 0 {
                    return self.done(Out::new(0, unique));
                }
                // The loop driver sends PUNCH_HOLE for a discard, and also for zeroes that may be unmapped, which
                // filesystems count on to read as zeroes. The two look alike, so both must give zeroes.
                let unmap = match mode & !libc::FALLOC_FL_KEEP_SIZE {
                    libc::FALLOC_FL_PUNCH_HOLE => true,
                    libc::FALLOC_FL_ZERO_RANGE => false,
                    _ => return self.fail(unique, libc::EOPNOTSUPP),
                };
                Self::io(Self::empty(unique), Op::WriteZeroes, offset >> 9, len >> 9, unmap)
            }
            // No time to keep the attributes: LOOP_SET_CAPACITY must see a new size.
            abi::GETATTR | abi::SETATTR => self.done(Out::new(0, unique).zeroes(16).attr(self.bytes(), self.block())),
            abi::STATFS => self.done(Out::new(0, unique).statfs(self.bytes(), self.block())),
            abi::OPEN => self.done(
                Out::new(0, unique)
                    .u64(0)
                    .u32(abi::FOPEN_DIRECT_IO | abi::FOPEN_PARALLEL_DIRECT_WRITES)
                    .u32(0),
            ),
            abi::FLUSH | abi::RELEASE | abi::DESTROY => self.done(Out::new(0, unique)),
            abi::INIT => self.init(unique, body),
            abi::FORGET | abi::BATCH_FORGET | abi::INTERRUPT => Received::Handled,
            _ => self.fail(unique, libc::ENOSYS),
        }
    }

    fn empty(unique: u64) -> Token {
        Token {
            unique,
            len: 0,
            answer: Answer::Empty,
        }
    }

    fn io(token: Token, op: Op, sector: u64, sectors: u64, unmap: bool) -> Received {
        let bio = Bio::new(op, sector, sectors);
        Received::Io { token, bio, unmap }
    }
}

impl Channel for FuseChannel {
    fn poll_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn receive(&self, landing: &mut Buffer) -> Received {
        if landing.capacity() < MAX_PAYLOAD {
            return Received::Nothing;
        }
        // The data of a write thereby begins where the payload does.
        let space = landing.bytes_mut(abi::WRITE_HEAD, MAX_PAYLOAD);
        let len = match nix::unistd::read(&self.fd, space) {
            Ok(len) => len,
            Err(Sys::EAGAIN) => return Received::Nothing,
            // The request was aborted before it was read.
            Err(Sys::EINTR | Sys::ENOENT) => return Received::Handled,
            Err(Sys::ENODEV | Sys::ECONNABORTED) => return Received::Gone,
            Err(errno) => {
                log!("reading requests failed: {errno}");
                return Received::Gone;
            }
        };
        let message = &space[..len];
        let Some(header) = InHeader::parse(message).filter(|header| header.len as usize == len) else {
            log!("the kernel sent a request of {len} bytes that is none");
            return Received::Handled;
        };
        if header.nodeid > abi::ROOT {
            return self.fail(header.unique, libc::ENOENT);
        }
        let end = len.min(abi::WRITE_HEAD.max(if header.opcode == abi::INIT { len } else { 0 }));
        self.dispatch(header, &message[abi::IN_HEADER..end])
    }

    fn reply(&self, token: Token, result: Result<(), Errno>, data: Option<&mut Buffer>) -> Reply {
        let Token { unique, len, answer } = token;
        let (error, body) = match (result, answer, &data) {
            (Err(Errno(errno)), ..) => (-errno, 0),
            (Ok(()), Answer::Data, Some(_)) => (0, len),
            (Ok(()), Answer::Data, None) => (-libc::EIO, 0),
            (Ok(()), Answer::Count, _) => (0, COUNT),
            (Ok(()), Answer::Empty, _) => (0, 0),
        };
        let header = header(body, error, unique);
        let Some(buffer) = data else {
            let mut message = [0; abi::OUT_HEADER + COUNT as usize];
            message[..abi::OUT_HEADER].copy_from_slice(&header);
            message[abi::OUT_HEADER..abi::OUT_HEADER + 4].copy_from_slice(&len.to_ne_bytes());
            self.answer(&message[..abi::OUT_HEADER + body as usize]);
            return Reply::Sent;
        };
        let message = buffer.bytes_mut(abi::OUT_HEADER, body as usize);
        message[..abi::OUT_HEADER].copy_from_slice(&header);
        if let (Answer::Count, [count @ .., _, _, _, _]) = (answer, &mut message[abi::OUT_HEADER..]) {
            count.copy_from_slice(&len.to_ne_bytes());
        }
        Reply::InBuffer {
            head: abi::OUT_HEADER,
            len: body as usize,
        }
    }

    fn replied(&self, result: i32) {
        if result < 0 {
            Self::check(Err(Sys::from_raw(-result)));
        }
    }
}

/// `struct fuse_out_header` of an answer with `body` bytes.
fn header(body: u32, error: i32, unique: u64) -> [u8; abi::OUT_HEADER] {
    let mut header = [0; abi::OUT_HEADER];
    header[..4].copy_from_slice(&(body + 16).to_ne_bytes());
    header[4..8].copy_from_slice(&error.to_ne_bytes());
    header[8..].copy_from_slice(&unique.to_ne_bytes());
    header
}
