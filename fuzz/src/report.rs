//! Field lists, sort keys and selections over rows of all kinds: a row passes a selection or its negation, never both.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use libdevmapper::report::{
    Align, FieldType, Flags, Group, GroupKind, HandlerError, Kind, ObjectType, Printer, Report, Reserved,
    ReservedHandler, ReservedScope, ReservedValue, RowSource, Schema, SelectionSetup, Setup, SharedReport, SortValue,
    SourceError, Value,
};

/// Counts what is printed.
#[derive(Default)]
struct Count(Cell<usize>);

impl Printer for Count {
    fn print(&self, line: &[u8]) {
        self.0.set(self.0.get() + line.len());
    }

    fn warn(&self, line: &[u8]) {
        self.print(line);
    }
}

/// Row number so and so.
struct Row(usize);

impl RowSource for Row {
    fn value(&mut self, field: usize, value: &mut Value<'_>) -> Result<(), SourceError> {
        let row = self.0;
        let number = [0, 1, 42, 4_294_967_296, u64::MAX][row];
        match field {
            0 => value.text([&b""[..], b"abc", b"a\xffb", b"don't", b"undefined"][row])?,
            1 => value.unsigned(number),
            2 => value.text_sorted_by(b"size", SortValue::Size([0.0, 1.0, 8192.0, 1e300, -1.0][row]))?,
            3 => value.percent([0, 100_000_000, 50_000_000, -1, 1][row])?,
            4 => {
                let items: [&[u8]; 5] = [b"", b"a", b"b,a", b",x\xff", b"c,b,a,a"];
                let items = items[row].split(|&b| b == b',').filter(|_| row > 0);
                value.list(items, b",", row.is_multiple_of(2))?;
            }
            5 => {
                let time = [0, 1_500_000_000, -1, i64::MAX, i64::MIN][row];
                value.text_sorted_by(b"time", SortValue::Number(time.cast_unsigned()))?;
            }
            6 => value.text(b"plain")?,
            7 => value.signed([0, -1, i64::MIN, i64::MAX, 7][row]),
            _ => return Err(SourceError::NoData),
        }
        Ok(())
    }
}

const ROWS: usize = 5;

/// Knows names of the form `dyn...`.
struct Handler;

impl ReservedHandler for Handler {
    fn recognise(&mut self, _: usize, _: usize, name: &[u8]) -> Result<bool, HandlerError> {
        Ok(name.starts_with(b"dyn"))
    }

    fn value(&mut self, _: usize, _: usize, kind: Kind, _: Option<usize>) -> Result<ReservedValue, HandlerError> {
        match kind {
            Kind::Time => Ok(ReservedValue::Time(0, 1_500_000_000)),
            Kind::Number => Ok(ReservedValue::Number(1, 42)),
            _ => Err(HandlerError::NotImplemented),
        }
    }
}

fn reserved() -> Vec<Reserved<'static>> {
    let entry = |scope, named, value, name: &'static [u8]| Reserved {
        scope,
        named,
        fuzzy: value == ReservedValue::Dynamic,
        value,
        names: vec![name],
        description: b"",
    };
    vec![
        entry(
            ReservedScope::Kind(Kind::Number),
            false,
            ReservedValue::Number(u64::MAX, u64::MAX),
            b"unknown",
        ),
        entry(
            ReservedScope::Kind(Kind::Size),
            true,
            ReservedValue::Size(0.0, 1.0),
            b"small",
        ),
        entry(
            ReservedScope::Kind(Kind::Percent),
            false,
            ReservedValue::Number(0, 0),
            b"none",
        ),
        entry(
            ReservedScope::Kind(Kind::String),
            false,
            ReservedValue::Text(b"undefined".to_vec()),
            b"undef",
        ),
        entry(
            ReservedScope::Kind(Kind::Time),
            true,
            ReservedValue::Dynamic,
            b"dynamic",
        ),
        entry(ReservedScope::Field(1), true, ReservedValue::Dynamic, b"range"),
    ]
}

