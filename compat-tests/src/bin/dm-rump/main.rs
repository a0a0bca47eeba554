//! Runs the engine's differential tests and the driver's own tests in a rump kernel: NetBSD's kernel code as libraries.
//!
//! `dm-rump LIBRARY...` (in the order in which they are to be loaded). `compat-tests/rump/run` builds and calls it.

use std::collections::BTreeSet;

use compat_tests::data::{self, Dev, Machine, SUBJECTS, Step};
use compat_tests::data_targets;
use compat_tests::engine::{self, Engine};
use compat_tests::requests::{HEADER, Request, answer, flag, nr};
use compat_tests::rump::{File, READ_WRITE, Rump, S_IFBLK, S_IFCHR, dev_number, linux_errno};
use compat_tests::sequences::{Sequence, by_hand, generated};
use dm_sim::host::Numbers;

mod control;
mod crypt;
mod driver;
mod mirror;

/// Block and character major numbers of NetBSD's dm.
const BLOCK: u32 = 169;
const CHARACTER: u32 = 194;
/// Minor 0 is the control node.
const NUMBERS: Numbers = Numbers {
    major: BLOCK,
    first_minor: 1,
};

/// Mapped devices of scripts.
const DEVICES: u32 = 5;
/// Flag of a status that does not wait for I/O.
const NOFLUSH: u32 = 1 << 11;
/// Flag of a reply with a message's answer.
const DATA_OUT: u32 = 1 << 16;

/// A sequence with the numbers of devices as NetBSD has them: 169:1 for 254:0.
fn adapted(sequence: &Sequence) -> Sequence {
    let mut sequence = sequence.clone();
    for request in &mut sequence.requests {
        let dev = u64::from_le_bytes(request.buffer[40..48].try_into().expect("eight bytes"));
        let (major, minor) = (dev >> 8 & 0xfff, dev & 0xff | dev >> 12 & 0xffff_ff00);
        if major == 254 {
            let minor = minor + 1;
            let dev = minor & 0xff | u64::from(BLOCK) << 8 | (minor & !0xff) << 12;
            request.buffer[40..48].copy_from_slice(&dev.to_le_bytes());
        }
        let mut at = HEADER;
        while let Some(rest) = request.buffer.get_mut(at..at + 5) {
            if rest.starts_with(b"254:") && rest[4].is_ascii_digit() && rest[4] != b'9' {
                rest[..3].copy_from_slice(b"169");
                rest[4] += 1;
            }
            at += 1;
        }
    }
    sequence
}

/// Removes all devices, also those that use each other.
fn reset(control: &File) {
    let mut list = Request::new(nr::LIST_DEVICES, 1 << 16);
    control.dm_ioctl(list.nr, &mut list.buffer).expect("a list of devices");
    let mut at = HEADER;
    while let Some(record) = list.buffer.get(at..).filter(|r| r.len() > 12 && r[12] != 0) {
        let name: Vec<u8> = record[12..].iter().copied().take_while(|&byte| byte != 0).collect();
        let table = Request::new(nr::TABLE_LOAD, HEADER)
            .table(&[(0, 1, "error", "")])
            .put(48, &name);
        for mut request in [table, Request::new(nr::DEV_SUSPEND, HEADER).put(48, &name)] {
            let _ = control.dm_ioctl(request.nr, &mut request.buffer);
        }
        match u32::from_le_bytes(record[8..12].try_into().expect("four bytes")) {
            0 => break,
            next => at += next as usize,
        }
    }
    let mut all = Request::new(nr::REMOVE_ALL, HEADER);
    control.dm_ioctl(all.nr, &mut all.buffer).expect("all devices go");
}

