//! The control node of NetBSD's device-mapper, `/dev/mapper/control`: of our driver, which takes `struct dm_ioctl` by
//! pointer and length, or of the stock one, which takes property lists.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, HEADER_SIZE, Header};
use dm_abi::plist::{IOCTL, MAX_LENGTH};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, chown};

use super::node::{self, sys_error};
use super::plist::{self, Channel, NETBSD_BLOCK_MAJOR, NETBSD_CHAR_MAJOR, System};
use super::{Failure, Transport};
use crate::errno::from_system;
use crate::error::Result;

/// `_IOWR(0xfd, 1, struct dm_ioctl_ref)`.
const NATIVE: u32 = 0xc018_fd01;
/// The group that may open disks.
const OPERATOR: u32 = 5;
/// The driver's name in the kernel's list.
const DRIVER: &[u8] = b"dm";

/// The argument of [`NATIVE`].
#[repr(C)]
struct DmIoctlRef {
    nr: u32,
    pad: u32,
    buffer: u64,
    length: u64,
}
const _: () = assert!(size_of::<DmIoctlRef>() == 24);

/// `struct plistref`.
#[repr(C)]
struct PlistRef {
    plist: *mut libc::c_void,
    length: usize,
}
const _: () = assert!(size_of::<PlistRef>() == 16);

/// `struct kinfo_drivers`, an element of the list `kern.drivers`.
#[repr(C)]
#[derive(Clone, Copy)]
struct KinfoDrivers {
    char_major: i32,
    block_major: i32,
    name: [u8; 24],
}

/// Character and block major numbers of the driver, from sysctl `kern.drivers`; those of NetBSD's tables where it is not
/// listed, as before its module is loaded.
fn majors() -> (u32, u32) {
    let listed = drivers()
        .into_iter()
        .find(|driver| driver.name.split(|&byte| byte == 0).next() == Some(DRIVER));
    let number = |number: i32, default| u32::try_from(number).unwrap_or(default);
    match listed {
        Some(driver) => (
            number(driver.char_major, NETBSD_CHAR_MAJOR),
            number(driver.block_major, NETBSD_BLOCK_MAJOR),
        ),
        None => (NETBSD_CHAR_MAJOR, NETBSD_BLOCK_MAJOR),
    }
}

/// Block major number of the driver's devices.
pub(super) fn block_major() -> u32 {
    majors().1
}

#[allow(unsafe_code, reason = "sysctl has no safe wrapper")]
fn drivers() -> Vec<KinfoDrivers> {
    const NAME: &std::ffi::CStr = c"kern.drivers";
    let mut bytes = 0;
    // SAFETY: with no place for the answer, only its size is written.
    let asked = unsafe { libc::sysctlbyname(NAME.as_ptr(), std::ptr::null_mut(), &raw mut bytes, std::ptr::null(), 0) };
    // Room for drivers that come meanwhile.
    let count = bytes / size_of::<KinfoDrivers>() + 8;
    if asked != 0 {
        return Vec::new();
    }
    let empty = KinfoDrivers {
        char_major: -1,
        block_major: -1,
        name: [0; 24],
    };
    let mut list = vec![empty; count];
    bytes = count * size_of::<KinfoDrivers>();
    // SAFETY: the list has room for `bytes` bytes, and any bytes are a KinfoDrivers.
    let asked = unsafe {
        libc::sysctlbyname(
            NAME.as_ptr(),
            list.as_mut_ptr().cast(),
            &raw mut bytes,
            std::ptr::null(),
            0,
        )
    };
    list.truncate(if asked == 0 {
        bytes / size_of::<KinfoDrivers>()
    } else {
        0
    });
    list
}

/// Makes the control node if it is missing or another device's.
fn make_node(dm_dir: &Path, path: &Path, char_major: u32) -> Result<()> {
    if node::make(
        dm_dir,
        path,
        libc::makedev(char_major, 0),
        Mode::from_bits_truncate(0o660),
    )? {
        chown(path, Some(Uid::from_raw(0)), Some(Gid::from_raw(OPERATOR)))
            .map_err(|e| sys_error(path, "chown", e.into()))?;
    }
    Ok(())
}

/// Opens `DM_DIR/control` and finds out who answers there.
///
/// # Errors
/// Logged: no permission, no such device.
pub fn open(dm_dir: &Path) -> Result<Arc<dyn Transport>> {
    let majors = majors();
    let path = dm_dir.join("control");
    let opened = make_node(dm_dir, &path, majors.0).and_then(|()| node::open(&path));
    let control = opened.inspect_err(|_| {
        crate::log_error!("Failure to communicate with kernel device-mapper driver.");
        if nix::unistd::geteuid().is_root() {
            crate::log_error!("Check that device-mapper is available in the kernel (modload dm).");
        }
    })?;
    let native = Native { control, majors };
    let mut buffer = [0; HEADER_SIZE];
    let mut header = Header::default();
    header.version = [4, 0, 0];
    header.data_size = 312;
    if header.write(&mut buffer) && native.ioctl(Command::Version.number(), &mut buffer).is_ok() {
        crate::log_debug!("{}: our driver.", path.display());
        return Ok(Arc::new(native));
    }
    let node = ControlNode {
        control: native.control,
        majors,
        label: path.display().to_string(),
    };
    plist::open(Box::new(node), Box::new(System::new(dm_dir))).map(Arc::from)
}

