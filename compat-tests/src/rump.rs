//! A rump kernel in this process: NetBSD's kernel code as libraries, and its system calls.
//!
//! The libraries are loaded by name at run time, so that this crate builds on machines that have none. Errors are NetBSD's
//! errno values; [`linux_errno`] translates those that device-mapper uses.

#![allow(unsafe_code, reason = "foreign functions that are looked up by name")]

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};

/// NetBSD's O_RDONLY.
pub const READ: c_int = 0;
/// NetBSD's O_RDWR.
pub const READ_WRITE: c_int = 2;
/// NetBSD's S_IFBLK and S_IFCHR.
pub const S_IFBLK: u32 = 0o060_000;
/// See [`S_IFBLK`].
pub const S_IFCHR: u32 = 0o020_000;
/// NetBSD's EIO.
pub const EIO: i32 = 5;

/// An ioctl number that reads from the argument (`_IOR`: 0x4000_0000) or is given it (`_IOW`: 0x8000_0000).
#[must_use]
pub const fn ioctl_number(direction: u64, group: u8, number: u8, size: usize) -> u64 {
    direction | (size as u64 & 0x1fff) << 16 | (group as u64) << 8 | number as u64
}

const OUT: u64 = 0x4000_0000;
const IN: u64 = 0x8000_0000;
/// The property-list protocol; the argument is [`PlistRef`].
pub const DM_PLIST: u64 = ioctl_number(IN | OUT, 0xfd, 0, size_of::<PlistRef>());
/// The struct dm_ioctl protocol; the argument is [`DmIoctl`].
pub const DM_IOCTL: u64 = ioctl_number(IN | OUT, 0xfd, 1, size_of::<DmIoctl>());
/// Size of a disk in bytes (i64).
pub const DIOCGMEDIASIZE: u64 = ioctl_number(OUT, b'd', 132, 8);
/// Sector size of a disk (u32).
pub const DIOCGSECTORSIZE: u64 = ioctl_number(OUT, b'd', 133, 4);
/// Writes back a disk's cache (i32).
pub const DIOCCACHESYNC: u64 = ioctl_number(IN, b'd', 118, 4);
/// RAM disk: keeps requests, or not (i32).
pub const RAM_STALL: u64 = ioctl_number(IN, b'R', 0, 4);
/// RAM disk: number of requests kept (i32).
pub const RAM_STALLED: u64 = ioctl_number(OUT, b'R', 1, 4);
/// RAM disk: number of flushes (i32).
pub const RAM_FLUSHES: u64 = ioctl_number(OUT, b'R', 2, 4);
/// RAM disk: the answer of flushes (i32).
pub const RAM_FLUSH_ERROR: u64 = ioctl_number(IN, b'R', 3, 4);

/// `struct plistref`.
#[repr(C)]
#[derive(Debug)]
pub struct PlistRef {
    /// The text.
    pub list: *const c_void,
    /// Its length.
    pub length: usize,
}

/// `struct dm_netbsd_ioctl`.
#[repr(C)]
#[derive(Debug)]
pub struct DmIoctl {
    /// Linux's command number.
    pub nr: u32,
    /// Nothing.
    pub pad: u32,
    /// Address of the buffer.
    pub buffer: u64,
    /// Its bytes.
    pub length: u64,
}

/// `struct pollfd`.
#[repr(C)]
struct PollFd {
    fd: c_int,
    events: i16,
    got: i16,
}

/// NetBSD's POLLIN.
const POLLIN: i16 = 1;

#[repr(C)]
struct LoadModule {
    name: *const c_char,
    flags: c_int,
    properties: *const c_char,
    properties_length: usize,
}

type Result<T> = std::result::Result<T, i32>;

/// The functions of a running rump kernel.
#[derive(Clone, Copy, Debug)]
pub struct Rump {
    open: unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int,
    close: unsafe extern "C" fn(c_int) -> c_int,
    pread: unsafe extern "C" fn(c_int, *mut c_void, usize, i64) -> isize,
    pwrite: unsafe extern "C" fn(c_int, *const c_void, usize, i64) -> isize,
    ioctl: unsafe extern "C" fn(c_int, u64, *mut c_void) -> c_int,
    poll: unsafe extern "C" fn(*mut PollFd, u32, c_int) -> c_int,
    mknod: unsafe extern "C" fn(*const c_char, u32, u64) -> c_int,
    mkdir: unsafe extern "C" fn(*const c_char, u32) -> c_int,
    unlink: unsafe extern "C" fn(*const c_char) -> c_int,
    fdiscard: unsafe extern "C" fn(c_int, i64, i64) -> c_int,
    setuid: unsafe extern "C" fn(u32) -> c_int,
    modctl: unsafe extern "C" fn(c_int, *mut c_void) -> c_int,
    rfork: unsafe extern "C" fn(c_int) -> c_int,
    release: unsafe extern "C" fn(),
}

