//! The request sequences that the engine and Linux must answer alike: written by hand, and generated.
//!
//! Both sides start without devices, give minors from 0 up, and have the disks `/dev/ram0` to `/dev/ram15` (1:0 to 1:15,
//! 131072 sectors each).

use crate::requests::{HEADER, Request, flag, nr};

/// A named list of requests that start from an empty engine.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// What it is about.
    pub name: String,
    /// The requests in order.
    pub requests: Vec<Request>,
}

const BIG: usize = 16384;

/// Creates a device.
#[must_use]
pub fn create(name: &str, uuid: &str) -> Request {
    Request::new(nr::DEV_CREATE, BIG)
        .name(name)
        .uuid(uuid)
        .flags(flag::EXISTS)
}
/// Loads a table.
#[must_use]
pub fn load(name: &str, lines: &[(u64, u64, &str, &str)]) -> Request {
    Request::new(nr::TABLE_LOAD, HEADER)
        .name(name)
        .flags(flag::EXISTS)
        .table(lines)
}
/// Resumes a device.
#[must_use]
pub fn resume(name: &str) -> Request {
    Request::new(nr::DEV_SUSPEND, 2048).name(name).flags(flag::EXISTS)
}
/// Suspends a device.
#[must_use]
pub fn suspend(name: &str) -> Request {
    resume(name).flags(flag::SUSPEND)
}
/// Asks about a device.
#[must_use]
pub fn status(name: &str) -> Request {
    Request::new(nr::DEV_STATUS, 2048).name(name).flags(flag::EXISTS)
}
/// Asks for a device's table.
#[must_use]
pub fn table(name: &str) -> Request {
    Request::new(nr::TABLE_STATUS, BIG)
        .name(name)
        .flags(flag::EXISTS | flag::STATUS_TABLE)
}
/// Asks for the status of a device's targets.
#[must_use]
pub fn target_status(name: &str) -> Request {
    Request::new(nr::TABLE_STATUS, BIG).name(name).flags(flag::EXISTS)
}
/// Asks for a device's components.
#[must_use]
pub fn deps(name: &str) -> Request {
    Request::new(nr::TABLE_DEPS, BIG).name(name).flags(flag::EXISTS)
}
/// Removes a device.
#[must_use]
pub fn remove(name: &str) -> Request {
    Request::new(nr::DEV_REMOVE, 2048).name(name).flags(flag::EXISTS)
}
/// Drops the inactive table.
#[must_use]
pub fn clear(name: &str) -> Request {
    Request::new(nr::TABLE_CLEAR, 2048).name(name).flags(flag::EXISTS)
}
/// Renames a device.
#[must_use]
pub fn rename(name: &str, new: &str) -> Request {
    Request::new(nr::DEV_RENAME, 2048)
        .name(name)
        .flags(flag::EXISTS)
        .text(new)
}
/// Asks for all devices.
#[must_use]
pub fn list() -> Request {
    Request::new(nr::LIST_DEVICES, BIG).flags(flag::EXISTS)
}
/// Sends a message to a target.
#[must_use]
pub fn message(name: &str, sector: u64, text: &str) -> Request {
    Request::new(nr::TARGET_MSG, BIG)
        .name(name)
        .flags(flag::EXISTS)
        .message(sector, text)
}
fn geometry(name: &str, text: &str) -> Request {
    Request::new(nr::DEV_SET_GEOMETRY, 2048)
        .name(name)
        .flags(flag::EXISTS)
        .text(text)
}
fn inactive(request: Request) -> Request {
    request.flags(flag::QUERY_INACTIVE_TABLE)
}

const LINEAR: (u64, u64, &str, &str) = (0, 64, "linear", "/dev/ram0 0");

