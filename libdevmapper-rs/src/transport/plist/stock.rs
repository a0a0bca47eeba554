//! NetBSD's stock dm(4) driver, made to answer as Linux does.
//!
//! Its errors never reach the caller, some of its commands do nothing, and some requests crash the kernel. So every
//! request is checked before it is sent, as Linux would check it; only what the driver takes goes out; and after every
//! command that changes something a second question finds out whether it did. Whether a component is named by path or
//! number differs between versions: paths go in, numbers come out.
//!
//! What the driver cannot do is refused with "operation not supported" and a message: minor numbers of choice, read-only
//! tables, new UUIDs, events, geometry. What cannot be made up for: a suspended device goes on with its I/O, so a table is
//! exchanged under it; one warning per process says so. Between check and request another process may change things.

mod device;
mod table;

use std::sync::atomic::{AtomicBool, Ordering};

use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, DATA_OFFSET, Header, flag};
use dm_abi::plist::reply::{Answer, Name, Reply};
use dm_abi::plist::request::Line;
use dm_abi::plist::{Fields, Payload, ask, word};

use super::{Channel, Machine, NETBSD_BLOCK_MAJOR, NETBSD_CHAR_MAJOR, shown};
use crate::task::DevNo;
use crate::transport::{Failure, Transport};

use device::{Device, STATE, is_sendable};

/// The version that requests to the driver carry.
const REQUEST_VERSION: [u32; 3] = [4, 0, 0];

type Result<T> = std::result::Result<T, Failure>;

/// The stock driver.
#[derive(Debug)]
pub struct Stock {
    channel: Box<dyn Channel>,
    machine: Box<dyn Machine>,
    version: [u32; 3],
    warned: AtomicBool,
}

/// A request as the handlers see it.
struct Call<'b> {
    command: Command,
    header: Header,
    buffer: &'b [u8],
}

fn refused<T>(errno: Errno) -> Result<T> {
    Err(Failure::Refused(errno))
}

fn unsupported<T>(what: &str) -> Result<T> {
    crate::log_error!("NetBSD's stock device-mapper driver has no {what}.");
    refused(Errno::EOPNOTSUPP)
}

impl Stock {
    /// The driver behind a channel.
    #[must_use]
    pub fn new(channel: Box<dyn Channel>, machine: Box<dyn Machine>, version: [u32; 3]) -> Self {
        Self {
            channel,
            machine,
            version,
            warned: AtomicBool::new(false),
        }
    }

    fn block_major(&self) -> u32 {
        self.channel.block_major().unwrap_or(NETBSD_BLOCK_MAJOR)
    }

    /// The error of a command that had no effect: most often the driver's silent way to refuse it to a user.
    fn without_effect<T>(&self, call: &Call<'_>, otherwise: Errno) -> Result<T> {
        if !self.machine.is_privileged() {
            return refused(Errno::EACCES);
        }
        crate::log_notice!(
            "{}: NetBSD's stock driver took {} and did nothing.",
            shown(call.header.name()),
            word(call.command, call.header.flags).word
        );
        refused(otherwise)
    }

    /// The device that a request means, as Linux looks it up.
    fn find(&self, header: &Header) -> Result<Device> {
        let by_name = !header.name().is_empty();
        let by_uuid = !header.uuid().is_empty();
        if by_name && by_uuid {
            return refused(Errno::EINVAL);
        }
        if (by_name || by_uuid) && header.dev != 0 || !is_sendable(header.name()) {
            return refused(Errno::ENXIO);
        }
        let found = if by_name {
            self.info(header.name())?
        } else if by_uuid {
            self.by_uuid(header.uuid())?
        } else {
            let dev = DevNo::decode(header.dev);
            let names = if dev.major == self.block_major() {
                self.names()?
            } else {
                Vec::new()
            };
            match names.into_iter().find(|(minor, _)| *minor == dev.minor) {
                Some((_, name)) => self.info(&name)?,
                None => None,
            }
        };
        found.ok_or(Failure::Refused(Errno::ENXIO))
    }

    fn by_uuid(&self, uuid: &[u8]) -> Result<Option<Device>> {
        for (_, name) in self.names()? {
            if let Some(device) = self.info(&name)?
                && device.uuid == uuid
            {
                return Ok(Some(device));
            }
        }
        Ok(None)
    }

