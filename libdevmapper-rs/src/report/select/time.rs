//! Times in selections: `2017`, `2017-07`, `2017-07-14 02:40 +02:00`.
//!
//! An incomplete specification stands for the whole period. The period's end is the second before the next one of its
//! kind begins, by the calendar.

use crate::locale::{Moment, seconds};
use crate::log_error;

use super::token::skip_space;

/// A text that is no time. Some reasons have been logged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadTime;

/// How much of a time was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    /// Takes digits: their value (bounded) and their number.
    fn digits(&mut self) -> (i32, usize) {
        let start = self.at;
        let mut value = 0_i32;
        while let Some(digit @ b'0'..=b'9') = self.text.get(self.at) {
            value = value.saturating_mul(10).saturating_add(i32::from(digit - b'0'));
            self.at += 1;
        }
        (value, self.at - start)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn peek_digit(&self) -> bool {
        self.text.get(self.at).is_some_and(u8::is_ascii_digit)
    }

    fn skip_space(&mut self) {
        self.at = skip_space(self.text, self.at);
    }
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i32, month: i32) -> i32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn out_of_range(what: &str) -> BadTime {
    log_error!("Specified {what} out of range.");
    BadTime
}

fn date(reader: &mut Reader<'_>, moment: &mut Moment) -> Result<Unit, BadTime> {
    let (number, count) = reader.digits();
    if count == 0 {
        return Err(BadTime);
    }
    let unit = if reader.take(b'-') {
        moment.year = number;
        let (month, count) = reader.digits();
        if count == 0 {
            return Err(BadTime);
        }
        moment.month = month;
        if reader.take(b'-') {
            moment.day = reader.digits().0;
            Unit::Day
        } else {
            Unit::Month
        }
    } else {
        match count {
            4 => {
                moment.year = number;
                Unit::Year
            }
            6 => {
                (moment.year, moment.month) = (number / 100, number % 100);
                Unit::Month
            }
            8 => {
                (moment.year, moment.month, moment.day) = (number / 10_000, number / 100 % 100, number % 100);
                Unit::Day
            }
            _ => {
                log_error!("Incorrect date format.");
                return Err(BadTime);
            }
        }
    };
    if !(1..=12).contains(&moment.month) {
        return Err(out_of_range("month"));
    }
    if !(1..=days_of(moment.year, moment.month)).contains(&moment.day) {
        return Err(out_of_range("day"));
    }
    // Years that C's struct tm cannot hold.
    if moment.year > 1_000_000_000 {
        return Err(BadTime);
    }
    Ok(unit)
}

fn time(reader: &mut Reader<'_>, moment: &mut Moment) -> Result<Unit, BadTime> {
    let (number, count) = reader.digits();
    let unit = if reader.take(b':') {
        if !reader.peek_digit() {
            return Err(BadTime);
        }
        (moment.hour, moment.minute) = (number, reader.digits().0);
        if reader.take(b':') {
            moment.second = reader.digits().0;
            Unit::Second
        } else {
            Unit::Minute
        }
    } else {
        match count {
            2 => {
                moment.hour = number;
                Unit::Hour
            }
            4 => {
                (moment.hour, moment.minute) = (number / 100, number % 100);
                Unit::Minute
            }
            6 => {
                (moment.hour, moment.minute, moment.second) = (number / 10_000, number / 100 % 100, number % 100);
                Unit::Second
            }
            _ => {
                log_error!("Incorrect time format.");
                return Err(BadTime);
            }
        }
    };
    if moment.hour > 23 {
        return Err(out_of_range("hours"));
    }
    if moment.minute > 60 {
        return Err(out_of_range("minutes"));
    }
    if moment.second > 60 {
        return Err(out_of_range("seconds"));
    }
    Ok(unit)
}

