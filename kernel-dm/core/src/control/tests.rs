//! Tests of the control plane with a small host. What replies hold is what Linux 6.12 answered to the same requests
//! (dm major 254, `/dev/ram0` = 1:0 and so on of 131072 sectors).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use dm_abi::errno::Errno;
use dm_abi::ioctl::load::{TargetSpec, push_record};
use dm_abi::ioctl::{Command, Header, flag};

use super::{Awaited, Control, Outcome, Ticket};
use crate::host::{Adopted, DevNo, DevSpec, DeviceId, Found, Host, Limits, Opened};
use crate::volume::Volume;

mod bytes;
mod devices;
mod saved;
mod suspending;
mod tables;

/// A host with 16 RAM disks.
#[derive(Debug, Default)]
struct Fake {
    volumes: BTreeMap<DeviceId, Volume<u32>>,
    numbers: BTreeMap<DeviceId, DevNo>,
    names: BTreeMap<DeviceId, Vec<u8>>,
    limits: BTreeMap<DeviceId, Option<Limits>>,
    open: BTreeMap<DeviceId, u32>,
    watched: BTreeSet<DeviceId>,
    refused: Vec<String>,
    lost: BTreeSet<DevNo>,
    cannot_configure: bool,
    changes: u32,
    cookies: Vec<u32>,
}

impl Fake {
    fn entry(&mut self, id: DeviceId, dev: DevNo) {
        self.volumes.insert(id, Volume::default());
        self.numbers.insert(id, dev);
    }
}

impl Host for Fake {
    type Component = u32;

    fn open(&mut self, spec: DevSpec<'_>, _read_only: bool) -> Result<Found<u32>, Errno> {
        let dev = match spec {
            DevSpec::Number(dev) => dev,
            DevSpec::Path(b"/dev/ram0") => DevNo { major: 1, minor: 0 },
            DevSpec::Path(b"/dev/null") => return Err(Errno::ENOTBLK),
            DevSpec::Path(path) => {
                let found = self
                    .names
                    .iter()
                    .find(|(_, name)| path.strip_prefix(b"/dev/mapper/") == Some(&name[..]));
                return found.map(|(&id, _)| Found::Mapped(id)).ok_or(Errno::ENOENT);
            }
        };
        if dev.major != 1 || dev.minor > 15 || self.lost.contains(&dev) {
            return Err(Errno::ENXIO);
        }
        Ok(Found::Host(Opened {
            handle: dev.minor,
            dev,
            sectors: 131_072,
            logical_block_size: 512,
            discard: true,
        }))
    }

    fn create(&mut self, id: DeviceId, minor: Option<u32>) -> Result<DevNo, Errno> {
        let used: BTreeSet<u32> = self.numbers.values().map(|dev| dev.minor).collect();
        let minor = minor
            .or_else(|| (0..).find(|minor| !used.contains(minor)))
            .ok_or(Errno::EBUSY)?;
        let dev = DevNo { major: 254, minor };
        self.entry(id, dev);
        Ok(dev)
    }

    fn adopt(&mut self, adopted: &Adopted<'_>) -> Result<(), Errno> {
        if self.lost.contains(&adopted.dev) {
            return Err(Errno::ENODEV);
        }
        self.entry(adopted.id, adopted.dev);
        self.names.insert(adopted.id, adopted.name.to_vec());
        self.limits.insert(adopted.id, adopted.limits);
        self.volume(adopted.id, |volume| volume.close());
        if adopted.watch_close {
            self.watched.insert(adopted.id);
        }
        Ok(())
    }

    fn remove(&mut self, id: DeviceId) -> Result<(), Errno> {
        if self.open.get(&id).is_some_and(|&count| count > 0) {
            return Err(Errno::EBUSY);
        }
        assert!(self.volumes.remove(&id).is_some());
        self.numbers.remove(&id);
        self.names.remove(&id);
        self.watched.remove(&id);
        Ok(())
    }

    fn open_count(&mut self, id: DeviceId, _wanted: bool) -> u32 {
        assert!(self.volumes.contains_key(&id), "asked about a device that is gone");
        self.open.get(&id).copied().unwrap_or(0)
    }

    fn watch_close(&mut self, id: DeviceId, on: bool) {
        match on {
            true => assert!(self.watched.insert(id)),
            false => assert!(self.watched.remove(&id)),
        }
    }

    fn named(&mut self, id: DeviceId, name: &[u8]) {
        self.names.insert(id, name.to_vec());
    }

    fn configure(&mut self, id: DeviceId, limits: Option<Limits>) -> Result<(), Errno> {
        if self.cannot_configure {
            return Err(Errno::ENOSPC);
        }
        assert!(self.volumes[&id].is_closed(), "configured with the gate open");
        self.limits.insert(id, limits);
        Ok(())
    }

