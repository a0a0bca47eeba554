//! Suspend and resume, step by step.
//!
//! ```text
//! suspend:  freeze the filesystem -> close the gate -> wait until it is drained -> suspended
//! resume:   (all of that, when a new table comes to a device that is not suspended)
//!           -> put in the new table -> save the state -> open the gate -> thaw
//! ```
//! Until the gate is drained, a client that gives up gets the device back as it was.

use dm_abi::errno::Errno;
use dm_abi::ioctl::flag;

use super::call::{Call, FlowStep, Step};
use super::registry::Graph;
use super::{Awaited, Control};
use crate::host::{DeviceId, Host, SharedTable, Uevent};

/// How far a suspend or resume has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The host freezes.
    Freeze,
    /// The gate is closed, requests are under way.
    Drain,
    /// All is as it shall be but for the gate, and the host saves it.
    Save,
    /// The gate is open with the new table, the old one's machines still write.
    Retire,
    /// The gate is open, the host thaws.
    Thaw,
    /// As [`Stage::Thaw`], but the request fails.
    Undo(Errno),
}

/// A suspend or resume under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    id: DeviceId,
    stage: Stage,
    /// A resume, not a suspend.
    resume: bool,
    /// A resume that brings a new table.
    new_table: bool,
    /// The device was suspended before.
    was_suspended: bool,
}

impl<H: Host> Control<H> {
    pub(super) fn suspend_or_resume(&mut self, call: &mut Call) -> Step<H::Component> {
        let id = match self.look_up(call) {
            Ok(id) => id,
            Err(errno) => return Step::Done(Err(errno)),
        };
        let Some(device) = self.registry.get_mut(id) else {
            return Step::Done(Err(Errno::ENXIO));
        };
        if device.busy {
            return Step::Again;
        }
        let flow = Flow {
            id,
            stage: Stage::Freeze,
            resume: call.header.flags & flag::SUSPEND == 0,
            new_table: false,
            was_suspended: device.suspended,
        };
        if !flow.resume {
            if device.suspended {
                return self.reply_state(call, id).into();
            }
            device.busy = true;
            return self.freeze(call, flow).into();
        }
        if device.inactive.is_some() {
            return self.resume_with_table(call, flow).into();
        }
        if !device.suspended {
            return self.reply_state(call, id).into();
        }
        let Some(table) = device.live.clone() else {
            return Step::Done(Err(Errno::EINVAL));
        };
        if let Err(errno) = self.start_table(id, &table) {
            return Step::Done(Err(errno));
        }
        if let Some(device) = self.registry.get_mut(id) {
            device.busy = true;
            device.suspended = false;
        }
        self.save(flow).into()
    }

    /// The table that was loaded is on its way from now on: another one can be loaded meanwhile.
    fn resume_with_table(&mut self, call: &mut Call, flow: Flow) -> FlowStep {
        let table = self.registry.get(flow.id).and_then(|device| device.inactive.clone());
        if let Some(table) = table
            && let Err(errno) = self.registry.check_stack(flow.id, &table, Graph::Live)
        {
            return FlowStep::Done(Err(errno));
        }
        let flow = Flow {
            new_table: true,
            ..flow
        };
        if let Some(device) = self.registry.get_mut(flow.id) {
            device.resuming = device.inactive.take();
            device.busy = true;
        }
        if flow.was_suspended {
            self.swap(call, flow)
        } else {
            self.freeze(call, flow)
        }
    }

    /// Goes on after a wait.
    pub(super) fn advance(&mut self, call: &mut Call, flow: Flow, result: Result<(), Errno>) -> FlowStep {
        match flow.stage {
            Stage::Freeze => match result {
                Ok(()) => {
                    if let Some(device) = self.registry.get_mut(flow.id) {
                        device.frozen = true;
                    }
                    self.close(call, flow)
                }
                Err(errno) => {
                    let errno = self.put_back_table(flow, errno);
                    self.finish(call, flow, Err(errno))
                }
            },
            Stage::Drain => self.drain(call, flow),
            Stage::Save => match result {
                Ok(()) => self.open(call, flow),
                Err(errno) => self.unsaved(call, flow, errno),
            },
            Stage::Retire => self.retire(call, flow),
            Stage::Thaw | Stage::Undo(_) => self.thawed(call, flow),
        }
    }

