//! What the driver must do that the test host cannot show.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use compat_tests::requests::{HEADER, Request, flag, nr};
use compat_tests::rump::{
    DIOCCACHESYNC, DIOCGMEDIASIZE, DIOCGSECTORSIZE, EIO, File, RAM_FLUSH_ERROR, RAM_FLUSHES, RAM_STALL, RAM_STALLED,
    READ, READ_WRITE, Rump, S_IFBLK, S_IFCHR, dev_number,
};

use super::{BLOCK, CHARACTER, offset};

pub(crate) type Checked = Result<(), String>;

/// NetBSD's numbers.
pub(crate) const ENXIO: i32 = 6;
pub(crate) const EBUSY: i32 = 16;
pub(crate) const EINVAL: i32 = 22;
const EROFS: i32 = 30;

/// The kernel, with no devices when a test begins.
pub(crate) struct Machine<'a> {
    pub(crate) rump: Rump,
    pub(crate) control: &'a File,
}

/// One test.
pub(crate) type Test = fn(&Machine<'_>) -> Checked;

/// The tests by name.
pub(crate) const TESTS: &[(&str, Test)] = &[
    ("data goes where the table says", linear),
    ("the end of a device: short, empty, refused", end_of_device),
    ("requests that are no whole sectors are refused", odd_requests),
    ("sizes and sector sizes, also of stacked devices", sizes),
    ("dm on dm, twelve deep", stack),
    ("32 devices", many),
    (
        "suspend waits for I/O, holds new I/O, resume lets it go",
        suspend_under_io,
    ),
    ("tables are replaced under I/O", replace_under_io),
    (
        "suspend waits for a snapshot's copies, the module stays",
        suspend_under_copies,
    ),
    (
        "writes to an origin and its snapshots at the same time",
        snapshots_under_io,
    ),
    ("flushes reach every component, errors come back", flushes),
    ("discards reach the component", discards),
    (
        "an open device is not removed; deferred removal at the last close",
        removal,
    ),
    ("missing minors, read-only devices", opens),
    ("a component is not for others", exclusive),
];

pub(crate) fn ask(control: &File, mut request: Request) -> Result<Request, i32> {
    control.dm_ioctl(request.nr, &mut request.buffer)?;
    Ok(request)
}

pub(crate) fn errno<T>(what: &str, result: Result<T, i32>) -> Result<T, String> {
    result.map_err(|errno| format!("{what}: errno {errno}"))
}

pub(crate) fn refused<T>(what: &str, result: Result<T, i32>, expected: i32) -> Checked {
    match result {
        Err(errno) if errno == expected => Ok(()),
        Err(errno) => Err(format!("{what}: errno {errno}, not {expected}")),
        Ok(_) => Err(format!("{what}: was not refused")),
    }
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Checked {
    match got == expected {
        true => Ok(()),
        false => Err(format!("{what}: {got:?}, not {expected:?}")),
    }
}

/// Data of sectors: no two are alike.
pub(crate) fn pattern(sectors: usize, seed: u8) -> Vec<u8> {
    (0..sectors * 512)
        .map(|i| seed ^ (i / 512).to_le_bytes()[0] ^ (i % 251).to_le_bytes()[0])
        .collect()
}

impl Machine<'_> {
    pub(crate) fn ask(&self, request: Request) -> Result<Request, i32> {
        ask(self.control, request)
    }

    pub(crate) fn load(&self, name: &str, lines: &[(u64, u64, &str, &str)]) -> Result<(), i32> {
        self.ask(Request::new(nr::TABLE_LOAD, HEADER).name(name).table(lines))
            .map(drop)
    }

    pub(crate) fn resume(&self, name: &str) -> Result<(), i32> {
        self.ask(Request::new(nr::DEV_SUSPEND, HEADER).name(name)).map(drop)
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), i32> {
        self.ask(Request::new(nr::DEV_REMOVE, HEADER).name(name)).map(drop)
    }

    /// Makes a device with a live table and its nodes; its minor number.
    pub(crate) fn make(&self, name: &str, lines: &[(u64, u64, &str, &str)]) -> Result<u32, String> {
        let made = errno("create", self.ask(Request::new(nr::DEV_CREATE, HEADER).name(name)))?;
        errno("load", self.load(name, lines))?;
        errno("resume", self.resume(name))?;
        let dev = u32::from_le_bytes(made.buffer[40..44].try_into().expect("four bytes"));
        let minor = dev & 0xff | dev >> 12 & 0x000f_ff00;
        for (path, kind, major) in [
            (format!("/dev/mapper/{name}"), S_IFBLK, BLOCK),
            (format!("/dev/mapper/r{name}"), S_IFCHR, CHARACTER),
        ] {
            let _ = self.rump.unlink(&path);
            errno("mknod", self.rump.mknod(&path, kind | 0o640, dev_number(major, minor)))?;
        }
        Ok(minor)
    }

    pub(crate) fn raw(&self, name: &str) -> Result<File, String> {
        errno(name, self.rump.open(&format!("/dev/mapper/r{name}"), READ_WRITE))
    }

    pub(crate) fn disk(&self, minor: u32) -> Result<File, String> {
        errno("disk", self.rump.open(&format!("/dev/rram{minor}"), READ_WRITE))
    }
}

pub(crate) fn write(file: &File, sector: u64, data: &[u8]) -> Checked {
    same("written", file.write_at(data, offset(sector)), Ok(data.len()))
}

pub(crate) fn holds(what: &str, file: &File, sector: u64, expected: &[u8]) -> Checked {
    let mut data = vec![0xee; expected.len()];
    same(what, file.read_at(&mut data, offset(sector)), Ok(expected.len()))?;
    match data.iter().zip(expected).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(at) => Err(format!("{what}: other data from byte {at} on")),
    }
}

