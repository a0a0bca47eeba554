//! Adding, linking, finding.

use super::*;
use crate::task::Info;

#[test]
fn uuids_may_lack_a_suffix_or_the_prefix() {
    let (_, tree) = tree();
    let id = tree
        .add_new_dev(BStr::new("q"), BStr::new("QQQQ"), NewDev::default())
        .unwrap();
    tree.set_optional_uuid_suffixes(vec!["real".into(), "pool".into()]);
    let find = |uuid: &str| tree.find_by_uuid(BStr::new(uuid));
    for uuid in ["QQQQ", "LVM-QQQQ", "QQQQ-real", "QQQQ-pool"] {
        assert_eq!(find(uuid), Some(id), "{uuid}");
    }
    for uuid in ["QQQQ-tpool", "LVM-QQQQ-real", "QQQ", "real", "-real"] {
        assert_eq!(find(uuid), None, "{uuid}");
    }
    assert_eq!(find(""), Some(ROOT));
    assert_eq!(tree.find(DevNo::default()), Some(ROOT));
}

#[test]
fn prefix_filter() {
    let (_, tree) = tree();
    let matches = |uuid: &str, prefix: &str| tree.matches(BStr::new(uuid), Some(BStr::new(prefix)));
    assert!(tree.matches(BStr::new("x"), None));
    assert!(matches("LVM-abc", "LVM-a") && matches("anything", ""));
    assert!(
        !matches("abc", "LVM-"),
        "a prefix of the library's alone says nothing of old devices"
    );
    assert!(matches("abc", "LVM-ab"));
    assert!(!matches("LVM-abc", "LVM-b") && !matches("LVM-LVM-abc", "LVM-abc") && !matches("", "LVM-a"));
}

#[test]
fn existing_devices_come_with_what_they_use() {
    let (fake, tree) = tree();
    linear(&tree, "base", 128, "/dev/ram0", 0);
    linear(&tree, "top", 64, "base", 0);
    linear(&tree, "top2", 64, "base", 64);
    bring_up(&tree);
    fake.take_log();

    let tree = Tree::new(Rc::clone(&fake) as Rc<dyn Driver>);
    let top = tree.add_dev(fake.number("top"), 0x20).unwrap();
    assert_eq!(fake.take_log(), ["deps top", "deps base"]);
    let base = tree.add_dev(fake.number("base"), 0).unwrap();
    assert_eq!(fake.take_log(), [""; 0], "it is there already");
    assert_eq!(tree.children(ROOT), [top], "what has a user is no child of the root");
    assert_eq!(tree.children(top), [base]);
    let ram = tree.find(DevNo { major: 1, minor: 0 }).unwrap();
    assert_eq!(tree.children(base), [ram]);
    assert_eq!(tree.children(ram), [ROOT], "a leaf leads back to the root");
    assert_eq!(tree.parents(ROOT), [ram]);
    assert_eq!((tree.num_children(ram, false), tree.num_children(ram, true)), (0, 1));
    assert_eq!(
        tree.info(ram),
        Info {
            major: 1,
            ..Info::default()
        }
    );
    assert_eq!(tree.name(base), "base");
    assert_eq!(tree.uuid(base), "LVM-base");
    assert_eq!(tree.node(base).udev_flags.get(), 0, "asked for by itself");

    let tree = Tree::new(Rc::clone(&fake) as Rc<dyn Driver>);
    tree.add_dev(fake.number("top"), 0x20).unwrap();
    let base = tree.find(fake.number("base")).unwrap();
    assert_eq!(
        tree.node(base).udev_flags.get(),
        0x2e,
        "not asked for: hardly any udev rules"
    );
    tree.add_dev(fake.number("top2"), 0).unwrap();
    assert_eq!(tree.num_children(base, true), 2);
    assert!(
        tree.add_dev(
            DevNo {
                major: fake::MAJOR,
                minor: 99
            },
            0
        )
        .is_err()
    );
}

