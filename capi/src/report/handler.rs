//! Reserved values that the client's functions compute.

use std::cell::OnceCell;
use std::ffi::{CString, c_int, c_uint, c_void};
use std::ptr;

use libdevmapper::report::{HandlerError, Kind, ReservedHandler, ReservedValue};

use super::dm_report;
use super::types::{dm_report_reserved_value, handler_of, is_range, read_value};
use crate::pool::{self, dm_pool};

/// The client's function: report, pool, index of the field, action, input, output.
type handler_fn =
    unsafe extern "C" fn(*mut dm_report, *mut dm_pool, u32, c_uint, *const c_void, *mut *const c_void) -> c_int;

const PARSE_FUZZY_NAME: c_uint = 0;
const GET_DYNAMIC_VALUE: c_uint = 1;

/// Calls the functions of a report's reserved values.
pub(super) struct Handler<'h> {
    pub(super) report: *mut dm_report,
    /// Made when it is first needed.
    pub(super) pool: &'h OnceCell<*mut dm_pool>,
    pub(super) entries: &'static [dm_report_reserved_value],
    /// What PARSE_FUZZY_NAME answered last.
    pub(super) canonical: *const c_void,
}

impl Handler<'_> {
    fn call(
        &self,
        entry: &dm_report_reserved_value,
        field: usize,
        action: c_uint,
        input: *const c_void,
    ) -> Result<*const c_void, HandlerError> {
        let function = handler_of(entry);
        if function.is_null() {
            return Err(HandlerError::NotImplemented);
        }
        let pool = *self.pool.get_or_init(|| pool::create_static(c"report selection", 1024));
        let mut output = ptr::null();
        let field = u32::try_from(field).unwrap_or(u32::MAX);
        // SAFETY: entries with these flags hold a function of this type; the input is what the action wants.
        let result = unsafe {
            let function = std::mem::transmute::<*const c_void, handler_fn>(function);
            function(self.report, pool, field, action, input, &raw mut output)
        };
        match result {
            1.. => Ok(output),
            -1 => Err(HandlerError::NotImplemented),
            _ => Err(HandlerError::Failed),
        }
    }
}

impl ReservedHandler for Handler<'_> {
    fn recognise(&mut self, entry: usize, field: usize, name: &[u8]) -> Result<bool, HandlerError> {
        let name = CString::new(name).unwrap_or_default();
        let found = self.call(&self.entries[entry], field, PARSE_FUZZY_NAME, name.as_ptr().cast())?;
        self.canonical = found;
        Ok(!found.is_null())
    }

    fn value(
        &mut self,
        entry: usize,
        field: usize,
        kind: Kind,
        name: Option<usize>,
    ) -> Result<ReservedValue, HandlerError> {
        let entry = &self.entries[entry];
        let name = match name {
            // SAFETY: `name` is an index of the entry's names.
            Some(name) => unsafe { (*entry.names.add(name)).cast() },
            None => self.canonical,
        };
        let value = self.call(entry, field, GET_DYNAMIC_VALUE, name)?;
        // SAFETY: the function gives what the kind of the field and the flags of the entry want.
        unsafe { read_value(value, kind, is_range(entry)) }.ok_or(HandlerError::Failed)
    }
}
