//! Tests of reports.

use std::cell::RefCell;

use super::*;

/// Keeps the lines.
#[derive(Default)]
struct Lines(RefCell<Vec<String>>);

impl Printer for Lines {
    fn print(&self, line: &[u8]) {
        self.0.borrow_mut().push(String::from_utf8_lossy(line).into_owned());
    }

    fn warn(&self, line: &[u8]) {
        self.0.borrow_mut().push(format!("! {}", String::from_utf8_lossy(line)));
    }
}

impl Lines {
    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// An object of the specification's examples.
#[derive(Clone, Debug)]
struct Object {
    name: &'static str,
    number: u64,
    size: f64,
    percent: i32,
    tags: Vec<&'static str>,
}

impl RowSource for &Object {
    fn value(&mut self, field: usize, value: &mut Value<'_>) -> Result<(), SourceError> {
        match field {
            0 => value.text(self.name.as_bytes())?,
            1 => value.unsigned(self.number),
            2 => {
                let text = if self.size == 0.0 {
                    "0 ".into()
                } else {
                    format!("{:.2}m", self.size / 2048.0)
                };
                value.text_sorted_by(text.as_bytes(), SortValue::Size(self.size))?;
            }
            3 => value.percent(self.percent)?,
            4 => value.list(self.tags.iter().map(|t| t.as_bytes()), b",", true)?,
            _ => return Err(SourceError::NoData),
        }
        Ok(())
    }
}

fn objects() -> Vec<Object> {
    let object = |name, number, size, percent, tags: &[&'static str]| Object {
        name,
        number,
        size,
        percent,
        tags: tags.to_vec(),
    };
    vec![
        object("alpha", 3, 8192.0, 50_000_000, &["zz", "aa", "mm"]),
        object("b", 150, 2048.0, -1, &[]),
        object("ch\"ar\\lie'", 7, 0.0, 100_000_000, &["aa"]),
        object("delta", 4_294_967_295, 3.0, 1, &["bb\"x", "a,b"]),
    ]
}

fn schema() -> Schema<'static> {
    let field = |kind, width, id: &'static str, heading: &'static str| FieldType {
        object_type: 1,
        kind,
        align: Align::Default,
        width,
        id: id.as_bytes(),
        heading: heading.as_bytes(),
        description: b"",
    };
    Schema {
        types: vec![ObjectType {
            id: 1,
            description: b"Object",
            prefix: b"obj_",
        }],
        fields: vec![
            field(Kind::String, 4, "obj_name", "Name"),
            field(Kind::Number, 5, "obj_num", "Num"),
            field(Kind::Size, 6, "obj_size", "OSize"),
            field(Kind::Percent, 6, "obj_pct", "Pct%"),
            field(Kind::StringList, 0, "obj_tags", "Tags"),
        ],
    }
}

fn report(fields: &str, flags: u32, keys: &str, selection: &str, lines: &Rc<Lines>) -> Result<Report<'static>, Error> {
    let setup = Setup {
        schema: schema(),
        fields: fields.as_bytes(),
        separator: Cow::Borrowed(b" "),
        flags: Flags::from_bits(flags),
        sort_keys: keys.as_bytes(),
        printer: Rc::<Lines>::clone(lines),
    };
    let selection = SelectionSetup {
        text: selection.as_bytes(),
        reserved: Vec::new(),
        handler: &mut NoHandler,
    };
    Report::new(setup, &mut 1, Some(selection))
}

fn run(fields: &str, flags: u32, keys: &str, selection: &str, count: usize) -> Vec<String> {
    let lines = Rc::new(Lines::default());
    let mut report = report(fields, flags, keys, selection, &lines).unwrap();
    for object in &objects()[..count] {
        report.object(&mut &*object, true).unwrap();
    }
    report.output().unwrap();
    lines.take()
}

const ALL: &str = "name,num,size,pct,tags";

#[test]
fn aligned_columns() {
    assert_eq!(
        run(ALL, 7, "", "", 3),
        [
            "Name       Num   OSize  Pct%   Tags    ",
            "alpha          3  4.00m 50.00  aa,mm,zz",
            "b            150  1.00m                ",
            "ch\"ar\\lie'     7     0  100.00 aa      ",
        ]
    );
    assert_eq!(
        run(ALL, 5, "", "", 2),
        [
            "Name  Num   OSize  Pct%   Tags    ",
            "alpha     3  4.00m 50.00  aa,mm,zz",
            "b      150  1.00m        ",
        ]
    );
}

