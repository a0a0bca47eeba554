//! raid.

use super::{Area, Kind, Line, Segment, Surroundings, refuse};
use crate::error::Result;
use crate::tree::{NodeId, Tree};

/// Name in the API, name in the table.
const TYPES: [(&str, &str); 21] = [
    ("raid0", "raid0"),
    ("raid0_meta", "raid0"),
    ("raid1", "raid1"),
    ("raid10", "raid10"),
    ("raid4", "raid4"),
    ("raid5_n", "raid5_n"),
    ("raid5_la", "raid5_la"),
    ("raid5_ra", "raid5_ra"),
    ("raid5_ls", "raid5_ls"),
    ("raid5_rs", "raid5_rs"),
    ("raid6_n_6", "raid6_n_6"),
    ("raid6_zr", "raid6_zr"),
    ("raid6_nr", "raid6_nr"),
    ("raid6_nc", "raid6_nc"),
    ("raid6_ls_6", "raid6_ls_6"),
    ("raid6_rs_6", "raid6_rs_6"),
    ("raid6_la_6", "raid6_la_6"),
    ("raid6_ra_6", "raid6_ra_6"),
    ("raid5", "raid5_ls"),
    ("raid6", "raid6_zr"),
    ("raid10_near", "raid10"),
];

/// A raid level and layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaidType(&'static str);

impl RaidType {
    /// The type of a name; aliases are taken.
    pub fn from_name(name: &[u8]) -> Result<Self> {
        match TYPES.iter().find(|(known, _)| known.as_bytes() == name) {
            Some((_, table)) => Ok(Self(table)),
            None => refuse(format_args!("Unsupported raid type {}.", bstr::BStr::new(name))),
        }
    }
}

/// Flags of a raid set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RaidFlags {
    /// The legs are in sync already.
    pub nosync: bool,
    /// The legs are to be synchronised, whatever the metadata says.
    pub forcesync: bool,
}

impl RaidFlags {
    /// Flags from the C library's number (`DM_NOSYNC`, `DM_FORCESYNC`).
    pub fn from_bits(bits: u64) -> Self {
        Self {
            nosync: bits & 1 != 0,
            forcesync: bits & 2 != 0,
        }
    }
}

/// A raid segment. Masks have bit 0 of word 0 for the first leg. 0 leaves a setting to the kernel.
#[derive(Clone, Debug)]
pub struct Raid {
    /// Level and layout.
    pub raid_type: RaidType,
    /// Sectors of a bitmap region.
    pub region_size: u32,
    /// Sectors of a stripe.
    pub stripe_size: u32,
    /// Legs added (positive) or removed (negative) by a reshape.
    pub delta_disks: i32,
    /// Where data begins on the legs, sectors; 1 stands for sector 0.
    pub data_offset: i32,
    /// Legs whose data is to be made anew.
    pub rebuilds: [u64; 4],
    /// Legs that are not read if another can be.
    pub write_mostly: [u64; 4],
    /// Outstanding writes to write-mostly legs.
    pub write_behind: u32,
    /// Copies of raid10.
    pub data_copies: u32,
    /// KiB/s per leg.
    pub max_recovery_rate: u32,
    /// KiB/s per leg.
    pub min_recovery_rate: u32,
    /// Flags.
    pub flags: RaidFlags,
}

impl Raid {
    /// A set of this type with nothing set.
    pub fn new(raid_type: RaidType) -> Self {
        Self {
            raid_type,
            region_size: 0,
            stripe_size: 0,
            delta_disks: 0,
            data_offset: 0,
            rebuilds: [0; 4],
            write_mostly: [0; 4],
            write_behind: 0,
            data_copies: 0,
            max_recovery_rate: 0,
            min_recovery_rate: 0,
            flags: RaidFlags::default(),
        }
    }

    fn is_raid10(&self) -> bool {
        self.raid_type.0 == "raid10"
    }

