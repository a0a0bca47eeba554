//! Buffers as such: versions, sizes, wiping, and any bytes at all.

use proptest::prelude::*;

use super::*;

#[test]
fn versions_and_sizes() {
    let mut plane = Plane::new();
    let mut ask = |command: u32, version: [u32; 3], size: u32, len: usize| {
        let mut buffer = vec![0xaa; len];
        let mut header = Header::default();
        header.version = version;
        header.data_size = size;
        header.data_start = 312;
        if !header.write(&mut buffer) && len >= 12 {
            buffer[..12].copy_from_slice(&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        let outcome = plane.control.request(command, &mut buffer);
        if len >= 12 {
            assert_eq!(buffer[..12], [4, 0, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0]);
        }
        outcome
    };
    let info = Command::DevStatus.number();
    assert_eq!(ask(0, [4, 0, 0], 0, 400), Outcome::Done(Ok(12)));
    assert_eq!(ask(info, [3, 0, 0], 400, 400), Outcome::Done(Err(Errno::EINVAL)));
    assert_eq!(ask(info, [4, 49, 0], 400, 400), Outcome::Done(Err(Errno::EINVAL)));
    assert_eq!(ask(info, [4, 48, 9], 400, 400), Outcome::Done(Err(Errno::ENXIO)));
    assert_eq!(ask(18, [4, 0, 0], 400, 400), Outcome::Done(Err(Errno::ENOTTY)));
    assert_eq!(ask(255, [5, 0, 0], 400, 400), Outcome::Done(Err(Errno::EINVAL)));
    for (size, errno) in [
        (0, Errno::EINVAL),
        (304, Errno::EINVAL),
        (305, Errno::ENXIO),
        (306, Errno::ENXIO),
    ] {
        assert_eq!(
            ask(info, [4, 0, 0], size, 400),
            Outcome::Done(Err(errno)),
            "size {size}"
        );
    }
    // A command that looks at the header only does not mind a size beyond the buffer.
    for (size, info_errno, list_errno) in [
        (1 << 26, Errno::ENXIO, Errno::EFAULT),
        ((1 << 30) + 1, Errno::EINVAL, Errno::EINVAL),
        (u32::MAX, Errno::EINVAL, Errno::EINVAL),
    ] {
        assert_eq!(ask(info, [4, 0, 0], size, 400), Outcome::Done(Err(info_errno)));
        assert_eq!(
            ask(Command::TableDeps.number(), [4, 0, 0], size, 400),
            Outcome::Done(Err(list_errno))
        );
    }
    assert_eq!(ask(info, [4, 0, 0], 305, 11), Outcome::Done(Err(Errno::EFAULT)));
    assert_eq!(ask(info, [4, 0, 0], 305, 304), Outcome::Done(Err(Errno::EFAULT)));
}

#[test]
fn names_and_uuids_together() {
    let mut plane = Plane::new();
    for command in [Command::ListDevices, Command::ListVersions, Command::RemoveAll] {
        plane.ask(request(command).name("a").uuid("u")).unwrap();
    }
    for command in [
        Command::DevArmPoll,
        Command::DevSetGeometry,
        Command::GetTargetVersion,
        Command::DevRename,
    ] {
        assert_eq!(
            plane.line(request(command).name("a").uuid("u").text("1 2 3 4")),
            "EINVAL"
        );
    }
}

/// Requests that touch no device return the fields that they do not use.
#[test]
fn untouched_fields() {
    let mut plane = Plane::new();
    let mut arm = request(Command::DevArmPoll)
        .name("zz")
        .event(4)
        .flags(!flag::SECURE_DATA);
    arm.header.target_count = 4;
    let reply = plane.ask(arm).unwrap();
    let header = Header::read(&reply).unwrap();
    let cleared = flag::BUFFER_FULL | flag::UEVENT_GENERATED | flag::SECURE_DATA | flag::DATA_OUT;
    assert_eq!((header.flags, header.target_count, header.event_nr), (!cleared, 4, 4));
    assert_eq!((header.name(), header.data_size), (&b"zz"[..], 305));
    let reply = plane
        .ask(
            request(Command::ListDevices)
                .name("q")
                .event(4)
                .dev(4)
                .flags(flag::ACTIVE_PRESENT),
        )
        .unwrap();
    assert_eq!(show(&reply), "312 ev=4 dev=4 name=q ACT");
}

#[test]
fn secret_buffers_are_wiped() {
    let mut plane = Plane::new();
    plane.create("a");
    let mut wiped = |command: Command, name: &str, size: usize| {
        let ask = request(command)
            .name(name)
            .flags(flag::SECURE_DATA)
            .fill(0xaa)
            .text("1 2 3 4")
            .size(size);
        let mut buffer = ask.buffer();
        let outcome = plane.control.request(ask.command, &mut buffer);
        (outcome, buffer)
    };
    // A failure: all that the request looks at, the version too.
    let (outcome, buffer) = wiped(Command::DevStatus, "zz", 400);
    assert_eq!(outcome, Outcome::Done(Err(Errno::ENXIO)));
    assert!(buffer[..305].iter().all(|&byte| byte == 0) && buffer[330..].iter().all(|&byte| byte == 0xaa));
    let (outcome, buffer) = wiped(Command::TableStatus, "zz", 400);
    assert_eq!(outcome, Outcome::Done(Err(Errno::ENXIO)));
    assert!(buffer.iter().all(|&byte| byte == 0));
    // Success: all but the reply.
    let (outcome, buffer) = wiped(Command::ListDevices, "", 400);
    assert_eq!(outcome, Outcome::Done(Ok(400)));
    assert_eq!(show(&buffer), "336");
    assert!(buffer[336..].iter().all(|&byte| byte == 0));
    let (outcome, buffer) = wiped(Command::DevSetGeometry, "a", 400);
    assert_eq!(outcome, Outcome::Done(Ok(400)));
    assert!(buffer.iter().all(|&byte| byte == 0));
    // Not so when the command or the size is wrong.
    let (outcome, buffer) = wiped(Command::DevStatus, "a", 300);
    assert_eq!(outcome, Outcome::Done(Err(Errno::EINVAL)));
    assert_eq!(buffer[0], 4);
}

/// What may be asked in the property test, as a request and a choice of what becomes of its waits.
fn any_request() -> impl Strategy<Value = (Request, u8)> {
    // Which device: mostly one that may be there, by its name.
    let device = prop_oneof![
        12 => prop_oneof![Just("a"), Just("b"), Just("c")].prop_map(|name| (name, "", 0)),
        1 => Just(("x/y", "", 0)),
        1 => prop_oneof![Just("U-a"), Just("U-b")].prop_map(|uuid| ("", uuid, 0)),
        1 => prop_oneof![Just("U-a"), Just("U-b")].prop_map(|uuid| ("d", uuid, 0)),
        2 => (0xfe00u64..0xfe04).prop_map(|dev| ("", "", dev)),
        1 => any::<u64>().prop_map(|dev| ("a", "", dev)),
    ];
    let line = (
        prop_oneof![12 => Just(0u64), 1 => any::<u64>()],
        prop_oneof![12 => Just(8u64), 1 => any::<u64>()],
        prop_oneof![
            2 => Just(("linear", "1:0 0")),
            6 => prop_oneof![Just("254:0 0"), Just("254:1 0"), Just("254:2 0")].prop_map(|params| ("linear", params)),
            1 => Just(("striped", "2 4 1:0 0 254:1 0")),
            1 => Just(("error", "")),
            1 => Just(("zero", "")),
            1 => prop_oneof![Just(("nosuch", "")), Just(("linear", "")), Just(("linear", "1:99 0"))],
        ],
    );
    let text = prop_oneof![
        Just("a"),
        Just("b"),
        Just("c"),
        Just("U-a"),
        Just("1 2 3 4"),
        Just("@cancel_deferred_remove")
    ];
    let command = prop_oneof![
        4 => Just(Command::DevCreate),
        6 => Just(Command::TableLoad),
        8 => Just(Command::DevSuspend),
        2 => Just(Command::DevRemove),
        1 => Just(Command::TableClear),
        6 => (0usize..18).prop_map(|index| Command::ALL[index]).prop_filter("too hard", |&c| c != Command::RemoveAll),
    ];
    let flags = prop_oneof![
        8 => Just(0u32), 4 => Just(flag::SUSPEND), 2 => Just(flag::DEFERRED_REMOVE), 1 => Just(flag::READONLY),
        1 => Just(flag::UUID), 1 => any::<u32>()
    ];
    let size = prop_oneof![12 => Just(16384usize), 1 => 300usize..420];
    (command, device, line, text, flags, size, 0u32..3, any::<u8>()).prop_map(
        |(command, (name, uuid, dev), (start, length, (kind, params)), text, flags, size, event, choice)| {
            let ask = request(command)
                .name(name)
                .uuid(uuid)
                .dev(dev)
                .flags(flags)
                .size(size)
                .event(event);
            let ask = match command {
                Command::TableLoad => ask.table(&[(start, length, kind, params)]),
                Command::TargetMsg => ask.message(0, text),
                _ => ask.text(text),
            };
            (ask, choice)
        },
    )
}

impl core::fmt::Debug for Request {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{} {:?} {:?}",
            self.command,
            self.header,
            String::from_utf8_lossy(&self.payload)
        )
    }
}