    /// The fields of a reply about a device.
    fn fields(&self, call: &Call<'_>, device: &Device) -> Result<Fields> {
        let header = &call.header;
        let transient = flag::BUFFER_FULL | flag::UEVENT_GENERATED | flag::DATA_OUT | flag::SECURE_DATA;
        let mut open_count = device.open_count;
        // The driver says 0 even while a device is open, and programs remove what nobody has open.
        if header.flags & flag::SKIP_BDGET == 0 && call.command == Command::DevStatus {
            open_count = i32::try_from(self.users(device)?).unwrap_or(i32::MAX);
        }
        let mut target_count = device.target_count;
        if header.flags & flag::QUERY_INACTIVE_TABLE != 0 {
            let lines = match device.has(flag::INACTIVE_PRESENT) {
                true => self.lines(&device.name, true)?.len(),
                false => 0,
            };
            target_count = u32::try_from(lines).unwrap_or(u32::MAX);
        }
        Ok(Fields {
            version: Some(self.version),
            name: device.name.clone(),
            uuid: device.uuid.clone(),
            major: Some(self.block_major()),
            minor: Some(device.minor),
            flags: header.flags & !(transient | STATE | flag::DEFERRED_REMOVE | flag::INTERNAL_SUSPEND) | device.flags,
            event_nr: device.event_nr,
            open_count,
            target_count,
        })
    }

    fn about(&self, call: &Call<'_>, device: &Device) -> Result<Reply> {
        Ok(Reply {
            fields: self.fields(call, device)?,
            answer: Answer::None,
        })
    }

    /// A reply about no device: the request's fields.
    fn plain(&self, call: &Call<'_>, answer: Answer) -> Reply {
        let header = &call.header;
        let dev = DevNo::decode(header.dev);
        let transient = flag::BUFFER_FULL | flag::UEVENT_GENERATED | flag::DATA_OUT | flag::SECURE_DATA;
        let fields = Fields {
            version: Some(self.version),
            name: header.name().to_vec(),
            uuid: header.uuid().to_vec(),
            major: (header.dev != 0).then_some(dev.major),
            minor: (header.dev != 0).then_some(dev.minor),
            flags: header.flags & !transient,
            event_nr: header.event_nr,
            open_count: header.open_count,
            target_count: header.target_count,
        };
        Reply { fields, answer }
    }

    fn answer(&self, call: &Call<'_>) -> Result<Reply> {
        match call.command {
            Command::Version => Ok(self.plain(call, Answer::None)),
            Command::ListVersions => Ok(self.plain(call, Answer::Types(self.types()?))),
            Command::ListDevices => self.list(call),
            Command::DevCreate => self.create(call),
            Command::DevStatus => self.about(call, &self.find(&call.header)?),
            Command::TableLoad => self.load(call),
            Command::TableStatus => self.status(call),
            Command::TableDeps => self.dependencies(call),
            Command::TableClear => self.clear(call),
            Command::DevSuspend => self.suspend(call),
            Command::DevRename => self.rename(call),
            Command::DevRemove => self.remove(call),
            Command::RemoveAll => self.remove_all(call),
            Command::TargetMsg => {
                // As Linux says of targets that take no messages; the driver's take none.
                self.find(&call.header)?;
                refused(Errno::EINVAL)
            }
            Command::DevWait => unsupported("events"),
            Command::DevSetGeometry => unsupported("geometry"),
            Command::DevArmPoll | Command::GetTargetVersion => refused(Errno::ENOTTY),
        }
    }

    fn list(&self, call: &Call<'_>) -> Result<Reply> {
        let names = self.names()?.into_iter().map(|(minor, name)| Name {
            minor,
            major: Some(self.block_major()),
            name,
            event_nr: None,
            uuid: None,
        });
        Ok(self.plain(call, Answer::Names(names.collect())))
    }

    fn create(&self, call: &Call<'_>) -> Result<Reply> {
        let (name, uuid) = (call.header.name(), call.header.uuid());
        if name.is_empty() || name.contains(&b'/') {
            return refused(Errno::EINVAL);
        }
        if call.header.flags & flag::PERSISTENT_DEV != 0 {
            return unsupported("device numbers of choice");
        }
        // An existing name looks like success to the driver.
        if self.info(name)?.is_some() || !uuid.is_empty() && self.by_uuid(uuid)?.is_some() {
            return refused(Errno::EBUSY);
        }
        let made = self
            .send(word(call.command, 0), name, uuid, 0, Payload::None)?
            .fields
            .minor;
        match (self.info(name)?, made) {
            (Some(device), Some(minor)) if device.minor == minor && device.uuid == uuid => self.about(call, &device),
            // Somebody else was quicker.
            (Some(_), _) => refused(Errno::EBUSY),
            (None, _) => self.without_effect(call, Errno::EIO),
        }
    }

    fn load(&self, call: &Call<'_>) -> Result<Reply> {
        let device = self.find(&call.header)?;
        if call.header.flags & flag::READONLY != 0 {
            return unsupported("read-only tables");
        }
        let Payload::Table(lines) = ask::payload(call.command.number(), call.buffer).map_err(Failure::Refused)? else {
            return refused(Errno::EINVAL);
        };
        self.fill(call, &device, &lines)?;
        let device = self.info(&device.name)?.ok_or(Failure::Refused(Errno::ENXIO))?;
        self.about(call, &device)
    }