fn schema() -> Schema<'static> {
    let field = |object_type, kind, id: &'static [u8]| FieldType {
        object_type,
        kind,
        align: Align::Default,
        width: 3,
        id,
        heading: id,
        description: b"",
    };
    let object = |id, prefix: &'static [u8]| ObjectType {
        id,
        description: b"Object",
        prefix,
    };
    Schema {
        types: vec![object(1, b"o_"), object(2, b"p_"), object(4, b"")],
        fields: vec![
            field(1, Kind::String, b"o_name"),
            field(1, Kind::Number, b"o_num"),
            field(1, Kind::Size, b"o_size"),
            field(2, Kind::Percent, b"p_pct"),
            field(2, Kind::StringList, b"p_tags"),
            field(2, Kind::Time, b"p_time"),
            field(4, Kind::None, b"raw"),
            field(4, Kind::Number, b"signed"),
        ],
    }
}

fn report(
    (flags, fields, keys): (u32, &[u8], &[u8]),
    selection: &[u8],
    printer: &Rc<Count>,
) -> Option<Report<'static>> {
    let setup = Setup {
        schema: schema(),
        fields,
        separator: Cow::Borrowed(b" "),
        flags: Flags::from_bits(flags),
        sort_keys: keys,
        printer: Rc::<Count>::clone(printer),
    };
    let selection = SelectionSetup {
        text: selection,
        reserved: reserved(),
        handler: &mut Handler,
    };
    Report::new(setup, &mut 1, Some(selection)).ok()
}

/// Which rows pass; `None` if it is no report.
fn passing(report: &mut Report<'_>, output: bool) -> Option<Vec<bool>> {
    (0..ROWS)
        .map(|row| report.object(&mut Row(row), output).expect("all values are there"))
        .collect()
}

pub(crate) fn run(bytes: &[u8]) {
    let Some((&flags, rest)) = bytes.split_first() else {
        return;
    };
    let [fields, keys, selection, later] = super::parts(rest);
    let setup = (u32::from(flags), fields, keys);
    let printer = Rc::new(Count::default());
    let Some(mut shown) = report(setup, selection, &printer) else {
        return;
    };
    let rows = passing(&mut shown, true);
    if shown.set_selection(later, &mut Handler).is_ok() {
        let _ = passing(&mut shown, false);
    }
    shown.set_name_prefix(b"fuzz_");
    shown.output().expect("rows are complete");

    if let Some(again) = report(setup, selection, &printer) {
        let json = if flags & 1 == 1 {
            GroupKind::Json
        } else {
            GroupKind::Basic
        };
        group(json, again, &printer);
    }

    // `all` and `help` are no expressions, and blanks at the end of the text belong to the last value.
    let word = selection.eq_ignore_ascii_case(b"all") || selection.eq_ignore_ascii_case(b"help") || selection == b"?";
    if selection.is_empty() || word || selection.trim_ascii_end() != selection || selection.ends_with(b"\x0b") {
        return;
    }
    let negation = [b"!(", selection, b")"].concat();
    let Some(rows) = rows else { return };
    // Deeper by one may be too deep.
    let Some(mut negated) = report(setup, &negation, &printer) else {
        assert!(
            selection.iter().filter(|&&b| b == b'(').count() >= 500,
            "{}",
            bstr::BStr::new(&negation)
        );
        return;
    };
    let opposite: Vec<bool> = rows.iter().map(|passes| !passes).collect();
    assert_eq!(
        passing(&mut negated, false),
        Some(opposite),
        "{}",
        bstr::BStr::new(&negation)
    );
}

/// The report as one of two parts of a group, filled before and after it is pushed.
fn group(kind: GroupKind, mut report: Report<'static>, printer: &Rc<Count>) {
    let _ = passing(&mut report, true);
    let report: SharedReport<'static> = Rc::new(RefCell::new(report));
    let Ok(mut group) = Group::new(kind, Rc::<Count>::clone(printer)) else {
        return;
    };
    for name in [&b"first"[..], b"second"] {
        group
            .push(None, Some(b"outer"))
            .expect("a group takes groups with names");
        group
            .push(Some(Rc::clone(&report)), Some(name))
            .expect("the report is in no group");
        let _ = passing(&mut report.borrow_mut(), true);
        report.borrow_mut().output().expect("rows are complete");
        group.pop().expect("the report is there");
        group.pop().expect("the group is there");
    }
    group.output_and_pop_all().expect("nothing is left");
}
