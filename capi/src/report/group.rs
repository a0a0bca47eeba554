//! `dm_report_group_*`.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::rc::Rc;

use libdevmapper::log_error;
use libdevmapper::report::{Group, GroupKind};

use super::{LogLines, dm_report};
use crate::entry::one_zero;

/// A group. One of an unknown type exists, but nothing can be pushed.
pub struct dm_report_group {
    group: Option<RefCell<Group<'static>>>,
}

/// Lets `run` use a group.
///
/// # Safety
/// `group` is NULL or a group.
unsafe fn with_group(
    group: *mut dm_report_group,
    run: impl FnOnce(&mut Group<'static>) -> Result<(), libdevmapper::Error>,
) -> c_int {
    // SAFETY: by contract.
    let Some(group) = (unsafe { group.as_ref() }) else {
        return 1;
    };
    let Some(group) = &group.group else {
        log_error!("dm_report: unknown type of report group");
        return 0;
    };
    match group.try_borrow_mut() {
        Ok(mut group) => one_zero(run(&mut group)),
        Err(_) => {
            log_error!("Internal error: report group is in use.");
            0
        }
    }
}

c_api! {
    /// Makes a group of type 0 (single), 1 (basic), 2 (JSON) or 3 (standard JSON).
    fn dm_report_group_create(type_: c_uint, _data: *mut c_void) -> *mut dm_report_group {
        let kind = match type_ {
            0 => Some(GroupKind::Single),
            1 => Some(GroupKind::Basic),
            2 => Some(GroupKind::Json),
            3 => Some(GroupKind::JsonStd),
            _ => None,
        };
        let group = match kind.map(|kind| Group::new(kind, Rc::new(LogLines::default()))) {
            Some(Err(_)) => return std::ptr::null_mut(),
            Some(Ok(group)) => Some(RefCell::new(group)),
            None => None,
        };
        Box::into_raw(Box::new(dm_report_group { group }))
    }

    /// Puts a report, or for NULL a group inside, on top of the stack. `data` is its name, or NULL.
    fn dm_report_group_push(group: *mut dm_report_group, report: *mut dm_report, data: *mut c_void) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe {
            let name = crate::entry::bytes(data.cast::<c_char>());
            let report = report.as_ref().map(|report| report.shared());
            with_group(group, |group| group.push(report, name))
        }
    }

    /// Takes the top element off the stack.
    fn dm_report_group_pop(group: *mut dm_report_group) -> c_int {
        // SAFETY: the client's argument.
        unsafe { with_group(group, Group::pop) }
    }

    /// Prints the reports from the top of the stack and pops everything.
    fn dm_report_group_output_and_pop_all(group: *mut dm_report_group) -> c_int {
        // SAFETY: the client's argument.
        unsafe {
            if group.as_ref().is_some_and(|group| group.group.is_none()) {
                return 1;
            }
            with_group(group, Group::output_and_pop_all)
        }
    }

    /// Prints, pops everything and frees the group.
    fn dm_report_group_destroy(group: *mut dm_report_group) -> c_int {
        if group.is_null() {
            return 1;
        }
        // SAFETY: a group that nobody uses any more; it came from `Box::into_raw`.
        unsafe {
            let result = dm_report_group_output_and_pop_all(group);
            drop(Box::from_raw(group));
            result
        }
    }
}
