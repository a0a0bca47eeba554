//! Latency histograms: bounds, bins and their texts.

use std::fmt::Write as _;

use bstr::{BStr, ByteSlice};

use crate::error::{Error, Result};
use crate::percent::Percent;

/// Flag: print bounds in the largest unit that divides them, instead of nanoseconds.
pub const SUFFIX: u32 = 0x1;
/// Flag: print counts.
pub const VALUES: u32 = 0x2;
/// Flag: print percentages of the sum.
pub const PERCENT: u32 = 0x4;
/// Flag: print lower bounds.
pub const BOUNDS_LOWER: u32 = 0x10;
/// Flag: print upper bounds.
pub const BOUNDS_UPPER: u32 = 0x20;
/// Flags: print both bounds.
pub const BOUNDS_RANGE: u32 = 0x30;

/// Default width of a value.
const VALUE_WIDTH: usize = 6;
/// The widest values that make sense; Rust's formatting ends at 65535.
const MAX_WIDTH: i32 = 4096;

/// A bin: how many requests took up to `upper` nanoseconds and longer than the bin before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Bin {
    /// Upper bound in nanoseconds; `u64::MAX` for the open last bin.
    pub upper: u64,
    /// Number of requests.
    pub count: u64,
}

/// The bins of a histogram, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram<'a> {
    bins: &'a [Bin],
}

impl<'a> Histogram<'a> {
    /// Looks at bins as a histogram.
    #[must_use]
    pub fn new(bins: &'a [Bin]) -> Self {
        Self { bins }
    }

    /// The bins.
    #[must_use]
    pub fn bins(&self) -> &'a [Bin] {
        self.bins
    }

    /// Lower bound of a bin in nanoseconds; 0 for the first and for one that is not there.
    #[must_use]
    pub fn lower(&self, bin: usize) -> u64 {
        bin.checked_sub(1).map_or(0, |before| self.upper(before))
    }

    /// Upper bound of a bin in nanoseconds; 0 for one that is not there.
    #[must_use]
    pub fn upper(&self, bin: usize) -> u64 {
        self.bins.get(bin).map_or(0, |b| b.upper)
    }

    /// Width of a bin in nanoseconds; wraps where bounds descend.
    #[must_use]
    pub fn width(&self, bin: usize) -> u64 {
        self.upper(bin).wrapping_sub(self.lower(bin))
    }

    /// Number of requests in a bin.
    #[must_use]
    pub fn count(&self, bin: usize) -> u64 {
        self.bins.get(bin).map_or(0, |b| b.count)
    }

    /// Number of requests in all bins.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.bins.iter().fold(0, |sum, bin| sum.wrapping_add(bin.count))
    }

    /// Part of the requests that are in a bin.
    #[must_use]
    pub fn percent(&self, bin: usize) -> Percent {
        match (self.count(bin), self.sum()) {
            (0, _) | (_, 0) => Percent::ZERO,
            _ if self.width(bin) == 0 => Percent::ZERO,
            (count, sum) => Percent::of(count, sum),
        }
    }

    /// The text of one bin, or of all, as the flags say: bounds, values, or both.
    ///
    /// With [`VALUES`], bounds and values are padded: values to `width` characters, or to 6 if it is 0; a negative
    /// width, and no [`VALUES`], mean no padding. A bound that is too long takes from the width of its value.
    ///
    /// # Errors
    /// There is no such bin, a flag is unknown, or the width is above 4096; logged.
    pub fn format(&self, bin: Option<usize>, width: i32, flags: u32) -> Result<String> {
        if flags & !(SUFFIX | VALUES | PERCENT | BOUNDS_RANGE) != 0 {
            return refused(format!("Invalid histogram flags: 0x{flags:x}"));
        }
        if width > MAX_WIDTH {
            return refused(format!("Invalid histogram width: {width}"));
        }
        let bins = match bin {
            Some(bin) if bin >= self.bins.len() => return refused(format!("Invalid histogram bin: {bin}")),
            Some(bin) => bin..bin + 1,
            None => 0..self.bins.len(),
        };
        let padded = flags & VALUES != 0 && width >= 0;
        let value_width = match usize::try_from(width) {
            Ok(0) => VALUE_WIDTH,
            Ok(width) if padded => width,
            _ => 0,
        };
        let bound_width = if flags & SUFFIX != 0 { 6 } else { 10 };
        let separator = match (flags & BOUNDS_RANGE != 0, flags & VALUES != 0) {
            (true, _) if padded => ",",
            (true, false) => ",",
            (true, true) => ":",
            (false, true) if !padded => ":",
            (false, _) => "",
        };
        let mut text = String::new();
        for bin in bins.clone() {
            if bin > bins.start {
                text.push_str(separator);
            }
            let mut value_width = value_width;
            if flags & BOUNDS_RANGE != 0 {
                let bound = self.bound(bin, flags);
                value_width = value_width.saturating_sub(bound.len().saturating_sub(bound_width));
                let pair = flags & BOUNDS_RANGE == BOUNDS_RANGE && self.upper(bin) != u64::MAX;
                let width = if padded && !pair { bound_width } else { 0 };
                // Writing to a String cannot fail.
                let _ = write!(text, "{bound:>width$}");
                if flags & VALUES != 0 {
                    text.push(':');
                }
            }
            let width = if padded { value_width } else { 0 };
            let _ = if flags & PERCENT != 0 {
                write!(text, "{:>width$.2}%", f64::from(self.percent(bin).0) / 1e6)
            } else if flags & VALUES != 0 {
                write!(text, "{:>width$}", self.count(bin))
            } else {
                Ok(())
            };
        }
        Ok(text)
    }

    /// The text of a bin's bounds.
    fn bound(&self, bin: usize, flags: u32) -> String {
        let text = |bound| {
            if flags & SUFFIX != 0 {
                with_unit(bound)
            } else {
                format!("{bound}")
            }
        };
        let (lower, upper) = (self.lower(bin), self.upper(bin));
        match flags & BOUNDS_RANGE {
            BOUNDS_LOWER => text(lower),
            _ if upper == u64::MAX => format!(">{}", text(lower)),
            BOUNDS_UPPER => text(upper),
            _ => format!("{}-{}", text(lower), text(upper)),
        }
    }
}

