//! Requests as values.

use alloc::vec::Vec;

use super::{Dict, Value, Word, key};
use crate::errno::Errno;

/// The keys that requests and replies share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// See [`key::VERSION`]; `None` when the key is missing.
    pub version: Option<[u32; 3]>,
    /// Name, perhaps empty.
    pub name: Vec<u8>,
    /// UUID, perhaps empty.
    pub uuid: Vec<u8>,
    /// Major number.
    pub major: Option<u32>,
    /// Minor number.
    pub minor: Option<u32>,
    /// Flags.
    pub flags: u32,
    /// Event number or cookie.
    pub event_nr: u32,
    /// Opens.
    pub open_count: i32,
    /// Lines of the table.
    pub target_count: u32,
}

impl Fields {
    /// Reads the keys; missing ones are zero or empty, and so are those of a wrong type, as in the stock driver.
    #[must_use]
    pub fn decode(dict: &Dict) -> Self {
        Self {
            version: dict.get(key::VERSION).and_then(Value::as_version),
            name: dict.string(key::NAME).to_vec(),
            uuid: dict.string(key::UUID).to_vec(),
            major: dict.u32(key::MAJOR),
            minor: dict.u32(key::MINOR),
            flags: dict.u32(key::FLAGS).unwrap_or(0),
            event_nr: dict.u32(key::EVENT_NR).unwrap_or(0),
            open_count: dict.u32(key::OPEN_COUNT).unwrap_or(0).cast_signed(),
            target_count: dict.u32(key::TARGET_COUNT).unwrap_or(0),
        }
    }

    /// Writes the keys; a number that is not there is taken out, and so is an empty name.
    pub fn encode(&self, dict: &mut Dict) {
        if let Some(version) = self.version {
            dict.set(key::VERSION, Value::version(version));
        }
        for (key, text) in [(key::NAME, &self.name), (key::UUID, &self.uuid)] {
            if text.is_empty() {
                dict.remove(key);
            } else {
                dict.set(key, Value::string(text));
            }
        }
        for (key, number) in [(key::MAJOR, self.major), (key::MINOR, self.minor)] {
            match number {
                Some(number) => dict.set(key, Value::unsigned(number.into())),
                None => drop(dict.remove(key)),
            }
        }
        let numbers = [
            (key::FLAGS, self.flags),
            (key::EVENT_NR, self.event_nr),
            (key::OPEN_COUNT, self.open_count.cast_unsigned()),
            (key::TARGET_COUNT, self.target_count),
        ];
        for (key, number) in numbers {
            dict.set(key, Value::unsigned(number.into()));
        }
    }
}

/// A line of a table, in requests and replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// First sector.
    pub start: u64,
    /// Sectors.
    pub length: u64,
    /// Target type.
    pub kind: Vec<u8>,
    /// Parameters, as people write them: a backslash is one.
    pub params: Vec<u8>,
}

impl Line {
    /// Reads a line; a driver may leave out `params`.
    #[must_use]
    pub fn decode(value: &Value) -> Option<Self> {
        let dict = value.as_dict()?;
        Some(Self {
            start: dict.u64(key::START)?,
            length: dict.u64(key::LENGTH)?,
            kind: dict.get(key::TYPE)?.as_string()?.to_vec(),
            params: dict.string(key::PARAMS).to_vec(),
        })
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Dict {
        [
            (key::START, Value::unsigned(self.start)),
            (key::LENGTH, Value::unsigned(self.length)),
            (key::TYPE, Value::string(&self.kind)),
            (key::PARAMS, Value::string(&self.params)),
        ]
        .into_iter()
        .collect()
    }
}

/// What a request carries besides [`Fields`], in `cmd_data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: no `cmd_data`.
    None,
    /// Lines of a table to load: an array of dictionaries.
    Table(Vec<Line>),
    /// A new name or UUID, or a geometry: an array of one string.
    Text(Vec<u8>),
    /// A message: an array of one dictionary, `sector` and `message`.
    Message {
        /// A sector of the target.
        sector: u64,
        /// What it is told.
        text: Vec<u8>,
    },
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its word; the flags that it implies are set and cleared in `fields`.
    pub word: Word,
    /// The common keys.
    pub fields: Fields,
    /// `cmd_data`.
    pub payload: Payload,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// ENOTTY for a word that means nothing; EINVAL for `cmd_data` of a wrong shape.
    pub fn decode(dict: &Dict) -> Result<Self, Errno> {
        use crate::ioctl::Command;

        let word = Word::find(dict.string(key::COMMAND)).ok_or(Errno::ENOTTY)?;
        let mut fields = Fields::decode(dict);
        fields.flags = fields.flags & !word.clear | word.set;
        let payload = match (word.command, dict.get(key::DATA)) {
            (_, None) => Payload::None,
            (Command::TableLoad, Some(data)) => {
                let lines = data.as_array().ok_or(Errno::EINVAL)?;
                let lines: Option<Vec<_>> = lines.iter().map(Line::decode).collect();
                Payload::Table(lines.ok_or(Errno::EINVAL)?)
            }
            (Command::DevRename | Command::DevSetGeometry, Some(data)) => match data.as_array() {
                Some([Value::String(text)]) => Payload::Text(text.clone()),
                _ => return Err(Errno::EINVAL),
            },
            (Command::TargetMsg, Some(data)) => match data.as_array() {
                Some([Value::Dict(dict)]) => Payload::Message {
                    sector: dict.u64(key::SECTOR).ok_or(Errno::EINVAL)?,
                    text: dict
                        .get(key::MESSAGE)
                        .and_then(Value::as_string)
                        .ok_or(Errno::EINVAL)?
                        .to_vec(),
                },
                _ => return Err(Errno::EINVAL),
            },
            // Old tools may send an empty array with any command.
            _ => Payload::None,
        };
        Ok(Self { word, fields, payload })
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Dict {
        let mut dict = Dict::new();
        self.fields.encode(&mut dict);
        dict.set(key::COMMAND, Value::string(self.word.word.as_bytes()));
        match &self.payload {
            Payload::None => {}
            Payload::Table(lines) => {
                let lines = lines.iter().map(|line| Value::Dict(line.encode()));
                dict.set(key::DATA, Value::Array(lines.collect()));
            }
            Payload::Text(text) => dict.set(key::DATA, Value::Array([Value::string(text)].into())),
            Payload::Message { sector, text } => {
                let message: Dict = [
                    (key::SECTOR, Value::unsigned(*sector)),
                    (key::MESSAGE, Value::string(text)),
                ]
                .into_iter()
                .collect();
                dict.set(key::DATA, Value::Array([Value::Dict(message)].into()));
            }
        }
        dict
    }
}
