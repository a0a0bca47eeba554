//! Commands about devices as such: create, rename, set UUID, information, lists, wait, geometry.

use alloc::vec::Vec;

use dm_abi::errno::Errno;
use dm_abi::ioctl::load::payload_text;
use dm_abi::ioctl::reply::{self, NameEntry, VersionEntry, payload_area};
use dm_abi::ioctl::{NAME_LEN, UUID_LEN, decode_dev, encode_dev, flag};

use super::Control;
use super::call::{Call, Step};
use super::registry::{Device, Geometry};
use crate::host::{DeviceId, Host, Uevent};
use crate::targets::{TYPES, TargetType};

/// A name that nodes below the device directory can have.
fn check_name(name: &[u8]) -> Result<(), Errno> {
    match name {
        b"" | b"." | b".." | b"control" => Err(Errno::EINVAL),
        _ if name.contains(&b'/') || name.len() >= NAME_LEN => Err(Errno::EINVAL),
        _ => Ok(()),
    }
}

impl<H: Host> Control<H> {
    pub(super) fn create(&mut self, call: &mut Call) -> Result<(), Errno> {
        let header = &call.header;
        let (name, uuid) = (header.name(), header.uuid());
        check_name(name)?;
        let minor = (header.flags & flag::PERSISTENT_DEV != 0).then(|| decode_dev(header.dev).1);
        if minor.is_some_and(|minor| self.registry.has_minor(minor)) {
            return Err(Errno::ENXIO);
        }
        let taken = self.registry.has_name(name) || (!uuid.is_empty() && self.registry.has_uuid(uuid));
        if taken || self.registry.len() >= self.max_devices {
            return Err(Errno::EBUSY);
        }
        let id = self.registry.fresh_id();
        let dev = self.host.create(id, minor)?;
        if !self.registry.insert(id, Device::new(dev, name, uuid)) {
            // Only a host that gives out a number twice comes here.
            let _ = self.host.remove(id);
            return Err(Errno::EBUSY);
        }
        self.host.named(id, name);
        self.happened();
        call.header.flags &= !flag::INACTIVE_PRESENT;
        self.fill(call, id);
        Ok(())
    }

    pub(super) fn rename(&mut self, call: &mut Call, buffer: &[u8]) -> Result<(), Errno> {
        let new = payload_text(buffer, call.header.data_start).map_err(|_| Errno::EINVAL)?;
        let is_uuid = call.header.flags & flag::UUID != 0;
        let taken = if is_uuid {
            if new.is_empty() || new.len() >= UUID_LEN {
                return Err(Errno::EINVAL);
            }
            self.registry.has_uuid(new)
        } else {
            check_name(new)?;
            self.registry.has_name(new)
        };
        if taken {
            return Err(Errno::EBUSY);
        }
        // Here Linux finds the device by its name only.
        let id = self.registry.id_of_name(call.header.name()).ok_or(Errno::ENXIO)?;
        let device = self.registry.get_mut(id).ok_or(Errno::ENXIO)?;
        if is_uuid && !device.uuid.is_empty() {
            return Err(Errno::EINVAL);
        }
        if device.live.is_some() {
            device.event_nr = device.event_nr.wrapping_add(1);
        }
        let tell = device.visible;
        if is_uuid {
            self.registry.set_uuid(id, new);
        } else {
            self.registry.rename(id, new);
            self.host.named(id, new);
        }
        self.happened();
        if tell {
            self.tell(call, id, Uevent::Rename);
        }
        self.fill(call, id);
        Ok(())
    }

    /// Has the host tell the system, and notes it in the reply if somebody listens.
    pub(super) fn tell(&mut self, call: &mut Call, id: DeviceId, event: Uevent) {
        if self.host.uevent(id, event, call.cookie) {
            call.header.flags |= flag::UEVENT_GENERATED;
        }
    }

    pub(super) fn info(&mut self, call: &mut Call) -> Result<(), Errno> {
        let id = self.look_up(call)?;
        self.fill(call, id);
        Ok(())
    }

    pub(super) fn wait(&mut self, call: &mut Call, buffer: &mut [u8]) -> Step<H::Component> {
        match self.look_up(call) {
            Err(errno) => Step::Done(Err(errno)),
            Ok(id) => {
                if self
                    .registry
                    .get(id)
                    .is_some_and(|device| device.event_nr == call.header.event_nr)
                {
                    return Step::Event(id);
                }
                self.fill(call, id);
                self.write_status(call, id, buffer);
                Step::Done(Ok(()))
            }
        }
    }

    pub(super) fn list(&mut self, call: &mut Call, buffer: &mut [u8]) -> Result<(), Errno> {
        let with_uuids = call.header.flags & flag::UUID != 0;
        let entries = self.registry.by_name().filter_map(|(id, name)| {
            let device = self.registry.get(id)?;
            Some(NameEntry {
                dev: encode_dev(device.dev.major, device.dev.minor),
                name,
                event_nr: device.event_nr,
                uuid: with_uuids.then_some(&device.uuid[..]),
            })
        });
        let (start, area) = payload_area(buffer);
        call.payload(start, reply::write_names(area, entries));
        Ok(())
    }

    pub(super) fn versions(&mut self, call: &mut Call, buffer: &mut [u8]) -> Result<(), Errno> {
        let there = TYPES.iter().filter(|kind| H::MACHINES || !kind.has_machine);
        let (start, area) = payload_area(buffer);
        call.payload(start, reply::write_versions(area, there.map(version_entry)));
        Ok(())
    }

