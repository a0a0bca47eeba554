//! Commands about tables: load, clear, components, status, messages.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use dm_abi::errno::Errno;
use dm_abi::ioctl::load::{LoadRecords, payload_message};
use dm_abi::ioctl::reply::{self, StatusWriter, payload_area};
use dm_abi::ioctl::{MAX_TARGETS, encode_dev, flag};
use zeroize::Zeroizing;

use super::call::{Call, Step};
use super::registry::Graph;
use super::{Control, MAX_DEPTH};
use crate::host::{Component, DevSpec, DeviceId, Found, Host, SharedTable};
use crate::table::{Line, MachineWork, Table, TableError};
use crate::targets::args::Given;
use crate::targets::{Asked, args};

impl<H: Host> Control<H> {
    pub(super) fn load(&mut self, call: &mut Call, buffer: &[u8]) -> Step<H::Component> {
        let (id, table) = match self.new_table(call, buffer) {
            Ok(built) => built,
            Err(errno) => return Step::Done(Err(errno)),
        };
        // Its components are in use from here on, also while its machines read.
        self.registry.retain(id, &table);
        match table.loaded() {
            None => Step::Load(id, table),
            Some(read) => Step::Done(self.loaded(call, id, table, read)),
        }
    }

    fn new_table(&mut self, call: &mut Call, buffer: &[u8]) -> Result<(DeviceId, SharedTable<H::Component>), Errno> {
        let id = self.look_up(call)?;
        let header = &call.header;
        match header.target_count {
            0 => return Err(Errno::EINVAL),
            count if count > MAX_TARGETS => return Err(Errno::EOVERFLOW),
            _ => {}
        }
        let read_only = header.flags & flag::READONLY != 0;
        let records = LoadRecords::new(buffer, header.data_start, header.target_count);
        let stacked = self.build(id, records, read_only).and_then(|table| {
            self.registry
                .check_stack(id, &table, Graph::Future)
                .map(|()| table)
                .map_err(|errno| TableError {
                    errno,
                    reason: format!("makes a loop of devices, or a stack of more than {MAX_DEPTH}"),
                })
        });
        match stacked {
            Ok(table) => Ok((id, table)),
            Err(error) => Err(self.refused(id, &error)),
        }
    }

    fn refused(&mut self, id: DeviceId, error: &TableError) -> Errno {
        if let Some(device) = self.registry.get(id) {
            self.host.refused(id, &device.name, error);
        }
        error.errno
    }

    /// A table's machines have read what they must, with this result: it is the device's inactive table now.
    pub(super) fn loaded(
        &mut self,
        call: &mut Call,
        id: DeviceId,
        table: SharedTable<H::Component>,
        read: Result<(), Errno>,
    ) -> Result<(), Errno> {
        if let Err(errno) = read {
            self.drop_table(id, Some(table));
            let reason = "a store cannot be read, or is none".into();
            return Err(self.refused(id, &TableError { errno, reason }));
        }
        let Some(device) = self.registry.get_mut(id) else {
            // It was removed meanwhile.
            self.drop_table(id, Some(table));
            return Err(Errno::ENXIO);
        };
        let old = device.inactive.replace(table);
        device.visible = true;
        self.touched();
        call.header.flags |= flag::INACTIVE_PRESENT;
        self.drop_old(call, id, old);
        Ok(())
    }

    /// Drops a table of a device, and puts the device's state into the reply. That can be its last state: a device below
    /// that goes with the table can have been the last user of this one, which waited for its removal.
    fn drop_old(&mut self, call: &mut Call, id: DeviceId, old: Option<SharedTable<H::Component>>) {
        if old.is_some() {
            self.fill(call, id);
            self.drop_table(id, old);
        }
        if self.registry.get(id).is_some() {
            self.fill(call, id);
        }
    }

