//! What the walks ask of the driver, in which order.

use super::*;
use crate::tree::segment::{MirrorFlags, MirrorLog, Snapshot};
use std::cell::RefCell;

fn preload(tree: &Tree) -> impl FnOnce() -> Result<()> {
    || tree.preload_children(ROOT, None)
}

fn suspend(tree: &Tree) -> impl FnOnce() -> Result<()> {
    || tree.suspend_children(ROOT, None)
}

fn activate(tree: &Tree) -> impl FnOnce() -> Result<()> {
    || tree.activate_children(ROOT, None)
}

fn deactivate(tree: &Tree) -> impl FnOnce() -> Result<()> {
    || tree.deactivate_children(ROOT, None)
}

#[test]
fn new_device() {
    let (fake, tree) = tree();
    let id = linear(&tree, "vg-lv", 128, "/dev/ram0", 64);
    expect(&fake, preload(&tree), &["create vg-lv", "load vg-lv"]);
    assert_eq!(tree.size_changed(id), 1);
    expect(&fake, activate(&tree), &["resume vg-lv"]);
    assert_eq!(fake.live("vg-lv"), ["0 128 linear 1:0 64"]);
    assert_eq!(tree.cookie(), 1);
    expect(&fake, activate(&tree), &[]);
}

#[test]
fn same_table_again() {
    let (fake, tree) = tree();
    linear(&tree, "lv", 128, "/dev/ram0", 64);
    bring_up(&tree);
    let tree = tree_of(&fake, &["lv"]);
    let id = linear(&tree, "lv", 128, "/dev/ram0", 64);
    expect(&fake, preload(&tree), &["load lv"]);
    assert_eq!((tree.size_changed(id), tree.info(id).inactive_table), (0, false));
    expect(&fake, activate(&tree), &[]);
}

/// `top` of 64 sectors on `base` of 128.
fn stack() -> (Rc<Fake>, Tree) {
    let (fake, tree) = tree();
    linear(&tree, "base", 128, "/dev/ram0", 0);
    linear(&tree, "top", 64, "base", 0);
    (fake, tree)
}

#[test]
fn new_stack() {
    let (fake, tree) = stack();
    expect(
        &fake,
        preload(&tree),
        &["create base", "load base", "resume base", "create top", "load top"],
    );
    expect(&fake, activate(&tree), &["resume top"]);
}

/// A tree of the stack, with both devices changed to these sizes.
fn change_stack(fake: &Rc<Fake>, base: u64, top: u64) -> Tree {
    let tree = tree_of(fake, &["top"]);
    linear(&tree, "base", base, "/dev/ram0", 0);
    linear(&tree, "top", top, "base", 0);
    tree
}

#[test]
fn growing_and_shrinking_a_stack() {
    let (fake, tree) = stack();
    bring_up(&tree);
    let tree = change_stack(&fake, 256, 200);
    expect(&fake, preload(&tree), &["load base", "resume base", "load top"]);
    expect(
        &fake,
        suspend(&tree),
        &["info top", "suspend top", "info base", "suspend base"],
    );
    assert_eq!(fake.suspended.get(), 2);
    expect(&fake, activate(&tree), &["resume base", "resume top"]);
    assert_eq!(fake.suspended.get(), 0);

    let tree = change_stack(&fake, 100, 50);
    let base = tree.find_by_uuid(BStr::new("LVM-base")).unwrap();
    expect(&fake, preload(&tree), &["load base", "load top"]);
    assert_eq!(tree.size_changed(base), -1);
    tree.skip_lockfs();
    tree.use_no_flush_suspend();
    expect(
        &fake,
        suspend(&tree),
        &[
            "info top",
            "suspend top skiplockfs noflush",
            "info base",
            "suspend base skiplockfs noflush",
        ],
    );
    expect(&fake, activate(&tree), &["resume base", "resume top"]);
}

