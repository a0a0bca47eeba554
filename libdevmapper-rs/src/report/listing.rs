//! The listing of fields.

use super::Printer;
use super::schema::{FieldRef, FieldType, Schema, implicit_fields};

/// The dashes below a section's title are at most this many.
const MAX_DASHES: usize = 79;

/// Prints the fields that a schema has.
pub(crate) struct Listing<'l, 'a> {
    pub(crate) schema: &'l Schema<'a>,
    pub(crate) printer: &'l dyn Printer,
}

/// Length of a prefix without its final underscore, and with `_all`.
fn all_len(prefix: &[u8]) -> usize {
    prefix.len() + 3
}

impl Listing<'_, '_> {
    fn width(&self) -> usize {
        let implicit = implicit_fields().iter().map(|f| self.schema.get(*f).id.len());
        let listed = self.schema.fields.iter().map(|f| f.id.len());
        let all = self.schema.types.iter().map(|t| all_len(t.prefix));
        implicit.chain(listed).chain(all).max().unwrap_or(0)
    }

    fn title(&self, description: &[u8]) {
        let title = [description, b" Fields"].concat();
        let mut dashes = vec![b' '; title.len().saturating_sub(MAX_DASHES)];
        dashes.resize(title.len(), b'-');
        self.printer.warn(&title);
        self.printer.warn(&dashes);
    }

    fn line(&self, id: &[u8], width: usize, description: &[u8], kind: &str) {
        let mut line = [b"  ", id].concat();
        line.resize(line.len().max(2 + width), b' ');
        line.extend_from_slice(b" - ");
        line.extend_from_slice(description);
        if !kind.is_empty() {
            line.extend_from_slice(format!(" [{kind}]").as_bytes());
        }
        self.printer.warn(&line);
    }

    /// Prints all fields, on request with the kinds of their values (as for a selection).
    pub(crate) fn print(&self, with_types: bool) {
        let width = self.width();
        let mut section: Option<&[u8]> = None;
        let kind = |field: &FieldType<'_>| if with_types { field.kind.name() } else { "" };
        for field in &self.schema.fields {
            let object_type = self.schema.types.iter().find(|t| t.id == field.object_type);
            let (description, prefix) = object_type.map_or((&b" "[..], &b""[..]), |t| (t.description, t.prefix));
            if section != Some(description) {
                if section.is_some() {
                    self.printer.warn(b" ");
                }
                self.title(description);
                if !with_types {
                    self.line(&[prefix, b"all"].concat(), width, b"All fields in this section.", "");
                }
                section = Some(description);
            }
            self.line(field.id, width, field.description, kind(field));
        }
        self.printer.warn(b" ");
        self.title(b"Special");
        for &field in implicit_fields() {
            let definition = self.schema.get(field);
            let kind = match field {
                FieldRef::Help | FieldRef::Question if with_types => "unselectable number",
                _ => kind(definition),
            };
            self.line(definition.id, width, definition.description, kind);
        }
        self.printer.warn(b" ");
    }
}
