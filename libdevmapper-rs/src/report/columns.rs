//! Field lists and sort keys: which columns a report has.

use crate::log::Raw;
use crate::{Error, log_error, log_warn};

use super::Report;
use super::listing::Listing;
use super::schema::{FieldRef, FieldType, IMPLICIT_TYPE, Kind, Name, NameTooLong, Schema};

/// A column: a field at a place in the list.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) field: FieldRef,
    pub(crate) kind: Kind,
    pub(crate) right: bool,
    /// Only there for sorting or selection, or compacted away.
    pub(crate) hidden: bool,
    /// Hidden by a compaction.
    pub(crate) compacted: bool,
    /// Named by [`Report::compact_given_fields`].
    pub(crate) compactable: bool,
    pub(crate) width: usize,
    /// `PREFIX_ID=`, for output with name prefixes.
    pub(crate) assignment: Vec<u8>,
}

impl Column {
    pub(crate) fn new(field: FieldRef, definition: &FieldType<'_>, hidden: bool) -> Self {
        Self {
            field,
            kind: definition.kind,
            right: definition.right_aligned(),
            hidden,
            compacted: false,
            compactable: false,
            width: definition.width,
            assignment: Vec::new(),
        }
    }
}

/// The columns of a report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    list: Vec<Column>,
    /// Order of evaluation and display, as indices of `list`: hidden ones first, the last one added before the others.
    order: Vec<usize>,
    hidden: usize,
}

impl Columns {
    fn push(&mut self, column: Column) -> usize {
        let index = self.list.len();
        if column.hidden {
            self.order.insert(0, index);
            self.hidden += 1;
        } else {
            self.order.push(index);
        }
        self.list.push(column);
        index
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.list.iter().map(|c| c.kind).collect()
    }

    pub(crate) fn get(&self, index: usize) -> &Column {
        &self.list[index]
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> &mut Column {
        &mut self.list[index]
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Column> {
        self.list.iter_mut()
    }

    /// Indices in order of evaluation.
    pub(crate) fn order(&self) -> &[usize] {
        &self.order
    }

    /// Columns in the order of the list, those not displayed too.
    pub(crate) fn in_order(&self) -> impl DoubleEndedIterator<Item = (usize, &Column)> + Clone {
        self.order.iter().map(|&index| (index, &self.list[index]))
    }

    /// The first column of a field, in order.
    pub(crate) fn of_field(&self, field: FieldRef) -> Option<usize> {
        self.in_order()
            .find(|(_, column)| column.field == field)
            .map(|(index, _)| index)
    }

    /// The first column of a field; if there is none, a hidden one is added.
    pub(crate) fn of_field_or_hidden(&mut self, field: FieldRef, schema: &Schema<'_>) -> usize {
        match self.of_field(field) {
            Some(index) => index,
            None => self.push(Column::new(field, schema.get(field), true)),
        }
    }

    /// Whether the column is the last of the list.
    pub(crate) fn is_last(&self, index: usize) -> bool {
        self.order.last() == Some(&index)
    }
}

/// What field list and sort keys make of a report.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) columns: Columns,
    /// Column, descending.
    pub(crate) sort: Vec<(usize, bool)>,
    /// A help field was named.
    pub(crate) help: bool,
}

/// One item of a list: where it begins, and its length.
fn split_names(list: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while list.get(at) == Some(&b',') {
            at += 1;
            if at == list.len() {
                // A list that ends with a comma has a nameless field.
                return Some((at, 0));
            }
        }
        if at >= list.len() {
            return None;
        }
        let len = list[at..].iter().position(|b| *b == b',').unwrap_or(list.len() - at);
        let item = (at, len);
        at += len;
        Some(item)
    })
}

/// Resolves the lists. `types` is what the report shows so far; the types of the fields are added.
pub(crate) struct Resolver<'r, 'a> {
    pub(crate) schema: &'r Schema<'a>,
    pub(crate) prefix: &'a [u8],
    pub(crate) types: u32,
}

impl Resolver<'_, '_> {
    fn note(&mut self, field: FieldRef, layout: &mut Layout) {
        match field {
            FieldRef::Listed(_) => self.types |= self.schema.get(field).object_type,
            // Counts as a type for a later `all`.
            FieldRef::Selected => self.types |= IMPLICIT_TYPE,
            FieldRef::Help | FieldRef::Question => {
                self.types |= IMPLICIT_TYPE;
                layout.help = true;
            }
        }
    }

    /// Reads both lists into `layout`.
    pub(crate) fn resolve(&mut self, fields: &[u8], keys: &[u8], layout: &mut Layout) -> Result<(), Unresolved> {
        // Types first: what `all` stands for depends on the whole list.
        self.field_list(fields, layout, false)?;
        self.sort_keys(keys, layout, false)?;
        self.field_list(fields, layout, true)?;
        self.sort_keys(keys, layout, true)
    }

