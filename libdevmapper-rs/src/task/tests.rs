//! Tasks over a scripted transport: the bytes of requests, and what is made of replies.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bstr::BStr;
use dm_abi::errno::Errno;
use dm_abi::ioctl::load::{TargetSpec, push_record};
use dm_abi::ioctl::{HEADER_SIZE, Header, flag};

use super::*;
use crate::mangle::Mode;
use crate::nodes::Action;
use crate::transport::{Failure, Transport};

/// What the transport answers to one request.
type Answer = Box<dyn Fn(u32, &mut Vec<u8>) -> std::result::Result<(), Failure> + Send>;

/// Answers VERSION like a 4.47.0 driver, other requests by its script, and records them.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    requests: Mutex<Vec<(u32, Vec<u8>)>>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Transport for Script {
    fn ioctl(&self, nr: u32, buffer: &mut [u8]) -> std::result::Result<(), Failure> {
        let request = buffer.to_vec();
        buffer[..12].copy_from_slice(&version_bytes());
        if nr == 0 {
            return Ok(());
        }
        self.requests.lock().unwrap().push((nr, request));
        let answer = self
            .answers
            .lock()
            .unwrap()
            .pop_front()
            .expect("a request that the script does not have");
        let mut reply = buffer.to_vec();
        let result = answer(nr, &mut reply);
        buffer.copy_from_slice(&reply);
        result
    }

    fn dm_major(&self) -> Option<u32> {
        Some(254)
    }

    fn has_udev(&self) -> bool {
        false
    }

    fn wait_event(&self) -> std::result::Result<(), Failure> {
        Ok(())
    }
}

fn version_bytes() -> Vec<u8> {
    [4u32, 47, 0].map(u32::to_ne_bytes).concat()
}

struct Bench {
    script: Arc<Script>,
    library: Arc<Library>,
}

impl Bench {
    fn new() -> Self {
        let script = Arc::new(Script::default());
        let library = Library::with_transport(Arc::clone(&script) as Arc<dyn Transport>);
        Self { script, library }
    }

    fn task(&self, kind: TaskType, name: &str) -> Task {
        let mut task = Task::on(&self.library, kind).unwrap();
        if !name.is_empty() {
            task.set_name(name.as_bytes()).unwrap();
        }
        task
    }

    fn then(&self, answer: impl Fn(u32, &mut Vec<u8>) -> std::result::Result<(), Failure> + Send + 'static) -> &Self {
        self.script.answers.lock().unwrap().push_back(Box::new(answer));
        self
    }

    /// A reply with these flags, this number and no payload.
    fn reply(&self, flags: u32, dev: u64) -> &Self {
        self.then(move |_, buffer| {
            edit(buffer, |header| {
                header.flags = flags;
                header.dev = dev;
                header.data_size = 305;
            });
            Ok(())
        })
    }

    fn refuse(&self, errno: Errno) -> &Self {
        self.then(move |_, _| Err(Failure::Refused(errno)))
    }

    fn requests(&self) -> Vec<(u32, Vec<u8>)> {
        std::mem::take(&mut self.script.requests.lock().unwrap())
    }

    /// Headers of all requests so far, as `NR flags ev dev "name" "uuid" size`.
    fn log(&self) -> Vec<String> {
        let show = |(nr, bytes): &(u32, Vec<u8>)| {
            let h = Header::read(bytes).unwrap();
            let (name, uuid) = (BStr::new(h.name()), BStr::new(h.uuid()));
            format!(
                "{nr} {:x} {:x} {:x} {name:?} {uuid:?} {}",
                h.flags, h.event_nr, h.dev, h.data_size
            )
        };
        self.requests().iter().map(show).collect()
    }

    fn queue(&self) -> Vec<String> {
        self.library
            .nodes
            .queued()
            .iter()
            .map(|o| format!("{} {o}", o.name))
            .collect()
    }
}

fn edit(buffer: &mut [u8], change: impl FnOnce(&mut Header)) {
    let mut header = Header::read(buffer).unwrap();
    change(&mut header);
    assert!(header.write(buffer));
}

