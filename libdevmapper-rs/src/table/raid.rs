//! raid.

use super::line::Line;
use super::values::Device;
use super::words::{Field, Result, Words, options, text, words};

words! {
    /// A raid level and how data and parity lie on the legs.
    pub enum RaidType {
        /// Stripes without redundancy.
        Raid0 = "raid0",
        /// Mirrors.
        Raid1 = "raid1",
        /// Stripes of mirrors.
        Raid10 = "raid10",
        /// raid10 with copies on neighbouring legs; only in a status.
        Raid10Near = "raid10_near",
        /// raid10 with copies in another part of the legs; only in a status.
        Raid10Far = "raid10_far",
        /// raid10 with copies one stripe further; only in a status.
        Raid10Offset = "raid10_offset",
        /// Parity on one leg, the first.
        Raid4 = "raid4",
        /// Parity on the last leg.
        Raid5N = "raid5_n",
        /// Parity rotates from the left, data begins at the first leg.
        Raid5La = "raid5_la",
        /// Parity rotates from the right, data begins at the first leg.
        Raid5Ra = "raid5_ra",
        /// Parity rotates from the left, data goes on behind it.
        Raid5Ls = "raid5_ls",
        /// Parity rotates from the right, data goes on behind it.
        Raid5Rs = "raid5_rs",
        /// Two parities; rotates by zero, data restarts.
        Raid6Zr = "raid6_zr",
        /// Two parities; rotates by N, data restarts.
        Raid6Nr = "raid6_nr",
        /// Two parities; rotates by N, data continues.
        Raid6Nc = "raid6_nc",
        /// Two parities on the last legs.
        Raid6N6 = "raid6_n_6",
        /// raid5_ls with a second parity on the last leg.
        Raid6Ls6 = "raid6_ls_6",
        /// raid5_rs with a second parity on the last leg.
        Raid6Rs6 = "raid6_rs_6",
        /// raid5_la with a second parity on the last leg.
        Raid6La6 = "raid6_la_6",
        /// raid5_ra with a second parity on the last leg.
        Raid6Ra6 = "raid6_ra_6",
    }
}

words! {
    /// Where the copies of raid10 lie.
    pub enum Raid10Format {
        /// On neighbouring legs.
        Near = "near",
        /// In another part of the legs.
        Far = "far",
        /// One stripe further.
        Offset = "offset",
    }
}

words! {
    /// When a raid set with a journal says that a write is done.
    pub enum JournalMode {
        /// When the legs have it.
        Writethrough = "writethrough",
        /// When the journal has it.
        Writeback = "writeback",
    }
}

options! {
    /// An option of [`Raid`]. Legs are counted from 0.
    pub enum RaidOption, "option of raid" {
        /// Makes the legs the same, whatever the metadata says.
        Sync = "sync",
        /// Takes the legs to be the same.
        NoSync = "nosync",
        /// Makes the data of a leg anew.
        Rebuild(leg: u32, "leg to rebuild") = "rebuild",
        /// Milliseconds between two runs of the daemon that clears bits of the bitmap.
        DaemonSleep(time: u32, "time in milliseconds") = "daemon_sleep",
        /// KiB/s per leg that recovery does at least.
        MinRecoveryRate(rate: u32, "rate in KiB/s") = "min_recovery_rate",
        /// KiB/s per leg that recovery does at most.
        MaxRecoveryRate(rate: u32, "rate in KiB/s") = "max_recovery_rate",
        /// A leg that is not read if another can be (raid1).
        WriteMostly(leg: u32, "leg") = "write_mostly",
        /// Outstanding writes to write-mostly legs, sectors of 512 bytes (raid1).
        MaxWriteBehind(sectors: u32, "size in sectors") = "max_write_behind",
        /// Sectors of 512 bytes of the stripe cache (levels with parity).
        StripeCache(sectors: u32, "size in sectors") = "stripe_cache",
        /// Sectors of 512 bytes of a region of the bitmap: a power of two.
        RegionSize(sectors: u32, "size in sectors") = "region_size",
        /// Copies of raid10.
        Raid10Copies(copies: u32, "number of copies") = "raid10_copies",
        /// Where copies lie.
        Raid10Format(format: Raid10Format, "near, far or offset") = "raid10_format",
        /// Legs added (positive) or removed (negative) by a reshape.
        DeltaDisks(legs: i32, "number of legs") = "delta_disks",
        /// Sectors of 512 bytes before the data of each leg; the kernel takes no negative number.
        DataOffset(sectors: i64, "offset in sectors") = "data_offset",
        /// The device of a write journal (levels with parity).
        JournalDevice(device: Device, "device (MAJOR:MINOR or path)") = "journal_dev",
        /// When a write is done.
        JournalMode(mode: JournalMode, "writethrough or writeback") = "journal_mode",
    }
}

/// A leg of a raid set: `METADATA DATA`, `-` for what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct RaidLeg {
    /// The device with the superblock and the bitmap.
    pub metadata: Option<Device>,
    /// The device with the data.
    pub data: Option<Device>,
}

