//! The client's side: `struct dm_ioctl` buffers over property lists, to a driver of ours.
//!
//! What [`decode`] leaves in the buffer is what the engine would have left there, had it had the buffer itself. The one
//! thing that does not pass is a blank behind a backslash in table parameters: the protocol carries parameters as people
//! write them, and there a blank parts words.

use alloc::vec::Vec;

use super::reply::{Answer, Name, Reply};
use super::request::{Line, Payload, Request};
use super::{Fields, MAX_LENGTH, parse, word, write};
use crate::errno::Errno;
use crate::ioctl::load::{LoadRecords, payload_message, payload_text, single_backslashes};
use crate::ioctl::reply::{
    NameEntry, StatusWriter, VersionEntry, payload_area, write_deps, write_message, write_names, write_versions,
};
use crate::ioctl::{Command, DATA_OFFSET, Header, MAX_DATA_SIZE, decode_dev, encode_dev, flag};

/// Size of the header without payload, as replies give it.
const EMPTY: u32 = 305;
const _: () = assert!(EMPTY as usize == DATA_OFFSET);

/// A request that passed the checks that need no driver.
struct Asked {
    command: Command,
    header: Header,
    /// How much of the buffer it is about.
    limit: usize,
}

impl Asked {
    fn read(nr: u32, buffer: &[u8]) -> Result<Self, Errno> {
        let command = Command::from_number(nr).ok_or(Errno::ENOTTY)?;
        let header = Header::read(buffer).ok_or(Errno::EFAULT)?;
        let size = usize::try_from(header.data_size).map_err(|_| Errno::EINVAL)?;
        if command != Command::Version && (size < DATA_OFFSET || header.data_size > MAX_DATA_SIZE) {
            return Err(Errno::EINVAL);
        }
        let limit = if command.header_only() { DATA_OFFSET } else { size };
        if limit > buffer.len() {
            return Err(Errno::EFAULT);
        }
        Ok(Self { command, header, limit })
    }

    /// The lines, the text or the message; nothing where the engine would find them malformed.
    fn payload(&self, buffer: &[u8]) -> Payload {
        let area = buffer.get(..self.limit).unwrap_or_default();
        let start = self.header.data_start;
        match self.command {
            Command::TableLoad => {
                let lines: Result<Vec<_>, _> = LoadRecords::new(area, start, self.header.target_count)
                    .map(|spec| {
                        spec.map(|spec| Line {
                            start: spec.start,
                            length: spec.length,
                            kind: spec.kind.to_vec(),
                            params: single_backslashes(spec.params),
                        })
                    })
                    .collect();
                lines.map_or(Payload::None, Payload::Table)
            }
            Command::DevRename | Command::DevSetGeometry => {
                payload_text(area, start).map_or(Payload::None, |text| Payload::Text(text.to_vec()))
            }
            Command::TargetMsg => payload_message(area, start).map_or(Payload::None, |(sector, text)| {
                let text = text.to_vec();
                Payload::Message { sector, text }
            }),
            _ => Payload::None,
        }
    }
}

/// What a request carries besides its header; nothing where it is malformed.
///
/// # Errors
/// As of [`encode`].
pub fn payload(nr: u32, buffer: &[u8]) -> Result<Payload, Errno> {
    Asked::read(nr, buffer).map(|asked| asked.payload(buffer))
}

/// The fields of a header.
fn fields(header: &Header) -> Fields {
    let (major, minor) = decode_dev(header.dev);
    let has_dev = header.dev != 0;
    Fields {
        version: Some(header.version),
        name: header.name().to_vec(),
        uuid: header.uuid().to_vec(),
        major: has_dev.then_some(major),
        minor: has_dev.then_some(minor),
        flags: header.flags,
        event_nr: header.event_nr,
        open_count: header.open_count,
        target_count: header.target_count,
    }
}

/// The request in a buffer as a property list, without NUL. `nr` is the command's number in `linux/dm-ioctl.h`.
///
/// # Errors
/// EFAULT for a buffer that is shorter than it says, EINVAL for an impossible size, ENOTTY for an unknown command.
pub fn encode(nr: u32, buffer: &[u8]) -> Result<Vec<u8>, Errno> {
    let asked = Asked::read(nr, buffer)?;
    let request = Request {
        word: word(asked.command, asked.header.flags),
        fields: fields(&asked.header),
        payload: asked.payload(buffer),
    };
    Ok(write(&request.encode()))
}

