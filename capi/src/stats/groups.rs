//! Groups of regions.

use std::ffi::{c_char, c_int};

use super::{change, dm_stats, store};
use crate::entry::{bytes, one_zero};

c_api! {
    /// Makes a group of the regions of a list such as `0-1,4`.
    fn dm_stats_create_group(
        dms: *mut dm_stats, members: *const c_char, alias: *const c_char, group_id: *mut u64,
    ) -> c_int {
        // SAFETY: the caller passes a handle, a C string, NULL or a C string, and NULL or a place for the id.
        unsafe {
            let (Some(dms), Some(members), alias) = (change(dms), bytes(members), bytes(alias)) else { return 0 };
            // An empty alias is none.
            match dms.stats.create_group(members, alias.filter(|a| !a.is_empty())) {
                Ok(id) => {
                    store(group_id, Some(id));
                    1
                }
                Err(_) => 0,
            }
        }
    }

    /// Ends a group, and with `remove` deletes its regions.
    fn dm_stats_delete_group(dms: *mut dm_stats, group_id: u64, remove: c_int) -> c_int {
        // SAFETY: the caller passes a handle.
        let Some(dms) = (unsafe { change(dms) }) else { return 0 };
        one_zero(dms.stats.delete_group(group_id, remove != 0))
    }

    /// Gives a group another alias.
    fn dm_stats_set_alias(dms: *mut dm_stats, group_id: u64, alias: *const c_char) -> c_int {
        // SAFETY: the caller passes a handle and a C string.
        let (Some(dms), Some(alias)) = (unsafe { (change(dms), bytes(alias)) }) else { return 0 };
        one_zero(dms.stats.set_alias(group_id, alias))
    }
}