#[test]
fn name_and_value_pairs() {
    let lines = Rc::new(Lines::default());
    let pairs = |flags| {
        let mut report = report("name,num,size", flags, "", "name=alpha", &lines).unwrap();
        report.set_name_prefix(b"lvm2_");
        for object in &objects() {
            report.object(&mut &*object, true).unwrap();
        }
        report.output().unwrap();
        lines.take().join("|")
    };
    assert_eq!(
        pairs(0x0a),
        "LVM2_OBJ_NAME='alpha' LVM2_OBJ_NUM='3' LVM2_OBJ_SIZE='4.00m'"
    );
    assert_eq!(pairs(0x1a), "LVM2_OBJ_NAME=alpha LVM2_OBJ_NUM=3 LVM2_OBJ_SIZE=4.00m");
    assert_eq!(
        pairs(0x0b),
        "LVM2_OBJ_NAME='alpha' LVM2_OBJ_NUM='    3' LVM2_OBJ_SIZE=' 4.00m'"
    );
}

#[test]
fn columns_as_rows() {
    assert_eq!(
        run("name,size,tags", 0x26, "", "", 3),
        ["Name alpha b ch\"ar\\lie'", "OSize 4.00m 1.00m 0 ", "Tags aa,mm,zz  aa",]
    );
}

#[test]
fn ids_in_headings() {
    assert_eq!(
        run("name,num", 0x87, "", "", 1),
        ["obj_name obj_num", "alpha          3"]
    );
}

#[test]
fn compaction_leaves_the_separator_of_a_column() {
    let lines = Rc::new(Lines::default());
    let mut report = report("name,num,tags", 6, "", "", &lines).unwrap();
    report.object(&mut &objects()[1], true).unwrap();
    report.compact_fields();
    report.output().unwrap();
    assert_eq!(lines.take(), ["Name Num ", "b 150"]);
    report.object(&mut &objects()[0], true).unwrap();
    report.compact_fields();
    report.output().unwrap();
    assert_eq!(lines.take(), ["alpha 3 aa,mm,zz"]);
    assert!(report.compact_given_fields(b"name,bogus").is_err());
}

#[test]
fn rows_stay_for_another_selection() {
    let lines = Rc::new(Lines::default());
    let mut report = report("name,num", 0x47, "", "name=alpha", &lines).unwrap();
    for object in &objects() {
        report.object(&mut &*object, true).unwrap();
    }
    report.output().unwrap();
    assert_eq!(lines.take(), ["Name  Num  ", "alpha     3"]);
    report.set_selection(b"num>100 && num<1000", &mut NoHandler).unwrap();
    report.output().unwrap();
    assert_eq!(lines.take(), ["b      150"]);
    assert!(report.set_selection(b"size>1", &mut NoHandler).is_err());
    assert_eq!(report.object(&mut &objects()[0], false).unwrap(), Some(true));
}

#[test]
fn underscores_say_nothing_but_in_all() {
    let lines = Rc::new(Lines::default());
    for (fields, right) in [
        ("all", true),
        ("ALL", true),
        ("_all", false),
        ("al_l", false),
        ("obj_all", true),
        ("objall", true),
        ("o_bj_al_l", true),
        ("_obj_name", true),
    ] {
        assert_eq!(report(fields, 7, "", "", &lines).is_ok(), right, "{fields}");
    }
}

#[test]
fn headings_of_a_report_that_only_helps() {
    let lines = Rc::new(Lines::default());
    let mut report = report("name,help", 6, "", "", &lines).unwrap();
    lines.take();
    report.column_headings();
    assert_eq!(lines.take(), ["Name Help"]);
    report.output().unwrap();
    assert!(lines.take().is_empty());
}

#[test]
fn unknown_fields_are_listed() {
    let lines = Rc::new(Lines::default());
    assert!(report("name,bogus", 7, "", "", &lines).is_err());
    let listing = lines.take();
    assert_eq!(
        listing[..4],
        [
            "! Object Fields",
            "! -------------",
            "!   obj_all  - All fields in this section.",
            "!   obj_name - "
        ]
    );
    assert_eq!(listing.last().unwrap(), "!  ");
    assert!(report("name,", 7, "", "", &lines).is_err());
    assert!(report("name", 7, "-", "", &lines).is_err());
    assert!(report("", 7, "", "", &lines).is_ok());
    let mut help = report("help", 7, "", "", &lines).unwrap();
    assert_eq!(help.object(&mut &objects()[0], true).unwrap(), None);
}

/// The names of the objects that pass.
fn passing(selection: &str) -> String {
    run("name", 2, "", selection, 4).join(" ").replace("ch\"ar\\lie'", "ch")
}

