//! Property-list values.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// An integer, which remembers how it was written: the driver sets unsigned ones, which come in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Written in decimal.
    Signed(i64),
    /// Written in hexadecimal.
    Unsigned(u64),
}

impl Number {
    /// The value, if it is not negative.
    #[must_use]
    pub fn unsigned(self) -> Option<u64> {
        match self {
            Number::Signed(value) => u64::try_from(value).ok(),
            Number::Unsigned(value) => Some(value),
        }
    }
}

/// A value. Strings are bytes: names and parameters need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `<true/>` or `<false/>`.
    Bool(bool),
    /// `<integer>`.
    Integer(Number),
    /// `<string>`.
    String(Vec<u8>),
    /// `<data>`, in base64 and uninterpreted: no key of the protocol has one.
    Data(Vec<u8>),
    /// `<array>`.
    Array(Vec<Value>),
    /// `<dict>`.
    Dict(Dict),
}

impl Value {
    /// A string.
    #[must_use]
    pub fn string(text: &[u8]) -> Self {
        Value::String(text.to_vec())
    }

    /// An integer as the driver writes them.
    #[must_use]
    pub fn unsigned(value: u64) -> Self {
        Value::Integer(Number::Unsigned(value))
    }

    /// An array of three integers in decimal.
    #[must_use]
    pub fn version(version: [u32; 3]) -> Self {
        Value::Array(version.map(|n| Value::Integer(Number::Signed(n.into()))).to_vec())
    }

    /// The bytes of a string.
    #[must_use]
    pub fn as_string(&self) -> Option<&[u8]> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of an integer that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Integer(number) => number.unsigned(),
            _ => None,
        }
    }

    /// The low 32 bits of an integer: fields of 32 bits come as either sign.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    pub fn as_u32(&self) -> Option<u32> {
        match self {
            Value::Integer(Number::Unsigned(value)) => u32::try_from(*value).ok(),
            Value::Integer(Number::Signed(value)) => (i64::from(i32::MIN)..=i64::from(u32::MAX))
                .contains(value)
                .then_some(*value as u32),
            _ => None,
        }
    }

    /// Three integers.
    #[must_use]
    pub fn as_version(&self) -> Option<[u32; 3]> {
        let [major, minor, patch] = self.as_array()? else {
            return None;
        };
        Some([major.as_u32()?, minor.as_u32()?, patch.as_u32()?])
    }

    /// The elements of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// A dictionary.
    #[must_use]
    pub fn as_dict(&self) -> Option<&Dict> {
        match self {
            Value::Dict(dict) => Some(dict),
            _ => None,
        }
    }
}

/// A dictionary; its keys come out sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dict(BTreeMap<Vec<u8>, Value>);

impl Dict {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        self.0.get(key)
    }

    /// Sets a key's value.
    pub fn set(&mut self, key: &[u8], value: Value) {
        self.0.insert(key.to_vec(), value);
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &[u8]) -> Option<Value> {
        self.0.remove(key)
    }

    /// All keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value))
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A key's string; empty when there is none.
    #[must_use]
    pub fn string(&self, key: &[u8]) -> &[u8] {
        self.get(key).and_then(Value::as_string).unwrap_or_default()
    }

    /// A key's integer of 32 bits.
    #[must_use]
    pub fn u32(&self, key: &[u8]) -> Option<u32> {
        self.get(key)?.as_u32()
    }

    /// A key's integer of 64 bits that is not negative.
    #[must_use]
    pub fn u64(&self, key: &[u8]) -> Option<u64> {
        self.get(key)?.as_u64()
    }
}

impl<'k> FromIterator<(&'k [u8], Value)> for Dict {
    fn from_iter<I: IntoIterator<Item = (&'k [u8], Value)>>(iter: I) -> Self {
        Self(iter.into_iter().map(|(key, value)| (key.to_vec(), value)).collect())
    }
}
