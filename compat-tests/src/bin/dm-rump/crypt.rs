//! Target crypt: its data change in threads, while requests come, devices are suspended and keys go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use compat_tests::requests::{HEADER, Request, flag, nr};
use compat_tests::rump::{DIOCGSECTORSIZE, EIO};

use super::driver::{Checked, EINVAL, Machine, Test, errno, holds, pattern, refused, same, write};

/// NetBSD's EAGAIN.
const EAGAIN: i32 = 35;

const KEY: &str = "000102030405060708090a0b0c0d0e0ff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

/// The tests by name.
pub(crate) const TESTS: &[(&str, Test)] = &[
    ("encrypted I/O of many threads while keys come and go", under_io),
    ("crypt on crypt, and a component that fails", stacked),
    ("sectors of 4096 bytes", large_sectors),
];

fn message(machine: &Machine<'_>, name: &str, text: &str) -> Result<(), i32> {
    machine
        .ask(Request::new(nr::TARGET_MSG, 4096).name(name).message(0, text))
        .map(drop)
}

fn suspend(machine: &Machine<'_>, name: &str) -> Result<(), i32> {
    machine
        .ask(Request::new(nr::DEV_SUSPEND, HEADER).name(name).flags(flag::SUSPEND))
        .map(drop)
}

fn under_io(machine: &Machine<'_>) -> Checked {
    machine.make(
        "cio",
        &[(0, 1024, "crypt", &format!("aes-xts-plain64 {KEY} 0 /dev/ram6 0"))],
    )?;
    let dev = machine.raw("cio")?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4u64)
            .map(|worker| {
                let (dev, stop) = (&dev, &stop);
                scope.spawn(move || -> Checked {
                    let mut round = 0;
                    while !stop.load(Ordering::SeqCst) || round < 20 {
                        // Also more than a driver takes at a time.
                        #[allow(clippy::cast_possible_truncation, reason = "a seed")]
                        let data = pattern(200, (round * 4) as u8 ^ worker as u8);
                        write(dev, worker * 256 + 5, &data)?;
                        holds("what was just written", dev, worker * 256 + 5, &data)?;
                        round += 1;
                    }
                    Ok(())
                })
            })
            .collect();
        let mut result = Ok(());
        for _ in 0..30 {
            result = result.and_then(|()| {
                errno("suspend", suspend(machine, "cio"))?;
                errno("wipe", message(machine, "cio", "key wipe"))?;
                refused("a resume without a key", machine.resume("cio"), EAGAIN)?;
                errno("set", message(machine, "cio", &format!("key set {KEY}")))?;
                errno("resume", machine.resume("cio"))
            });
        }
        stop.store(true, Ordering::SeqCst);
        for worker in workers {
            worker.join().expect("no panic")?;
        }
        result
    })?;
    // What lies on the disk is something else.
    let mut below = vec![0; 512];
    let mut above = vec![0; 512];
    same("the disk", machine.disk(6)?.read_at(&mut below, 5 * 512), Ok(512))?;
    same("the device", dev.read_at(&mut above, 5 * 512), Ok(512))?;
    same("encrypted", below == above, false)
}

fn stacked(machine: &Machine<'_>) -> Checked {
    machine.make(
        "low",
        &[(0, 256, "crypt", &format!("aes-cbc-essiv:sha256 {KEY} 0 /dev/ram6 0"))],
    )?;
    machine.make(
        "high",
        &[
            (0, 256, "crypt", &format!("aes-xts-plain64 {KEY} 0 /dev/mapper/low 0")),
            (256, 8, "error", ""),
        ],
    )?;
    let dev = machine.raw("high")?;
    write(&dev, 0, &pattern(256, 5))?;
    holds("both ways", &dev, 0, &pattern(256, 5))?;
    machine.make("bad", &[(0, 64, "error", "")])?;
    machine.make(
        "over",
        &[(0, 64, "crypt", &format!("aes-xts-plain64 {KEY} 0 /dev/mapper/bad 0"))],
    )?;
    let dev = machine.raw("over")?;
    refused("a write", dev.write_at(&[1; 4096], 0), EIO)?;
    refused("a read", dev.read_at(&mut [1; 4096], 0), EIO)
}

fn large_sectors(machine: &Machine<'_>) -> Checked {
    let line = format!("aes-xts-plain64 {KEY} 0 /dev/ram6 8 1 sector_size:4096");
    machine.make("big", &[(0, 64, "crypt", &line)])?;
    let dev = machine.raw("big")?;
    let mut size = 0u32;
    errno("sector size", dev.ioctl(DIOCGSECTORSIZE, &mut size))?;
    same("its sectors", size, 4096)?;
    refused("half a sector", dev.write_at(&[1; 2048], 0), EINVAL)?;
    refused("between two", dev.read_at(&mut [1; 4096], 512), EINVAL)?;
    write(&dev, 8, &pattern(16, 4))?;
    holds("whole ones", &dev, 8, &pattern(16, 4))
}
