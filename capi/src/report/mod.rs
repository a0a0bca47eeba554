//! `dm_report_*`.

mod field;
mod group;
mod handler;
mod types;

pub use field::*;
pub use group::*;
pub use types::{
    dm_report_field_reserved_value, dm_report_field_type, dm_report_object_type, dm_report_reserved_value, report_fn,
};

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::rc::Rc;

use libdevmapper::log_error;
use libdevmapper::report::{Flags, Printer, Report, SelectionSetup, Setup, SharedReport};

use crate::entry::one_zero;
use crate::pool::{self, dm_pool};
use field::Source;
use handler::Handler;
use types::Definitions;

/// A report. Report functions of the client call back into the library with it, so everything is behind cells.
pub struct dm_report {
    definitions: Definitions,
    /// What report functions allocate from; released when no rows are left.
    pool: *mut dm_pool,
    /// The first object in `pool` since it was empty.
    mark: Cell<*mut c_void>,
    /// What the functions of reserved values allocate from.
    selection_pool: OnceCell<*mut dm_pool>,
    reserved: Cell<&'static [dm_report_reserved_value]>,
    private: *mut c_void,
    cache: RefCell<HashMap<Vec<u8>, *const c_void>>,
    engine: OnceCell<SharedReport<'static>>,
}

/// Sends lines to the client's log function, without a detour through formatting.
#[derive(Default)]
struct LogLines {
    buffer: Cell<Vec<u8>>,
}

impl LogLines {
    fn send(&self, level: c_int, line: &[u8]) {
        // A log function may print reports of its own: those find the buffer taken and use another.
        let mut buffer = self.buffer.take();
        buffer.clear();
        buffer.extend_from_slice(line);
        buffer.push(0);
        // SAFETY: the static always holds a function; it gets one C string for the one conversion.
        unsafe {
            let log = (&raw const crate::log::dm_log_with_errno).read_volatile();
            let file = const { libdevmapper::log::source_file(concat!(file!(), "\0")) };
            log(level, file.as_ptr(), 0, 0, c"%s".as_ptr(), buffer.as_ptr());
        }
        self.buffer.set(buffer);
    }
}

impl Printer for LogLines {
    fn print(&self, line: &[u8]) {
        self.send(libdevmapper::log::Level::Warning as c_int, line);
    }

    fn warn(&self, line: &[u8]) {
        self.send(
            libdevmapper::log::Level::Warning as c_int | libdevmapper::log::TO_STDERR,
            line,
        );
    }
}

impl dm_report {
    fn shared(&self) -> SharedReport<'static> {
        match self.engine.get() {
            Some(engine) => Rc::clone(engine),
            // Only while the report is being made, when no one else has it.
            None => unreachable!("report without engine"),
        }
    }

    /// Lets `run` use the report; `None` and an error message while someone else does.
    fn with<T>(&self, run: impl FnOnce(&mut Report<'static>) -> T) -> Option<T> {
        let Some(engine) = self.engine.get() else {
            log_error!("Internal error: report is being made.");
            return None;
        };
        match engine.try_borrow_mut() {
            Ok(mut engine) => {
                let result = run(&mut engine);
                self.release(engine.is_empty());
                Some(result)
            }
            Err(_) => {
                log_error!("Internal error: report is in use.");
                None
            }
        }
    }

    /// Releases what was allocated for rows, if there are none left.
    fn release(&self, empty: bool) {
        let mark = self.mark.get();
        if empty && !mark.is_null() {
            self.mark.set(ptr::null_mut());
            // SAFETY: the pool is ours, `mark` was allocated from it, and only rows used what came after it.
            unsafe { pool::free(self.pool, mark) };
        }
    }

    fn handler(&self) -> Handler<'_> {
        Handler {
            report: ptr::from_ref(self).cast_mut(),
            pool: &self.selection_pool,
            entries: self.reserved.get(),
            canonical: ptr::null(),
        }
    }
}

impl Drop for dm_report {
    fn drop(&mut self) {
        // SAFETY: the pools are ours and nobody uses them any more.
        unsafe {
            pool::destroy(self.pool);
            if let Some(pool) = self.selection_pool.take() {
                pool::destroy(pool);
            }
        }
    }
}

/// Frees a report that could not be made, unless that happens anyway.
struct NewReport(*mut dm_report);

impl NewReport {
    fn keep(self) -> *mut dm_report {
        let report = self.0;
        std::mem::forget(self);
        report
    }
}

impl Drop for NewReport {
    fn drop(&mut self) {
        // SAFETY: it came from `Box::into_raw` and nobody else has it.
        unsafe { drop(Box::from_raw(self.0)) }
    }
}

/// Arguments of both functions that make reports.
struct Arguments {
    report_types: *mut u32,
    types: *const dm_report_object_type,
    fields: *const dm_report_field_type,
    output_fields: *const c_char,
    output_separator: *const c_char,
    output_flags: u32,
    sort_keys: *const c_char,
    /// Selection and reserved values.
    selection: Option<(*const c_char, *const dm_report_reserved_value)>,
    private_data: *mut c_void,
}

