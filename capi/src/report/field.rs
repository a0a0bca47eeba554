//! Values of fields: the client's report functions and the setters that they call.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use libdevmapper::report::{Kind, RowSource, SortValue, SourceError, Value, ValueError};
use libdevmapper::{log_error, log_warn};

use super::dm_report;
use super::types::Definitions;
use crate::list::{dm_list, dm_str_list};
use crate::pool::dm_pool;

/// The value that a report function sets. Lives during the call of the function only.
pub struct dm_report_field {
    value: *mut Value<'static>,
    kind: Kind,
    /// What dm_report_field_set_value gave; read when the function has returned.
    custom: Cell<Option<(*const c_void, *const c_void)>>,
}

/// A row of a C program.
pub(super) struct Source<'r> {
    pub(super) definitions: &'r Definitions,
    pub(super) report: *mut dm_report,
    pub(super) pool: *mut dm_pool,
    pub(super) object: *mut c_void,
    pub(super) private: *mut c_void,
}

impl RowSource for Source<'_> {
    fn value(&mut self, index: usize, value: &mut Value<'_>) -> Result<(), SourceError> {
        let definition = &self.definitions.fields[index];
        if self.object.is_null() {
            log_error!("Internal error: _report_get_field_data: missing object.");
            return Err(SourceError::NoData);
        }
        let data_fn = self.definitions.type_of_field[index].and_then(|t| self.definitions.types[t].data_fn);
        let Some(data_fn) = data_fn else {
            return Err(SourceError::NoData);
        };
        // SAFETY: the client's function for the objects of its report.
        let data = unsafe { data_fn(self.object) };
        if data.is_null() {
            return Err(SourceError::NoData);
        }
        let Some(report_fn) = definition.report_fn else {
            return Err(SourceError::Failed);
        };
        let field = dm_report_field {
            value: ptr::from_mut(value).cast(),
            kind: value.kind(),
            custom: Cell::new(None),
        };
        // SAFETY: the client's function; offsets of its fields are within its data. The setters that it calls use
        // `value`, which nobody else uses meanwhile.
        let done = unsafe {
            report_fn(
                self.report,
                self.pool,
                ptr::from_ref(&field).cast_mut(),
                data.byte_add(definition.offset as usize),
                self.private,
            )
        };
        if done == 0 {
            return Err(SourceError::Failed);
        }
        if let Some((text, sort)) = field.custom.get() {
            // SAFETY: the client's promise for dm_report_field_set_value.
            unsafe { set_custom(value, text, sort) }?;
        }
        Ok(())
    }
}

/// Copies a value that the client made.
///
/// # Safety
/// `text` is a C string, `sort` leads to what the kind of the field wants or equals `text`.
unsafe fn set_custom(value: &mut Value<'_>, text: *const c_void, sort: *const c_void) -> Result<(), ValueError> {
    // SAFETY: by contract.
    let shown = unsafe { crate::entry::bytes(text.cast()) }.unwrap_or_default();
    if sort == text || sort.is_null() {
        return value.text(shown);
    }
    // SAFETY: by contract.
    let sort = unsafe {
        match value.kind() {
            Kind::Number | Kind::Percent => SortValue::Number(sort.cast::<u64>().read_unaligned()),
            Kind::Size => SortValue::Size(sort.cast::<f64>().read_unaligned()),
            Kind::Time => SortValue::Number(sort.cast::<i64>().read_unaligned().cast_unsigned()),
            Kind::String => SortValue::Text(CStr::from_ptr(sort.cast()).to_bytes()),
            // Nobody can make the sort value of a list; an unknown kind is only shown.
            Kind::StringList | Kind::None => return value.text(shown),
        }
    };
    value.text_sorted_by(shown, sort)
}

