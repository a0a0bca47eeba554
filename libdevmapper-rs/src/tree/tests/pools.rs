//! Thin pools and vdo: messages, and pools that grow.

use super::*;
use crate::status::vdo::TargetParams;
use crate::tree::segment::{ThinPool, Vdo};
use dm_abi::errno::Errno;

/// A running pool `tp` at transaction `has`, and a tree in which it is to be at `wanted`.
fn pool(has: u64, wanted: u64) -> (Rc<Fake>, Tree, NodeId) {
    let (fake, tree) = tree();
    linear(&tree, "meta", 1000, "/dev/ram0", 0);
    linear(&tree, "data", 1000, "/dev/ram1", 0);
    add_pool(&tree, 1000, 0);
    bring_up(&tree);
    fake.status.borrow_mut().insert(
        "tp".into(),
        format!("{has} 1/2 3/4 - rw discard_passdown queue_if_no_space - 1024 "),
    );
    let tree = tree_of(&fake, &["tp"]);
    let id = add_pool(&tree, 1000, wanted);
    tree.preload_children(ROOT, None).unwrap();
    fake.take_log();
    (fake, tree, id)
}

fn add_pool(tree: &Tree, size: u64, transaction_id: u64) -> NodeId {
    let id = device(tree, "tp");
    let pool = ThinPool {
        transaction_id,
        metadata_uuid: BStr::new("LVM-meta"),
        data_uuid: BStr::new("LVM-data"),
        data_block_size: 128,
        ..ThinPool::default()
    };
    tree.add_thin_pool_target(id, size, pool).unwrap();
    id
}

fn two_messages(tree: &Tree, id: NodeId, current: u64) {
    tree.add_thin_pool_message(id, ThinMessage::CreateThin { id: 1 })
        .unwrap();
    tree.add_thin_pool_message(
        id,
        ThinMessage::SetTransactionId {
            current,
            new: current + 1,
        },
    )
    .unwrap();
}

#[test]
fn messages_take_the_place_of_suspending() {
    let (fake, tree, id) = pool(0, 1);
    two_messages(&tree, id, 0);
    let want = [
        "info tp",
        "status tp",
        "message tp create_thin 1",
        "message tp set_transaction_id 0 1",
        "status tp",
    ];
    expect(&fake, || tree.suspend_children(ROOT, None), &want);
    expect(&fake, || tree.activate_children(ROOT, None), &[]);
}

#[test]
fn messages_are_sent_once() {
    let (fake, tree, id) = pool(1, 1);
    two_messages(&tree, id, 0);
    expect(&fake, || tree.suspend_children(ROOT, None), &["info tp", "status tp"]);
}

#[test]
fn wrong_transactions_are_refused() {
    for (has, wanted) in [(1, 7), (3, 1), (u64::MAX, 1)] {
        let (fake, tree, id) = pool(has, wanted);
        two_messages(&tree, id, wanted - 1);
        expect_failure(&fake, || tree.suspend_children(ROOT, None), &["info tp", "status tp"]);
    }
    let (_, tree, id) = pool(0, 1);
    for bad in [
        ThinMessage::CreateSnap { id: 1, origin: 1 },
        ThinMessage::CreateSnap { id: 1, origin: 1 << 24 },
        ThinMessage::CreateThin { id: 1 << 24 },
        ThinMessage::Delete { id: u32::MAX },
        ThinMessage::SetTransactionId { current: 0, new: 2 },
        ThinMessage::SetTransactionId { current: 1, new: 2 },
        ThinMessage::SetTransactionId {
            current: u64::MAX,
            new: 0,
        },
    ] {
        assert!(tree.add_thin_pool_message(id, bad).is_err(), "{bad:?}");
    }
}

#[test]
fn broken_pools_get_no_messages() {
    for status in [
        "Fail",
        "0 1/2 3/4 - ro discard_passdown - 1 ",
        "0 1/2 3/4 - rw x needs_check 1 ",
    ] {
        let (fake, tree, id) = pool(0, 1);
        two_messages(&tree, id, 0);
        fake.status.borrow_mut().insert("tp".into(), status.into());
        expect_failure(&fake, || tree.suspend_children(ROOT, None), &["info tp", "status tp"]);
    }
}

#[test]
fn messages_that_were_carried_out_before() {
    let (fake, tree, id) = pool(0, 1);
    *fake.refuse_messages.borrow_mut() = vec![
        ("create_thin 1".into(), Errno::EEXIST),
        ("delete 2".into(), Errno::ENODATA),
        ("create_snap 3 1".into(), Errno::EEXIST),
    ];
    for message in [
        ThinMessage::CreateThin { id: 1 },
        ThinMessage::Delete { id: 2 },
        ThinMessage::CreateSnap { id: 3, origin: 1 },
        ThinMessage::CreateThin { id: 4 },
    ] {
        tree.add_thin_pool_message(id, message).unwrap();
    }
    let want = [
        "info tp",
        "status tp",
        "message tp create_thin 1",
        "message tp delete 2",
        "message tp create_snap 3 1",
    ];
    expect_failure(&fake, || tree.suspend_children(ROOT, None), &want);
}