/// The differential sequences: number of requests compared, and what differs.
fn sequences(control: &File) -> (usize, Vec<String>) {
    let mut all = by_hand();
    all.extend((1..=60).map(|seed| generated(seed, 60)));
    let (mut compared, mut differences) = (0, Vec::new());
    for sequence in all.iter().map(adapted) {
        reset(control);
        let expected = engine::answers(&sequence, NUMBERS);
        for (index, (request, (expected, reason))) in sequence.requests.iter().zip(&expected).enumerate() {
            let mut buffer = request.buffer.clone();
            let errno = control.dm_ioctl(request.nr, &mut buffer).err().map_or(0, linux_errno);
            let got = answer(errno, &buffer);
            compared += 1;
            if got != *expected {
                let reason = reason.as_deref().unwrap_or_default();
                differences.push(format!(
                    "{} [{index}]: {request:?}\n   sim  {expected}\n   here {got}\n   {reason}",
                    sequence.name
                ));
                break;
            }
        }
    }
    reset(control);
    (compared, differences)
}

/// The machine of scripts.
struct Kernel<'a> {
    rump: Rump,
    control: &'a File,
    devices: BTreeSet<u32>,
    /// Where saved disks are.
    directory: std::path::PathBuf,
}

impl Kernel<'_> {
    fn open(&self, dev: Dev) -> Result<File, i32> {
        let path = match dev {
            Dev::Disk(minor) => format!("/dev/rram{minor}"),
            Dev::Mapped(device) => format!("/dev/mapper/rt{device}"),
        };
        self.rump.open(&path, READ_WRITE)
    }

    fn ask(&self, mut request: Request) -> Result<(), i32> {
        self.control
            .dm_ioctl(request.nr, &mut request.buffer)
            .map_err(linux_errno)
    }
}

fn offset(sector: u64) -> i64 {
    i64::try_from(sector * 512).expect("small")
}

/// All or nothing.
fn whole(done: Result<usize, i32>, length: usize) -> Result<(), i32> {
    match done.map_err(linux_errno)? {
        n if n == length => Ok(()),
        _ => Err(-2),
    }
}

