//! Create, look up, rename, remove, lists, waits.

use super::*;

#[test]
fn create_and_look_up() {
    let mut plane = Plane::new();
    let all =
        0xfff0_0000 | flag::EXISTS | flag::READONLY | flag::ACTIVE_PRESENT | flag::INACTIVE_PRESENT | flag::SUSPEND;
    let mut create = request(Command::DevCreate).name("a").uuid("U-a").flags(all).event(77);
    create.header.target_count = 5;
    create.header.open_count = 9;
    create.header.padding = 3;
    let reply = plane.ask(create).unwrap();
    let header = Header::read(&reply).unwrap();
    assert_eq!((header.flags, header.padding), (0xfff0_0000 | flag::EXISTS, 3));
    assert_eq!(reply.len(), 305);
    let expected = "305 dev=fe00 name=a uuid=U-a";
    for ask in [
        request(Command::DevStatus).name("a"),
        request(Command::DevStatus).uuid("U-a"),
        request(Command::DevStatus).dev(0xfe00),
        request(Command::DevStatus).dev(0x101_0000_fe00),
    ] {
        assert_eq!(plane.line(ask), expected);
    }
    assert_eq!(plane.line(request(Command::DevStatus).name("a").uuid("U-a")), "EINVAL");
    for ask in [
        request(Command::DevStatus),
        request(Command::DevStatus).name("b"),
        request(Command::DevStatus).name("a").dev(0xfe00),
        request(Command::DevStatus).name("a").dev(1 << 63),
        request(Command::DevStatus).uuid("U-a").dev(0xfe00),
        request(Command::DevStatus).dev(0x100),
        request(Command::DevStatus).dev(0xfe05),
    ] {
        assert_eq!(plane.line(ask), "ENXIO");
    }
    // Unknown flags, and those that say nothing about the device, come back.
    let reply = plane
        .ask(request(Command::DevStatus).name("a").flags(!flag::SECURE_DATA))
        .unwrap();
    let cleared = flag::READONLY
        | flag::SUSPEND
        | flag::ACTIVE_PRESENT
        | flag::INACTIVE_PRESENT
        | flag::BUFFER_FULL
        | flag::UEVENT_GENERATED
        | flag::SECURE_DATA
        | flag::DATA_OUT
        | flag::INTERNAL_SUSPEND;
    assert_eq!(Header::read(&reply).unwrap().flags, !cleared);
}

#[test]
fn names_that_cannot_be() {
    let mut plane = Plane::new();
    plane.ask(request(Command::DevCreate).name("a").uuid("U-a")).unwrap();
    for (name, uuid, errno) in [
        ("a", "", "EBUSY"),
        ("b", "U-a", "EBUSY"),
        ("", "U-b", "EINVAL"),
        ("a/b", "", "EINVAL"),
        (".", "", "EINVAL"),
        ("..", "", "EINVAL"),
        ("control", "", "EINVAL"),
    ] {
        assert_eq!(
            plane.line(request(Command::DevCreate).name(name).uuid(uuid)),
            errno,
            "{name:?} {uuid:?}"
        );
    }
    // Without a NUL in its field, a name ends with the field.
    let mut buffer = request(Command::DevCreate).buffer();
    buffer[48..176].fill(b'n');
    assert_eq!(plane.control.request(3, &mut buffer), Outcome::Done(Ok(305)));
    assert_eq!(buffer[174..176], [b'n', 0]);
    assert_eq!(
        plane.line(request(Command::DevStatus).dev(0xfe01)),
        format!("305 dev=fe01 name={}", "n".repeat(127))
    );
    plane.ask(request(Command::DevCreate).name("su").uuid("u/u")).unwrap();
}

#[test]
fn wanted_minors() {
    let mut plane = Plane::new();
    let pers = || request(Command::DevCreate).flags(flag::PERSISTENT_DEV);
    assert_eq!(plane.line(pers().name("p77").dev(0x14d)), "305 dev=fe4d name=p77 PERS");
    assert_eq!(plane.line(pers().name("p77b").dev(0xfe4d)), "ENXIO");
    assert_eq!(plane.line(pers().name("p77").dev(0xfe4d)), "ENXIO");
    assert_eq!(
        plane.line(request(Command::DevCreate).name("p78").dev(0xfe4e)),
        "305 dev=fe00 name=p78"
    );
    assert_eq!(
        plane.line(pers().name("pmax").dev(0xfff0_feff)),
        "305 dev=fff0feff name=pmax PERS"
    );
    assert_eq!(
        plane.line(pers().name("phi").dev(0x5_0000_fe58)),
        "305 dev=fe58 name=phi PERS"
    );
}

