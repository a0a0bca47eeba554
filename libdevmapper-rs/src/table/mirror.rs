//! mirror (the old mirror target, not raid1).

use super::line::Line;
use super::values::{Area, Device, Word};
use super::words::{Field, Result, Words, options, text, words};
use crate::status::{Health, LegHealth};
use crate::task::DevNo;

words! {
    /// What is assumed about the legs when a mirror starts.
    pub enum Sync {
        /// They differ, whatever the log says.
        Sync = "sync",
        /// They are the same.
        NoSync = "nosync",
    }
}

/// The log of a mirror: `TYPE COUNT ARGUMENT...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub enum MirrorLog {
    /// In memory: `core`.
    Core(Regions),
    /// On a device: `disk`.
    Disk(Device, Regions),
    /// Kept by a daemon: `userspace`.
    Userspace {
        /// Names the log to the daemon.
        uuid: Word,
        /// The daemon flushes when it marks regions.
        integrated_flush: bool,
        /// The device of a `clustered-disk` log; without one it is `clustered-core`.
        device: Option<Device>,
        /// Regions.
        regions: Regions,
    },
}

/// The regions of a mirror: `SIZE [sync|nosync]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Regions {
    /// Sectors of 512 bytes of a region: a power of two.
    pub size: u64,
    /// What is assumed about the legs; the log knows if not given.
    pub sync: Option<Sync>,
}

impl Field for Regions {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            size: words.read("region size in sectors")?,
            sync: words.read_if_any("sync or nosync")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.size).values(&self.sync);
    }
}

/// Types of logs.
#[derive(Clone, Copy)]
enum LogType {
    Core,
    Disk,
    Userspace,
}

impl Field for MirrorLog {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let kind = words.choice(
            "type of the log (core, disk or userspace)",
            &[
                ("core", LogType::Core),
                ("disk", LogType::Disk),
                ("userspace", LogType::Userspace),
            ],
        )?;
        let log_device = "log device (MAJOR:MINOR or path)";
        words.nested("arguments of the log", |words| {
            match kind {
                LogType::Core => return Ok(Self::Core(words.read("regions")?)),
                LogType::Disk => return Ok(Self::Disk(words.read(log_device)?, words.read("regions")?)),
                LogType::Userspace => {}
            }
            let uuid = words.read("uuid of the log")?;
            let integrated_flush = words.accept("integrated_flush");
            let on_disk = words.choice(
                "clustered-core or clustered-disk",
                &[("clustered-core", false), ("clustered-disk", true)],
            )?;
            Ok(Self::Userspace {
                uuid,
                integrated_flush,
                device: if on_disk { Some(words.read(log_device)?) } else { None },
                regions: words.read("regions")?,
            })
        })
    }

    fn write(&self, line: &mut Line) {
        let mut arguments = Line::default();
        let kind = match self {
            Self::Core(regions) => {
                regions.write(&mut arguments);
                "core"
            }
            Self::Disk(device, regions) => {
                device.write(&mut arguments);
                regions.write(&mut arguments);
                "disk"
            }
            Self::Userspace {
                uuid,
                integrated_flush,
                device,
                regions,
            } => {
                uuid.write(&mut arguments);
                if *integrated_flush {
                    arguments.word("integrated_flush");
                }
                arguments.word(if device.is_some() {
                    "clustered-disk"
                } else {
                    "clustered-core"
                });
                arguments.values(device);
                regions.write(&mut arguments);
                "userspace"
            }
        };
        line.word(kind).counted(&arguments);
    }
}

options! {
    /// What a mirror does about errors.
    pub enum MirrorOption, "option of mirror" {
        /// A failed write waits until somebody deals with it.
        HandleErrors = "handle_errors",
        /// The log stays valid when its device fails; needs the former.
        KeepLog = "keep_log",
    }
}

