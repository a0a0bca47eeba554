//! Suspend and resume, with requests under way, interrupted, and failing.

use super::*;

fn suspend(name: &str, flags: u32) -> Request {
    request(Command::DevSuspend).name(name).flags(flag::SUSPEND | flags)
}

/// Makes a request by hand: the first thing that it waits for.
fn begin(plane: &mut Plane, request: Request) -> (Ticket, Awaited, Vec<u8>) {
    let mut buffer = request.buffer();
    match plane.control.request(request.command, &mut buffer) {
        Outcome::Wait(ticket, what) => (ticket, what, buffer),
        done @ Outcome::Done(_) => panic!("{done:?}"),
    }
}

impl Plane {
    fn volume(&mut self, name: &str) -> &mut Volume<u32> {
        let id = self.id(name);
        self.control.host.volumes.get_mut(&id).unwrap()
    }

    /// Lets a request into the device.
    fn enter(&mut self, name: &str) {
        assert!(matches!(self.volume(name).enter(), crate::volume::Enter::Go(_)));
    }
}

#[test]
fn without_a_table() {
    let mut plane = Plane::new();
    plane.create("a");
    assert_eq!(plane.resume("a"), "305 dev=fe00 name=a");
    assert_eq!(
        plane.line(suspend("a", flag::NOFLUSH).event(9)),
        "305 dev=fe00 name=a SUSP|NOFLUSH"
    );
    assert_eq!(plane.resume("a"), "EINVAL");
    assert_eq!(plane.info("a"), "305 dev=fe00 name=a SUSP");
    plane.load("a", ERROR);
    assert_eq!(plane.resume("a"), "305 tc=1 dev=fe00 name=a ACT|UEV");
}

#[test]
fn the_steps() {
    let mut plane = Plane::new();
    plane.make("a", LINEAR);
    let id = plane.id("a");
    let (ticket, what, mut buffer) = begin(&mut plane, suspend("a", flag::EXISTS));
    assert_eq!(what, Awaited::Freeze(id));
    assert!(!plane.volume("a").is_closed());
    plane.enter("a");
    let Outcome::Wait(ticket, what) = plane.control.proceed(ticket, Ok(()), &mut buffer) else {
        panic!()
    };
    assert_eq!(what, Awaited::Drained(id));
    assert!(plane.volume("a").is_closed());
    assert_eq!(plane.info("a"), "305 tc=1 dev=fe00 name=a ACT");
    // Looking too early does no harm.
    let Outcome::Wait(ticket, Awaited::Drained(_)) = plane.control.proceed(ticket, Ok(()), &mut buffer) else {
        panic!()
    };
    assert!(plane.volume("a").exit());
    assert_eq!(
        plane.control.proceed(ticket, Ok(()), &mut buffer),
        Outcome::Done(Ok(305))
    );
    assert_eq!(show(&buffer[..305]), "305 tc=1 dev=fe00 name=a SUSP|EX|ACT");
    assert_eq!(plane.suspend("a"), "305 tc=1 dev=fe00 name=a SUSP|ACT");
    plane.load("a", ERROR);
    let (ticket, what, mut buffer) = begin(&mut plane, request(Command::DevSuspend).name("a"));
    assert_eq!(what, Awaited::Save);
    assert!(plane.volume("a").is_closed());
    let Outcome::Wait(ticket, what) = plane.control.proceed(ticket, Ok(()), &mut buffer) else {
        panic!()
    };
    assert_eq!(what, Awaited::Thaw(id));
    assert!(!plane.volume("a").is_closed());
    assert_eq!(plane.volume("a").table().unwrap().sectors(), 8);
    assert_eq!(
        plane.control.proceed(ticket, Ok(()), &mut buffer),
        Outcome::Done(Ok(305))
    );
    assert_eq!(show(&buffer[..305]), "305 tc=1 dev=fe00 name=a ACT|UEV");
}

