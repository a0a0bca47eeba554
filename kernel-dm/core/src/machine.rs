//! State that a target keeps between requests, and the I/O of its own that it needs for that.
//!
//! A target whose map answers [`Verb::Ask`] has a machine behind it. The host hands the piece to the machine
//! ([`crate::table::Table::ask`]) and gets a list of [`Action`]s, which it performs in any order and without any lock:
//! own I/O of the machine, each with a [`Token`] that comes back with the result ([`done`]) and brings forth further
//! actions, and pieces that are let go and are now what their new verb says. A piece that is not let go waits; its request
//! counts as under way, so that a suspended device drains by itself.
//!
//! Several tables can share a machine: a write to an origin makes copies for all its snapshots. The machine lives behind a
//! lock that the host provides, since only the host knows what locks it has; nothing waits while it is held.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;

use dm_abi::errno::Errno;

use crate::dust::Dust;
use crate::host::{Component, DevNo, DeviceId};
use crate::io::{Bio, Verb};
use crate::log_writes::LogWrites;
use crate::mirrors::Mirror;
use crate::snapshots::{Group, MemberId};

/// Names an action whose end the machine wants to know. It cannot be cloned: each comes back once.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Token(pub(crate) u64);

/// What a machine has under way, by the tokens of its actions; and numbers for what else it names.
#[derive(Debug)]
pub(crate) struct Jobs<J> {
    under_way: BTreeMap<u64, J>,
    last: u64,
}

impl<J> Jobs<J> {
    /// None.
    pub(crate) const fn new() -> Self {
        Self {
            under_way: BTreeMap::new(),
            last: 0,
        }
    }

    /// A number that nothing else has, and not 0.
    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The token of an action that is done for this.
    pub(crate) fn begin(&mut self, job: J) -> Token {
        let number = self.number();
        self.under_way.insert(number, job);
        Token(number)
    }

    /// What an action was done for.
    pub(crate) fn end(&mut self, token: &Token) -> Option<J> {
        self.under_way.remove(&token.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }
}

/// How the host names a piece that a machine holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceId(pub u64);

/// What a host does for a machine.
#[derive(Debug)]
#[must_use]
pub enum Action<C> {
    /// An operation on a component. `data` is what a write writes; the result of a read is what was read.
    Io {
        /// To be given back with the result.
        token: Token,
        /// Where.
        component: Component<C>,
        /// What, in the component's sectors. Lengths are at most [`MAX_IO`] for operations with data.
        bio: Bio,
        /// As long as the bio for a write, else empty.
        data: Vec<u8>,
    },
    /// Reads sectors of one component and then writes them to another; at most [`MAX_IO`] of them.
    Copy {
        /// To be given back with the result.
        token: Token,
        /// Where the data are, and the first sector.
        from: (Component<C>, u64),
        /// Where they go.
        to: (Component<C>, u64),
        /// How many sectors.
        sectors: u64,
    },
    /// Does the operation of a piece that is held on a component of the table, with the piece's data. The piece stays held:
    /// it can be sent to several components, one after the other or at the same time. Of a read, only the last one that
    /// succeeds counts.
    Send {
        /// To be given back with the result, which has no data.
        token: Token,
        /// Which one.
        piece: PieceId,
        /// Index into [`crate::table::Table::components`].
        component: u32,
        /// First sector on the component.
        sector: u64,
    },
    /// Gives a copy of the data of a write that is held, before it goes on.
    Data {
        /// To be given back with the data.
        token: Token,
        /// Which one.
        piece: PieceId,
    },
    /// A piece that was held goes on, as what `verb` says. Nothing of it is under way any more.
    Release {
        /// Which one.
        piece: PieceId,
        /// Never [`Verb::Ask`].
        verb: Verb,
        /// To be given back with the piece's result.
        report: Option<Token>,
    },
    /// Gives the token back after a time. Nobody waits for that: a machine may go before, and a host without a clock may
    /// drop the token.
    Wait {
        /// To be given back with no data.
        token: Token,
        /// The time in milliseconds.
        ms: u32,
    },
    /// Raises an event on a device, see [`crate::control::Control::event`].
    Event(DeviceId),
    /// What an exported state says of the machine has changed: a host that saves states does so soon, see
    /// [`crate::control::Control::machine_changed`].
    Changed,
    /// Something that control waits for may have come true: the host does what [`crate::host::Host::changed`] does.
    Settled,
}

/// Most sectors of an operation with data that a machine asks for.
pub const MAX_IO: u64 = 1024;

/// The kinds of machines.
#[derive(Debug)]
pub enum Machine<C> {
    /// An origin and its snapshots.
    Snapshots(Group<C>),
    /// A mirror, which one segment has for itself.
    Mirror(Box<Mirror<C>>),
    /// Bad blocks, which one segment has for itself.
    Dust(Box<Dust<C>>),
    /// A log of writes, which one segment has for itself.
    LogWrites(Box<LogWrites<C>>),
}

/// What a segment with a machine goes through, see the methods of [`crate::table::Table`] with the same names.
impl<C: Clone> Machine<C> {
    /// An action is done: `result` has what a read has read.
    fn done(&mut self, token: Token, result: Result<Vec<u8>, Errno>, out: &mut Vec<Action<C>>) {
        match self {
            Machine::Snapshots(group) => group.done(token, result, out),
            Machine::Mirror(mirror) => mirror.done(token, result, out),
            Machine::LogWrites(log) => log.done(token, result, out),
            // It has no I/O of its own.
            Machine::Dust(_) => {}
        }
    }