    fn volume<R>(&mut self, id: DeviceId, f: impl FnOnce(&mut Volume<u32>) -> R) -> R {
        f(self.volumes.get_mut(&id).expect("a device of this host"))
    }

    fn now_ms(&self) -> u64 {
        1000
    }

    fn changed(&mut self) {
        self.changes += 1;
    }

    fn uevent(&mut self, _id: DeviceId, _event: crate::host::Uevent, cookie: u32) -> bool {
        self.cookies.push(cookie);
        true
    }

    fn refused(&mut self, _id: DeviceId, name: &[u8], error: &crate::table::TableError) {
        self.refused.push(format!("{}: {error}", String::from_utf8_lossy(name)));
    }
}

/// A request to be made.
struct Request {
    command: u32,
    header: Header,
    payload: Vec<u8>,
    size: usize,
    fill: u8,
}

fn request(command: Command) -> Request {
    let mut header = Header::default();
    header.version = [4, 0, 0];
    header.data_start = 312;
    Request {
        command: command.number(),
        header,
        payload: Vec::new(),
        size: 16384,
        fill: 0,
    }
}

impl Request {
    fn name(mut self, name: &str) -> Self {
        assert!(self.header.set_name(name.as_bytes()));
        self
    }

    fn uuid(mut self, uuid: &str) -> Self {
        assert!(self.header.set_uuid(uuid.as_bytes()));
        self
    }

    fn flags(mut self, flags: u32) -> Self {
        self.header.flags = flags;
        self
    }

    fn dev(mut self, dev: u64) -> Self {
        self.header.dev = dev;
        self
    }

    fn event(mut self, event_nr: u32) -> Self {
        self.header.event_nr = event_nr;
        self
    }

    fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    fn fill(mut self, fill: u8) -> Self {
        self.fill = fill;
        self
    }

    fn text(mut self, text: &str) -> Self {
        self.payload = text.as_bytes().to_vec();
        self.payload.push(0);
        self
    }

    fn message(mut self, sector: u64, text: &str) -> Self {
        self.payload = sector.to_ne_bytes().to_vec();
        self.payload.extend_from_slice(text.as_bytes());
        self.payload.push(0);
        self
    }

    fn table(mut self, lines: &[(u64, u64, &str, &str)]) -> Self {
        for &(start, length, kind, params) in lines {
            push_record(
                &mut self.payload,
                &TargetSpec {
                    start,
                    length,
                    kind: kind.as_bytes(),
                    params: params.as_bytes(),
                },
            );
        }
        self.header.target_count = u32::try_from(lines.len()).unwrap();
        self
    }

    fn buffer(&self) -> Vec<u8> {
        let mut header = self.header.clone();
        header.data_size = u32::try_from(self.size).unwrap();
        let mut buffer = vec![self.fill; self.size.max(312).max(312 + self.payload.len())];
        assert!(header.write(&mut buffer));
        buffer[312..312 + self.payload.len()].copy_from_slice(&self.payload);
        buffer
    }
}

/// What a request came to: the reply's bytes.
type Reply = Result<Vec<u8>, Errno>;

/// A request that waits for others, and its buffer.
type Waiting = (Ticket, Awaited, Vec<u8>);

/// A control plane that is driven by name.
struct Plane {
    control: Control<Fake>,
}

impl Plane {
    fn new() -> Self {
        Self {
            control: Control::new(Fake::default()),
        }
    }

    /// Makes a request, does at once what the host is to do, and gives the reply.
    fn ask(&mut self, request: Request) -> Reply {
        let mut buffer = request.buffer();
        let outcome = self.control.request(request.command, &mut buffer);
        self.finish(outcome, buffer)
            .expect("the request does not wait for others")
    }

    /// As [`Plane::ask`], for a request that must wait for others in the end.
    fn start(&mut self, request: Request) -> Waiting {
        let mut buffer = request.buffer();
        let outcome = self.control.request(request.command, &mut buffer);
        self.finish(outcome, buffer).expect_err("the request waits")
    }

    fn proceed(&mut self, ticket: Ticket, mut buffer: Vec<u8>) -> Result<Reply, Waiting> {
        let outcome = self.control.proceed(ticket, Ok(()), &mut buffer);
        self.finish(outcome, buffer)
    }

    fn cancel(&mut self, ticket: Ticket, mut buffer: Vec<u8>) -> Result<Vec<u8>, Errno> {
        let outcome = self.control.cancel(ticket, &mut buffer);
        self.finish(outcome, buffer).expect("a cancelled request ends")
    }