fn linear(machine: &Machine<'_>) -> Checked {
    machine.make(
        "lin",
        &[
            (0, 8, "linear", "/dev/ram1 100"),
            (8, 8, "linear", "1:2 200"),
            (16, 16, "striped", "2 4 /dev/ram1 300 /dev/ram2 300"),
        ],
    )?;
    let data = pattern(32, 7);
    let dev = machine.raw("lin")?;
    write(&dev, 0, &data)?;
    holds("the device", &dev, 0, &data)?;
    let (one, two) = (machine.disk(1)?, machine.disk(2)?);
    holds("first segment", &one, 100, &data[..8 * 512])?;
    holds("second segment", &two, 200, &data[8 * 512..16 * 512])?;
    holds("stripe 0", &one, 300, &data[16 * 512..20 * 512])?;
    holds("stripe 1", &two, 300, &data[20 * 512..24 * 512])?;
    holds("stripe 0, second chunk", &one, 304, &data[24 * 512..28 * 512])?;
    // Through the block device and its cache as well.
    let block = errno("block", machine.rump.open("/dev/mapper/lin", READ_WRITE))?;
    holds("the block device", &block, 4, &data[4 * 512..20 * 512])
}

fn end_of_device(machine: &Machine<'_>) -> Checked {
    machine.make("end", &[(0, 24, "linear", "/dev/ram0 0")])?;
    let dev = machine.raw("end")?;
    let data = pattern(24, 3);
    write(&dev, 0, &data)?;
    let mut buffer = vec![0; 16 * 512];
    same(
        "a read across the end",
        dev.read_at(&mut buffer, offset(16)),
        Ok(8 * 512),
    )?;
    same("what it read", buffer[..8 * 512] == data[16 * 512..], true)?;
    same("a read at the end", dev.read_at(&mut buffer, offset(24)), Ok(0))?;
    refused("a read behind the end", dev.read_at(&mut buffer, offset(25)), EINVAL)?;
    let outside = machine.disk(0)?;
    write(&outside, 24, &pattern(8, 99))?;
    let _ = dev.write_at(&pattern(16, 1), offset(16));
    holds("what lies behind the device", &outside, 24, &pattern(8, 99))?;
    let block = errno("block", machine.rump.open("/dev/mapper/end", READ))?;
    let mut buffer = vec![0; 64 * 512];
    let _ = block.read_at(&mut buffer, offset(8));
    let _ = block.read_at(&mut buffer, offset(1 << 40));
    Ok(())
}

fn odd_requests(machine: &Machine<'_>) -> Checked {
    machine.make("odd", &[(0, 24, "linear", "/dev/ram0 0")])?;
    let dev = machine.raw("odd")?;
    let mut buffer = [0; 1024];
    refused("an offset", dev.read_at(&mut buffer[..512], 100), EINVAL)?;
    refused("a length", dev.read_at(&mut buffer[..700], 0), EINVAL)
}

