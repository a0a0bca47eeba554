//! The help on selections.

use crate::report::Printer;
use crate::report::schema::{Kind, Schema};

use super::reserved::{Reserved, ReservedScope};

fn section(printer: &dyn Printer, title: &str, lines: &[(&str, &str)]) {
    printer.warn(title.as_bytes());
    printer.warn("-".repeat(title.len()).as_bytes());
    for (what, meaning) in lines {
        printer.warn(format!("  {what:<14} - {meaning}").as_bytes());
    }
    printer.warn(b" ");
}

/// Prints what a selection is made of.
pub(crate) fn print_help(printer: &dyn Printer, reserved: &[Reserved<'_>], schema: &Schema<'_>) {
    section(
        printer,
        "Selection operands",
        &[
            ("field", "a field of the report, by its name"),
            ("number", "an integer from 0 to 2^64 - 1"),
            ("size", "a decimal number and a unit, m if there is none:"),
            ("", "b s k m g t p e (powers of 1024), K M G T P E (powers of 1000)"),
            ("percent", "a number from 0 to 100, with or without %"),
            ("string", "text, in ' or \" if it holds blanks or operators"),
            ("string list", "[ ] for a whole list, { } for a part of one; items are"),
            ("", "joined by && or , (all of them) or by || or # (any of them)"),
            ("regex", "a regular expression, in ' or \" or in ( ) { } [ ]"),
            ("time", "YYYY-MM-DD hh:mm:ss +hh:mm, less exact ones from the right,"),
            ("", "or @seconds since the epoch"),
        ],
    );
    if !reserved.is_empty() {
        printer.warn(b"Reserved values");
        printer.warn(b"---------------");
        for entry in reserved {
            let (kind, field) = match entry.scope {
                ReservedScope::Kind(kind) => (kind, None),
                ReservedScope::Field(index) => {
                    let field = schema.fields.get(index);
                    (field.map_or(Kind::None, |f| f.kind), field.map(|f| f.id))
                }
            };
            let mut line = [b"  ", &entry.names.join(&b", "[..])[..], b" - ", entry.description].concat();
            line.extend_from_slice(format!(" [{}", kind.name()).as_bytes());
            if let Some(id) = field {
                line.extend_from_slice(b" ");
                line.extend_from_slice(id);
            }
            line.push(b']');
            printer.warn(&line);
        }
        printer.warn(b" ");
    }
    section(
        printer,
        "Comparison operators",
        &[
            ("=", "equal"),
            ("!=", "not equal"),
            ("=~", "matches a regular expression [string, string list]"),
            ("!~", "does not match it [string, string list]"),
            (">= > <= <", "order [number, size, percent, time]"),
            ("since", "the same as >= [time]"),
            ("after", "the same as > [time]"),
            ("until", "the same as <= [time]"),
            ("before", "the same as < [time]"),
        ],
    );
    section(
        printer,
        "Logical operators",
        &[
            ("&& ,", "both must hold"),
            ("|| #", "one must hold"),
            ("!( )", "must not hold"),
            ("( )", "grouping"),
        ],
    );
}