impl Field for RaidLeg {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            metadata: words.read("metadata device (MAJOR:MINOR, path or -)")?,
            data: words.read("data device (MAJOR:MINOR, path or -)")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.values([&self.metadata, &self.data]);
    }
}

/// raid: `TYPE COUNT CHUNK OPTION... LEGS (METADATA DATA)...`; COUNT is the number of words of the chunk size and options.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Raid {
    /// Level and layout.
    pub raid_type: RaidType,
    /// Sectors of 512 bytes of a chunk: a power of two; 0 for raid1.
    pub chunk: u32,
    /// Options, in the order of the line.
    pub options: Vec<RaidOption>,
    /// The legs.
    pub legs: Vec<RaidLeg>,
}

impl Field for Raid {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let raid_type = words.read("raid level and layout")?;
        let (chunk, options) = words.nested("chunk size and options", |words| {
            let chunk = words.read("chunk size in sectors")?;
            let mut options = Vec::new();
            while !words.is_empty() {
                options.push(words.read("option of raid")?);
            }
            Ok((chunk, options))
        })?;
        let count = words.read("number of legs")?;
        Ok(Self {
            raid_type,
            chunk,
            options,
            legs: words.times(count, "leg")?,
        })
    }

    fn write(&self, line: &mut Line) {
        let mut options = Line::default();
        options.word(self.chunk).values(&self.options);
        line.word(self.raid_type).counted(&options);
        line.word(self.legs.len()).values(&self.legs);
    }
}

/// State of a leg or journal of a raid set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
#[repr(u8)]
pub enum LegState {
    /// Alive and in sync.
    InSync = b'A',
    /// Alive, not in sync.
    OutOfSync = b'a',
    /// Failed.
    Dead = b'D',
    /// Missing from the table.
    Missing = b'-',
}

impl LegState {
    fn from_character(character: u8) -> Option<Self> {
        [Self::InSync, Self::OutOfSync, Self::Dead, Self::Missing]
            .into_iter()
            .find(|state| *state as u8 == character)
    }
}

words! {
    /// What a raid set is doing.
    pub enum SyncAction {
        /// Nothing.
        Idle = "idle",
        /// Nothing, and it must not begin.
        Frozen = "frozen",
        /// The legs are made the same.
        Resync = "resync",
        /// The data of a leg is made anew.
        Recover = "recover",
        /// The legs are compared.
        Check = "check",
        /// The legs are compared, and what differs is repaired.
        Repair = "repair",
        /// Level, layout or number of legs are changed.
        Reshape = "reshape",
    }
}

words! {
    /// State of the journal of a raid set.
    pub enum Journal {
        /// It has none.
        None = "-",
        /// It works, in mode [`JournalMode::Writethrough`].
        Writethrough = "A",
        /// It works, in mode [`JournalMode::Writeback`].
        Writeback = "a",
        /// It has failed.
        Dead = "D",
    }
}

/// Status of raid: `TYPE LEGS HEALTH INSYNC/TOTAL ACTION MISMATCHES OFFSET JOURNAL`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct RaidStatus {
    /// Level and layout.
    pub raid_type: RaidType,
    /// The legs.
    pub legs: Vec<LegState>,
    /// Sectors of 512 bytes in sync: of each leg, for raid10 of the set.
    pub insync: u64,
    /// Sectors of 512 bytes to be in sync.
    pub total: u64,
    /// What it is doing.
    pub action: SyncAction,
    /// Sectors of 512 bytes that differed in the last check.
    pub mismatches: u64,
    /// Sectors of 512 bytes before the data of each leg, which a reshape may change.
    pub data_offset: u64,
    /// The journal.
    pub journal: Journal,
}

impl Field for RaidStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let raid_type = words.read("raid level and layout")?;
        let count: u64 = words.read("number of legs")?;
        let what = "one health character (A, a, D or -) per leg";
        let health = if count == 0 { &[] } else { words.next(what)? };
        let legs: Option<Vec<_>> = health.iter().map(|c| LegState::from_character(*c)).collect();
        let legs = legs
            .filter(|legs| u64::try_from(legs.len()).is_ok_and(|n| n == count))
            .ok_or_else(|| words.wrong(what, health))?;
        let (insync, total) = words.ratio("sectors in sync and all sectors (INSYNC/TOTAL)")?;
        Ok(Self {
            raid_type,
            legs,
            insync,
            total,
            action: words.read("sync action")?,
            mismatches: words.read("mismatches in sectors")?,
            data_offset: words.read("offset of the data in sectors")?,
            journal: words.read("state of the journal (A, a, D or -)")?,
        })
    }

    fn write(&self, line: &mut Line) {
        let health: Vec<u8> = self.legs.iter().map(|leg| *leg as u8).collect();
        line.word(self.raid_type).word(self.legs.len());
        if !health.is_empty() {
            line.bytes(&health);
        }
        line.word(format_args!("{}/{}", self.insync, self.total))
            .word(self.action);
        line.word(self.mismatches).word(self.data_offset).word(self.journal);
    }
}

text!(Raid, RaidStatus);
