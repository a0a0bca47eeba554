//! linear, striped, zero, error, unstriped, switch, ebs.

use super::line::Line;
use super::values::{Area, Device, Word};
use super::words::{Field, Result, Words, text};

/// linear: maps to one area, `DEVICE OFFSET`. It has no status.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Linear {
    /// Where the data is.
    pub area: Area,
}

impl Linear {
    /// Maps to the area of a device that begins at this sector of 512 bytes.
    #[must_use]
    pub fn new(device: impl Into<Device>, offset: u64) -> Self {
        Self {
            area: Area::new(device, offset),
        }
    }
}

impl Field for Linear {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        Ok(Self {
            area: words.read(what)?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.area.write(line);
    }
}

/// striped: chunks go to the stripes in turn, `STRIPES CHUNK (DEVICE OFFSET)...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Striped {
    /// Sectors of 512 bytes of a chunk.
    pub chunk: u64,
    /// The stripes, at least one; all have the same length.
    pub stripes: Vec<Area>,
}

impl Field for Striped {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let count = words.read("number of stripes")?;
        Ok(Self {
            chunk: words.read("chunk size in sectors")?,
            stripes: words.times(count, "stripe")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.stripes.len()).word(self.chunk).values(&self.stripes);
    }
}

/// Status of striped: `STRIPES DEVICE... 1 HEALTH`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct StripedStatus {
    /// The devices, and whether each is alive (`A`) or had errors (`D`).
    pub stripes: Vec<(Device, bool)>,
}

impl Field for StripedStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let count = words.read("number of stripes")?;
        let devices: Vec<Device> = words.times(count, "device")?;
        words.choice("number of health words (1)", &[("1", ())])?;
        if devices.is_empty() {
            return Ok(Self { stripes: Vec::new() });
        }
        let what = "one health character (A or D) per stripe";
        let health = words.next(what)?;
        if health.len() != devices.len() || health.iter().any(|c| !matches!(c, b'A' | b'D')) {
            return Err(words.wrong(what, health));
        }
        let stripes = devices.into_iter().zip(health.iter().map(|c| *c == b'A')).collect();
        Ok(Self { stripes })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.stripes.len());
        line.values(self.stripes.iter().map(|(device, _)| device)).word(1);
        let health: Vec<u8> = self
            .stripes
            .iter()
            .map(|(_, alive)| if *alive { b'A' } else { b'D' })
            .collect();
        if !health.is_empty() {
            line.bytes(&health);
        }
    }
}

/// zero: reads as zeros and forgets writes. No parameters, no status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Zero;

impl Field for Zero {
    fn read(_: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self)
    }

    fn write(&self, _: &mut Line) {}
}

/// error: every read and write fails. No status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Fail {
    /// Words that the target takes and ignores; the kernel does not print them.
    pub ignored: Vec<Word>,
}

impl Field for Fail {
    fn read(words: &mut Words<'_, '_>, what: &'static str) -> Result<Self> {
        let mut ignored = Vec::new();
        while !words.is_empty() {
            ignored.push(words.read(what)?);
        }
        Ok(Self { ignored })
    }

    fn write(&self, line: &mut Line) {
        line.values(&self.ignored);
    }
}

/// unstriped: one stripe of a striped device, `STRIPES CHUNK INDEX DEVICE OFFSET`. It has no status.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Unstriped {
    /// Number of stripes of the device below.
    pub stripes: u32,
    /// Sectors of 512 bytes of a chunk.
    pub chunk: u64,
    /// The stripe that is wanted, from 0.
    pub index: u32,
    /// The striped device, and where on it the stripes begin.
    pub area: Area,
}

impl Field for Unstriped {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            stripes: words.read("number of stripes")?,
            chunk: words.read("chunk size in sectors")?,
            index: words.read("index of the stripe")?,
            area: words.read("area")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.stripes).word(self.chunk).word(self.index);
        self.area.write(line);
    }
}

/// switch: each region is on one of the paths, `PATHS REGION 0 (DEVICE OFFSET)...`. It has no status; messages say which
/// path a region is on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Switch {
    /// Sectors of 512 bytes of a region.
    pub region_size: u64,
    /// The paths, at least one.
    pub paths: Vec<Area>,
}

impl Field for Switch {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let count = words.read("number of paths")?;
        let region_size = words.read("region size in sectors")?;
        words.choice("number of options (0)", &[("0", ())])?;
        Ok(Self {
            region_size,
            paths: words.times(count, "path")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.paths.len())
            .word(self.region_size)
            .word(0)
            .values(&self.paths);
    }
}

/// ebs: emulates a block size that is smaller than the device's, `DEVICE OFFSET EMULATED [UNDERLYING]`. It has no
/// status.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Ebs {
    /// Where the data is.
    pub area: Area,
    /// Sectors of 512 bytes of an emulated block: a power of two.
    pub emulated: u32,
    /// Sectors of 512 bytes of a block of the device; the device's own logical block size if not given.
    pub underlying: Option<u32>,
}

impl Field for Ebs {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            area: words.read("area")?,
            emulated: words.read("emulated block size in sectors")?,
            underlying: words.read_if_any("underlying block size in sectors")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.area.write(line);
        line.word(self.emulated).values(&self.underlying);
    }
}

text!(Linear, Striped, StripedStatus, Zero, Fail, Unstriped, Switch, Ebs);
