//! Numbers as the configuration language writes them.

/// Why a token is no integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadInt {
    /// It is not written like a number.
    Malformed,
    /// It does not fit 64 bits.
    Overflow,
}

/// Reads an integer: an optional sign, then decimal digits, or octal ones behind a leading 0.
///
/// `rest` is the text behind the token. It matters only for `0x`: the token ends at the `x`, yet what is written is a
/// hexadecimal number, which the language does not have.
pub(super) fn int(token: &[u8], rest: &[u8]) -> Result<i64, BadInt> {
    let (negative, digits) = match token {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let (radix, digits) = match digits {
        [] => return Err(BadInt::Malformed),
        [b'0'] if hexadecimal(rest) => return Err(hexadecimal_error(rest)),
        [b'0', octal @ ..] => (8, octal),
        decimal => (10, decimal),
    };
    let mut value: u64 = 0;
    let mut overflow = false;
    for &byte in digits {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        if digit >= radix {
            return Err(BadInt::Malformed);
        }
        match value.checked_mul(radix).and_then(|value| value.checked_add(digit)) {
            Some(larger) => value = larger,
            None => overflow = true,
        }
    }
    if overflow {
        return Err(BadInt::Overflow);
    }
    if negative {
        0i64.checked_sub_unsigned(value)
    } else {
        i64::try_from(value).ok()
    }
    .ok_or(BadInt::Overflow)
}

fn hexadecimal(rest: &[u8]) -> bool {
    matches!(rest, [b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit())
}

/// Which error a hexadecimal number gets: the size is looked at before the form.
fn hexadecimal_error(rest: &[u8]) -> BadInt {
    let digits = rest[1..]
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .skip_while(|&&byte| byte == b'0')
        .count();
    if digits > 16 {
        BadInt::Overflow
    } else {
        BadInt::Malformed
    }
}

/// Reads a floating point number: an optional sign and digits with one `.`; a lone `.` is 0. `None` if it is too large
/// or too small for double precision. The result has single precision.
pub(super) fn float(token: &[u8]) -> Option<f32> {
    if !token.iter().any(u8::is_ascii_digit) {
        return Some(0.0);
    }
    let value: f64 = std::str::from_utf8(token).ok()?.parse().ok()?;
    let zero = !token.iter().any(|byte| (b'1'..=b'9').contains(byte));
    if value.is_infinite() || (value.abs() < f64::MIN_POSITIVE && !zero) {
        return None;
    }
    // Twice rounded, as the format has always been read.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "single precision is what the format keeps"
    )]
    Some(value as f32)
}

#[cfg(test)]
mod tests {
    use super::{BadInt, float, int};

    #[test]
    fn integers() {
        for (token, value) in [
            ("0", 0),
            ("010", 8),
            ("-7", -7),
            ("+9", 9),
            ("00", 0),
            ("-010", -8),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("0777777777777777777777", i64::MAX),
            ("00000000000000000000000000000000000001", 1),
        ] {
            assert_eq!(int(token.as_bytes(), b" "), Ok(value), "{token}");
        }
        for token in ["", "-", "+", "09", "08"] {
            assert_eq!(int(token.as_bytes(), b""), Err(BadInt::Malformed), "{token}");
        }
        for token in [
            "9223372036854775808",
            "-9223372036854775809",
            "01777777777777777777777",
            "99999999999999999999",
        ] {
            assert_eq!(int(token.as_bytes(), b""), Err(BadInt::Overflow), "{token}");
        }
        assert_eq!(int(b"0", b"x10"), Err(BadInt::Malformed));
        assert_eq!(int(b"0", b"x99999999999999999999"), Err(BadInt::Overflow));
        assert_eq!(int(b"0", b"xyz"), Ok(0));
    }

    #[test]
    fn floats() {
        assert_eq!(float(b"1.5"), Some(1.5));
        assert_eq!(float(b".5"), Some(0.5));
        assert_eq!(float(b"5."), Some(5.0));
        assert_eq!(float(b"+.5"), Some(0.5));
        assert_eq!(float(b"-1.25"), Some(-1.25));
        assert_eq!(float(b"."), Some(0.0));
        assert_eq!(float(b"-."), Some(0.0));
        assert!(float(b"-0.0").is_some_and(|v| v == 0.0 && v.is_sign_negative()));
        assert_eq!(float(format!("1{:0400}.0", 0).as_bytes()), None);
        assert_eq!(float(format!("0.{:0330}1", 0).as_bytes()), None);
        assert_eq!(float(format!("1{:0100}.0", 0).as_bytes()), Some(f32::INFINITY));
    }
}
