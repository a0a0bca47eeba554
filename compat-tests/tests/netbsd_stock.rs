//! The library on NetBSD's stock driver, simulated with all its mistakes (`dm_sim::stock`): nothing that crashes it is
//! sent, and users see what they would see on Linux, which the engine stands for.

use std::sync::{Arc, Mutex};

use compat_tests::requests::{Request, flag, nr};
use compat_tests::sequences::{
    Random, Sequence, clear, create, deps, list, load, remove, rename, resume, status, suspend, table, target_status,
};
use dm_abi::errno::Errno;
use dm_abi::ioctl::reply::{read_deps, read_names, read_status, read_versions};
use dm_abi::ioctl::{Header, encode_dev};
use dm_core::control::{Control, Outcome};
use dm_sim::disk::Disk;
use dm_sim::host::Sim;
use dm_sim::stock::{StockDriver, Year};
use libdevmapper::task::DevNo;
use libdevmapper::transport::plist::{Channel, Machine, Stock};
use libdevmapper::transport::{Failure, Transport};
use proptest::prelude::*;

const MAJOR: u32 = 169;
/// Sectors of each disk.
const SECTORS: u64 = 131_072;

/// Number of a path on the machine of these tests: sixteen disks, one more with a long name, and the driver's devices.
fn number(path: &[u8]) -> Result<DevNo, Errno> {
    let path = std::str::from_utf8(path).map_err(|_| Errno::ENOENT)?;
    let minor = |text: Option<&str>, most: u32| text.and_then(|n| n.parse().ok()).filter(|&n: &u32| n < most);
    if matches!(path, "/dev/null" | "/etc") {
        Err(Errno::ENOTBLK)
    } else if let Some(minor) = minor(path.strip_prefix("/dev/ram"), 16) {
        Ok(DevNo { major: 1, minor })
    } else if path == "/dev/disk/by-path/a-name-of-more-than-31-bytes" {
        Ok(DevNo { major: 1, minor: 3 })
    } else if let Some(minor) = minor(path.strip_prefix("/dev/mapper/node"), 1000) {
        Ok(DevNo { major: MAJOR, minor })
    } else {
        Err(Errno::ENOENT)
    }
}

#[derive(Clone, Copy, Debug)]
struct TestMachine {
    privileged: bool,
}

impl Machine for TestMachine {
    fn number(&self, path: &[u8]) -> Result<DevNo, Errno> {
        number(path)
    }

    fn path(&self, dev: DevNo, longest: usize) -> Option<Vec<u8>> {
        let path = match dev.major {
            1 if dev.minor < 16 => format!("/dev/ram{}", dev.minor),
            MAJOR => format!("/dev/mapper/node{}", dev.minor),
            _ => return None,
        };
        Some(path.into_bytes()).filter(|path| path.len() <= longest)
    }

    fn sectors(&self, path: &[u8]) -> Option<u64> {
        number(path).ok().filter(|dev| dev.major == 1).map(|_| SECTORS)
    }

    fn is_used(&self, _dev: DevNo, _name: &[u8]) -> bool {
        false
    }

    fn try_open(&self, _path: &[u8]) -> Result<(), Errno> {
        Ok(())
    }

    fn is_privileged(&self) -> bool {
        self.privileged
    }
}

#[derive(Clone, Debug)]
struct Driver(Arc<Mutex<StockDriver>>);

impl Channel for Driver {
    fn exchange(&self, _command: u32, xml: &[u8]) -> Result<Vec<u8>, Failure> {
        let answer = self.0.lock().expect("the kernel has not panicked").ioctl(xml);
        answer.map_err(Failure::Refused)
    }

    fn wait_event(&self) -> Result<(), Failure> {
        Err(Failure::Broken)
    }

    fn try_open(&self, node: &[u8]) -> Result<(), Failure> {
        let driver = self.0.lock().expect("the kernel has not panicked");
        match driver.is_open(node) {
            Some(true) => Err(Failure::Refused(Errno::EBUSY)),
            Some(false) => Ok(()),
            None => Err(Failure::Refused(Errno::ENXIO)),
        }
    }

