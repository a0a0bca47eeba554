//! integrity.

use super::line::Line;
use super::values::{Device, Secret, Word, from_hex, has_blank_or, push_hex};
use super::words::{Field, ParseError, Result, Words, text, words};

words! {
    /// How an integrity device keeps data and tags consistent.
    pub enum IntegrityMode {
        /// Not at all: a crash may leave tags that do not fit.
        Direct = "D",
        /// Data and tags are written by way of a journal.
        Journal = "J",
        /// A bitmap tells whose tags are to be made anew after a crash.
        Bitmap = "B",
        /// Read-only, tags are not checked.
        Recovery = "R",
        /// The device below keeps tags with the data.
        Inline = "I",
    }
}

/// An algorithm of the kernel, with a key if it takes one: `NAME` or `NAME:KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Algorithm {
    name: Word,
    key: Option<Secret>,
}

impl Algorithm {
    /// An algorithm without a key, such as `crc32c`.
    ///
    /// # Errors
    /// The name is no [`Word`], or has a colon.
    pub fn new(name: &str) -> std::result::Result<Self, ParseError> {
        Self::keyed(name, None)
    }

    /// An algorithm with a key, such as `hmac(sha256)`.
    ///
    /// # Errors
    /// As of [`Algorithm::new`].
    pub fn with_key(name: &str, key: Secret) -> std::result::Result<Self, ParseError> {
        Self::keyed(name, Some(key))
    }