    pub(crate) fn load(&mut self, id: MemberId, out: &mut Vec<Action<C>>) {
        match self {
            Machine::Snapshots(group) => group.load(id, out),
            // Its log may still change: the table that is live now has it.
            Machine::Mirror(_) | Machine::Dust(_) | Machine::LogWrites(_) => {}
        }
    }

    pub(crate) fn loaded(&self, id: MemberId) -> Option<Result<(), Errno>> {
        match self {
            Machine::Snapshots(group) => group.loaded(id),
            Machine::Mirror(_) | Machine::Dust(_) | Machine::LogWrites(_) => Some(Ok(())),
        }
    }

    pub(crate) fn resume(
        &mut self,
        id: MemberId,
        holder: DeviceId,
        size: &dyn Fn(DeviceId) -> Option<u64>,
        out: &mut Vec<Action<C>>,
    ) -> Result<(), Errno> {
        match self {
            Machine::Snapshots(group) => group.resume(id, holder, size, out),
            Machine::Mirror(mirror) => {
                mirror.resume(holder, out);
                Ok(())
            }
            Machine::LogWrites(log) => {
                log.resume();
                Ok(())
            }
            Machine::Dust(_) => Ok(()),
        }
    }

    pub(crate) fn opened(&mut self, out: &mut Vec<Action<C>>) {
        match self {
            Machine::Snapshots(_) | Machine::Dust(_) | Machine::LogWrites(_) => {}
            Machine::Mirror(mirror) => mirror.opened(out),
        }
    }

    pub(crate) fn suspend(&mut self, id: MemberId, out: &mut Vec<Action<C>>) {
        match self {
            Machine::Snapshots(group) => group.suspend(id),
            Machine::Mirror(mirror) => mirror.suspend(out),
            Machine::LogWrites(log) => log.suspend(out),
            Machine::Dust(_) => {}
        }
    }

    pub(crate) fn suspended(&mut self, id: MemberId) -> bool {
        match self {
            Machine::Snapshots(group) => group.suspended(id),
            Machine::Mirror(mirror) => mirror.is_quiet(),
            Machine::LogWrites(log) => log.is_quiet(),
            Machine::Dust(_) => true,
        }
    }

    pub(crate) fn close(&mut self, id: MemberId, out: &mut Vec<Action<C>>) -> bool {
        match self {
            Machine::Snapshots(group) => group.close(id),
            Machine::Mirror(mirror) => {
                mirror.suspend(out);
                mirror.is_quiet()
            }
            Machine::LogWrites(log) => log.close(out),
            Machine::Dust(_) => true,
        }
    }

    pub(crate) fn ask(&mut self, id: MemberId, piece: PieceId, bio: &Bio, out: &mut Vec<Action<C>>) {
        match self {
            Machine::Snapshots(group) => group.ask(id, piece, bio, out),
            Machine::Mirror(mirror) => mirror.ask(piece, bio, out),
            Machine::Dust(dust) => dust.ask(piece, bio, out),
            Machine::LogWrites(log) => log.ask(piece, bio, out),
        }
    }