/// Our driver.
#[derive(Debug)]
struct Native {
    control: OwnedFd,
    majors: (u32, u32),
}

fn last_error() -> Failure {
    Failure::Refused(from_system(nix::errno::Errno::last_raw()))
}

fn wait_event(control: &OwnedFd) -> std::result::Result<(), Failure> {
    let mut fds = [PollFd::new(control.as_fd(), PollFlags::POLLIN)];
    nix::poll::poll(&mut fds, PollTimeout::NONE)
        .map(drop)
        .map_err(|e| Failure::Refused(from_system(e as i32)))
}

impl Transport for Native {
    #[allow(unsafe_code, reason = "ioctl has no safe wrapper")]
    fn ioctl(&self, nr: u32, buffer: &mut [u8]) -> std::result::Result<(), Failure> {
        let size = u32::try_from(buffer.len()).map_err(|_| Failure::Refused(Errno::EINVAL))?;
        if size < 312 || buffer.get(12..16) != Some(&size.to_ne_bytes()) {
            crate::log_error!("Internal error: request with a wrong data_size");
            return Err(Failure::Refused(Errno::EINVAL));
        }
        let mut argument = DmIoctlRef {
            nr,
            pad: 0,
            buffer: buffer.as_mut_ptr() as u64,
            length: size.into(),
        };
        // SAFETY: the descriptor is open, and the argument has the size that the number encodes. The driver reads and
        // writes at most `length` bytes at `buffer`, which is that long and outlives the call.
        let result = unsafe { libc::ioctl(self.control.as_raw_fd(), NATIVE.into(), &raw mut argument) };
        if result < 0 { Err(last_error()) } else { Ok(()) }
    }

    fn dm_major(&self) -> Option<u32> {
        Some(self.majors.1)
    }

    fn char_major(&self) -> Option<u32> {
        Some(self.majors.0)
    }

    fn has_udev(&self) -> bool {
        false
    }

    fn wait_event(&self) -> std::result::Result<(), Failure> {
        wait_event(&self.control)
    }
}

/// The control node as a channel for property lists.
#[derive(Debug)]
struct ControlNode {
    control: OwnedFd,
    majors: (u32, u32),
    label: String,
}

/// The mapping that the kernel answers with.
struct Answer {
    start: NonNull<libc::c_void>,
    length: usize,
}

impl Answer {
    #[allow(unsafe_code, reason = "the kernel made the mapping for us")]
    fn bytes(&self) -> &[u8] {
        // SAFETY: the kernel mapped this many bytes for us and nobody else; they stay until this is dropped.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.length) }
    }
}

impl Drop for Answer {
    #[allow(unsafe_code, reason = "the kernel made the mapping for us")]
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows it any more.
        let _ = unsafe { libc::munmap(self.start.as_ptr(), self.length) };
    }
}

impl Channel for ControlNode {
    #[allow(unsafe_code, reason = "ioctl has no safe wrapper")]
    fn exchange(&self, _command: u32, xml: &[u8]) -> std::result::Result<Vec<u8>, Failure> {
        // With its NUL, which some of the kernel's readers want to see.
        let mut request = zeroize::Zeroizing::new(Vec::with_capacity(xml.len() + 1));
        request.extend_from_slice(xml);
        request.push(0);
        let sent = request.as_mut_ptr().cast();
        let mut argument = PlistRef {
            plist: sent,
            length: request.len(),
        };
        // SAFETY: the descriptor is open, and the argument has the size that the number encodes. The kernel reads
        // `length` bytes at `plist` and then points it to a new mapping.
        let result = unsafe { libc::ioctl(self.control.as_raw_fd(), IOCTL.into(), &raw mut argument) };
        if result < 0 {
            return Err(last_error());
        }
        let start = NonNull::new(argument.plist).filter(|start| start.as_ptr() != sent);
        let Some(start) = start.filter(|_| argument.length > 0) else {
            crate::log_error!("{}: the driver did not answer.", self.label);
            return Err(Failure::Broken);
        };
        let answer = Answer {
            start,
            length: argument.length,
        };
        if answer.length > MAX_LENGTH {
            crate::log_error!("{}: an answer of {} bytes is too long.", self.label, answer.length);
            return Err(Failure::Broken);
        }
        Ok(answer.bytes().to_vec())
    }

    fn wait_event(&self) -> std::result::Result<(), Failure> {
        wait_event(&self.control)
    }

    fn block_major(&self) -> Option<u32> {
        Some(self.majors.1)
    }

    fn char_major(&self) -> Option<u32> {
        Some(self.majors.0)
    }

    fn label(&self) -> String {
        self.label.clone()
    }
}
