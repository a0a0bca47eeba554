//! Load, clear, components, status, messages, stacks.

use super::*;

const TWO: &[(u64, u64, &str, &str)] = &[(0, 16, "linear", "/dev/ram0 0"), (16, 8, "error", "")];

#[test]
fn load_and_query() {
    let mut plane = Plane::new();
    plane.ask(request(Command::DevCreate).name("a").uuid("U-a")).unwrap();
    let load = request(Command::TableLoad)
        .name("a")
        .table(TWO)
        .flags(flag::EXISTS)
        .event(6);
    assert_eq!(plane.line(load), "305 dev=fe00 name=a uuid=U-a EX|INACT");
    assert_eq!(plane.info("a"), "305 dev=fe00 name=a uuid=U-a INACT");
    let query = |command| request(command).name("a").flags(flag::QUERY_INACTIVE_TABLE).fill(0xaa);
    assert_eq!(
        plane.line(query(Command::DevStatus)),
        "305 tc=2 dev=fe00 name=a uuid=U-a INACT|QIN"
    );
    let reply = plane.ask(query(Command::TableStatus)).unwrap();
    assert_eq!(show(&reply), "401 tc=2 dev=fe00 name=a uuid=U-a INACT|QIN");
    assert_eq!(
        hex(&reply[305..]),
        "aaaaaaaaaaaaaa0000000000000000100000000000000000000000300000006c696e6561720000000000000000000000aaaaaaaaaaaaaa\
         1000000000000000080000000000000000000000600000006572726f72000000000000000000000000"
    );
    assert_eq!(
        plane.table("a", flag::QUERY_INACTIVE_TABLE),
        ["0 16 linear 1:0 0", "16 8 error "]
    );
    assert_eq!(
        plane.line(request(Command::TableStatus).name("a")),
        "305 dev=fe00 name=a uuid=U-a INACT"
    );
    let reply = plane.ask(query(Command::TableDeps)).unwrap();
    assert_eq!(show(&reply), "328 tc=2 dev=fe00 name=a uuid=U-a INACT|QIN");
    assert_eq!(hex(&reply[312..]), "01000000aaaaaaaa0001000000000000");
    assert_eq!(
        plane.line(request(Command::TableDeps).name("a")),
        "305 dev=fe00 name=a uuid=U-a INACT"
    );
    let live = "305 tc=2 dev=fe00 name=a uuid=U-a EX|ACT|UEV";
    assert_eq!(
        plane.line(
            request(Command::DevSuspend)
                .name("a")
                .event(0x40_0000)
                .flags(flag::EXISTS)
        ),
        live
    );
    assert_eq!(plane.control.host.cookies, [0x40_0000]);
    assert_eq!(plane.resume("a"), "305 tc=2 dev=fe00 name=a uuid=U-a ACT");
    assert_eq!(
        plane.line(query(Command::DevStatus)),
        "305 dev=fe00 name=a uuid=U-a ACT|QIN"
    );
    assert_eq!(
        plane.line(query(Command::TableStatus)),
        "305 dev=fe00 name=a uuid=U-a ACT|QIN"
    );
    assert_eq!(plane.control.host.limits[&plane.id("a")].unwrap().sectors, 24);
}