#[test]
fn selections() {
    for (selection, rows) in [
        ("ALL", "alpha b ch delta"),
        (" name = \"alpha\"", "alpha"),
        ("OBJ_NAME='alpha'", "alpha"),
        ("name!=b", "alpha ch delta"),
        ("name==alpha", ""),
        ("name=ALPHA", ""),
        ("name=~^[ab]", "alpha b"),
        ("name=~a|b", "alpha b ch delta"),
        ("name=alpha || name=b && num=3", "alpha"),
        ("(name=alpha || name=b) && num=150", "b"),
        ("!(name=alpha, num=3)", "b ch delta"),
        ("num>=7", "b ch delta"),
        ("num<7", "alpha"),
        ("num=3.5", "alpha"),
        ("size>1m", "alpha"),
        ("size<=1m", "b ch delta"),
        ("pct>=50", "alpha ch"),
        ("pct!=50", "ch delta"),
        ("!(pct=50)", "b ch delta"),
        ("selected=1", "alpha b ch delta"),
        ("selected=0", ""),
    ] {
        assert_eq!(passing(selection), rows, "{selection}");
    }
    for size in ["4m", "4", "4.00m", "4096k", "4194304b", "8192s", "0.00390625g"] {
        assert_eq!(passing(&format!("size={size}")), "alpha", "{size}");
    }
    assert_eq!(passing("size=4M"), "");
}

#[test]
fn selections_of_lists() {
    for (selection, rows) in [
        ("tags=aa", "alpha ch"),
        ("tags={aa && aa}", "alpha ch"),
        ("tags=[aa]", "ch"),
        ("tags=[zz && aa && mm]", "alpha"),
        ("tags={aa,zz}", "alpha"),
        ("tags=[aa && mm]", ""),
        ("tags=[aa && aa]", ""),
        ("tags=[aa || mm || zz]", "alpha ch"),
        ("tags=[aa || bogus]", "ch"),
        ("tags={bogus || zz}", "alpha"),
        ("tags=[]", "b"),
        ("tags=", "b"),
        ("tags!=[aa]", "alpha b delta"),
        ("tags!=aa", "b delta"),
        ("tags={\"a,b\"}", "delta"),
        ("tags=~^a", "alpha ch delta"),
        ("tags=~[\"^a\"]", "ch"),
        ("tags=~[\"^a\" && \"^m\" && \"^z\"]", "alpha"),
        ("tags=~{\"^a\" && \"^m\"}", "alpha"),
        ("tags=~[\"^a\" || \"^q\"]", "ch"),
        ("tags!~^a", "b"),
        ("tags=~[\"^$\"]", "b"),
    ] {
        assert_eq!(passing(selection), rows, "{selection}");
    }
}

#[test]
fn malformed_selections() {
    let lines = Rc::new(Lines::default());
    for selection in [
        "name",
        "name=x &&",
        "=x",
        "(name=x",
        "name=x)",
        "!name=x",
        "bogus=1",
        "help=1",
        "num=-1",
        "num=\"3\"",
        "num=3x",
        "num=3%",
        "num=3k",
        "num=18446744073709551616",
        "pct=101",
        "size=4z",
        "name>x",
        "name=~",
        "name=~(a",
        "name=\"x",
        "tags=[a",
        "tags=[a,b||c]",
        "tags=[a}",
        "num=~x",
        "name since 3",
    ] {
        assert!(report("name", 2, "", selection, &lines).is_err(), "{selection}");
    }
    let deep = "(".repeat(100_000);
    assert!(report("name", 2, "", &deep, &lines).is_err());
}

/// A report in a group prints itself.
fn shared(fields: &str, lines: &Rc<Lines>) -> SharedReport<'static> {
    Rc::new(RefCell::new(report(fields, 7, "", "", lines).unwrap()))
}

fn add(report: &SharedReport<'static>, objects: &[Object]) {
    for object in objects {
        report.borrow_mut().object(&mut &*object, true).unwrap();
    }
}