    fn finish(&mut self, mut outcome: Outcome, mut buffer: Vec<u8>) -> Result<Reply, Waiting> {
        loop {
            match outcome {
                Outcome::Done(Ok(used)) => {
                    buffer.truncate(used);
                    return Ok(Ok(buffer));
                }
                Outcome::Done(Err(errno)) => return Ok(Err(errno)),
                Outcome::Wait(ticket, what) => {
                    let ready = match what {
                        Awaited::Freeze(_) | Awaited::Thaw(_) | Awaited::Save => true,
                        Awaited::Drained(id) => self.control.host.volumes[&id].is_drained(),
                        Awaited::Changed => false,
                    };
                    if !ready {
                        return Err((ticket, what, buffer));
                    }
                    outcome = self.control.proceed(ticket, Ok(()), &mut buffer);
                }
            }
        }
    }

    /// Makes a request and prints the reply as a line.
    fn line(&mut self, request: Request) -> String {
        match self.ask(request) {
            Ok(reply) => show(&reply),
            Err(errno) => errno.to_string(),
        }
    }

    fn info(&mut self, name: &str) -> String {
        self.line(request(Command::DevStatus).name(name))
    }

    fn id(&self, name: &str) -> DeviceId {
        let mut devices = self.control.devices();
        devices
            .find(|(_, known)| *known == name.as_bytes())
            .expect("a device of this name")
            .0
    }

    fn create(&mut self, name: &str) {
        self.ask(request(Command::DevCreate).name(name)).unwrap();
    }

    fn load(&mut self, name: &str, lines: &[(u64, u64, &str, &str)]) -> String {
        self.line(request(Command::TableLoad).name(name).table(lines))
    }

    fn resume(&mut self, name: &str) -> String {
        self.line(request(Command::DevSuspend).name(name))
    }

    fn suspend(&mut self, name: &str) -> String {
        self.line(request(Command::DevSuspend).name(name).flags(flag::SUSPEND))
    }

    /// Creates, loads and resumes.
    fn make(&mut self, name: &str, lines: &[(u64, u64, &str, &str)]) {
        self.create(name);
        self.ask(request(Command::TableLoad).name(name).table(lines)).unwrap();
        self.ask(request(Command::DevSuspend).name(name)).unwrap();
    }

    /// The lines of a table.
    fn table(&mut self, name: &str, flags: u32) -> Vec<String> {
        let reply = self
            .ask(
                request(Command::TableStatus)
                    .name(name)
                    .flags(flag::STATUS_TABLE | flags),
            )
            .unwrap();
        let count = Header::read(&reply).unwrap().target_count;
        dm_abi::ioctl::reply::read_status(reply.get(312..).unwrap_or_default(), count)
            .map(|spec| {
                format!(
                    "{} {} {} {}",
                    spec.start,
                    spec.length,
                    String::from_utf8_lossy(spec.kind),
                    String::from_utf8_lossy(spec.params)
                )
            })
            .collect()
    }
}

const FLAG_NAMES: [&str; 20] = [
    "RO", "SUSP", "EX", "PERS", "TAB", "ACT", "INACT", "b7", "FULL", "NOBD", "SKIPLFS", "NOFLUSH", "QIN", "UEV",
    "UUID", "SECURE", "DOUT", "DEFER", "ISUSP", "IMA",
];

/// A reply as a line: what is not 0 or as usual, and the payload in hex.
fn show(reply: &[u8]) -> String {
    let Some(header) = Header::read(reply) else {
        return format!("{} bytes", reply.len());
    };
    let flags: Vec<&str> = (0..32)
        .filter(|bit| header.flags >> bit & 1 == 1)
        .map(|bit| FLAG_NAMES.get(bit).copied().unwrap_or("high"))
        .collect();
    let mut line = format!("{}", header.data_size);
    for (name, value) in [
        ("tc", header.target_count.to_string()),
        ("oc", header.open_count.to_string()),
        ("ev", header.event_nr.to_string()),
        ("dev", format!("{:x}", header.dev)),
        ("name", String::from_utf8_lossy(header.name()).into_owned()),
        ("uuid", String::from_utf8_lossy(header.uuid()).into_owned()),
        ("", flags.join("|")),
    ] {
        if !value.is_empty() && value != "0" {
            line += &if name.is_empty() {
                format!(" {value}")
            } else {
                format!(" {name}={value}")
            };
        }
    }
    if header.data_start != 312 {
        line += &format!(" start={}", header.data_start);
    }
    line
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const ERROR: &[(u64, u64, &str, &str)] = &[(0, 8, "error", "")];
const LINEAR: &[(u64, u64, &str, &str)] = &[(0, 24, "linear", "1:0 0")];