/// Puts a reply into the buffer that held the request.
///
/// # Errors
/// EIO for a reply that makes no sense; the buffer is then as it was. Otherwise as of [`encode`].
pub fn decode(nr: u32, buffer: &mut [u8], xml: &[u8]) -> Result<(), Errno> {
    let command = Command::from_number(nr).ok_or(Errno::ENOTTY)?;
    let dict = parse(xml, MAX_LENGTH).map_err(|_| Errno::EIO)?;
    let reply = Reply::decode(command, &dict)?;
    let version = reply.fields.version.ok_or(Errno::EIO)?;
    put(command, buffer, version, &reply)
}

/// Puts a reply into the buffer that held the request. `version` is the driver's.
///
/// # Errors
/// EIO for names that do not fit; the buffer is then as it was. Otherwise as of [`encode`].
pub fn put(command: Command, buffer: &mut [u8], version: [u32; 3], reply: &Reply) -> Result<(), Errno> {
    let Asked { mut header, limit, .. } = Asked::read(command.number(), buffer)?;
    let Reply { fields, answer } = reply;
    let secure = header.flags & flag::SECURE_DATA != 0 && command != Command::Version;
    if command.without_reply() {
        if secure {
            wipe(buffer, 0, limit);
        } else {
            write_version(buffer, version);
        }
        return Ok(());
    }
    if !matches!(command, Command::ListDevices | Command::ListVersions) {
        header.terminate();
    }
    header.version = version;
    header.data_size = EMPTY;
    header.flags = fields.flags;
    header.event_nr = fields.event_nr;
    header.open_count = fields.open_count;
    header.target_count = fields.target_count;
    let dev = (fields.major.unwrap_or(0), fields.minor.unwrap_or(0));
    if decode_dev(header.dev) != dev || fields.minor.is_none() {
        header.dev = encode_dev(dev.0, dev.1);
    }
    if !header.set_name(&fields.name) || !header.set_uuid(&fields.uuid) {
        return Err(Errno::EIO);
    }
    let area = buffer.get_mut(..limit).ok_or(Errno::EFAULT)?;
    put_answer(&mut header, area, answer);
    if !header.write(buffer) {
        return Err(Errno::EFAULT);
    }
    if secure {
        let used = usize::try_from(header.data_size).unwrap_or(limit);
        wipe(buffer, used, limit);
    }
    Ok(())
}

/// Leaves in the buffer what the engine leaves there when it refuses a request. `version` is the driver's.
pub fn refused(nr: u32, buffer: &mut [u8], version: [u32; 3]) {
    let secure = Asked::read(nr, buffer)
        .ok()
        .filter(|asked| asked.command != Command::Version && asked.header.flags & flag::SECURE_DATA != 0)
        .filter(|asked| asked.header.version[0] == version[0] && asked.header.version[1] <= version[1]);
    write_version(buffer, version);
    if let Some(asked) = secure {
        wipe(buffer, 0, asked.limit);
    }
}

fn wipe(buffer: &mut [u8], from: usize, to: usize) {
    if let Some(area) = buffer.get_mut(from..to) {
        area.fill(0);
    }
}

fn write_version(buffer: &mut [u8], version: [u32; 3]) {
    if let Some(field) = buffer.first_chunk_mut::<12>() {
        for (bytes, number) in field.chunks_exact_mut(4).zip(version) {
            bytes.copy_from_slice(&number.to_ne_bytes());
        }
    }
}

/// Writes the payload of a reply, and notes in the header how much there is.
fn put_answer(header: &mut Header, buffer: &mut [u8], answer: &Answer) {
    let (start, area) = payload_area(buffer);
    let used = match answer {
        Answer::None => return,
        Answer::Names(names) => write_names(area, names.iter().map(name_entry)),
        Answer::Types(types) => write_versions(
            area,
            types.iter().map(|entry| VersionEntry {
                name: &entry.name,
                version: entry.version,
            }),
        ),
        Answer::Lines(lines) => {
            let mut writer = StatusWriter::new(area);
            for line in lines {
                writer.record_bytes(line.start, line.length, &line.kind, &line.params);
            }
            let (used, full) = writer.finish();
            if full {
                header.flags |= flag::BUFFER_FULL;
            }
            (used > 0).then_some(used)
        }
        Answer::Deps(devs) => write_deps(area, devs.iter().copied()),
        Answer::Text(text) => write_message(area, text),
    };
    header.data_start = u32::try_from(start).unwrap_or(u32::MAX);
    match used {
        Some(used) => header.data_size = u32::try_from(start + used).unwrap_or(u32::MAX),
        None => header.flags |= flag::BUFFER_FULL,
    }
}

fn name_entry(name: &Name) -> NameEntry<'_> {
    NameEntry {
        dev: encode_dev(name.major.unwrap_or(0), name.minor),
        name: &name.name,
        event_nr: name.event_nr.unwrap_or(0),
        uuid: name.uuid.as_deref(),
    }
}