fn symbol(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends with a NUL.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    assert!(!found.is_null(), "the rump libraries lack {}", name.to_string_lossy());
    found
}

macro_rules! function {
    ($name:literal) => {
        // SAFETY: the declared type is that of the rump kernel's function; a null pointer does not come back.
        unsafe { std::mem::transmute(symbol($name)) }
    };
}

fn check(result: c_long) -> Result<usize> {
    usize::try_from(result).map_err(|_| std::io::Error::last_os_error().raw_os_error().unwrap_or(-1))
}

fn text(path: &str) -> CString {
    CString::new(path).expect("no NUL in a path")
}

impl Rump {
    /// Loads the libraries, in this order, and starts the kernel.
    ///
    /// # Errors
    /// What the dynamic linker says, or that the kernel does not start.
    #[allow(
        clippy::missing_transmute_annotations,
        reason = "the fields say which function type each is"
    )]
    pub fn start(libraries: &[String]) -> std::result::Result<Self, String> {
        for library in libraries {
            // SAFETY: the path ends with a NUL. Running the libraries' constructors is what they are loaded for.
            unsafe {
                if libc::dlopen(text(library).as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL).is_null() {
                    return Err(CStr::from_ptr(libc::dlerror()).to_string_lossy().into_owned());
                }
            }
        }
        let init: unsafe extern "C" fn() -> c_int = function!(c"rump_init");
        // SAFETY: called once, before everything else.
        match unsafe { init() } {
            0 => Ok(Self {
                open: function!(c"rump___sysimpl_open"),
                close: function!(c"rump___sysimpl_close"),
                pread: function!(c"rump___sysimpl_pread"),
                pwrite: function!(c"rump___sysimpl_pwrite"),
                ioctl: function!(c"rump___sysimpl_ioctl"),
                poll: function!(c"rump___sysimpl_poll"),
                mknod: function!(c"rump___sysimpl_mknod50"),
                mkdir: function!(c"rump___sysimpl_mkdir"),
                unlink: function!(c"rump___sysimpl_unlink"),
                fdiscard: function!(c"rump___sysimpl_fdiscard"),
                setuid: function!(c"rump___sysimpl_setuid"),
                modctl: function!(c"rump___sysimpl_modctl"),
                rfork: function!(c"rump_pub_lwproc_rfork"),
                release: function!(c"rump_pub_lwproc_releaselwp"),
            }),
            error => Err(format!("the rump kernel does not start: error {error}")),
        }
    }

    /// Opens a file.
    #[allow(clippy::missing_errors_doc, reason = "errno of the system call, as of all below")]
    pub fn open(&self, path: &str, flags: c_int) -> Result<File> {
        // SAFETY: the path ends with a NUL.
        let fd = check(unsafe { (self.open)(text(path).as_ptr(), flags) }.into())?;
        Ok(File {
            rump: *self,
            fd: c_int::try_from(fd).expect("a descriptor"),
        })
    }

    /// Makes a device node; the number as [`dev_number`] makes it.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn mknod(&self, path: &str, mode: u32, dev: u64) -> Result<()> {
        // SAFETY: the path ends with a NUL.
        check(unsafe { (self.mknod)(text(path).as_ptr(), mode, dev) }.into()).map(drop)
    }

    /// Makes a directory.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn mkdir(&self, path: &str) -> Result<()> {
        // SAFETY: the path ends with a NUL.
        check(unsafe { (self.mkdir)(text(path).as_ptr(), 0o755) }.into()).map(drop)
    }

    /// Removes a node.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn unlink(&self, path: &str) -> Result<()> {
        // SAFETY: the path ends with a NUL.
        check(unsafe { (self.unlink)(text(path).as_ptr()) }.into()).map(drop)
    }

    /// Unloads a module.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn unload(&self, module: &str) -> Result<()> {
        let name = text(module);
        // SAFETY: command 1 takes the name.
        check(unsafe { (self.modctl)(1, name.as_ptr().cast_mut().cast()) }.into()).map(drop)
    }

    /// Loads a module.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn load(&self, module: &str) -> Result<()> {
        let name = text(module);
        let mut load = LoadModule {
            name: name.as_ptr(),
            // A rump kernel regards its components as built in, which come back only by force (MODCTL_LOAD_FORCE).
            flags: 1,
            properties: std::ptr::null(),
            properties_length: 0,
        };
        // SAFETY: command 0 takes this structure.
        check(unsafe { (self.modctl)(0, (&raw mut load).cast()) }.into()).map(drop)
    }

    /// Runs `f` in a process of its own with another user's rights; open files are shared.
    ///
    /// # Panics
    /// When the process cannot be made.
    pub fn as_user<R>(&self, uid: u32, f: impl FnOnce() -> R) -> R {
        // SAFETY: a number; this thread becomes the new process until the release. 0 shares the descriptors.
        assert_eq!(unsafe { (self.rfork)(0) }, 0, "a new process");
        // SAFETY: a number.
        assert_eq!(unsafe { (self.setuid)(uid) }, 0, "another user");
        let result = f();
        // SAFETY: the process that was made above.
        unsafe { (self.release)() };
        result
    }
}