/// The sequences written by hand.
#[must_use]
pub fn by_hand() -> Vec<Sequence> {
    let mut all = Vec::new();
    let mut add = |name: &str, requests: Vec<Request>| {
        all.push(Sequence {
            name: name.into(),
            requests,
        })
    };

    add(
        "life of a device",
        vec![
            create("a", "U-a"),
            status("a"),
            load("a", &[LINEAR, (64, 8, "error", ""), (72, 8, "zero", "")]),
            status("a"),
            table("a"),
            inactive(table("a")),
            inactive(status("a")),
            inactive(deps("a")),
            deps("a"),
            resume("a"),
            status("a"),
            table("a"),
            target_status("a"),
            deps("a"),
            resume("a"),
            suspend("a"),
            status("a"),
            suspend("a"),
            resume("a"),
            load("a", &[(0, 128, "linear", "1:1 8")]),
            status("a"),
            clear("a"),
            status("a"),
            load("a", &[(0, 128, "linear", "1:1 8")]),
            suspend("a"),
            resume("a"),
            table("a"),
            remove("a"),
            status("a"),
            remove("a"),
        ],
    );
    add(
        "names and uuids",
        vec![
            create("", "U"),
            create("sl/ash", ""),
            create("a", "U-a"),
            create("a", "other"),
            create("b", "U-a"),
            create("b", ""),
            create(&"n".repeat(127), "U-long"),
            create(&"m".repeat(128), "U-long2"),
            create("u", &"u".repeat(128)),
            create("v", &"v".repeat(129)),
            list(),
            list().flags(flag::UUID),
            rename("a", "c"),
            rename("c", ""),
            rename("c", "x/y"),
            rename("c", "b"),
            rename("c", "c"),
            rename("c", &"z".repeat(127)),
            rename("nosuch", "d"),
            rename("b", "U-new").flags(flag::UUID),
            rename("b", "U-new2").flags(flag::UUID),
            rename("u", "U-a").flags(flag::UUID),
            status("b"),
            Request::new(nr::DEV_STATUS, 2048).uuid("U-new"),
            Request::new(nr::DEV_STATUS, 2048).uuid("U-new").name("b"),
            Request::new(nr::DEV_STATUS, 2048).uuid("nosuch"),
            Request::new(nr::DEV_STATUS, 2048).dev(254, 0),
            Request::new(nr::DEV_STATUS, 2048).dev(254, 99),
            Request::new(nr::DEV_STATUS, 2048).dev(8, 0),
            Request::new(nr::DEV_STATUS, 2048).name("b").dev(254, 1),
            Request::new(nr::DEV_STATUS, 2048),
            list().flags(flag::UUID),
        ],
    );
    add(
        "persistent minors",
        vec![
            create("p5", "").flags(flag::PERSISTENT_DEV).dev(254, 5),
            create("p5b", "").flags(flag::PERSISTENT_DEV).dev(254, 5),
            create("first", ""),
            create("other-major", "").flags(flag::PERSISTENT_DEV).dev(8, 7),
            create("high", "").flags(flag::PERSISTENT_DEV).dev(254, 1000),
            remove("p5"),
            create("p5c", "").flags(flag::PERSISTENT_DEV).dev(254, 5),
            list(),
        ],
    );
    let mut bad = vec![create("a", ""), load("a", &[])];
    for lines in [
        &[(0, 0, "linear", "/dev/ram0 0")][..],
        &[(8, 8, "linear", "/dev/ram0 0")],
        &[LINEAR, (72, 8, "zero", "")],
        &[LINEAR, (56, 8, "zero", "")],
        &[LINEAR, (64, 0, "zero", "")],
        &[(0, 8, "nosuchtype", "")],
        &[(0, 8, "", "")],
        &[(0, u64::MAX, "zero", "")],
        &[(0, 8, "zero", ""), (8, u64::MAX - 7, "zero", "")],
        &[(0, 1 << 55, "zero", "")],
        &[(0, 8, "linear", "")],
        &[(0, 8, "linear", "/dev/ram0")],
        &[(0, 8, "linear", "/dev/ram0 0 1")],
        &[(0, 8, "linear", "/dev/ram0 x")],
        &[(0, 8, "linear", "/dev/ram0 8x")],
        &[(0, 8, "linear", "/dev/ram0 -8")],
        &[(0, 8, "linear", "/dev/ram0 +8")],
        &[(0, 8, "linear", "/dev/ram0 0x10")],
        &[(0, 8, "linear", "/dev/ram0 99999999999999999999")],
        &[(0, 8, "linear", "/dev/ram0 18446744073709551615")],
        &[(0, 8, "linear", "/dev/nosuch 0")],
        &[(0, 8, "linear", "/dev/null 0")],
        &[(0, 8, "linear", "/etc 0")],
        &[(0, 8, "linear", "nosuch 0")],
        &[(0, 8, "linear", "8:200 0")],
        &[(0, 8, "linear", "99:99 0")],
        &[(0, 8, "linear", "1: 0")],
        &[(0, 8, "linear", "1:0x 0")],
        &[(0, 8, "linear", "254:0 0")],
        &[(0, 7, "linear", "1:0 1")],
        &[(0, 256, "striped", "2 7 1:0 0 1:1 0")],
        &[(0, 257, "striped", "2 8 1:0 0 1:1 0")],
        &[(0, 256, "striped", "0 8")],
        &[(0, 256, "striped", "2 0 1:0 0 1:1 0")],
        &[(0, 256, "striped", "2 8 1:0 0 1:1")],
        &[(0, 256, "striped", "2 8 1:0 0 1:1 0 1:2")],
        &[(0, 256, "striped", "2 8 1:0 0")],
        &[(0, 256, "striped", "x 8 1:0 0 1:1 0")],
        &[(0, 256, "striped", "2 x 1:0 0 1:1 0")],
        &[(0, 256, "striped", "2 8 1:0 x 1:1 0")],
        &[(0, 256, "striped", "")],
        &[(0, 8, "zero", "x")],
        &[(0, 8, "delay", "")],
        &[(0, 8, "delay", "1:0 0")],
        &[(0, 8, "delay", "1:0 0 x")],
        &[(0, 8, "delay", "1:0 0 10 1:1")],
        &[(0, 8, "delay", "1:0 0 10 1:1 0")],
        &[(0, 8, "delay", "1:0 0 10 1:1 0 10 1:2 0")],
        &[(0, 8, "delay", "1:0 0 10 1:1 0 10 1:2 0 10 1")],
        &[(0, 8, "flakey", "1:0 0")],
        &[(0, 8, "flakey", "1:0 0 1")],
        &[(0, 8, "flakey", "1:0 0 0 0")],
        &[(0, 8, "flakey", "1:0 0 4294967295 1")],
        &[(0, 8, "flakey", "1:0 0 1 1 1")],
        &[(0, 8, "flakey", "1:0 0 1 1 1 nosuch")],
        &[(0, 8, "flakey", "1:0 0 1 1 2 drop_writes error_writes")],
        &[(0, 8, "flakey", "1:0 0 1 1 4 corrupt_bio_byte 1 r 1")],
        &[(0, 8, "flakey", "1:0 0 1 1 5 corrupt_bio_byte 0 r 1 0")],
        &[(0, 8, "flakey", "1:0 0 1 1 5 corrupt_bio_byte 1 x 1 0")],
        &[(0, 8, "flakey", "1:0 0 1 1 5 corrupt_bio_byte 1 r 256 0")],
        &[(0, 8, "flakey", "1:0 0 1 1 6 corrupt_bio_byte 1 w 1 0 drop_writes")],
    ] {
        bad.push(load("a", lines));
        bad.push(status("a"));
    }
    add("tables that are refused", bad);

    // A device each: Linux checks sizes when a device gets its first table and again at resume, but lets a later load of a
    // table that does not fit pass. The engine refuses it at every load.
    let small = [
        (0, 8, "linear", "1:0 131072"),
        (0, 8, "linear", "1:0 131065"),
        (0, 131_073, "linear", "1:0 0"),
        (0, 262_400, "striped", "2 8 1:0 0 1:1 0"),
        (0, 8, "delay", "1:0 131072 0"),
        (0, 8, "flakey", "1:0 131072 1 1"),
    ];
    add(
        "components that are too small",
        small
            .iter()
            .flat_map(|line| [create("s", ""), load("s", &[*line]), status("s"), remove("s")])
            .collect(),
    );

    let mut good = vec![create("a", "")];
    for lines in [
        &[(0, 8, "linear", "  1:0   8  ")][..],
        &[(0, 8, "linear", "\t1:0\t8")],
        &[(0, 8, "linear", "/dev/\\ram0 8")],
        &[(0, 8, "linear", "/dev/ram0 00")],
        &[(0, 131_072, "linear", "1:0 0")],
        &[(0, 96, "striped", "2 48 1:0 0 1:1 0")],
        &[(0, 24, "striped", "3 8 1:0 0 1:1 8 1:2 16")],
        &[(0, 16, "striped", "1 8 1:0 0")],
        &[(0, 8, "error", "any thing at all")],
        &[(0, 8, "zero", " ")],
        &[(0, 8, "delay", "1:0 0 10")],
        &[(0, 8, "delay", "1:0 0 10 1:1 8 20")],
        &[(0, 8, "delay", "1:0 0 10 1:1 8 20 1:2 16 30")],
        &[(0, 8, "flakey", "1:0 0 5 2")],
        &[(0, 8, "flakey", "1:0 0 5 2 0")],
        &[(0, 8, "flakey", "1:0 0 5 2 1 drop_writes")],
        &[(0, 8, "flakey", "1:0 0 5 2 1 error_writes")],
        &[(0, 8, "flakey", "1:0 0 5 2 5 corrupt_bio_byte 32 r 1 0")],
        &[(0, 8, "flakey", "1:0 0 5 2 5 corrupt_bio_byte 32 w 1 0")],
        &[(0, 8, "flakey", "1:0 0 5 2 6 corrupt_bio_byte 32 r 1 0 drop_writes")],
        &[
            (0, 8, "linear", "1:0 0"),
            (8, 8, "linear", "1:0 8"),
            (16, 8, "linear", "1:1 0"),
        ],
        &[(0, 0x10_0000_0000, "zero", "")],
    ] {
        good.extend([
            load("a", lines),
            inactive(table("a")),
            inactive(deps("a")),
            resume("a"),
            table("a"),
            target_status("a"),
            deps("a"),
            status("a"),
        ]);
    }
    add("tables that are accepted", good);

    add(
        "malformed requests",
        vec![
            Request::new(nr::VERSION, HEADER),
            Request::new(nr::VERSION, HEADER).put_u32(0, 5),
            Request::new(nr::VERSION, HEADER).put_u32(4, 99),
            Request::new(nr::VERSION, HEADER).put_u32(12, 0),
            Request::new(nr::LIST_DEVICES, HEADER).put_u32(0, 3),
            Request::new(nr::LIST_DEVICES, HEADER).put_u32(4, 1000),
            Request::new(nr::LIST_DEVICES, HEADER).put_u32(8, 1000),
            Request::new(nr::LIST_DEVICES, HEADER).put_u32(12, 0),
            Request::new(nr::LIST_DEVICES, HEADER).put_u32(12, 304),
            Request::new(nr::LIST_DEVICES, HEADER).put_u32(12, 305),
            Request::new(nr::LIST_DEVICES, HEADER).put_u32(12, 311),
            Request::new(nr::LIST_DEVICES, HEADER).put_u32(12, 312),
            Request::new(99, HEADER),
            Request::new(18, HEADER),
            create("a", ""),
            load("a", &[LINEAR]).put_u32(16, 0),
            load("a", &[LINEAR]).put_u32(16, 311),
            load("a", &[LINEAR]).put_u32(16, 313),
            load("a", &[LINEAR]).put_u32(16, 4000),
            load("a", &[LINEAR]).put_u32(16, 0xffff_fff8),
            load("a", &[LINEAR]).put_u32(20, 0),
            load("a", &[LINEAR]).put_u32(20, 2),
            load("a", &[LINEAR]).put_u32(20, 0xffff_ffff),
            load("a", &[LINEAR, (64, 8, "zero", "")]).put_u32(HEADER + 20, 0),
            load("a", &[LINEAR, (64, 8, "zero", "")]).put_u32(HEADER + 20, 8),
            load("a", &[LINEAR, (64, 8, "zero", "")]).put_u32(HEADER + 20, 52),
            load("a", &[LINEAR, (64, 8, "zero", "")]).put_u32(HEADER + 20, 0xffff_ffff),
            load("a", &[LINEAR, (64, 8, "zero", "")]).put_u32(HEADER + 20, 4096),
            load("a", &[(0, 8, "zerozerozerozero", "")]),
            load("nosuch", &[LINEAR]),
            resume("a"),
            suspend("a"),
            status("a"),
            resume("a"),
            table("nosuch"),
            deps("nosuch"),
            clear("nosuch"),
            suspend("nosuch"),
            resume("nosuch"),
            clear("a"),
            status("a").flags(0xff80_0000),
            rename("a", "b").put(HEADER, &[b'x'; 1736]),
            Request::new(nr::DEV_RENAME, HEADER).name("a"),
            Request::new(nr::DEV_RENAME, 313).name("a"),
            create("shorter", "").put_u32(12, 312),
        ],
    );
    add(
        "small buffers",
        (0..24)
            .map(|i| create(&format!("dev{i:02}"), &format!("UUID-{i}")))
            .chain([load(
                "dev00",
                &[LINEAR, (64, 64, "striped", "2 8 1:0 64 1:1 64"), (128, 8, "error", "")],
            )])
            .chain([resume("dev00")])
            .chain(
                [
                    312, 313, 320, 328, 336, 344, 352, 360, 376, 400, 420, 421, 424, 440, 448, 456,
                ]
                .into_iter()
                .flat_map(|size| {
                    [
                        Request::new(nr::LIST_DEVICES, size),
                        Request::new(nr::LIST_DEVICES, size).flags(flag::UUID),
                        Request::new(nr::TABLE_STATUS, size)
                            .name("dev00")
                            .flags(flag::STATUS_TABLE),
                        Request::new(nr::TABLE_STATUS, size).name("dev00"),
                        Request::new(nr::TABLE_DEPS, size).name("dev00"),
                        Request::new(nr::DEV_STATUS, size).name("dev00"),
                    ]
                }),
            )
            .collect(),
    );
    add(
        "stacked devices",
        vec![
            create("base", "U-base"),
            create("top", "U-top"),
            load("base", &[(0, 1024, "linear", "/dev/ram0 0")]),
            load("top", &[(0, 1024, "linear", "254:0 0")]),
            resume("base"),
            load("top", &[(0, 1024, "linear", "254:0 0")]),
            status("base"),
            resume("top"),
            status("base"),
            status("top"),
            deps("top"),
            deps("base"),
            remove("base"),
            load("base", &[(0, 1024, "linear", "254:0 0")]),
            load("top", &[(0, 1024, "linear", "254:1 0")]),
            load("top", &[(0, 8, "error", "")]),
            status("base"),
            suspend("top"),
            resume("top"),
            status("base"),
            remove("base"),
            remove("top"),
            list(),
        ],
    );
    add(
        "removal",
        vec![
            create("base", ""),
            create("top", ""),
            load("base", &[(0, 1024, "linear", "/dev/ram0 0")]),
            resume("base"),
            load("top", &[(0, 1024, "linear", "254:0 0")]),
            resume("top"),
            remove("base"),
            remove("base").flags(flag::DEFERRED_REMOVE),
            status("base"),
            message("base", 0, "@cancel_deferred_remove"),
            status("base"),
            remove("base").flags(flag::DEFERRED_REMOVE),
            Request::new(nr::REMOVE_ALL, HEADER),
            list(),
            create("s", ""),
            load("s", &[LINEAR]),
            resume("s"),
            suspend("s"),
            remove("s"),
            create("i", ""),
            load("i", &[LINEAR]),
            remove("i"),
            list(),
        ],
    );
    add(
        "messages, geometry, events",
        vec![
            create("a", ""),
            message("a", 0, "hello"),
            geometry("a", "1 2 3 4"),
            Request::new(nr::DEV_WAIT, 2048).name("a").event(1),
            load("a", &[LINEAR]),
            resume("a"),
            message("a", 0, "hello"),
            message("a", 63, "hello"),
            message("a", 64, "hello"),
            message("a", 0, ""),
            message("a", 0, " "),
            message("a", 0, "@nosuch"),
            message("a", 0, "@cancel_deferred_remove"),
            message("a", 0, "@cancel_deferred_remove x"),
            message("nosuch", 0, "hello"),
            geometry("a", "1 2 3 4"),
            geometry("a", "1 2 3"),
            geometry("a", "1 2 3 4 5"),
            geometry("a", "1 2 3 x"),
            geometry("a", "65536 2 3 4"),
            geometry("a", "1 256 3 4"),
            geometry("a", "1 2 256 4"),
            geometry("a", "1 1 1 1000000"),
            geometry("a", ""),
            geometry("nosuch", "1 2 3 4"),
            Request::new(nr::DEV_WAIT, 2048).name("a").event(1),
            Request::new(nr::DEV_WAIT, 2048)
                .name("a")
                .event(1)
                .flags(flag::STATUS_TABLE),
            Request::new(nr::DEV_WAIT, 2048).name("nosuch").event(1),
            rename("a", "b"),
            Request::new(nr::DEV_WAIT, 2048).name("b").event(0),
            status("b"),
            rename("b", "c"),
            status("c"),
            list(),
            Request::new(nr::DEV_ARM_POLL, HEADER),
            Request::new(nr::GET_TARGET_VERSION, BIG).name("linear"),
            Request::new(nr::GET_TARGET_VERSION, BIG).name("striped"),
            Request::new(nr::GET_TARGET_VERSION, BIG).name("error"),
            Request::new(nr::GET_TARGET_VERSION, BIG).name("zero"),
            Request::new(nr::GET_TARGET_VERSION, BIG).name("delay"),
            Request::new(nr::GET_TARGET_VERSION, BIG).name("flakey"),
            Request::new(nr::GET_TARGET_VERSION, BIG).name("nosuch"),
            Request::new(nr::GET_TARGET_VERSION, BIG).name(""),
            Request::new(nr::GET_TARGET_VERSION, HEADER).name("linear"),
        ],
    );
    add(
        "flags",
        vec![
            create("ro", "").flags(flag::READONLY),
            status("ro"),
            load("ro", &[LINEAR]).flags(flag::READONLY),
            status("ro"),
            inactive(status("ro")),
            resume("ro"),
            status("ro"),
            load("ro", &[LINEAR]),
            status("ro"),
            inactive(status("ro")),
            resume("ro"),
            status("ro"),
            suspend("ro").flags(flag::NOFLUSH | flag::SKIP_LOCKFS),
            status("ro"),
            resume("ro").flags(flag::NOFLUSH | flag::SKIP_LOCKFS),
            load("ro", &[LINEAR]).flags(flag::SECURE_DATA),
            table("ro").flags(flag::SECURE_DATA),
            load("ro", &[(0, 8, "nosuch", "")]).flags(flag::SECURE_DATA),
            status("nosuch").flags(flag::SECURE_DATA),
            clear("ro").flags(flag::QUERY_INACTIVE_TABLE),
            inactive(target_status("ro")),
        ],
    );
    all
}