/// Puts table lines into a reply, where `next` counts from the first.
fn answer_targets(buffer: &mut [u8], lines: &[(u64, u64, &str, &str)]) {
    let mut payload = Vec::new();
    for (start, length, kind, params) in lines {
        let base = payload.len();
        let spec = TargetSpec {
            start: *start,
            length: *length,
            kind: kind.as_bytes(),
            params: params.as_bytes(),
        };
        push_record(&mut payload, &spec);
        let next = u32::try_from(payload.len()).unwrap();
        payload[base + 20..base + 24].copy_from_slice(&next.to_ne_bytes());
    }
    buffer[HEADER_SIZE..][..payload.len()].copy_from_slice(&payload);
    edit(buffer, |header| {
        header.target_count = u32::try_from(lines.len()).unwrap();
        header.data_size = u32::try_from(HEADER_SIZE + payload.len()).unwrap();
    });
}

#[test]
fn info_of_a_missing_device() {
    let bench = Bench::new();
    bench.refuse(Errno::ENXIO);
    let mut task = bench.task(TaskType::Info, "nosuch");
    task.run().unwrap();
    assert_eq!(task.errno(), 6);
    assert_eq!(task.info(), Some(Info::default()));
    assert_eq!(bench.log(), [r#"7 4 0 0 "nosuch" "" 2048"#]);
}

#[test]
fn reload_of_two_targets() {
    let bench = Bench::new();
    bench.reply(0x44, 0xfe00);
    let mut task = bench.task(TaskType::Reload, "a1");
    task.add_target(0, 16, b"linear", b"/dev/ram0 0").unwrap();
    task.add_target(16, 8, b"error", b"").unwrap();
    task.run().unwrap();
    let info = task.info().unwrap();
    assert!(info.exists && info.inactive_table && !info.live_table);
    assert_eq!((info.major, info.minor), (254, 0));

    let (nr, bytes) = bench.requests().pop().unwrap();
    assert_eq!((nr, bytes.len()), (9, 2048));
    let mut golden = vec![0; 2048];
    let words = |out: &mut [u8], words: &[u32]| {
        for (place, word) in out.chunks_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
    };
    words(&mut golden, &[4, 0, 0, 2048, 312, 2, 0, 4]);
    golden[48..50].copy_from_slice(b"a1");
    words(&mut golden[312..], &[0, 0, 16, 0, 0, 56]);
    golden[312 + 24..][..6].copy_from_slice(b"linear");
    golden[312 + 40..][..11].copy_from_slice(b"/dev/ram0 0");
    words(&mut golden[368..], &[16, 0, 8, 0, 0, 48]);
    golden[368 + 24..][..5].copy_from_slice(b"error");
    assert_eq!(bytes, golden);
}

#[test]
fn backslashes_are_doubled_in_parameters() {
    let bench = Bench::new();
    bench.reply(0x44, 0xfe00);
    let mut task = bench.task(TaskType::Reload, "a1");
    task.add_target(0, 16, b"linear", b"/dev/a\\x20b 0").unwrap();
    task.run().unwrap();
    let (_, bytes) = bench.requests().pop().unwrap();
    assert!(bytes[352..].starts_with(b"/dev/a\\\\x20b 0\0"));
}

#[test]
fn table_of_the_inactive_slot() {
    let bench = Bench::new();
    bench.then(|_, buffer| {
        edit(buffer, |header| header.flags |= flag::INACTIVE_PRESENT);
        answer_targets(buffer, &[(0, 16, "linear", "1:0 0"), (16, 8, "error", "")]);
        Ok(())
    });
    let mut task = bench.task(TaskType::Table, "a1");
    task.query_inactive_table();
    task.run().unwrap();
    assert_eq!(bench.log(), [r#"12 1014 0 0 "a1" "" 16384"#]);
    let lines: Vec<_> = task
        .targets()
        .iter()
        .map(|t| format!("{} {} {} {}", t.start, t.length, t.kind, t.params))
        .collect();
    assert_eq!(lines, ["0 16 linear 1:0 0", "16 8 error "]);
}

#[test]
fn resume_and_rename_queue_nodes() {
    let bench = Bench::new();
    bench.reply(0x2024, 0xfe00);
    let mut task = bench.task(TaskType::Resume, "a1");
    task.set_read_ahead(513, 0);
    task.run().unwrap();
    assert_eq!(bench.log(), [r#"6 4 400000 0 "a1" "" 2048"#]);
    assert_eq!(
        bench.queue(),
        ["a1 NODE_ADD (254,0) 0:0 0600", "a1 NODE_READ_AHEAD 513 (flags=0)"]
    );

    bench.reply(0x2024, 0xfe00);
    let mut task = bench.task(TaskType::Rename, "a1");
    task.set_newname(b"b 1").unwrap();
    task.run().unwrap();
    let (_, bytes) = bench.requests().pop().unwrap();
    assert!(bytes[312..].starts_with(b"b\\x201\0"));
    assert_eq!(bench.queue()[0], r"a1 NODE_RENAME to b\x201");
}

#[test]
fn nodes_are_made_where_udev_hears_nothing() {
    let bench = Bench::new();
    bench.reply(0x2024, 0xfe00);
    let mut task = bench.task(TaskType::Resume, "a1");
    let mut cookie = 7;
    task.set_cookie(&mut cookie, 0x20).unwrap();
    assert_eq!(cookie, 0);
    task.run().unwrap();
    assert_eq!(bench.log(), [r#"6 4 430000 0 "a1" "" 2048"#]);
    assert_eq!(bench.queue(), ["a1 NODE_ADD (254,0) 0:0 0600"]);
}

#[test]
fn flags_of_suspend() {
    let bench = Bench::new();
    bench.reply(0xc26, 0xfe00);
    let mut task = bench.task(TaskType::Suspend, "a1");
    task.no_flush();
    task.skip_lockfs();
    task.run().unwrap();
    assert!(task.info().unwrap().suspended);
    assert_eq!(bench.log(), [r#"6 c06 0 0 "a1" "" 2048"#]);
}

#[test]
fn new_uuid_for_one_that_has_one() {
    let bench = Bench::new();
    bench.refuse(Errno::EINVAL);
    let mut task = bench.task(TaskType::Rename, "a1");
    task.set_newuuid(b"x").unwrap();
    assert!(task.run().is_err());
    assert_eq!((task.errno(), task.info()), (22, None));
    assert_eq!(bench.log(), [r#"5 4004 400000 0 "a1" "" 2048"#]);
}

#[test]
fn persistent_numbers() {
    let bench = Bench::new();
    bench.reply(0xc, 0xfe4d).reply(0xc, 0xfe4d);
    let mut task = bench.task(TaskType::Create, "p");
    task.set_major_minor(1, 77, true);
    task.run().unwrap();
    task.set_major_minor(1, 77, false);
    task.run().unwrap();
    assert_eq!(bench.log(), [r#"3 c 0 fe4d "p" "" 16384"#, r#"3 c 0 14d "p" "" 16384"#]);
    task.set_major_minor(0, 77, false);
    assert!(task.run().is_err());
    assert!(bench.log().is_empty());
}

#[test]
fn create_with_a_table_that_does_not_load() {
    let bench = Bench::new();
    bench.reply(4, 0xfe01).refuse(Errno::ENODEV).reply(0x2004, 0);
    let mut task = bench.task(TaskType::Create, "c2");
    task.set_uuid(b"UC2").unwrap();
    task.add_target(0, 16, b"linear", b"/dev/nonesuch 0").unwrap();
    assert!(task.run().is_err());
    assert_eq!(task.errno(), 19);
    assert_eq!(
        bench.log(),
        [
            r#"3 4 0 0 "c2" "UC2" 16384"#,
            r#"9 c 0 fe01 "" "" 2048"#,
            r#"4 4 400000 0 "c2" "" 2048"#
        ]
    );
}

#[test]
fn create_with_a_table() {
    let bench = Bench::new();
    bench.reply(4, 0xfe4d).reply(0x4c, 0xfe4d).reply(0x202c, 0xfe4d);
    let mut task = bench.task(TaskType::Create, "p1");
    task.set_minor(77);
    task.set_ro();
    task.add_target(0, 16, b"zero", b"").unwrap();
    task.run().unwrap();
    assert_eq!(task.kind(), Some(TaskType::Resume));
    assert!(task.info().unwrap().live_table);
    // Where the number is known it addresses the device: the driver refuses a name together with a number.
    assert_eq!(
        bench.log(),
        [
            r#"3 c 0 fe4d "p1" "" 16384"#,
            r#"9 d 0 fe4d "" "" 2048"#,
            r#"6 d 400000 fe4d "" "" 2048"#
        ]
    );
    assert_eq!(bench.queue(), ["p1 NODE_ADD (254,77) 0:0 0600"]);
}

#[test]
fn buffers_grow_and_stay() {
    let bench = Bench::new();
    let full = |_: u32, buffer: &mut Vec<u8>| {
        edit(buffer, |header| header.flags |= flag::BUFFER_FULL);
        Ok(())
    };
    bench.then(full).then(full).then(|_, buffer| {
        answer_targets(buffer, &[(0, 8, "zero", "")]);
        Ok(())
    });
    let mut task = bench.task(TaskType::Table, "big");
    task.run().unwrap();
    assert_eq!(task.targets().len(), 1);
    bench.refuse(Errno::ENXIO);
    bench.task(TaskType::Info, "big").run().unwrap();
    let sizes: Vec<_> = bench
        .log()
        .iter()
        .map(|l| l.rsplit(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(sizes, ["16384", "32768", "65536", "8192"]);
    bench.then(full);
    assert!(bench.task(TaskType::Info, "big").run().is_err());
}

#[test]
fn growth_ends() {
    let bench = Bench::new();
    bench
        .library
        .growth
        .store(run::MAX_GROWTH, std::sync::atomic::Ordering::Relaxed);
    bench.then(|_, buffer| {
        edit(buffer, |header| header.flags |= flag::BUFFER_FULL);
        Ok(())
    });
    assert!(bench.task(TaskType::ListVersions, "").run().is_err());
}

#[test]
fn identical_reload_is_skipped() {
    let live = |_: u32, buffer: &mut Vec<u8>| {
        edit(buffer, |header| header.flags = flag::EXISTS | flag::ACTIVE_PRESENT);
        answer_targets(buffer, &[(0, 16, "linear", "1:0 0 "), (16, 8, "error", "")]);
        Ok(())
    };
    let reload = |bench: &Bench, params: &[u8], ignore: bool| {
        let mut task = bench.task(TaskType::Reload, "a1");
        task.suppress_identical_reload();
        if ignore {
            task.ignore_params_in_comparison();
        }
        task.add_target(0, 16, b"linear", params).unwrap();
        task.add_target(16, 8, b"error", b"").unwrap();
        task.run().unwrap();
        assert_eq!(task.existing_table_size(), 24);
        assert!(task.info().unwrap().live_table);
        bench.log().len()
    };
    let bench = Bench::new();
    bench.then(live);
    assert_eq!(reload(&bench, b"1:0 0", false), 1);
    bench.then(live).reply(0x64, 0xfe00);
    assert_eq!(reload(&bench, b"/dev/ram0 0", false), 2);
    bench.then(live).reply(0x64, 0xfe00);
    assert_eq!(reload(&bench, b"1:0 0 ", false), 2);
    bench.then(live);
    assert_eq!(reload(&bench, b"anything", true), 1);
}

#[test]
fn remove_is_tried_again() {
    let bench = Bench::new();
    bench.refuse(Errno::EBUSY).refuse(Errno::EBUSY).reply(0x2004, 0);
    let mut task = bench.task(TaskType::Remove, "a1");
    task.retry_remove();
    task.run().unwrap();
    let requests = bench.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0], requests[2]);
    assert_eq!(bench.queue(), ["a1 NODE_DEL"]);
    bench.refuse(Errno::ENXIO);
    let mut task = bench.task(TaskType::Remove, "a1");
    task.retry_remove();
    assert!(task.run().is_err());
}

#[test]
fn conflicting_settings_send_nothing() {
    let bench = Bench::new();
    let set: [fn(&mut Task); 5] = [
        |task| task.add_target(0, 8, b"error", b"").unwrap(),
        |task| task.set_newname(b"n").unwrap(),
        |task| task.set_message(b"m"),
        |task| task.set_geometry(b"1", b"2", b"3", b"4"),
        |task| task.set_sector(7),
    ];
    for (index, first) in set.iter().enumerate() {
        for (other, second) in set.iter().enumerate().skip(index + 1) {
            // A sector goes with a message.
            if (index, other) == (2, 4) {
                continue;
            }
            let mut task = bench.task(TaskType::Reload, "a");
            first(&mut task);
            second(&mut task);
            assert!(task.run().is_err(), "{index} {other}");
            assert_eq!(task.errno(), 0);
        }
    }
    let mut task = bench.task(TaskType::TargetMsg, "a");
    task.set_sector(1);
    assert!(task.run().is_err());
    assert!(bench.log().is_empty());
}

#[test]
fn messages() {
    let bench = Bench::new();
    bench.then(|_, buffer| {
        buffer[312] = 0;
        edit(buffer, |header| {
            header.flags |= flag::DATA_OUT;
            header.data_size = 313;
        });
        Ok(())
    });
    let mut task = bench.task(TaskType::TargetMsg, "a1");
    task.set_sector(9);
    task.set_message(b"@stats_list");
    task.run().unwrap();
    assert_eq!(task.message_response(), Some(BStr::new("")));
    let (_, bytes) = bench.requests().pop().unwrap();
    assert_eq!(bytes[312..332], *b"\x09\0\0\0\0\0\0\0@stats_list\0");
    bench.reply(4, 0xfe00);
    task.run().unwrap();
    assert_eq!(task.message_response(), None);
    bench.then(|_, buffer| {
        buffer[312..320].fill(b'x');
        edit(buffer, |header| {
            header.flags |= flag::DATA_OUT;
            header.data_size = 320;
        });
        Ok(())
    });
    task.run().unwrap();
    assert_eq!(task.message_response(), None);
}

/// The reply of section 5.4: alpha without a uuid, mid, zeta.
const LIST: [u64; 12] = [
    0x01fe_0000_0000_0000,
    0x2000_0000_616c_7068,
    0x6100_0000_0000_0000,
    0x0000_0000_0200_0000,
    0x02fe_0000_0000_0000,
    0x2000_0000_6d69_6400,
    0x0000_0000_0100_0000,
    0x552d_6d00_0000_0000,
    0x00fe_0000_0000_0000,
    0x0000_0000_7a65_7461,
    0x0000_0000_0000_0000,
    0x0000_0000_0100_0000,
];

#[test]
fn lists() {
    let bench = Bench::new();
    bench.then(|_, buffer| {
        let bytes: Vec<u8> = LIST
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .chain(*b"U-zeta\0")
            .collect();
        buffer[312..][..bytes.len()].copy_from_slice(&bytes);
        edit(buffer, |header| {
            header.data_size = u32::try_from(312 + bytes.len()).unwrap()
        });
        Ok(())
    });
    let mut task = bench.task(TaskType::List, "");
    task.set_newuuid(b" ").unwrap();
    task.run().unwrap();
    let devices: Vec<_> = task
        .devices()
        .unwrap()
        .iter()
        .map(|d| format!("{} {} {:?} {}", d.dev, d.name, d.event_nr, d.uuid.clone().unwrap()))
        .collect();
    assert_eq!(
        devices,
        [
            "254:1 alpha Some(0) ",
            "254:2 mid Some(0) U-m",
            "254:0 zeta Some(0) U-zeta"
        ]
    );
    assert_eq!(bench.log(), [r#"2 4004 0 0 "" "" 16384"#]);
}

#[test]
fn names_come_back_unmangled() {
    let named = |name: &'static [u8]| {
        move |_: u32, buffer: &mut Vec<u8>| {
            edit(buffer, |header| {
                assert!(header.set_name(name) && header.set_uuid(b"U\\x20"))
            });
            Ok(())
        }
    };
    let bench = Bench::new();
    bench.then(named(b"b\\x201"));
    let mut task = bench.task(TaskType::Info, "b 1");
    task.run().unwrap();
    assert_eq!(
        (task.name().unwrap(), task.uuid().unwrap()),
        (BStr::new("b 1"), BStr::new("U "))
    );
    assert_eq!(task.raw_name().unwrap(), BStr::new(r"b\x201"));
    assert_eq!(task.name_mangled().unwrap(), r"b\x201");
    bench.then(named(b"b 1"));
    assert!(task.run().is_err());
    assert_eq!(task.name(), None);

    bench.library.change_settings(|s| s.mangling = Mode::None);
    for (name, mangled, unmangled) in [
        (&b"a\\x20b"[..], Some("a\\x20b"), "a b"),
        (b"sp ace", Some("sp\\x20ace"), "sp ace"),
        (b"a\\x20b c", None, "a b c"),
    ] {
        bench.then(named(name));
        task.run().unwrap();
        assert_eq!(task.name().unwrap(), name);
        assert_eq!(task.name_mangled().ok(), mangled.map(BString::from));
        assert_eq!(task.name_unmangled().unwrap(), unmangled);
    }
}

#[test]
fn suspend_checks_walk_down() {
    let bench = Bench::new();
    let deps = |devs: &'static [u64], flags: u32| {
        move |_: u32, buffer: &mut Vec<u8>| {
            let mut payload = u32::try_from(devs.len()).unwrap().to_ne_bytes().to_vec();
            payload.extend([0; 4]);
            payload.extend(devs.iter().flat_map(|dev| dev.to_ne_bytes()));
            buffer[312..][..payload.len()].copy_from_slice(&payload);
            edit(buffer, |header| {
                header.flags |= flags;
                header.data_size = u32::try_from(312 + payload.len()).unwrap();
            });
            Ok(())
        }
    };
    // The device uses 254:1 and a disk, 254:1 uses 254:2 twice.
    bench
        .then(deps(&[0xfe01, 0x0800], 0))
        .then(deps(&[0xfe02, 0xfe02], 0))
        .then(deps(&[], flag::SUSPEND))
        .reply(6, 0xfe00);
    let mut task = bench.task(TaskType::Suspend, "top");
    task.enable_checks();
    task.run().unwrap();
    let log = bench.log();
    assert_eq!(log.len(), 4);
    assert_eq!(log[1], r#"11 c 0 fe01 "" "" 16384"#);
    assert_eq!(log[2], r#"11 c 0 fe02 "" "" 16384"#);
    bench.refuse(Errno::ENXIO);
    assert!(task.run().is_err());
    assert_eq!(bench.log().len(), 1);
}

#[test]
fn mknodes_adds_and_deletes() {
    let bench = Bench::new();
    bench.reply(4, 0xfe05).refuse(Errno::ENXIO);
    bench.task(TaskType::Mknodes, "there").run().unwrap();
    bench.task(TaskType::Mknodes, "gone").run().unwrap();
    let queued = bench.library.nodes.queued();
    assert!(matches!(
        queued[0].action,
        Action::Add {
            dev: DevNo { major: 254, minor: 5 },
            ..
        }
    ));
    assert_eq!(queued[1].action, Action::Delete);
}

#[test]
fn an_unknown_type_is_refused_when_it_runs() {
    let bench = Bench::new();
    let mut task = Task::from_number(&bench.library, 21).unwrap();
    assert!(task.run().is_err());
    assert_eq!(task.errno(), 0);
}

#[test]
fn a_driver_that_does_not_answer_stops_all_tasks() {
    #[derive(Debug)]
    struct Dead;
    impl Transport for Dead {
        fn ioctl(&self, _: u32, _: &mut [u8]) -> std::result::Result<(), Failure> {
            Err(Failure::Refused(Errno::EINVAL))
        }
        fn dm_major(&self) -> Option<u32> {
            None
        }
        fn has_udev(&self) -> bool {
            false
        }
        fn wait_event(&self) -> std::result::Result<(), Failure> {
            Ok(())
        }
    }
    let library = Library::with_transport(Arc::new(Dead));
    assert!(Task::on(&library, TaskType::Info).is_err());
    assert!(!library.cookie_supported());
}

#[test]
fn a_table_load_while_devices_are_suspended_goes_on() {
    let bench = Bench::new();
    bench.library.inc_suspended();
    bench.reply(0x44, 0xfe00);
    let mut task = bench.task(TaskType::Reload, "a1");
    task.add_target(0, 8, b"zero", b"").unwrap();
    task.run().unwrap();
    bench.library.dec_suspended();
    bench.library.dec_suspended();
    assert_eq!(bench.library.suspended_counter(), 0);
}

proptest::proptest! {
    /// Whatever a driver or daemon answers, nothing panics.
    #[test]
    fn any_reply_is_taken(
        kind in 0i32..21,
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 24..600),
        size in 0u32..3000,
    ) {
        let bench = Bench::new();
        for _ in 0..4 {
            let bytes = bytes.clone();
            bench.then(move |_, buffer| {
                let end = buffer.len().min(12 + bytes.len());
                let length = end - 12;
                buffer[12..end].copy_from_slice(&bytes[..length]);
                buffer[12..16].copy_from_slice(&size.to_ne_bytes());
                edit(buffer, |header| header.flags &= !flag::BUFFER_FULL);
                Ok(())
            });
        }
        let mut task = Task::from_number(&bench.library, kind).unwrap();
        task.set_name(b"x").unwrap();
        let _ = task.run();
        let _ = (task.info(), task.name_unmangled(), task.uuid_mangled(), task.deps(), task.target_versions());
        let _ = (task.message_response(), task.devices().map(|list| list.len()), task.targets().len());
    }
}