fn sizes(machine: &Machine<'_>) -> Checked {
    let low = machine.make("low", &[(0, 5000, "linear", "/dev/ram0 0")])?;
    machine.make("high", &[(0, 4000, "linear", &format!("{BLOCK}:{low} 1000"))])?;
    machine.make("path", &[(0, 10, "linear", "/dev/mapper/low 4990")])?;
    for (name, sectors) in [("low", 5000), ("high", 4000), ("path", 10)] {
        let dev = machine.raw(name)?;
        let (mut size, mut sector) = (0i64, 0u32);
        errno("media size", dev.ioctl(DIOCGMEDIASIZE, &mut size))?;
        errno("sector size", dev.ioctl(DIOCGSECTORSIZE, &mut sector))?;
        same(name, (size, sector), (sectors * 512, 512))?;
    }
    refused(
        "a component that is too small",
        machine.load("high", &[(0, 4001, "linear", "/dev/mapper/low 1000")]),
        EINVAL,
    )
}

fn stack(machine: &Machine<'_>) -> Checked {
    let mut below = "/dev/ram3 64".to_owned();
    for level in 0..12 {
        let name = format!("level{level}");
        let minor = machine.make(&name, &[(0, 256, "linear", &below)])?;
        below = format!("{BLOCK}:{minor} 0");
    }
    let dev = machine.raw("level11")?;
    let data = pattern(256, 21);
    write(&dev, 0, &data)?;
    holds("the top", &dev, 0, &data)?;
    holds("the disk", &machine.disk(3)?, 64, &data)?;
    let mut before = 0;
    errno("count", machine.disk(3)?.ioctl(RAM_FLUSHES, &mut before))?;
    errno("flush", dev.ioctl(DIOCCACHESYNC, &mut 1i32))?;
    let mut after = 0i32;
    errno("count", machine.disk(3)?.ioctl(RAM_FLUSHES, &mut after))?;
    same("flushes", after - before, 1)?;
    drop(dev);
    refused("one in the middle", machine.remove("level5"), EBUSY)?;
    for level in (0..12).rev() {
        errno("remove", machine.remove(&format!("level{level}")))?;
    }
    Ok(())
}

