//! What regions, areas and groups are like.

use std::ffi::{c_char, c_int};

use super::select::{GROUP, NONE, REGION};
use super::stats::{Region, Scope};
use super::{dm_stats, read, store};

impl dm_stats {
    /// Number of areas of a region; a group counts as one.
    fn nr_areas(&self, region: u64) -> u64 {
        match self.region_scope(region) {
            Some(Scope::Group(id)) if self.stats.group(id).is_some() => 1,
            _ => self.region(region).map_or(0, Region::areas),
        }
    }

    /// Length of the areas of a region; a group, and a region with the flag for all of it, are one area. The cursor at a
    /// whole region has no such flag: reports show the length of its areas there.
    fn area_len(&self, region: u64) -> Option<u64> {
        let flagged = region != NONE && region & REGION != 0;
        let scope = match self.region_scope(region)? {
            Scope::Region(region) if !flagged => Scope::Area { region, area: 0 },
            whole => whole,
        };
        self.stats.area_len(scope)
    }

    fn program_id(&self, region: u64) -> &[u8] {
        match self.region_scope(region) {
            Some(Scope::Group(_)) => self.stats.program_id(),
            _ => self.region(region).map_or(&b""[..], Region::program_id),
        }
    }

    fn aux(&self, region: u64) -> &[u8] {
        self.region(region).map_or(&b""[..], Region::aux)
    }

    fn precise(&self, region: u64) -> bool {
        let region = match self.region_scope(region) {
            Some(Scope::Region(id) | Scope::Group(id)) => self.stats.region(id),
            _ => None,
        };
        region.is_some_and(Region::precise)
    }
}