    fn block_major(&self) -> Option<u32> {
        Some(MAJOR)
    }

    fn char_major(&self) -> Option<u32> {
        Some(194)
    }

    fn label(&self) -> String {
        "the simulated driver".into()
    }
}

fn driver(year: Year) -> Driver {
    let lookup = |path: &[u8]| number(path).ok().map(|dev| encode_dev(dev.major, dev.minor));
    Driver(Arc::new(Mutex::new(StockDriver::new(year, Box::new(lookup)))))
}

fn stock(driver: &Driver, privileged: bool) -> Stock {
    driver.0.lock().unwrap().privileged = privileged;
    Stock::new(
        Box::new(driver.clone()),
        Box::new(TestMachine { privileged }),
        dm_sim::stock::VERSION,
    )
}

/// The answer to a request, as far as the two drivers can be alike.
fn show(nr: u32, result: Result<(), Errno>, buffer: &[u8], minors: &[u32]) -> String {
    let header = Header::read(buffer).expect("a header");
    if let Err(errno) = result {
        return format!("{errno}");
    }
    let end = usize::try_from(header.data_size).unwrap();
    let payload = buffer.get(312..end).unwrap_or_default();
    // Numbers of mapped devices are given in another order.
    let dev = |dev: u64| match dm_abi::ioctl::decode_dev(dev) {
        (MAJOR | dm_sim::host::MAJOR, minor) => format!("m{:?}", minors.iter().rposition(|&m| m == minor)),
        other => format!("{other:?}"),
    };
    let text = |bytes: &[u8]| {
        let words = String::from_utf8_lossy(bytes).into_owned();
        let words = words.split(' ').map(|word| match word.split_once(':') {
            Some((major, minor)) => dev(encode_dev(major.parse().unwrap(), minor.parse().unwrap())),
            None => word.into(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let payload = match nr {
        nr::LIST_DEVICES => format!(
            "{:?}",
            read_names(payload)
                .map(|entry| (dev(entry.dev), text(entry.name)))
                .collect::<Vec<_>>()
        ),
        nr::TABLE_DEPS => {
            let mut devs: Vec<_> = read_deps(payload).map(dev).collect();
            devs.sort();
            format!("{devs:?}")
        }
        nr::TABLE_STATUS => format!(
            "{:?}",
            read_status(payload, header.target_count)
                .map(|line| (line.start, line.length, text(line.kind), text(line.params)))
                .collect::<Vec<_>>()
        ),
        _ => String::new(),
    };
    let flags = header.flags & !(flag::UEVENT_GENERATED);
    format!(
        "flags {flags:#x} lines {} dev {} name {} uuid {} {payload}",
        header.target_count,
        dev(header.dev),
        text(header.name()),
        text(header.uuid()),
    )
}

/// Both drivers.
struct Pair {
    stock: Stock,
    engine: Control<Sim>,
    stock_minors: Vec<u32>,
    engine_minors: Vec<u32>,
}

impl Pair {
    fn new(year: Year) -> Self {
        let mut sim = Sim::new();
        for minor in 0..16 {
            sim.add_disk(1, minor, &format!("/dev/ram{minor}"), Disk::new(SECTORS));
        }
        for path in ["/dev/null", "/etc"] {
            sim.add_other_path(path);
        }
        Self {
            stock: stock(&driver(year), true),
            engine: Control::new(sim),
            stock_minors: Vec::new(),
            engine_minors: Vec::new(),
        }
    }

    fn ask_engine(&mut self, request: &Request) -> (Result<(), Errno>, Vec<u8>) {
        let mut buffer = request.buffer.clone();
        let mut outcome = self.engine.request(request.nr, &mut buffer);
        loop {
            match outcome {
                Outcome::Done(result) => return (result.map(drop), buffer),
                Outcome::Wait(ticket, _) => {
                    self.engine.host_mut().run();
                    outcome = self.engine.proceed(ticket, Ok(()), &mut buffer);
                }
            }
        }
    }

    fn ask(&mut self, request: &Request) -> (String, String) {
        let mut buffer = request.buffer.clone();
        let result = match self.stock.ioctl(request.nr, &mut buffer) {
            Ok(()) => Ok(()),
            Err(Failure::Refused(errno)) => Err(errno),
            Err(Failure::Broken) => panic!("the driver is broken"),
        };
        let (engine_result, engine_buffer) = self.ask_engine(request);
        if request.nr == nr::DEV_CREATE && result.is_ok() && engine_result.is_ok() {
            let minor = |buffer: &[u8]| dm_abi::ioctl::decode_dev(Header::read(buffer).unwrap().dev).1;
            self.stock_minors.push(minor(&buffer));
            self.engine_minors.push(minor(&engine_buffer));
        }
        (
            show(request.nr, result, &buffer, &self.stock_minors),
            show(request.nr, engine_result, &engine_buffer, &self.engine_minors),
        )
    }
}

fn compare(sequence: &Sequence, year: Year) {
    let mut pair = Pair::new(year);
    for request in &sequence.requests {
        let (stock, engine) = pair.ask(request);
        // Which of several mistakes in a table is reported is nobody's business.
        let both_refuse = !stock.starts_with("flags") && !engine.starts_with("flags");
        if request.nr == nr::TABLE_LOAD && request.buffer[20] > 1 && both_refuse {
            continue;
        }
        assert_eq!(stock, engine, "{year:?} {}: {request:?}", sequence.name);
    }
}

/// The types that the driver has: `error` and `zero` are not of them in 2016.
fn kind_of(year: Year, kind: &'static str, params: String) -> (&'static str, String) {
    match (year, kind) {
        (Year::Y2016, "error" | "zero") => ("linear", "/dev/ram4 8".into()),
        _ => (kind, params),
    }
}

fn any_line(random: &mut Random, start: u64, year: Year) -> (u64, u64, &'static str, String) {
    let length = *random.of(&[8_u64, 16, 24, 48, 64, 96, 200_000]);
    let dev = random.pick(&[
        "/dev/ram0",
        "/dev/ram1",
        "1:2",
        "1:3",
        "/dev/ram1",
        "1:77",
        "/dev/none",
        "/dev/null",
        "x",
        "1:",
    ]);
    let offset = random.pick(&["0", "8", "1024", "-1", "8x", "", "131064", "18446744073709551615"]);
    let (kind, params) = match random.below(10) {
        0..=3 => ("linear", format!("{dev} {offset}")),
        4..=6 => (
            "striped",
            format!(
                "{} {} {dev} 0 1:5 {offset}",
                random.pick(&["2", "2", "2", "0", "1", "3", "99999999999999999999", "x"]),
                random.pick(&["4", "8", "8", "0", "x", "12"]),
            ),
        ),
        7 => ("error", random.pick(&["", "x"]).into()),
        8 => ("zero", random.pick(&["", "", "x"]).into()),
        _ => (
            random.pick(&["linear", "striped", "nosuch", "linear"]),
            random.pick(&["", "/dev/ram0", "2", "2 8", "/dev/ram0 0 0"]).into(),
        ),
    };
    let (kind, params) = kind_of(year, kind, params);
    (start, length, kind, params)
}

fn any_table(random: &mut Random, name: &str, year: Year) -> Request {
    let mut lines = Vec::new();
    let mut start = 0;
    for _ in 0..=random.below(3) {
        let line = any_line(random, start, year);
        start += line.1 + u64::from(random.below(20) == 0);
        lines.push(line);
    }
    let lines: Vec<_> = lines.iter().map(|(s, l, t, p)| (*s, *l, *t, p.as_str())).collect();
    load(name, &lines)
}

fn good_table(random: &mut Random, name: &str, year: Year) -> Request {
    let (error, error_params) = kind_of(year, "error", String::new());
    let (zero, zero_params) = kind_of(year, "zero", String::new());
    match random.below(3) {
        0 => load(
            name,
            &[(0, 64, "linear", "/dev/ram0 8"), (64, 16, error, &error_params)],
        ),
        1 => load(name, &[(0, 64, "striped", "2 8 1:0 0 1:1 8")]),
        _ => load(
            name,
            &[
                (0, 8, "linear", "1:2 0"),
                (8, 8, "linear", "1:2 100"),
                (16, 8, zero, &zero_params),
            ],
        ),
    }
}

fn any_sequence(seed: u64, year: Year) -> Sequence {
    let mut random = Random::new(seed);
    let names = ["a", "b", "c"];
    let uuids = ["", "U1", "U2"];
    let requests = (0..40).map(|_| {
        let name = random.pick(&names);
        match random.below(24) {
            0..=3 => create(name, random.pick(&uuids)),
            4 => any_table(&mut random, name, year),
            5 => any_table(&mut random, name, year),
            6..=8 => good_table(&mut random, name, year),
            9..=11 => resume(name),
            12 => suspend(name),
            13 => status(name).flags(*random.of(&[0, flag::QUERY_INACTIVE_TABLE])),
            14 => table(name),
            15 => table(name).flags(flag::QUERY_INACTIVE_TABLE),
            16 => target_status(name),
            17 => deps(name),
            18 => deps(name).flags(flag::QUERY_INACTIVE_TABLE),
            19 => rename(name, random.pick(&["a", "b", "c", "x", "y/z", ""])),
            20 => clear(name),
            21 => remove(name),
            22 => list(),
            _ => status("").uuid(random.pick(&["U1", "U2", "U9"])),
        }
    });
    Sequence {
        name: format!("seed {seed}"),
        requests: requests.collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn answers_are_those_of_linux(seed: u64) {
        let year = if seed % 2 == 0 { Year::Y2016 } else { Year::Y2025 };
        compare(&any_sequence(seed, year), year);
    }

    /// Whatever is asked, nothing reaches the driver that crashes it.
    #[test]
    fn nothing_crashes_the_driver(
        seed: u64,
        flags: u32,
        nr in 0..20u32,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let year = if seed % 2 == 0 { Year::Y2016 } else { Year::Y2025 };
        let driver = driver(year);
        let stock = stock(&driver, true);
        // Also what only the other one knows.
        for (at, request) in any_sequence(seed, Year::Y2025).requests.iter().enumerate() {
            let mut request = request.clone();
            if at % 3 == 0 {
                request = request.flags(flags);
            }
            if at % 7 == 0 {
                request.nr = nr;
                let end = request.buffer.len().min(312 + bytes.len());
                request.buffer[312..end].copy_from_slice(&bytes[..end - 312]);
            }
            let _ = stock.ioctl(request.nr, &mut request.buffer);
        }
    }
}

fn refused(stock: &Stock, request: &Request) -> Option<Errno> {
    match stock.ioctl(request.nr, &mut request.buffer.clone()) {
        Ok(()) => None,
        Err(Failure::Refused(errno)) => Some(errno),
        Err(Failure::Broken) => panic!("the driver is broken"),
    }
}

#[test]
fn a_busy_device_is_not_removed() {
    for year in [Year::Y2016, Year::Y2025] {
        let driver = driver(year);
        let stock = stock(&driver, true);
        for request in [
            create("below", ""),
            load("below", &[(0, 64, "linear", "/dev/ram0 0")]),
            resume("below"),
        ] {
            assert_eq!(refused(&stock, &request), None);
        }
        // Open: the driver does nothing, and says nothing.
        assert!(driver.0.lock().unwrap().set_open(b"below", true));
        assert_eq!(refused(&stock, &remove("below")), Some(Errno::EBUSY));
        assert!(driver.0.lock().unwrap().set_open(b"below", false));
        // Under another device: the driver would remove it.
        for request in [create("above", ""), load("above", &[(0, 64, "linear", "169:1 0")])] {
            assert_eq!(refused(&stock, &request), None);
        }
        assert_eq!(
            refused(&stock, &remove("below")),
            Some(Errno::EBUSY),
            "used by an inactive table"
        );
        assert_eq!(refused(&stock, &resume("above")), None);
        assert_eq!(
            refused(&stock, &remove("below")),
            Some(Errno::EBUSY),
            "used by a live table"
        );
        let mut info = status("below").buffer;
        stock.ioctl(nr::DEV_STATUS, &mut info).unwrap();
        assert_eq!(Header::read(&info).unwrap().open_count, 1);
        // No loops, and nothing beyond the end of a device whose size the driver gives as 0.
        assert_eq!(
            refused(&stock, &load("below", &[(0, 8, "linear", "/dev/mapper/node2 0")])),
            Some(Errno::EINVAL)
        );
        assert_eq!(
            refused(&stock, &load("below", &[(0, 8, "linear", "169:1 0")])),
            Some(Errno::EINVAL)
        );
        assert_eq!(
            refused(&stock, &load("above", &[(0, 65, "linear", "169:1 0")])),
            Some(Errno::EINVAL)
        );
        assert_eq!(refused(&stock, &Request::new(nr::REMOVE_ALL, 2048)), None);
        assert!(driver.0.lock().unwrap().names().is_empty());
    }
}

#[test]
fn what_the_driver_cannot_do_is_refused() {
    let old = driver(Year::Y2016);
    let old = self::stock(&old, true);
    let driver = driver(Year::Y2025);
    let stock = stock(&driver, true);
    let unsupported = Some(Errno::EOPNOTSUPP);
    assert_eq!(
        refused(&stock, &create("a", "").flags(flag::PERSISTENT_DEV).dev(169, 9)),
        unsupported
    );
    assert_eq!(refused(&stock, &create("a", "U")), None);
    let good = load("a", &[(0, 64, "linear", "/dev/ram0 0")]);
    assert_eq!(refused(&stock, &good.clone().flags(flag::READONLY)), unsupported);
    assert_eq!(refused(&stock, &rename("a", "U2").flags(flag::UUID)), unsupported);
    assert_eq!(
        refused(&stock, &status("a").put_u32(4, 17)),
        Some(Errno::EINVAL),
        "a newer interface"
    );
    let mut wait = status("a");
    wait.nr = nr::DEV_WAIT;
    assert_eq!(refused(&stock, &wait), unsupported);
    // A name that proplib would not read.
    assert_eq!(refused(&stock, &create("a\u{1}", "")), Some(Errno::EINVAL));
    assert_eq!(refused(&stock, &status("a\u{1}")), Some(Errno::ENXIO));
    // Limits of the driver.
    let long = "/dev/disk/by-path/a-name-of-more-than-31-bytes";
    assert_eq!(
        refused(&stock, &load("a", &[(0, 64, "linear", &format!("{long} 0"))])),
        None
    );
    let stripes = |n: u64| format!("{n} 8{}", " 1:0 0".repeat(usize::try_from(n).unwrap()));
    assert_eq!(refused(&stock, &load("a", &[(0, 120, "striped", &stripes(15))])), None);
    assert_eq!(
        refused(&stock, &load("a", &[(0, 128, "striped", &stripes(16))])),
        Some(Errno::EINVAL)
    );
    // The old one has room for four, and its error and zero crash the kernel.
    assert_eq!(refused(&old, &create("a", "")), None);
    assert_eq!(refused(&old, &load("a", &[(0, 32, "striped", &stripes(4))])), None);
    for line in [
        (0, 40, "striped", stripes(5)),
        (0, 8, "error", String::new()),
        (0, 8, "zero", String::new()),
    ] {
        let table = load("a", &[(line.0, line.1, line.2, &line.3)]);
        assert_eq!(refused(&old, &table), Some(Errno::EINVAL), "{line:?}");
    }
    // The wall of long tables: an error, not a crash.
    let lines: Vec<_> = (0..600).map(|n| (n * 8, 8, "linear", "/dev/ram0 0")).collect();
    let big = load("a", &lines);
    assert_eq!(refused(&old, &big), Some(Errno::EINVAL));
}

#[test]
fn a_resume_keeps_the_table() {
    for year in [Year::Y2016, Year::Y2025] {
        let driver = driver(year);
        let stock = stock(&driver, true);
        let lines = |request: Request| {
            let mut buffer = request.buffer;
            stock.ioctl(nr::TABLE_STATUS, &mut buffer).unwrap();
            Header::read(&buffer).unwrap().target_count
        };
        for request in [
            create("a", ""),
            load("a", &[(0, 64, "linear", "/dev/ram0 0"), (64, 8, "linear", "1:1 0")]),
            resume("a"),
            resume("a"),
            suspend("a"),
            resume("a"),
            resume("a"),
        ] {
            assert_eq!(refused(&stock, &request), None);
        }
        assert_eq!(lines(table("a")), 2);
    }
}

#[test]
fn components_that_others_have_open() {
    for year in [Year::Y2016, Year::Y2025] {
        let driver = driver(year);
        let stock = stock(&driver, true);
        assert_eq!(refused(&stock, &create("a", "")), None);
        assert!(driver.0.lock().unwrap().set_open(b"/dev/ram3", true));
        let striped = load("a", &[(0, 16, "striped", "2 8 1:0 0 1:3 0")]);
        let linear = load("a", &[(0, 16, "linear", "/dev/ram3 0")]);
        for request in [&striped, &linear] {
            assert_eq!(refused(&stock, request), Some(Errno::EBUSY));
        }
        assert!(driver.0.lock().unwrap().set_open(b"/dev/ram3", false));
        for request in [
            &linear,
            &resume("a"),
            // Open by the driver itself, under another path.
            &striped,
            &load(
                "a",
                &[(0, 16, "linear", "/dev/disk/by-path/a-name-of-more-than-31-bytes 0")],
            ),
            &resume("a"),
        ] {
            assert_eq!(refused(&stock, request), None);
        }
    }
}

#[test]
fn users_without_privilege() {
    let driver = driver(Year::Y2025);
    let root = stock(&driver, true);
    for request in [
        create("a", ""),
        load("a", &[(0, 64, "linear", "/dev/ram0 0")]),
        resume("a"),
    ] {
        assert_eq!(refused(&root, &request), None);
    }
    let user = stock(&driver, false);
    let denied = Some(Errno::EACCES);
    assert_eq!(refused(&user, &create("b", "")), denied);
    assert_eq!(refused(&user, &load("a", &[(0, 64, "linear", "/dev/ram1 0")])), denied);
    assert_eq!(refused(&user, &suspend("a")), denied);
    assert_eq!(refused(&user, &rename("a", "b")), denied);
    assert_eq!(refused(&user, &remove("a")), denied);
    assert_eq!(refused(&user, &status("a")), None);
    assert_eq!(refused(&user, &list()), None);
}

#[test]
fn the_drivers_types_and_version() {
    let driver = driver(Year::Y2025);
    let stock = stock(&driver, true);
    let mut buffer = Request::new(nr::LIST_VERSIONS, 2048).buffer;
    stock.ioctl(nr::LIST_VERSIONS, &mut buffer).unwrap();
    let header = Header::read(&buffer).unwrap();
    assert_eq!(header.version, [4, 16, 0]);
    let payload = &buffer[312..header.data_size as usize];
    let types: Vec<_> = read_versions(payload)
        .map(|entry| (entry.name.to_vec(), entry.version))
        .collect();
    assert_eq!(types[0], (b"linear".to_vec(), [1, 0, 2]));
    assert_eq!(types.len(), 4);
    assert_eq!(stock.dm_major(), Some(169));
    assert_eq!(stock.char_major(), Some(194));
}