#[test]
fn devices_are_bounded() {
    let mut plane = Plane {
        control: Control::new(Fake::default()).with_max_devices(2),
    };
    plane.create("a");
    plane.create("b");
    assert_eq!(plane.line(request(Command::DevCreate).name("c")), "EBUSY");
    plane.ask(request(Command::DevRemove).name("a")).unwrap();
    plane.create("c");
}

#[test]
fn rename() {
    let mut plane = Plane::new();
    let ren = |from: &str, to: &str| request(Command::DevRename).name(from).text(to);
    plane.ask(request(Command::DevCreate).name("a").uuid("U-a")).unwrap();
    plane.load("a", LINEAR);
    plane.resume("a");
    plane.create("b");
    // The reply has the old name, and the UUID field as it was.
    assert_eq!(
        plane.line(ren("a", "a2").flags(flag::EXISTS).event(0x44)),
        "305 tc=1 ev=1 dev=fe00 name=a EX|ACT|UEV"
    );
    assert_eq!(plane.info("a"), "ENXIO");
    assert_eq!(plane.info("a2"), "305 tc=1 ev=1 dev=fe00 name=a2 uuid=U-a ACT");
    // No table was ever loaded: no event, no uevent.
    assert_eq!(plane.line(ren("b", "b2").event(0x44)), "305 dev=fe01 name=b");
    for (from, to, errno) in [
        ("a2", "a2", "EBUSY"),
        ("a2", "b2", "EBUSY"),
        ("nope", "b2", "EBUSY"),
        ("nope", "q", "ENXIO"),
        ("a2", "", "EINVAL"),
        ("a2", "x/y", "EINVAL"),
        ("a2", "..", "EINVAL"),
        ("a2", "control", "EINVAL"),
    ] {
        assert_eq!(plane.line(ren(from, to)), errno, "{from} to {to}");
    }
    let long = "n".repeat(127);
    plane.ask(ren("a2", &long)).unwrap();
    plane.ask(ren(&long, "a2")).unwrap();
    assert_eq!(plane.line(ren("a2", &"n".repeat(128))), "EINVAL");
    assert_eq!(plane.line(request(Command::DevRename).uuid("U-a").text("q")), "ENXIO");
    assert_eq!(plane.line(request(Command::DevRename).dev(0xfe00).text("q")), "ENXIO");
    assert_eq!(plane.line(ren("a2", "a2").uuid("U-a")), "EINVAL");
    assert_eq!(plane.line(ren("a2", "xxxxxxxx").size(320)), "EINVAL");
    assert_eq!(plane.line(ren("a2", "q").size(312)), "EINVAL");
    assert_eq!(plane.info("a2"), "305 tc=1 ev=3 dev=fe00 name=a2 uuid=U-a ACT");
    assert_eq!(plane.control.host.names[&plane.id("a2")], b"a2");
    // An inactive table is enough for the uevent, not for the event; its flag is not looked at.
    plane.load("b2", ERROR);
    assert_eq!(plane.line(ren("b2", "b3")), "305 dev=fe01 name=b2 UEV");
    assert_eq!(
        plane.line(ren("b3", "b4").flags(flag::QUERY_INACTIVE_TABLE)),
        "305 tc=1 dev=fe01 name=b3 QIN|UEV"
    );
}

#[test]
fn set_uuid() {
    let mut plane = Plane::new();
    let set = |name: &str, uuid: &str| request(Command::DevRename).name(name).flags(flag::UUID).text(uuid);
    plane.create("b");
    plane.create("c");
    assert_eq!(plane.line(set("b", "U-b").event(0x55)), "305 dev=fe00 name=b UUID");
    for (name, uuid, errno) in [
        ("b", "U-c", "EINVAL"),
        ("c", "U-b", "EBUSY"),
        ("c", "", "EINVAL"),
        ("nope", "q", "ENXIO"),
    ] {
        assert_eq!(plane.line(set(name, uuid)), errno, "{name} {uuid}");
    }
    assert_eq!(plane.line(set("c", &"u".repeat(129))), "EINVAL");
    plane.ask(set("c", &"u".repeat(128))).unwrap();
    assert_eq!(
        plane.line(request(Command::DevStatus).uuid("U-b")),
        "305 dev=fe00 name=b uuid=U-b"
    );
    plane.make("x", LINEAR);
    assert_eq!(plane.line(set("x", "zz")), "305 tc=1 ev=1 dev=fe02 name=x ACT|UEV|UUID");
}

