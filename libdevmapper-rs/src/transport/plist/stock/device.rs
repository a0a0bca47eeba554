//! What the stock driver says about its devices.

use std::collections::BTreeMap;

use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, encode_dev, flag};
use dm_abi::plist::reply::{Answer, Reply, TypeVersion};
use dm_abi::plist::request::Line;
use dm_abi::plist::{Fields, MAX_LENGTH, Payload, Request, STOCK_MAX_REQUEST, Word, parse, word, write};

use super::{REQUEST_VERSION, Result, Stock};
use crate::task::DevNo;
use crate::transport::Failure;

/// The state of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) name: Vec<u8>,
    pub(super) uuid: Vec<u8>,
    pub(super) minor: u32,
    /// SUSPEND, ACTIVE_PRESENT, INACTIVE_PRESENT, READONLY.
    pub(super) flags: u32,
    pub(super) target_count: u32,
    pub(super) open_count: i32,
    pub(super) event_nr: u32,
}

impl Device {
    pub(super) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// State bits that the driver reports.
pub(super) const STATE: u32 = flag::SUSPEND | flag::ACTIVE_PRESENT | flag::INACTIVE_PRESENT | flag::READONLY;

/// Whether the driver's own reader of property lists takes a text as it is meant. It knows no references by number.
pub(super) fn is_sendable(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte >= b' ' && byte != 0x7f)
}

impl Stock {
    /// Sends a request with this payload and these flags; the device is named, never numbered.
    pub(super) fn send(&self, word: Word, name: &[u8], uuid: &[u8], flags: u32, payload: Payload) -> Result<Reply> {
        let request = Request {
            word,
            fields: Fields {
                version: Some(REQUEST_VERSION),
                name: name.to_vec(),
                uuid: uuid.to_vec(),
                // The driver looks for the number first, and takes what its stack holds when none is sent: another device.
                minor: Some(0),
                flags: flags | flag::EXISTS,
                ..Fields::default()
            },
            payload,
        };
        let texts = match &request.payload {
            Payload::Text(text) => vec![text.as_slice()],
            Payload::Table(lines) => lines
                .iter()
                .flat_map(|line| [line.kind.as_slice(), &line.params])
                .collect(),
            _ => Vec::new(),
        };
        if !texts.into_iter().chain([name, uuid]).all(is_sendable) {
            crate::log_error!("NetBSD's stock driver takes no control characters in names and parameters.");
            return Err(Failure::Refused(Errno::EINVAL));
        }
        let xml = write(&request.encode());
        let answer = self
            .channel
            .exchange(word.command.number(), &xml)
            .inspect_err(|failure| {
                if *failure == Failure::Refused(Errno::EINVAL) && xml.len() > STOCK_MAX_REQUEST {
                    crate::log_error!(
                        "The table is too large for NetBSD's stock driver: the request has {} bytes.",
                        xml.len()
                    );
                }
            })?;
        let reply = parse(&answer, MAX_LENGTH).map_err(|_| Errno::EIO);
        reply
            .and_then(|dict| Reply::decode(word.command, &dict))
            .map(|mut reply| {
                // No device has 0: it is what was sent.
                reply.fields.minor = reply.fields.minor.filter(|&minor| minor != 0);
                reply
            })
            .map_err(|errno| {
                crate::log_error!("NetBSD's stock driver answered {} with nonsense.", word.word);
                Failure::Refused(errno)
            })
    }

    /// A request about a device without payload.
    pub(super) fn tell(&self, word: Word, name: &[u8], flags: u32) -> Result<Reply> {
        self.send(word, name, &[], flags, Payload::None)
    }

    /// A device's state; `None` when there is none of that name. The driver tells by sending no minor number.
    pub(super) fn info(&self, name: &[u8]) -> Result<Option<Device>> {
        let fields = self.tell(word(Command::DevStatus, 0), name, 0)?.fields;
        Ok(fields.minor.map(|minor| Device {
            name: name.to_vec(),
            uuid: fields.uuid,
            minor,
            flags: fields.flags & STATE,
            target_count: fields.target_count,
            open_count: fields.open_count,
            event_nr: fields.event_nr,
        }))
    }

