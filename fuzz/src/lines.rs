//! A line of a table or of a status as its type: what is printed is read again as the same.

use libdevmapper::table::{Line, Params, Status, Table, Target};

fn line<T: Target + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(line) = Line::<T>::parse(bytes) else { return };
    let printed = line.to_bytes();
    let again = Line::<T>::parse(&printed).unwrap_or_else(|error| panic!("{error} in what was printed: {printed}"));
    assert_eq!(again.to_bytes(), printed);
    assert_eq!(again, line);
}

pub(crate) fn run(bytes: &[u8]) {
    line::<Params>(bytes);
    line::<Status>(bytes);
    if let Ok(table) = Table::parse(bytes) {
        let sectors = table.lines().iter().map(|line| u128::from(line.length)).sum::<u128>();
        assert_eq!(u128::from(table.sectors()), sectors);
    }
}
