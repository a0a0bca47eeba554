//! The driver's side: a property list in, `struct dm_ioctl` for the engine, a property list out.
//!
//! A host treats the buffer as if an ioctl had brought it, waits included, and hands the result back:
//!
//! ```text
//! Served::begin(xml) --> command(), buffer() --> the engine --> end(result) --> Reply(xml), Failed(errno)
//!                             ^--------------------------------------'  Again: the answer did not fit
//! ```

use alloc::vec;
use alloc::vec::Vec;

use super::reply::{Answer, Name, Reply, TypeVersion};
use super::request::{Line, Payload, Request};
use super::{Dict, ENGINE, Fields, MAX_LENGTH, MAX_REQUEST, Value, key, parse, write};
use crate::errno::Errno;
use crate::ioctl::load::{TargetSpec, double_backslashes, push_record};
use crate::ioctl::reply::{read_deps, read_names, read_status, read_versions};
use crate::ioctl::{Command, HEADER_SIZE, Header, VERSION, decode_dev, encode_dev, flag};

/// Buffer of requests whose answer is the header.
const SMALL: usize = 2 << 10;
/// First buffer of requests that bring lists.
const LARGE: usize = 16 << 10;
/// Buffer of messages, whose request cannot be made again.
const MESSAGE: usize = 256 << 10;
/// Where payloads begin.
const DATA_START: u32 = 312;
const _: () = assert!(DATA_START as usize == HEADER_SIZE);

/// A request on its way through the engine.
#[derive(Clone, Debug)]
pub struct Served {
    dict: Dict,
    request: Request,
    default_major: u32,
    size: usize,
    buffer: Vec<u8>,
}

/// How a request goes on.
#[derive(Debug)]
pub enum Ended {
    /// It is done; this is the reply, without NUL.
    Reply(Vec<u8>),
    /// It failed.
    Failed(Errno),
    /// The answer did not fit: the engine is to be asked again, with the buffer as it is now.
    Again(Served),
}

/// Whether asking twice does no harm.
fn is_question(command: Command) -> bool {
    matches!(
        command,
        Command::ListDevices
            | Command::TableDeps
            | Command::TableStatus
            | Command::ListVersions
            | Command::GetTargetVersion
            | Command::DevWait
    )
}

impl Served {
    /// Reads a request. `default_major` is the major number of the host's devices, which old tools do not send.
    ///
    /// # Errors
    /// EIO for bytes that are no dictionary, EINVAL for too many of them, for names that are too long, and for `cmd_data`
    /// of a wrong shape, ENOTTY for an unknown command.
    pub fn begin(xml: &[u8], default_major: u32) -> Result<Self, Errno> {
        let dict = parse(xml, MAX_REQUEST).map_err(super::Error::errno)?;
        let request = Request::decode(&dict)?;
        let size = match request.word.command {
            Command::TargetMsg => MESSAGE,
            command if is_question(command) => LARGE,
            _ => SMALL,
        };
        let mut this = Self {
            dict,
            request,
            default_major,
            size,
            buffer: Vec::new(),
        };
        this.build()?;
        Ok(this)
    }

    /// The command's number in `linux/dm-ioctl.h`.
    #[must_use]
    pub fn command(&self) -> u32 {
        self.request.word.command.number()
    }

    /// What the engine takes and fills, the same at each step of the request.
    pub fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    fn dev(&self) -> u64 {
        let fields = &self.request.fields;
        let by_name = !fields.name.is_empty() || !fields.uuid.is_empty();
        match (fields.major, fields.minor) {
            (Some(major), minor) => encode_dev(major, minor.unwrap_or(0)),
            // Whoever sends no major number may send a minor one that means nothing along with the name.
            (None, Some(minor)) if !by_name || fields.flags & flag::PERSISTENT_DEV != 0 => {
                encode_dev(self.default_major, minor)
            }
            _ => 0,
        }
    }

