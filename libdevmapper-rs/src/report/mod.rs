//! Reports: fields, sorting, selection, output as text, groups and JSON.
//!
//! A program describes its objects once, in a [`Schema`]: object types and fields. A [`Report`] shows some of the
//! fields, in rows that the program hands over one by one as a [`RowSource`]. Rows can be sorted, and selected by a
//! condition such as `lv_size>1g && (tags=backup || lv_name=~^root)`. Output is columns, columns as rows,
//! `NAME='value'` pairs or, in a [`Group`], JSON.
//!
//! Values are copied into the report, all texts into one buffer, so that a row costs no allocation of its own.

mod columns;
mod group;
mod listing;
mod output;
mod schema;
mod select;
mod store;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use bstr::BString;

use crate::log::Raw;
use crate::{Error, log_error};

pub use group::{Group, GroupKind, SharedReport};
pub use schema::{Align, FieldRef, FieldType, IMPLICIT_TYPE, Kind, ObjectType, Schema};
pub use select::{HandlerError, NoHandler, Reserved, ReservedHandler, ReservedScope, ReservedValue};
pub use store::{SortValue, Value, ValueError};

use columns::{Columns, Layout, Resolver};
use select::Node;
use store::Store;

/// How a report is printed; the bits are those of the C library (`DM_REPORT_OUTPUT_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// Columns are padded.
    pub const ALIGNED: Self = Self(0x01);
    /// Rows wait for [`Report::output`], and can be sorted.
    pub const BUFFERED: Self = Self(0x02);
    /// A line with the headings comes first.
    pub const HEADINGS: Self = Self(0x04);
    /// `NAME='value'`.
    pub const FIELD_NAME_PREFIX: Self = Self(0x08);
    /// With the former: without quotes.
    pub const FIELD_UNQUOTED: Self = Self(0x10);
    /// One line for each field.
    pub const COLUMNS_AS_ROWS: Self = Self(0x20);
    /// Rows stay after output.
    pub const MULTIPLE_TIMES: Self = Self(0x40);
    /// Headings show the ids of the fields.
    pub const FIELD_IDS_IN_HEADINGS: Self = Self(0x80);

    /// Flags with these bits; others are ignored.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & 0xff)
    }

    /// Whether all of `other` is set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

/// Where the lines of a report go. Lines have no newline.
pub trait Printer {
    /// A line of the report.
    fn print(&self, line: &[u8]);
    /// A line of a listing or of the help, for standard error.
    fn warn(&self, line: &[u8]);
}

/// Sends lines to the log, as the C library does.
#[derive(Clone, Copy, Debug)]
pub struct LogPrinter;

impl Printer for LogPrinter {
    fn print(&self, line: &[u8]) {
        crate::log_print!("{}", Raw(line));
    }

    fn warn(&self, line: &[u8]) {
        crate::log_warn!("{}", Raw(line));
    }
}

/// Keeps the lines of a report; those of a listing or help go to the log as with [`LogPrinter`].
#[derive(Debug, Default)]
pub struct Collected(RefCell<Vec<BString>>);

impl Collected {
    /// The lines so far, without newlines.
    #[must_use]
    pub fn take(&self) -> Vec<BString> {
        self.0.take()
    }
}

impl Printer for Collected {
    fn print(&self, line: &[u8]) {
        self.0.borrow_mut().push(line.into());
    }

    fn warn(&self, line: &[u8]) {
        LogPrinter.warn(line);
    }
}

/// Why a value is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// The object has no data of the field's object type.
    NoData,
    /// The value could not be made.
    Failed,
}

impl From<ValueError> for SourceError {
    fn from(_: ValueError) -> Self {
        Self::Failed
    }
}

