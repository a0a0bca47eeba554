//! An origin and its snapshots: the machine behind the targets snapshot-origin, snapshot and snapshot-merge.
//!
//! A snapshot keeps, in its store, the chunks of the origin that have changed since, on either side. The first write to a
//! chunk makes an exception: the chunk is copied to the store, the copy is made durable, the exception is written to the
//! store's list and made durable, and only then the write goes on. (A write to the snapshot that covers the chunk takes the
//! place of the copy.) Whatever order a power cut leaves writes in, the list never names a chunk that is not there, and the
//! origin is never ahead of the list.
//!
//! ```text
//! write to the origin     Operation: waits for the exceptions of all its chunks in all stores, then is let go
//! write to a snapshot     waits for the exception of its chunk, then goes to the store
//! read of a snapshot      the store if there is an exception, else the origin; a write to the origin waits for such reads
//! merge                   the last exceptions of the list: copied back, made durable, struck from the list
//! ```
//! A store belongs to the tables that name the same origin and the same device for the store. One of them owns it: the one
//! that was resumed last, provided that the one before is suspended.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use dm_abi::errno::Errno;

use crate::host::{Component, DevNo, DeviceId};
use crate::io::{Bio, Op, Verb};
use crate::machine::{Action, Jobs, PieceId, Token};
use crate::targets::args::Refusal;

mod commit;
mod copy;
pub mod exceptions;
pub mod format;
mod load;
mod merge;
mod operation;
mod shape;
mod status;
mod store;

use operation::Operation;
pub use shape::{Kind, Role, Shape};
use store::{State, Store};

/// Copies under way at a time, over all snapshots of an origin.
const MAX_COPIES: u32 = 32;

/// A segment that joins the group of its origin.
#[derive(Debug)]
pub struct Joining<C> {
    /// What it is for.
    pub role: Role,
    /// The origin, and its index in the table.
    pub origin: (u32, Component<C>),
    /// The store's device, and its index in the table; not for an origin.
    pub cow: Option<(u32, Component<C>)>,
    /// Length of the segment in sectors.
    pub length: u64,
    /// What the target shares with the member.
    pub shape: Arc<Shape>,
    /// Discards go on to the origin.
    pub passdown: bool,
}

/// A segment of a table.
#[derive(Debug)]
struct Member<C> {
    role: Role,
    origin: (u32, Component<C>),
    cow: Option<(u32, Component<C>)>,
    length: u64,
    shape: Arc<Shape>,
    passdown: bool,
    store: Option<u64>,
    /// The device that it is part of, once it is live.
    holder: Option<DeviceId>,
    /// No background work is started.
    suspending: bool,
    /// No request is under way.
    suspended: bool,
    closed: bool,
}

/// A piece that waits for something.
#[derive(Clone, Copy, Debug)]
struct Held {
    member: u64,
    piece: PieceId,
    op: Op,
    first: u64,
    sectors: u64,
}

/// Why an action is done.
#[derive(Clone, Copy, Debug)]
enum Job {
    Load(u64),
    /// Of a store's chunk.
    Copy(u64, u64),
    /// A write that covers a store's chunk.
    Whole(u64, u64, PieceId),
    Commit(u64),
    /// A read of the origin through a snapshot, in a chunk.
    Read(u64, u64),
    /// A write to the store of a snapshot that is being merged.
    Write(u64, u64),
    Invalid(u64),
    Merge(u64),
    /// Zeroes in a store, for an operation.
    Zero(u64, u64),
}

/// See the module.
#[derive(Debug)]
pub struct Group<C> {
    members: BTreeMap<u64, Member<C>>,
    /// Boxed: they are large, and a kernel's stack is small.
    stores: BTreeMap<u64, Box<Store<C>>>,
    operations: BTreeMap<u64, Operation>,
    jobs: Jobs<Job>,
    /// Changes when a store begins to want copies.
    generation: u64,
    /// Operations that can go on.
    woken: VecDeque<u64>,
    /// Copies to start: store and chunk.
    queue: VecDeque<(u64, u64)>,
    copying: u32,
}

/// Names a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberId(u64);

impl MemberId {
    /// The member of a machine that has no other.
    pub(crate) const ONLY: Self = Self(0);
}