impl Plane {
    /// What must hold between requests, whatever they were.
    fn check(&self) {
        let host = &self.control.host;
        let mut users: BTreeMap<DeviceId, BTreeSet<(DeviceId, bool)>> = BTreeMap::new();
        for (id, device) in self.control.registry.all() {
            assert_eq!(host.numbers[&id], device.dev);
            assert_eq!(host.names[&id], device.name[..]);
            let volume = &host.volumes[&id];
            assert_eq!(
                volume.table().map(alloc::sync::Arc::as_ptr),
                device.live.as_ref().map(alloc::sync::Arc::as_ptr)
            );
            if !device.busy {
                assert_eq!(volume.is_closed(), device.suspended);
                assert!(device.resuming.is_none() && device.replaced.is_none());
                assert!(device.suspended || !device.frozen);
            }
            for table in [&device.live, &device.inactive, &device.resuming, &device.replaced]
                .into_iter()
                .flatten()
            {
                for component in table.components() {
                    if let crate::host::Component::Mapped { id: lower, .. } = component {
                        users.entry(*lower).or_default().insert((id, table.read_only()));
                    }
                }
            }
        }
        for (id, device) in self.control.registry.all() {
            assert_eq!(device.users(), users.remove(&id).unwrap_or_default().len());
            assert_eq!(host.watched.contains(&id), device.deferred);
        }
        assert!(users.is_empty());
        assert_eq!(host.volumes.len(), self.control.registry.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// Any requests, with hosts that fail and clients that give up.
    #[test]
    fn any_requests(requests in proptest::collection::vec(any_request(), 1..60)) {
        let mut plane = Plane::new();
        plane.make("a", LINEAR);
        plane.make("b", &[(0, 8, "linear", "254:0 0")]);
        plane.make("c", &[(0, 8, "linear", "254:1 0")]);
        let mut waiting: Vec<(Ticket, Vec<u8>)> = Vec::new();
        for (ask, choice) in requests {
            let mut buffer = ask.buffer();
            let mut outcome = plane.control.request(ask.command, &mut buffer);
            let mut choices = (0..8).map(|bit| choice >> bit & 1 == 1);
            loop {
                plane.check();
                let Outcome::Wait(ticket, what) = outcome else { break };
                outcome = match (what, choices.next(), choices.next()) {
                    (Awaited::Changed, Some(true), _) => {
                        waiting.push((ticket, buffer));
                        break;
                    }
                    (Awaited::Changed, ..) | (Awaited::Freeze(_), Some(true), Some(true)) => {
                        plane.control.cancel(ticket, &mut buffer)
                    }
                    (Awaited::Freeze(_) | Awaited::Save, Some(true), Some(false)) => {
                        plane.control.proceed(ticket, Err(Errno::EIO), &mut buffer)
                    }
                    _ => plane.control.proceed(ticket, Ok(()), &mut buffer),
                };
            }
            for (ticket, mut buffer) in core::mem::take(&mut waiting) {
                if let Outcome::Wait(ticket, _) = plane.control.proceed(ticket, Ok(()), &mut buffer) {
                    waiting.push((ticket, buffer));
                }
                plane.check();
            }
            let bytes = plane.control.export();
            let (again, broken) = Control::import(Fake::default(), &bytes).unwrap();
            prop_assert!(broken.is_empty(), "{:?}", broken);
            prop_assert_eq!(again.export(), bytes);
            Plane { control: again }.check();
        }
        // Inactive tables can hold each other's devices, as under Linux; live ones cannot.
        let names: Vec<String> =
            plane.control.devices().map(|(_, name)| String::from_utf8_lossy(name).into_owned()).collect();
        for name in names {
            plane.line(request(Command::TableClear).name(&name));
        }
        plane.ask(request(Command::RemoveAll)).unwrap();
        prop_assert_eq!(plane.control.registry.len(), 0);
    }

    #[test]
    fn any_bytes(command in 0u32..20, bytes in proptest::collection::vec(any::<u8>(), 0..500), version in any::<bool>()) {
        let mut plane = Plane::new();
        plane.make("a", LINEAR);
        let mut bytes = bytes;
        if version && bytes.len() >= 16 {
            let len = u32::try_from(bytes.len()).unwrap();
            bytes[..16].copy_from_slice(&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            bytes[12..16].copy_from_slice(&len.to_ne_bytes());
        }
        let outcome = plane.control.request(command, &mut bytes);
        let _ = plane.finish(outcome, bytes);
        plane.check();
    }
}