/// An object: it gives the values of one row.
pub trait RowSource {
    /// Sets the value of a field (an index of the schema).
    ///
    /// # Errors
    /// There is no value; the row is dropped.
    fn value(&mut self, field: usize, value: &mut Value<'_>) -> Result<(), SourceError>;
}

/// What a new report is.
pub struct Setup<'s, 'a> {
    /// What can be shown.
    pub schema: Schema<'a>,
    /// Names of the fields, separated by commas.
    pub fields: &'s [u8],
    /// Between columns.
    pub separator: Cow<'a, [u8]>,
    /// Form of the output.
    pub flags: Flags,
    /// Names of the fields to sort by, separated by commas, each with an optional `+` or `-` (descending).
    pub sort_keys: &'s [u8],
    /// Where the output goes.
    pub printer: Rc<dyn Printer>,
}

impl<'s, 'a> Setup<'s, 'a> {
    /// These fields in aligned columns with headings, rows in the order in which they come until [`Setup::sort_keys`]
    /// are set, lines to the log.
    #[must_use]
    pub fn new(schema: Schema<'a>, fields: &'s [u8]) -> Self {
        Self {
            schema,
            fields,
            separator: Cow::Borrowed(b" "),
            flags: Flags::ALIGNED | Flags::BUFFERED | Flags::HEADINGS,
            sort_keys: b"",
            printer: Rc::new(LogPrinter),
        }
    }

    /// The object type of a schema that has only one, so that its prefix may be left out in names of fields.
    fn types(&self) -> u32 {
        match self.schema.types.as_slice() {
            [only] => only.id,
            _ => 0,
        }
    }

    /// A report of all rows, about whatever object types the fields have.
    ///
    /// # Errors
    /// As of [`Report::new`].
    pub fn report(self) -> Result<Report<'a>, Error> {
        let mut types = self.types();
        Report::new(self, &mut types, None)
    }

    /// A report of the rows that a condition is true for.
    ///
    /// # Errors
    /// As of [`Report::new`].
    pub fn select(self, condition: &[u8]) -> Result<Report<'a>, Error> {
        let selection = SelectionSetup {
            text: condition,
            reserved: Vec::new(),
            handler: &mut NoHandler,
        };
        let mut types = self.types();
        Report::new(self, &mut types, Some(selection))
    }
}

/// A selection for a new report.
pub struct SelectionSetup<'s, 'a> {
    /// The condition: empty or `all` for none, `help` or `?` to print the help.
    pub text: &'s [u8],
    /// Named values, kept for later selections unless `text` is empty.
    pub reserved: Vec<Reserved<'a>>,
    /// Computes reserved values.
    pub handler: &'s mut dyn ReservedHandler,
}

/// A report.
pub struct Report<'a> {
    schema: Schema<'a>,
    columns: Columns,
    /// Column and whether descending, most significant first.
    sort: Vec<(usize, bool)>,
    /// Rows are sorted before output.
    sorted: bool,
    flags: Flags,
    separator: Cow<'a, [u8]>,
    /// May be left out in the names of fields.
    prefix: &'a [u8],
    /// Upper case, for output with name prefixes.
    name_prefix: Vec<u8>,
    reserved: Vec<Reserved<'a>>,
    selection: Option<Node>,
    /// `selected` is displayed: rows that do not pass are kept.
    keeps_unselected: bool,
    /// `selected` is a column, hidden or not: all rows that are kept are shown.
    shows_unselected: bool,
    store: Store,
    /// Widths fit the rows.
    measured: bool,
    headings_printed: bool,
    /// A help was printed: there is nothing more to do.
    done: bool,
    printer: Rc<dyn Printer>,
    membership: Option<group::Membership<'a>>,
    /// Buffer of the line being printed.
    line: Vec<u8>,
}

impl std::fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report")
            .field("columns", &self.columns)
            .field("flags", &self.flags)
            .field("rows", &self.store.rows().len())
            .finish_non_exhaustive()
    }
}

/// An error that has been logged, as an error value.
fn logged(message: String) -> Error {
    log_error!("{message}");
    Error::Invalid(message)
}

