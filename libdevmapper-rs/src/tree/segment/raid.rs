//! raid.

use super::{Area, Kind, Line, Segment, Surroundings, refuse};
use crate::error::Result;
pub use crate::table::RaidType;
use crate::table::{self, Device, RaidLeg, RaidOption};
use crate::tree::{NodeId, Tree};

/// Names in the API that the table does not have.
const ALIASES: [(&str, RaidType); 4] = [
    ("raid0_meta", RaidType::Raid0),
    ("raid5", RaidType::Raid5Ls),
    ("raid6", RaidType::Raid6Zr),
    ("raid10_near", RaidType::Raid10),
];

impl RaidType {
    /// The type of a name of the C library; aliases are taken.
    ///
    /// # Errors
    /// There is no such type, or only in a status; logged.
    pub fn from_name(name: &[u8]) -> Result<Self> {
        let alias = ALIASES.iter().find(|(known, _)| known.as_bytes() == name);
        match alias.map(|(_, known)| *known).or_else(|| Self::from_word(name)) {
            Some(known) if !matches!(known, Self::Raid10Far | Self::Raid10Offset) => Ok(known),
            _ => refuse(format_args!("Unsupported raid type {}.", bstr::BStr::new(name))),
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
        self.raid_type == RaidType::Raid10
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
        if self.raid_type == RaidType::Raid1 && self.stripe_size != 0 {
            crate::log_info!("WARNING: Ignoring RAID1 stripe size");
        }
        use RaidOption as Is;
        let mut options = Vec::new();
        let sync = match (self.flags.nosync, self.flags.forcesync) {
            (true, _) => Some(Is::NoSync),
            (false, true) => Some(Is::Sync),
            (false, false) => None,
        };
        let copies = Some(self.data_copies).filter(|copies| self.is_raid10() && *copies > 1);
        let copies = copies.map(Is::Raid10Copies);
        let region_size = set(self.region_size).map(Is::RegionSize);
        let offset = set(self.data_offset).map(|offset| if offset == 1 { 0 } else { offset.into() });
        let offset = offset.map(Is::DataOffset);
        let delta = set(self.delta_disks).map(Is::DeltaDisks);
        let rebuilds = mask(&self.rebuilds, legs).map(Is::Rebuild);
        let write_mostly = mask(&self.write_mostly, legs).map(Is::WriteMostly);
        let write_behind = set(self.write_behind).map(Is::MaxWriteBehind);
        let min_rate = set(self.min_recovery_rate).map(Is::MinRecoveryRate);
        let max_rate = set(self.max_recovery_rate).map(Is::MaxRecoveryRate);
        // Raid target 1.9 and 1.10 want this order, all others take any.
        if ([1, 9, 0]..[1, 11, 0]).contains(&version) {
            options.extend([copies, sync, region_size, offset, delta].into_iter().flatten());
            options.extend(rebuilds.chain(write_mostly));
            options.extend([write_behind, max_rate, min_rate].into_iter().flatten());
        } else {
            options.extend(sync.into_iter().chain(rebuilds).chain(min_rate).chain(max_rate));
            options.extend(write_mostly.chain(write_behind));
            options.extend([region_size, copies, delta, offset].into_iter().flatten());
        }
        let devices: Vec<_> = segment
            .areas
            .iter()
            .map(|area| match area {
                Area::Device(id, _) => around.number(*id).map(|number| Some(number.into())),
                Area::Null => Ok(None),
            })
            .collect::<Result<_>>()?;
        let (pairs, _) = devices.as_chunks::<2>();
        Ok(Line::of(&table::Raid {
            raid_type: self.raid_type,
            chunk: self.stripe_size,
            options,
            legs: pairs
                .iter()
                .map(|[metadata, data]: &[Option<Device>; 2]| RaidLeg {
                    metadata: metadata.clone(),
                    data: data.clone(),
                })
                .collect(),
        }))
    }
}

/// A setting that is not left to the kernel.
fn set<T: PartialEq + Default>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

/// The legs of a mask.
fn mask(mask: &[u64; 4], legs: usize) -> impl Iterator<Item = u32> {
    let legs = u32::try_from(legs).unwrap_or(u32::MAX);
    let bits = (0u32..).zip(mask).flat_map(|(index, word)| {
        let bits = (0..u64::BITS).filter(move |bit| word >> bit & 1 != 0);
        bits.map(move |bit| index * u64::BITS + bit)
    });
    bits.take_while(move |leg| *leg < legs)
}

impl Tree {
    /// Adds a raid segment. Its areas come next, in pairs of metadata and data device.
    pub fn add_raid_target(&self, id: NodeId, size: u64, raid: Raid) -> Result<()> {
        self.push(&self.node(id), size, Kind::Raid(raid))
    }
}