    /// Minor numbers and names of all devices, sorted by name as Linux lists them.
    pub(super) fn names(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        let Answer::Names(names) = self.tell(word(Command::ListDevices, 0), b"", 0)?.answer else {
            return Ok(Vec::new());
        };
        let mut names: Vec<_> = names.into_iter().map(|entry| (entry.minor, entry.name)).collect();
        names.sort_by(|a, b| a.1.cmp(&b.1));
        Ok(names)
    }

    /// The driver's target types.
    pub(super) fn types(&self) -> Result<Vec<TypeVersion>> {
        match self.tell(word(Command::ListVersions, 0), b"", 0)?.answer {
            Answer::Types(types) => Ok(types),
            _ => Ok(Vec::new()),
        }
    }

    /// The lines of a device's live or inactive table, with components by number where the driver names them.
    pub(super) fn lines(&self, name: &[u8], inactive: bool) -> Result<Vec<Line>> {
        let mut lines = self.raw_lines(name, inactive)?;
        for line in &mut lines {
            line.params = self.numbered(&line.kind, &line.params);
        }
        Ok(lines)
    }

    /// The same as the driver says it.
    fn raw_lines(&self, name: &[u8], inactive: bool) -> Result<Vec<Line>> {
        let slot = if inactive { flag::QUERY_INACTIVE_TABLE } else { 0 };
        let flags = flag::STATUS_TABLE | slot;
        let reply = self.tell(word(Command::TableStatus, flags), name, flags)?;
        match reply.answer {
            Answer::Lines(lines) => Ok(lines),
            _ => Ok(Vec::new()),
        }
    }

    /// The components that the driver has open, with the path by which it knows them where it tells. It opens a component
    /// once for all tables that name it by the same path; a second path is a second opening, which NetBSD refuses.
    pub(super) fn held(&self) -> Result<BTreeMap<DevNo, Option<Vec<u8>>>> {
        let mut held = BTreeMap::new();
        for (_, name) in self.names()? {
            for inactive in [false, true] {
                for line in self.raw_lines(&name, inactive)? {
                    for dev in super::table::devices(&line.kind, &line.params) {
                        if let Ok(number) = self.number(dev) {
                            let path = super::table::pair(dev).is_none().then(|| dev.to_vec());
                            held.insert(number, path);
                        }
                    }
                }
            }
        }
        Ok(held)
    }

    /// The components of a device's live table, each once.
    pub(super) fn deps(&self, name: &[u8]) -> Result<Vec<u64>> {
        let mut found = Vec::new();
        if let Answer::Deps(devs) = self.tell(word(Command::TableDeps, 0), name, 0)?.answer {
            for dev in devs {
                if !found.contains(&dev) {
                    found.push(dev);
                }
            }
        }
        Ok(found)
    }

    /// How many use a device, as far as can be seen: the driver always says 0.
    pub(super) fn users(&self, device: &Device) -> Result<usize> {
        let dev = encode_dev(self.block_major(), device.minor);
        let used = self.machine.is_used(DevNo::decode(dev), &device.name);
        let open = self.channel.try_open(&device.name) == Err(Failure::Refused(Errno::EBUSY));
        let mut users = usize::from(used || open);
        for (minor, name) in self.names()? {
            if minor == device.minor {
                continue;
            }
            let tables = [false, true].map(|inactive| self.components(&name, inactive));
            for table in tables {
                users += usize::from(table?.contains(&dev));
            }
        }
        Ok(users.max(usize::try_from(device.open_count).unwrap_or(0)))
    }

    /// The components of a device's live or inactive table.
    pub(super) fn components(&self, name: &[u8], inactive: bool) -> Result<Vec<u64>> {
        if !inactive {
            return self.deps(name);
        }
        let mut found = Vec::new();
        for line in self.lines(name, true)? {
            for dev in super::table::devices(&line.kind, &line.params) {
                if let Some(dev) = self.number(dev).ok().map(DevNo::encode)
                    && !found.contains(&dev)
                {
                    found.push(dev);
                }
            }
        }
        Ok(found)
    }
}