c_api! {
    /// Number of regions.
    fn dm_stats_get_nr_regions(dms: *const dm_stats) -> u64 {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(0, |d| d.stats.regions().len() as u64)
    }

    /// Number of groups.
    fn dm_stats_get_nr_groups(dms: *const dm_stats) -> u64 {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(0, |d| d.stats.groups().len() as u64)
    }

    /// Whether a region is there.
    fn dm_stats_region_present(dms: *const dm_stats, region_id: u64) -> c_int {
        // SAFETY: the caller passes a handle.
        c_int::from(unsafe { read(dms) }.is_some_and(|d| d.region(region_id).is_some()))
    }

    /// Whether a group is there.
    fn dm_stats_group_present(dms: *const dm_stats, group_id: u64) -> c_int {
        // SAFETY: the caller passes a handle.
        let Some(dms) = (unsafe { read(dms) }) else { return 0 };
        match dms.region_scope(group_id) {
            Some(Scope::Region(id) | Scope::Group(id)) => c_int::from(dms.stats.group(id).is_some()),
            _ => 0,
        }
    }

    /// Number of areas of a region.
    fn dm_stats_get_region_nr_areas(dms: *const dm_stats, region_id: u64) -> u64 {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(0, |d| d.nr_areas(region_id))
    }

    /// Number of areas of the region at the cursor.
    fn dm_stats_get_current_nr_areas(dms: *const dm_stats) -> u64 {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(0, |d| d.nr_areas(NONE))
    }

    /// Number of areas of all regions.
    fn dm_stats_get_nr_areas(dms: *const dm_stats) -> u64 {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(0, |d| d.stats.regions().fold(0, |sum: u64, r| sum.saturating_add(r.areas())))
    }

    /// Bins of a region's histogram; 0 without one.
    fn dm_stats_get_region_nr_histogram_bins(dms: *const dm_stats, region_id: u64) -> c_int {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.and_then(|d| d.region(region_id)).map_or(0, |r| r.bins() as c_int)
    }

    /// Whether a region keeps times in nanoseconds; a group as its first region.
    fn dm_stats_get_region_precise_timestamps(dms: *const dm_stats, region_id: u64) -> c_int {
        // SAFETY: the caller passes a handle.
        c_int::from(unsafe { read(dms) }.is_some_and(|d| d.precise(region_id)))
    }

    /// The same of the region at the cursor.
    fn dm_stats_get_current_region_precise_timestamps(dms: *const dm_stats) -> c_int {
        // SAFETY: the caller passes a handle.
        c_int::from(unsafe { read(dms) }.is_some_and(|d| d.precise(NONE)))
    }

    /// First sector of a region.
    fn dm_stats_get_region_start(dms: *const dm_stats, start: *mut u64, region_id: u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { store(start, read(dms).and_then(|d| d.stats.start(d.region_scope(region_id)?))) }
    }

    /// Length of a region, or of all members of a group.
    fn dm_stats_get_region_len(dms: *const dm_stats, len: *mut u64, region_id: u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { store(len, read(dms).and_then(|d| d.stats.region_len(d.region_scope(region_id)?))) }
    }

    /// Length of a region's areas; a group is one area.
    fn dm_stats_get_region_area_len(dms: *const dm_stats, len: *mut u64, region_id: u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { store(len, read(dms).and_then(|d| d.area_len(region_id))) }
    }

    /// First sector of an area.
    fn dm_stats_get_area_start(dms: *const dm_stats, start: *mut u64, region_id: u64, area_id: u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { store(start, read(dms).and_then(|d| d.stats.start(d.scope(region_id, area_id)?))) }
    }

    /// First sector of an area, from its region's start on.
    fn dm_stats_get_area_offset(dms: *const dm_stats, offset: *mut u64, region_id: u64, area_id: u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { store(offset, read(dms).and_then(|d| d.stats.offset(d.scope(region_id, area_id)?))) }
    }

    /// First sector of the region at the cursor.
    fn dm_stats_get_current_region_start(dms: *const dm_stats, start: *mut u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { dm_stats_get_region_start(dms, start, NONE) }
    }

    /// Length of the region at the cursor.
    fn dm_stats_get_current_region_len(dms: *const dm_stats, len: *mut u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { dm_stats_get_region_len(dms, len, NONE) }
    }

    /// Length of the areas of the region at the cursor.
    fn dm_stats_get_current_region_area_len(dms: *const dm_stats, area_len: *mut u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { dm_stats_get_region_area_len(dms, area_len, NONE) }
    }

    /// First sector of the area at the cursor.
    fn dm_stats_get_current_area_start(dms: *const dm_stats, start: *mut u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { dm_stats_get_area_start(dms, start, NONE, NONE) }
    }

    /// First sector of the area at the cursor, from its region's start on.
    fn dm_stats_get_current_area_offset(dms: *const dm_stats, offset: *mut u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { dm_stats_get_area_offset(dms, offset, NONE, NONE) }
    }

    /// Length of the area at the cursor.
    fn dm_stats_get_current_area_len(dms: *const dm_stats, start: *mut u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { dm_stats_get_region_area_len(dms, start, NONE) }
    }

    /// Who made a region; of a group the handle's program id. Never NULL.
    fn dm_stats_get_region_program_id(dms: *const dm_stats, region_id: u64) -> *const c_char {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(c"".as_ptr(), |d| d.kept.string(d.program_id(region_id)))
    }

    /// The user's aux data of a region; empty of a group. Never NULL.
    fn dm_stats_get_region_aux_data(dms: *const dm_stats, region_id: u64) -> *const c_char {
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(c"".as_ptr(), |d| d.kept.string(d.aux(region_id)))
    }

    /// Who made the region at the cursor.
    fn dm_stats_get_current_region_program_id(dms: *const dm_stats) -> *const c_char {
        // SAFETY: the caller passes a handle.
        unsafe { dm_stats_get_region_program_id(dms, NONE) }
    }

    /// The user's aux data of the region at the cursor.
    fn dm_stats_get_current_region_aux_data(dms: *const dm_stats) -> *const c_char {
        // SAFETY: the caller passes a handle.
        unsafe { dm_stats_get_region_aux_data(dms, NONE) }
    }

    /// The group of a region; all ones if it is in none. Of a group its own id.
    fn dm_stats_get_group_id(dms: *const dm_stats, region_id: u64) -> u64 {
        // SAFETY: the caller passes a handle.
        let Some(dms) = (unsafe { read(dms) }) else { return NONE };
        match dms.region_scope(region_id) {
            Some(Scope::Group(group)) => group,
            _ => dms.region(region_id).and_then(Region::group).unwrap_or(NONE),
        }
    }

    /// The alias of the group of a region, or else the device's name; NULL before that is known.
    fn dm_stats_get_alias(dms: *const dm_stats, id: u64) -> *const c_char {
        // SAFETY: the caller passes a handle.
        let Some(dms) = (unsafe { read(dms) }) else { return std::ptr::null() };
        let alias = match dms.region_scope(id) {
            Some(Scope::Region(id) | Scope::Group(id)) => dms.stats.alias(id),
            _ => dms.stats.device_name(),
        };
        alias.map_or(std::ptr::null(), |a| dms.kept.string(a))
    }

    /// The members of a group as a list; the handle keeps it.
    fn dm_stats_get_group_descriptor(dms: *const dm_stats, group_id: u64, buf: *mut *mut c_char) -> c_int {
        // SAFETY: the caller passes a handle.
        let Some(dms) = (unsafe { read(dms) }) else { return 0 };
        let group = match dms.region_scope(group_id) {
            Some(Scope::Region(id) | Scope::Group(id)) => dms.stats.group(id),
            _ => None,
        };
        let Some(group) = group else {
            libdevmapper::log_error!("Group ID {} does not exist", group_id & !GROUP);
            return 0;
        };
        let text = dms.kept.string(&group.descriptor());
        // SAFETY: the caller passes a place for the result.
        unsafe { store(buf, (!text.is_null()).then_some(text)) }
    }
}
