//! Work on a range of the origin that needs exceptions first, and discards of a snapshot.

use alloc::vec::Vec;

use dm_abi::errno::Errno;

use super::store::{State, Waiter};
use super::{Group, Held, Job, release};
use crate::io::{Bio, Op, Verb};
use crate::machine::{Action, PieceId};

/// Sectors of the origin for which an operation makes exceptions at a time.
const WINDOW: u64 = 2048;
/// Chunks that a discard zeroes at a time.
const ZEROES: u32 = 32;

/// Something that goes through a range, in sectors of the origin.
#[derive(Debug)]
pub(super) struct Operation {
    what: What,
    first: u64,
    end: u64,
    /// Up to here it has asked for all it needs.
    cursor: u64,
    /// Number of things that it waits for.
    missing: u32,
    generation: u64,
    error: Option<Errno>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The origin changes: each store that watches needs its exceptions; then the piece goes on.
    Change(PieceId, Verb),
    /// The same, for a store that is merged.
    Merge(u64),
    /// A store's copies of the range become zeroes; then the piece goes on.
    Discard(PieceId, Verb, u64),
}

impl<C: Clone> Group<C> {
    fn begin(&mut self, what: What, first: u64, sectors: u64) {
        let operation = Operation {
            what,
            first,
            end: first.saturating_add(sectors),
            cursor: first,
            // That it is woken for the first time.
            missing: 1,
            generation: self.generation,
            error: None,
        };
        let number = self.jobs.number();
        self.operations.insert(number, operation);
        self.wake(number);
    }

    /// A piece changes the origin.
    pub(super) fn change_origin(&mut self, held: Held, verb: Verb) {
        self.begin(What::Change(held.piece, verb), held.first, held.sectors);
    }

    /// A merge is going to change the origin.
    pub(super) fn change_by_merge(&mut self, store: u64, first: u64, sectors: u64) {
        self.begin(What::Merge(store), first, sectors);
    }

    /// A piece discards a part of a snapshot.
    pub(super) fn discard(&mut self, held: Held, store: u64, verb: Verb) {
        self.begin(What::Discard(held.piece, verb, store), held.first, held.sectors);
    }

    /// An operation gets one of the things that it waits for, when [`Group::settle`] comes to it.
    pub(super) fn wake(&mut self, number: u64) {
        self.woken.push_back(number);
    }

    /// An operation has got one of the things that it waits for.
    pub(super) fn advance(&mut self, number: u64, out: &mut Vec<Action<C>>) {
        let Some(mut operation) = self.operations.remove(&number) else {
            return;
        };
        operation.missing = operation.missing.saturating_sub(1);
        while operation.missing == 0 {
            if operation.cursor == operation.end {
                // A snapshot that became live meanwhile wants the beginning, too.
                let is_discard = matches!(operation.what, What::Discard(..));
                if is_discard || operation.generation == self.generation || operation.first == operation.end {
                    return self.end(&operation, out);
                }
                operation.cursor = operation.first;
                operation.generation = self.generation;
            }
            match operation.what {
                What::Change(..) | What::Merge(_) => self.ask_exceptions(number, &mut operation, out),
                What::Discard(_, _, store) => self.ask_zeroes(number, &mut operation, store, out),
            }
        }
        self.operations.insert(number, operation);
    }

    fn end(&mut self, operation: &Operation, out: &mut Vec<Action<C>>) {
        match operation.what {
            What::Change(piece, verb) => release(out, piece, verb),
            What::Discard(piece, verb, _) => {
                release(out, piece, operation.error.map_or(verb, Verb::Fail));
            }
            What::Merge(store) => self.merge_may_change(store, out),
        }
    }

    fn ask_exceptions(&mut self, number: u64, operation: &mut Operation, out: &mut Vec<Action<C>>) {
        let first = operation.cursor;
        let end = operation.end.min((first / WINDOW + 1).saturating_mul(WINDOW));
        let own = match operation.what {
            What::Merge(store) => Some(store),
            _ => None,
        };
        let stores: Vec<u64> = self
            .stores
            .iter()
            .filter(|&(&id, store)| {
                Some(id) != own && (Self::watching(store) || store.invalidating || !store.pending.is_empty())
            })
            .map(|(&id, _)| id)
            .collect();
        for id in stores {
            let Some(store) = self.stores.get_mut(&id) else {
                continue;
            };
            match store.state {
                State::Loading => {
                    store.after_load.push(number);
                    operation.missing += 1;
                    // All of this window is asked for again.
                    operation.generation = operation.generation.wrapping_sub(1);
                }
                State::Invalid | State::Failed(_) if store.invalidating => {
                    store.after_invalid.push(number);
                    operation.missing += 1;
                }
                State::Invalid | State::Failed(_) => {}
                State::Ready => {
                    let (from, to) = (first / store.chunk, (end - 1) / store.chunk);
                    for chunk in from..=to {
                        if self.ask_exception(id, chunk, Waiter::Operation(number), out) {
                            operation.missing += 1;
                        }
                    }
                }
            }
        }
        operation.cursor = end;
    }

    /// Makes sure that a store has an exception. True when the waiter waits for it.
    fn ask_exception(&mut self, id: u64, chunk: u64, waiter: Waiter, out: &mut Vec<Action<C>>) -> bool {
        let Some(store) = self.stores.get_mut(&id) else {
            return false;
        };
        if let Some(pending) = store.pending.get_mut(&chunk) {
            pending.waiters.push(waiter);
            return true;
        }
        if store.table.get(chunk).is_some() {
            return false;
        }
        if store.state == State::Ready {
            if !Self::watching(store) {
                return false;
            }
            if let Some(stored) = store.allocate() {
                self.start_exception(id, chunk, stored, waiter);
                return true;
            }
            self.invalidate(id, out);
        }
        // Invalid by now, perhaps by another chunk of the same operation.
        let Waiter::Operation(number) = waiter else {
            return false;
        };
        match self.stores.get_mut(&id) {
            Some(store) if store.invalidating => {
                store.after_invalid.push(number);
                true
            }
            _ => false,
        }
    }

    fn ask_zeroes(&mut self, number: u64, operation: &mut Operation, id: u64, out: &mut Vec<Action<C>>) {
        while operation.cursor < operation.end && operation.missing < ZEROES {
            let Some(store) = self.stores.get_mut(&id).filter(|store| store.state == State::Ready) else {
                operation.error = Some(Errno::EIO);
                operation.cursor = operation.end;
                return;
            };
            let chunk = operation.cursor / store.chunk;
            let inside = operation.cursor % store.chunk;
            let sectors = (store.chunk - inside).min(operation.end - operation.cursor);
            if let Some(stored) = store.table.get(chunk) {
                let zero = Bio::new(Op::WriteZeroes, stored * store.chunk + inside, sectors);
                operation.missing += 1;
                self.io(id, Job::Zero(id, number), zero, Vec::new(), out);
            } else if let Some(pending) = store.pending.get_mut(&chunk) {
                pending.waiters.push(Waiter::Operation(number));
                operation.missing += 1;
                // This chunk comes again when it is there.
                return;
            }
            operation.cursor += sectors;
        }
    }

    /// A part of a discard is done.
    pub(super) fn zeroed(&mut self, number: u64, result: Result<(), Errno>) {
        if let Some(operation) = self.operations.get_mut(&number)
            && let Err(errno) = result
        {
            operation.error.get_or_insert(errno);
        }
        self.wake(number);
    }
}