    pub(crate) fn message(
        &mut self,
        words: &[Vec<u8>],
        reply: &mut Vec<u8>,
        out: &mut Vec<Action<C>>,
    ) -> Result<(), Errno> {
        match self {
            Machine::Snapshots(_) | Machine::Mirror(_) => Err(Errno::EINVAL),
            Machine::Dust(dust) => dust.message(words, reply),
            Machine::LogWrites(log) => log.message(words, out),
        }
    }
}

impl<C> Machine<C> {
    pub(crate) fn status(&self, id: MemberId, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Machine::Snapshots(group) => group.status(id, out),
            Machine::Mirror(mirror) => mirror.status(out),
            Machine::Dust(dust) => dust.status(out),
            Machine::LogWrites(log) => log.status(out),
        }
    }

    /// See [`crate::table::Table::write_state`]. Snapshots and mirrors have theirs on disks.
    pub(crate) fn state(&self, out: &mut Vec<u8>) {
        match self {
            Machine::Snapshots(_) | Machine::Mirror(_) => {}
            Machine::Dust(dust) => dust.state(out),
            Machine::LogWrites(log) => log.state(out),
        }
    }

    /// See [`crate::table::Table::restore`].
    pub(crate) fn restore(&mut self, state: &[u8]) -> bool {
        match self {
            Machine::Snapshots(_) | Machine::Mirror(_) => false,
            Machine::Dust(dust) => dust.restore(state).is_some(),
            Machine::LogWrites(log) => log.restore(state).is_some(),
        }
    }

    pub(crate) fn leave(&mut self, id: MemberId) {
        match self {
            Machine::Snapshots(group) => group.leave(id),
            Machine::Mirror(_) | Machine::Dust(_) | Machine::LogWrites(_) => {}
        }
    }
}

/// A machine behind a lock of the host.
pub trait Lock<C>: Send + Sync + fmt::Debug {
    /// Runs `f` with the machine, and nobody else at the same time. `f` does not block and does not call back.
    fn with(&self, f: &mut dyn FnMut(&mut Machine<C>));
}

/// A machine as tables and hosts hold it.
pub type SharedMachine<C> = Arc<dyn Lock<C>>;

/// An action of a machine is done; gives what is to be done next. Of a read, the result has what was read.
pub fn done<C: Clone>(
    machine: &SharedMachine<C>,
    token: Token,
    result: Result<Vec<u8>, Errno>,
    out: &mut Vec<Action<C>>,
) {
    let mut arrived = Some((token, result));
    machine.with(&mut |machine| {
        if let Some((token, result)) = arrived.take() {
            machine.done(token, result, out);
        }
    });
}

/// Which machine a segment joins.
#[derive(Debug)]
pub enum Wanted<C> {
    /// That of an origin and its snapshots.
    Snapshots(DevNo),
    /// This one, which is new.
    Own(Machine<C>),
}

/// The machines of a host by the device that their tables share.
#[derive(Debug)]
pub struct Machines<C> {
    by_origin: BTreeMap<DevNo, Weak<dyn Lock<C>>>,
}

impl<C> Default for Machines<C> {
    fn default() -> Self {
        Self {
            by_origin: BTreeMap::new(),
        }
    }
}

impl<C> Machines<C> {
    /// The machine that a segment wants; `lock` puts a new one behind a lock.
    pub fn find(&mut self, wanted: Wanted<C>, lock: impl FnOnce(Machine<C>) -> SharedMachine<C>) -> SharedMachine<C> {
        let origin = match wanted {
            Wanted::Snapshots(origin) => origin,
            Wanted::Own(machine) => return lock(machine),
        };
        self.by_origin.retain(|_, machine| machine.strong_count() > 0);
        if let Some(machine) = self.by_origin.get(&origin).and_then(Weak::upgrade) {
            return machine;
        }
        let machine = lock(Machine::Snapshots(Group::new()));
        self.by_origin.insert(origin, Arc::downgrade(&machine));
        machine
    }
}
