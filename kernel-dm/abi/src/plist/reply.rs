//! Replies as values.

use alloc::vec::Vec;

use super::request::Line;
use super::{Dict, Fields, Number, Value, key};
use crate::errno::Errno;
use crate::ioctl::Command;

/// A device of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its minor number.
    pub minor: u32,
    /// Its major number; the stock driver does not say.
    pub major: Option<u32>,
    /// Its name.
    pub name: Vec<u8>,
    /// The number of its last event; the stock driver does not say.
    pub event_nr: Option<u32>,
    /// Its UUID, perhaps empty; `None` when it was not asked for.
    pub uuid: Option<Vec<u8>>,
}

/// A target type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeVersion {
    /// Its name.
    pub name: Vec<u8>,
    /// Its version.
    pub version: [u32; 3],
}

/// What a reply carries besides [`Fields`], in `cmd_data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: no `cmd_data`.
    None,
    /// Devices.
    Names(Vec<Name>),
    /// Target types.
    Types(Vec<TypeVersion>),
    /// Lines of a table, or their status.
    Lines(Vec<Line>),
    /// Device numbers of components, see [`crate::ioctl::encode_dev`].
    Deps(Vec<u64>),
    /// The answer to a message.
    Text(Vec<u8>),
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The common keys.
    pub fields: Fields,
    /// `cmd_data`.
    pub answer: Answer,
}

fn decimal(value: u64) -> Value {
    Value::Integer(i64::try_from(value).map_or(Number::Unsigned(value), Number::Signed))
}

impl Name {
    fn decode(value: &Value) -> Option<Self> {
        let dict = value.as_dict()?;
        Some(Self {
            minor: dict.u32(key::DEV)?,
            major: dict.u32(key::MAJOR),
            name: dict.get(key::NAME)?.as_string()?.to_vec(),
            event_nr: dict.u32(key::EVENT_NR),
            uuid: dict.get(key::UUID).and_then(Value::as_string).map(<[u8]>::to_vec),
        })
    }

    fn encode(&self) -> Value {
        let mut dict = Dict::new();
        dict.set(key::DEV, Value::unsigned(self.minor.into()));
        dict.set(key::NAME, Value::string(&self.name));
        for (key, number) in [(key::MAJOR, self.major), (key::EVENT_NR, self.event_nr)] {
            if let Some(number) = number {
                dict.set(key, Value::unsigned(number.into()));
            }
        }
        if let Some(uuid) = &self.uuid {
            dict.set(key::UUID, Value::string(uuid));
        }
        Value::Dict(dict)
    }
}

impl TypeVersion {
    fn decode(value: &Value) -> Option<Self> {
        let dict = value.as_dict()?;
        Some(Self {
            name: dict.get(key::NAME)?.as_string()?.to_vec(),
            version: dict.get(key::TYPE_VERSION)?.as_version()?,
        })
    }

    fn encode(&self) -> Value {
        let dict = [
            (key::NAME, Value::string(&self.name)),
            (key::TYPE_VERSION, Value::version(self.version)),
        ];
        Value::Dict(dict.into_iter().collect())
    }
}

impl Reply {
    /// Reads the reply to a command.
    ///
    /// # Errors
    /// EIO for `cmd_data` of a wrong shape.
    pub fn decode(command: Command, dict: &Dict) -> Result<Self, Errno> {
        fn all<T>(data: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
            data.as_array()?.iter().map(read).collect()
        }
        let fields = Fields::decode(dict);
        let answer = match (command, dict.get(key::DATA)) {
            (_, None) => Some(Answer::None),
            (Command::ListDevices, Some(data)) => all(data, Name::decode).map(Answer::Names),
            (Command::ListVersions | Command::GetTargetVersion, Some(data)) => {
                all(data, TypeVersion::decode).map(Answer::Types)
            }
            (Command::TableStatus | Command::DevWait, Some(data)) => all(data, Line::decode).map(Answer::Lines),
            (Command::TableDeps, Some(data)) => all(data, Value::as_u64).map(Answer::Deps),
            (Command::TargetMsg, Some(data)) => match data.as_array() {
                Some([Value::String(text)]) => Some(Answer::Text(text.clone())),
                // The stock driver echoes the message.
                _ => Some(Answer::None),
            },
            _ => Some(Answer::None),
        };
        Ok(Self {
            fields,
            answer: answer.ok_or(Errno::EIO)?,
        })
    }

    /// Writes the reply over the request that it answers.
    pub fn encode(&self, dict: &mut Dict) {
        self.fields.encode(dict);
        let data: Vec<Value> = match &self.answer {
            Answer::None => {
                dict.remove(key::DATA);
                return;
            }
            Answer::Names(names) => names.iter().map(Name::encode).collect(),
            Answer::Types(types) => types.iter().map(TypeVersion::encode).collect(),
            Answer::Lines(lines) => lines
                .iter()
                .map(|line| {
                    let mut dict = line.encode();
                    dict.set(key::STATUS, decimal(0));
                    Value::Dict(dict)
                })
                .collect(),
            Answer::Deps(devs) => devs.iter().map(|&dev| decimal(dev)).collect(),
            Answer::Text(text) => [Value::string(text)].into(),
        };
        dict.set(key::DATA, Value::Array(data));
    }
}