#[test]
fn remove() {
    let mut plane = Plane::new();
    let rm = |name: &str| request(Command::DevRemove).name(name);
    plane.create("n");
    assert_eq!(plane.line(rm("n")), "305 name=n");
    assert_eq!(plane.line(rm("n")), "ENXIO");
    plane.ask(request(Command::DevCreate).name("x").uuid("ux")).unwrap();
    plane.load("x", LINEAR);
    // Numbers stay as they were in the request; the names are filled in.
    let mut odd = request(Command::DevRemove).uuid("ux").event(0x44).flags(flag::EXISTS);
    odd.header.target_count = 3;
    odd.header.open_count = 3;
    assert_eq!(plane.line(odd), "305 tc=3 oc=3 ev=68 name=x uuid=ux EX|INACT|UEV");
    plane.make("y", LINEAR);
    plane.suspend("y");
    assert_eq!(
        plane.line(request(Command::DevRemove).dev(0xfe00)),
        "305 dev=fe00 name=y UEV"
    );
    plane.make("z", LINEAR);
    let id = plane.id("z");
    plane.control.host.open.insert(id, 1);
    assert_eq!(plane.line(rm("z")), "EBUSY");
    assert_eq!(plane.info("z"), "305 tc=1 oc=1 dev=fe00 name=z ACT");
    assert_eq!(plane.ask(request(Command::RemoveAll)).unwrap().len(), 12);
    assert_eq!(plane.info("z"), "305 tc=1 oc=1 dev=fe00 name=z ACT");
    plane.control.host.open.clear();
    plane.ask(request(Command::RemoveAll)).unwrap();
    assert_eq!(plane.info("z"), "ENXIO");
    assert!(plane.control.host.volumes.is_empty());
}

#[test]
fn a_request_can_end_its_own_device() {
    let mut plane = Plane::new();
    let later = |name: &str| request(Command::DevRemove).name(name).flags(flag::DEFERRED_REMOVE);
    plane.make("a", LINEAR);
    plane.make("b", &[(0, 8, "linear", "254:0 0")]);
    // b is to leave a, and a to lie on b.
    plane.ask(request(Command::TableLoad).name("b").table(LINEAR)).unwrap();
    plane
        .ask(
            request(Command::TableLoad)
                .name("a")
                .table(&[(0, 8, "linear", "254:1 0")]),
        )
        .unwrap();
    plane.ask(later("a")).unwrap();
    plane.ask(later("b")).unwrap();
    assert_eq!(plane.control.registry.len(), 2);
    // Without the inactive table of a, b can go, and then a.
    assert_eq!(
        plane.line(request(Command::TableClear).name("a")),
        "305 tc=1 oc=1 dev=fe00 name=a ACT|DEFER"
    );
    assert_eq!(plane.control.registry.len(), 0);
    assert!(plane.control.host.volumes.is_empty());
}