    pub(super) fn target_version(&mut self, call: &mut Call, buffer: &mut [u8]) -> Result<(), Errno> {
        let kind = TargetType::find(call.header.name())
            .filter(|kind| H::MACHINES || !kind.has_machine)
            .ok_or(Errno::EINVAL)?;
        let (start, area) = payload_area(buffer);
        call.payload(
            start,
            reply::write_versions(area, core::iter::once(version_entry(kind))),
        );
        Ok(())
    }

    pub(super) fn set_geometry(&mut self, call: &mut Call, buffer: &[u8]) -> Result<(), Errno> {
        let id = self.registry.find(&call.header)?;
        let text = payload_text(buffer, call.header.data_start).map_err(|_| Errno::EINVAL)?;
        let geometry = parse_geometry(text).ok_or(Errno::EINVAL)?;
        if let Some(device) = self.registry.get_mut(id) {
            device.geometry = Some(geometry);
        }
        self.touched();
        Ok(())
    }

    /// Finds the device that a request means, and puts its names and whether it has an inactive table into the reply.
    pub(super) fn look_up(&self, call: &mut Call) -> Result<DeviceId, Errno> {
        let id = self.registry.find(&call.header)?;
        let device = self.registry.get(id).ok_or(Errno::ENXIO)?;
        // Both fit: they were bounded when the device got them.
        let _ = call.header.set_name(&device.name) && call.header.set_uuid(&device.uuid);
        call.header.flags &= !flag::INACTIVE_PRESENT;
        if device.inactive.is_some() {
            call.header.flags |= flag::INACTIVE_PRESENT;
        }
        Ok(id)
    }

    /// Puts a device's state into the reply.
    pub(super) fn fill(&mut self, call: &mut Call, id: DeviceId) {
        let wanted = call.header.flags & flag::SKIP_BDGET == 0;
        let opens = self.host.open_count(id, wanted);
        self.fill_with(call, id, opens);
    }

    /// As [`Self::fill`], with the number of opens from outside.
    pub(super) fn fill_with(&self, call: &mut Call, id: DeviceId, opens: u32) {
        let Some(device) = self.registry.get(id) else { return };
        let header = &mut call.header;
        header.flags &= !(flag::SUSPEND | flag::READONLY | flag::ACTIVE_PRESENT | flag::INTERNAL_SUSPEND);
        let table = if header.flags & flag::QUERY_INACTIVE_TABLE != 0 {
            device.inactive.as_ref()
        } else {
            device.live.as_ref()
        };
        let mut set = |on: bool, bit: u32| {
            if on {
                header.flags |= bit;
            }
        };
        set(device.suspended, flag::SUSPEND);
        set(device.deferred, flag::DEFERRED_REMOVE);
        set(device.live.is_some(), flag::ACTIVE_PRESENT);
        set(table.is_some_and(|table| table.read_only()), flag::READONLY);
        header.dev = encode_dev(device.dev.major, device.dev.minor);
        header.event_nr = device.event_nr;
        header.target_count = table.map_or(0, |table| u32::try_from(table.segments().len()).unwrap_or(u32::MAX));
        let opens = usize::try_from(opens).unwrap_or(usize::MAX);
        header.open_count = i32::try_from(device.users().saturating_add(opens)).unwrap_or(i32::MAX);
    }
}

impl Call {
    /// Notes that a payload of this many bytes follows, or that it did not fit.
    pub(super) fn payload(&mut self, start: usize, used: Option<usize>) {
        self.header.data_start = u32::try_from(start).unwrap_or(u32::MAX);
        match used {
            Some(used) => self.header.data_size = u32::try_from(start + used).unwrap_or(u32::MAX),
            None => self.header.flags |= flag::BUFFER_FULL,
        }
    }
}

fn version_entry(kind: &TargetType) -> VersionEntry<'_> {
    VersionEntry {
        name: kind.name.as_bytes(),
        version: kind.version,
    }
}

/// Reads `cylinders heads sectors start`, with blanks as Linux takes them: any before a number, none behind the last.
fn parse_geometry(text: &[u8]) -> Option<Geometry> {
    if text.last().is_none_or(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    let numbers: Vec<u64> = text
        .split(|byte| matches!(byte, b' ' | b'\t'..=b'\r'))
        .filter(|word| !word.is_empty())
        .map(number)
        .collect::<Option<_>>()?;
    let [cylinders, heads, sectors, start] = numbers[..] else {
        return None;
    };
    let geometry = Geometry {
        cylinders: u16::try_from(cylinders).ok()?,
        heads: u8::try_from(heads).ok()?,
        sectors: u8::try_from(sectors).ok()?,
        start,
    };
    (start <= cylinders * heads * sectors).then_some(geometry)
}

/// Reads decimal digits; as under Linux, a number that is too large wraps around.
fn number(word: &[u8]) -> Option<u64> {
    word.iter().try_fold(0u64, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Linux 6.12 took and refused.
    #[test]
    fn geometries() {
        for good in [
            "1 2 3 4",
            "65535 255 255 0",
            "0 0 0 0",
            "1 1 1 18446744073709551616",
            "16383 16 63 16514000",
            "1 16 63 1008",
            "1\t2\n3 4",
        ] {
            assert!(parse_geometry(good.as_bytes()).is_some(), "{good:?}");
        }
        for bad in [
            "",
            "1 2 3",
            "1 2 3 4 5",
            "x 2 3 4",
            "65536 255 63 0",
            "65535 256 63 0",
            "1 1 256 0",
            "1 1 1 0x10",
            "1 1 1 2x",
            "-1 1 1 1",
            "+1 2 3 4",
            "1 1 1 2",
            "1 16 63 1009",
            "1 2 3 4 ",
        ] {
            assert_eq!(parse_geometry(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