impl<C> Group<C> {
    /// An origin without tables.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self {
            members: BTreeMap::new(),
            stores: BTreeMap::new(),
            operations: BTreeMap::new(),
            jobs: Jobs::new(),
            generation: 0,
            woken: VecDeque::new(),
            queue: VecDeque::new(),
            copying: 0,
        }
    }

    /// Takes a member out, without waiting for anything.
    pub(crate) fn leave(&mut self, id: MemberId) {
        let Some(member) = self.members.remove(&id.0) else {
            return;
        };
        if let Some(store) = member.store {
            if let Some(store) = self.stores.get_mut(&store)
                && store.owner == Some(id.0)
            {
                store.owner = None;
            }
            self.close_unused(store);
        }
        self.tell_origins();
    }

    /// The sizes in which members of a store are still interested.
    fn close_unused(&mut self, store: u64) -> bool {
        let used = self
            .members
            .values()
            .any(|member| member.store == Some(store) && !member.closed);
        let Some(found) = self.stores.get_mut(&store) else {
            return false;
        };
        if used {
            return false;
        }
        found.closing = true;
        let busy = found.is_busy();
        if !busy && !self.members.values().any(|member| member.store == Some(store)) {
            self.stores.remove(&store);
        }
        busy
    }

    /// Whether writes to the origin concern a store.
    fn watching(store: &Store<C>) -> bool {
        store.active && !store.closing && !store.merging
    }

    /// Tells snapshot-origin targets whether anybody wants to know of their writes.
    fn tell_origins(&self) {
        let watched = self
            .stores
            .values()
            .any(|store| Self::watching(store) || store.invalidating || !store.pending.is_empty());
        for member in self.members.values().filter(|member| member.role == Role::Origin) {
            member.shape.watch(watched);
        }
    }
}

impl<C: Clone> Group<C> {
    /// Adds a segment of a table.
    pub(crate) fn join(&mut self, joining: Joining<C>) -> Result<MemberId, Refusal> {
        let id = self.jobs.number();
        let mut member = Member {
            role: joining.role,
            origin: joining.origin,
            cow: joining.cow,
            length: joining.length,
            shape: joining.shape,
            passdown: joining.passdown,
            store: None,
            holder: None,
            suspending: false,
            suspended: false,
            closed: false,
        };
        if let Some((_, cow)) = &member.cow {
            let block = member.origin.1.logical_block_size().max(cow.logical_block_size()) / 512;
            let chunk = member.shape.chunk();
            if chunk != 0 && !format::chunk_fits(chunk, block) {
                return Err(Refusal::invalid(
                    "the chunk size is no power of two, or no whole blocks",
                ));
            }
            let store = self.find_store(cow.dev())?;
            member.store = Some(match store {
                Some(store) => store,
                None => self.add_store(&member.origin.1, cow, &member.shape),
            });
        }
        self.members.insert(id, member);
        self.tell_origins();
        Ok(MemberId(id))
    }

    /// A new store.
    #[inline(never)]
    fn add_store(&mut self, origin: &Component<C>, cow: &Component<C>, shape: &Shape) -> u64 {
        let number = self.jobs.number();
        self.stores.insert(number, Box::new(Store::new(origin, cow, shape)));
        number
    }

    /// The store on a device, if there is one that a further table may take over.
    fn find_store(&self, cow: DevNo) -> Result<Option<u64>, Refusal> {
        let Some((&id, store)) = self.stores.iter().find(|(_, store)| store.cow.dev() == cow) else {
            return Ok(None);
        };
        if store.closing {
            return Err(Refusal {
                errno: Errno::EBUSY,
                reason: "the store is still in use".into(),
            });
        }
        let mut sharing = self.members.values().filter(|member| member.store == Some(id));
        let first = sharing.next();
        if sharing.next().is_some() {
            return Err(Refusal::invalid("two tables use the store already"));
        }
        if first.is_some_and(|member| member.role == Role::Merge && member.holder.is_some()) {
            return Err(Refusal::invalid("the store is being merged"));
        }
        Ok(Some(id))
    }

    /// Whether a member's store is read: `None` while that is under way.
    pub(crate) fn loaded(&self, id: MemberId) -> Option<Result<(), Errno>> {
        let store = self.members.get(&id.0).and_then(|member| member.store);
        match store.and_then(|store| self.stores.get(&store)).map(|store| store.state) {
            Some(State::Loading) => None,
            Some(State::Failed(errno)) => Some(Err(errno)),
            Some(State::Ready | State::Invalid) | None => Some(Ok(())),
        }
    }

