//! The state, exported and taken up again.

use proptest::prelude::*;

use super::super::ImportError;
use super::*;

/// A plane with a bit of everything.
fn plane() -> Plane {
    let mut plane = Plane::new();
    plane
        .ask(request(Command::DevCreate).name("low").uuid("U-low"))
        .unwrap();
    plane.load("low", &[(0, 8192, "linear", "1:0 0")]);
    plane.resume("low");
    plane.make(
        "hi",
        &[
            (0, 64, "linear", "254:0 0"),
            (64, 8, "striped", "2 4 1:1 0 1:2 8"),
            (72, 8, "error", ""),
        ],
    );
    plane.load("hi", &[(0, 8, "zero", "")]);
    plane.suspend("hi");
    plane.create("bare");
    plane
        .ask(request(Command::DevSetGeometry).name("low").text("1 2 3 4"))
        .unwrap();
    plane.ask(request(Command::DevRename).name("low").text("Low")).unwrap();
    plane
        .ask(request(Command::DevRemove).name("Low").flags(flag::DEFERRED_REMOVE))
        .unwrap();
    plane
}

fn import(bytes: &[u8], host: Fake) -> Plane {
    let (control, broken) = Control::import(host, bytes).unwrap();
    assert_eq!(broken, []);
    Plane { control }
}

#[test]
fn everything_comes_back() {
    let mut old = plane();
    let bytes = old.control.export();
    let mut new = import(&bytes, Fake::default());
    assert_eq!(new.control.export(), bytes);
    for name in ["Low", "hi", "bare"] {
        assert_eq!(new.info(name), old.info(name));
        for flags in [0, flag::QUERY_INACTIVE_TABLE] {
            assert_eq!(new.table(name, flags), old.table(name, flags));
        }
        assert_eq!(new.id(name), old.id(name));
        assert_eq!(
            new.control.host.limits.get(&new.id(name)).copied().flatten(),
            old.control.host.limits.get(&old.id(name)).copied().flatten()
        );
    }
    assert_eq!(new.info("hi"), "305 tc=3 dev=fe01 name=hi SUSP|ACT|INACT");
    assert_eq!(
        new.info("Low"),
        "305 tc=1 oc=1 ev=1 dev=fe00 name=Low uuid=U-low ACT|DEFER"
    );
    let (low, hi) = (new.id("Low"), new.id("hi"));
    assert!(new.control.host.volumes[&hi].is_closed() && !new.control.host.volumes[&low].is_closed());
    assert!(new.control.registry.get(low).unwrap().geometry.is_some());
    // The filesystem is still frozen, and thawed by the resume; the old table goes, and with it the device below.
    assert!(new.control.registry.get(hi).unwrap().frozen);
    assert_eq!(new.resume("hi"), "305 tc=1 dev=fe01 name=hi ACT|UEV");
    assert_eq!(new.info("Low"), "ENXIO");
    new.create("next");
    assert!(new.id("next") > hi);
}

#[test]
fn the_regions_of_a_switch_come_back() {
    let mut old = Plane::new();
    old.make(
        "s",
        &[(0, 64, "zero", ""), (64, 64, "switch", "3 8 0 1:0 0 1:1 0 1:2 0")],
    );
    let where_from = |plane: &Plane| -> Vec<crate::io::Verb> {
        let id = plane.id("s");
        let table = plane.control.host.volumes[&id].table().unwrap();
        let read = crate::io::Bio {
            op: crate::io::Op::Read,
            sector: 64,
            sectors: 64,
            fua: false,
        };
        table.pieces(read, 0).map(|piece| piece.verb).collect()
    };
    let before = where_from(&old);
    let new = import(&old.control.export(), Fake::default());
    assert_eq!(where_from(&new), before);
    let revision = old.control.revision();
    old.ask(
        request(Command::TargetMsg)
            .name("s")
            .message(64, "set_region_mappings 0:2 5:1"),
    )
    .unwrap();
    assert_ne!(old.control.revision(), revision);
    assert_ne!(where_from(&old), before);
    let bytes = old.control.export();
    let new = import(&bytes, Fake::default());
    assert_eq!(where_from(&new), where_from(&old));
    assert_eq!(new.control.export(), bytes);
    // A region with a device that does not exist; 2 bits each.
    let mut bad = bytes.to_vec();
    let at = bytes.len() - 4 - 8;
    bad[at] |= 3;
    let sum = crc32fast::hash(&bad[..bytes.len() - 4]);
    bad.truncate(bytes.len() - 4);
    bad.extend(sum.to_le_bytes());
    let (_, broken) = Control::import(Fake::default(), &bad).unwrap();
    assert_eq!((broken.len(), broken[0].error.errno), (1, Errno::EINVAL));
}