    /// The client gave up.
    pub(super) fn interrupt(&mut self, call: &mut Call, flow: Flow) -> FlowStep {
        match flow.stage {
            Stage::Freeze => {
                // Perhaps the host has frozen by now.
                if let Some(device) = self.registry.get_mut(flow.id) {
                    device.frozen = true;
                }
                self.undo(call, flow, Errno::EINTR)
            }
            Stage::Drain => {
                self.go_on_as_before(flow.id);
                self.undo(call, flow, Errno::EINTR)
            }
            Stage::Save => FlowStep::Wait(flow, Awaited::Save),
            Stage::Retire => FlowStep::Wait(flow, Awaited::Changed),
            Stage::Thaw | Stage::Undo(_) => FlowStep::Wait(flow, Awaited::Thaw(flow.id)),
        }
    }

    fn freeze(&mut self, call: &mut Call, flow: Flow) -> FlowStep {
        let wanted = call.header.flags & (flag::SKIP_LOCKFS | flag::NOFLUSH) == 0;
        if wanted && self.registry.get(flow.id).is_some_and(|device| device.live.is_some()) {
            return FlowStep::Wait(flow, Awaited::Freeze(flow.id));
        }
        self.close(call, flow)
    }

    fn close(&mut self, call: &mut Call, flow: Flow) -> FlowStep {
        self.host.volume(flow.id, |volume| volume.close());
        if let Some(live) = self.live(flow.id) {
            let work = live.suspend();
            self.perform(work);
        }
        self.drain(call, flow)
    }

    fn live(&self, id: DeviceId) -> Option<SharedTable<H::Component>> {
        self.registry.get(id).and_then(|device| device.live.clone())
    }

    /// Opens the gate of a device that is not suspended after all.
    fn go_on_as_before(&mut self, id: DeviceId) {
        if let Some(live) = self.live(id) {
            // It has what it needs already.
            let _ = self.start_table(id, &live);
        }
        self.open_gate(id);
    }

    fn drain(&mut self, call: &mut Call, flow: Flow) -> FlowStep {
        let flow = Flow {
            stage: Stage::Drain,
            ..flow
        };
        if !self.host.volume(flow.id, |volume| volume.is_drained())
            || self.live(flow.id).is_some_and(|live| !live.suspended())
        {
            return FlowStep::Wait(flow, Awaited::Drained(flow.id));
        }
        if flow.resume {
            return self.swap(call, flow);
        }
        self.set_suspended(flow.id, true);
        self.finish(call, flow, Ok(()))
    }

    /// Makes the new table live behind the closed gate.
    fn swap(&mut self, call: &mut Call, flow: Flow) -> FlowStep {
        let id = flow.id;
        let Some(table) = self.registry.get_mut(id).and_then(|device| device.resuming.take()) else {
            return self.finish(call, flow, Err(Errno::ENXIO));
        };
        // The stack may have changed while the device was drained.
        let fits = self
            .registry
            .check_stack(id, &table, Graph::Live)
            .and_then(|()| self.start_table(id, &table))
            .and_then(|()| self.host.configure(id, Some(table.limits())));
        if let Err(errno) = fits {
            // As under Linux, the device stays suspended with its old table, and the new one is gone.
            self.set_suspended(id, true);
            self.drop_table(id, Some(table));
            return self.finish(call, flow, Err(errno));
        }
        self.host.volume(id, |volume| volume.swap(Some(table.clone())));
        if let Some(device) = self.registry.get_mut(id) {
            device.replaced = device.live.replace(table);
            device.suspended = false;
        }
        self.save(flow)
    }

    fn save(&mut self, flow: Flow) -> FlowStep {
        self.touched();
        let flow = Flow {
            stage: Stage::Save,
            ..flow
        };
        FlowStep::Wait(flow, Awaited::Save)
    }

    /// The new state could not be saved: back to the old one.
    fn unsaved(&mut self, call: &mut Call, flow: Flow, errno: Errno) -> FlowStep {
        let id = flow.id;
        if flow.new_table {
            let mut old = None;
            if let Some(device) = self.registry.get_mut(id) {
                old = device.replaced.take();
                device.resuming = core::mem::replace(&mut device.live, old.clone());
            }
            let new = self.registry.get(id).and_then(|device| device.resuming.clone());
            if let Some(new) = new {
                let work = new.suspend();
                self.perform(work);
                // Nothing has come to it yet.
                let _ = new.suspended();
            }
            self.host.volume(id, |volume| volume.swap(old.clone()));
            // It was so a moment ago; if the host cannot even go back, size and access are stale but the sectors are right.
            let _ = self.host.configure(id, old.as_ref().map(|table| table.limits()));
        }
        if flow.was_suspended {
            if let Some(live) = self.live(id) {
                let work = live.suspend();
                self.perform(work);
                let _ = live.suspended();
            }
            self.set_suspended(id, true);
            let errno = self.put_back_table(flow, errno);
            return self.finish(call, flow, Err(errno));
        }
        self.go_on_as_before(id);
        self.undo(call, flow, errno)
    }