impl Machine for Kernel<'_> {
    fn table(&mut self, device: u32, text: &str) -> Result<(), i32> {
        let name = format!("t{device}");
        if self.devices.insert(device) {
            self.ask(
                Request::new(nr::DEV_CREATE, HEADER)
                    .name(&name)
                    .flags(1 << 3)
                    .dev(BLOCK, device + 1),
            )?;
            for (path, kind, major) in [
                (format!("/dev/mapper/{name}"), S_IFBLK, BLOCK),
                (format!("/dev/mapper/r{name}"), S_IFCHR, CHARACTER),
            ] {
                match self.rump.mknod(&path, kind | 0o640, dev_number(major, device + 1)) {
                    Ok(()) | Err(17) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        let text: String = (0..DEVICES).fold(text.to_owned(), |text, minor| {
            text.replace(&format!("254:{minor}"), &format!("{BLOCK}:{}", minor + 1))
        });
        let lines: Vec<(u64, u64, &str, &str)> = text
            .lines()
            .map(|line| {
                let mut words = line.splitn(4, ' ');
                let mut next = || words.next().unwrap_or_default();
                let (start, length) = (next().parse(), next().parse());
                (start.expect("a number"), length.expect("a number"), next(), next())
            })
            .collect();
        self.ask(Request::new(nr::TABLE_LOAD, HEADER).name(&name).table(&lines))?;
        self.ask(Request::new(nr::DEV_SUSPEND, HEADER).name(&name))
    }

    fn write(&mut self, dev: Dev, sector: u64, data: &[u8]) -> Result<(), i32> {
        whole(self.open(dev)?.write_at(data, offset(sector)), data.len())
    }

    fn read(&mut self, dev: Dev, sector: u64, data: &mut [u8]) -> Result<(), i32> {
        let length = data.len();
        whole(self.open(dev)?.read_at(data, offset(sector)), length)
    }

    fn discard(&mut self, dev: Dev, sector: u64, sectors: u64) -> Result<(), i32> {
        self.open(dev)?
            .discard(offset(sector), offset(sectors))
            .map_err(linux_errno)
    }

    /// NetBSD has no such request: zeroes are written.
    fn zero(&mut self, dev: Dev, sector: u64, sectors: u64) -> Result<(), i32> {
        let zeroes = vec![0; usize::try_from(sectors * 512).expect("small")];
        self.write(dev, sector, &zeroes)
    }

    fn flush(&mut self, dev: Dev) -> Result<(), i32> {
        // As in the comparison with Linux: it must find its way.
        let _ = self.open(dev)?.ioctl(compat_tests::rump::DIOCCACHESYNC, &mut 1i32);
        Ok(())
    }

    fn status(&mut self, device: u32) -> Result<String, i32> {
        let mut request = Request::new(nr::TABLE_STATUS, 4096)
            .name(&format!("t{device}"))
            .flags(NOFLUSH);
        self.control
            .dm_ioctl(request.nr, &mut request.buffer)
            .map_err(linux_errno)?;
        // Behind the header and one struct dm_target_spec.
        let text = request.buffer.get(HEADER + 40..).unwrap_or_default();
        let text: Vec<u8> = text.iter().copied().take_while(|&byte| byte != 0).collect();
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok((0..DEVICES).fold(text, |text, minor| {
            text.replace(&format!("{BLOCK}:{}", minor + 1), &format!("254:{minor}"))
        }))
    }

    fn settle(&mut self, device: u32) -> Result<String, i32> {
        data::settle_by_status(self, device, std::time::Duration::from_millis(20))
    }

    fn suspend(&mut self, device: u32) -> Result<(), i32> {
        self.ask(
            Request::new(nr::DEV_SUSPEND, HEADER)
                .name(&format!("t{device}"))
                .flags(flag::SUSPEND),
        )
    }

    fn resume(&mut self, device: u32) -> Result<(), i32> {
        self.ask(Request::new(nr::DEV_SUSPEND, HEADER).name(&format!("t{device}")))
            .map_err(|_| -1)
    }

    fn message(&mut self, device: u32, text: &str) -> Result<String, i32> {
        let mut request = Request::new(nr::TARGET_MSG, 1 << 14)
            .name(&format!("t{device}"))
            .message(0, text);
        self.control.dm_ioctl(request.nr, &mut request.buffer).map_err(|_| -1)?;
        let word = |at: usize| u32::from_le_bytes(request.buffer[at..at + 4].try_into().expect("four bytes"));
        if word(28) & DATA_OUT == 0 {
            return Ok(String::new());
        }
        let answer = request.buffer.get(word(16) as usize..).unwrap_or_default();
        let answer: Vec<u8> = answer.iter().copied().take_while(|&byte| byte != 0).collect();
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn remove(&mut self, device: u32) -> Result<(), i32> {
        self.devices.remove(&device);
        self.ask(Request::new(nr::DEV_REMOVE, HEADER).name(&format!("t{device}")))
    }

    fn directory(&self) -> std::path::PathBuf {
        self.directory.clone()
    }

    fn reset(&mut self) -> Result<(), i32> {
        for device in std::mem::take(&mut self.devices).into_iter().rev() {
            self.ask(Request::new(nr::DEV_REMOVE, HEADER).name(&format!("t{device}")))?;
        }
        Ok(())
    }
}

/// The scripts of tables and I/O: number of steps compared, and what differs.
fn scripts(
    rump: Rump,
    control: &File,
    directory: &std::path::Path,
    scripts: impl Iterator<Item = (String, Vec<Step>)>,
) -> (usize, Vec<String>) {
    let (mut steps, mut differences) = (0, Vec::new());
    let (here, there) = (directory.join("here"), directory.join("sim"));
    for directory in [&here, &there] {
        std::fs::create_dir_all(directory).expect("a directory");
    }
    let mut kernel = Kernel {
        rump,
        control,
        devices: BTreeSet::new(),
        directory: here,
    };
    for (name, script) in scripts {
        let mut sim = Engine::in_directory(&there);
        for machine in [&mut sim as &mut dyn Machine, &mut kernel] {
            data::fill(machine).expect("the disks are writable");
        }
        for (index, step) in script.iter().enumerate() {
            let (expected, got) = (data::play(&mut sim, step), data::play(&mut kernel, step));
            steps += 1;
            if got != expected {
                differences.push(format!("{name} [{index}]: {step}\n   sim  {expected}\n   here {got}"));
                let _ = data::play(&mut kernel, &Step::End);
                break;
            }
        }
    }
    (steps, differences)
}

fn main() {
    let libraries: Vec<String> = std::env::args().skip(1).collect();
    let rump = match Rump::start(&libraries) {
        Ok(rump) => rump,
        Err(reason) => {
            eprintln!("dm-rump: {reason}");
            std::process::exit(2);
        }
    };
    let control = rump
        .open("/dev/mapper/control", READ_WRITE)
        .expect("the control node opens");
    // Paths that the sequences name.
    let _ = rump.mkdir("/etc");
    let mut failed = 0;
    let mut passed = 0;
    let mut report = |name: &str, differences: Vec<String>| {
        if differences.is_empty() {
            passed += 1;
            println!("ok      {name}");
        } else {
            failed += 1;
            println!("FAILED  {name}");
            for difference in differences.iter().take(20) {
                println!("   {difference}");
            }
        }
    };
    let (count, differences) = sequences(&control);
    report(
        &format!("{count} requests answered as in the test host, which has the same targets"),
        differences,
    );
    let directory = std::env::temp_dir().join(format!("dm-rump.{}", std::process::id()));
    let subjects = SUBJECTS
        .into_iter()
        .flat_map(|subject| (0..8).map(move |seed| (format!("{subject} {seed}"), data::generated(subject, seed))));
    let (count, differences) = scripts(rump, &control, &directory, subjects);
    report(
        &format!("{count} steps of tables and I/O as in the test host"),
        differences,
    );
    let snapshots = (0..24).map(|seed| (format!("snapshots {seed}"), data::snapshots(seed)));
    let exchanges = [8, 16, 64, 256].map(|chunk| {
        let name = format!("exchange-{chunk}");
        (name.clone(), data::exchange(chunk, Some(&name), &[&name]))
    });
    let (count, differences) = scripts(rump, &control, &directory, snapshots.chain(exchanges));
    report(
        &format!("{count} steps of snapshots, their merges and stores as in the test host"),
        differences,
    );
    let mirrors = (0..16).map(|seed| (format!("mirrors {seed}"), data::mirrors(seed)));
    let exchanges = [2, 8, 32, 128].map(|region| {
        let name = format!("mirror-{region}");
        (name.clone(), data::exchange_mirror(region, Some(&name), &[&name]))
    });
    let (count, differences) = scripts(rump, &control, &directory, mirrors.chain(exchanges));
    report(
        &format!("{count} steps of mirrors and their logs as in the test host"),
        differences,
    );
    // NetBSD has no durable writes here (see dm.4), and no writes of zeroes without data.
    let mut log_writes = data_targets::log_writes();
    log_writes.retain(|step| !matches!(step, Step::Sync(..) | Step::Zero(..)));
    // Scripts before it have left their data on the disk.
    log_writes.insert(0, Step::Zero(Dev::Disk(1), 0, 1024));
    for (name, script) in [
        ("crypt", data_targets::crypt()),
        ("dust", data_targets::dust()),
        ("switch and unstriped", data_targets::switch_and_unstriped()),
        ("log-writes", log_writes),
    ] {
        let (count, differences) = scripts(rump, &control, &directory, [(name.into(), script)].into_iter());
        report(&format!("{count} steps of {name} as in the test host"), differences);
    }
    let _ = std::fs::remove_dir_all(&directory);
    for (name, test) in driver::TESTS
        .iter()
        .chain(crypt::TESTS)
        .chain(mirror::TESTS)
        .chain(control::TESTS)
    {
        reset(&control);
        let result = test(&driver::Machine {
            rump,
            control: &control,
        });
        report(name, result.err().into_iter().collect());
    }
    reset(&control);
    drop(control);
    report(
        "the module is unloaded when it is empty, and loaded again",
        control::module(rump).err().into_iter().collect(),
    );
    println!("dm-rump: {passed} passed, {failed} failed");
    std::process::exit(i32::from(failed != 0));
}
