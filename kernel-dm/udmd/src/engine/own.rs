//! What machines of targets want: I/O of their own, and pieces that they let go.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use dm_abi::errno::Errno;
use dm_core::host::Component;
use dm_core::io::{Bio, Op, Piece, Verb};
use dm_core::machine::{self, Action, Lock, Machine, PieceId, SharedMachine, Token};

use super::now_ms;
use super::reactor::{Message, Raised, Reactor};
use super::request::{Frame, Origin};
use crate::component::Handle;

/// A machine behind its lock, which is only held for moments.
#[derive(Debug)]
pub struct Locked(Mutex<Machine<Handle>>);

impl Locked {
    /// Puts a machine behind a lock.
    #[must_use]
    pub fn new(machine: Machine<Handle>) -> Self {
        Self(Mutex::new(machine))
    }
}

impl Lock<Handle> for Locked {
    fn with(&self, f: &mut dyn FnMut(&mut Machine<Handle>)) {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// I/O of a machine, or a piece whose end it wants to know.
#[derive(Debug)]
pub struct Own {
    pub machine: SharedMachine<Handle>,
    pub token: Token,
    /// The second half of a copy: what is read is written there.
    pub then: Option<(Component<Handle>, u64)>,
}

/// A machine that waits; it may be gone by then.
#[derive(Debug)]
pub struct Wait {
    pub machine: Weak<dyn Lock<Handle>>,
    pub token: Token,
}

/// Where the number of the thread begins in a [`PieceId`].
const THREAD: u32 = 48;

/// Where its thread keeps a piece.
fn entry_of(id: PieceId) -> usize {
    usize::try_from(id.0 & ((1 << THREAD) - 1)).unwrap_or(usize::MAX)
}

impl Reactor {
    /// Hands a piece to its machine.
    pub(super) fn ask(&mut self, index: usize, piece: Piece) {
        let frame = &self.frames[index];
        let Some(table) = frame.table.clone() else {
            return self.piece_done(index, Err(Errno::EIO));
        };
        let bio = frame.bio;
        let entry = self.asked.insert((index, piece));
        let id = PieceId(self.number << THREAD | entry as u64);
        let mut actions = Vec::new();
        match table.ask(id, &bio, &piece, &mut actions) {
            Some(machine) => self.perform(&machine, actions),
            None => {
                self.asked.remove(entry);
                self.piece_done(index, Err(Errno::EIO));
            }
        }
    }

    /// Notes actions of a machine, for [`Reactor::do_actions`].
    pub(super) fn perform(&mut self, machine: &SharedMachine<Handle>, actions: Vec<Action<Handle>>) {
        let with_machine = actions.into_iter().map(|action| (machine.clone(), action));
        self.actions.extend(with_machine);
    }

    /// Starts all that machines want.
    pub(super) fn do_actions(&mut self) {
        loop {
            while let Some((machine, action)) = self.actions.pop_front() {
                self.do_action(machine, action);
            }
            if self.entering.is_empty() {
                return;
            }
            self.enter_all();
        }
    }

    fn do_action(&mut self, machine: SharedMachine<Handle>, action: Action<Handle>) {
        match action {
            Action::Io {
                token,
                component,
                bio,
                data,
            } => {
                let own = Own {
                    machine,
                    token,
                    then: None,
                };
                self.start_own(own, component, bio, &data);
            }
            Action::Copy {
                token,
                from: (component, sector),
                to,
                sectors,
            } => {
                let own = Own {
                    machine,
                    token,
                    then: Some(to),
                };
                self.start_own(own, component, Bio::new(Op::Read, sector, sectors), &[]);
            }
            Action::Send {
                token,
                piece,
                component,
                sector,
            } => self.about_piece(piece, Message::Send(piece, component, sector, machine, token)),
            Action::Data { token, piece } => self.about_piece(piece, Message::Data(piece, machine, token)),
            Action::Release { piece, verb, report } => {
                let report = report.map(|token| (machine, token));
                self.about_piece(piece, Message::Release(piece, verb, report));
            }
            Action::Wait { token, ms } => {
                let due = now_ms().saturating_add(u64::from(ms));
                let machine = Arc::downgrade(&machine);
                self.waits.insert((due, self.next_delayed), Wait { machine, token });
                self.next_delayed += 1;
            }
            // Nobody listens only when the daemon is about to end.
            Action::Event(id) => drop(self.events.send(Raised::Event(id))),
            Action::Changed => drop(self.events.send(Raised::Changed)),
            Action::Settled => self.shared.notifier.notify(),
        }
    }

    /// Passes a message about a piece to the thread that holds it.
    fn about_piece(&mut self, piece: PieceId, message: Message) {
        let thread = piece.0 >> THREAD;
        if thread == self.number {
            return self.take(message);
        }
        let inbox = usize::try_from(thread)
            .ok()
            .and_then(|thread| self.shared.inbox(thread));
        match inbox {
            Some(inbox) => inbox.send(message),
            None => crate::log!("a piece is held by no thread"),
        }
    }

    /// A piece of this thread goes on.
    pub(super) fn release(&mut self, id: PieceId, verb: Verb, report: Option<(SharedMachine<Handle>, Token)>) {
        let entry = entry_of(id);
        let Some((index, piece)) = self.asked.try_remove(entry) else {
            crate::log!("a piece came back twice");
            return;
        };
        let piece = Piece { verb, ..piece };
        if verb == Verb::Ask {
            return self.piece_done(index, Err(Errno::EIO));
        }
        let Some((machine, token)) = report else {
            return self.do_piece(index, piece);
        };
        let own = Own {
            machine,
            token,
            then: None,
        };
        let reported = self.frames[index].for_piece(Origin::Reported(index, own));
        let child = self.frames.insert(reported);
        self.do_piece(child, piece);
    }

    /// Does a piece of this thread, which its machine holds, at a component.
    pub(super) fn send_held(
        &mut self,
        id: PieceId,
        component: u32,
        sector: u64,
        machine: SharedMachine<Handle>,
        token: Token,
    ) {
        let entry = entry_of(id);
        let Some(&(index, piece)) = self.asked.get(entry) else {
            crate::log!("a piece is used that is not held");
            return self.tell_machine(&machine, token, Err(Errno::EIO));
        };
        let own = Own {
            machine,
            token,
            then: None,
        };
        let sent = self.frames[index].for_piece(Origin::Sent(index, own));
        let child = self.frames.insert(sent);
        let verb = Verb::remap(component, sector);
        self.do_piece(child, Piece { verb, ..piece });
    }

    /// Gives its machine the data of a write of this thread.
    pub(super) fn give_data(&mut self, id: PieceId, machine: &SharedMachine<Handle>, token: Token) {
        let entry = entry_of(id);
        let data = self.asked.get(entry).and_then(|&(index, piece)| {
            let frame = &self.frames[index];
            let buffer = self.frames[frame.root].buffer.as_ref()?;
            let bytes = |sectors: u64| usize::try_from(sectors << 9).ok();
            let first = frame.data.checked_add(bytes(piece.offset)?)?;
            let end = first.checked_add(bytes(piece.sectors)?)?;
            let is_there = frame.bio.op == Op::Write && end <= buffer.capacity();
            is_there.then(|| buffer.bytes(0, end)[first..].to_vec())
        });
        self.tell_machine(machine, token, data.ok_or(Errno::EIO));
    }

    fn start_own(&mut self, own: Own, component: Component<Handle>, bio: Bio, data: &[u8]) {
        let len = match bio.op {
            Op::Read | Op::Write => usize::try_from(bio.sectors << 9).unwrap_or(usize::MAX),
            _ => 0,
        };
        let mut buffer = None;
        if len > 0 {
            let Some(mut taken) = self.pool.take(len) else {
                return self.tell_machine(&own.machine, own.token, Err(Errno::ENOMEM));
            };
            if bio.op == Op::Write {
                if data.len() != len {
                    self.pool.give(taken);
                    return self.tell_machine(&own.machine, own.token, Err(Errno::EIO));
                }
                taken.bytes_mut(0, len).copy_from_slice(data);
            }
            buffer = Some(taken);
        }
        self.start_own_with(own, component, bio, buffer);
    }

    fn start_own_with(
        &mut self,
        own: Own,
        component: Component<Handle>,
        bio: Bio,
        buffer: Option<crate::buffer::Buffer>,
    ) {
        let entry = self.frames.vacant_entry();
        let index = entry.key();
        entry.insert(Frame {
            buffer,
            pending: 1,
            ..Frame::new(Origin::Machine(own), index, 0, self.nobody.clone(), bio, false)
        });
        let piece = Piece {
            offset: 0,
            sectors: bio.sectors,
            verb: Verb::remap(0, bio.sector),
        };
        self.send(index, piece, component, bio, 0, None);
    }

    /// I/O of a machine is complete.
    pub(super) fn own_done(&mut self, frame: Frame, own: Own) {
        let Frame { bio, error, buffer, .. } = frame;
        match (error, own.then, buffer) {
            (None, Some((component, sector)), Some(buffer)) => {
                let write = Bio {
                    op: Op::Write,
                    sector,
                    ..bio
                };
                let own = Own { then: None, ..own };
                self.start_own_with(own, component, write, Some(buffer));
            }
            (error, _, buffer) => {
                let mut data = Vec::new();
                if let Some(buffer) = buffer {
                    if bio.op == Op::Read && error.is_none() {
                        let len = usize::try_from(bio.sectors << 9).unwrap_or(0);
                        data.extend_from_slice(buffer.bytes(0, len));
                    }
                    self.pool.give(buffer);
                }
                self.tell_machine(&own.machine, own.token, error.map_or(Ok(data), Err));
            }
        }
    }

    pub(super) fn tell_machine(
        &mut self,
        machine: &SharedMachine<Handle>,
        token: Token,
        result: Result<Vec<u8>, Errno>,
    ) {
        let mut actions = Vec::new();
        machine::done(machine, token, result, &mut actions);
        self.perform(machine, actions);
    }
}
