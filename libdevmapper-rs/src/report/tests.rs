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