#[test]
fn a_new_pool_gets_messages_when_it_is_live() {
    let (fake, tree) = tree();
    linear(&tree, "meta", 1000, "/dev/ram0", 0);
    linear(&tree, "data", 1000, "/dev/ram1", 0);
    let id = add_pool(&tree, 1000, 1);
    two_messages(&tree, id, 0);
    fake.status
        .borrow_mut()
        .insert("tp".into(), "0 1/2 3/4 - rw x - 1024 ".into());
    tree.preload_children(ROOT, None).unwrap();
    let want = [
        "resume tp",
        "status tp",
        "message tp create_thin 1",
        "message tp set_transaction_id 0 1",
        "status tp",
    ];
    expect(&fake, || tree.activate_children(ROOT, None), &want);
}

#[test]
fn a_new_pool_below_a_volume_is_checked() {
    for (has, ok) in [(0, true), (1, true), (5, false)] {
        let (fake, tree) = tree();
        linear(&tree, "meta", 1000, "/dev/ram0", 0);
        linear(&tree, "data", 1000, "/dev/ram1", 0);
        add_pool(&tree, 1000, 1);
        let thin = device(&tree, "thin");
        tree.add_thin_target(thin, 64, BStr::new("LVM-tp"), 1).unwrap();
        fake.status
            .borrow_mut()
            .insert("tp".into(), format!("{has} 1/2 3/4 - rw x - 1024 "));
        let mut want = vec![
            "create meta",
            "load meta",
            "resume meta",
            "create data",
            "load data",
            "resume data",
            "create tp",
            "load tp",
            "resume tp",
            "status tp",
        ];
        if ok {
            want.extend(["create thin", "load thin"]);
            expect(&fake, || tree.preload_children(ROOT, None), &want);
        } else {
            want.extend(["wait", "remove tp", "remove meta", "remove data"]);
            expect_failure(&fake, || tree.preload_children(ROOT, None), &want);
        }
    }
}

#[test]
fn a_pool_that_grows_waits_with_all_above_it() {
    let (fake, tree) = tree();
    linear(&tree, "meta", 1000, "/dev/ram0", 0);
    linear(&tree, "data", 1000, "/dev/ram1", 0);
    add_pool(&tree, 1000, 0);
    linear(&tree, "mid", 64, "tp", 0);
    linear(&tree, "top", 64, "mid", 0);
    bring_up(&tree);
    let tree = tree_of(&fake, &["top"]);
    linear(&tree, "data", 2000, "/dev/ram1", 0);
    let tp = add_pool(&tree, 2000, 0);
    linear(&tree, "mid", 128, "tp", 0);
    linear(&tree, "top", 128, "mid", 0);
    expect(
        &fake,
        || tree.preload_children(ROOT, None),
        &["load data", "resume data", "load tp", "load mid", "load top"],
    );
    assert_eq!(tree.size_changed(tp), 0);
    expect(
        &fake,
        || tree.activate_children(ROOT, None),
        &["resume tp", "resume mid", "resume top"],
    );
}

#[test]
fn vdo_switches() {
    let params = TargetParams {
        minimum_io_size: 8,
        block_map_cache_size_mb: 128,
        block_map_era_length: 1,
        index_memory_size_mb: 256,
        slab_size_mb: 128,
        max_discard: 1,
        bio_threads: 1,
        bio_rotation: 1,
        cpu_threads: 1,
        use_compression: true,
        use_deduplication: false,
        ..TargetParams::default()
    };
    for (status, want) in [
        ("/dev/dm-0 normal - online online 1 2", &["message v index-disable"][..]),
        (
            "/dev/dm-0 normal - online offline 1 2",
            &["message v compression on", "message v index-disable"],
        ),
        ("/dev/dm-0 normal - offline online 1 2", &[]),
    ] {
        let (fake, tree) = tree();
        linear(&tree, "data", 1000, "/dev/ram0", 0);
        let id = device(&tree, "v");
        let vdo = Vdo {
            version: 2,
            pool_name: BStr::new("p"),
            data_uuid: BStr::new("LVM-data"),
            data_size: 1000,
            params,
        };
        tree.add_vdo_target(id, 64, vdo).unwrap();
        tree.preload_children(ROOT, None).unwrap();
        fake.status.borrow_mut().insert("v".into(), status.into());
        let mut all = vec!["resume v", "status v"];
        all.extend(want);
        expect(&fake, || tree.activate_children(ROOT, None), &all);
    }
}