    /// Puts a table into a device's inactive slot.
    fn fill(&self, call: &Call<'_>, device: &Device, lines: &[Line]) -> Result<()> {
        let lines = self.prepared(device.minor, lines)?;
        let table = Payload::Table(lines.clone());
        let reply = self.send(word(Command::TableLoad, 0), &device.name, &[], 0, table)?;
        let loaded = self.lines(&device.name, true)?;
        let has_flag = reply.fields.flags & flag::INACTIVE_PRESENT != 0;
        if has_flag && self.is_same_table(&loaded, &lines) {
            return Ok(());
        }
        if has_flag && !loaded.is_empty() {
            crate::log_error!(
                "{}: NetBSD's stock driver holds another table than the one it was given; it is dropped.",
                shown(&device.name)
            );
        }
        // Lines before the one that was refused stay, and the next table would be put in front of them.
        self.tell(word(Command::TableClear, 0), &device.name, 0)?;
        let errno = if has_flag { Errno::EIO } else { Errno::EINVAL };
        self.without_effect(call, errno)
    }

    /// Whether the driver's inactive table is the one that was sent. Drivers that leave out parameters are believed.
    fn is_same_table(&self, loaded: &[Line], sent: &[Line]) -> bool {
        loaded.len() == sent.len()
            && loaded.iter().zip(sent).all(|(loaded, sent)| {
                let params = self.numbered(&sent.kind, &sent.params);
                (loaded.start, loaded.length, &loaded.kind) == (sent.start, sent.length, &sent.kind)
                    && (loaded.params.is_empty() || loaded.params == params)
            })
    }

    fn status(&self, call: &Call<'_>) -> Result<Reply> {
        let device = self.find(&call.header)?;
        let inactive = call.header.flags & flag::QUERY_INACTIVE_TABLE != 0;
        let slot = if inactive {
            flag::INACTIVE_PRESENT
        } else {
            flag::ACTIVE_PRESENT
        };
        let mut reply = self.about(call, &device)?;
        reply.fields.target_count = 0;
        if device.has(slot) {
            let mut lines = self.lines(&device.name, inactive)?;
            if call.header.flags & flag::STATUS_TABLE == 0 {
                for line in &mut lines {
                    line.params = table::status(line);
                }
            }
            reply.fields.target_count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
            reply.answer = Answer::Lines(lines);
        }
        Ok(reply)
    }

    fn dependencies(&self, call: &Call<'_>) -> Result<Reply> {
        let device = self.find(&call.header)?;
        let inactive = call.header.flags & flag::QUERY_INACTIVE_TABLE != 0;
        let slot = if inactive {
            flag::INACTIVE_PRESENT
        } else {
            flag::ACTIVE_PRESENT
        };
        let mut reply = self.about(call, &device)?;
        if device.has(slot) {
            reply.answer = Answer::Deps(self.components(&device.name, inactive)?);
        }
        Ok(reply)
    }

    fn clear(&self, call: &Call<'_>) -> Result<Reply> {
        let device = self.find(&call.header)?;
        self.tell(word(call.command, 0), &device.name, 0)?;
        let device = self.info(&device.name)?.ok_or(Failure::Refused(Errno::ENXIO))?;
        if device.has(flag::INACTIVE_PRESENT) {
            return self.without_effect(call, Errno::EIO);
        }
        self.about(call, &device)
    }

    fn suspend(&self, call: &Call<'_>) -> Result<Reply> {
        let device = self.find(&call.header)?;
        let suspend = call.header.flags & flag::SUSPEND != 0;
        if suspend && !self.warned.swap(true, Ordering::Relaxed) {
            crate::log_warn!(
                "WARNING: NetBSD's stock device-mapper driver does not hold I/O while a device is suspended: \
                 keep it idle while its table changes."
            );
        }
        if !suspend && !device.has(flag::ACTIVE_PRESENT) && !device.has(flag::INACTIVE_PRESENT) {
            // Without any table there is nothing to resume, and that is wrong only for a suspended device.
            return match device.has(flag::SUSPEND) {
                true => refused(Errno::EINVAL),
                false => self.about(call, &device),
            };
        }
        if !suspend && !device.has(flag::INACTIVE_PRESENT) {
            if !device.has(flag::SUSPEND) {
                return self.about(call, &device);
            }
            // The driver exchanges its two tables at every resume: without a new one the device would lose its table.
            self.fill(call, &device, &self.lines(&device.name, false)?)?;
        }
        self.tell(word(call.command, call.header.flags), &device.name, 0)?;
        let after = self.info(&device.name)?.ok_or(Failure::Refused(Errno::ENXIO))?;
        let done = if suspend {
            after.has(flag::SUSPEND)
        } else {
            !after.has(flag::SUSPEND) && after.has(flag::ACTIVE_PRESENT) && !after.has(flag::INACTIVE_PRESENT)
        };
        if !done {
            return self.without_effect(call, Errno::EINVAL);
        }
        self.about(call, &after)
    }