/// mirror: all legs have the same data, `LOG COUNT LEG... [COUNT OPTION...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Mirror {
    /// The log.
    pub log: MirrorLog,
    /// The legs, at least two.
    pub legs: Vec<Area>,
    /// Options.
    pub options: Vec<MirrorOption>,
}

impl Field for Mirror {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let log = words.read("log")?;
        let count = words.read("number of legs")?;
        Ok(Self {
            log,
            legs: words.times(count, "leg")?,
            options: words.group_if_any("option of mirror")?,
        })
    }

    fn write(&self, line: &mut Line) {
        self.log.write(line);
        line.word(self.legs.len())
            .values(&self.legs)
            .group_if_any(&self.options);
    }
}

/// The log in a mirror's status: `COUNT TYPE [DEVICE HEALTH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct MirrorLogStatus {
    /// The word `userspace` stands before.
    pub userspace: bool,
    /// `core`, `disk`, or what the log's daemon says.
    pub kind: Word,
    /// The log's devices.
    pub devices: Vec<LegHealth>,
}

/// Status of mirror: `COUNT DEVICE... INSYNC/TOTAL 1 HEALTH LOG`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct MirrorStatus {
    /// The legs.
    pub legs: Vec<LegHealth>,
    /// Regions in sync.
    pub insync_regions: u64,
    /// Regions.
    pub total_regions: u64,
    /// The log.
    pub log: MirrorLogStatus,
}

/// Takes a word with a health character for each device.
fn health(words: &mut Words<'_, '_>, devices: &[DevNo]) -> Result<Vec<LegHealth>> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let what = "one health character (A, F, D, S, R or U) per device";
    let word = words.next(what)?;
    let wrong = || words.wrong(what, word);
    if word.len() != devices.len() {
        return Err(wrong());
    }
    let leg = |(dev, c): (&DevNo, &u8)| {
        Some(LegHealth {
            health: Health::from_character(*c)?,
            major: dev.major,
            minor: dev.minor,
        })
    };
    let legs: Option<Vec<_>> = devices.iter().zip(word).map(leg).collect();
    legs.ok_or_else(wrong)
}

fn write_devices(line: &mut Line, legs: &[LegHealth]) {
    for LegHealth { major, minor, .. } in legs {
        line.word(format_args!("{major}:{minor}"));
    }
}

fn write_health(line: &mut Line, legs: &[LegHealth]) {
    let health: Vec<u8> = legs.iter().map(|leg| leg.health as u8).collect();
    if !health.is_empty() {
        line.bytes(&health);
    }
}

impl Field for MirrorStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let count = words.read("number of legs")?;
        let devices: Vec<DevNo> = words.times(count, "device (MAJOR:MINOR)")?;
        let (insync_regions, total_regions) = words.ratio("regions in sync and all regions (INSYNC/TOTAL)")?;
        words.choice("number of health words (1)", &[("1", ())])?;
        let legs = health(words, &devices)?;
        let userspace = words.accept("userspace");
        let log = words.nested("words about the log", |words| {
            let kind = words.read("type of the log")?;
            let mut devices: Vec<DevNo> = Vec::new();
            while words.left() > 1 {
                devices.push(words.read("log device (MAJOR:MINOR)")?);
            }
            let devices = health(words, &devices)?;
            Ok(MirrorLogStatus {
                userspace,
                kind,
                devices,
            })
        })?;
        Ok(Self {
            legs,
            insync_regions,
            total_regions,
            log,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.legs.len());
        write_devices(line, &self.legs);
        line.word(format_args!("{}/{}", self.insync_regions, self.total_regions))
            .word(1);
        write_health(line, &self.legs);
        if self.log.userspace {
            line.word("userspace");
        }
        let mut log = Line::default();
        self.log.kind.write(&mut log);
        write_devices(&mut log, &self.log.devices);
        write_health(&mut log, &self.log.devices);
        line.counted(&log);
    }
}

text!(Mirror, MirrorStatus);
