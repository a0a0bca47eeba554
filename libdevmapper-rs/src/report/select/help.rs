//! The help on selections.

use crate::report::Printer;

use super::reserved::{Reserved, ReservedScope};

/// Lines of text, indented as they are, and a line of one blank.
fn paragraph(printer: &dyn Printer, lines: &[&str]) {
    for line in lines {
        printer.warn(line.as_bytes());
    }
    printer.warn(b" ");
}

/// Prints what a selection is made of, in the reference's words: scripts compare `-S help`.
pub(crate) fn print_help(printer: &dyn Printer, reserved: &[Reserved<'_>]) {
    paragraph(
        printer,
        &[
            "Selection operands",
            "------------------",
            "  field               - Reporting field.",
            "  number              - Non-negative integer value.",
            "  size                - Floating point value with units, 'm' unit used by default if not specified.",
            "  percent             - Non-negative integer with or without % suffix.",
            "  string              - Characters quoted by ' or \" or unquoted.",
            "  string list         - Strings enclosed by [ ] or { } and elements delimited by either",
            "                        \"all items must match\" or \"at least one item must match\" operator.",
            "  regular expression  - Characters quoted by ' or \" or unquoted.",
        ],
    );
    if !reserved.is_empty() {
        printer.warn(b"Reserved values");
        printer.warn(b"---------------");
        // The reference takes an entry of a field without any flag for the end of the list.
        let listed = || reserved.iter().take_while(|entry| !entry.is_plain_field());
        let width = |entry: &Reserved<'_>| entry.names.iter().map(|name| name.len() + 2).sum::<usize>();
        let widest = listed().map(width).max().unwrap_or(0);
        for entry in listed() {
            let kind = match entry.scope {
                ReservedScope::Kind(kind) => kind.name(),
                ReservedScope::Field(_) => "unknown",
            };
            let names = entry.names.join(&b", "[..]);
            let padding = vec![b' '; widest.saturating_sub(names.len())];
            printer.warn(
                &[
                    b"  ",
                    &names[..],
                    &padding,
                    b" - ",
                    entry.description,
                    b" [",
                    kind.as_bytes(),
                    b"]",
                ]
                .concat(),
            );
        }
        printer.warn(b" ");
    }
    paragraph(
        printer,
        &[
            "Selection operators",
            "-------------------",
            "  Comparison operators:",
            "        =~  - Matching regular expression. [regex]",
            "        !~  - Not matching regular expression. [regex]",
            "         =  - Equal to. [number, size, percent, string, string list, time]",
            "        !=  - Not equal to. [number, size, percent, string, string_list, time]",
            "        >=  - Greater than or equal to. [number, size, percent, time]",
            "         >  - Greater than. [number, size, percent, time]",
            "        <=  - Less than or equal to. [number, size, percent, time]",
            "         <  - Less than. [number, size, percent, time]",
            "     since  - Since specified time (same as '>='). [time]",
            "     after  - After specified time (same as '>'). [time]",
            "     until  - Until specified time (same as '<='). [time]",
            "    before  - Before specified time (same as '<'). [time]",
        ],
    );
    paragraph(
        printer,
        &[
            "  Logical and grouping operators:",
            "      &&  - All fields must match",
            "       ,  - All fields must match",
            "      ||  - At least one field must match",
            "       #  - At least one field must match",
            "       !  - Logical negation",
            "       (  - Left parenthesis",
            "       )  - Right parenthesis",
            "       [  - List start",
            "       ]  - List end",
            "       {  - List subset start",
            "       }  - List subset end",
        ],
    );
}