/// A time in the largest unit that divides it.
fn with_unit(nanoseconds: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    let (unit, name) = units
        .into_iter()
        .find(|(unit, _)| nanoseconds.is_multiple_of(*unit))
        .unwrap_or((1, "ns"));
    format!("{}{name}", nanoseconds / unit)
}

fn refused<T>(message: String) -> Result<T> {
    crate::log_error!("{message}");
    Err(Error::Invalid(message))
}

/// Parses bounds: `N[ns|us|ms|s]`, separated by commas; in nanoseconds.
///
/// A number without unit has that of the one before it, the first one nanoseconds. Too large numbers become
/// `u64::MAX`. The order is not looked at here.
///
/// # Errors
/// An empty entry, or a character that does not belong there; logged.
pub fn parse_bounds(text: &[u8]) -> Result<Vec<u64>> {
    let mut unit = 1;
    let mut bounds = Vec::new();
    for entry in text.split_str(",") {
        if entry.is_empty() && !text.is_empty() {
            return refused(format!("Empty histogram bin not allowed: {}", BStr::new(text)));
        }
        let end = entry.find_not_byteset(b"0123456789").unwrap_or(entry.len());
        let (digits, suffix) = entry.split_at(end);
        unit = match suffix {
            b"" if !digits.is_empty() => unit,
            b"ns" if !digits.is_empty() => 1,
            b"us" if !digits.is_empty() => 1_000,
            b"ms" if !digits.is_empty() => 1_000_000,
            b"s" if !digits.is_empty() => 1_000_000_000,
            _ => {
                let character = suffix.chars().next().map(String::from).unwrap_or_default();
                return refused(format!("Invalid character in histogram: {character}"));
            }
        };
        bounds.push(super::number(digits).unwrap_or(u64::MAX).saturating_mul(unit));
    }
    Ok(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;
    const BINS: [Bin; 4] = [
        Bin { upper: MS, count: 12 },
        Bin {
            upper: 10 * MS,
            count: 0,
        },
        Bin {
            upper: 100 * MS,
            count: 0,
        },
        Bin {
            upper: u64::MAX,
            count: 0,
        },
    ];

    #[test]
    fn widths_beyond_sense_are_refused() {
        let histogram = Histogram::new(&BINS);
        for flags in [VALUES, PERCENT | VALUES, BOUNDS_RANGE | VALUES] {
            assert!(histogram.format(None, MAX_WIDTH, flags).is_ok());
            for width in [MAX_WIDTH + 1, 65_536, i32::MAX] {
                assert!(histogram.format(None, width, flags).is_err());
            }
            assert!(histogram.format(None, i32::MIN, flags).is_ok());
        }
    }

    #[test]
    fn texts() {
        let table = [
            (0x02, -1, "12:0:0:0"),
            (0x02, 0, "    12     0     0     0"),
            (0x02, 3, " 12  0  0  0"),
            (0x04, 0, "100.00%0.00%0.00%0.00%"),
            (0x04, -1, "100.00%0.00%0.00%0.00%"),
            (0x21, 0, "1ms,10ms,100ms,>100ms"),
            (0x10, 0, "0,1000000,10000000,100000000"),
            (0x30, 5, "0-1000000,1000000-10000000,10000000-100000000,>100000000"),
            (0x31, 0, "0s-1ms,1ms-10ms,10ms-100ms,>100ms"),
            (0x13, -1, "0s:12:1ms:0:10ms:0:100ms:0"),
            (0x13, 0, "    0s:    12,   1ms:     0,  10ms:     0, 100ms:     0"),
            (0x23, -1, "1ms:12:10ms:0:100ms:0:>100ms:0"),
            (0x23, 0, "   1ms:    12,  10ms:     0, 100ms:     0,>100ms:     0"),
            (
                0x23,
                12,
                "   1ms:          12,  10ms:           0, 100ms:           0,>100ms:           0",
            ),
            (0x33, 0, "0s-1ms:    12,1ms-10ms:   0,10ms-100ms: 0,>100ms:     0"),
            (0x33, 3, "0s-1ms: 12,1ms-10ms:0,10ms-100ms:0,>100ms:  0"),
            (0x27, -1, "1ms:100.00%:10ms:0.00%:100ms:0.00%:>100ms:0.00%"),
            (0x27, 0, "   1ms:100.00%,  10ms:  0.00%, 100ms:  0.00%,>100ms:  0.00%"),
            (0x27, 3, "   1ms:100.00%,  10ms:0.00%, 100ms:0.00%,>100ms:0.00%"),
            (
                0x22,
                0,
                "   1000000:    12,  10000000:     0, 100000000:     0,>100000000:     0",
            ),
            (0x35, 0, "0s-1ms100.00%,1ms-10ms0.00%,10ms-100ms0.00%,>100ms0.00%"),
            (0x00, 0, ""),
        ];
        for (flags, width, text) in table {
            assert_eq!(
                Histogram::new(&BINS).format(None, width, flags).unwrap(),
                text,
                "0x{flags:x} {width}"
            );
        }
        assert_eq!(Histogram::new(&BINS).format(Some(1), 0, 0x23).unwrap(), "  10ms:     0");
        // A single bound is padded, also where the others are ranges.
        let bins = [
            Bin { upper: MS, count: 3 },
            Bin {
                upper: u64::MAX,
                count: 0,
            },
        ];
        let text = Histogram::new(&bins).format(None, 0, 0x33).unwrap();
        assert_eq!(text, "0s-1ms:     3,  >1ms:     0");
        assert!(Histogram::new(&BINS).format(Some(4), 0, 0x23).is_err());
        assert!(Histogram::new(&BINS).format(None, 0, 0x40).is_err());
    }

    #[test]
    fn accessors() {
        let histogram = Histogram::new(&BINS);
        assert_eq!(
            (histogram.lower(0), histogram.upper(0), histogram.width(0)),
            (0, MS, MS)
        );
        assert_eq!((histogram.lower(3), histogram.upper(3)), (100 * MS, u64::MAX));
        assert_eq!(
            (
                histogram.lower(9),
                histogram.upper(9),
                histogram.count(9),
                histogram.percent(9)
            ),
            (0, 0, 0, Percent::ZERO)
        );
        assert_eq!(
            (histogram.sum(), histogram.percent(0), histogram.percent(1)),
            (12, Percent::HUNDRED, Percent::ZERO)
        );
    }

    #[test]
    fn bounds() {
        let table: [(&str, &[u64]); 10] = [
            ("1", &[1]),
            ("1,2", &[1, 2]),
            ("1ns,1us,1ms,1s", &[1, 1_000, 1_000_000, 1_000_000_000]),
            ("100ms,200", &[100_000_000, 200_000_000]),
            ("10us,5", &[10_000, 5_000]),
            ("5,3", &[5, 3]),
            ("0,1", &[0, 1]),
            ("18446744073709551615", &[u64::MAX]),
            ("99999999999999999999999", &[u64::MAX]),
            ("18446744074s", &[u64::MAX]),
        ];
        for (text, bounds) in table {
            assert_eq!(parse_bounds(text.as_bytes()).unwrap(), bounds, "{text}");
        }
        for wrong in [
            "", ",1", "1,,2", "1,2,", "1x", "1m", "1 ,2", "ns", "1,ms", "1ss", "1s2", "-1", "m1",
        ] {
            assert!(parse_bounds(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bounds(text in "[0-9munsx, -]{0,30}") {
            let _ = parse_bounds(text.as_bytes());
        }

        #[test]
        fn any_histogram(
            bins in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..5),
            bin in 0usize..6,
            width in -1i32..20,
            flags in 0u32..64,
        ) {
            let bins: Vec<Bin> = bins.into_iter().map(|(upper, count)| Bin { upper, count }).collect();
            let histogram = Histogram::new(&bins);
            prop_assert_eq!(histogram.format(Some(bin), width, flags & 0x37).is_ok(), bin < bins.len());
            let _ = histogram.format(None, width, flags & 0x37);
            let _ = (histogram.width(bin), histogram.percent(bin));
        }
    }
}
