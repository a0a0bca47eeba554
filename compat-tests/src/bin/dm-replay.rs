//! Sends the control requests of a file to the kernel's device-mapper, inside an oracle guest, and prints the answers.
//!
//! `dm-replay FILE`; the forms of both are in `compat_tests::requests`. A line `reset` removes all devices,
//! a line `# ...` is copied.

use std::os::fd::AsRawFd as _;

use compat_tests::requests::{HEADER, Request, answer, nr};

fn ioctl(control: &std::fs::File, request: &mut Request) -> i32 {
    // The kernel copies in data_size bytes, whatever the buffer's length: never less than that may be there.
    let used = u32::from_le_bytes(request.buffer[12..16].try_into().expect("four bytes")) as usize;
    let sent = request.buffer.len();
    request.buffer.resize(sent.max(used.min(1 << 26)), 0);
    let command = libc::_IOWR::<[u8; HEADER]>(0xfd, request.nr);
    // SAFETY: the buffer is valid for data_size bytes, which is all that the kernel reads and writes.
    let result = unsafe { libc::ioctl(control.as_raw_fd(), command, request.buffer.as_mut_ptr()) };
    let errno = if result < 0 {
        std::io::Error::last_os_error().raw_os_error().unwrap_or(-1)
    } else {
        0
    };
    request.buffer.truncate(sent.max(HEADER));
    errno
}

/// Removes all devices, also those that use each other (Linux lets a table refer to a device that is above it).
fn reset(control: &std::fs::File) {
    let mut list = Request::new(nr::LIST_DEVICES, 1 << 16);
    ioctl(control, &mut list);
    let mut at = HEADER;
    while let Some(record) = list
        .buffer
        .get(at..)
        .filter(|record| record.len() > 12 && record[12] != 0)
    {
        let name: Vec<u8> = record[12..].iter().copied().take_while(|&byte| byte != 0).collect();
        let table = Request::new(nr::TABLE_LOAD, HEADER)
            .table(&[(0, 1, "error", "")])
            .put(48, &name);
        for mut request in [table, Request::new(nr::DEV_SUSPEND, HEADER).put(48, &name)] {
            ioctl(control, &mut request);
        }
        let next = u32::from_le_bytes(record[8..12].try_into().expect("four bytes")) as usize;
        if next == 0 {
            break;
        }
        at += next;
    }
    ioctl(control, &mut Request::new(nr::REMOVE_ALL, HEADER));
}

fn main() {
    let file = std::env::args().nth(1).expect("usage: dm-replay FILE");
    let text = std::fs::read_to_string(&file).expect("the request file is readable");
    let control = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/mapper/control")
        .expect("/dev/mapper/control opens");
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with('#') {
            out.push_str(line);
        } else if line == "reset" {
            reset(&control);
            out.push_str("reset");
        } else {
            let mut request = Request::parse(line).expect("a request line");
            let errno = ioctl(&control, &mut request);
            out.push_str(&answer(errno, &request.buffer));
        }
        out.push('\n');
    }
    print!("{out}");
}