    fn field_list(&mut self, list: &[u8], layout: &mut Layout, add: bool) -> Result<(), Unresolved> {
        for (at, len) in split_names(list) {
            self.field(&list[at..], len, layout, add)
                .map_err(|_| Unresolved(format!("Unrecognised field: {}", Raw(&list[at..at + len]))))?;
        }
        Ok(())
    }

    fn field(&mut self, rest: &[u8], len: usize, layout: &mut Layout, add: bool) -> Result<(), NameTooLong> {
        // Too long a name is looked up in vain twice, as a field and as a form of `all`.
        let name = Name::new(rest, len).or_else(|_| Name::new(rest, len))?;
        if let Some(field) = self.schema.find(&name, self.prefix) {
            if add {
                layout.columns.push(Column::new(field, self.schema.get(field), false));
            } else {
                self.note(field, layout);
            }
            return Ok(());
        }
        let types = self
            .schema
            .find_all(&name, self.prefix, self.types)
            .ok_or(NameTooLong)?;
        if add {
            for (index, field) in self.schema.fields.iter().enumerate() {
                if field.object_type & types != 0 {
                    layout.columns.push(Column::new(FieldRef::Listed(index), field, false));
                }
            }
        } else {
            self.types |= types;
        }
        Ok(())
    }

    fn sort_keys(&mut self, list: &[u8], layout: &mut Layout, add: bool) -> Result<(), Unresolved> {
        for (at, len) in split_names(list) {
            let unresolved = || Unresolved(format!("dm_report: Unrecognised field: {}", Raw(&list[at..at + len])));
            let (sign, descending) = match list.get(at) {
                Some(b'-') => (1, true),
                Some(b'+') => (1, false),
                _ => (0, false),
            };
            if sign == len && len > 0 {
                log_error!("dm_report: Missing sort field name");
                return Err(unresolved());
            }
            let name = Name::new(&list[at + sign..], len - sign).map_err(|_| unresolved())?;
            let field = self.schema.find(&name, self.prefix).ok_or_else(unresolved)?;
            if !add {
                self.note(field, layout);
                continue;
            }
            let column = layout.columns.of_field_or_hidden(field, self.schema);
            if layout.sort.iter().any(|(other, _)| *other == column) {
                log_warn!(
                    "dm_report: Ignoring duplicate sort field: {}.",
                    Raw(self.schema.get(field).id)
                );
            } else {
                layout.sort.push((column, descending));
            }
        }
        Ok(())
    }
}

/// A name that no field has; the text is for after the listing.
#[derive(Debug)]
pub(crate) struct Unresolved(pub(crate) String);

impl Report<'_> {
    /// Hides every column that is empty in all rows, and shows those again that are not. Only for buffered reports with
    /// rows.
    pub fn compact_fields(&mut self) {
        self.compact(false);
    }

    /// Like [`compact_fields`](Self::compact_fields) for the fields of a list and of those given to earlier calls.
    ///
    /// # Errors
    /// A name is unknown (logged).
    pub fn compact_given_fields(&mut self, fields: &[u8]) -> Result<(), Error> {
        if !self.flags.contains(super::Flags::BUFFERED) || self.store.is_empty() {
            // Names are checked all the same.
            return self.mark_compactable(fields, false);
        }
        self.mark_compactable(fields, true)?;
        self.compact(true);
        Ok(())
    }

    fn mark_compactable(&mut self, fields: &[u8], mark: bool) -> Result<(), Error> {
        for (at, len) in split_names(fields) {
            let field = Name::new(&fields[at..], len)
                .ok()
                .and_then(|name| self.schema.find(&name, self.prefix));
            let Some(field) = field else {
                let message = format!("dm_report: Unrecognized field: {}", Raw(&fields[at..at + len]));
                log_error!("{message}");
                return Err(Error::Invalid(message));
            };
            if mark && let Some(column) = self.columns.of_field(field) {
                self.columns.get_mut(column).compactable = true;
            }
        }
        Ok(())
    }

    fn compact(&mut self, given_only: bool) {
        if self.done || !self.flags.contains(super::Flags::BUFFERED) || self.store.is_empty() {
            return;
        }
        for index in 0..self.columns.len() {
            let column = self.columns.get_mut(index);
            // What another call hid is shown again too.
            if column.hidden && !column.compacted || given_only && !column.compactable && !column.compacted {
                continue;
            }
            let empty = self
                .store
                .rows()
                .iter()
                .all(|&row| self.store.text_is_empty(row, index));
            column.hidden = empty;
            column.compacted = empty;
        }
    }

    /// Prints the field listing.
    pub(crate) fn print_fields(&self, with_types: bool) {
        Listing {
            schema: &self.schema,
            printer: &*self.printer,
        }
        .print(with_types);
    }
}