#[test]
fn json_of_lvm() {
    let lines = Rc::new(Lines::default());
    let mut group = Group::new(GroupKind::JsonStd, Rc::<Lines>::clone(&lines)).unwrap();
    let (log, lv) = (shared("name", &lines), shared("name,pct,tags", &lines));
    assert!(group.push(None, None).is_err());
    group.push(Some(Rc::clone(&log)), Some(b"log")).unwrap();
    assert!(group.push(Some(Rc::clone(&log)), Some(b"again")).is_err());
    group.push(None, Some(b"report")).unwrap();
    group.push(Some(Rc::clone(&lv)), Some(b"lv")).unwrap();
    add(&lv, &objects()[1..3]);
    assert!(log.borrow_mut().output().is_err(), "not the top of the stack");
    lv.borrow_mut().output().unwrap();
    group.pop().unwrap();
    group.pop().unwrap();
    add(&log, &objects()[..1]);
    group.output_and_pop_all().unwrap();
    assert_eq!(
        lines.take(),
        [
            "{",
            "    \"report\": [",
            "        {",
            "            \"lv\": [",
            "                {\"obj_name\":\"b\", \"obj_pct\":null, \"obj_tags\":[]},",
            "                {\"obj_name\":\"ch\\\"ar\\\\lie'\", \"obj_pct\":100.00, \"obj_tags\":[\"aa\"]}",
            "            ]",
            "        }",
            "    ]",
            "    ,",
            "    \"log\": [",
            "        {\"obj_name\":\"alpha\"}",
            "    ]",
            "}",
        ]
    );
    assert!(log.borrow().membership.is_none());
}

