//! Sizes with units.
//!
//! Numbers are read and written with the radix character of the process's locale, as C programs do.

use std::ffi::CString;

use crate::log_error;

/// What [`to_factor`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Number of bytes, 0 if the text is no size.
    pub factor: u64,
    /// The unit's letter if the number is 1 or missing, else `U`; `None` if the text was refused before its unit.
    pub unit: Option<u8>,
    /// Length of what was read: up to behind the unit's letter, 0 if `factor` is 0 for want of a unit.
    pub len: usize,
}

/// Bytes of a unit: lower case for powers of 1024, upper case for powers of 1000.
fn multiplier(letter: u8) -> Option<u64> {
    let power = |base: u64, exponent| Some(base.pow(exponent));
    match letter {
        b'b' | b'B' => Some(1),
        b's' | b'S' => Some(512),
        _ => {
            let exponent = 1 + b"kmgtpe".iter().position(|&l| l == letter.to_ascii_lowercase())?;
            let base = if letter.is_ascii_lowercase() { 1024 } else { 1000 };
            power(base, u32::try_from(exponent).ok()?)
        }
    }
}

/// Reads a size such as `4k`, `1.5G` or `s`: an optional number and a unit's letter. With `strict` nothing may follow.
#[must_use]
pub fn to_factor(text: &[u8], strict: bool) -> Factor {
    let (number, digits) = match text.first() {
        Some(b'0'..=b'9') => {
            let (value, len) = parse_double(text);
            (Some(value), len)
        }
        _ => (None, 0),
    };
    let rest = &text[digits..];
    if strict && rest.len() > 1 {
        return Factor {
            factor: 0,
            unit: None,
            len: 0,
        };
    }
    // The decimal digits at the start, on their own.
    let integer = match number {
        None => 1,
        Some(_) => text
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .fold(0_u64, |n, &b| n.saturating_mul(10).saturating_add(u64::from(b - b'0'))),
    };
    // A number that is more than its digits, in bytes.
    #[expect(
        clippy::cast_precision_loss,
        clippy::float_cmp,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whether the digits were all of the number; bytes are cut"
    )]
    let scaled = |multiplier: u64| match number {
        Some(value) if value != integer as f64 => Some((value * multiplier as f64) as u64),
        _ => None,
    };
    // The text's NUL takes the place of a letter that is not there.
    let letter = rest.first().copied().unwrap_or(0);
    if matches!(letter, b'h' | b'H' | b'r' | b'R') {
        return Factor {
            factor: scaled(1).unwrap_or(1),
            unit: Some(letter),
            len: digits + 1,
        };
    }
    let unit = Some(if integer == 1 { letter } else { b'U' });
    let Some(multiplier) = multiplier(letter) else {
        return Factor {
            factor: 0,
            unit,
            len: 0,
        };
    };
    let factor = scaled(multiplier).unwrap_or_else(|| integer.wrapping_mul(multiplier));
    Factor {
        factor,
        unit,
        len: digits + 1,
    }
}

/// The number at the start of a text, and its length, by the rules of the locale.
#[allow(unsafe_code, reason = "strtod knows the locale")]
fn parse_double(text: &[u8]) -> (f64, usize) {
    let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
    let Ok(text) = CString::new(&text[..end]) else {
        return (0.0, 0);
    };
    let mut rest = std::ptr::null_mut();
    // SAFETY: a C string, and a place for a pointer into it.
    let value = unsafe { libc::strtod(text.as_ptr(), &mut rest) };
    (value, (rest as usize).saturating_sub(text.as_ptr() as usize))
}

/// A number with so many decimals, as printf writes it in the locale.
#[must_use]
pub fn format_double(value: f64, decimals: usize) -> Vec<u8> {
    let text = format!("{value:.decimals$}").into_bytes();
    let radix = crate::locale::radix();
    if radix == b"." {
        return text;
    }
    match text.iter().position(|&b| b == b'.') {
        Some(at) => [&text[..at], radix, &text[at + 1..]].concat(),
        None => text,
    }
}

/// How a unit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// ` Kilobyte`
    Long,
    /// ` KB`
    Short,
    /// `K`
    Unit,
}

