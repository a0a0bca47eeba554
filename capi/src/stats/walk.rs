//! The cursor of a handle.

use std::ffi::{c_int, c_uint};

use libdevmapper::log_error;

use super::select::{AREA, GROUP, NONE, REGION, SKIP_SINGLE_AREA};
use super::stats::{Region, Scope, Walk};
use super::{change, dm_stats, read};

/// `enum dm_stats_obj_type_e`
const OBJECT_NONE: c_uint = 0;

impl dm_stats {
    /// The type of what ids mean. Regions behind the last one are nothing; those that are missing between others are not
    /// told apart.
    fn object_type(&self, region: u64, area: u64) -> c_uint {
        let last = self.stats.regions().last().map(Region::id);
        match self.scope(region, area) {
            None => OBJECT_NONE,
            Some(Scope::Area { region, .. } | Scope::Region(region)) if last.is_none_or(|last| region > last) => {
                OBJECT_NONE
            }
            Some(Scope::Area { .. }) => 1,
            Some(Scope::Region(_)) => 2,
            Some(Scope::Group(_) | Scope::GroupArea { .. }) => 3,
        }
    }
}

c_api! {
    /// Says what walks visit.
    fn dm_stats_walk_init(dms: *mut dm_stats, flags: u64) -> c_int {
        // SAFETY: the caller passes NULL or a handle.
        let Some(dms) = (unsafe { change(dms) }) else { return 0 };
        if flags & !(AREA | REGION | GROUP | SKIP_SINGLE_AREA) != 0 {
            log_error!("Unknown value in walk flags: 0x{flags:x}");
            return 0;
        }
        dms.stats.walk_init(Walk {
            areas: flags & AREA != 0,
            regions: flags & REGION != 0,
            groups: flags & GROUP != 0,
            skip_single_area: flags & SKIP_SINGLE_AREA != 0,
        });
        1
    }

    /// Goes to the first object.
    fn dm_stats_walk_start(dms: *mut dm_stats) -> () {
        // SAFETY: the caller passes NULL or a handle.
        if let Some(dms) = unsafe { change(dms) } {
            dms.stats.walk_start();
        }
    }

    /// Goes to the next object.
    fn dm_stats_walk_next(dms: *mut dm_stats) -> () {
        // SAFETY: the caller passes NULL or a handle.
        if let Some(dms) = unsafe { change(dms) } {
            dms.stats.walk_next();
        }
    }

    /// Goes to the next region as a whole.
    fn dm_stats_walk_next_region(dms: *mut dm_stats) -> () {
        // SAFETY: the caller passes NULL or a handle.
        if let Some(dms) = unsafe { change(dms) } {
            dms.stats.walk_next_region();
        }
    }

    /// Whether the walk is at its end.
    fn dm_stats_walk_end(dms: *mut dm_stats) -> c_int {
        // SAFETY: the caller passes NULL or a handle.
        c_int::from(unsafe { read(dms) }.is_none_or(|d| d.stats.position().is_none()))
    }

    /// The type of what ids mean: 0 nothing, 1 area, 2 region, 3 group.
    fn dm_stats_object_type(dms: *const dm_stats, region_id: u64, area_id: u64) -> c_uint {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(OBJECT_NONE, |d| d.object_type(region_id, area_id))
    }

    /// The type of what the cursor is at.
    fn dm_stats_current_object_type(dms: *const dm_stats) -> c_uint {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(OBJECT_NONE, |d| d.object_type(NONE, NONE))
    }

    /// The region id at the cursor; the group flag at a group.
    fn dm_stats_get_current_region(dms: *const dm_stats) -> u64 {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(NONE, dm_stats::current_region)
    }

    /// The area id at the cursor; 0 at a region as a whole and at a group.
    fn dm_stats_get_current_area(dms: *const dm_stats) -> u64 {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(NONE, dm_stats::current_area) & !(AREA | REGION | GROUP)
    }
}
