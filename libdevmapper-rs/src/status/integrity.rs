//! Status of integrity.

use super::refuse;
use super::scan::{Scan, is_space};
use crate::error::Result;

/// State of an integrity device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Integrity {
    /// Checksum mismatches seen.
    pub number_of_mismatches: u64,
    /// Sectors the device offers.
    pub provided_data_sectors: u64,
    /// How far checksums have been computed, sectors; 0 when that is not going on.
    pub recalc_sector: u64,
}

/// Parses `MISMATCHES SECTORS RECALC`, where RECALC is a number (decimal, octal or hexadecimal as in C) or `-`.
pub fn parse_integrity(params: &[u8]) -> Result<Integrity> {
    let mut scan = Scan(params);
    let (Some(number_of_mismatches), Some(provided_data_sectors)) = (scan.spaced(), scan.spaced()) else {
        return refuse("integrity params: {}.", params);
    };
    let rest = scan.blanks().0;
    let end = rest.iter().position(|b| is_space(*b)).unwrap_or(rest.len()).min(15);
    match &rest[..end] {
        [] => refuse("integrity params: {}.", params),
        [b'-', ..] => Ok(Integrity {
            number_of_mismatches,
            provided_data_sectors,
            recalc_sector: 0,
        }),
        word => Ok(Integrity {
            number_of_mismatches,
            provided_data_sectors,
            recalc_sector: c_number(word),
        }),
    }
}

/// The number a text begins with, in C notation; 0 without digits.
fn c_number(word: &[u8]) -> u64 {
    let (radix, digits) = match word {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', rest @ ..] => (8, rest),
        _ => (10, word),
    };
    digits
        .iter()
        .map_while(|b| char::from(*b).to_digit(radix))
        .fold(0u64, |v, d| {
            v.saturating_mul(u64::from(radix)).saturating_add(u64::from(d))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_and_without_recalculation() {
        let s = parse_integrity(b"3 204800 -").unwrap();
        assert_eq!(
            (s.number_of_mismatches, s.provided_data_sectors, s.recalc_sector),
            (3, 204_800, 0)
        );
        assert_eq!(parse_integrity(b"3 204800 4096").unwrap().recalc_sector, 4096);
        assert_eq!(parse_integrity(b"3 204800 0x10").unwrap().recalc_sector, 16);
        assert!(parse_integrity(b"3 204800").is_err());
        assert!(parse_integrity(b"").is_err());
    }
}