    fn build(
        &mut self,
        holder: DeviceId,
        records: LoadRecords<'_>,
        read_only: bool,
    ) -> Result<SharedTable<H::Component>, TableError> {
        let Self { host, registry, .. } = self;
        let given = Given::of(host);
        let mut open = |spec: DevSpec<'_>, read_only: bool| {
            let own = match spec {
                DevSpec::Number(dev) => registry.id_of_number(dev),
                DevSpec::Path(_) => None,
            };
            let id = match own {
                Some(id) => id,
                None => match host.open(spec, read_only)? {
                    Found::Host(opened) => return Ok(Component::Host(opened)),
                    Found::Mapped(id) => id,
                },
            };
            let device = registry.get(id).ok_or(Errno::ENXIO)?;
            if id == holder {
                return Err(Errno::EINVAL);
            }
            if !device.visible {
                return Err(Errno::ENXIO);
            }
            let limits = device.live.as_ref().map(|table| table.limits());
            Ok(Component::Mapped {
                id,
                dev: device.dev,
                sectors: limits.map_or(0, |limits| limits.sectors),
                logical_block_size: limits.map_or(512, |limits| limits.logical_block_size),
                discard: limits.is_some_and(|limits| limits.discard),
            })
        };
        // Records are looked at one after the other: an earlier one that its target refuses comes before a malformed one.
        let mut malformed = false;
        let lines = records.map_while(|record| {
            malformed = record.is_err();
            record.ok().map(|spec| Line {
                start: spec.start,
                length: spec.length,
                kind: spec.kind,
                params: spec.params,
            })
        });
        let built = Table::build(&mut open, lines, read_only, given);
        if malformed && !matches!(&built, Err(error) if error.errno != Errno::EINVAL) {
            return Err(TableError {
                errno: Errno::EINVAL,
                reason: "the request's records are malformed".into(),
            });
        }
        let mut table = built?;
        let work = table.attach(&mut |wanted| host.machine(wanted))?;
        let table = Arc::new(table);
        self.perform(work);
        Ok(table)
    }

    /// Has the host perform what machines want.
    pub(super) fn perform(&mut self, work: MachineWork<H::Component>) {
        for (machine, actions) in work {
            if !actions.is_empty() {
                self.host.perform(&machine, actions);
            }
        }
    }

    /// A table becomes live on a device, or the device goes on.
    pub(super) fn start_table(&mut self, id: DeviceId, table: &SharedTable<H::Component>) -> Result<(), Errno> {
        table.can_resume()?;
        if !table.has_machines() {
            return Ok(());
        }
        let registry = &self.registry;
        let size = |lower: DeviceId| {
            let live = registry.get(lower).and_then(|device| device.live.as_ref());
            live.map(|table| table.sectors())
        };
        let work = table.resume(id, &size)?;
        self.perform(work);
        Ok(())
    }

    /// Opens the gate of a device whose table was started.
    pub(super) fn open_gate(&mut self, id: DeviceId) {
        self.host.volume(id, |volume| volume.open());
        let live = self.registry.get(id).and_then(|device| device.live.clone());
        if let Some(live) = live.filter(|live| live.has_machines()) {
            let work = live.opened();
            self.perform(work);
        }
    }

    pub(super) fn clear(&mut self, call: &mut Call) -> Result<(), Errno> {
        let id = self.look_up(call)?;
        let old = self.registry.get_mut(id).and_then(|device| device.inactive.take());
        if old.is_some() {
            self.touched();
        }
        call.header.flags &= !flag::INACTIVE_PRESENT;
        self.drop_old(call, id, old);
        Ok(())
    }

    /// The live table, or the inactive one if the request asks for that.
    fn queried(&self, call: &Call, id: DeviceId) -> Option<SharedTable<H::Component>> {
        let device = self.registry.get(id)?;
        if call.header.flags & flag::QUERY_INACTIVE_TABLE != 0 {
            device.inactive.clone()
        } else {
            device.live.clone()
        }
    }

    pub(super) fn deps(&mut self, call: &mut Call, buffer: &mut [u8]) -> Result<(), Errno> {
        let id = self.look_up(call)?;
        self.fill(call, id);
        if let Some(table) = self.queried(call, id) {
            // Linux lists the component that was opened last first.
            let devs = table.components().iter().rev().map(|component| {
                let dev = component.dev();
                encode_dev(dev.major, dev.minor)
            });
            let (start, area) = payload_area(buffer);
            call.payload(start, reply::write_deps(area, devs));
        }
        Ok(())
    }

    pub(super) fn status(&mut self, call: &mut Call, buffer: &mut [u8]) -> Result<(), Errno> {
        let id = self.look_up(call)?;
        self.fill(call, id);
        self.write_status(call, id, buffer);
        Ok(())
    }

    /// Puts the status or lines of a device's table into the reply.
    pub(super) fn write_status(&self, call: &mut Call, id: DeviceId, buffer: &mut [u8]) {
        let Some(table) = self.queried(call, id) else { return };
        let lines = call.header.flags & flag::STATUS_TABLE != 0;
        let (start, area) = payload_area(buffer);
        let mut writer = StatusWriter::new(area);
        for segment in table.segments() {
            writer.record(segment.start, segment.length, segment.target.name().as_bytes(), |out| {
                if lines {
                    table.write_table(segment, out)
                } else {
                    table.write_status(segment, out)
                }
            });
        }
        let (used, full) = writer.finish();
        // What did fit is handed out, but for an empty part.
        call.payload(start, (used > 0).then_some(used));
        if full {
            call.header.flags |= flag::BUFFER_FULL;
        }
    }

    pub(super) fn message(&mut self, call: &mut Call, buffer: &mut [u8]) -> Result<(), Errno> {
        let id = self.look_up(call)?;
        let mut answer = Vec::new();
        {
            let (sector, text) = payload_message(buffer, call.header.data_start).map_err(|_| Errno::EINVAL)?;
            let words = Zeroizing::new(args::split(text));
            match words.first().map(Vec::as_slice) {
                None => return Err(Errno::EINVAL),
                Some([b'@', ..]) => self.core_message(id, &words)?,
                Some(_) => {
                    let device = self.registry.get(id).ok_or(Errno::ENXIO)?;
                    let live = device.live.clone().ok_or(Errno::EINVAL)?;
                    let asked = Asked {
                        suspended: device.suspended,
                    };
                    let work = live.message(sector, text, &asked, &mut answer)?;
                    self.perform(work);
                    // It may have changed what an exported state says.
                    self.touched();
                }
            }
        }
        self.fill(call, id);
        if !answer.is_empty() {
            call.header.flags |= flag::DATA_OUT;
            let (start, area) = payload_area(buffer);
            call.payload(start, reply::write_message(area, &answer));
        }
        Ok(())
    }

    /// Messages to the device itself. Statistics (`@stats_...`) are not there yet, and so are unknown.
    fn core_message(&mut self, id: DeviceId, words: &[Vec<u8>]) -> Result<(), Errno> {
        match words {
            [word] if word.eq_ignore_ascii_case(b"@cancel_deferred_remove") => {
                self.cancel_deferred(id);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }
}
