//! Making exceptions: the copy of a chunk, and what becomes of those who wait for it.
//!
//! A write to a snapshot that covers a whole chunk needs no copy: it goes to the chunk in the store, and is complete when
//! the exception counts. (Linux reads nothing of the origin for it either.)

use alloc::vec::Vec;

use dm_abi::errno::Errno;

use super::store::{State, Waiter, count_down};
use super::{Group, Held, Job, Kind, MAX_COPIES, release};
use crate::io::Verb;
use crate::machine::{Action, MAX_IO, PieceId};

impl<C: Clone> Group<C> {
    /// A write to a snapshot, at a chunk that has no exception.
    pub(super) fn change_snapshot(&mut self, held: Held, id: u64, chunk: u64, cow: u32, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        let waiter = Waiter::Piece {
            piece: held.piece,
            cow,
            inside: held.first % store.chunk,
        };
        if let Some(pending) = store.pending.get_mut(&chunk) {
            pending.waiters.push(waiter);
            return;
        }
        if let Some(stored) = store.allocate() {
            if held.sectors < store.chunk {
                return self.start_exception(id, chunk, stored, waiter);
            }
            let sector = stored * store.chunk;
            store.await_exception(chunk, stored, Vec::new());
            store.in_flight += 1;
            let token = self.jobs.begin(Job::Whole(id, chunk, held.piece));
            return out.push(Action::Send {
                token,
                piece: held.piece,
                component: cow,
                sector,
            });
        }
        if store.kind == (Kind::Persistent { overflow: true }) {
            store.overflow = true;
        } else {
            self.invalidate(id, out);
        }
        release(out, held.piece, Verb::Fail(Errno::EIO));
    }