    /// Puts the request into a fresh buffer.
    fn build(&mut self) -> Result<(), Errno> {
        let mut payload = Vec::new();
        let (mut data_start, mut target_count) = (DATA_START, 0);
        match &self.request.payload {
            // Without payload the engine finds none where one is needed, and says what it says to that.
            Payload::None => {
                data_start = if self.request.word.command.header_only() {
                    DATA_START
                } else {
                    0
                };
                target_count = self.request.fields.target_count;
            }
            Payload::Table(lines) => {
                target_count = u32::try_from(lines.len()).map_err(|_| Errno::EINVAL)?;
                for line in lines {
                    let params = double_backslashes(&line.params);
                    push_record(
                        &mut payload,
                        &TargetSpec {
                            start: line.start,
                            length: line.length,
                            kind: &line.kind,
                            params: &params,
                        },
                    );
                }
            }
            Payload::Text(text) => {
                payload.extend_from_slice(text);
                payload.push(0);
            }
            Payload::Message { sector, text } => {
                payload.extend_from_slice(&sector.to_ne_bytes());
                payload.extend_from_slice(text);
                payload.push(0);
            }
        }
        let size = self.size.max(HEADER_SIZE + payload.len());
        let fields = &self.request.fields;
        let mut header = Header::default();
        header.version = fields.version.unwrap_or([VERSION[0], 0, 0]);
        header.data_size = u32::try_from(size).map_err(|_| Errno::EINVAL)?;
        header.data_start = data_start;
        header.target_count = target_count;
        header.open_count = fields.open_count;
        header.flags = fields.flags;
        header.event_nr = fields.event_nr;
        header.dev = self.dev();
        if !header.set_name(&fields.name) || !header.set_uuid(&fields.uuid) {
            return Err(Errno::EINVAL);
        }
        self.buffer = vec![0; size];
        let written = header.write(&mut self.buffer);
        match self.buffer.get_mut(HEADER_SIZE..HEADER_SIZE + payload.len()) {
            Some(area) if written => area.copy_from_slice(&payload),
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// The engine is done: makes its reply.
    #[must_use]
    pub fn end(mut self, result: Result<usize, Errno>) -> Ended {
        let Some(header) = Header::read(&self.buffer) else {
            return Ended::Failed(Errno::EIO);
        };
        if let Err(errno) = result {
            return Ended::Failed(errno);
        }
        let command = self.request.word.command;
        let mut dict = core::mem::take(&mut self.dict);
        dict.set(key::ENGINE, Value::string(ENGINE));
        if command.without_reply() {
            dict.set(key::VERSION, Value::version(header.version));
            if command == Command::Version {
                dict.set(key::MAJOR, Value::unsigned(self.default_major.into()));
            }
            return Ended::Reply(write(&dict));
        }
        if header.flags & flag::BUFFER_FULL != 0 && is_question(command) && self.size < MAX_LENGTH {
            self.dict = dict;
            self.size = (self.size * 2).min(MAX_LENGTH);
            return match self.build() {
                Ok(()) => Ended::Again(self),
                Err(errno) => Ended::Failed(errno),
            };
        }
        self.reply(&header).encode(&mut dict);
        Ended::Reply(write(&dict))
    }

    fn reply(&self, header: &Header) -> Reply {
        let (major, minor) = decode_dev(header.dev);
        let has_dev = header.dev != 0;
        let fields = Fields {
            version: Some(header.version),
            name: header.name().to_vec(),
            uuid: header.uuid().to_vec(),
            major: has_dev.then_some(major),
            minor: has_dev.then_some(minor),
            flags: header.flags,
            event_nr: header.event_nr,
            open_count: header.open_count,
            target_count: header.target_count,
        };
        Reply {
            fields,
            answer: self.answer(header),
        }
    }

    fn answer(&self, header: &Header) -> Answer {
        let end = usize::try_from(header.data_size).unwrap_or(0);
        let Some(payload) = self.buffer.get(HEADER_SIZE..end) else {
            return Answer::None;
        };
        if header.flags & flag::BUFFER_FULL != 0 {
            return Answer::None;
        }
        match self.request.word.command {
            Command::ListDevices => Answer::Names(
                read_names(payload)
                    .map(|entry| {
                        let (major, minor) = decode_dev(entry.dev);
                        Name {
                            minor,
                            major: Some(major),
                            name: entry.name.to_vec(),
                            event_nr: Some(entry.event_nr),
                            uuid: entry.uuid.map(<[u8]>::to_vec),
                        }
                    })
                    .collect(),
            ),
            Command::ListVersions | Command::GetTargetVersion => Answer::Types(
                read_versions(payload)
                    .map(|entry| TypeVersion {
                        name: entry.name.to_vec(),
                        version: entry.version,
                    })
                    .collect(),
            ),
            Command::TableStatus | Command::DevWait => Answer::Lines(
                read_status(payload, header.target_count)
                    .map(|spec| Line {
                        start: spec.start,
                        length: spec.length,
                        kind: spec.kind.to_vec(),
                        params: spec.params.to_vec(),
                    })
                    .collect(),
            ),
            Command::TableDeps => Answer::Deps(read_deps(payload).collect()),
            Command::TargetMsg if header.flags & flag::DATA_OUT != 0 => {
                let text = payload.split(|&byte| byte == 0).next().unwrap_or_default();
                Answer::Text(text.to_vec())
            }
            _ => Answer::None,
        }
    }
}
