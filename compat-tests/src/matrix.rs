//! `MATRIX.md`: each exported symbol with its version, the programs that use it, and the tests that really call it.
//!
//! The programs come from `capi/abi/clients.tsv`; the calls from records of `matrix/audit.c`, an auditing object of the
//! dynamic linker. `scripts/matrix` makes both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// A symbol and its version.
pub type Row = (String, String);
/// For each row the tests that call it, as `group: name`.
pub type Calls = BTreeMap<Row, BTreeSet<(String, String)>>;

/// How many programs are named in a row; `clients.tsv` has them all.
const NAMED_CLIENTS: usize = 6;

/// The lines of a record that say that a symbol was called (`+`) or, for data, used (`o`).
///
/// A record is a sparse file of lines `FLAG CALLER SYMBOL VERSION`; its last eight bytes say how long they are.
fn called(record: &[u8]) -> impl Iterator<Item = (String, Row)> {
    let used = record.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let used = usize::try_from(used).map_or(record.len(), |used| used.min(record.len()));
    record[..used].split(|&b| b == b'\n').filter_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let [flag, caller, symbol, version] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        (flag == "+" || flag == "o").then(|| (caller.to_string(), (symbol.to_string(), version.to_string())))
    })
}

/// Reads what `scripts/matrix` left: in `records` one directory per group of tests, `c.NAME` for each C program.
///
/// # Errors
/// When a directory or file cannot be read.
pub fn read_records(records: &Path) -> io::Result<Calls> {
    let mut calls = Calls::new();
    for group in std::fs::read_dir(records)? {
        let group = group?;
        let name = group.file_name().into_string().unwrap_or_default();
        for file in std::fs::read_dir(group.path())? {
            let file = file?;
            if !file.file_type()?.is_file() {
                continue;
            }
            for (caller, row) in called(&std::fs::read(file.path())?) {
                let test = match name.split_once('.') {
                    Some((group, program)) => (group.to_string(), program.to_string()),
                    None => (name.clone(), caller),
                };
                calls.entry(row).or_default().insert(test);
            }
        }
    }
    Ok(calls)
}

/// The calls that a page tells of.
#[must_use]
pub fn parse(page: &str) -> Calls {
    let mut calls = Calls::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, symbol, _, tests, _] = cells[..] else { continue };
        let Some((name, version)) = symbol.trim_matches('`').split_once('@') else {
            continue;
        };
        let row = (name.to_string(), version.trim_start_matches('@').to_string());
        for group in tests.split("; ") {
            let Some((group, names)) = group.split_once(": ") else {
                continue;
            };
            let tests = names.split(", ").map(|name| (group.to_string(), name.to_string()));
            calls.entry(row.clone()).or_default().extend(tests);
        }
    }
    calls
}

/// The rows of a table of the ABI below its heading.
fn table(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).map(|line| line.split('\t').collect())
}

/// The name of a row as binaries write it: `dm_x@@V` for what new programs are linked to, `dm_x@V` for old ones.
fn versioned(row: &[&str]) -> String {
    format!("{}{}{}", row[0], row[row.len() - 1], row[1])
}

/// The page, from the two tables of the ABI and the calls.
#[must_use]
pub fn render(exports: &str, clients: &str, calls: &Calls) -> String {
    let users: BTreeMap<Row, Vec<&str>> = table(clients)
        .map(|r| {
            let names = r.get(3).map_or("", |c| c).split_whitespace().collect();
            ((r[0].to_string(), r[1].to_string()), names)
        })
        .collect();
    let all: Vec<Vec<&str>> = table(exports).collect();
    let mut body = String::new();
    let mut tested = 0;
    let mut untested = Vec::new();
    for row in &all {
        let key = (row[0].to_string(), row[1].to_string());
        let names = users.get(&key).map_or(&[][..], Vec::as_slice);
        let mut used = names[..names.len().min(NAMED_CLIENTS)].join(", ");
        if names.len() > NAMED_CLIENTS {
            write!(used, " and {} more", names.len() - NAMED_CLIENTS).expect("a String takes all");
        }
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (group, name) in calls.get(&key).into_iter().flatten() {
            groups.entry(group).or_default().push(name);
        }
        let tests: Vec<String> = groups
            .iter()
            .map(|(group, names)| format!("{group}: {}", names.join(", ")))
            .collect();
        if tests.is_empty() {
            untested.push(versioned(row));
        } else {
            tested += 1;
        }
        writeln!(body, "| `{}` | {used} | {} |", versioned(row), tests.join("; ")).expect("a String takes all");
    }
    let untested = match untested.as_slice() {
        [] => String::new(),
        list => format!("\nNo test calls: {}.\n", list.join(", ")),
    };
    format!(
        "# Symbols, who uses them, what tests them\n\n\
         Made by `scripts/matrix`; do not edit. A test is named where it was seen calling the symbol in our library \
         (`compat-tests/matrix/audit.c`; `dm_log` and `dm_log_with_errno` are data: where it refers to them).\n\n\
         * `@@` is the version that new programs get, `@` one that only old programs ask for.\n\
         * Used by: programs and libraries of Debian 12 and 13 and of current upstream LVM2 (`capi/abi/clients.tsv`).\n\
         * `c`: programs of `compat-tests/c`, compared with the reference library. `unit`: LVM2's unit tests. `lvm`: \
         `compat-tests/lvm-output`. `road`: `compat-tests/lvm-road`. `stock` and `udev`: Debian's binaries \
         under `compat-tests/stock-binaries`, without and with udevd.\n\n\
         {tested} of {} rows are tested.\n{untested}\n\
         | symbol | used by | called in tests by |\n|---|---|---|\n{body}",
        all.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORTS: &str = "symbol\tversion\ttype\tnew\ndm_a\tBase\tSTT_FUNC\t@\ndm_a\tV2\tSTT_FUNC\t@@\n";

    #[test]
    fn only_calls_count() {
        let mut record = b"- lvm dm_a V2\n+ lvm dm_a Base\n".to_vec();
        let used = record.len() as u64;
        record.extend([0; 100]);
        record.extend(used.to_le_bytes());
        let found: Vec<_> = called(&record).collect();
        assert_eq!(found, [("lvm".to_string(), ("dm_a".to_string(), "Base".to_string()))]);
    }

    #[test]
    fn untested_rows_are_named() {
        let calls = Calls::from([(
            ("dm_a".into(), "Base".into()),
            BTreeSet::from([("c".into(), "x".into()), ("c".into(), "y".into())]),
        )]);
        let clients = "symbol\tversion\tdefault\tclients\ndm_a\tBase\t@\t\ndm_a\tV2\t@@\ta b c d e f g h\n";
        let page = render(EXPORTS, clients, &calls);
        assert!(
            page.contains("1 of 2 rows are tested.\n\nNo test calls: dm_a@@V2.\n"),
            "{page}"
        );
        assert!(page.contains("| `dm_a@Base` |  | c: x, y |\n"), "{page}");
        assert!(
            page.contains("| `dm_a@@V2` | a, b, c, d, e, f and 2 more |  |\n"),
            "{page}"
        );
    }
}