/// # Safety
/// The arguments are what libdevmapper.h says.
unsafe fn make(arguments: &Arguments) -> *mut dm_report {
    // SAFETY: by contract, for all of these.
    let (definitions, schema, separator, output_fields, sort_keys, mut types) = unsafe {
        let definitions = Definitions::new(arguments.types, arguments.fields);
        let schema = definitions.schema();
        (
            definitions,
            schema,
            crate::entry::bytes::<'static>(arguments.output_separator).unwrap_or_default(),
            crate::entry::bytes(arguments.output_fields).unwrap_or_default(),
            crate::entry::bytes(arguments.sort_keys).unwrap_or_default(),
            arguments.report_types.as_ref().copied().unwrap_or(0),
        )
    };
    let made = NewReport(Box::into_raw(Box::new(dm_report {
        definitions,
        pool: pool::create_static(c"report", 10 * 1024),
        mark: Cell::new(ptr::null_mut()),
        selection_pool: OnceCell::new(),
        reserved: Cell::new(&[]),
        private: arguments.private_data,
        cache: RefCell::new(HashMap::new()),
        engine: OnceCell::new(),
    })));
    // SAFETY: just made; from here on only shared references exist.
    let report = unsafe { &*made.0 };
    let mut handler;
    let selection = match arguments.selection {
        Some((text, values)) => {
            // SAFETY: by contract.
            let (entries, reserved) = unsafe { types::reserved(values, &schema) };
            report.reserved.set(entries);
            handler = report.handler();
            // SAFETY: by contract.
            let text = unsafe { crate::entry::bytes(text) }.unwrap_or_default();
            Some(SelectionSetup {
                text,
                reserved,
                handler: &mut handler,
            })
        }
        None => None,
    };
    let setup = Setup {
        schema,
        fields: output_fields,
        separator: Cow::Borrowed(separator),
        flags: Flags::from_bits(arguments.output_flags),
        sort_keys,
        printer: Rc::new(LogLines::default()),
    };
    let engine = Report::new(setup, &mut types, selection);
    // SAFETY: by contract.
    if let Some(report_types) = unsafe { arguments.report_types.as_mut() } {
        *report_types = types;
    }
    match engine {
        Ok(engine) => {
            let _ = report.engine.set(Rc::new(RefCell::new(engine)));
            made.keep()
        }
        Err(_) => ptr::null_mut(),
    }
}

/// The report behind a handle; logged if it is NULL.
///
/// # Safety
/// `rh` is NULL or a report.
unsafe fn report<'r>(rh: *mut dm_report, name: &str) -> Option<&'r dm_report> {
    // SAFETY: by contract.
    let report = unsafe { rh.as_ref() };
    if report.is_none() {
        log_error!("Internal error: {name}: dm_report handler is NULL.");
    }
    report
}

/// Hands an object to a report.
///
/// # Safety
/// `rh` is NULL or a report, `object` is one for the client's functions.
unsafe fn add_object(rh: *mut dm_report, object: *mut c_void, output: bool, selected: *mut c_int) -> c_int {
    // SAFETY: by contract.
    let Some(report) = (unsafe { report(rh, "dm_report_object") }) else {
        return 0;
    };
    if !output && selected.is_null() {
        log_error!("Internal error: dm_report_object_is_selected: neither output nor selection result is wanted.");
        return 0;
    }
    let result = report.with(|engine| {
        // SAFETY: the pool is ours.
        let mark = unsafe { pool::alloc_aligned(report.pool, 1, 1) };
        if report.mark.get().is_null() {
            report.mark.set(mark);
        }
        let mut source = Source {
            definitions: &report.definitions,
            report: rh,
            pool: report.pool,
            object,
            private: report.private,
        };
        let rows = engine.row_count();
        let result = engine.object(&mut source, output);
        if engine.row_count() == rows && rows > 0 && !mark.is_null() {
            // SAFETY: allocated above, and the row that used what came after it is gone.
            unsafe { pool::free(report.pool, mark) };
        }
        result
    });
    let succeeded = matches!(result, Some(Ok(_)));
    // SAFETY: by contract.
    let selected = unsafe { selected.as_mut() };
    match (result, selected) {
        (Some(Ok(Some(passes))), Some(selected)) => *selected = c_int::from(passes),
        // The reference starts from there.
        (Some(Err(_)), Some(selected)) => *selected = 1,
        _ => {}
    }
    c_int::from(succeeded)
}