/// A small deterministic generator (xorshift64*), so that a failing sequence can be made again from its seed.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A generator; equal seeds give equal sequences.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap_or(0) % n.max(1)
    }

    /// One of the items.
    pub fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One of the texts.
    pub fn pick(&mut self, items: &[&'static str]) -> &'static str {
        items[self.below(items.len())]
    }
}

fn any_line(random: &mut Random, start: u64) -> (u64, u64, &'static str, String) {
    let length = *random.of(&[8_u64, 16, 24, 48, 64, 96, 1000]);
    let disk = random.below(4);
    let offset = *random.of(&[0_u64, 8, 64, 1024, 4096, 100_000]);
    let dev = match random.below(8) {
        0 => format!("254:{}", random.below(3)),
        1 => format!("/dev/ram{disk}"),
        _ => format!("1:{disk}"),
    };
    let (target, params) = match random.below(8) {
        0..=2 => ("linear", format!("{dev} {offset}")),
        3 => (
            "striped",
            format!("2 {} {dev} 0 1:5 {offset}", random.of(&[4, 8, 12, 24])),
        ),
        4 => ("error", String::new()),
        5 => ("zero", String::new()),
        6 => ("delay", format!("{dev} {offset} 0")),
        _ => (
            "flakey",
            format!(
                "{dev} {offset} 60 0 1 {}",
                random.of(&["drop_writes", "error_writes", "error_reads", "bad"])
            ),
        ),
    };
    (start, length, target, params)
}

fn any_table(random: &mut Random, name: &str) -> Request {
    let mut lines = Vec::new();
    let mut start = 0;
    for _ in 0..=random.below(4) {
        let line = any_line(random, start);
        start += line.1 + u64::from(random.below(20) == 0);
        lines.push(line);
    }
    let lines: Vec<_> = lines.iter().map(|(s, l, t, p)| (*s, *l, *t, p.as_str())).collect();
    load(name, &lines)
}

/// A generated sequence of about `length` requests on few names, so that they meet each other often.
#[must_use]
pub fn generated(seed: u64, length: usize) -> Sequence {
    let mut random = Random::new(seed);
    let names = ["a", "b", "c", "dd"];
    let uuids = ["", "U1", "U2", "LVM-xyz"];
    let mut requests = Vec::new();
    while requests.len() < length {
        let name = random.pick(&names);
        let mut request = match random.below(24) {
            0..=3 => create(name, random.pick(&uuids)),
            4..=7 => any_table(&mut random, name),
            8..=10 => resume(name),
            11 => suspend(name),
            12 => status(name),
            13 => table(name),
            14 => target_status(name),
            15 => deps(name),
            16 => rename(name, random.pick(&names)),
            17 => rename(name, random.pick(&["U3", "U1", "x"])).flags(flag::UUID),
            18 => clear(name),
            19 => remove(name),
            20 => list(),
            21 => list().flags(flag::UUID),
            22 => message(name, *random.of(&[0, 8, 4000]), random.pick(&["x", "@x", ""])),
            _ => Request::new(nr::DEV_STATUS, 2048).dev(254, u32::try_from(random.below(4)).unwrap_or(0)),
        };
        match random.below(12) {
            0 => request = request.flags(flag::QUERY_INACTIVE_TABLE),
            1 => request = request.flags(flag::READONLY),
            2 => request = request.flags(flag::NOFLUSH | flag::SKIP_LOCKFS),
            3 if request.nr != nr::TABLE_LOAD => {
                let size = HEADER + random.below(80);
                request.buffer.resize(size, 0);
                request = request.put_u32(12, u32::try_from(size).unwrap_or(0));
            }
            _ => {}
        }
        requests.push(request);
    }
    Sequence {
        name: format!("generated from seed {seed}"),
        requests,
    }
}
