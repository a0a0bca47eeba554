//! The segments of a table that have a machine behind them.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use dm_abi::errno::Errno;

use super::{Table, TableError};
use crate::dust::Dust;
use crate::host::DeviceId;
use crate::io::{Bio, Piece, Verb};
use crate::log_writes::LogWrites;
use crate::machine::{Action, Machine, PieceId, SharedMachine, Wanted};
use crate::mirrors::Mirror;
use crate::snapshots::{Joining, MemberId};
use crate::targets::Joins;
use crate::targets::args::Refusal;

/// What a segment is to its machine. Dropping it takes it out.
#[derive(Debug)]
pub(super) struct Member<C> {
    machine: SharedMachine<C>,
    id: MemberId,
}

impl<C> Drop for Member<C> {
    fn drop(&mut self) {
        let id = self.id;
        self.machine.with(&mut |machine| machine.leave(id));
    }
}

/// What a host is to perform, by machine.
pub type MachineWork<C> = Vec<(SharedMachine<C>, Vec<Action<C>>)>;

/// How [`Table::attach`] finds a machine; `None` when the host has none.
pub type FindMachine<'a, C> = dyn FnMut(Wanted<C>) -> Option<SharedMachine<C>> + 'a;

/// What is done with each member's machine.
type ForMember<'a, C> = dyn FnMut(&mut Machine<C>, MemberId, &mut Vec<Action<C>>) + 'a;

impl<C: Clone> Table<C> {
    /// Connects the segments that need it with their machines, which begin to read their stores: the host performs what is
    /// returned, and the table can be used when [`Table::loaded`] says so. Without this, requests to such segments fail.
    ///
    /// # Errors
    /// EINVAL when the machine does not take the segment, or the host has no machines; EBUSY when it is still in use.
    pub fn attach(&mut self, find: &mut FindMachine<'_, C>) -> Result<MachineWork<C>, TableError> {
        let mut members: Vec<Option<Member<C>>> = self.segments.iter().map(|_| None).collect();
        for (index, segment) in self.segments.iter().enumerate() {
            let Some(joins) = segment.target.joins() else {
                continue;
            };
            let refuse = |errno: Errno, reason: &str| TableError {
                errno,
                reason: format!("line {} ({}): {reason}", index + 1, segment.target.name()),
            };
            let component = |index: u32| (index, self.components[index as usize].clone());
            let none = || refuse(Errno::EINVAL, "this host keeps no state for targets");
            let joins = match joins {
                Joins::Snapshots(joins) => joins,
                own => {
                    let machine = self.own_machine(own, segment.length);
                    let machine = machine.map_err(|refusal| refuse(refusal.errno, &refusal.reason))?;
                    members[index] = Some(Member {
                        machine: find(Wanted::Own(machine)).ok_or_else(none)?,
                        id: MemberId::ONLY,
                    });
                    continue;
                }
            };
            let machine = find(Wanted::Snapshots(self.device(joins.origin))).ok_or_else(none)?;
            let mut joining = Some(Joining {
                role: joins.role,
                origin: component(joins.origin),
                cow: joins.cow.map(component),
                length: segment.length,
                shape: joins.shape,
                passdown: joins.passdown,
            });
            let mut joined = None;
            machine.with(&mut |machine| {
                if let Machine::Snapshots(group) = machine {
                    joined = joining.take().map(|joining| group.join(joining));
                }
            });
            match joined {
                Some(Ok(id)) => members[index] = Some(Member { machine, id }),
                Some(Err(refusal)) => return Err(refuse(refusal.errno, &refusal.reason)),
                None => return Err(refuse(Errno::EINVAL, "the machine was not asked")),
            }
        }
        let mut work = Vec::new();
        for member in members.iter().flatten() {
            let mut actions = Vec::new();
            member
                .machine
                .with(&mut |machine| machine.load(member.id, &mut actions));
            work.push((member.machine.clone(), actions));
        }
        if !work.is_empty() {
            self.members = members.into_boxed_slice();
        }
        Ok(work)
    }

    /// The machine that one segment of `length` sectors has for itself.
    fn own_machine(&self, joins: Joins, length: u64) -> Result<Machine<C>, Refusal> {
        let mut component = |index: u32| self.components[index as usize].clone();
        Ok(match joins {
            Joins::Snapshots(_) => return Err(Refusal::invalid("its machine is shared")),
            Joins::Mirror(line) => Machine::Mirror(Box::new(Mirror::new(&line, length, &mut component)?)),
            Joins::Dust(line) => Machine::Dust(Box::new(Dust::new(line, component(line.component)))),
            Joins::LogWrites(line, start) => Machine::LogWrites(Box::new(LogWrites::new(line, start, &mut component)?)),
        })
    }

    /// Whether everything that the table's machines must read is read; `None` while that is under way.
    #[must_use]
    pub fn loaded(&self) -> Option<Result<(), Errno>> {
        let mut all = Some(Ok(()));
        self.each(&mut |machine, id| match machine.loaded(id) {
            None => all = None,
            Some(Err(errno)) if all.is_some() => all = Some(Err(errno)),
            Some(_) => {}
        });
        all
    }