#[test]
fn freezing_is_for_filesystems_only() {
    let mut plane = Plane::new();
    plane.make("a", LINEAR);
    for flags in [flag::SKIP_LOCKFS, flag::NOFLUSH, flag::SKIP_LOCKFS | flag::NOFLUSH] {
        let mut buffer = suspend("a", flags).buffer();
        assert_eq!(plane.control.request(6, &mut buffer), Outcome::Done(Ok(305)));
        let (ticket, what, mut buffer) = begin(&mut plane, request(Command::DevSuspend).name("a"));
        assert_eq!(what, Awaited::Save);
        assert_eq!(
            plane.control.proceed(ticket, Ok(()), &mut buffer),
            Outcome::Done(Ok(305))
        );
    }
    let (ticket, _, mut buffer) = begin(&mut plane, suspend("a", 0));
    assert_eq!(
        plane.control.proceed(ticket, Err(Errno::EIO), &mut buffer),
        Outcome::Done(Err(Errno::EIO))
    );
    assert_eq!(plane.info("a"), "305 tc=1 dev=fe00 name=a ACT");
}

#[test]
fn interrupted_suspend() {
    let mut plane = Plane::new();
    plane.make("a", LINEAR);
    plane.enter("a");
    for flags in [0, flag::NOFLUSH, flag::SKIP_LOCKFS] {
        let (ticket, what, buffer) = plane.start(suspend("a", flags));
        assert_eq!(what, Awaited::Drained(plane.id("a")));
        // Others go on, but for suspend, resume and remove.
        assert_eq!(plane.load("a", ERROR), "305 tc=1 dev=fe00 name=a ACT|INACT");
        assert_eq!(plane.table("a", 0), ["0 24 linear 1:0 0"]);
        let second = plane.start(suspend("a", 0));
        let third = plane.start(request(Command::DevSuspend).name("a"));
        let fourth = plane.start(request(Command::DevRemove).name("a"));
        for (ticket, what, buffer) in [second, third, fourth] {
            assert_eq!(what, Awaited::Changed);
            assert_eq!(plane.cancel(ticket, buffer), Err(Errno::EINTR));
        }
        assert_eq!(plane.cancel(ticket, buffer), Err(Errno::EINTR));
        assert!(!plane.volume("a").is_closed());
        assert_eq!(plane.info("a"), "305 tc=1 dev=fe00 name=a ACT|INACT");
        plane.ask(request(Command::TableClear).name("a")).unwrap();
    }
    // While the host freezes: it is told to thaw.
    let (ticket, _, mut buffer) = begin(&mut plane, suspend("a", 0));
    let Outcome::Wait(ticket, what) = plane.control.cancel(ticket, &mut buffer) else {
        panic!()
    };
    assert_eq!(what, Awaited::Thaw(plane.id("a")));
    assert_eq!(
        plane.control.proceed(ticket, Ok(()), &mut buffer),
        Outcome::Done(Err(Errno::EINTR))
    );
    assert!(plane.control.pending.is_empty());
}

#[test]
fn interrupted_resume() {
    let mut plane = Plane::new();
    plane.make("a", LINEAR);
    plane.enter("a");
    plane.load("a", ERROR);
    let (ticket, _, buffer) = plane.start(request(Command::DevSuspend).name("a"));
    // The loaded table is on its way.
    assert_eq!(plane.info("a"), "305 tc=1 dev=fe00 name=a ACT");
    assert_eq!(plane.cancel(ticket, buffer), Err(Errno::EINTR));
    assert_eq!(plane.info("a"), "305 tc=1 dev=fe00 name=a ACT|INACT");
    plane.make("low", LINEAR);
    plane.load("a", &[(0, 8, "linear", "254:1 0")]);
    let (ticket, _, buffer) = plane.start(request(Command::DevSuspend).name("a"));
    plane.load("a", LINEAR);
    assert_eq!(plane.info("low"), "305 tc=1 oc=1 dev=fe01 name=low ACT");
    assert_eq!(plane.cancel(ticket, buffer), Err(Errno::ENXIO));
    assert_eq!(plane.info("low"), "305 tc=1 dev=fe01 name=low ACT");
    assert_eq!(plane.table("a", flag::QUERY_INACTIVE_TABLE), ["0 24 linear 1:0 0"]);
    assert!(!plane.volume("a").is_closed());
    // With the way clear, the next one goes through, and those who waited for it too.
    let (ticket, _, buffer) = plane.start(request(Command::DevSuspend).name("a"));
    let (second, _, second_buffer) = plane.start(suspend("a", 0));
    assert!(plane.volume("a").exit());
    let changes = plane.control.host.changes;
    assert_eq!(
        show(&plane.proceed(ticket, buffer).unwrap().unwrap()),
        "305 tc=1 dev=fe00 name=a ACT|UEV"
    );
    assert!(plane.control.host.changes > changes);
    assert_eq!(
        show(&plane.proceed(second, second_buffer).unwrap().unwrap()),
        "305 tc=1 dev=fe00 name=a SUSP|ACT"
    );
}

