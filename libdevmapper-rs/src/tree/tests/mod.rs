//! Trees on a driver that records what it is asked.

mod fake;
mod find;
mod lines;
mod pools;
mod walks;

use super::*;
use crate::error::Result;
#[allow(unused_imports)]
use crate::task::{DevNo, Target};
use bstr::{BStr, BString};
use fake::Fake;

/// A driver, and a new tree on it.
fn tree() -> (Rc<Fake>, Tree) {
    let fake = Rc::new(Fake::default());
    let tree = Tree::new(Rc::clone(&fake) as Rc<dyn Driver>);
    (fake, tree)
}

/// A tree of the devices that exist.
fn tree_of(fake: &Rc<Fake>, names: &[&str]) -> Tree {
    let tree = Tree::new(Rc::clone(fake) as Rc<dyn Driver>);
    for name in names {
        tree.add_dev(fake.number(name), 0).unwrap();
    }
    fake.take_log();
    tree
}

fn uuid(name: &str) -> String {
    format!("LVM-{name}")
}

/// Announces a device called `name` with uuid `LVM-name`.
fn device(tree: &Tree, name: &str) -> NodeId {
    tree.add_new_dev(BStr::new(name), BStr::new(&uuid(name)), NewDev::default())
        .unwrap()
}

/// Announces a linear device on a path, or on a node of the tree.
fn linear(tree: &Tree, name: &str, size: u64, on: &str, offset: u64) -> NodeId {
    let id = device(tree, name);
    tree.add_linear_target(id, size).unwrap();
    area(tree, id, on, offset);
    id
}

fn area(tree: &Tree, id: NodeId, on: &str, offset: u64) {
    if on.starts_with('/') {
        tree.add_target_area(id, Some(BStr::new(on)), None, offset).unwrap();
    } else {
        tree.add_target_area(id, None, Some(BStr::new(&uuid(on))), offset)
            .unwrap();
    }
}

/// Runs a walk and returns what the driver was asked.
fn log_of(fake: &Fake, walk: impl FnOnce() -> Result<()>) -> (bool, Vec<String>) {
    fake.take_log();
    let ok = walk().is_ok();
    (ok, fake.take_log())
}

/// Runs a walk that succeeds and compares what the driver was asked.
#[track_caller]
fn expect(fake: &Fake, walk: impl FnOnce() -> Result<()>, want: &[&str]) {
    let (ok, log) = log_of(fake, walk);
    assert_eq!(log, want);
    assert!(ok);
}

/// Runs a walk that fails and compares what the driver was asked.
#[track_caller]
fn expect_failure(fake: &Fake, walk: impl FnOnce() -> Result<()>, want: &[&str]) {
    let (ok, log) = log_of(fake, walk);
    assert_eq!(log, want);
    assert!(!ok);
}

/// Brings everything up.
#[track_caller]
fn bring_up(tree: &Tree) {
    tree.preload_children(ROOT, None).unwrap();
    tree.activate_children(ROOT, None).unwrap();
}