#[test]
fn new_devices_have_no_name_yet() {
    let (fake, tree) = tree();
    let id = linear(&tree, "new", 8, "/dev/ram0", 0);
    assert_eq!((tree.name(id), tree.uuid(id)), ("".into(), "".into()));
    assert_eq!(tree.len(), 3);
    bring_up(&tree);
    assert_eq!((tree.name(id), tree.uuid(id)), ("new".into(), "LVM-new".into()));
    assert_eq!(tree.find(fake.number("new")), None, "not registered by number");
    assert!(
        tree.add_new_dev(BStr::new("x"), BStr::new(""), NewDev::default())
            .is_err()
    );
}

#[test]
fn nothing_uses_itself() {
    let (_, tree) = tree();
    let a = device(&tree, "a");
    tree.add_linear_target(a, 8).unwrap();
    let b = linear(&tree, "b", 8, "a", 0);
    for uuid in ["LVM-a", "LVM-b"] {
        assert!(
            tree.add_target_area(a, None, Some(BStr::new(uuid)), 0).is_err(),
            "{uuid}"
        );
    }
    assert_eq!(tree.children(ROOT), [b]);
    assert_eq!(tree.children(a), [ROOT]);
}

#[test]
fn areas_need_a_device_and_a_segment() {
    let (_, tree) = tree();
    let id = device(&tree, "a");
    let add = |path: Option<&str>, uuid: Option<&str>| {
        tree.add_target_area(id, path.map(BStr::new), uuid.map(BStr::new), 0)
            .is_ok()
    };
    assert!(!add(Some("/dev/ram0"), None), "no segment");
    tree.add_linear_target(id, 8).unwrap();
    assert!(!add(None, None) && !add(Some(""), Some("")));
    assert!(!add(None, Some("nonsense")) && !add(Some("/dev/null"), None));
    assert!(add(Some("/dev/ram0"), Some("")));
    assert!(tree.add_null_area(id).is_err());
    assert!(tree.add_linear_target(ROOT, 8).is_err());
}

#[test]
fn clearing_removes_what_only_the_inactive_table_used() {
    let (fake, tree) = tree();
    linear(&tree, "top", 64, "/dev/ram0", 0);
    linear(&tree, "other", 64, "/dev/ram1", 0);
    bring_up(&tree);
    let tree = tree_of(&fake, &["top"]);
    for name in ["orphan", "stranger"] {
        fake.create(
            BStr::new(name),
            BStr::new(&if name == "orphan" { uuid(name) } else { "X".into() }),
            None,
            false,
        )
        .unwrap();
    }
    let on = |name: &str| fake.number(name).to_string();
    let params = format!("{} {} {} 1:5", on("orphan"), on("stranger"), on("other"));
    fake.change("top", |d| {
        d.inactive = Some(vec![Target {
            start: 0,
            length: 64,
            kind: "raid".into(),
            params: params.into(),
        }]);
    });
    // The tree heard of the inactive table only now.
    let tree2 = tree_of(&fake, &["top"]);
    drop(tree);
    fake.take_log();
    let new = NewDev {
        clear_inactive: true,
        ..NewDev::default()
    };
    let id = tree2.add_new_dev(BStr::new("top"), BStr::new("LVM-top"), new).unwrap();
    assert_eq!(
        fake.take_log(),
        [
            "deps top inactive",
            "clear top",
            "info other opencount",
            "info stranger opencount",
            "info orphan opencount",
            "remove orphan",
        ]
    );
    assert_eq!(fake.names(), ["top", "other", "stranger"]);
    assert!(!tree2.info(id).inactive_table);
}

#[test]
fn children_use_uuid_looks_at_direct_children() {
    let (fake, tree) = tree();
    linear(&tree, "base", 128, "/dev/ram0", 0);
    linear(&tree, "top", 64, "base", 0);
    bring_up(&tree);
    let tree = tree_of(&fake, &["top"]);
    assert!(tree.children_use_uuid(ROOT, Some(BStr::new("LVM-t"))));
    assert!(!tree.children_use_uuid(ROOT, Some(BStr::new("LVM-b"))));
}
