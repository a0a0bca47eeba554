//! Region and area ids of C: numbers, the place of the cursor, and flags for what is added up.

use super::dm_stats;
use super::stats::Scope;

/// `DM_STATS_WALK_AREA`
pub(super) const AREA: u64 = 0x1_0000_0000_0000;
/// `DM_STATS_WALK_REGION`
pub(super) const REGION: u64 = 0x2_0000_0000_0000;
/// `DM_STATS_WALK_GROUP`
pub(super) const GROUP: u64 = 0x4_0000_0000_0000;
/// `DM_STATS_WALK_SKIP_SINGLE_AREA`
pub(super) const SKIP_SINGLE_AREA: u64 = 0x8_0000_0000_0000;
/// All bits of flags.
const FLAGS: u64 = 0xffff_0000_0000_0000;
/// `DM_STATS_REGION_CURRENT`, `DM_STATS_AREA_CURRENT`: the place of the cursor. Also what is not there
/// (`DM_STATS_GROUP_NONE`).
pub(super) const NONE: u64 = u64::MAX;

impl dm_stats {
    /// The region id at the cursor, as C reads it.
    pub(super) fn current_region(&self) -> u64 {
        match self.stats.position() {
            Some(Scope::Area { region, .. } | Scope::Region(region)) => region,
            Some(Scope::Group(_) | Scope::GroupArea { .. }) => GROUP,
            None => NONE,
        }
    }

    /// The area id at the cursor, with flags.
    pub(super) fn current_area(&self) -> u64 {
        match self.stats.position() {
            Some(Scope::Area { area, .. }) => area,
            Some(Scope::Region(_)) => REGION,
            Some(Scope::Group(_) | Scope::GroupArea { .. }) => GROUP,
            None => NONE,
        }
    }

    /// The group that an id with the group flag means. Without a number it is that of the cursor; if that is at no group,
    /// it is group 0, which cannot be written otherwise.
    fn group_of(&self, id: u64) -> u64 {
        match (id & !FLAGS, self.stats.position()) {
            (0, Some(Scope::Group(group))) => group,
            (id, _) => id,
        }
    }

    /// What a region and an area id mean. A group that is not there is read as a region. `None` at the end of a walk.
    pub(super) fn scope(&self, region: u64, area: u64) -> Option<Scope> {
        let region = if region == NONE { self.current_region() } else { region };
        let area = if area == NONE { self.current_area() } else { area };
        if region == NONE || area == NONE {
            return None;
        }
        let whole = area & (REGION | GROUP) != 0;
        let area = area & !FLAGS;
        let region = if region & GROUP == 0 {
            region & !FLAGS
        } else {
            let group = self.group_of(region);
            if self.stats.group(group).is_some() {
                return Some(if whole {
                    Scope::Group(group)
                } else {
                    Scope::GroupArea { group, area }
                });
            }
            group
        };
        Some(if whole {
            Scope::Region(region)
        } else {
            Scope::Area { region, area }
        })
    }

    /// What a region id means as a whole. Groups are such even if they are not there.
    pub(super) fn region_scope(&self, region: u64) -> Option<Scope> {
        let region = if region == NONE { self.current_region() } else { region };
        if region == NONE {
            return None;
        }
        Some(if region & GROUP == 0 {
            Scope::Region(region & !FLAGS)
        } else {
            Scope::Group(self.group_of(region))
        })
    }

    /// The one region that an id means.
    pub(super) fn region(&self, region: u64) -> Option<&libdevmapper::stats::Region> {
        match self.region_scope(region)? {
            Scope::Region(id) => self.stats.region(id),
            _ => None,
        }
    }
}