#[test]
fn refused_tables_change_nothing() {
    let mut plane = Plane::new();
    plane.create("a");
    plane.load("a", ERROR);
    for (lines, errno) in [
        (&[][..], "EINVAL"),
        (&[(0, 8, "nosuch", "")], "EINVAL"),
        (&[(0, 8, "error", ""), (9, 8, "error", "")], "EINVAL"),
        (&[(0, 8, "error", ""), (7, 8, "error", "")], "EINVAL"),
        (&[(1, 8, "error", "")], "EINVAL"),
        (&[(0, 0, "error", "")], "EINVAL"),
        (&[(0, 1 << 63, "error", "")], "EINVAL"),
        (&[(0, u64::MAX, "error", ""), (u64::MAX, 8, "error", "")], "EINVAL"),
        (&[(0, 8, "linear", "99:0 0")], "ENXIO"),
        (&[(0, 8, "linear", "/dev/nope 0")], "ENOENT"),
        (&[(0, 8, "linear", "/dev/null 0")], "ENOTBLK"),
        (&[(0, 8, "linear", "254:0 0")], "EINVAL"),
        (&[(0, 8, "linear", "254:9 0")], "ENXIO"),
        (&[(0, 131_073, "linear", "1:0 0")], "EINVAL"),
        (&[(0, 8, "Linear", "1:0 0")], "EINVAL"),
        (&[(0, 8, "", "1:0 0")], "EINVAL"),
    ] {
        assert_eq!(plane.load("a", lines), errno, "{lines:?}");
        assert_eq!(plane.table("a", flag::QUERY_INACTIVE_TABLE), ["0 8 error "]);
    }
    let count = |count: u32| {
        let mut load = request(Command::TableLoad).name("a").table(ERROR);
        load.header.target_count = count;
        load
    };
    assert_eq!(plane.line(count(1 << 20)), "EINVAL");
    assert_eq!(plane.line(count((1 << 20) + 1)), "EOVERFLOW");
    assert_eq!(plane.line(count(u32::MAX)), "EOVERFLOW");
    assert_eq!(plane.line(request(Command::TableLoad).name("zz").table(ERROR)), "ENXIO");
    // What a target finds wrong with a record comes before a later record that is malformed.
    let mut load = request(Command::TableLoad)
        .name("a")
        .table(&[(0, 8, "linear", "99:0 0"), (8, 8, "error", "")]);
    load.header.target_count = 3;
    assert_eq!(plane.line(load), "ENXIO");
    assert!(plane.control.host.refused.iter().any(|line| line.starts_with("a: ")));
}

#[test]
fn read_only_tables() {
    let mut plane = Plane::new();
    plane.make("a", LINEAR);
    let load = |flags| request(Command::TableLoad).name("a").table(LINEAR).flags(flags);
    assert_eq!(plane.line(load(flag::READONLY)), "305 tc=1 dev=fe00 name=a ACT|INACT");
    let inactive = request(Command::DevStatus).name("a").flags(flag::QUERY_INACTIVE_TABLE);
    assert_eq!(plane.line(inactive), "305 tc=1 dev=fe00 name=a RO|ACT|INACT|QIN");
    assert_eq!(plane.resume("a"), "305 tc=1 dev=fe00 name=a RO|ACT|UEV");
    assert!(plane.control.host.limits[&plane.id("a")].unwrap().read_only);
    assert_eq!(plane.line(load(0)), "305 tc=1 dev=fe00 name=a RO|ACT|INACT");
    assert_eq!(
        plane.line(request(Command::DevSuspend).name("a").flags(flag::READONLY)),
        "305 tc=1 dev=fe00 name=a ACT|UEV"
    );
}

#[test]
fn truncated_status() {
    let mut plane = Plane::new();
    plane.make("a", TWO);
    for (size, expected) in [
        (305, "305 tc=2 dev=fe00 name=a TAB|ACT|FULL start=305"),
        (312, "305 tc=2 dev=fe00 name=a TAB|ACT|FULL"),
        (358, "305 tc=2 dev=fe00 name=a TAB|ACT|FULL"),
        (359, "358 tc=2 dev=fe00 name=a TAB|ACT|FULL"),
        (401, "358 tc=2 dev=fe00 name=a TAB|ACT|FULL"),
        (402, "401 tc=2 dev=fe00 name=a TAB|ACT|FULL"),
        (407, "401 tc=2 dev=fe00 name=a TAB|ACT|FULL"),
        (408, "401 tc=2 dev=fe00 name=a TAB|ACT"),
    ] {
        let ask = request(Command::TableStatus)
            .name("a")
            .flags(flag::STATUS_TABLE)
            .size(size);
        assert_eq!(plane.line(ask), expected, "size {size}");
    }
    let deps = |size| request(Command::TableDeps).name("a").size(size);
    assert_eq!(plane.line(deps(305)), "305 tc=2 dev=fe00 name=a ACT|FULL start=305");
    assert_eq!(plane.line(deps(327)), "305 tc=2 dev=fe00 name=a ACT|FULL");
    assert_eq!(plane.line(deps(328)), "328 tc=2 dev=fe00 name=a ACT");
}