fn many(machine: &Machine<'_>) -> Checked {
    for number in 0..32u64 {
        let start = number * 64;
        machine.make(
            &format!("m{number}"),
            &[(0, 64, "linear", &format!("/dev/ram4 {start}"))],
        )?;
    }
    let devices: Vec<File> = (0..32)
        .map(|number| machine.raw(&format!("m{number}")))
        .collect::<Result<_, _>>()?;
    let results: Vec<Checked> = thread::scope(|scope| {
        let threads: Vec<_> = devices
            .iter()
            .zip(0u8..)
            .map(|(dev, seed)| scope.spawn(move || write(dev, 0, &pattern(64, seed))))
            .collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    results.into_iter().collect::<Result<Vec<()>, _>>()?;
    let disk = machine.disk(4)?;
    for number in 0u8..32 {
        holds("a share", &disk, u64::from(number) * 64, &pattern(64, number))?;
    }
    Ok(())
}

/// Waits until something is so; gives up after long.
pub(crate) fn until(what: &str, mut ready: impl FnMut() -> bool) -> Checked {
    for _ in 0..6000 {
        if ready() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err(format!("{what} does not happen"))
}

fn suspend_under_io(machine: &Machine<'_>) -> Checked {
    machine.make("sus", &[(0, 64, "linear", "/dev/ram5 0")])?;
    let (dev, disk) = (machine.raw("sus")?, machine.disk(5)?);
    write(&disk, 0, &pattern(64, 0))?;
    errno("stall", disk.ioctl(RAM_STALL, &mut 1i32))?;
    let suspended = AtomicBool::new(false);
    let second_done = AtomicBool::new(false);
    let suspended_flag = || {
        machine
            .ask(Request::new(nr::DEV_STATUS, HEADER).name("sus"))
            .is_ok_and(|reply| reply.buffer[28] & 2 != 0)
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| write(&dev, 0, &pattern(8, 11)));
        until("the first write reaches the disk", || {
            let mut count = 0i32;
            disk.ioctl(RAM_STALLED, &mut count).is_ok() && count == 1
        })?;
        let suspend = scope.spawn(|| {
            let result = machine.ask(Request::new(nr::DEV_SUSPEND, HEADER).name("sus").flags(flag::SUSPEND));
            suspended.store(true, Ordering::SeqCst);
            errno("suspend", result).map(drop)
        });
        let second = scope.spawn(|| {
            // Not before the gate is closed: then it must not reach the disk.
            thread::sleep(Duration::from_millis(200));
            let result = write(&dev, 8, &pattern(8, 12));
            second_done.store(true, Ordering::SeqCst);
            result
        });
        thread::sleep(Duration::from_millis(500));
        let mut count = 0i32;
        errno("count", disk.ioctl(RAM_STALLED, &mut count))?;
        let early = suspended.load(Ordering::SeqCst);
        errno("go on", disk.ioctl(RAM_STALL, &mut 0i32))?;
        same("suspended with a write under way", early, false)?;
        same("writes that reached the disk", count, 1)?;
        suspend.join().expect("no panic")?;
        first.join().expect("no panic")?;
        same("the flag", suspended_flag(), true)?;
        holds("the first write", &disk, 0, &pattern(8, 11))?;
        let mut data = vec![0; 8 * 512];
        same("read", disk.read_at(&mut data, offset(8)), Ok(8 * 512))?;
        same("the second write is held", second_done.load(Ordering::SeqCst), false)?;
        same("and not on the disk", data == pattern(8, 12), false)?;
        errno("resume", machine.resume("sus"))?;
        second.join().expect("no panic")?;
        holds("the second write", &disk, 8, &pattern(8, 12))
    })
}

/// An origin with a snapshot of it, on two disks.
fn snapshot(machine: &Machine<'_>, origin: u32, cow: u32, sectors: u64) -> Checked {
    write(
        &machine.disk(origin)?,
        0,
        &pattern(usize::try_from(sectors).expect("small"), 1),
    )?;
    write(&machine.disk(cow)?, 0, &[0; 4096])?;
    let at = format!("/dev/ram{origin}");
    machine.make("origin", &[(0, sectors, "snapshot-origin", &at)])?;
    machine.make("snap", &[(0, sectors, "snapshot", &format!("{at} /dev/ram{cow} P 16"))])?;
    Ok(())
}

fn suspend_under_copies(machine: &Machine<'_>) -> Checked {
    const SECTORS: usize = 256;
    snapshot(machine, 11, 12, SECTORS as u64)?;
    let (origin, snap) = (machine.raw("origin")?, machine.raw("snap")?);
    let store = machine.disk(12)?;
    errno("stall", store.ioctl(RAM_STALL, &mut 1i32))?;
    let (suspended, written) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let result = write(&origin, 20, &pattern(8, 2));
            written.store(true, Ordering::SeqCst);
            result
        });
        until("a copy reaches the store", || {
            let mut count = 0i32;
            store.ioctl(RAM_STALLED, &mut count).is_ok() && count > 0
        })?;
        let suspend = scope.spawn(|| {
            let result = machine.ask(
                Request::new(nr::DEV_SUSPEND, HEADER)
                    .name("origin")
                    .flags(flag::SUSPEND),
            );
            suspended.store(true, Ordering::SeqCst);
            errno("suspend", result).map(drop)
        });
        thread::sleep(Duration::from_millis(300));
        let early = (suspended.load(Ordering::SeqCst), written.load(Ordering::SeqCst));
        let unload = machine.rump.unload("dm");
        errno("go on", store.ioctl(RAM_STALL, &mut 0i32))?;
        same(
            "suspended or written before the copy is in the store",
            early,
            (false, false),
        )?;
        refused("unload", unload, EBUSY)?;
        suspend.join().expect("no panic")?;
        first.join().expect("no panic")?;
        errno("resume", machine.resume("origin"))
    })?;
    holds("the snapshot is as it was", &snap, 0, &pattern(SECTORS, 1))?;
    let mut now = pattern(SECTORS, 1);
    now[20 * 512..28 * 512].copy_from_slice(&pattern(8, 2));
    holds("the origin is new", &origin, 0, &now)?;
    // Its flush goes to the store.
    let mut before = 0i32;
    errno("count", store.ioctl(RAM_FLUSHES, &mut before))?;
    errno("flush", snap.ioctl(DIOCCACHESYNC, &mut 1i32))?;
    let mut after = 0i32;
    errno("count", store.ioctl(RAM_FLUSHES, &mut after))?;
    same("a flush of the store", after > before, true)
}

