//! The queue of device-node operations below the dm directory.
//!
//! Requests only queue what their success makes necessary. The queue is carried out, in order, when the program waits
//! for udev or releases the library, so that udev has the first try. An operation that a later one makes void leaves
//! the queue when that is added.

mod execute;
pub mod read_ahead;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use bstr::BString;

use crate::library::Library;
use crate::task::DevNo;

/// What is done to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make it.
    Add {
        /// Its device.
        dev: DevNo,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its permissions.
        mode: u32,
        /// The kernel's own node of the device; if that is there, a link to it is made.
        link: Option<PathBuf>,
    },
    /// Delete it.
    Delete,
    /// Give it another name.
    Rename {
        /// The new name.
        to: BString,
    },
    /// Set the device's read-ahead.
    ReadAhead {
        /// Its device.
        dev: DevNo,
        /// Sectors of 512 bytes.
        value: u32,
        /// [`crate::task::READ_AHEAD_MINIMUM`] or 0.
        flags: u32,
    },
}

/// An operation on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Name of the node, or a path if it contains a slash.
    pub name: BString,
    /// What is done.
    pub action: Action,
    /// Major number of the character node `rNAME` that goes with it; none where there are no such nodes.
    pub twin: Option<u32>,
    /// Udev should have done it: a warning is due if it has not.
    pub verify: bool,
    /// Udev is trusted to do it: nothing is done.
    pub trust: bool,
}

impl Operation {
    /// The name that the node has afterwards.
    fn new_name(&self) -> &BString {
        match &self.action {
            Action::Rename { to } => to,
            _ => &self.name,
        }
    }

    fn is_delete(&self) -> bool {
        self.action == Action::Delete
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Add {
                dev, uid, gid, mode, ..
            } => {
                write!(f, "NODE_ADD ({},{}) {uid}:{gid} 0{mode:o}", dev.major, dev.minor)
            }
            Action::Delete => f.write_str("NODE_DEL"),
            Action::Rename { to } => write!(f, "NODE_RENAME to {to}"),
            Action::ReadAhead { value, flags, .. } => write!(f, "NODE_READ_AHEAD {value} (flags={flags})"),
        }?;
        if self.trust {
            f.write_str(" [trust_udev]")?;
        }
        if self.verify {
            f.write_str(" [verify_udev]")?;
        }
        Ok(())
    }
}

/// The queue of a library.
#[derive(Debug, Default)]
pub struct Nodes {
    queue: Mutex<Vec<Operation>>,
    /// Held while operations are carried out, so that two threads keep their order.
    running: Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// Adds an operation and takes out what it makes void.
fn stack(queue: &mut Vec<Operation>, operation: Operation) {
    let name = &operation.name;
    let drop_if = |queue: &mut Vec<Operation>, void: &dyn Fn(&Operation) -> bool| {
        queue
            .extract_if(.., |queued| void(queued))
            .inspect(|queued| crate::log_activation!("{}: Unstacking {queued}", queued.name))
            .collect::<Vec<_>>()
    };
    let mut moved = Vec::new();
    match &operation.action {
        Action::Add { .. } => {
            drop_if(queue, &|queued| queued.is_delete() && queued.new_name() == name);
        }
        Action::Delete => {
            // A rename to this name is void, but its old name must go too: what is left there would lead to whatever
            // device gets the number next.
            for queued in queue.iter_mut().filter(|queued| queued.new_name() == name) {
                if matches!(queued.action, Action::Rename { .. }) {
                    crate::log_activation!("{}: Unstacking {queued}", queued.name);
                    queued.action = Action::Delete;
                }
            }
            drop_if(queue, &|queued| queued.new_name() == name);
        }
        Action::Rename { to } => {
            // A node that is not there yet is made under its new name. Renames of a chain stay, unless udev does them.
            let is_rename = |queued: &Operation| matches!(queued.action, Action::Rename { .. });
            let void = drop_if(queue, &|queued| {
                queued.new_name() == name && (queued.verify || !is_rename(queued))
            });
            moved.extend(void.into_iter().filter_map(|mut queued| {
                queued.name.clone_from(to);
                matches!(queued.action, Action::Add { .. } | Action::ReadAhead { .. }).then_some(queued)
            }));
        }
        Action::ReadAhead { .. } => {}
    }
    for operation in std::iter::once(operation).chain(moved) {
        crate::log_activation!("{}: Stacking {operation}", operation.name);
        queue.push(operation);
    }
}

impl Nodes {
    /// Queues an operation.
    pub fn push(&self, operation: Operation) {
        stack(&mut lock(&self.queue), operation);
    }