#[test]
fn components_last_first() {
    let mut plane = Plane::new();
    plane.make(
        "a",
        &[
            (0, 8, "linear", "1:0 0"),
            (8, 8, "linear", "1:2 0"),
            (16, 8, "linear", "1:1 0"),
            (24, 8, "linear", "1:2 99"),
        ],
    );
    let reply = plane.ask(request(Command::TableDeps).name("a")).unwrap();
    assert_eq!(
        hex(&reply[312..]),
        "0300000000000000010100000000000002010000000000000001000000000000"
    );
}

#[test]
fn clear() {
    let mut plane = Plane::new();
    plane.create("a");
    plane.load("a", ERROR);
    assert_eq!(
        plane.line(request(Command::TableClear).name("a")),
        "305 dev=fe00 name=a"
    );
    assert_eq!(
        plane.line(request(Command::TableClear).name("a").flags(flag::INACTIVE_PRESENT)),
        "305 dev=fe00 name=a"
    );
    // The disk has been shown once: renames and removes go on sending uevents.
    assert_eq!(
        plane.line(request(Command::DevRename).name("a").text("b")),
        "305 dev=fe00 name=a UEV"
    );
    assert_eq!(plane.line(request(Command::DevRemove).name("b")), "305 name=b UEV");
}

#[test]
fn messages() {
    let mut plane = Plane::new();
    let send = |sector, text: &str| request(Command::TargetMsg).name("a").message(sector, text);
    assert_eq!(plane.line(send(0, "hi")), "ENXIO");
    plane.create("a");
    assert_eq!(plane.line(send(0, "hi")), "EINVAL");
    assert_eq!(plane.line(send(0, "@cancel_deferred_remove")), "305 dev=fe00 name=a");
    plane.load("a", LINEAR);
    assert_eq!(plane.line(send(0, "hi")), "EINVAL");
    plane.resume("a");
    for (sector, text) in [
        (0, ""),
        (0, " "),
        (0, "hi"),
        (24, "hi"),
        (1 << 60, "hi"),
        (0, "@foo"),
        (0, "@"),
        (0, "@stats_list"),
        (0, "@cancel_deferred_remove x"),
        (0, "\\"),
    ] {
        assert_eq!(plane.line(send(sector, text)), "EINVAL", "{text:?}");
    }
    assert_eq!(
        plane.line(send(1 << 60, "@cancel_deferred_remove")),
        "305 tc=1 dev=fe00 name=a ACT"
    );
    assert_eq!(plane.line(send(0, "hi").size(320)), "EINVAL");
    assert_eq!(plane.line(send(0, "hi").size(319)), "EINVAL");
}

#[test]
fn stacked_devices_count_as_opens() {
    let mut plane = Plane::new();
    plane.make("low", &[(0, 8192, "linear", "1:0 0")]);
    plane.make(
        "hi",
        &[(0, 8, "linear", "254:0 0"), (8, 8, "linear", "/dev/mapper/low 16")],
    );
    assert_eq!(plane.table("hi", 0), ["0 8 linear 254:0 0", "8 8 linear 254:0 16"]);
    assert_eq!(plane.info("low"), "305 tc=1 oc=1 dev=fe00 name=low ACT");
    assert_eq!(plane.line(request(Command::DevRemove).name("low")), "EBUSY");
    // A second table of the same device counts only in another mode.
    plane.load("hi", &[(0, 8, "linear", "254:0 0")]);
    assert_eq!(plane.info("low"), "305 tc=1 oc=1 dev=fe00 name=low ACT");
    plane
        .ask(
            request(Command::TableLoad)
                .name("hi")
                .table(&[(0, 8, "linear", "254:0 0")])
                .flags(flag::READONLY),
        )
        .unwrap();
    assert_eq!(plane.info("low"), "305 tc=1 oc=2 dev=fe00 name=low ACT");
    plane.ask(request(Command::TableClear).name("hi")).unwrap();
    assert_eq!(plane.info("low"), "305 tc=1 oc=1 dev=fe00 name=low ACT");
    plane.load("hi", ERROR);
    assert_eq!(plane.info("low"), "305 tc=1 oc=1 dev=fe00 name=low ACT");
    plane.resume("hi");
    assert_eq!(plane.info("low"), "305 tc=1 dev=fe00 name=low ACT");
    plane.ask(request(Command::RemoveAll)).unwrap();
    assert!(plane.control.host.volumes.is_empty());
}