impl<'a> Report<'a> {
    /// Creates a report. `types` are the object types that it is about, 0 for any; the types of the fields named are
    /// added to it.
    ///
    /// If `help` is among the fields or sort keys, the field listing is printed, and the report does nothing.
    ///
    /// # Errors
    /// A field or the selection is not understood (logged, after a listing of the fields).
    pub fn new(
        setup: Setup<'_, 'a>,
        types: &mut u32,
        selection: Option<SelectionSetup<'_, 'a>>,
    ) -> Result<Self, Error> {
        if setup.schema.types.iter().any(|t| t.id == IMPLICIT_TYPE) {
            return Err(logged(
                "Internal error: dm_report_init: definition of implicit report types and/or fields found".into(),
            ));
        }
        if selection.is_some() {
            schema::know_selection();
        }
        let mut flags = setup.flags;
        let sorted = flags.contains(Flags::BUFFERED) && !setup.sort_keys.is_empty();
        if flags.contains(Flags::COLUMNS_AS_ROWS) {
            flags = flags.with(Flags::BUFFERED).without(Flags::ALIGNED);
        }
        let prefix = setup.schema.report_prefix(*types);
        let mut resolver = Resolver {
            schema: &setup.schema,
            prefix,
            types: *types,
        };
        let mut layout = Layout::default();
        let resolved = resolver.resolve(setup.fields, setup.sort_keys, &mut layout);
        let new_types = resolver.types & !IMPLICIT_TYPE;
        let mut report = Self {
            sort: layout.sort,
            sorted,
            columns: layout.columns,
            flags,
            separator: setup.separator,
            prefix,
            name_prefix: Vec::new(),
            reserved: Vec::new(),
            selection: None,
            keeps_unselected: false,
            shows_unselected: false,
            store: Store::default(),
            measured: false,
            headings_printed: false,
            done: layout.help,
            printer: setup.printer,
            membership: None,
            line: Vec::new(),
            schema: setup.schema,
        };
        if let Err(unresolved) = resolved {
            report.print_fields(false);
            return Err(logged(unresolved.0));
        }
        *types = new_types;
        if report.done {
            report.print_fields(false);
        }
        if let Some(selection) = selection {
            report.begin_selection(selection, types)?;
        }
        report.store = Store::new(report.columns.kinds());
        let is_selected = |column: &columns::Column| column.field == FieldRef::Selected;
        report.keeps_unselected = report.columns.in_order().any(|(_, c)| is_selected(c) && !c.hidden);
        report.shows_unselected = report.columns.in_order().any(|(_, c)| is_selected(c));
        report.rename_columns();
        Ok(report)
    }

    fn begin_selection(&mut self, selection: SelectionSetup<'_, 'a>, types: &mut u32) -> Result<(), Error> {
        let SelectionSetup {
            text,
            reserved,
            handler,
        } = selection;
        if text.is_empty() {
            return Ok(());
        }
        let unsupported = reserved
            .iter()
            .find(|r| matches!(r.scope, ReservedScope::Kind(Kind::StringList | Kind::None)));
        if let Some(unsupported) = unsupported {
            let kind = if unsupported.scope == ReservedScope::Kind(Kind::StringList) {
                0x100
            } else {
                0
            };
            log_error!(
                "Internal error: _check_reserved_values_supported: global reserved value for type 0x{kind:x} not supported"
            );
            log_error!(
                "Internal error: dm_report_init_with_selection: trying to register unsupported reserved value type, skipping report selection"
            );
            return Ok(());
        }
        self.reserved = reserved;
        if text.eq_ignore_ascii_case(b"all") {
            return Ok(());
        }
        if text.eq_ignore_ascii_case(b"help") || text == b"?" {
            self.print_fields(true);
            select::print_help(&*self.printer, &self.reserved, &self.schema);
            self.done = true;
            return Ok(());
        }
        let mut new_types = *types;
        self.parse_selection(text, handler, true, &mut new_types)?;
        *types = new_types;
        Ok(())
    }

    fn parse_selection(
        &mut self,
        text: &[u8],
        handler: &mut dyn ReservedHandler,
        may_add: bool,
        types: &mut u32,
    ) -> Result<(), Error> {
        let context = select::Context {
            schema: &self.schema,
            prefix: self.prefix,
            reserved: &self.reserved,
            handler,
            printer: &*self.printer,
            columns: &mut self.columns,
            may_add,
            types,
        };
        match select::parse(text, context) {
            Ok(node) => {
                self.selection = Some(node);
                Ok(())
            }
            Err(_) => Err(Error::Parse(format!("selection {} is not valid", Raw(text)))),
        }
    }