/// A zone as seconds east of Greenwich. Without a sign only behind a time.
fn zone(reader: &mut Reader<'_>, after_time: bool) -> Result<Option<i64>, BadTime> {
    let sign = match reader.text.get(reader.at) {
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(b'0'..=b'9') if after_time => 0,
        _ => return Ok(None),
    };
    reader.at += usize::from(sign != 0);
    let (number, count) = reader.digits();
    let (hour, minute) = if reader.take(b':') {
        let (minute, digits) = reader.digits();
        if count == 0 || digits == 0 {
            return Err(BadTime);
        }
        (number, minute)
    } else {
        match count {
            2 => (number, 0),
            4 => (number / 100, number % 100),
            _ => return Err(BadTime),
        }
    };
    if hour > 14 || minute > 60 {
        return Err(BadTime);
    }
    let offset = i64::from(hour * 3600 + minute * 60);
    Ok(Some(if sign < 0 { -offset } else { offset }))
}

/// The first and the last second of the period that `text` stands for.
pub(super) fn parse(text: &[u8]) -> Result<(i64, i64), BadTime> {
    let mut reader = Reader { text, at: 0 };
    let mut moment = Moment {
        year: 0,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
    };
    let mut unit = date(&mut reader, &mut moment)?;
    reader.skip_space();
    let timed = reader.peek_digit();
    if timed {
        let of_day = time(&mut reader, &mut moment)?;
        if unit != Unit::Day {
            log_error!("Full date specification needed.");
            return Err(BadTime);
        }
        unit = of_day;
        reader.skip_space();
    }
    let offset = zone(&mut reader, timed)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(BadTime);
    }
    let mut next = moment;
    match unit {
        Unit::Year => next.year += 1,
        Unit::Month => next.month += 1,
        Unit::Day => next.day += 1,
        Unit::Hour | Unit::Minute | Unit::Second => {}
    }
    let first = seconds(&moment, offset).ok_or(BadTime)?;
    let last = match unit {
        Unit::Second => first,
        // In seconds, not by the calendar: an hour of local time may occur twice.
        Unit::Hour => first + 3599,
        Unit::Minute => first + 59,
        _ => seconds(&next, offset).ok_or(BadTime)? - 1,
    };
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<(i64, i64)> {
        parse(text.as_bytes()).ok()
    }

    #[test]
    fn periods() {
        // 2017-07-14 02:40:00 UTC is 1500000000.
        assert_eq!(at("2017 +00:00"), Some((1_483_228_800, 1_514_764_799)));
        assert_eq!(at("2017-07 +00"), Some((1_498_867_200, 1_501_545_599)));
        assert_eq!(at("201707+0000"), Some((1_498_867_200, 1_501_545_599)));
        assert_eq!(at("2017-07-14 +00:00"), Some((1_499_990_400, 1_500_076_799)));
        assert_eq!(at("20170714 +02:00"), Some((1_499_983_200, 1_500_069_599)));
        assert_eq!(at("2017-7-14 02 +00"), Some((1_499_997_600, 1_500_001_199)));
        assert_eq!(at("2017-07-14 02:40 0000"), Some((1_500_000_000, 1_500_000_059)));
        assert_eq!(at("2017-07-14 024000 -0000"), Some((1_500_000_000, 1_500_000_000)));
        assert_eq!(at("2017-07-14 04:40:00 +02:00"), Some((1_500_000_000, 1_500_000_000)));
    }

    #[test]
    fn ends_of_units_are_not_too_long() {
        assert_eq!(at("2017-12 +00").unwrap().1, 1_514_764_799);
        assert_eq!(at("2017-07-31 +00").unwrap(), (1_501_459_200, 1_501_545_599));
        assert_eq!(at("2017-07-14 23 +00").unwrap(), (1_500_073_200, 1_500_076_799));
        assert_eq!(at("2017-07-14 23:59 +00").unwrap(), (1_500_076_740, 1_500_076_799));
    }

    #[test]
    fn not_times() {
        for text in [
            "",
            "x",
            "201",
            "20171",
            "2017-",
            "2017-13",
            "2017-00",
            "2017-02-29",
            "2017-07-32",
            "2017-07-",
            " 2017",
            "2017x",
            "2017 02",
            "2017-07 02:40",
            "2017-07-14 2",
            "2017-07-14 24",
            "2017-07-14 02:61",
            "2017-07-14 02:",
            "2017-07-14 02:40:61",
            "2017-07-14T02",
            "2017-07-14 02Z",
            "2017 +15",
            "2017 +2",
            "2017 +02:61",
            "2017 +",
            "2017 +00 x",
            "99999999999999999999",
            "99999999999-01",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
