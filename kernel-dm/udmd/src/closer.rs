//! Closes files on a thread of its own.
//!
//! The last close of a block device writes out its cache, which may take until a suspended device is resumed; whoever
//! holds the lock that the resume needs must not wait for that.

use std::fs::File;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

enum Job {
    Close(File),
    Tell(Sender<()>),
}

static QUEUE: Mutex<Option<Sender<Job>>> = Mutex::new(None);

fn send(job: Job) {
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    let sender = queue.get_or_insert_with(|| {
        let (sender, receiver) = channel::<Job>();
        std::thread::spawn(move || {
            for job in receiver {
                match job {
                    Job::Close(file) => drop(file),
                    Job::Tell(done) => drop(done.send(())),
                }
            }
        });
        sender
    });
    // The thread ends with the process only; if it could not be started the file is closed here.
    let _ = sender.send(job);
}

/// Closes a file soon.
pub fn close_later(file: File) {
    send(Job::Close(file));
}

/// Waits until what was given before is closed. False when that takes longer than `limit`.
#[must_use]
pub fn wait(limit: Duration) -> bool {
    let (done, wait) = channel();
    send(Job::Tell(done));
    wait.recv_timeout(limit).is_ok()
}