#[test]
fn remove_later() {
    let mut plane = Plane::new();
    let later = |name: &str| {
        request(Command::DevRemove)
            .name(name)
            .flags(flag::DEFERRED_REMOVE | flag::EXISTS)
    };
    plane.make("a", &[(0, 8192, "linear", "1:0 0")]);
    plane.make("top", &[(0, 8, "linear", "254:0 0"), (8, 8, "linear", "254:0 16")]);
    let mut odd = later("a").event(0x44);
    odd.header.target_count = 3;
    odd.header.open_count = 4;
    assert_eq!(plane.line(odd), "305 tc=3 oc=4 ev=68 name=a EX|DEFER");
    assert_eq!(plane.info("a"), "305 tc=1 oc=1 dev=fe00 name=a ACT|DEFER");
    assert_eq!(plane.line(request(Command::DevCreate).name("a")), "EBUSY");
    plane.ask(later("a")).unwrap();
    let cancel = |name: &str| {
        request(Command::TargetMsg)
            .name(name)
            .message(0, "@cancel_deferred_remove")
    };
    assert_eq!(plane.line(cancel("a")), "305 tc=1 oc=1 dev=fe00 name=a ACT");
    plane.ask(later("a")).unwrap();
    assert_eq!(plane.suspend("a"), "305 tc=1 oc=1 dev=fe00 name=a SUSP|ACT|DEFER");
    assert_eq!(plane.resume("a"), "305 tc=1 oc=1 dev=fe00 name=a ACT|UEV|DEFER");
    plane.ask(request(Command::DevRemove).name("top")).unwrap();
    assert_eq!(plane.info("a"), "ENXIO");
    // Open from outside: it goes when the host says so.
    plane.make("h", LINEAR);
    let id = plane.id("h");
    plane.control.host.open.insert(id, 1);
    plane.ask(later("h")).unwrap();
    assert!(plane.control.host.watched.contains(&id));
    plane.control.closed(id);
    assert_eq!(plane.info("h"), "305 tc=1 oc=1 dev=fe00 name=h ACT|DEFER");
    plane.ask(cancel("h")).unwrap();
    plane.control.host.open.clear();
    plane.control.closed(id);
    assert_eq!(plane.info("h"), "305 tc=1 dev=fe00 name=h ACT");
    plane.control.host.open.insert(id, 1);
    plane
        .ask(request(Command::RemoveAll).flags(flag::DEFERRED_REMOVE))
        .unwrap();
    assert_eq!(plane.info("h"), "305 tc=1 oc=1 dev=fe00 name=h ACT|DEFER");
    plane.control.host.open.clear();
    plane.control.closed(id);
    assert_eq!(plane.info("h"), "ENXIO");
    // Nobody uses it: it goes at once, and the flag is gone from the reply.
    plane.make("n", LINEAR);
    assert_eq!(plane.line(later("n").event(5)), "305 ev=5 name=n EX|UEV");
}

#[test]
fn lists() {
    let mut plane = Plane::new();
    let list = |size: usize, flags: u32| request(Command::ListDevices).size(size).flags(flags).fill(0xaa);
    assert_eq!(plane.line(list(305, 0)), "305 FULL start=305");
    assert_eq!(plane.line(list(311, 0)), "305 FULL start=311");
    assert_eq!(plane.line(list(319, 0)), "305 FULL");
    assert_eq!(plane.line(list(320, 0)), "312");
    plane.ask(request(Command::DevCreate).name("abcd").uuid("12")).unwrap();
    assert_eq!(plane.line(list(343, 0)), "305 FULL");
    let reply = plane.ask(list(344, 0)).unwrap();
    assert_eq!(show(&reply), "344");
    assert_eq!(
        hex(&reply[305..]),
        "aaaaaaaaaaaaaa00fe000000000000000000006162636400aaaaaaaaaaaaaa0000000000000000"
    );
    assert_eq!(plane.line(list(351, flag::UUID)), "305 FULL|UUID");
    assert_eq!(plane.line(list(352, flag::UUID)), "352 UUID");
}

#[test]
fn target_versions() {
    let mut plane = Plane::new();
    let reply = plane
        .ask(request(Command::GetTargetVersion).name("linear").fill(0xaa))
        .unwrap();
    assert_eq!(show(&reply), "342 name=linear");
    assert_eq!(
        hex(&reply[312..]),
        "000000000100000004000000000000006c696e65617200aaaaaaaaaaaaaa"
    );
    assert_eq!(
        plane.line(request(Command::GetTargetVersion).name("linear").size(341)),
        "305 name=linear FULL"
    );
    assert_eq!(plane.line(request(Command::GetTargetVersion).name("nosuch")), "EINVAL");
    assert_eq!(plane.line(request(Command::GetTargetVersion)), "EINVAL");
    let reply = plane.ask(request(Command::ListVersions)).unwrap();
    let names: Vec<_> = dm_abi::ioctl::reply::read_versions(&reply[312..])
        .map(|entry| entry.name.to_vec())
        .collect();
    // This host runs no machines.
    let without = crate::targets::TYPES.iter().filter(|kind| !kind.has_machine);
    assert_eq!(names.len(), without.count());
    assert!(names.contains(&b"linear".to_vec()) && names.contains(&b"error".to_vec()));
}