    /// The table becomes live on a device, or the device goes on after a suspend. `size` gives the present size of a mapped
    /// device in sectors. The host performs what is returned.
    ///
    /// # Errors
    /// EINVAL when another table has the store, and its device is not suspended.
    pub fn resume(&self, holder: DeviceId, size: &dyn Fn(DeviceId) -> Option<u64>) -> Result<MachineWork<C>, Errno> {
        let mut work = Vec::new();
        for member in self.members.iter().flatten() {
            let mut actions = Vec::new();
            let mut result = Ok(());
            member.machine.with(&mut |machine| {
                result = machine.resume(member.id, holder, size, &mut actions);
            });
            work.push((member.machine.clone(), actions));
            result?;
        }
        Ok(work)
    }

    /// The gate of a device that was resumed is open: background work may begin. (Before, the resume could still fail.)
    /// The host performs what is returned.
    pub fn opened(&self) -> MachineWork<C> {
        self.work(&mut |machine, _, out| machine.opened(out))
    }

    /// The device is being suspended: no background work is begun any more but for what ends it. The host performs what is
    /// returned.
    pub fn suspend(&self) -> MachineWork<C> {
        self.work(&mut |machine, id, out| machine.suspend(id, out))
    }

    /// The device is drained. False while background work is not over; then [`Action::Settled`] tells when to ask again.
    #[must_use]
    pub fn suspended(&self) -> bool {
        let mut all = true;
        self.each(&mut |machine, id| all &= machine.suspended(id));
        all
    }

    /// The table is not used any more, and no request is under way. False while its machines still write to components;
    /// then [`Action::Settled`] tells when to ask again. The host performs what is added to `work`.
    #[must_use]
    pub fn close(&self, work: &mut MachineWork<C>) -> bool {
        let mut all = true;
        work.extend(self.work(&mut |machine, id, out| all &= machine.close(id, out)));
        all
    }

    fn work(&self, f: &mut ForMember<'_, C>) -> MachineWork<C> {
        let mut work = Vec::new();
        for member in self.members.iter().flatten() {
            let mut actions = Vec::new();
            member.machine.with(&mut |machine| f(machine, member.id, &mut actions));
            if !actions.is_empty() {
                work.push((member.machine.clone(), actions));
            }
        }
        work
    }

    /// Hands a piece with [`Verb::Ask`] to its machine, and gives the machine and what the host is to perform.
    /// `None` when there is none: the piece fails with EIO.
    #[must_use]
    pub fn ask(&self, id: PieceId, bio: &Bio, piece: &Piece, out: &mut Vec<Action<C>>) -> Option<SharedMachine<C>> {
        debug_assert_eq!(piece.verb, Verb::Ask);
        let sector = bio.sector.checked_add(piece.offset)?;
        if sector >= self.sectors() {
            return None;
        }
        let index = self.index.find(sector);
        let segment = self.segments.get(index)?;
        let member = self.members.get(index)?.as_ref()?;
        let inside = Bio {
            sector: sector - segment.start,
            sectors: piece.sectors,
            ..*bio
        };
        member
            .machine
            .with(&mut |machine| machine.ask(member.id, id, &inside, out));
        Some(member.machine.clone())
    }

    /// Passes a message to the machine of segment number `index`; `None` when it has none.
    pub(super) fn machine_message(
        &self,
        index: usize,
        words: &[Vec<u8>],
        reply: &mut Vec<u8>,
    ) -> Option<Result<MachineWork<C>, Errno>> {
        let member = self.members.get(index)?.as_ref()?;
        let (mut result, mut actions) = (Ok(()), Vec::new());
        member
            .machine
            .with(&mut |machine| result = machine.message(words, reply, &mut actions));
        Some(result.map(|()| alloc::vec![(member.machine.clone(), actions)]))
    }
}

impl<C> Table<C> {
    fn each(&self, f: &mut dyn FnMut(&mut Machine<C>, MemberId)) {
        for member in self.members.iter().flatten() {
            member.machine.with(&mut |machine| f(machine, member.id));
        }
    }

    /// Whether segments of the table have machines.
    #[must_use]
    pub fn has_machines(&self) -> bool {
        !self.members.is_empty()
    }

    /// Appends the state of the machine of segment number `index`; false when it has none.
    pub(super) fn machine_state(&self, index: usize, out: &mut Vec<u8>) -> bool {
        let Some(Some(member)) = self.members.get(index) else {
            return false;
        };
        member.machine.with(&mut |machine| machine.state(out));
        true
    }

    /// Gives the machine of segment number `index` its state back; `None` when it has none.
    pub(super) fn machine_restore(&self, index: usize, state: &[u8]) -> Option<bool> {
        let member = self.members.get(index)?.as_ref()?;
        let mut restored = false;
        member.machine.with(&mut |machine| restored = machine.restore(state));
        Some(restored)
    }

    /// Prints the status of segment number `index` as its machine gives it; `None` when it has none.
    pub(super) fn machine_status(&self, index: usize, out: &mut dyn fmt::Write) -> Option<fmt::Result> {
        let member = self.members.get(index)?.as_ref()?;
        let mut result = Ok(());
        member
            .machine
            .with(&mut |machine| result = machine.status(member.id, out));
        Some(result)
    }
}

/// No members yet.
pub(super) fn none<C>() -> Box<[Option<Member<C>>]> {
    Box::default()
}