/// Lets `set` write the value of a field.
///
/// # Safety
/// `field` is the argument of a report function that has not returned.
unsafe fn with_value(
    field: *mut dm_report_field,
    name: &str,
    set: impl FnOnce(&mut Value<'_>) -> Result<(), ValueError>,
) -> c_int {
    if field.is_null() {
        log_error!("Internal error: {name}: missing field.");
        return 0;
    }
    // SAFETY: the field lives during the report function, which has the value for itself.
    let value = unsafe {
        (*field).custom.set(None);
        &mut *(*field).value
    };
    match set(value) {
        Ok(()) => 1,
        Err(error) => {
            log_error!("{name}: {error}.");
            0
        }
    }
}

/// The number at `data`; 0 is logged for NULL.
///
/// # Safety
/// `data` is NULL or leads to a `T`.
unsafe fn number<T: Copy>(data: *const T, name: &str) -> Option<T> {
    if data.is_null() {
        log_error!("Internal error: {name}: missing data.");
        return None;
    }
    // SAFETY: by contract. Fields of packed structures may be anywhere.
    Some(unsafe { data.read_unaligned() })
}

/// The strings of a list.
///
/// # Safety
/// `list` is the head of a list of `dm_str_list` that stays unchanged for `'a`.
unsafe fn strings<'a>(list: *const dm_list) -> impl Iterator<Item = &'a [u8]> {
    // SAFETY: by contract, for all of these.
    let mut link = unsafe { (*list).n.cast_const() };
    std::iter::from_fn(move || {
        if link == list {
            return None;
        }
        // SAFETY: as above.
        unsafe {
            let item = link.cast::<dm_str_list>();
            link = (*link).n;
            Some(crate::entry::bytes((*item).str).unwrap_or_default())
        }
    })
}

/// Sets a list.
///
/// # Safety
/// As for the setters.
unsafe fn set_list(
    field: *mut dm_report_field,
    list: *const dm_list,
    delimiter: *const c_char,
    sorted: bool,
    name: &str,
) -> c_int {
    if list.is_null() {
        log_error!("Internal error: {name}: missing list.");
        return 0;
    }
    // SAFETY: the client's arguments, as libdevmapper.h says.
    unsafe {
        let delimiter = crate::entry::bytes(delimiter).unwrap_or(b",");
        with_value(field, name, |value| value.list(strings(list), delimiter, sorted))
    }
}

c_api! {
    /// Sets a text.
    fn dm_report_field_string(_rh: *mut dm_report, field: *mut dm_report_field, data: *const *const c_char) -> c_int {
        let name = "dm_report_field_string";
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe {
            let Some(text) = number(data, name).and_then(|text| crate::entry::bytes(text)) else {
                log_error!("{name}: missing string.");
                return 0;
            };
            with_value(field, name, |value| value.text(text))
        }
    }

    /// Sets a list of texts, sorted.
    fn dm_report_field_string_list(_rh: *mut dm_report, field: *mut dm_report_field, data: *const dm_list, delimiter: *const c_char) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe { set_list(field, data, delimiter, true, "dm_report_field_string_list") }
    }

    /// Sets a list of texts in its own order.
    fn dm_report_field_string_list_unsorted(_rh: *mut dm_report, field: *mut dm_report_field, data: *const dm_list, delimiter: *const c_char) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe { set_list(field, data, delimiter, false, "dm_report_field_string_list_unsorted") }
    }

    /// Sets a signed number.
    fn dm_report_field_int32(_rh: *mut dm_report, field: *mut dm_report_field, data: *const i32) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe { set_signed(field, data, "dm_report_field_int32") }
    }

    /// Sets a signed number.
    fn dm_report_field_int(_rh: *mut dm_report, field: *mut dm_report_field, data: *const c_int) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe { set_signed(field, data, "dm_report_field_int") }
    }

    /// Sets an unsigned number.
    fn dm_report_field_uint32(_rh: *mut dm_report, field: *mut dm_report_field, data: *const u32) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe { set_unsigned(field, number(data, "dm_report_field_uint32").map(u64::from), "dm_report_field_uint32") }
    }

    /// Sets an unsigned number.
    fn dm_report_field_uint64(_rh: *mut dm_report, field: *mut dm_report_field, data: *const u64) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe { set_unsigned(field, number(data, "dm_report_field_uint64"), "dm_report_field_uint64") }
    }

    /// Sets a percentage.
    fn dm_report_field_percent(_rh: *mut dm_report, field: *mut dm_report_field, data: *const i32) -> c_int {
        let name = "dm_report_field_percent";
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe {
            let Some(percent) = number(data, name) else { return 0 };
            with_value(field, name, |value| value.percent(percent))
        }
    }

    /// Sets a text and a sort value that the client made.
    fn dm_report_field_set_value(field: *mut dm_report_field, value: *const c_void, sortvalue: *const c_void) -> () {
        if field.is_null() {
            log_error!("Internal error: dm_report_field_set_value: missing field.");
            return;
        }
        // SAFETY: the field lives during the report function that calls this.
        let field = unsafe { &*field };
        if field.kind == Kind::Number && (sortvalue.is_null() || sortvalue == value) {
            log_warn!("Internal error: Using string as sort value for numerical field.");
        }
        field.custom.set(Some((value, sortvalue)));
    }
}

/// # Safety
/// As for the setters.
unsafe fn set_signed(field: *mut dm_report_field, data: *const i32, name: &str) -> c_int {
    // SAFETY: by contract.
    unsafe {
        let Some(data) = number(data, name) else { return 0 };
        with_value(field, name, |value| {
            value.signed(i64::from(data));
            Ok(())
        })
    }
}

/// # Safety
/// As for the setters.
unsafe fn set_unsigned(field: *mut dm_report_field, data: Option<u64>, name: &str) -> c_int {
    let Some(data) = data else { return 0 };
    // SAFETY: by contract.
    unsafe {
        with_value(field, name, |value| {
            value.unsigned(data);
            Ok(())
        })
    }
}