/// How [`size_to_string`] writes a size.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Letter of the unit. `h`, `r` (and upper case, for powers of 1000) choose one that suits.
    pub unit: u8,
    /// Tell powers of 1000 and of 1024 apart by upper and lower case.
    pub si: bool,
    /// Bytes of the unit; 0 for those of its letter.
    pub factor: u64,
    /// Write the unit.
    pub suffix: bool,
    /// How.
    pub style: Suffix,
}

/// Long, short, and single letter.
type Names = [&'static str; 3];

/// E, P, T, G, M, K and byte.
const PLAIN: [Names; 7] = [
    [" Exabyte", " EB", "E"],
    [" Petabyte", " PB", "P"],
    [" Terabyte", " TB", "T"],
    [" Gigabyte", " GB", "G"],
    [" Megabyte", " MB", "M"],
    [" Kilobyte", " KB", "K"],
    [" Byte    ", " B", "B"],
];
const POWERS_OF_1024: [Names; 7] = [
    [" Exbibyte", " EiB", "e"],
    [" Pebibyte", " PiB", "p"],
    [" Tebibyte", " TiB", "t"],
    [" Gibibyte", " GiB", "g"],
    [" Mebibyte", " MiB", "m"],
    [" Kibibyte", " KiB", "k"],
    [" Byte    ", " B", "b"],
];
const POWERS_OF_1000: [Names; 7] = [
    [" Exabyte", " EB", "E"],
    [" Petabyte", " PB", "P"],
    [" Terabyte", " TB", "T"],
    [" Gigabyte", " GB", "G"],
    [" Megabyte", " MB", "M"],
    [" Kilobyte", " kB", "K"],
    [" Byte    ", " B ", "B"],
];
const BYTES: Names = [" Byte    ", " B ", "B"];
const UNITS: Names = [" Units   ", " Un", "U"];
const SECTORS: Names = [" Sectors ", " Se", "S"];
const NONE: Names = ["         ", "   ", " "];

/// The names of the unit that a letter asks for; `None` for one that suits.
fn names_of(unit: u8, si: bool) -> Option<Names> {
    let upper = unit.to_ascii_uppercase();
    if let Some(row) = b"EPTGMK".iter().position(|&l| l == upper) {
        return Some(match (si, unit == upper) {
            (false, _) => PLAIN[row],
            (true, true) => POWERS_OF_1000[row],
            (true, false) => POWERS_OF_1024[row],
        });
    }
    match upper {
        b'B' => Some(BYTES),
        b'U' => Some(UNITS),
        b'S' => Some(SECTORS),
        _ => None,
    }
}

/// Writes a size of so many sectors for people to read. `None`, with an error logged, for a unit without a size.
///
/// ```
/// use libdevmapper::units::{Format, Suffix, size_to_string};
/// let format = Format { unit: b'h', si: true, factor: 0, suffix: true, style: Suffix::Short };
/// assert_eq!(size_to_string(3_000_000, &format).as_deref(), Some(&b"1.43 GiB"[..]));
/// ```
#[must_use]
pub fn size_to_string(sectors: u64, format: &Format) -> Option<Vec<u8>> {
    let style = match format.style {
        Suffix::Long => 0,
        Suffix::Short => 1,
        Suffix::Unit => 2,
    };
    let names = names_of(format.unit, format.si);
    if sectors == 0 {
        let suffix = if format.suffix {
            names.unwrap_or(NONE)[style]
        } else {
            ""
        };
        return Some([b"0", suffix.as_bytes()].concat());
    }
    let bytes = sectors.wrapping_mul(512);
    let (names, divisor, suffix, mark) = match names {
        Some(names) => {
            let divisor = match format.factor {
                0 => to_factor(&[format.unit], true).factor,
                factor => factor,
            };
            if divisor == 0 {
                let letter = char::from(format.unit);
                log_error!("Internal error: Inconsistent units: {letter} and {letter}.");
                return None;
            }
            (names, divisor, format.suffix, false)
        }
        None => {
            let (base, table) = match (format.unit, format.si) {
                (b'H' | b'R', true) => (1000_u64, &POWERS_OF_1000),
                (_, true) => (1024, &POWERS_OF_1024),
                (b'H' | b'R', false) => (1000, &PLAIN),
                (_, false) => (1024, &PLAIN),
            };
            let exponent = (1..7).rev().find(|&e| base.pow(e) <= bytes).unwrap_or(0);
            let mark = matches!(format.unit, b'r' | b'R') && exponent > 0;
            (table[6 - exponent as usize], base.pow(exponent), true, mark)
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
    let value = bytes as f64 / divisor as f64;
    let decimals = if matches!(names[2], "B" | "b" | "S") { 0 } else { 2 };
    let mut out = Vec::with_capacity(32);
    #[expect(clippy::cast_precision_loss, reason = "as exact as the value that is shown")]
    let hundredths = 100.0 * bytes as f64 / divisor as f64;
    if mark && hundredths.round_ties_even() > hundredths.trunc() {
        out.push(b'<');
    }
    out.extend_from_slice(&format_double(value, decimals));
    if suffix {
        out.extend_from_slice(names[style].as_bytes());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn factors() {
        for (text, stricts, factor, unit, len) in [
            ("k", &[false, true][..], 1024, b'k', 1),
            ("K", &[false, true], 1000, b'K', 1),
            ("8k", &[false, true], 8192, b'U', 2),
            ("8K", &[false, true], 8000, b'U', 2),
            ("1k", &[false, true], 1024, b'k', 2),
            ("1.0k", &[false], 1024, b'k', 4),
            ("1.5k", &[false], 1536, b'k', 4),
            ("0.5M", &[false], 500_000, b'U', 4),
            ("0k", &[true], 0, b'U', 2),
            ("2.5s", &[true], 1280, b'U', 4),
            ("0.1b", &[true], 0, b'U', 4),
            ("1e3k", &[true], 1_024_000, b'k', 4),
            ("3e", &[true], 3_458_764_513_820_540_928, b'U', 2),
            ("16e", &[true], 0, b'U', 3),
            ("20E", &[true], 1_553_255_926_290_448_384, b'U', 3),
            ("18446744073709551615b", &[true], u64::MAX, b'U', 21),
            ("4h", &[true], 1, b'h', 2),
            ("2r", &[true], 1, b'r', 2),
            ("2.0r", &[true], 1, b'r', 4),
            ("2.9h", &[true], 2, b'h', 4),
            ("0.5H", &[true], 0, b'H', 4),
            ("2e2R", &[true], 200, b'R', 4),
            ("kb", &[false], 1024, b'k', 1),
            ("m ", &[false], 1 << 20, b'm', 1),
            ("5", &[false, true], 0, b'U', 0),
            ("5x", &[false, true], 0, b'U', 0),
            ("8u", &[false], 0, b'U', 0),
            ("U", &[false], 0, b'U', 0),
            ("x", &[false], 0, b'x', 0),
            ("u", &[false], 0, b'u', 0),
            ("-1k", &[false], 0, b'-', 0),
            (".5k", &[false], 0, b'.', 0),
            (" 1k", &[false], 0, b' ', 0),
            ("", &[false], 0, 0, 0),
        ] {
            for &strict in stricts {
                let want = Factor {
                    factor,
                    unit: Some(unit),
                    len,
                };
                assert_eq!(to_factor(text.as_bytes(), strict), want, "{text:?} {strict}");
            }
        }
        for text in ["kb", "m ", "12ab"] {
            assert_eq!(
                to_factor(text.as_bytes(), true),
                Factor {
                    factor: 0,
                    unit: None,
                    len: 0
                },
                "{text:?}"
            );
        }
    }

    fn size(sectors: u64, unit: char, si: bool, style: Suffix, suffix: bool, factor: u64) -> String {
        let format = Format {
            unit: unit as u8,
            si,
            factor,
            suffix,
            style,
        };
        String::from_utf8(size_to_string(sectors, &format).unwrap_or_default()).unwrap()
    }

    #[test]
    fn table_of_sizes() {
        for (sectors, want) in [
            (0, "0 |0 |0 |0 |0m|0g|0k|0B|0S"),
            (1, "512b|512B|512b|512B|0.00m|0.00g|0.50k|512B|1S"),
            (3, "1.50k|1.54K|1.50k|<1.54K|0.00m|0.00g|1.50k|1536B|3S"),
            (
                2047,
                "1023.50k|1.05M|1023.50k|<1.05M|1.00m|0.00g|1023.50k|1048064B|2047S",
            ),
            (8192, "4.00m|4.19M|4.00m|4.19M|4.00m|0.00g|4096.00k|4194304B|8192S"),
            (
                2_097_151,
                "1024.00m|1.07G|<1024.00m|1.07G|1024.00m|1.00g|1048575.50k|1073741312B|2097151S",
            ),
            (
                123_456_789,
                "58.87g|63.21G|<58.87g|<63.21G|60281.64m|58.87g|61728394.50k|63209875968B|123456789S",
            ),
            (
                1 << 54,
                "8.00e|9.22E|8.00e|9.22E|8796093022208.00m|8589934592.00g|9007199254740992.00k|9223372036854775808B|18014398509481984S",
            ),
        ] {
            let got: Vec<String> = "hHrRmgkbs"
                .chars()
                .map(|u| size(sectors, u, true, Suffix::Unit, true, 0))
                .collect();
            assert_eq!(got.join("|"), want, "{sectors}");
        }
    }

    #[test]
    fn other_forms() {
        use Suffix::{Long, Short, Unit};
        for (sectors, unit, si, style, suffix, factor, want) in [
            (3_000_000, 'h', true, Long, true, 0, "1.43 Gibibyte"),
            (3_000_000, 'H', true, Long, true, 0, "1.54 Gigabyte"),
            (3_000_000, 'k', true, Long, true, 0, "1500000.00 Kibibyte"),
            (3_000_000, 'b', true, Long, true, 0, "1536000000 Byte    "),
            (3_000_000, 's', true, Long, true, 0, "3000000 Sectors "),
            (3_000_000, 'h', false, Long, true, 0, "1.43 Gigabyte"),
            (3_000_000, 'K', true, Short, true, 0, "1536000.00 kB"),
            (3_000_000, 'h', true, Short, true, 0, "1.43 GiB"),
            (3_000_000, 'B', true, Short, true, 0, "1536000000 B "),
            (3_000_000, 's', true, Short, true, 0, "3000000 Se"),
            (3_000_000, 'k', false, Short, true, 0, "1500000.00 KB"),
            (3_000_000, 'm', true, Unit, false, 0, "1464.84"),
            (3_000_000, 'b', true, Unit, false, 0, "1536000000"),
            (3_000_000, 'h', true, Unit, false, 0, "1.43g"),
            (100, 'U', true, Long, true, 4096, "12.50 Units   "),
            (100, 'U', true, Short, true, 4096, "12.50 Un"),
            (100, 'U', true, Unit, true, 4096, "12.50U"),
            (100, 'm', true, Unit, true, 1000, "51.20m"),
            (4_184_064, 'r', true, Short, true, 0, "<2.00 GiB"),
            (4_194_304, 'r', true, Short, true, 0, "2.00 GiB"),
            (2_097_141, 'r', true, Short, true, 0, "1023.99 MiB"),
            (2_097_142, 'r', true, Short, true, 0, "<1024.00 MiB"),
            (0, 'h', true, Long, true, 0, "0         "),
            (0, 'h', true, Short, false, 0, "0"),
            (1, 'u', true, Unit, true, 0, ""),
        ] {
            assert_eq!(
                size(sectors, unit, si, style, suffix, factor),
                want,
                "{sectors} {unit} {si} {style:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in prop::collection::vec(any::<u8>(), 0..12), strict: bool) {
            let factor = to_factor(&text, strict);
            prop_assert!(factor.len <= text.len());
        }

        #[test]
        fn any_size_is_written(sectors: u64, unit: u8, si: bool, factor: u64, suffix: bool) {
            let _ = size_to_string(sectors, &Format { unit, si, factor, suffix, style: Suffix::Short });
        }
    }
}