#[test]
fn read_ahead_of_devices_that_were_only_found_is_left_alone() {
    let (fake, tree) = stack();
    bring_up(&tree);
    let tree = tree_of(&fake, &["top"]);
    tree.set_read_ahead(
        tree.find(fake.number("top")).unwrap(),
        ReadAhead { sectors: 513, flags: 1 },
    );
    suspend(&tree)().unwrap();
    activate(&tree)().unwrap();
    let read_ahead = |name: &str| fake.devices.borrow()[&fake.number(name).minor].read_ahead.unwrap();
    assert_eq!(read_ahead("base").sectors, crate::task::READ_AHEAD_AUTO);
    assert_eq!(read_ahead("top"), ReadAhead { sectors: 513, flags: 1 });
}

#[test]
fn shared_devices_are_suspended_after_all_their_users() {
    let (fake, tree) = tree();
    linear(&tree, "base", 128, "/dev/ram0", 0);
    linear(&tree, "a", 64, "base", 0);
    linear(&tree, "b", 64, "base", 64);
    bring_up(&tree);
    let tree = tree_of(&fake, &["a", "b"]);
    expect(
        &fake,
        suspend(&tree),
        &[
            "info a",
            "suspend a",
            "info b",
            "suspend b",
            "info base",
            "suspend base",
            "info base",
        ],
    );
    let tree = tree_of(&fake, &["a", "b"]);
    activate(&tree)().unwrap();
    *fake.refuse.borrow_mut() = vec!["suspend b".into()];
    let tree = tree_of(&fake, &["a", "b"]);
    expect_failure(&fake, suspend(&tree), &["info a", "suspend a", "info b", "!suspend b"]);
}

#[test]
fn renames() {
    let (fake, tree) = tree();
    linear(&tree, "a", 8, "/dev/ram0", 0);
    linear(&tree, "b", 8, "/dev/ram0", 8);
    bring_up(&tree);
    let rename = |tree: &Tree, from: &str, to: &str| {
        tree.add_new_dev(BStr::new(to), BStr::new(&uuid(from)), NewDev::default())
            .unwrap()
    };

    // The holder of the name goes first, whatever the order of the nodes.
    let tree = tree_of(&fake, &["a", "b"]);
    let a = rename(&tree, "a", "b");
    rename(&tree, "b", "c");
    expect(&fake, activate(&tree), &["rename b c", "rename a b"]);
    assert_eq!(tree.name(a), "b");
    assert_eq!(fake.names(), ["b", "c"]);

    // A swap cannot be done; the C library would try forever.
    let tree = tree_of(&fake, &["b", "c"]);
    rename(&tree, "a", "c");
    rename(&tree, "b", "b");
    expect_failure(&fake, activate(&tree), &[]);

    let tree = tree_of(&fake, &["b", "c"]);
    rename(&tree, "a", "c");
    expect_failure(&fake, activate(&tree), &["rename b c"]);
}

#[test]
fn a_failing_load_takes_back_what_was_created() {
    let (fake, tree) = tree();
    linear(&tree, "k1", 128, "/dev/ram0", 0);
    linear(&tree, "k2", 64, "k1", 0);
    let k2 = tree.find_by_uuid(BStr::new("LVM-k2")).unwrap();
    tree.set_callback(k2, Some(Rc::new(|_, _, event| event == CallbackEvent::Preloaded)));
    *fake.refuse.borrow_mut() = vec!["load k2".into()];
    let want = [
        "create k1",
        "load k1",
        "resume k1",
        "wait",
        "create k2",
        "!load k2",
        "wait for nothing",
        "remove k2",
        "remove k1",
    ];
    expect_failure(&fake, preload(&tree), &want);
    assert_eq!(fake.names(), [""; 0]);
    // The numbers may belong to others now: the tree acts on nothing any more.
    expect_failure(&fake, preload(&tree), &[]);
    expect(&fake, activate(&tree), &[]);
    expect(&fake, suspend(&tree), &[]);
    expect(&fake, deactivate(&tree), &[]);
}

