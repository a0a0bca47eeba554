//! The pages of this directory: every test that DEFECTS.md names exists, and MATRIX.md is that of the tables, with a test
//! for each row (scripts/matrix checks the rest of it).

use compat_tests::matrix;
use compat_tests::oracle::top;

#[test]
fn matrix_has_every_row_and_a_test_for_it() {
    let read = |path: &str| std::fs::read_to_string(top().join(path)).unwrap();
    let page = read("compat-tests/MATRIX.md");
    let calls = matrix::parse(&page);
    assert_eq!(
        matrix::render(&read("capi/abi/exports.tsv"), &read("capi/abi/clients.tsv"), &calls),
        page
    );
    assert!(!page.contains("No test calls"), "{page}");
}

#[test]
fn tests_of_defects_exist() {
    let page = std::fs::read_to_string(top().join("compat-tests/DEFECTS.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut count = 0;
    for row in rows {
        let test = row.trim_end_matches('|').rsplit("| ").next().unwrap().trim();
        let (file, name) = test.trim_start_matches('`').split_once('`').unwrap();
        if let Some(program) = file.strip_prefix("c/") {
            let has = |suffix: &str| top().join(format!("compat-tests/c/{program}.{suffix}")).exists();
            assert!(has("c") && (has("out") || has("diff-ok")), "{program}");
        } else {
            let source = std::fs::read_to_string(top().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
            assert!(source.contains(&format!("fn {}()", name.trim())), "{test}");
        }
        count += 1;
    }
    assert!(count > 30, "{count} rows");
}
