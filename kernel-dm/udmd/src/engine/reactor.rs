//! The thread that moves the data.
//!
//! It waits for nothing but its ring, and takes no lock that is held while somebody waits for a device: it must be able to
//! answer at any time, because the control path waits for its answers in turn.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dm_abi::errno::Errno;
use dm_core::host::DeviceId;
use dm_core::io::{Bio, Op, Piece, Verb};
use dm_core::machine::{Action, PieceId, SharedMachine, Token};
use nix::sys::eventfd::{EfdFlags, EventFd};
use slab::Slab;

use super::mapped::Entry;
use super::own::Wait;
use super::request::{Delayed, Frame, Job, Origin};
use super::ring::{Completion, Ring};
use super::{Mapped, Shared, now_ms};
use crate::buffer::{Buffer, MAX_PAYLOAD, Pool, SMALL};
use crate::component::Handle;
use crate::present::{Answer, Channel, Received, Reply};

/// Requests that are taken from one device before the next has its turn.
const TURN: usize = 64;
/// Memory beyond the pool, in bytes, above which no more requests are taken in while none is held.
const EXTRA: usize = 256 << 20;
/// Poll key of the inbox.
const INBOX: u64 = 0;

/// What the control path tells the data path.
pub enum Message {
    /// Serve the requests of a device.
    Serve(Arc<Mapped>, Arc<dyn Channel>),
    /// A gate has opened, or the device fails what it would hold: look again at what is held.
    Retry(DeviceId),
    /// A gate has closed: delayed pieces are done at once.
    Hurry(DeviceId),
    /// Do what a machine wants.
    Perform(SharedMachine<Handle>, Vec<Action<Handle>>),
    /// A piece of this thread, which its machine holds, is to be done at a component.
    Send(PieceId, u32, u64, SharedMachine<Handle>, Token),
    /// The data of a write of this thread are for its machine.
    Data(PieceId, SharedMachine<Handle>, Token),
    /// A piece of this thread is let go by its machine, which may want to know of its end.
    Release(PieceId, Verb, Option<(SharedMachine<Handle>, Token)>),
}

/// Where a thread of the data path gets its messages.
pub struct Inbox {
    messages: Mutex<Vec<Message>>,
    event: EventFd,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inbox")
    }
}

impl Inbox {
    /// Sends a message.
    pub fn send(&self, message: Message) {
        self.messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(message);
        // A full counter wakes as well.
        let _ = self.event.write(1);
    }
}

/// What targets tell those who keep the engine's control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// An event on a device.
    Event(DeviceId),
    /// The state that is saved has changed.
    Changed,
}

/// Starts a thread of the data path. It tells on `events` what targets raise.
///
/// # Errors
/// What keeps it from having a ring and buffers.
pub fn spawn(shared: Arc<Shared>, events: Sender<Raised>, name: String) -> std::io::Result<Arc<Inbox>> {
    let inbox = Arc::new(Inbox {
        messages: Mutex::default(),
        event: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
    });
    let (tell, started) = std::sync::mpsc::channel();
    let theirs = inbox.clone();
    let number = shared.add_inbox(inbox.clone());
    std::thread::Builder::new()
        .name(name)
        .spawn(move || match Reactor::new(shared, theirs, events, number) {
            Ok(mut reactor) => {
                crate::guard::prefer_this_thread();
                let _ = tell.send(Ok(()));
                reactor.run();
            }
            Err(error) => drop(tell.send(Err(error))),
        })?;
    started
        .recv()
        .unwrap_or_else(|_| Err(std::io::Error::other("the I/O thread ended")))?;
    Ok(inbox)
}

struct Served {
    device: Arc<Mapped>,
    channel: Arc<dyn Channel>,
    ready: bool,
}