#[test]
fn the_format_before_is_read() {
    let mut old = Plane::new();
    old.make("a", LINEAR);
    let mut bytes = old.control.export().to_vec();
    bytes[8] = 1;
    // Of the last line: no text about what it has become.
    bytes.truncate(bytes.len() - 4 - 4);
    let sum = crc32fast::hash(&bytes);
    bytes.extend(sum.to_le_bytes());
    let mut new = import(&bytes, Fake::default());
    assert_eq!(new.table("a", 0), old.table("a", 0));
}

#[test]
fn half_way() {
    let mut plane = Plane::new();
    plane.make("a", LINEAR);
    plane.load("a", ERROR);
    let id = plane.id("a");
    assert!(matches!(
        plane.control.host.volume(id, |volume| volume.enter()),
        crate::volume::Enter::Go(_)
    ));
    let (ticket, _, mut buffer) = plane.start(request(Command::DevSuspend).name("a"));
    // Not yet: the old table is live, the gate is open, the new table is where it was.
    let mut early = import(&plane.control.export(), Fake::default());
    assert_eq!(early.info("a"), "305 tc=1 dev=fe00 name=a ACT|INACT");
    assert_eq!(early.table("a", 0), ["0 24 linear 1:0 0"]);
    assert!(!early.control.host.volumes[&id].is_closed());
    // At the save, the new one is.
    assert!(plane.control.host.volume(id, |volume| volume.exit()));
    let revision = plane.control.revision();
    let Outcome::Wait(ticket, Awaited::Save) = plane.control.proceed(ticket, Ok(()), &mut buffer) else {
        panic!()
    };
    assert_ne!(plane.control.revision(), revision);
    assert!(plane.control.host.volumes[&id].is_closed());
    let mut late = import(&plane.control.export(), Fake::default());
    assert_eq!(late.table("a", 0), ["0 8 error "]);
    assert_eq!(late.info("a"), "305 tc=1 dev=fe00 name=a ACT");
    plane.proceed(ticket, buffer).unwrap().unwrap();
}

#[test]
fn what_is_lost_is_reported() {
    let old = plane();
    let bytes = old.control.export();
    // A component of `hi` is gone: it is suspended and has no live table.
    let lost = Fake {
        lost: BTreeSet::from([DevNo { major: 1, minor: 2 }]),
        ..Fake::default()
    };
    let (control, broken) = Control::import(lost, &bytes).unwrap();
    assert_eq!(broken.len(), 1);
    assert_eq!(
        (&broken[0].name[..], broken[0].gone, broken[0].error.errno),
        (&b"hi"[..], false, Errno::ENXIO)
    );
    let mut new = Plane { control };
    assert_eq!(new.info("hi"), "305 dev=fe01 name=hi SUSP|INACT");
    // A device itself is gone: then also what was on it.
    let lost = Fake {
        lost: BTreeSet::from([DevNo { major: 254, minor: 0 }]),
        ..Fake::default()
    };
    let (control, broken) = Control::import(lost, &bytes).unwrap();
    assert_eq!(
        broken.iter().map(|broken| broken.gone).collect::<Vec<_>>(),
        [true, false]
    );
    let mut new = Plane { control };
    assert_eq!(new.info("Low"), "ENXIO");
    assert_eq!(new.info("hi"), "305 dev=fe01 name=hi SUSP|INACT");
}

#[test]
fn bytes_that_are_not_it() {
    let bytes = plane().control.export();
    let fails = |bytes: &[u8]| Control::import(Fake::default(), bytes).err();
    assert_eq!(fails(b""), Some(ImportError::Magic));
    assert_eq!(fails(b"dmstate\0"), Some(ImportError::Checksum));
    assert_eq!(fails(&bytes[..bytes.len() - 1]), Some(ImportError::Checksum));
    let again = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = bytes[..bytes.len() - 4].to_vec();
        change(&mut body);
        let sum = crc32fast::hash(&body);
        body.extend(sum.to_le_bytes());
        fails(&body)
    };
    assert_eq!(again(&|_| ()), None);
    for version in [0, 3] {
        assert_eq!(
            again(&|body| body[8] = version),
            Some(ImportError::Version(version.into()))
        );
    }
    assert_eq!(again(&|body| body.push(0)), Some(ImportError::Contents));
    assert_eq!(again(&|body| body.truncate(40)), Some(ImportError::Contents));
    assert_eq!(again(&|body| body[12..20].fill(0)), Some(ImportError::Contents));
}

proptest! {
    /// A right checksum over wrong contents.
    #[test]
    fn any_contents(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), cutting in any::<bool>()) {
        let mut body = plane().control.export().to_vec();
        body.truncate(body.len() - 4);
        for (place, value) in places {
            let place = place.index(body.len() - 8) + 8;
            body[place] = value;
        }
        if cutting {
            body.truncate(cut.index(body.len() - 8) + 8);
        }
        let sum = crc32fast::hash(&body);
        body.extend(sum.to_le_bytes());
        if let Ok((control, _)) = Control::import(Fake::default(), &body) {
            let _ = control.export();
        }
    }
}