    /// Replaces the selection and applies it to the rows that wait. Empty or `all` lets all rows pass. Only fields that
    /// the report has can be used.
    ///
    /// # Errors
    /// The selection is not understood (logged). The old one is gone, the state of the rows is unchanged.
    pub fn set_selection(&mut self, text: &[u8], handler: &mut dyn ReservedHandler) -> Result<(), Error> {
        self.selection = None;
        if !(text.is_empty() || text.eq_ignore_ascii_case(b"all")) {
            self.parse_selection(text, handler, false, &mut 0)?;
        }
        for at in 0..self.store.rows().len() {
            self.select_row(self.store.rows()[at]);
        }
        self.reset_widths();
        Ok(())
    }

    /// Evaluates the selection for a row.
    fn select_row(&mut self, row: usize) -> bool {
        let selected = self.selection.as_ref().is_none_or(|node| node.holds(&self.store, row));
        self.store.set_selected(row, selected);
        for (index, column) in self.columns.in_order() {
            if column.field == FieldRef::Selected {
                self.store.set_digit(row, index, selected);
            }
        }
        selected
    }

    fn reset_widths(&mut self) {
        self.measured = false;
        for column in self.columns.iter_mut() {
            column.width = self.schema.get(column.field).width;
        }
    }

    /// Sets what stands in front of field names in output with name prefixes; it is made upper case.
    pub fn set_name_prefix(&mut self, prefix: &[u8]) {
        self.name_prefix = prefix.to_ascii_uppercase();
        self.rename_columns();
    }

    fn rename_columns(&mut self) {
        for column in self.columns.iter_mut() {
            let id = self.schema.get(column.field).id.to_ascii_uppercase();
            column.assignment = [&self.name_prefix[..], &id, b"="].concat();
        }
    }

    /// Adds a row. Unbuffered reports print it. With `output` false the row is only tested.
    ///
    /// Returns whether the row passes the selection, or `None` from a report that only printed a help.
    ///
    /// # Errors
    /// A value is missing (logged). The row is dropped.
    pub fn object(&mut self, source: &mut dyn RowSource, output: bool) -> Result<Option<bool>, Error> {
        if self.done {
            return Ok(None);
        }
        let mark = self.store.mark();
        let row = self.store.begin_row();
        for &index in self.columns.order() {
            let mut value = self.store.value(index);
            let field = match self.columns.get(index).field {
                FieldRef::Listed(field) => field,
                FieldRef::Selected => {
                    value.unsigned(1);
                    continue;
                }
                FieldRef::Help | FieldRef::Question => continue,
            };
            if let Err(error) = source.value(field, &mut value) {
                let what = match error {
                    SourceError::NoData => "no data assigned to field",
                    SourceError::Failed => "report function failed for field",
                };
                let message = format!("_do_report_object: {what} {}", Raw(self.schema.fields[field].id));
                self.store.drop_row(mark);
                return Err(logged(message));
            }
        }
        let selected = self.select_row(row);
        let keep = output && (selected || self.keeps_unselected || self.flags.contains(Flags::MULTIPLE_TIMES));
        if !keep {
            self.store.drop_row(mark);
            return Ok(Some(selected));
        }
        self.store.keep_row(row);
        if !self.flags.contains(Flags::BUFFERED) {
            self.output()?;
        }
        Ok(Some(selected))
    }

    /// Whether no rows wait for output.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// Number of rows that wait for output.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.store.rows().len()
    }

    /// Whether rows wait for [`output`](Self::output) when they are added.
    #[must_use]
    pub fn is_buffered(&self) -> bool {
        self.flags.contains(Flags::BUFFERED)
    }

    /// Discards the rows.
    pub fn destroy_rows(&mut self) {
        self.store.clear();
        self.store.shrink();
        self.reset_widths();
    }
}
