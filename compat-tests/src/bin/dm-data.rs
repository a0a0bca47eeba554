//! Plays scripts of tables and I/O on the kernel's device-mapper, inside an oracle guest, and prints what they show.
//!
//! `dm-data FILE`; the forms of both are in `compat_tests::data`. All I/O is direct.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::process::{Command, Stdio};

use compat_tests::data::{Dev, Machine, Step, fill, play, settle_by_status};

/// The kernel of the guest.
struct Linux {
    /// Mapped devices that exist.
    devices: Vec<u32>,
    directory: std::path::PathBuf,
}

fn errno(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(-1)
}

fn open(dev: Dev, flags: i32) -> Result<File, i32> {
    let path = match dev {
        Dev::Disk(_) => format!("/dev/{dev}"),
        Dev::Mapped(_) => format!("/dev/mapper/{dev}"),
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_DIRECT | flags);
    options.open(path).map_err(|error| errno(&error))
}

/// A buffer with room for a page-aligned part of `length` bytes, and where that part begins.
fn aligned(length: usize) -> (Vec<u8>, usize) {
    let buffer = vec![0u8; length + 4096];
    let first = buffer.as_ptr().align_offset(4096);
    (buffer, first)
}

fn write(dev: Dev, sector: u64, data: &[u8], flags: i32) -> Result<(), i32> {
    let (mut buffer, first) = aligned(data.len());
    let part = &mut buffer[first..first + data.len()];
    part.copy_from_slice(data);
    open(dev, flags)?
        .write_all_at(part, sector * 512)
        .map_err(|error| errno(&error))
}

fn dmsetup(args: &[&str], table: &str) -> Result<(), i32> {
    let mut child = Command::new("dmsetup")
        .args(args)
        .stdin(Stdio::piped())
        .spawn()
        .expect("dmsetup starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(table.as_bytes()).expect("dmsetup reads its table");
    drop(input);
    let status = child.wait().expect("dmsetup ends");
    if status.success() { Ok(()) } else { Err(-1) }
}

fn range_ioctl(dev: Dev, request: libc::Ioctl, sector: u64, sectors: u64) -> Result<(), i32> {
    let file = open(dev, 0)?;
    let range = [sector * 512, sectors * 512];
    // SAFETY: these requests read two 64-bit numbers.
    if unsafe { libc::ioctl(file.as_raw_fd(), request, range.as_ptr()) } == 0 {
        Ok(())
    } else {
        Err(errno(&std::io::Error::last_os_error()))
    }
}

impl Machine for Linux {
    fn table(&mut self, device: u32, text: &str) -> Result<(), i32> {
        let name = format!("t{device}");
        if self.devices.contains(&device) {
            dmsetup(&["reload", &name], text)?;
            // Resuming suspends first when there is a new table.
            return dmsetup(&["resume", &name], "");
        }
        dmsetup(&["create", &name, "-j", "254", "-m", &device.to_string()], text)?;
        self.devices.push(device);
        Ok(())
    }

    fn write(&mut self, dev: Dev, sector: u64, data: &[u8]) -> Result<(), i32> {
        write(dev, sector, data, 0)
    }

    fn sync(&mut self, dev: Dev, sector: u64, data: &[u8]) -> Result<(), i32> {
        write(dev, sector, data, libc::O_DSYNC)
    }

    fn read(&mut self, dev: Dev, sector: u64, data: &mut [u8]) -> Result<(), i32> {
        let (mut buffer, first) = aligned(data.len());
        let part = &mut buffer[first..first + data.len()];
        open(dev, 0)?
            .read_exact_at(part, sector * 512)
            .map_err(|error| errno(&error))?;
        data.copy_from_slice(part);
        Ok(())
    }

    fn discard(&mut self, dev: Dev, sector: u64, sectors: u64) -> Result<(), i32> {
        range_ioctl(dev, 0x1277, sector, sectors) // BLKDISCARD
    }

    fn zero(&mut self, dev: Dev, sector: u64, sectors: u64) -> Result<(), i32> {
        range_ioctl(dev, 0x127f, sector, sectors) // BLKZEROOUT
    }

    fn flush(&mut self, dev: Dev) -> Result<(), i32> {
        open(dev, 0)?.sync_all().map_err(|error| errno(&error))
    }

    fn status(&mut self, device: u32) -> Result<String, i32> {
        let output = Command::new("dmsetup")
            .args(["status", "--noflush", &format!("t{device}")])
            .output()
            .expect("dmsetup starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().next().ok_or(-1)?;
        Ok(line.split_whitespace().skip(3).collect::<Vec<_>>().join(" "))
    }

    fn settle(&mut self, device: u32) -> Result<String, i32> {
        settle_by_status(self, device, std::time::Duration::from_millis(100))
    }

    fn suspend(&mut self, device: u32) -> Result<(), i32> {
        dmsetup(&["suspend", &format!("t{device}")], "")
    }

    fn resume(&mut self, device: u32) -> Result<(), i32> {
        dmsetup(&["resume", &format!("t{device}")], "")
    }

    fn message(&mut self, device: u32, text: &str) -> Result<String, i32> {
        let output = Command::new("dmsetup")
            .args(["message", &format!("t{device}"), "0"])
            .args(text.split(' '))
            .output()
            .expect("dmsetup starts");
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into()),
            false => Err(-1),
        }
    }

    fn remove(&mut self, device: u32) -> Result<(), i32> {
        self.devices.retain(|&known| known != device);
        dmsetup(&["remove", &format!("t{device}")], "")
    }

    fn directory(&self) -> std::path::PathBuf {
        self.directory.clone()
    }

    fn reset(&mut self) -> Result<(), i32> {
        self.devices.sort_unstable();
        while let Some(device) = self.devices.pop() {
            dmsetup(&["remove", &format!("t{device}")], "")?;
        }
        Ok(())
    }
}

fn main() {
    let file = std::env::args().nth(1).expect("usage: dm-data FILE");
    let text = std::fs::read_to_string(&file).expect("the script is readable");
    let directory = std::path::Path::new(&file).parent().expect("a file").into();
    let mut linux = Linux {
        devices: Vec::new(),
        directory,
    };
    fill(&mut linux).expect("the disks are writable");
    for line in text.lines() {
        let step = Step::parse(line).expect("a step");
        println!("{}", play(&mut linux, &step));
    }
}