    /// Whether legs may be missing.
    pub(in crate::tree) fn takes_null_areas(&self) -> bool {
        !self.is_raid10()
    }

    pub(super) fn line(&self, segment: &Segment, around: &dyn Surroundings) -> Result<Line> {
        if !segment.areas.len().is_multiple_of(2) {
            return refuse(format_args!("Number of areas of a raid segment is not even."));
        }
        // A driver that does not answer may be old or odd; one without raid will refuse the table anyway.
        let version = match around.target_version("raid") {
            Ok(Some(version)) => version,
            Ok(None) => return refuse(format_args!("Cannot find the raid target in the driver.")),
            Err(_) => [0; 3],
        };
        let legs = segment.areas.len() / 2;
        if self.raid_type.0 == "raid1" && self.stripe_size != 0 {
            crate::log_info!("WARNING: Ignoring RAID1 stripe size");
        }
        let mut options = Line::default();
        options.word(self.stripe_size);
        // Raid target 1.9 and 1.10 want this order, all others take any.
        if ([1, 9, 0]..[1, 11, 0]).contains(&version) {
            self.copies(&mut options);
            self.sync(&mut options);
            number(&mut options, "region_size", self.region_size);
            self.offset(&mut options);
            number(&mut options, "delta_disks", self.delta_disks);
            mask(&mut options, "rebuild", &self.rebuilds, legs);
            mask(&mut options, "write_mostly", &self.write_mostly, legs);
            number(&mut options, "max_write_behind", self.write_behind);
            number(&mut options, "max_recovery_rate", self.max_recovery_rate);
            number(&mut options, "min_recovery_rate", self.min_recovery_rate);
        } else {
            self.sync(&mut options);
            mask(&mut options, "rebuild", &self.rebuilds, legs);
            number(&mut options, "min_recovery_rate", self.min_recovery_rate);
            number(&mut options, "max_recovery_rate", self.max_recovery_rate);
            mask(&mut options, "write_mostly", &self.write_mostly, legs);
            number(&mut options, "max_write_behind", self.write_behind);
            number(&mut options, "region_size", self.region_size);
            self.copies(&mut options);
            number(&mut options, "delta_disks", self.delta_disks);
            self.offset(&mut options);
        }
        let mut line = Line::default();
        line.word(self.raid_type.0).counted(&options).word(legs);
        for area in &segment.areas {
            match area {
                Area::Device(id, _) => line.word(around.number(*id)?),
                Area::Null => line.word("-"),
            };
        }
        Ok(line)
    }

    fn sync(&self, line: &mut Line) {
        if self.flags.nosync {
            line.word("nosync");
        } else if self.flags.forcesync {
            line.word("sync");
        }
    }

    fn copies(&self, line: &mut Line) {
        if self.is_raid10() && self.data_copies > 1 {
            line.word(format_args!("raid10_copies {}", self.data_copies));
        }
    }

    fn offset(&self, line: &mut Line) {
        if self.data_offset != 0 {
            let offset = if self.data_offset == 1 { 0 } else { self.data_offset };
            line.word(format_args!("data_offset {offset}"));
        }
    }
}

fn number<T: PartialEq + Default + std::fmt::Display>(line: &mut Line, word: &str, value: T) {
    if value != T::default() {
        line.word(format_args!("{word} {value}"));
    }
}

fn mask(line: &mut Line, word: &str, mask: &[u64; 4], legs: usize) {
    for leg in 0..legs.min(64 * mask.len()) {
        if mask[leg / 64] >> (leg % 64) & 1 != 0 {
            line.word(format_args!("{word} {leg}"));
        }
    }
}

impl Tree {
    /// Adds a raid segment. Its areas come next, in pairs of metadata and data device.
    pub fn add_raid_target(&self, id: NodeId, size: u64, raid: Raid) -> Result<()> {
        self.push(&self.node(id), size, Kind::Raid(raid))
    }
}