    /// Carries out the queue. Failures are logged.
    pub fn process(&self, library: &Library) {
        let _running = lock(&self.running);
        let settings = library.settings();
        let checking = library.udev.checking();
        loop {
            let operations = std::mem::take(&mut *lock(&self.queue));
            if operations.is_empty() {
                return;
            }
            for operation in operations {
                let verb = if operation.trust { "Skipping" } else { "Processing" };
                crate::log_activation!("{}: {verb} {operation}", operation.name);
                if !operation.trust {
                    execute::execute(&settings, &operation, operation.verify && checking);
                }
            }
        }
    }

    /// What is queued.
    #[must_use]
    pub fn queued(&self) -> Vec<Operation> {
        lock(&self.queue).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(name: &str, action: Action) -> Operation {
        Operation {
            name: name.into(),
            action,
            twin: None,
            verify: false,
            trust: false,
        }
    }

    fn add(name: &str) -> Operation {
        let dev = DevNo { major: 254, minor: 0 };
        operation(
            name,
            Action::Add {
                dev,
                uid: 0,
                gid: 0,
                mode: 0o600,
                link: None,
            },
        )
    }

    fn delete(name: &str) -> Operation {
        operation(name, Action::Delete)
    }

    fn rename(name: &str, to: &str) -> Operation {
        operation(name, Action::Rename { to: to.into() })
    }

    fn reduced(operations: &[Operation]) -> Vec<String> {
        let nodes = Nodes::default();
        for operation in operations {
            nodes.push(operation.clone());
        }
        nodes.queued().iter().map(|o| format!("{} {o}", o.name)).collect()
    }

    const ADD: &str = "NODE_ADD (254,0) 0:0 0600";

    #[test]
    fn delete_voids_what_was_queued() {
        assert_eq!(
            reduced(&[add("a"), add("b"), delete("a")]),
            [format!("b {ADD}"), "a NODE_DEL".into()]
        );
        assert_eq!(reduced(&[rename("a", "b"), delete("b")]), ["a NODE_DEL", "b NODE_DEL"]);
        assert_eq!(
            reduced(&[rename("a", "b"), add("a"), delete("b")]),
            ["a NODE_DEL".into(), format!("a {ADD}"), "b NODE_DEL".into()]
        );
        assert_eq!(
            reduced(&[rename("a", "b"), delete("a")]),
            ["a NODE_RENAME to b", "a NODE_DEL"]
        );
    }

    #[test]
    fn add_voids_a_delete() {
        assert_eq!(reduced(&[delete("a"), add("a")]), [format!("a {ADD}")]);
        assert_eq!(reduced(&[add("a"), add("a")]), [format!("a {ADD}"), format!("a {ADD}")]);
    }

    #[test]
    fn rename_takes_the_pending_add_along() {
        let read_ahead = Action::ReadAhead {
            dev: DevNo::default(),
            value: 513,
            flags: 0,
        };
        assert_eq!(
            reduced(&[add("a"), operation("a", read_ahead), rename("a", "b")]),
            [
                "a NODE_RENAME to b".into(),
                format!("b {ADD}"),
                "b NODE_READ_AHEAD 513 (flags=0)".into()
            ]
        );
        assert_eq!(
            reduced(&[rename("a", "b"), rename("b", "c")]),
            ["a NODE_RENAME to b", "b NODE_RENAME to c"]
        );
        let verified = Operation {
            verify: true,
            ..rename("a", "b")
        };
        assert_eq!(reduced(&[verified, rename("b", "c")]), ["b NODE_RENAME to c"]);
    }

    #[test]
    fn suffixes() {
        let trusted = Operation {
            trust: true,
            verify: true,
            ..delete("a")
        };
        assert_eq!(trusted.to_string(), "NODE_DEL [trust_udev] [verify_udev]");
    }
}