#[test]
fn a_rollback_reaches_down_from_where_it_failed() {
    // One branch is there, another fails: at the level of the root everything new goes.
    let (fake, tree) = tree();
    linear(&tree, "good", 8, "/dev/ram0", 0);
    linear(&tree, "bad", 8, "/dev/ram0", 0);
    linear(&tree, "late", 8, "/dev/ram0", 0);
    *fake.refuse.borrow_mut() = vec!["load bad".into()];
    let want = [
        "create good",
        "load good",
        "create bad",
        "!load bad",
        "wait for nothing",
        "remove good",
        "remove bad",
        "create late",
        "load late",
    ];
    expect_failure(&fake, preload(&tree), &want);

    // A failure further down reverts there only.
    let (fake, tree) = tree_with_failing_leaf();
    let want = [
        "create good",
        "load good",
        "create leaf",
        "!load leaf",
        "wait for nothing",
        "remove leaf",
    ];
    expect_failure(&fake, preload(&tree), &want);
    assert_eq!(fake.names(), ["good"]);

    // CREATE itself: nothing is reverted.
    let (fake, tree) = tree_with_failing_leaf();
    *fake.refuse.borrow_mut() = vec!["create leaf".into()];
    expect_failure(&fake, preload(&tree), &["create good", "load good", "!create leaf"]);

    // Existing devices keep their inactive table.
    let (fake, tree) = stack();
    bring_up(&tree);
    let tree = change_stack(&fake, 256, 200);
    *fake.refuse.borrow_mut() = vec!["load top".into()];
    expect_failure(
        &fake,
        preload(&tree),
        &["load base", "resume base", "!load top", "wait"],
    );
    assert_eq!(fake.names(), ["base", "top"]);
}

fn tree_with_failing_leaf() -> (Rc<Fake>, Tree) {
    let (fake, tree) = tree();
    linear(&tree, "good", 8, "/dev/ram0", 0);
    linear(&tree, "leaf", 8, "/dev/ram0", 0);
    linear(&tree, "bad", 8, "leaf", 0);
    *fake.refuse.borrow_mut() = vec!["load leaf".into()];
    (fake, tree)
}

#[test]
fn a_removal_that_fails_ends_the_rollback() {
    let (fake, tree) = stack();
    *fake.refuse.borrow_mut() = vec!["load top".into(), "remove top".into()];
    let want = [
        "create base",
        "load base",
        "resume base",
        "create top",
        "!load top",
        "wait",
        "!remove top",
    ];
    expect_failure(&fake, preload(&tree), &want);
}

#[test]
fn deactivation() {
    let (fake, tree) = stack();
    linear(&tree, "other", 8, "base", 100);
    bring_up(&tree);
    // The base is still open after its first user has gone.
    let tree = tree_of(&fake, &["top", "other"]);
    let want = [
        "info top opencount",
        "remove top",
        "info base opencount",
        "info other opencount",
        "remove other",
        "info base opencount",
        "remove base flags=0xe",
    ];
    expect(&fake, deactivate(&tree), &want);
}

#[test]
fn deactivation_of_open_devices() {
    let (fake, tree) = stack();
    bring_up(&tree);
    fake.change("top", |d| d.held = 1);
    expect_failure(&fake, deactivate(&tree_of(&fake, &["top"])), &["info top opencount"]);

    let retry = |fake: &Rc<Fake>| {
        let tree = tree_of(fake, &["top"]);
        tree.retry_remove();
        tree
    };
    expect_failure(
        &fake,
        deactivate(&retry(&fake)),
        &["info top opencount", "remove top retry"],
    );
    fake.mounted.set(true);
    expect_failure(&fake, deactivate(&retry(&fake)), &["info top opencount"]);
    fake.mounted.set(false);
    fake.no_sysfs.set(true);
    expect_failure(&fake, deactivate(&retry(&fake)), &["info top opencount"]);
    fake.no_sysfs.set(false);
    fake.change("top", |d| d.held = 0);

    // A base by itself is in use by a device.
    let tree = tree_of(&fake, &["base"]);
    tree.retry_remove();
    expect_failure(&fake, deactivate(&tree), &["info base opencount"]);
}

#[test]
fn names_of_mirror_legs_are_not_skipped() {
    let (fake, tree) = tree();
    linear(&tree, "m_mimage_0", 128, "/dev/ram0", 0);
    linear(&tree, "m", 64, "m_mimage_0", 0);
    bring_up(&tree);
    fake.change("m_mimage_0", |d| d.held = 1);
    let tree = tree_of(&fake, &["m"]);
    expect_failure(
        &fake,
        deactivate(&tree),
        &["info m opencount", "remove m", "info m_mimage_0 opencount"],
    );
}