    /// The member's table becomes live on a device, or its device goes on after a suspend. `size` gives the size of a
    /// mapped device now.
    pub(crate) fn resume(
        &mut self,
        id: MemberId,
        holder: DeviceId,
        size: &dyn Fn(DeviceId) -> Option<u64>,
        out: &mut Vec<Action<C>>,
    ) -> Result<(), Errno> {
        let Some(member) = self.members.get_mut(&id.0) else {
            return Err(Errno::EINVAL);
        };
        refresh(&mut member.origin.1, size);
        if let Some((_, cow)) = &mut member.cow {
            refresh(cow, size);
        }
        if let Some(number) = member.store {
            let (role, origin, cow) = (member.role, member.origin.1.clone(), member.cow.clone());
            let shape = member.shape.clone();
            let owner = self.stores.get(&number).and_then(|store| store.owner);
            if let Some(owner) = owner.filter(|&owner| owner != id.0)
                && self.members.get(&owner).is_some_and(|owner| !owner.suspended)
            {
                return Err(Errno::EINVAL);
            }
            let store = self.stores.get_mut(&number).ok_or(Errno::EINVAL)?;
            if role == Role::Merge && store.kind == Kind::Transient {
                return Err(Errno::EINVAL);
            }
            store.owner = Some(id.0);
            store.origin = origin;
            if let Some((_, cow)) = cow {
                store.cow = cow;
            }
            let was_watching = Self::watching(store);
            store.active = true;
            store.merging = role == Role::Merge;
            if Self::watching(store) && !was_watching {
                self.generation += 1;
            }
            if store.state != State::Loading {
                shape.set(store.shown_chunk(), store.kind);
            }
        }
        if let Some(member) = self.members.get_mut(&id.0) {
            member.holder = Some(holder);
            member.suspending = false;
            member.suspended = false;
        }
        self.tell_origins();
        if let Some(store) = self.members.get(&id.0).and_then(|member| member.store) {
            if let Some(store) = self.stores.get_mut(&store) {
                store.merge_failed = false;
            }
            self.merge(store, out);
        }
        self.settle(out);
        Ok(())
    }

    /// The member's device is being suspended: background work stops as soon as it can.
    pub(crate) fn suspend(&mut self, id: MemberId) {
        if let Some(member) = self.members.get_mut(&id.0) {
            member.suspending = true;
        }
    }

    /// No request is under way on the member's device any more. False while background work is.
    pub(crate) fn suspended(&mut self, id: MemberId) -> bool {
        let Some(member) = self.members.get_mut(&id.0) else {
            return true;
        };
        let store = member.store.and_then(|store| self.stores.get(&store));
        if store.is_some_and(|store| store.owner == Some(id.0) && store.merge.is_some()) {
            return false;
        }
        member.suspended = true;
        true
    }

    /// The member's table is about to go for good, and its device is drained. False while its store must be waited for.
    pub(crate) fn close(&mut self, id: MemberId) -> bool {
        let Some(member) = self.members.get_mut(&id.0) else {
            return true;
        };
        member.closed = true;
        member.suspending = true;
        match member.store {
            None => true,
            Some(store) => !self.close_unused(store),
        }
    }

    /// A piece arrives, `first` and `sectors` of it within the segment.
    pub(crate) fn ask(&mut self, id: MemberId, piece: PieceId, bio: &Bio, out: &mut Vec<Action<C>>) {
        let held = Held {
            member: id.0,
            piece,
            op: bio.op,
            first: bio.sector,
            sectors: bio.sectors,
        };
        self.arrive(held, out);
        self.settle(out);
    }

    fn arrive(&mut self, held: Held, out: &mut Vec<Action<C>>) {
        let Some(member) = self.members.get(&held.member) else {
            return release(out, held.piece, Verb::Fail(Errno::EIO));
        };
        let (role, origin, store) = (member.role, member.origin.0, member.store);
        let to_origin = Verb::remap(origin, held.first);
        if role == Role::Origin {
            return self.change_origin(held, to_origin);
        }
        let cow = member.cow.as_ref().map_or(0, |(index, _)| *index);
        let passdown = member.passdown;
        let Some((number, store)) = store.and_then(|number| Some((number, self.stores.get_mut(&number)?))) else {
            return release(out, held.piece, Verb::Fail(Errno::EIO));
        };
        if store.owner != Some(held.member) {
            return release(out, held.piece, Verb::Fail(Errno::EIO));
        }
        match store.state {
            State::Loading => {
                store.arrived.push(held);
                return;
            }
            State::Ready => {}
            // What was not merged is lost, and the origin is whatever it has become.
            State::Invalid if role == Role::Merge && held.op == Op::Read => {
                return release(out, held.piece, to_origin);
            }
            State::Invalid if role == Role::Merge => return self.change_origin(held, to_origin),
            State::Invalid | State::Failed(_) => return release(out, held.piece, Verb::Fail(Errno::EIO)),
        }
        if held.op == Op::Discard {
            let goes_on = if passdown { to_origin } else { Verb::Drop };
            return self.discard(held, number, goes_on);
        }
        let chunk = held.first / store.chunk;
        if held.sectors > store.chunk - held.first % store.chunk {
            return release(out, held.piece, Verb::Fail(Errno::EIO));
        }
        let stored = store.table.get(chunk);
        let in_store = |stored: u64| Verb::remap(cow, stored * store.chunk + held.first % store.chunk);
        match (held.op, stored) {
            (Op::Read, Some(stored)) => release(out, held.piece, in_store(stored)),
            (Op::Read, None) if role == Role::Merge => release(out, held.piece, to_origin),
            (Op::Read, None) => {
                *store.reads.entry(chunk).or_insert(0) += 1;
                let report = Some(self.jobs.begin(Job::Read(number, chunk)));
                out.push(Action::Release {
                    piece: held.piece,
                    verb: to_origin,
                    report,
                });
            }
            _ if role == Role::Merge => {
                if let Some(merge) = store.merge.as_mut().filter(|merge| merge.has(chunk)) {
                    merge.arrived.push(held);
                } else if let Some(stored) = stored {
                    let verb = in_store(stored);
                    *store.writes.entry(chunk).or_insert(0) += 1;
                    let report = Some(self.jobs.begin(Job::Write(number, chunk)));
                    out.push(Action::Release {
                        piece: held.piece,
                        verb,
                        report,
                    });
                } else {
                    self.change_origin(held, to_origin);
                }
            }
            _ if store.overflow => release(out, held.piece, Verb::Fail(Errno::EIO)),
            (_, Some(stored)) => release(out, held.piece, in_store(stored)),
            (_, None) => self.change_snapshot(held, number, chunk, cow, out),
        }
    }