#[test]
fn a_table_that_cannot_be_shown() {
    let mut plane = Plane::new();
    plane.make("low", LINEAR);
    plane.make("a", LINEAR);
    plane.load("a", &[(0, 8, "linear", "254:0 0")]);
    plane.control.host.cannot_configure = true;
    assert_eq!(plane.resume("a"), "ENOSPC");
    // As under Linux: suspended with the old table, the new one is gone.
    assert_eq!(plane.info("a"), "305 tc=1 dev=fe01 name=a SUSP|ACT");
    assert_eq!(plane.info("low"), "305 tc=1 dev=fe00 name=low ACT");
    plane.control.host.cannot_configure = false;
    assert_eq!(plane.resume("a"), "305 tc=1 dev=fe01 name=a ACT|UEV");
    assert_eq!(plane.table("a", 0), ["0 24 linear 1:0 0"]);
}

#[test]
fn a_state_that_cannot_be_saved() {
    let mut plane = Plane::new();
    plane.make("a", LINEAR);
    for suspended in [false, true] {
        if suspended {
            plane.suspend("a");
        }
        plane.load("a", ERROR);
        let (ticket, mut what, mut buffer) = begin(&mut plane, request(Command::DevSuspend).name("a"));
        let mut ticket = ticket;
        while what != Awaited::Save {
            let Outcome::Wait(next, then) = plane.control.proceed(ticket, Ok(()), &mut buffer) else {
                panic!()
            };
            (ticket, what) = (next, then);
        }
        // It cannot be interrupted now.
        let Outcome::Wait(ticket, Awaited::Save) = plane.control.cancel(ticket, &mut buffer) else {
            panic!()
        };
        let outcome = plane.control.proceed(ticket, Err(Errno::ENOSPC), &mut buffer);
        assert_eq!(plane.finish(outcome, buffer).unwrap(), Err(Errno::ENOSPC));
        let susp = if suspended { "SUSP|" } else { "" };
        assert_eq!(plane.info("a"), format!("305 tc=1 dev=fe00 name=a {susp}ACT|INACT"));
        assert_eq!(plane.volume("a").is_closed(), suspended);
        assert_eq!(plane.volume("a").table().unwrap().sectors(), 24);
        assert_eq!(plane.control.host.limits[&plane.id("a")].unwrap().sectors, 24);
    }
    plane.ask(request(Command::TableClear).name("a")).unwrap();
    let (ticket, what, mut buffer) = begin(&mut plane, request(Command::DevSuspend).name("a"));
    assert_eq!(what, Awaited::Save);
    let outcome = plane.control.proceed(ticket, Err(Errno::ENOSPC), &mut buffer);
    assert_eq!(outcome, Outcome::Done(Err(Errno::ENOSPC)));
    assert!(plane.volume("a").is_closed());
    assert_eq!(plane.resume("a"), "305 tc=1 dev=fe00 name=a ACT|UEV");
}

#[test]
fn put_off_removal_waits_for_the_resume() {
    let mut plane = Plane::new();
    plane.make("a", LINEAR);
    let id = plane.id("a");
    plane.control.host.open.insert(id, 1);
    plane
        .ask(request(Command::DevRemove).name("a").flags(flag::DEFERRED_REMOVE))
        .unwrap();
    plane.enter("a");
    let (ticket, _, buffer) = plane.start(suspend("a", 0));
    plane.control.host.open.clear();
    plane.control.closed(id);
    assert_eq!(plane.info("a"), "305 tc=1 dev=fe00 name=a ACT|DEFER");
    assert!(plane.volume("a").exit());
    assert_eq!(
        show(&plane.proceed(ticket, buffer).unwrap().unwrap()),
        "305 tc=1 dev=fe00 name=a SUSP|ACT|DEFER"
    );
    assert_eq!(plane.info("a"), "ENXIO");
}