#[test]
fn presuspend() {
    let (fake, tree) = stack();
    bring_up(&tree);
    let presuspend = |fake: &Rc<Fake>| {
        let tree = tree_of(fake, &["top"]);
        let top = tree.find(fake.number("top")).unwrap();
        tree.set_presuspend_node(top, tree.find(fake.number("base")));
        tree
    };
    fake.change("top", |d| d.held = 1);
    expect_failure(&fake, deactivate(&presuspend(&fake)), &["info top opencount"]);
    fake.change("top", |d| d.held = 0);
    let want = [
        "info top opencount",
        "info top opencount",
        "info base",
        "suspend base",
        "remove top",
        "info base opencount",
        "remove base flags=0xe",
    ];
    expect(&fake, deactivate(&presuspend(&fake)), &want);
    assert_eq!(fake.suspended.get(), 0, "removed devices are not suspended any more");
}

#[test]
fn callbacks() {
    let (fake, tree) = stack();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let top = tree.find_by_uuid(BStr::new("LVM-top")).unwrap();
    let note = Rc::clone(&seen);
    let log = Rc::clone(&fake);
    let callback: Callback = Rc::new(move |tree, id, event| {
        // A callback may use the tree.
        note.borrow_mut()
            .push(format!("{event:?} [{}] after {}", tree.name(id), log.names().len()));
        true
    });
    tree.set_callback(top, Some(Rc::clone(&callback)));
    expect(
        &fake,
        preload(&tree),
        &[
            "create base",
            "load base",
            "resume base",
            "wait",
            "create top",
            "load top",
        ],
    );
    assert_eq!(tree.cookie(), 0);
    activate(&tree)().unwrap();
    deactivate(&tree)().unwrap();
    assert_eq!(*seen.borrow(), ["Preloaded [] after 1", "Deactivated [top] after 1"]);

    let (fake, tree) = stack();
    let top = tree.find_by_uuid(BStr::new("LVM-top")).unwrap();
    tree.set_callback(top, Some(Rc::new(|_, _, _| false)));
    expect_failure(
        &fake,
        preload(&tree),
        &["create base", "load base", "resume base", "wait", "remove base"],
    );
}

#[test]
fn fresh_origin_with_snapshots() {
    let (fake, tree) = tree();
    linear(&tree, "real", 128, "/dev/ram0", 0);
    linear(&tree, "cow", 128, "/dev/ram0", 128);
    linear(&tree, "cow2", 128, "/dev/ram0", 256);
    let uuids = [uuid("real"), uuid("cow"), uuid("cow2")];
    let [real, cow, cow2] = [0, 1, 2].map(|n| BStr::new(&uuids[n]));
    let origin = device(&tree, "org");
    tree.add_snapshot_origin_target(origin, 128, real).unwrap();
    for (name, cow) in [("snap", cow), ("snap2", cow2)] {
        let id = device(&tree, name);
        let how = Snapshot {
            persistent: true,
            chunk_size: 8,
        };
        tree.add_snapshot_target(id, 128, real, cow, how).unwrap();
    }
    let want = [
        "create real",
        "load real",
        "create org",
        "load org",
        "create cow",
        "load cow",
        "resume cow",
        "create snap",
        "load snap",
        "create cow2",
        "load cow2",
        "resume cow2",
        "create snap2",
        "load snap2",
    ];
    expect(&fake, preload(&tree), &want);
    let want = [
        "resume real",
        "resume snap flags=0x10c",
        "resume snap2 flags=0x10c",
        "resume org",
        "wait",
        "suspend snap",
        "resume snap",
        "suspend snap2",
        "resume snap2",
    ];
    expect(&fake, activate(&tree), &want);
    assert_eq!(fake.suspended.get(), 0);
}

