//! `matrix RECORDS`: prints MATRIX.md from the records that scripts/matrix collects.

use compat_tests::{matrix, oracle::top};

fn main() {
    let records = std::env::args_os().nth(1).expect("usage: matrix RECORDS");
    let read = |name: &str| {
        let path = top().join("capi/abi").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let calls = matrix::read_records(records.as_ref()).expect("the records are readable");
    print!("{}", matrix::render(&read("exports.tsv"), &read("clients.tsv"), &calls));
}
