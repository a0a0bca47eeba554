//! Output: columns, columns as rows, name and value pairs, JSON rows.

use crate::Error;

use super::columns::Column;
use super::schema::Kind;
use super::{Flags, Report};

/// Appends `text` padded to `width` and cut at it.
fn push_aligned(line: &mut Vec<u8>, text: &[u8], width: usize, right: bool) {
    let text = &text[..text.len().min(width)];
    let padded = line.len() + width;
    if right {
        line.resize(padded - text.len(), b' ');
    }
    line.extend_from_slice(text);
    line.resize(padded, b' ');
}

/// Appends a JSON string. As the C library has it, only quotes and backslashes are escaped.
fn push_json_string(line: &mut Vec<u8>, text: &[u8]) {
    line.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            line.push(b'\\');
        }
        line.push(byte);
    }
    line.push(b'"');
}

/// Form of the rows of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowForm {
    /// As the flags say.
    Plain,
    /// JSON objects with strings.
    Json,
    /// JSON objects with numbers, nulls and arrays.
    JsonStd,
}

impl<'a> Report<'a> {
    /// Prints the rows and, unless they may be printed several times, discards them.
    ///
    /// # Errors
    /// In a JSON group the report is not the one that can be printed now (logged).
    pub fn output(&mut self) -> Result<(), Error> {
        if self.store.is_empty() && !self.begin_empty()? {
            return Ok(());
        }
        self.measure();
        if self.sorted {
            let sort = std::mem::take(&mut self.sort);
            self.store.sort(&sort);
            self.sort = sort;
        }
        let form = self.begin_output()?;
        match form {
            RowForm::Plain if self.flags.contains(Flags::COLUMNS_AS_ROWS) => {
                self.print_as_rows();
                self.destroy_rows();
                return Ok(());
            }
            RowForm::Plain => self.print_rows(),
            RowForm::Json | RowForm::JsonStd => self.print_json(form == RowForm::JsonStd),
        }
        if !self.flags.contains(Flags::MULTIPLE_TIMES) {
            self.destroy_rows();
        }
        Ok(())
    }

    fn shown(&self, row: usize) -> bool {
        self.shows_unselected || self.store.selected(row)
    }

    /// Makes the columns as wide as the rows that are shown.
    fn measure(&mut self) {
        if std::mem::replace(&mut self.measured, true) {
            return;
        }
        if !self.flags.contains(Flags::ALIGNED) {
            return;
        }
        // The C library makes room for ids only when there are rows, shown or not.
        let ids = self.flags.contains(Flags::FIELD_IDS_IN_HEADINGS) && !self.store.is_empty();
        for index in 0..self.columns.len() {
            let mut width = self.columns.get(index).width;
            if ids {
                width = width.max(self.schema.get(self.columns.get(index).field).id.len());
            }
            for &row in self.store.rows() {
                if self.shown(row) {
                    width = width.max(self.store.text_len(row, index));
                }
            }
            self.columns.get_mut(index).width = width;
        }
    }

    fn heading(&self, column: &Column) -> &'a [u8] {
        let definition = self.schema.get(column.field);
        if self.flags.contains(Flags::FIELD_IDS_IN_HEADINGS) {
            definition.id
        } else {
            definition.heading
        }
    }

    /// Prints the heading line now, if the report has one. It is not printed again before the rows.
    pub fn column_headings(&mut self) {
        self.measure();
        if self.flags.contains(Flags::HEADINGS) && !self.flags.contains(Flags::COLUMNS_AS_ROWS) {
            self.print_headings();
        }
    }

    fn print_headings(&mut self) {
        self.headings_printed = true;
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        for (index, column) in self.columns.in_order() {
            if column.hidden {
                continue;
            }
            let heading = self.heading(column);
            if self.flags.contains(Flags::ALIGNED) {
                push_aligned(&mut line, heading, column.width, false);
            } else {
                line.extend_from_slice(heading);
            }
            if !self.columns.is_last(index) {
                line.extend_from_slice(&self.separator);
            }
        }
        self.printer.print(&line);
        self.line = line;
    }

    fn push_value(&self, line: &mut Vec<u8>, row: usize, index: usize, column: &Column) {
        let named = self.flags.contains(Flags::FIELD_NAME_PREFIX);
        let quoted = named && !self.flags.contains(Flags::FIELD_UNQUOTED);
        if named {
            line.extend_from_slice(&column.assignment);
        }
        if quoted {
            line.push(b'\'');
        }
        let text = self.store.text(row, index);
        if self.flags.contains(Flags::ALIGNED) {
            push_aligned(line, text, column.width, column.right);
        } else {
            line.extend_from_slice(text);
        }
        if quoted {
            line.push(b'\'');
        }
    }

    fn print_rows(&mut self) {
        if !self.headings_printed && self.flags.contains(Flags::HEADINGS) {
            self.print_headings();
        }
        let mut line = std::mem::take(&mut self.line);
        for &row in self.store.rows() {
            if !self.shown(row) {
                continue;
            }
            line.clear();
            let mut first = true;
            for (index, column) in self.columns.in_order() {
                if column.hidden {
                    continue;
                }
                if !std::mem::replace(&mut first, false) {
                    line.extend_from_slice(&self.separator);
                }
                self.push_value(&mut line, row, index, column);
            }
            self.printer.print(&line);
        }
        self.line = line;
    }

    fn print_as_rows(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        for (index, column) in self.columns.in_order() {
            if column.hidden {
                continue;
            }
            line.clear();
            let mut first = true;
            if self.flags.contains(Flags::HEADINGS) {
                line.extend_from_slice(self.heading(column));
                first = false;
            }
            for &row in self.store.rows() {
                if !std::mem::replace(&mut first, false) {
                    line.extend_from_slice(&self.separator);
                }
                self.push_value(&mut line, row, index, column);
            }
            self.printer.print(&line);
        }
        self.line = line;
    }

    fn print_json(&mut self, standard: bool) {
        let indent = self.indentation();
        let last = self.store.rows().iter().rev().copied().find(|&row| self.shown(row));
        let mut line = std::mem::take(&mut self.line);
        for &row in self.store.rows() {
            if !self.shown(row) {
                continue;
            }
            line.clear();
            line.resize(indent, b' ');
            line.push(b'{');
            let mut first = true;
            for (index, column) in self.columns.in_order() {
                if column.hidden {
                    continue;
                }
                if !std::mem::replace(&mut first, false) {
                    line.extend_from_slice(b", ");
                }
                push_json_string(&mut line, self.schema.get(column.field).id);
                line.push(b':');
                self.push_json_value(&mut line, row, index, column.kind, standard);
            }
            line.push(b'}');
            if Some(row) != last {
                line.push(b',');
            }
            self.printer.print(&line);
        }
        self.line = line;
    }

    fn push_json_value(&self, line: &mut Vec<u8>, row: usize, index: usize, kind: Kind, standard: bool) {
        let text = self.store.text(row, index);
        match kind {
            Kind::Number | Kind::Percent if standard => {
                line.extend_from_slice(if text.is_empty() { b"null" } else { text });
            }
            Kind::StringList if standard => {
                line.push(b'[');
                for (n, item) in self.store.items(row, index).enumerate() {
                    if n > 0 {
                        line.push(b',');
                    }
                    push_json_string(line, item);
                }
                line.push(b']');
            }
            _ => push_json_string(line, text),
        }
    }
}