    fn rename(&self, call: &Call<'_>) -> Result<Reply> {
        if call.header.flags & flag::UUID != 0 {
            return unsupported("way to give a device a UUID after its creation");
        }
        let Payload::Text(to) = ask::payload(call.command.number(), call.buffer).map_err(Failure::Refused)? else {
            return refused(Errno::EINVAL);
        };
        if to.is_empty() || to.contains(&b'/') || to.len() >= dm_abi::ioctl::NAME_LEN {
            return refused(Errno::EINVAL);
        }
        // The driver would lose the device.
        if self.info(&to)?.is_some() {
            return refused(Errno::EBUSY);
        }
        let device = self.find(&call.header)?;
        self.send(word(call.command, 0), &device.name, &[], 0, Payload::Text(to.clone()))?;
        let renamed = self.info(&to)?.filter(|renamed| renamed.minor == device.minor);
        if renamed.is_none() || self.info(&device.name)?.is_some() {
            return self.without_effect(call, Errno::EIO);
        }
        let mut reply = self.about(call, &device)?;
        // Linux leaves these out here.
        reply.fields.uuid = call.header.uuid().to_vec();
        reply.fields.flags &= !flag::INACTIVE_PRESENT;
        Ok(reply)
    }

    fn remove(&self, call: &Call<'_>) -> Result<Reply> {
        let device = self.find(&call.header)?;
        if self.users(&device)? > 0 {
            return refused(Errno::EBUSY);
        }
        // Flags of zero are the driver's way to say that there is no such device.
        let reply = self.tell(word(call.command, 0), &device.name, 0)?;
        if reply.fields.flags == 0 {
            return refused(Errno::ENXIO);
        }
        let left = self.info(&device.name)?.filter(|left| left.minor == device.minor);
        if left.is_some() {
            return self.without_effect(call, Errno::EBUSY);
        }
        let mut reply = self.plain(call, Answer::None);
        reply.fields.flags &= !(STATE | flag::DEFERRED_REMOVE);
        reply.fields.flags |= device.flags & flag::INACTIVE_PRESENT;
        (reply.fields.name, reply.fields.uuid) = (device.name, device.uuid);
        (reply.fields.major, reply.fields.minor) = (None, None);
        Ok(reply)
    }

    /// The driver has no such command: each device is removed that nobody uses, and those beneath after it.
    fn remove_all(&self, call: &Call<'_>) -> Result<Reply> {
        if !self.machine.is_privileged() {
            return refused(Errno::EACCES);
        }
        loop {
            let before = self.names()?;
            for (_, name) in &before {
                let mut one = call.header.clone();
                one.dev = 0;
                if !one.set_name(name) || !one.set_uuid(b"") {
                    continue;
                }
                let one = Call {
                    command: Command::DevRemove,
                    header: one,
                    buffer: &[],
                };
                match self.remove(&one) {
                    Ok(_) | Err(Failure::Refused(_)) => {}
                    Err(Failure::Broken) => return Err(Failure::Broken),
                }
            }
            if self.names()?.len() >= before.len() {
                return Ok(self.plain(call, Answer::None));
            }
        }
    }
}

impl Transport for Stock {
    fn ioctl(&self, nr: u32, buffer: &mut [u8]) -> Result<()> {
        let result = self.run(nr, buffer);
        if let Err(Failure::Refused(_)) = result {
            ask::refused(nr, buffer, self.version);
        }
        result
    }

    fn dm_major(&self) -> Option<u32> {
        Some(self.block_major())
    }

    fn has_udev(&self) -> bool {
        false
    }

    fn char_major(&self) -> Option<u32> {
        Some(self.channel.char_major().unwrap_or(NETBSD_CHAR_MAJOR))
    }

    fn wait_event(&self) -> Result<()> {
        unsupported("events")
    }
}

impl Stock {
    fn run(&self, nr: u32, buffer: &mut [u8]) -> Result<()> {
        let header = Header::read(buffer).ok_or(Failure::Refused(Errno::EFAULT))?;
        let [major, minor, _] = header.version;
        if major != self.version[0] || minor > self.version[1] {
            return refused(Errno::EINVAL);
        }
        let command = Command::from_number(nr).ok_or(Failure::Refused(Errno::ENOTTY))?;
        let size = usize::try_from(header.data_size).unwrap_or(usize::MAX);
        if command != Command::Version && size < DATA_OFFSET {
            return refused(Errno::EINVAL);
        }
        let reply = self.answer(&Call {
            command,
            header,
            buffer,
        })?;
        ask::put(command, buffer, self.version, &reply).map_err(Failure::Refused)
    }
}