pub(super) struct Reactor {
    pub(super) shared: Arc<Shared>,
    pub(super) events: Sender<Raised>,
    inbox: Arc<Inbox>,
    pub(super) ring: Ring,
    pub(super) pool: Pool,
    /// Where the next request is read to.
    landing: Buffer,
    served: HashMap<u64, Served>,
    next_key: u64,
    /// Keys of devices that may have requests.
    ready: VecDeque<u64>,
    pub(super) frames: Slab<Frame>,
    pub(super) jobs: Slab<Job>,
    /// Frames to let in.
    pub(super) entering: VecDeque<usize>,
    held: HashMap<DeviceId, VecDeque<usize>>,
    held_count: usize,
    /// By time in milliseconds and order.
    pub(super) delayed: BTreeMap<(u64, u64), Delayed>,
    /// Machines that wait, in the same way.
    pub(super) waits: BTreeMap<(u64, u64), Wait>,
    pub(super) next_delayed: u64,
    /// Number of this thread.
    pub(super) number: u64,
    /// Pieces that machines hold, with their frames.
    pub(super) asked: Slab<(usize, Piece)>,
    /// What machines want, in order.
    pub(super) actions: VecDeque<(SharedMachine<Handle>, Action<Handle>)>,
    /// The device of machines' own I/O.
    pub(super) nobody: Arc<Mapped>,
}

impl Reactor {
    fn new(shared: Arc<Shared>, inbox: Arc<Inbox>, events: Sender<Raised>, number: u64) -> std::io::Result<Self> {
        let no_memory = || std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        let mut ring = Ring::new()?;
        ring.poll(INBOX, inbox.event.as_fd());
        let mut pool = Pool::new().ok_or_else(no_memory)?;
        let landing = pool.take(MAX_PAYLOAD).ok_or_else(no_memory)?;
        Ok(Self {
            shared,
            events,
            inbox,
            ring,
            pool,
            landing,
            served: HashMap::new(),
            next_key: INBOX + 1,
            ready: VecDeque::new(),
            frames: Slab::with_capacity(256),
            jobs: Slab::with_capacity(256),
            entering: VecDeque::with_capacity(256),
            held: HashMap::new(),
            held_count: 0,
            delayed: BTreeMap::new(),
            waits: BTreeMap::new(),
            next_delayed: 0,
            number,
            asked: Slab::new(),
            actions: VecDeque::new(),
            nobody: Arc::new(Mapped::new(DeviceId(u64::MAX))),
        })
    }

    fn run(&mut self) {
        let mut completions = Vec::with_capacity(256);
        loop {
            self.take_requests();
            self.start_due();
            self.do_actions();
            let wait = if self.may_take() && !self.ready.is_empty() {
                Some(Duration::ZERO)
            } else {
                let delayed = self.delayed.first_key_value().map(|(&(due, _), _)| due);
                let waits = self.waits.first_key_value().map(|(&(due, _), _)| due);
                let due = delayed.into_iter().chain(waits).min();
                due.map(|due| Duration::from_millis(due.saturating_sub(now_ms()).max(1)))
            };
            self.ring.submit(wait);
            self.ring.reap(&mut completions);
            for completion in completions.drain(..) {
                match completion {
                    Completion::Job { index, result } => self.job_done(index, result),
                    Completion::Reply { index, result } => self.replied(index, result),
                    Completion::Poll { key: INBOX, over } => {
                        let _ = self.inbox.event.read();
                        if over {
                            self.ring.poll(INBOX, self.inbox.event.as_fd());
                        }
                        self.take_messages();
                    }
                    Completion::Poll { key, over } => self.polled(key, over),
                }
            }
        }
    }

    fn take_messages(&mut self) {
        let messages = std::mem::take(&mut *self.inbox.messages.lock().unwrap_or_else(PoisonError::into_inner));
        for message in messages {
            self.take(message);
        }
    }

