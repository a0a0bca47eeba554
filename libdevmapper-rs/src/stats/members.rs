//! Lists of region ids: `0-1,4`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use bstr::{BStr, BString, ByteSlice};

use crate::error::{Error, Result};

/// The ranges of a list, in the order of the text.
///
/// Elements are decimal numbers or `LOW-HIGH` with LOW <= HIGH, separated by commas, with blanks around them. Empty
/// elements are left out. Ranges are not expanded here, since their ends are not trusted.
///
/// # Errors
/// The text is not such a list.
pub fn parse(text: &[u8]) -> Result<Vec<RangeInclusive<u64>>> {
    let wrong = || Error::Parse(format!("Could not parse list: '{}'", BStr::new(text)));
    let mut ranges = Vec::new();
    for element in text.split_str(",") {
        let element = element.trim_ascii();
        if element.is_empty() {
            continue;
        }
        let (low, high) = element.split_once_str("-").unwrap_or((element, element));
        let low = super::number(low).ok_or_else(wrong)?;
        let high = super::number(high).ok_or_else(wrong)?;
        if low > high {
            return Err(wrong());
        }
        ranges.push(low..=high);
    }
    Ok(ranges)
}

/// The list of a set, with a range for two or more consecutive ids.
#[must_use]
pub fn format(members: &BTreeSet<u64>) -> BString {
    let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
    for &id in members {
        match ranges.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(id) => *last = *last.start()..=id,
            _ => ranges.push(id..=id),
        }
    }
    let texts = ranges.iter().map(|r| match (r.start(), r.end()) {
        (low, high) if low == high => low.to_string(),
        (low, high) => format!("{low}-{high}"),
    });
    texts.collect::<Vec<_>>().join(",").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn notation() {
        assert_eq!(parse(b"0-1,4").unwrap(), [0..=1, 4..=4]);
        assert_eq!(parse(b" 3 , 5 ,,").unwrap(), [3..=3, 5..=5]);
        assert_eq!(parse(b"").unwrap(), []);
        assert_eq!(parse(b"0-18446744073709551615").unwrap(), [0..=u64::MAX]);
        for wrong in [
            &b"x"[..],
            b"1-",
            b"-1",
            b"2-1",
            b"1 -2",
            b"1 2",
            b"18446744073709551616",
            b"+1",
        ] {
            assert!(parse(wrong).is_err(), "{}", BStr::new(wrong));
        }
        assert_eq!(format(&BTreeSet::from([0, 1, 4])), "0-1,4");
        assert_eq!(format(&BTreeSet::from([4, 5, 6])), "4-6");
        assert_eq!(format(&BTreeSet::new()), "");
        assert_eq!(
            format(&BTreeSet::from([u64::MAX - 1, u64::MAX])),
            "18446744073709551614-18446744073709551615"
        );
    }

    proptest! {
        #[test]
        fn round_trip(set in proptest::collection::btree_set(0u64..200, 0..100)) {
            let parsed: BTreeSet<u64> = parse(&format(&set)).unwrap().into_iter().flatten().collect();
            prop_assert_eq!(parsed, set);
        }

        #[test]
        fn any_bytes(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&text);
        }
    }
}
