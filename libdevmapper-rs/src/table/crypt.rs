//! crypt.

use super::line::Line;
use super::values::{Area, Secret, Word, from_hex, push_hex};
use super::words::{Field, Result, Words, options, text, words};

words! {
    /// A type of keys in the kernel's keyring.
    pub enum KeyType {
        /// User space cannot read it back.
        Logon = "logon",
        /// User space can read it back.
        User = "user",
        /// The kernel made it and keeps it encrypted.
        Encrypted = "encrypted",
        /// A security chip keeps it.
        Trusted = "trusted",
    }
}

/// The key of a crypt target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub enum Key {
    /// None, for a cipher without one: `-`.
    None,
    /// The key itself, at least one byte; hexadecimal digits in the line.
    Raw(Secret),
    /// A key in the kernel's keyring: `:SIZE:TYPE:DESCRIPTION`.
    Keyring {
        /// Bytes of the key.
        size: u32,
        /// Its type.
        kind: KeyType,
        /// Its description.
        description: Word,
    },
}

impl Field for Key {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let what = "key (hexadecimal digits, :SIZE:TYPE:DESCRIPTION or -)";
        let word = words.next(what)?;
        if word == b"-" {
            return Ok(Self::None);
        }
        let Some(reference) = word.strip_prefix(b":") else {
            let raw = from_hex(word).ok_or_else(|| words.wrong_secret(what))?;
            return Ok(Self::Raw(Secret::new(raw)));
        };
        let mut parts = reference.splitn(3, |b| *b == b':');
        let (Some(size), Some(kind), Some(description)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(words.wrong(what, word));
        };
        Ok(Self::Keyring {
            size: words.part(size, "size of the key in bytes")?,
            kind: words.part(kind, "type of the key (logon, user, encrypted or trusted)")?,
            description: words.part(description, "description of the key")?,
        })
    }

    fn write(&self, line: &mut Line) {
        match self {
            Self::None => line.word("-"),
            Self::Raw(secret) => {
                let mut text = zeroize::Zeroizing::new(Vec::with_capacity(2 * secret.expose().len()));
                push_hex(&mut text, secret.expose());
                line.bytes(&text)
            }
            Self::Keyring {
                size,
                kind,
                description,
            } => line.bytes(&[format!(":{size}:{kind}:").as_bytes(), description.as_bstr()].concat()),
        };
    }
}

/// Tags that an integrity device below keeps for a crypt target: `BYTES:TYPE`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct CryptTags {
    /// Bytes of a tag.
    pub size: u32,
    /// What the tag is, such as `aead` or `hmac(sha256)`.
    pub kind: Word,
}

/// An option of [`Crypt`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
#[non_exhaustive]
pub enum CryptOption {
    /// A word of its own.
    Switch(CryptSwitch),
    /// `integrity:BYTES:TYPE`: tags are kept by the device below.
    Integrity(CryptTags),
    /// `integrity_key_size:BYTES`: how much of the key is the tags'.
    IntegrityKeySize(u32),
    /// `sector_size:BYTES`: what is encrypted at a time, 512 to 4096.
    SectorSize(u32),
}

options! {
    /// Switches of [`Crypt`].
    #[derive(Copy)]
    pub enum CryptSwitch, "option of crypt" {
        /// Discards are passed on; they show which sectors are unused.
        AllowDiscards = "allow_discards",
        /// Each request is encrypted on the CPU that it comes from.
        SameCpuCrypt = "same_cpu_crypt",
        /// Work queues have a high priority.
        HighPriority = "high_priority",
        /// Writes are sent by the encrypting thread.
        SubmitFromCryptCpus = "submit_from_crypt_cpus",
        /// Reads are decrypted at once.
        NoReadWorkqueue = "no_read_workqueue",
        /// Writes are encrypted at once.
        NoWriteWorkqueue = "no_write_workqueue",
        /// Initialisation vectors count sectors of [`CryptOption::SectorSize`], not of 512 bytes.
        IvLargeSectors = "iv_large_sectors",
    }
}

impl Field for CryptOption {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        let word = words.peek().unwrap_or_default();
        let Some(colon) = word.iter().position(|b| *b == b':') else {
            return words.read(what).map(Self::Switch);
        };
        words.next(what)?;
        let (name, value) = (&word[..colon], &word[colon + 1..]);
        match name {
            b"integrity" => {
                let what = "size and type of the tags (BYTES:TYPE)";
                let Some(colon) = value.iter().position(|b| *b == b':') else {
                    return Err(words.wrong(what, word));
                };
                Ok(Self::Integrity(CryptTags {
                    size: words.part(&value[..colon], what)?,
                    kind: words.part(&value[colon + 1..], what)?,
                }))
            }
            b"integrity_key_size" => words.part(value, "size of a key in bytes").map(Self::IntegrityKeySize),
            b"sector_size" => words.part(value, "sector size in bytes").map(Self::SectorSize),
            _ => Err(words.wrong("option of crypt", word)),
        }
    }

    fn write(&self, line: &mut Line) {
        match self {
            Self::Switch(switch) => switch.write(line),
            Self::Integrity(tags) => {
                line.bytes(&[format!("integrity:{}:", tags.size).as_bytes(), tags.kind.as_bstr()].concat());
            }
            Self::IntegrityKeySize(size) => _ = line.word(format_args!("integrity_key_size:{size}")),
            Self::SectorSize(size) => _ = line.word(format_args!("sector_size:{size}")),
        }
    }
}

impl From<CryptSwitch> for CryptOption {
    fn from(switch: CryptSwitch) -> Self {
        Self::Switch(switch)
    }
}

/// crypt: encrypts, `CIPHER KEY IV_OFFSET DEVICE OFFSET [COUNT OPTION...]`. It has no status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Crypt {
    /// Cipher, chaining mode and initialisation vector, such as `aes-xts-plain64`.
    pub cipher: Word,
    /// The key.
    pub key: Key,
    /// Added to sector numbers (512 bytes) for the initialisation vector.
    pub iv_offset: u64,
    /// Where the encrypted data is.
    pub area: Area,
    /// Options.
    pub options: Vec<CryptOption>,
}

impl Field for Crypt {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            cipher: words.read("cipher")?,
            key: words.read("key")?,
            iv_offset: words.read("offset of the initialisation vector in sectors")?,
            area: words.read("area")?,
            options: words.group_if_any("option of crypt")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.values([&self.cipher]).values([&self.key]).word(self.iv_offset);
        self.area.write(line);
        line.group_if_any(&self.options);
    }
}

text!(Crypt);