    pub(super) fn start_exception(&mut self, id: u64, chunk: u64, stored: u64, waiter: Waiter) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        store.await_exception(chunk, stored, [waiter].into());
        self.queue.push_back((id, chunk));
    }

    pub(super) fn start_copies(&mut self, out: &mut Vec<Action<C>>) {
        while self.copying < MAX_COPIES
            && let Some((id, chunk)) = self.queue.pop_front()
        {
            // It may be lost by now.
            if self
                .stores
                .get(&id)
                .is_some_and(|store| store.pending.contains_key(&chunk))
            {
                self.copying += 1;
                self.copy_part(id, chunk, out);
            }
        }
    }

    /// Starts the next part of a chunk's copy. The last chunk of an origin may be short.
    fn copy_part(&mut self, id: u64, chunk: u64, out: &mut Vec<Action<C>>) {
        let token = self.jobs.begin(Job::Copy(id, chunk));
        let Some((left, store)) = self.left_to_copy(id, chunk).zip(self.stores.get_mut(&id)) else {
            return;
        };
        let Some(pending) = store.pending.get(&chunk) else {
            return;
        };
        let from = (store.origin.clone(), chunk * store.chunk + pending.done);
        let to = (store.cow.clone(), pending.stored * store.chunk + pending.done);
        store.in_flight += 1;
        out.push(Action::Copy {
            token,
            from,
            to,
            sectors: left.min(MAX_IO),
        });
    }

    fn left_to_copy(&self, id: u64, chunk: u64) -> Option<u64> {
        let store = self.stores.get(&id)?;
        let pending = store.pending.get(&chunk)?;
        let behind = self.origin_size(store).saturating_sub(chunk * store.chunk);
        // Of a chunk that is beyond the end altogether the copy fails, as it should.
        let sectors = if behind == 0 {
            store.chunk
        } else {
            behind.min(store.chunk)
        };
        Some(sectors.saturating_sub(pending.done))
    }

    /// A part of a chunk is copied, or not.
    pub(super) fn copied(&mut self, id: u64, chunk: u64, result: Result<(), Errno>, out: &mut Vec<Action<C>>) {
        let left = self.left_to_copy(id, chunk);
        let Some((left, store)) = left.zip(self.stores.get_mut(&id)) else {
            // The store was lost meanwhile.
            self.copying -= 1;
            return;
        };
        if result.is_err() {
            self.copying -= 1;
            return self.invalidate(id, out);
        }
        if let Some(pending) = store.pending.get_mut(&chunk)
            && left > MAX_IO
        {
            pending.done += MAX_IO;
            return self.copy_part(id, chunk, out);
        }
        self.copying -= 1;
        self.in_store(id, chunk, out);
    }

    /// A write of a whole chunk is done, or not.
    pub(super) fn written(
        &mut self,
        id: u64,
        chunk: u64,
        piece: PieceId,
        result: Result<(), Errno>,
        out: &mut Vec<Action<C>>,
    ) {
        if result.is_err() {
            self.invalidate(id, out);
        }
        let pending = self.stores.get_mut(&id).and_then(|store| store.pending.get_mut(&chunk));
        let Some(pending) = pending else {
            return release(out, piece, Verb::Fail(Errno::EIO));
        };
        pending.waiters.push(Waiter::Written(piece));
        self.in_store(id, chunk, out);
    }

    /// The data of an exception are in the store.
    fn in_store(&mut self, id: u64, chunk: u64, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        match store.kind {
            Kind::Transient => self.committed(id, chunk, out),
            Kind::Persistent { .. } => {
                store.ready.push_back(chunk);
                self.commit(id, out);
            }
        }
    }

    /// An exception counts from now on.
    pub(super) fn committed(&mut self, id: u64, chunk: u64, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        let Some(pending) = store.pending.get_mut(&chunk) else {
            return;
        };
        let first = pending.stored * store.chunk;
        store.table.insert(chunk, pending.stored);
        pending.committed = true;
        store.uncommitted = store.uncommitted.saturating_sub(1);
        let waiters = core::mem::take(&mut pending.waiters);
        let mut operations = Vec::new();
        for waiter in waiters {
            match waiter {
                Waiter::Piece { piece, cow, inside } => release(out, piece, Verb::remap(cow, first + inside)),
                Waiter::Written(piece) => release(out, piece, Verb::Drop),
                Waiter::Operation(_) => operations.push(waiter),
            }
        }
        pending.waiters = operations;
        if !store.reads.contains_key(&chunk) {
            self.let_go(id, chunk);
        }
    }

    /// Nothing keeps those any more who waited for an exception.
    fn let_go(&mut self, id: u64, chunk: u64) {
        let pending = self.stores.get_mut(&id).and_then(|store| store.pending.remove(&chunk));
        for waiter in pending.map(|pending| pending.waiters).unwrap_or_default() {
            if let Waiter::Operation(number) = waiter {
                self.wake(number);
            }
        }
    }

    /// A read of the origin through a snapshot is done.
    pub(super) fn read_done(&mut self, id: u64, chunk: u64) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        if count_down(&mut store.reads, chunk) && store.pending.get(&chunk).is_some_and(|pending| pending.committed) {
            self.let_go(id, chunk);
        }
    }

    /// A snapshot is lost: the store says so from now on, and the origin's writes go on once it does.
    pub(super) fn invalidate(&mut self, id: u64, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        if store.state == State::Invalid {
            return;
        }
        store.state = State::Invalid;
        store.ready.clear();
        let holder = store.owner.and_then(|owner| self.members.get(&owner)?.holder);
        out.extend(holder.map(Action::Event));
        for (_, pending) in core::mem::take(&mut store.pending) {
            for waiter in pending.waiters {
                match waiter {
                    Waiter::Piece { piece, .. } | Waiter::Written(piece) => release(out, piece, Verb::Fail(Errno::EIO)),
                    Waiter::Operation(number) => store.after_invalid.push(number),
                }
            }
        }
        store.invalidating = true;
        if store.kind == Kind::Transient {
            return self.invalidated(id);
        }
        let (bio, data) = store.header(false);
        self.io(id, Job::Invalid(id), bio, data, out);
    }

    /// The header says that the snapshot is lost; if it could not be written, no more can be done.
    pub(super) fn invalidated(&mut self, id: u64) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        store.invalidating = false;
        for number in core::mem::take(&mut store.after_invalid) {
            self.wake(number);
        }
    }
}