    fn keyed(name: &str, key: Option<Secret>) -> std::result::Result<Self, ParseError> {
        let words = [name.as_bytes()];
        let mut words = Words::new(&words);
        let what = "name of an algorithm";
        let name = words.next(what)?;
        if name.is_empty() || has_blank_or(name, b':') {
            return Err(words.wrong(what, name));
        }
        Ok(Self {
            name: Word::unchecked(name),
            key,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Word {
        &self.name
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Option<&Secret> {
        self.key.as_ref()
    }

    /// An algorithm that another program has to answer for.
    pub(crate) fn unchecked(name: &[u8]) -> Self {
        Self {
            name: Word::unchecked(name),
            key: None,
        }
    }
}

impl Field for Algorithm {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        let word = words.next(what)?;
        let colon = word.iter().position(|b| *b == b':');
        let (name, key) = match colon {
            Some(colon) => (&word[..colon], Some(&word[colon + 1..])),
            None => (word, None),
        };
        let key = match key {
            Some(digits) => Some(from_hex(digits).ok_or_else(|| words.wrong_secret(what))?),
            None => None,
        };
        Ok(Self {
            name: words.part(name, what).map_err(|_| words.wrong_secret(what))?,
            key: key.map(Secret::new),
        })
    }

    fn write(&self, line: &mut Line) {
        let mut text = zeroize::Zeroizing::new(self.name.as_bstr().to_vec());
        if let Some(key) = &self.key {
            text.push(b':');
            push_hex(&mut text, key.expose());
        }
        line.bytes(&text);
    }
}

/// Options with a value behind a colon.
macro_rules! colon_options {
    ($(#[$meta:meta])* pub enum $name:ident, $what:literal {
        $($(#[$doc:meta])* $variant:ident $(($value:ident: $type:ty, $unit:literal))? = $word:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[cfg_attr(test, derive(proptest_derive::Arbitrary))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant $(($type))?,)*
        }

        impl Field for $name {
            fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
                let word = words.next($what)?;
                let colon = word.iter().position(|b| *b == b':');
                let (option, value) = match colon {
                    Some(colon) => (&word[..colon], Some(&word[colon + 1..])),
                    None => (word, None),
                };
                $(if option == $word.as_bytes() {
                    colon_options!(@read words, word, value, $name::$variant $(, $type, $unit)?);
                })*
                // What is behind the colon may be a key.
                Err(words.wrong($what, option))
            }

            fn write(&self, line: &mut Line) {
                match self {
                    $(Self::$variant $(($value))? => {
                        #[allow(unused_mut, reason = "not every option has a value")]
                        let mut text = zeroize::Zeroizing::new($word.as_bytes().to_vec());
                        $(
                            let mut value = Line::default();
                            Field::write($value, &mut value);
                            text.push(b':');
                            text.extend_from_slice(&zeroize::Zeroizing::new(value.into_bytes()));
                        )?
                        line.bytes(&text);
                    })*
                }
            }
        }
    };
    (@read $words:ident, $word:ident, $value:ident, $variant:expr) => {
        if $value.is_none() {
            return Ok($variant);
        }
    };
    (@read $words:ident, $word:ident, $value:ident, $variant:expr, $type:ty, $unit:literal) => {
        let Some(value) = $value.filter(|value| !value.is_empty()) else {
            return Err($words.wrong($unit, $word));
        };
        return $words.part::<$type>(value, $unit).map($variant);
    };
}

colon_options! {
    /// An option of [`Integrity`].
    pub enum IntegrityOption, "option of integrity" {
        /// Sectors of 512 bytes of the journal.
        JournalSectors(sectors: u32, "journal size in sectors") = "journal_sectors",
        /// Sectors of 512 bytes of data between two areas of tags.
        InterleaveSectors(sectors: u32, "size in sectors") = "interleave_sectors",
        /// Sectors of 512 bytes of a buffer of tags.
        BufferSectors(sectors: u32, "buffer size in sectors") = "buffer_sectors",
        /// Percentage of the journal at which it is written back.
        JournalWatermark(percent: u32, "percentage") = "journal_watermark",
        /// Milliseconds after which the journal is committed.
        CommitTime(time: u32, "time in milliseconds") = "commit_time",
        /// The tags are on a device of their own.
        MetaDevice(device: Device, "device (MAJOR:MINOR or path)") = "meta_device",
        /// Bytes that a tag is for, 512 to 4096.
        BlockSize(bytes: u32, "block size in bytes") = "block_size",
        /// Tags that are missing are computed in the background.
        Recalculate = "recalculate",
        /// All tags are computed anew.
        ResetRecalculate = "reset_recalculate",
        /// The target makes and checks tags.
        InternalHash(algorithm: Algorithm, "algorithm") = "internal_hash",
        /// The journal is encrypted.
        JournalCrypt(algorithm: Algorithm, "algorithm") = "journal_crypt",
        /// The journal is authenticated.
        JournalMac(algorithm: Algorithm, "algorithm") = "journal_mac",
        /// Sectors of 512 bytes for a bit of the bitmap.
        SectorsPerBit(sectors: u64, "size in sectors") = "sectors_per_bit",
        /// Milliseconds after which the bitmap is written.
        BitmapFlushInterval(time: u32, "time in milliseconds") = "bitmap_flush_interval",
        /// Areas of tags are padded as they should always have been.
        FixPadding = "fix_padding",
        /// The superblock is authenticated too.
        FixHmac = "fix_hmac",
        /// Tags may be computed anew though that is not safe with a keyed hash.
        LegacyRecalculate = "legacy_recalculate",
        /// Discards are taken.
        AllowDiscards = "allow_discards",
    }
}

/// integrity: checks data against tags, `DEVICE RESERVED TAG|- MODE COUNT OPTION...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Integrity {
    /// The device with the data, and the tags unless [`IntegrityOption::MetaDevice`] is given.
    pub device: Device,
    /// Sectors of 512 bytes left alone at its begin.
    pub reserved: u64,
    /// Bytes of a tag; that of the internal hash if not given.
    pub tag_size: Option<u32>,
    /// How data and tags are kept consistent.
    pub mode: IntegrityMode,
    /// Options, in the order of the line.
    pub options: Vec<IntegrityOption>,
}

impl Field for Integrity {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            device: words.read("device (MAJOR:MINOR or path)")?,
            reserved: words.read("reserved sectors")?,
            tag_size: words.read("size of a tag in bytes or -")?,
            mode: words.read("mode (D, J, B, R or I)")?,
            options: words.group("option of integrity")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.device.write(line);
        line.word(self.reserved).values([&self.tag_size]);
        line.word(self.mode).group(&self.options);
    }
}

/// Status of integrity: `MISMATCHES SECTORS RECALCULATED|-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct IntegrityStatus {
    /// Mismatches of data and tags.
    pub mismatches: u64,
    /// Sectors of 512 bytes that the device offers.
    pub provided_sectors: u64,
    /// The sector up to which tags were computed, while that goes on.
    pub recalculated: Option<u64>,
}

impl Field for IntegrityStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            mismatches: words.read("number of mismatches")?,
            provided_sectors: words.read("provided sectors")?,
            recalculated: words.read("recalculated sectors or -")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.mismatches)
            .word(self.provided_sectors)
            .values([&self.recalculated]);
    }
}

text!(Integrity, IntegrityStatus);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Arbitrary for Algorithm {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;

        fn arbitrary_with((): ()) -> Self::Strategy {
            ("[a-z0-9()]{1,9}", any::<Option<Secret>>())
                .prop_map(|(name, key)| Self::keyed(&name, key).unwrap())
                .boxed()
        }
    }

    #[test]
    fn keys_stay_out_of_errors() {
        let error = "1:0 0 - J 1 internal_hash:hmac(sha256):0123x"
            .parse::<Integrity>()
            .unwrap_err();
        assert_eq!(error.to_string(), "word 6: algorithm expected, found something else");
        let error = "1:0 0 - J 1 hash:hmac:0123".parse::<Integrity>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "word 6: option of integrity expected, found \"hash\""
        );
    }

    #[test]
    fn names_of_algorithms() {
        assert!(Algorithm::new("a:b").is_err() && Algorithm::new("").is_err() && Algorithm::new("a b").is_err());
        assert_eq!(*Algorithm::new("crc32c").unwrap().name(), "crc32c");
    }
}