    /// Does what a message says.
    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Serve(device, channel) => {
                let key = self.next_key;
                self.next_key += 1;
                self.ring.poll(key, channel.poll_fd());
                let ready = true;
                self.served.insert(key, Served { device, channel, ready });
                self.ready.push_back(key);
            }
            Message::Retry(id) => {
                for index in self.held.remove(&id).unwrap_or_default() {
                    self.held_count -= 1;
                    self.frames[index].device.count_held(false);
                    self.entering.push_back(index);
                }
                self.enter_all();
            }
            Message::Perform(machine, actions) => self.perform(&machine, actions),
            Message::Send(piece, component, sector, machine, token) => {
                self.send_held(piece, component, sector, machine, token);
            }
            Message::Data(piece, machine, token) => self.give_data(piece, &machine, token),
            Message::Release(piece, verb, report) => self.release(piece, verb, report),
            Message::Hurry(id) => {
                let all = std::mem::take(&mut self.delayed);
                let (now, later): (BTreeMap<_, _>, _) = all
                    .into_iter()
                    .partition(|(_, delayed)| self.frames[delayed.frame].device.id == id);
                self.delayed = later;
                now.into_values().for_each(|delayed| self.delay_over(delayed));
            }
        }
    }

    fn polled(&mut self, key: u64, over: bool) {
        let Some(served) = self.served.get_mut(&key) else {
            return;
        };
        if over {
            self.ring.poll(key, served.channel.poll_fd());
        }
        if !served.ready {
            served.ready = true;
            self.ready.push_back(key);
        }
    }

    /// Whether there is memory for more requests. Where requests are held, those that are not must still come in: the
    /// resume waits for one of them.
    fn may_take(&self) -> bool {
        self.held_count > 0 || self.pool.extra_bytes() < EXTRA
    }

    fn take_requests(&mut self) {
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else { return };
            if !self.take_turn(key) {
                self.ready.push_back(key);
            }
        }
    }

    /// Takes the requests of one device. False when there may be more.
    fn take_turn(&mut self, key: u64) -> bool {
        let Some(served) = self.served.get_mut(&key) else {
            return true;
        };
        let channel = served.channel.clone();
        let device = served.device.clone();
        for _ in 0..TURN {
            if !self.may_take() {
                return false;
            }
            match channel.receive(&mut self.landing) {
                Received::Handled => {}
                Received::Nothing => {
                    if let Some(served) = self.served.get_mut(&key) {
                        served.ready = false;
                    }
                    return true;
                }
                Received::Gone => {
                    self.served.remove(&key);
                    self.ring.unpoll(key);
                    return true;
                }
                Received::Io { token, bio, unmap } => {
                    let buffer = match token.answer {
                        Answer::Count => match self.keep_payload(token.len as usize) {
                            Some(buffer) => Some(buffer),
                            None => {
                                channel.reply(token, Err(Errno::ENOMEM), None);
                                continue;
                            }
                        },
                        Answer::Data | Answer::Empty => None,
                    };
                    let channel = channel.clone();
                    let entry = self.frames.vacant_entry();
                    let root = entry.key();
                    let origin = Origin::Channel { channel, token };
                    entry.insert(Frame {
                        buffer,
                        ..Frame::new(origin, root, 0, device.clone(), bio, unmap)
                    });
                    self.entering.push_back(root);
                    self.enter_all();
                }
            }
        }
        false
    }

    /// Moves what was read to the landing buffer into one that a request can keep.
    fn keep_payload(&mut self, len: usize) -> Option<Buffer> {
        if len > SMALL
            && let Some(next) = self.pool.take_large()
        {
            return Some(std::mem::replace(&mut self.landing, next));
        }
        let mut buffer = self.pool.take(len)?;
        buffer.bytes_mut(0, len).copy_from_slice(self.landing.bytes(0, len));
        Some(buffer)
    }

    pub(super) fn enter_all(&mut self) {
        while let Some(index) = self.entering.pop_front() {
            self.enter(index);
        }
    }

    fn enter(&mut self, index: usize) {
        let frame = &mut self.frames[index];
        // Nothing overtakes what is held.
        let waits = self.held.get(&frame.device.id).is_some_and(|queue| !queue.is_empty());
        let entry = if waits { Entry::Hold } else { frame.device.enter() };
        match entry {
            Entry::Hold => self.hold(index),
            Entry::Fail(errno) => {
                frame.error = Some(errno);
                self.finish(index);
            }
            Entry::Go(table) => {
                let writes = !matches!(frame.bio.op, Op::Read | Op::Flush);
                let refused = writes && index == frame.root && table.read_only();
                frame.table = Some(table.clone());
                if refused {
                    frame.error = Some(Errno::EROFS);
                    return self.finish(index);
                }
                if frame.bio.op == Op::Read && index == frame.root && frame.buffer.is_none() {
                    let len = usize::try_from(frame.bio.sectors << 9).unwrap_or(usize::MAX);
                    frame.buffer = self.pool.take(len);
                    if frame.buffer.is_none() {
                        frame.error = Some(Errno::ENOMEM);
                        return self.finish(index);
                    }
                }
                // One more than the pieces, so that the frame does not end before all are started.
                frame.pending = 1;
                let now = now_ms();
                for piece in table.pieces(frame_bio(&self.frames, index), now) {
                    self.frames[index].pending += 1;
                    self.start_piece(index, piece, now);
                }
                drop(table);
                self.piece_done(index, Ok(()));
            }
        }
    }

    fn hold(&mut self, index: usize) {
        let frame = &mut self.frames[index];
        // What is held for long must not take the pool's buffers from other devices.
        if index == frame.root
            && let Some(buffer) = frame.buffer.take()
        {
            let len = usize::try_from(frame.bio.sectors << 9).unwrap_or(usize::MAX);
            frame.buffer = Some(match self.pool.take_extra(len) {
                Some(mut own) => {
                    own.bytes_mut(0, len).copy_from_slice(buffer.bytes(0, len));
                    self.pool.give(buffer);
                    own
                }
                None => buffer,
            });
        }
        self.held_count += 1;
        frame.device.count_held(true);
        self.held.entry(frame.device.id).or_default().push_back(index);
    }

    pub(super) fn piece_done(&mut self, index: usize, result: Result<(), Errno>) {
        let frame = &mut self.frames[index];
        frame.pending -= 1;
        if let Err(errno) = result {
            frame.error.get_or_insert(errno);
        }
        if frame.pending == 0 {
            self.finish(index);
        }
    }

    /// A frame is complete, and perhaps those above it.
    fn finish(&mut self, mut index: usize) {
        loop {
            if self.transformed(index) {
                return;
            }
            let frame = &mut self.frames[index];
            if frame.again {
                return self.enter_again(index);
            }
            let result = frame.error.map_or(Ok(()), Err);
            let above = match frame.origin {
                Origin::Channel { ref channel, token } => {
                    if let Reply::InBuffer { head, len } = channel.reply(token, result, frame.buffer.as_mut())
                        && let Some(buffer) = &frame.buffer
                    {
                        // The frame goes when the reply is written: whoever waits for the device to be idle may count on
                        // its users having their answers.
                        return self.ring.reply(index, channel.poll_fd(), buffer.bytes(head, len));
                    }
                    None
                }
                Origin::Frame(above, piece) => {
                    if let Err(errno) = result {
                        self.tell_failed(above, &piece, errno);
                    }
                    Some(above)
                }
                Origin::Reported(above, _) | Origin::Transformed { above, .. } => Some(above),
                Origin::Machine(_) | Origin::Sent(..) | Origin::Gone => None,
            };
            self.forget(index);
            let Some(above) = above else { return };
            let frame = &mut self.frames[above];
            frame.pending -= 1;
            if let Err(errno) = result {
                frame.error.get_or_insert(errno);
            }
            if frame.pending > 0 {
                return;
            }
            index = above;
        }
    }

    /// A frame goes back to its device's gate.
    fn enter_again(&mut self, index: usize) {
        let frame = &mut self.frames[index];
        (frame.again, frame.error) = (false, None);
        drop(frame.table.take());
        if frame.device.exit() {
            self.shared.notifier.notify();
        }
        self.entering.push_back(index);
    }

    /// The reply of a frame is written.
    fn replied(&mut self, index: usize, result: i32) {
        if let Origin::Channel { channel, .. } = &self.frames[index].origin {
            channel.replied(result);
        }
        self.forget(index);
    }

    /// Nothing is left to do for a frame.
    fn forget(&mut self, index: usize) {
        let mut frame = self.frames.remove(index);
        match std::mem::replace(&mut frame.origin, Origin::Gone) {
            Origin::Machine(own) => return self.own_done(frame, own),
            // It has not been let in by itself.
            Origin::Reported(_, own) | Origin::Sent(_, own) => {
                let result = frame.error.map_or(Ok(Vec::new()), Err);
                return self.tell_machine(&own.machine, own.token, result);
            }
            Origin::Channel { .. } | Origin::Frame(..) | Origin::Transformed { .. } | Origin::Gone => {}
        }
        if let Some(buffer) = frame.buffer {
            self.pool.give(buffer);
        }
        if let Some(table) = frame.table {
            // Before the exit: whoever waits for it may count on being the last to use the table.
            drop(table);
            if frame.device.exit() {
                self.shared.notifier.notify();
            }
        }
    }
}

fn frame_bio(frames: &Slab<Frame>, index: usize) -> Bio {
    frames[index].bio
}