fn snapshots_under_io(machine: &Machine<'_>) -> Checked {
    const SECTORS: usize = 2048;
    snapshot(machine, 13, 14, SECTORS as u64)?;
    let (origin, snap) = (machine.raw("origin")?, machine.raw("snap")?);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Each thread writes every fourth chunk of the origin, all over.
        let writers: Vec<_> = (0..4u8)
            .map(|thread| {
                let origin = &origin;
                scope.spawn(move || {
                    for chunk in (usize::from(thread)..SECTORS / 16).step_by(4) {
                        write(origin, chunk as u64 * 16, &pattern(16, 100 + thread))?;
                    }
                    Ok(())
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut rounds = 0;
            while !stop.load(Ordering::SeqCst) || rounds < 2 {
                holds("the snapshot under I/O", &snap, 0, &pattern(SECTORS, 1))?;
                rounds += 1;
            }
            Ok(())
        });
        let suspender = scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                for name in ["origin", "snap"] {
                    let suspend = Request::new(nr::DEV_SUSPEND, HEADER).name(name).flags(flag::SUSPEND);
                    errno("suspend", machine.ask(suspend))?;
                    errno("resume", machine.resume(name))?;
                }
                thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        });
        let mut results: Vec<Checked> = writers.into_iter().map(|w| w.join().expect("no panic")).collect();
        stop.store(true, Ordering::SeqCst);
        results.push(reader.join().expect("no panic"));
        results.push(suspender.join().expect("no panic"));
        results.into_iter().collect::<Checked>()
    })?;
    for chunk in 0..SECTORS / 16 {
        let seed = 100 + u8::try_from(chunk % 4).expect("small");
        holds("the origin", &origin, chunk as u64 * 16, &pattern(16, seed))?;
    }
    holds("the snapshot afterwards", &snap, 0, &pattern(SECTORS, 1))
}

fn replace_under_io(machine: &Machine<'_>) -> Checked {
    const SECTORS: u64 = 512;
    // Both tables lead to the same sectors, in different pieces.
    let one = [(0, SECTORS, "linear", "/dev/ram6 0")];
    let many: Vec<(u64, u64, String)> = (0..64).map(|i| (i * 8, 8, format!("/dev/ram6 {}", i * 8))).collect();
    let many: Vec<(u64, u64, &str, &str)> = many.iter().map(|(s, l, p)| (*s, *l, "linear", p.as_str())).collect();
    machine.make("rep", &one)?;
    let dev = machine.raw("rep")?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4u64)
            .map(|worker| {
                let (dev, stop) = (&dev, &stop);
                scope.spawn(move || -> Result<u32, String> {
                    let mut rounds = 0;
                    while !stop.load(Ordering::SeqCst) || rounds < 50 {
                        #[allow(clippy::cast_possible_truncation, reason = "a seed")]
                        let data = pattern(100, (rounds * 4) as u8 ^ worker as u8);
                        write(dev, worker * 128 + 5, &data)?;
                        holds("what was just written", dev, worker * 128 + 5, &data)?;
                        rounds += 1;
                    }
                    Ok(rounds)
                })
            })
            .collect();
        let mut result = Ok(());
        for round in 0..100 {
            let table: &[_] = if round % 2 == 0 { &many } else { &one };
            result = result.and_then(|()| errno("load", machine.load("rep", table)));
            result = result.and_then(|()| errno("resume", machine.resume("rep")));
        }
        stop.store(true, Ordering::SeqCst);
        for worker in workers {
            worker.join().expect("no panic")?;
        }
        result
    })
}

fn flushes(machine: &Machine<'_>) -> Checked {
    machine.make(
        "flu",
        &[
            (0, 8, "linear", "/dev/ram7 0"),
            (8, 8, "linear", "/dev/ram8 0"),
            (16, 8, "linear", "/dev/ram7 8"),
        ],
    )?;
    let dev = machine.raw("flu")?;
    let disks = [machine.disk(7)?, machine.disk(8)?];
    let count = |disk: &File| {
        let mut count = 0i32;
        errno("count", disk.ioctl(RAM_FLUSHES, &mut count)).map(|()| count)
    };
    let before = [count(&disks[0])?, count(&disks[1])?];
    errno("flush", dev.ioctl(DIOCCACHESYNC, &mut 1i32))?;
    same("flushes of the first", count(&disks[0])? - before[0], 1)?;
    same("flushes of the second", count(&disks[1])? - before[1], 1)?;
    errno("set", disks[1].ioctl(RAM_FLUSH_ERROR, &mut { EIO }))?;
    let result = dev.ioctl(DIOCCACHESYNC, &mut 1i32);
    errno("set", disks[1].ioctl(RAM_FLUSH_ERROR, &mut 0i32))?;
    refused("a flush that fails below", result, EIO)?;
    same("the other one's flushes", count(&disks[0])? - before[0], 2)?;
    errno("flush", dev.ioctl(DIOCCACHESYNC, &mut 1i32))
}