/// An open file of the rump kernel.
#[derive(Debug)]
pub struct File {
    rump: Rump,
    fd: c_int,
}

impl File {
    /// Reads at an offset in bytes; how many were read.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn read_at(&self, data: &mut [u8], offset: i64) -> Result<usize> {
        // SAFETY: the buffer is `len` bytes.
        check(unsafe { (self.rump.pread)(self.fd, data.as_mut_ptr().cast(), data.len(), offset) } as c_long)
    }

    /// Writes at an offset in bytes; how many were written.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn write_at(&self, data: &[u8], offset: i64) -> Result<usize> {
        // SAFETY: the buffer is `len` bytes.
        check(unsafe { (self.rump.pwrite)(self.fd, data.as_ptr().cast(), data.len(), offset) } as c_long)
    }

    /// An ioctl on a number.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn ioctl<T>(&self, number: u64, argument: &mut T) -> Result<()> {
        assert_eq!(
            (number >> 16 & 0x1fff) as usize,
            size_of::<T>(),
            "the size that the number says"
        );
        // SAFETY: the kernel reads and writes as many bytes as the number says.
        check(unsafe { (self.rump.ioctl)(self.fd, number, std::ptr::from_mut(argument).cast()) }.into()).map(drop)
    }

    /// Waits so many milliseconds until it is readable; whether it is.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn poll(&self, milliseconds: c_int) -> Result<bool> {
        let mut poll = PollFd {
            fd: self.fd,
            events: POLLIN,
            got: 0,
        };
        // SAFETY: one entry.
        check(unsafe { (self.rump.poll)(&raw mut poll, 1, milliseconds) }.into()).map(|_| poll.got & POLLIN != 0)
    }

    /// Discards bytes.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn discard(&self, offset: i64, length: i64) -> Result<()> {
        // SAFETY: numbers.
        check(unsafe { (self.rump.fdiscard)(self.fd, offset, length) }.into()).map(drop)
    }

    /// A request of the struct dm_ioctl protocol.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn dm_ioctl(&self, nr: u32, buffer: &mut [u8]) -> Result<()> {
        let mut request = DmIoctl {
            nr,
            pad: 0,
            buffer: buffer.as_mut_ptr() as u64,
            length: buffer.len() as u64,
        };
        self.ioctl(DM_IOCTL, &mut request)
    }

    /// A request of the property-list protocol.
    #[allow(clippy::missing_errors_doc, reason = "errno")]
    pub fn dm_plist(&self, xml: &str) -> Result<String> {
        let mut list = PlistRef {
            list: xml.as_ptr().cast(),
            length: xml.len(),
        };
        self.ioctl(DM_PLIST, &mut list)?;
        // SAFETY: the kernel has put a NUL-terminated text there; a rump kernel's user memory is this process's.
        Ok(unsafe { CStr::from_ptr(list.list.cast()) }
            .to_string_lossy()
            .into_owned())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: a descriptor of our own, closed once.
        unsafe { (self.rump.close)(self.fd) };
    }
}

/// NetBSD's device numbers.
#[must_use]
pub fn dev_number(major: u32, minor: u32) -> u64 {
    u64::from((minor & 0xff) | (major & 0xfff) << 8 | (minor & 0x000f_ff00) << 12)
}

/// The Linux number of an error of NetBSD.
#[must_use]
pub fn linux_errno(netbsd: i32) -> i32 {
    match netbsd {
        35 => 11,
        45 | 86 => 95,
        62 => 40,
        84 => 75,
        85 => 84,
        89 => 61,
        other => other,
    }
}