#[test]
fn wait_for_events() {
    let mut plane = Plane::new();
    plane.make("a", &[(0, 8192, "linear", "1:0 0")]);
    let wait = |name: &str, event| request(Command::DevWait).name(name).event(event);
    let reply = plane
        .ask(wait("a", 5).flags(flag::STATUS_TABLE | flag::EXISTS))
        .unwrap();
    assert_eq!(show(&reply), "358 tc=1 dev=fe00 name=a EX|TAB|ACT");
    assert_eq!(plane.line(wait("zz", 0)), "ENXIO");
    // A rename wakes; the reply has the name as it was.
    let (ticket, what, buffer) = plane.start(wait("a", 0));
    assert_eq!(what, Awaited::Changed);
    plane.ask(request(Command::DevRename).name("a").text("b")).unwrap();
    let reply = plane.proceed(ticket, buffer).unwrap().unwrap();
    assert_eq!(show(&reply), "353 tc=1 ev=1 dev=fe00 name=a ACT");
    // A new table does not; giving up does.
    let (ticket, _, buffer) = plane.start(wait("b", 1));
    plane.load("b", ERROR);
    plane.resume("b");
    let (ticket, what, buffer) = plane.proceed(ticket, buffer).unwrap_err();
    assert_eq!(what, Awaited::Changed);
    assert_eq!(plane.cancel(ticket, buffer), Err(Errno::EINTR));
    // A target's event does.
    let (ticket, _, buffer) = plane.start(wait("b", 1));
    let id = plane.id("b");
    plane.control.event(id);
    assert_eq!(
        show(&plane.proceed(ticket, buffer).unwrap().unwrap()),
        "353 tc=1 ev=2 dev=fe00 name=b ACT"
    );
    // Who waits on a device that goes away gets its last state.
    let (ticket, _, buffer) = plane.start(wait("b", 2));
    plane.ask(request(Command::DevRemove).name("b")).unwrap();
    assert_eq!(
        show(&plane.proceed(ticket, buffer).unwrap().unwrap()),
        "353 tc=1 ev=3 dev=fe00 name=b SUSP|ACT"
    );
    assert!(plane.control.pending.is_empty());
}

#[test]
fn global_events() {
    let mut plane = Plane::new();
    let mut fired = |request: Request| {
        let before = plane.control.events();
        plane.ask(request).unwrap();
        plane.control.events() != before
    };
    let load = || request(Command::TableLoad).name("q").table(LINEAR);
    let resume = || request(Command::DevSuspend).name("q");
    assert!(!fired(request(Command::DevArmPoll)));
    assert!(fired(request(Command::DevCreate).name("q")));
    assert!(!fired(load()));
    assert!(fired(resume()));
    assert!(!fired(resume()));
    assert!(!fired(resume().flags(flag::SUSPEND)));
    assert!(!fired(resume()));
    assert!(!fired(load()));
    assert!(fired(resume()));
    assert!(!fired(load()));
    assert!(!fired(request(Command::TableClear).name("q")));
    assert!(!fired(request(Command::TableStatus).name("q")));
    assert!(fired(request(Command::DevRename).name("q").text("q2")));
    assert!(fired(
        request(Command::DevRename).name("q2").flags(flag::UUID).text("u")
    ));
    assert!(fired(request(Command::DevRemove).name("q2")));
    assert!(!fired(request(Command::RemoveAll)));
    assert!(fired(request(Command::DevCreate).name("q")));
    assert!(fired(request(Command::DevRename).name("q").text("q2")));
    assert!(fired(request(Command::RemoveAll)));
}

#[test]
fn geometry() {
    let mut plane = Plane::new();
    let set = |name: &str, text: &str| request(Command::DevSetGeometry).name(name).text(text).size(400);
    assert_eq!(plane.line(set("a", "1 2 3 4")), "ENXIO");
    plane.create("a");
    // Nothing comes back but the version.
    assert_eq!(plane.ask(set("a", "1 2 3 4")).unwrap().len(), 12);
    assert_eq!(plane.line(set("a", "1 2 3")), "EINVAL");
    assert_eq!(plane.line(set("a", "1 2 3 4").size(319)), "EINVAL");
    assert_eq!(plane.line(set("a", "1 2 3 4").size(312)), "EINVAL");
}