    /// An action is done.
    pub(crate) fn done(&mut self, token: Token, result: Result<Vec<u8>, Errno>, out: &mut Vec<Action<C>>) {
        let Some(job) = self.jobs.end(&token) else {
            return;
        };
        match job {
            Job::Read(store, chunk) => self.read_done(store, chunk),
            Job::Write(store, chunk) => {
                if let Some(store) = self.stores.get_mut(&store) {
                    store::count_down(&mut store.writes, chunk);
                }
                self.merge_may_copy(store, out);
            }
            Job::Zero(store, operation) => {
                self.landed(store);
                self.zeroed(operation, result.map(drop));
            }
            Job::Load(store) => {
                self.landed(store);
                self.load_step(store, result, out);
            }
            Job::Copy(store, chunk) => {
                self.landed(store);
                self.copied(store, chunk, result.map(drop), out);
            }
            Job::Whole(store, chunk, piece) => {
                self.landed(store);
                self.written(store, chunk, piece, result.map(drop), out);
            }
            Job::Commit(store) => {
                self.landed(store);
                self.commit_step(store, result.map(drop), out);
            }
            Job::Invalid(store) => {
                self.landed(store);
                self.invalidated(store);
            }
            Job::Merge(store) => {
                self.landed(store);
                self.merge_done(store, result, out);
            }
        }
        self.settle(out);
        if let Job::Load(store)
        | Job::Copy(store, _)
        | Job::Whole(store, ..)
        | Job::Commit(store)
        | Job::Invalid(store)
        | Job::Merge(store)
        | Job::Zero(store, _) = job
            && let Some(found) = self.stores.get(&store)
            && found.closing
            && !found.is_busy()
        {
            self.close_unused(store);
            out.push(Action::Settled);
        }
    }

    /// One of a store's own actions is done.
    fn landed(&mut self, store: u64) {
        if let Some(store) = self.stores.get_mut(&store) {
            store.in_flight = store.in_flight.saturating_sub(1);
        }
    }

    /// Does what has become possible.
    fn settle(&mut self, out: &mut Vec<Action<C>>) {
        while let Some(operation) = self.woken.pop_front() {
            self.advance(operation, out);
        }
        self.start_copies(out);
        self.tell_origins();
    }

    /// Starts an operation on a store's device.
    fn io(&mut self, store: u64, job: Job, bio: Bio, data: Vec<u8>, out: &mut Vec<Action<C>>) {
        let token = self.jobs.begin(job);
        if let Some(store) = self.stores.get_mut(&store) {
            store.in_flight += 1;
            out.push(Action::Io {
                token,
                component: store.cow.clone(),
                bio,
                data,
            });
        }
    }

    /// The size of the origin in sectors, as far as it is known.
    fn origin_size(&self, store: &Store<C>) -> u64 {
        let longest = self.members.values().map(|member| member.length).max();
        store.origin.sectors().max(longest.unwrap_or(0))
    }
}

/// Lets a piece go.
fn release<C>(out: &mut Vec<Action<C>>, piece: PieceId, verb: Verb) {
    out.push(Action::Release {
        piece,
        verb,
        report: None,
    });
}

/// Notes the size that a mapped device has now.
fn refresh<C>(component: &mut Component<C>, size: &dyn Fn(DeviceId) -> Option<u64>) {
    if let Component::Mapped { id, sectors, .. } = component
        && let Some(now) = size(*id)
    {
        *sectors = now;
    }
}