#[test]
fn a_whole_stack_goes_at_once() {
    let mut plane = Plane::new();
    plane.make("d0", &[(0, 8, "linear", "1:0 0")]);
    for level in 1..5 {
        plane.make(
            &format!("d{level}"),
            &[(0, 8, "linear", &format!("254:{} 0", level - 1))],
        );
    }
    plane.ask(request(Command::RemoveAll)).unwrap();
    assert!(plane.control.host.volumes.is_empty());
}

#[test]
fn components_without_tables() {
    let mut plane = Plane::new();
    plane.create("nt");
    plane.create("top");
    assert_eq!(plane.load("top", &[(0, 8, "linear", "254:0 0")]), "ENXIO");
    // Once it has had a table loaded it can be opened, and a size of 0 counts as not known.
    plane.load("nt", ERROR);
    assert_eq!(
        plane.load("top", &[(0, 8, "linear", "254:0 0")]),
        "305 dev=fe01 name=top INACT"
    );
    plane.resume("nt");
    plane.suspend("nt");
    assert_eq!(
        plane.load("top", &[(0, 8, "linear", "254:0 0")]),
        "305 dev=fe01 name=top INACT"
    );
}

#[test]
fn loops_are_refused() {
    let mut plane = Plane::new();
    plane.make("a", &[(0, 64, "linear", "1:0 0")]);
    assert_eq!(plane.load("a", &[(0, 8, "linear", "254:0 0")]), "EINVAL");
    plane.make("b", &[(0, 64, "linear", "254:0 0")]);
    plane.make("c", &[(0, 64, "linear", "254:1 0")]);
    assert_eq!(plane.load("a", &[(0, 8, "linear", "254:1 0")]), "EINVAL");
    assert_eq!(plane.load("a", &[(0, 8, "linear", "254:2 0")]), "EINVAL");
    // Turning a stack round is fine in the right order, and refused at resume in the wrong one.
    plane.load("b", &[(0, 64, "linear", "1:1 0")]);
    assert_eq!(
        plane.load("a", &[(0, 8, "linear", "254:1 0")]),
        "305 tc=1 oc=1 dev=fe00 name=a ACT|INACT"
    );
    assert_eq!(plane.resume("a"), "EINVAL");
    assert_eq!(plane.info("a"), "305 tc=1 oc=1 dev=fe00 name=a ACT|INACT");
    plane.resume("b");
    assert_eq!(plane.resume("a"), "305 tc=1 dev=fe00 name=a ACT|UEV");
    assert_eq!(plane.table("a", 0), ["0 8 linear 254:1 0"]);
}

#[test]
fn stacks_are_bounded() {
    let mut plane = Plane::new();
    plane.make("d0", &[(0, 8, "linear", "1:0 0")]);
    for level in 1..super::super::MAX_DEPTH {
        plane.make(
            &format!("d{level}"),
            &[(0, 8, "linear", &format!("254:{} 0", level - 1))],
        );
    }
    plane.create("over");
    let top = super::super::MAX_DEPTH - 1;
    assert_eq!(
        plane.load("over", &[(0, 8, "linear", &format!("254:{top} 0"))]),
        "EINVAL"
    );
    // Nor can one be pushed in at the bottom.
    plane.make("under", &[(0, 8, "linear", "1:1 0")]);
    let minor = plane.control.host.numbers[&plane.id("under")].minor;
    assert_eq!(
        plane.load("d0", &[(0, 8, "linear", &format!("254:{minor} 0"))]),
        "EINVAL"
    );
}