    /// The gate opens, with the new table in.
    fn open(&mut self, call: &mut Call, flow: Flow) -> FlowStep {
        self.open_gate(flow.id);
        if flow.new_table {
            let mut old = None;
            if let Some(device) = self.registry.get_mut(flow.id) {
                old = device.replaced.take();
                let sectors = |table: &crate::host::SharedTable<H::Component>| table.sectors();
                if old.as_ref().map(sectors) != device.live.as_ref().map(sectors) {
                    device.geometry = None;
                }
            }
            self.events = self.events.wrapping_add(1);
            self.drop_table(flow.id, old);
        }
        self.retire(call, flow)
    }

    /// Waits until nothing of the old table is left: the client may then do with its components what it wants.
    fn retire(&mut self, call: &mut Call, flow: Flow) -> FlowStep {
        if flow.new_table && self.is_retiring(flow.id) {
            let stage = Stage::Retire;
            return FlowStep::Wait(Flow { stage, ..flow }, Awaited::Changed);
        }
        let flow = Flow {
            stage: Stage::Thaw,
            ..flow
        };
        self.thaw(call, flow)
    }

    fn thaw(&mut self, call: &mut Call, flow: Flow) -> FlowStep {
        if self.registry.get(flow.id).is_some_and(|device| device.frozen) {
            return FlowStep::Wait(flow, Awaited::Thaw(flow.id));
        }
        self.thawed(call, flow)
    }

    fn thawed(&mut self, call: &mut Call, flow: Flow) -> FlowStep {
        if let Some(device) = self.registry.get_mut(flow.id) {
            device.frozen = false;
        }
        match flow.stage {
            Stage::Undo(errno) => self.finish(call, flow, Err(errno)),
            _ => {
                self.tell(call, flow.id, Uevent::Change);
                self.finish(call, flow, Ok(()))
            }
        }
    }

    /// Gives the device back as it was before the request, whose gate is open again.
    fn undo(&mut self, call: &mut Call, flow: Flow, errno: Errno) -> FlowStep {
        let errno = self.put_back_table(flow, errno);
        let flow = Flow {
            stage: Stage::Undo(errno),
            ..flow
        };
        self.thaw(call, flow)
    }

    /// The table that a resume took goes back to its place; if another one was loaded meanwhile it is lost, and, as under
    /// Linux, the resume fails with ENXIO.
    fn put_back_table(&mut self, flow: Flow, errno: Errno) -> Errno {
        let Some(device) = self.registry.get_mut(flow.id) else {
            return errno;
        };
        let table = device.resuming.take();
        if table.is_some() && device.inactive.is_some() {
            self.drop_table(flow.id, table);
            return Errno::ENXIO;
        }
        if table.is_some() {
            device.inactive = table;
        }
        errno
    }

    fn set_suspended(&mut self, id: DeviceId, suspended: bool) {
        if let Some(device) = self.registry.get_mut(id) {
            device.suspended = suspended;
        }
    }

    /// The device is free for the next request.
    fn finish(&mut self, call: &mut Call, flow: Flow, result: Result<(), Errno>) -> FlowStep {
        if let Some(device) = self.registry.get_mut(flow.id) {
            device.busy = false;
        }
        self.touched();
        let step = match result {
            Ok(()) => self.reply_state(call, flow.id),
            Err(errno) => FlowStep::Done(Err(errno)),
        };
        // Nobody opened it while it was busy, perhaps.
        self.remove_deferred(flow.id);
        self.host.changed();
        step
    }

    /// Ends a request with the device's state.
    fn reply_state(&mut self, call: &mut Call, id: DeviceId) -> FlowStep {
        if let Some(device) = self.registry.get(id) {
            call.header.flags &= !flag::INACTIVE_PRESENT;
            if device.inactive.is_some() {
                call.header.flags |= flag::INACTIVE_PRESENT;
            }
        }
        self.fill(call, id);
        FlowStep::Done(Ok(()))
    }
}