c_api! {
    /// Makes a report. NULL after error messages.
    fn dm_report_init(report_types: *mut u32, types: *const dm_report_object_type, fields: *const dm_report_field_type, output_fields: *const c_char, output_separator: *const c_char, output_flags: u32, sort_keys: *const c_char, private_data: *mut c_void) -> *mut dm_report {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe {
            make(&Arguments { report_types, types, fields, output_fields, output_separator, output_flags, sort_keys, selection: None, private_data })
        }
    }

    /// Makes a report that shows the rows that pass a selection. NULL after error messages.
    fn dm_report_init_with_selection(report_types: *mut u32, types: *const dm_report_object_type, fields: *const dm_report_field_type, output_fields: *const c_char, output_separator: *const c_char, output_flags: u32, sort_keys: *const c_char, selection: *const c_char, reserved_values: *const dm_report_reserved_value, private_data: *mut c_void) -> *mut dm_report {
        let selection = Some((selection, reserved_values));
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe {
            make(&Arguments { report_types, types, fields, output_fields, output_separator, output_flags, sort_keys, selection, private_data })
        }
    }

    /// Adds a row.
    fn dm_report_object(rh: *mut dm_report, object: *mut c_void) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe { add_object(rh, object, true, ptr::null_mut()) }
    }

    /// Adds a row or only tests it, and says whether it passes the selection.
    fn dm_report_object_is_selected(rh: *mut dm_report, object: *mut c_void, do_output: c_int, selected: *mut c_int) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe { add_object(rh, object, do_output != 0, selected) }
    }

    /// Hides the columns that are empty in all rows.
    fn dm_report_compact_fields(rh: *mut dm_report) -> c_int {
        // SAFETY: the client's argument.
        let Some(report) = (unsafe { report(rh, "dm_report_compact_fields") }) else { return 0 };
        c_int::from(report.with(Report::compact_fields).is_some())
    }

    /// The same for some fields.
    fn dm_report_compact_given_fields(rh: *mut dm_report, fields: *const c_char) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe {
            let Some(report) = report(rh, "dm_report_compact_given_fields") else { return 0 };
            let fields = crate::entry::bytes(fields).unwrap_or_default();
            report.with(|engine| engine.compact_given_fields(fields)).map_or(0, one_zero)
        }
    }

    /// 1 if no rows wait for output.
    fn dm_report_is_empty(rh: *mut dm_report) -> c_int {
        // SAFETY: the client's argument.
        let Some(report) = (unsafe { report(rh, "dm_report_is_empty") }) else { return 1 };
        c_int::from(report.with(|engine| engine.is_empty()).unwrap_or(false))
    }

    /// Discards the rows.
    fn dm_report_destroy_rows(rh: *mut dm_report) -> () {
        // SAFETY: the client's argument.
        if let Some(report) = unsafe { report(rh, "dm_report_destroy_rows") } {
            report.with(Report::destroy_rows);
        }
    }

    /// Prints the rows.
    fn dm_report_output(rh: *mut dm_report) -> c_int {
        // SAFETY: the client's argument.
        let Some(report) = (unsafe { report(rh, "dm_report_output") }) else { return 0 };
        report.with(Report::output).map_or(0, one_zero)
    }

    /// Prints the heading line.
    fn dm_report_column_headings(rh: *mut dm_report) -> c_int {
        // SAFETY: the client's argument.
        let Some(report) = (unsafe { report(rh, "dm_report_column_headings") }) else { return 0 };
        c_int::from(report.with(Report::column_headings).is_some())
    }

    /// Frees a report.
    fn dm_report_free(rh: *mut dm_report) -> () {
        if !rh.is_null() {
            // SAFETY: a report that nobody uses any more; it came from `Box::into_raw`.
            let report = unsafe { Box::from_raw(rh) };
            // A group that still has it must find nothing that needs the client's definitions.
            report.with(Report::destroy_rows);
        }
    }

    /// Sets what stands in front of field names.
    fn dm_report_set_output_field_name_prefix(rh: *mut dm_report, output_field_name_prefix: *const c_char) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe {
            let Some(report) = report(rh, "dm_report_set_output_field_name_prefix") else { return 0 };
            let prefix = crate::entry::bytes(output_field_name_prefix).unwrap_or_default();
            c_int::from(report.with(|engine| engine.set_name_prefix(prefix)).is_some())
        }
    }

    /// Replaces the selection.
    fn dm_report_set_selection(rh: *mut dm_report, selection: *const c_char) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe {
            let Some(report) = report(rh, "dm_report_set_selection") else { return 0 };
            let selection = crate::entry::bytes(selection).unwrap_or_default();
            let mut handler = report.handler();
            report.with(|engine| engine.set_selection(selection, &mut handler)).map_or(0, one_zero)
        }
    }

    /// Stores a pointer under a name.
    fn dm_report_value_cache_set(rh: *mut dm_report, name: *const c_char, data: *const c_void) -> c_int {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe {
            let (Some(report), Some(name)) = (report(rh, "dm_report_value_cache_set"), crate::entry::bytes(name)) else { return 0 };
            report.cache.borrow_mut().insert(name.to_vec(), data);
        }
        1
    }

    /// The pointer stored under a name, or NULL.
    fn dm_report_value_cache_get(rh: *mut dm_report, name: *const c_char) -> *const c_void {
        // SAFETY: the client's arguments, as libdevmapper.h says.
        unsafe {
            let (Some(report), Some(name)) = (report(rh, "dm_report_value_cache_get"), crate::entry::bytes(name)) else { return ptr::null() };
            report.cache.borrow().get(name).copied().unwrap_or(ptr::null())
        }
    }
}
