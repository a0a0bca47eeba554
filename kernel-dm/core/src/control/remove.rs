//! Removing devices, now or when nobody uses them any more.

use alloc::vec::Vec;

use dm_abi::errno::Errno;
use dm_abi::ioctl::flag;

use super::Control;
use super::call::{Call, Step};
use crate::host::{DeviceId, Host, SharedTable, Uevent};

impl<H: Host> Control<H> {
    pub(super) fn remove(&mut self, call: &mut Call) -> Step<H::Component> {
        let id = match self.look_up(call) {
            Ok(id) => id,
            Err(errno) => return Step::Done(Err(errno)),
        };
        let Some(device) = self.registry.get(id) else {
            return Step::Done(Err(Errno::ENXIO));
        };
        let visible = device.visible;
        let later = call.header.flags & flag::DEFERRED_REMOVE != 0;
        // The state in the reply is what the request had in these fields.
        Step::Done(match self.try_remove(id) {
            Ok(unused) => {
                self.remove_unused(unused);
                call.header.flags &= !flag::DEFERRED_REMOVE;
                if visible {
                    self.tell(call, id, Uevent::Remove);
                }
                if self.is_retiring(id) {
                    return Step::Retire(id);
                }
                Ok(())
            }
            Err(Errno::EAGAIN) => return Step::Again,
            Err(Errno::EBUSY) if later => {
                self.defer(id);
                Ok(())
            }
            Err(errno) => Err(errno),
        })
    }

    pub(super) fn remove_all(&mut self, call: &Call) -> Result<(), Errno> {
        let later = call.header.flags & flag::DEFERRED_REMOVE != 0;
        // Each device that goes may free others below it, which then get their turn again.
        let mut left: Vec<DeviceId> = self.registry.all().map(|(id, _)| id).collect();
        while let Some(id) = left.pop() {
            if let Ok(mut unused) = self.try_remove(id) {
                left.append(&mut unused);
            }
        }
        if later {
            let ids: Vec<DeviceId> = self.registry.all().map(|(id, _)| id).collect();
            ids.into_iter().for_each(|id| self.defer(id));
        }
        Ok(())
    }

    fn defer(&mut self, id: DeviceId) {
        if let Some(device) = self.registry.get_mut(id).filter(|device| !device.deferred) {
            device.deferred = true;
            self.host.watch_close(id, true);
            self.touched();
        }
    }

    pub(super) fn cancel_deferred(&mut self, id: DeviceId) {
        if let Some(device) = self.registry.get_mut(id).filter(|device| device.deferred) {
            device.deferred = false;
            self.host.watch_close(id, false);
            self.touched();
        }
    }

    /// Removes a device now, if nobody uses it. Gives the devices that nobody uses any more after it.
    ///
    /// # Errors
    /// EAGAIN when a suspend or resume is under way, EBUSY when the device is in use.
    fn try_remove(&mut self, id: DeviceId) -> Result<Vec<DeviceId>, Errno> {
        let device = self.registry.get(id).ok_or(Errno::ENXIO)?;
        if device.users() > 0 {
            return Err(Errno::EBUSY);
        }
        if device.busy {
            return Err(Errno::EAGAIN);
        }
        self.host.remove(id)?;
        // Those who wait for events on it get its last state, which is suspended, with one more event.
        if let Some(device) = self.registry.get_mut(id)
            && device.live.is_some()
        {
            device.suspended = true;
            device.event_nr = device.event_nr.wrapping_add(1);
        }
        self.answer_waiters(id);
        let mut unused = Vec::new();
        if let Some(device) = self.registry.remove(id) {
            for table in [device.live, device.inactive].into_iter().flatten() {
                unused.append(&mut self.release(id, table));
            }
        }
        self.happened();
        Ok(unused)
    }

    /// Drops a table, and removes the devices that were only waiting for that.
    pub(super) fn drop_table(&mut self, holder: DeviceId, table: Option<SharedTable<H::Component>>) {
        if let Some(table) = table {
            let unused = self.release(holder, table);
            self.remove_unused(unused);
        }
    }

    /// Lets go of a table, as soon as its machines do not write any more.
    fn release(&mut self, holder: DeviceId, table: SharedTable<H::Component>) -> Vec<DeviceId> {
        if table.has_machines() {
            let mut work = Vec::new();
            let closed = table.close(&mut work);
            self.perform(work);
            if !closed {
                self.retiring.push((holder, table));
                return Vec::new();
            }
        }
        self.registry.release(holder, table)
    }

    /// Whether a table that a device had is still waited for.
    pub(super) fn is_retiring(&self, id: DeviceId) -> bool {
        self.retiring.iter().any(|&(holder, _)| holder == id)
    }

    /// Lets go of the tables that were waited for.
    pub(super) fn reap(&mut self) {
        for (holder, table) in core::mem::take(&mut self.retiring) {
            self.drop_table(holder, Some(table));
        }
    }

    fn remove_unused(&mut self, mut unused: Vec<DeviceId>) {
        while let Some(id) = unused.pop() {
            if self.registry.get(id).is_some_and(|device| device.deferred)
                && let Ok(mut more) = self.try_remove(id)
            {
                unused.append(&mut more);
            }
        }
    }

    /// Removes a device whose removal was put off, if it can go now.
    pub(super) fn remove_deferred(&mut self, id: DeviceId) {
        self.remove_unused(alloc::vec![id]);
    }
}