#[test]
fn titles_of_a_basic_group() {
    let lines = Rc::new(Lines::default());
    let mut group = Group::new(GroupKind::Basic, Rc::<Lines>::clone(&lines)).unwrap();
    for (name, count) in [("vg", 1), ("none", 0), ("lv", 2)] {
        let report = shared("name", &lines);
        group.push(Some(Rc::clone(&report)), Some(name.as_bytes())).unwrap();
        add(&report, &objects()[..count]);
        report.borrow_mut().output().unwrap();
        group.pop().unwrap();
    }
    assert_eq!(
        lines.take(),
        ["vg", "==", "Name ", "alpha", "", "lv", "==", "Name ", "alpha", "b    "]
    );
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// A row of generated values.
    #[derive(Clone, Debug)]
    struct Row {
        name: String,
        number: u64,
    }

    impl RowSource for &Row {
        fn value(&mut self, field: usize, value: &mut Value<'_>) -> Result<(), SourceError> {
            match field {
                0 => value.text(self.name.as_bytes())?,
                1 => value.unsigned(self.number),
                _ => return Err(SourceError::NoData),
            }
            Ok(())
        }
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        prop::collection::vec(
            ("[a-c]{0,10}", 0_u64..6).prop_map(|(name, number)| Row { name, number }),
            0..40,
        )
    }

    /// A condition, its text and its meaning.
    #[derive(Clone, Debug)]
    enum Condition {
        Name(bool, String),
        Number(&'static str, u64),
        Not(Box<Condition>),
        All(Vec<Condition>),
        Any(Vec<Condition>),
    }

    impl Condition {
        fn text(&self) -> String {
            let join = |list: &[Condition], operator: &str| {
                let parts: Vec<_> = list.iter().map(|c| format!("({})", c.text())).collect();
                parts.join(operator)
            };
            match self {
                Self::Name(true, name) => format!("name = '{name}'"),
                Self::Name(false, name) => format!("obj_name!=\"{name}\""),
                Self::Number(operator, number) => format!("num {operator}{number}"),
                Self::Not(inner) => format!("!({})", inner.text()),
                Self::All(list) => join(list, " && "),
                Self::Any(list) => join(list, "#"),
            }
        }

        fn holds(&self, row: &Row) -> bool {
            match self {
                Self::Name(equal, name) => (row.name == *name) == *equal,
                Self::Number("=", n) => row.number == *n,
                Self::Number("!=", n) => row.number != *n,
                Self::Number("<", n) => row.number < *n,
                Self::Number("<=", n) => row.number <= *n,
                Self::Number(">", n) => row.number > *n,
                Self::Number(_, n) => row.number >= *n,
                Self::Not(inner) => !inner.holds(row),
                Self::All(list) => list.iter().all(|c| c.holds(row)),
                Self::Any(list) => list.iter().any(|c| c.holds(row)),
            }
        }
    }

    fn conditions() -> impl Strategy<Value = Condition> {
        let operator = prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
        let leaf = prop_oneof![
            (any::<bool>(), "[a-c]{0,2}").prop_map(|(equal, name)| Condition::Name(equal, name)),
            (operator, 0_u64..6).prop_map(|(operator, number)| Condition::Number(operator, number)),
        ];
        leaf.prop_recursive(4, 16, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|c| Condition::Not(Box::new(c))),
                prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::All),
                prop::collection::vec(inner, 1..4).prop_map(Condition::Any),
            ]
        })
    }

    fn print(rows: &[Row], keys: &str, selection: &str) -> Vec<String> {
        let lines = Rc::new(Lines::default());
        let mut report = report("name,num", 2, keys, selection, &lines).unwrap();
        for row in rows {
            report.object(&mut &*row, true).unwrap();
        }
        report.output().unwrap();
        lines.take()
    }

    fn line(row: &Row) -> String {
        format!("{} {}", row.name, row.number)
    }

    proptest! {
        #[test]
        fn rows_are_sorted_and_none_is_lost(rows in rows(), by_name in any::<bool>(), down in any::<bool>()) {
            let key = if by_name { "name" } else { "num" };
            let sign = if down { "-" } else { "" };
            let mut expected = rows.clone();
            expected.sort_by(|a, b| {
                let order = if by_name { a.name.cmp(&b.name) } else { a.number.cmp(&b.number) };
                if down { order.reverse() } else { order }
            });
            let expected: Vec<_> = expected.iter().map(line).collect();
            prop_assert_eq!(print(&rows, &format!("{sign}{key}"), ""), expected);
        }

        #[test]
        fn several_keys(rows in rows()) {
            let mut expected = rows.clone();
            expected.sort_by(|a, b| b.number.cmp(&a.number).then_with(|| a.name.cmp(&b.name)));
            let expected: Vec<_> = expected.iter().map(line).collect();
            prop_assert_eq!(print(&rows, "-num,+name", ""), expected);
        }

        #[test]
        fn selection_is_what_it_says(rows in rows(), condition in conditions()) {
            let expected: Vec<_> = rows.iter().filter(|row| condition.holds(row)).map(line).collect();
            prop_assert_eq!(print(&rows, "", &condition.text()), expected);
        }

        #[test]
        fn no_selection_is_too_strange(text in prop::collection::vec(any::<u8>(), 0..60)) {
            try_selection(&text);
        }

        #[test]
        fn nor_almost_right(parts in prop::collection::vec(prop::sample::select(vec![
            "name", "num", "size", "pct", "tags", "obj_", "=", "!=", "=~", "!~", "<", ">=", "since", "&&", "||", ",", "#", "!",
            "(", ")", "[", "]", "{", "}", "\"", "'", " ", "\t", "3", "4.5", "m", "%", "undef", "@", "2017-07", "a", "^", "\\",
            ".", "-", "fz", "\u{e9}",
        ]), 0..24)) {
            try_selection(parts.concat().as_bytes());
        }

        #[test]
        fn no_field_list_is_too_strange(fields in "[a-z_,+?-]{0,40}", keys in "[a-z_,+?-]{0,20}") {
            let lines = Rc::new(Lines::default());
            let _ = report(&fields, 7, &keys, "", &lines);
        }

        #[test]
        fn no_time_is_too_strange(text in "[-0-9:+@ ]{0,30}") {
            try_selection(format!("time=\"{text}\"").as_bytes());
        }
    }

    struct Fuzzy;

    impl ReservedHandler for Fuzzy {
        fn recognise(&mut self, _: usize, _: usize, name: &[u8]) -> Result<bool, HandlerError> {
            if name.is_empty() {
                return Err(HandlerError::Failed);
            }
            Ok(name.starts_with(b"fz"))
        }

        fn value(&mut self, _: usize, _: usize, _: Kind, _: Option<usize>) -> Result<ReservedValue, HandlerError> {
            Ok(ReservedValue::Number(1, 5))
        }
    }

    /// Sets up a report with a selection and uses it if it is right. Nothing may panic.
    fn try_selection(text: &[u8]) {
        let reserved = |scope, named, value, name: &'static [u8]| Reserved {
            scope,
            named,
            fuzzy: name == b"fuzzy",
            value,
            names: vec![name],
            description: b"",
        };
        let mut schema = schema();
        schema.fields.push(FieldType {
            kind: Kind::Time,
            id: b"obj_time",
            ..schema.fields[0]
        });
        let lines = Rc::new(Lines::default());
        let setup = Setup {
            schema,
            fields: b"name,num,size,pct,tags",
            separator: Cow::Borrowed(b""),
            flags: Flags::BUFFERED,
            sort_keys: b"",
            printer: Rc::<Lines>::clone(&lines),
        };
        let selection = SelectionSetup {
            text,
            reserved: vec![
                reserved(
                    ReservedScope::Kind(Kind::Number),
                    false,
                    ReservedValue::Number(u64::MAX, u64::MAX),
                    b"undef",
                ),
                reserved(ReservedScope::Field(3), true, ReservedValue::Dynamic, b"fuzzy"),
                reserved(ReservedScope::Field(99), true, ReservedValue::Dynamic, b"no field"),
            ],
            handler: &mut Fuzzy,
        };
        if let Ok(mut report) = Report::new(setup, &mut 1, Some(selection)) {
            for object in &objects() {
                let _ = report.object(&mut &*object, true);
            }
            report.output().unwrap();
        }
    }
}