fn discards(machine: &Machine<'_>) -> Checked {
    machine.make("dis", &[(0, 64, "linear", "/dev/ram9 32")])?;
    let (dev, disk) = (machine.raw("dis")?, machine.disk(9)?);
    let data = pattern(128, 5);
    write(&disk, 0, &data)?;
    errno("discard", dev.discard(offset(8), offset(16)))?;
    holds("before", &disk, 0, &data[..40 * 512])?;
    holds("discarded", &disk, 40, &vec![0; 16 * 512])?;
    holds("behind", &disk, 56, &data[56 * 512..])?;
    refused("behind the end", dev.discard(offset(60), offset(8)), EINVAL)?;
    holds("still there", &disk, 92, &data[92 * 512..])
}

fn removal(machine: &Machine<'_>) -> Checked {
    machine.make("rem", &[(0, 8, "zero", "")])?;
    let dev = machine.raw("rem")?;
    let status = errno("status", machine.ask(Request::new(nr::DEV_STATUS, HEADER).name("rem")))?;
    same("open count", status.buffer[24], 1)?;
    refused("an open device", machine.remove("rem"), EBUSY)?;
    let later = Request::new(nr::DEV_REMOVE, HEADER)
        .name("rem")
        .flags(flag::DEFERRED_REMOVE);
    errno("deferred", machine.ask(later))?;
    errno(
        "still there",
        machine.ask(Request::new(nr::DEV_STATUS, HEADER).name("rem")),
    )?;
    drop(dev);
    refused(
        "gone",
        machine.ask(Request::new(nr::DEV_STATUS, HEADER).name("rem")),
        ENXIO,
    )?;
    refused("its node", machine.rump.open("/dev/mapper/rrem", READ), ENXIO)
}

fn opens(machine: &Machine<'_>) -> Checked {
    let _ = machine
        .rump
        .mknod("/dev/mapper/none", S_IFBLK | 0o640, dev_number(BLOCK, 4000));
    refused(
        "a minor without a device",
        machine.rump.open("/dev/mapper/none", READ),
        ENXIO,
    )?;
    errno("create", machine.ask(Request::new(nr::DEV_CREATE, HEADER).name("ro")))?;
    errno("remove", machine.remove("ro"))?;
    machine.make("ro", &[(0, 8, "linear", "/dev/ram0 0")])?;
    let load = Request::new(nr::TABLE_LOAD, HEADER)
        .name("ro")
        .flags(flag::READONLY)
        .table(&[(0, 8, "linear", "/dev/ram0 0")]);
    errno("load", machine.ask(load))?;
    errno("resume", machine.resume("ro"))?;
    refused("for writing", machine.rump.open("/dev/mapper/rro", READ_WRITE), EROFS)?;
    let dev = errno("for reading", machine.rump.open("/dev/mapper/rro", READ))?;
    same("a read", dev.read_at(&mut [0; 512], 0), Ok(512))
}

fn exclusive(machine: &Machine<'_>) -> Checked {
    let block = errno("block", machine.rump.open("/dev/ram10", READ_WRITE))?;
    errno("create", machine.ask(Request::new(nr::DEV_CREATE, HEADER).name("exc")))?;
    let table = [(0, 8, "linear", "/dev/ram10 0")];
    refused("a disk that is open", machine.load("exc", &table), EBUSY)?;
    drop(block);
    errno("load", machine.load("exc", &table))?;
    refused(
        "opening a component",
        machine.rump.open("/dev/ram10", READ_WRITE),
        EBUSY,
    )?;
    // A second table shares it.
    machine.make("exc2", &[(0, 8, "linear", "1:10 8")])?;
    errno("remove", machine.remove("exc"))?;
    refused(
        "opening a component",
        machine.rump.open("/dev/ram10", READ_WRITE),
        EBUSY,
    )?;
    errno("remove", machine.remove("exc2"))?;
    errno("a free disk", machine.rump.open("/dev/ram10", READ_WRITE)).map(drop)
}
