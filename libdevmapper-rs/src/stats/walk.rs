//! The cursor: a walk over areas, regions and groups.

use super::Stats;

/// What a walk visits: first all areas, then all regions as a whole, then all groups, each in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Visit areas.
    pub areas: bool,
    /// Visit regions as a whole.
    pub regions: bool,
    /// Visit groups.
    pub groups: bool,
    /// Leave regions of only one area out where regions are visited as a whole.
    pub skip_single_area: bool,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            areas: true,
            regions: true,
            groups: false,
            skip_single_area: false,
        }
    }
}

/// What values are asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// An area of a region.
    Area {
        /// Region id.
        region: u64,
        /// Number of the area in it.
        area: u64,
    },
    /// A region as a whole.
    Region(u64),
    /// A group as a whole.
    Group(u64),
    /// The areas of this number in the members of a group.
    GroupArea {
        /// Group id.
        group: u64,
        /// Number of the area in each member.
        area: u64,
    },
}

/// State of the walk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    walk: Walk,
    /// Areas are left out until the next start.
    areas_over: bool,
    at: Option<Scope>,
}

impl Cursor {
    /// Leaves the place, since the tables that it was in are gone.
    pub(super) fn leave(&mut self) {
        self.at = None;
    }
}

impl Stats {
    /// Says what walks visit from now on.
    pub fn walk_init(&mut self, walk: Walk) {
        self.cursor = Cursor {
            walk,
            ..Cursor::default()
        };
    }

    /// Goes to the first object, or to the end if there is none.
    pub fn walk_start(&mut self) {
        self.cursor.areas_over = false;
        self.cursor.at = self
            .first_area(0)
            .or_else(|| self.first_region(0))
            .or_else(|| self.first_group(0));
    }

    /// Goes to the next object, or to the end.
    pub fn walk_next(&mut self) {
        self.cursor.at = match self.cursor.at {
            Some(Scope::Area { region, area }) => self
                .next_area(region, area)
                .or_else(|| self.first_region(0))
                .or_else(|| self.first_group(0)),
            other => self.after(other),
        };
    }

    /// Goes to the next region as a whole, or to the first group, or to the end. Areas are not visited any more.
    pub fn walk_next_region(&mut self) {
        self.cursor.areas_over = true;
        self.cursor.at = self.after(self.cursor.at);
    }

    /// Where the walk is; `None` at the end, and when it was not started.
    #[must_use]
    pub fn position(&self) -> Option<Scope> {
        self.cursor.at
    }

    /// What follows in the walk of regions and groups.
    fn after(&self, at: Option<Scope>) -> Option<Scope> {
        let next = |id: u64| id.checked_add(1);
        match at? {
            Scope::Area { region, .. } | Scope::Region(region) => next(region)
                .and_then(|id| self.first_region(id))
                .or_else(|| self.first_group(0)),
            Scope::Group(group) | Scope::GroupArea { group, .. } => next(group).and_then(|id| self.first_group(id)),
        }
    }

    /// The area after this one.
    fn next_area(&self, region: u64, area: u64) -> Option<Scope> {
        let next = area.checked_add(1)?;
        if self.region(region).is_some_and(|r| next < r.areas()) {
            return Some(Scope::Area { region, area: next });
        }
        self.first_area(region.checked_add(1)?)
    }

    /// The first area of the first region from this id on.
    fn first_area(&self, from: u64) -> Option<Scope> {
        if !self.cursor.walk.areas || self.cursor.areas_over {
            return None;
        }
        let (&region, _) = self.table.as_ref()?.regions.range(from..).next()?;
        Some(Scope::Area { region, area: 0 })
    }

    /// The first region from this id on.
    fn first_region(&self, from: u64) -> Option<Scope> {
        if !self.cursor.walk.regions {
            return None;
        }
        let mut regions = self.table.as_ref()?.regions.range(from..);
        let skip = self.cursor.walk.skip_single_area;
        regions
            .find(|(_, r)| !skip || r.areas() > 1)
            .map(|(&id, _)| Scope::Region(id))
    }

    /// The first group from this id on.
    fn first_group(&self, from: u64) -> Option<Scope> {
        if !self.cursor.walk.groups {
            return None;
        }
        let (&id, _) = self.table.as_ref()?.groups.range(from..).next()?;
        Some(Scope::Group(id))
    }
}