#[test]
fn merging_snapshots_come_last() {
    let (fake, tree) = tree();
    linear(&tree, "real", 128, "/dev/ram0", 0);
    linear(&tree, "cow", 128, "/dev/ram0", 128);
    let snap = device(&tree, "snap");
    tree.add_error_target(snap, 128).unwrap();
    let origin = device(&tree, "org");
    let uuids = [uuid("real"), uuid("cow"), uuid("snap")];
    tree.add_snapshot_merge_target(
        origin,
        128,
        BStr::new(&uuids[0]),
        BStr::new(&uuids[1]),
        BStr::new(&uuids[2]),
        8,
    )
    .unwrap();
    linear(&tree, "plain", 8, "/dev/ram1", 0);
    preload(&tree)().unwrap();
    expect(&fake, activate(&tree), &["resume plain", "resume org", "resume snap"]);
}

#[test]
fn only_wanted_uuids() {
    let (fake, tree) = stack();
    let foreign = tree
        .add_new_dev(BStr::new("z"), BStr::new("CRYPT-z"), NewDev::default())
        .unwrap();
    tree.add_zero_target(foreign, 8).unwrap();
    bring_up(&tree);
    let prefix = Some(BStr::new("LVM-"));
    let tree = tree_of(&fake, &["z", "top"]);
    expect(
        &fake,
        || tree.suspend_children(ROOT, prefix),
        &["info top", "suspend top", "info base", "suspend base"],
    );
    expect(
        &fake,
        || tree.activate_children(ROOT, prefix),
        &["resume base flags=0xe", "resume top"],
    );
    linear(&tree, "new", 8, "/dev/ram3", 0);
    let z = tree.find_by_uuid(BStr::new("CRYPT-z")).unwrap();
    tree.add_zero_target(z, 16).unwrap();
    expect(
        &fake,
        || tree.preload_children(ROOT, prefix),
        &["create new", "load new"],
    );
    expect(
        &fake,
        || tree.deactivate_children(ROOT, Some(BStr::new("LVM-t"))),
        &["info top opencount", "remove top"],
    );
}

#[test]
fn pvmove_mirrors_wait_for_activation_unless_something_new_is_on_top() {
    for new_top in [false, true] {
        let (fake, tree) = tree();
        if !new_top {
            linear(&tree, "top", 64, "/dev/ram9", 0);
            bring_up(&tree);
        }
        let tree = if new_top { tree } else { tree_of(&fake, &["top"]) };
        let mirror = device(&tree, "move");
        tree.add_mirror_target(mirror, 64).unwrap();
        let log = MirrorLog {
            region_size: 64,
            uuid: Some(BStr::new("LVM-pvmove0")),
            area_count: 1,
            flags: MirrorFlags::CORELOG,
            ..MirrorLog::default()
        };
        tree.add_mirror_target_log(mirror, log).unwrap();
        area(&tree, mirror, "/dev/ram0", 0);
        linear(&tree, "top", 64, "move", 0);
        let want: &[&str] = if new_top {
            &["create move", "load move", "resume move", "create top", "load top"]
        } else {
            &["create move", "load move", "load top"]
        };
        expect(&fake, preload(&tree), want);
    }
}

#[test]
fn wanted_numbers_and_read_only() {
    let (fake, tree) = tree();
    let number = Some(DevNo {
        major: fake::MAJOR,
        minor: 77,
    });
    let new = NewDev {
        number,
        read_only: true,
        udev_flags: 0x2e,
        ..NewDev::default()
    };
    let id = tree.add_new_dev(BStr::new("n"), BStr::new("LVM-n"), new).unwrap();
    tree.add_zero_target(id, 8).unwrap();
    expect(&fake, preload(&tree), &["create n at 254:77 ro", "load n ro"]);
    expect(&fake, activate(&tree), &["resume n flags=0x2e"]);
    assert_eq!(fake.number("n").minor, 77);
}

#[test]
fn nothing_but_lines_is_loaded() {
    // Two loads of one node: a second segment is appended to the first, and the table is loaded whole.
    let (fake, tree) = tree();
    let id = device(&tree, "two");
    tree.add_zero_target(id, 8).unwrap();
    bring_up(&tree);
    tree.add_error_target(id, 8).unwrap();
    expect(&fake, preload(&tree), &["load two"]);
    assert_eq!(fake.inactive("two"), ["0 8 zero", "8 8 error"]);
}
