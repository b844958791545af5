//! What a JSON value becomes in a cell of Excel.
//!
//! Numbers are numbers unless they have more than 15 significant digits, which Excel would lose: those are text
//! as written. Booleans are booleans. `YYYY-MM-DD`, `YYYY-MM-DD HH:MM[:SS]` and RFC 3339 are dates; the clock
//! stands in the cell as it is written, whatever the offset behind it. Null and the empty text are empty, objects
//! and arrays are compact JSON, everything else is text; a text never becomes a formula.

use super::rows::{Cell, compact};
use super::{Result, SheetError};
use crate::domain::style::ValueType;
use crate::limits::{CELL_CHARS_MAX, NUMBER_DIGITS_MAX};
use std::borrow::Cow;

/// The content of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    Empty,
    Bool(bool),
    /// As written in JSON, which is also how a cell has it.
    Number(&'a str),
    Date(Serial),
    Text(Cow<'a, str>),
}

/// A date, and perhaps a time, as Excel counts it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Serial {
    /// Days since 1899-12-30 (the 1900 system); the time of day is the fraction.
    pub days: f64,
    /// Whether a time was written, be it midnight.
    pub has_time: bool,
}

/// What a cell is if nobody says otherwise. Errors: `cell_too_long`.
pub fn content(cell: Cell<'_>) -> Result<Content<'_>> {
    Ok(match cell {
        Cell::Empty => Content::Empty,
        Cell::Bool(value) => Content::Bool(value),
        Cell::Number(number) if fits_number(number) => Content::Number(number),
        Cell::Number(number) => Content::Text(Cow::Borrowed(number)),
        Cell::Text(text) if text.raw.is_empty() => Content::Empty,
        Cell::Text(text) => match serial(text.raw) {
            Some(serial) => Content::Date(serial),
            None => Content::Text(bounded(text.decode())?),
        },
        Cell::Nested(json) => Content::Text(bounded(compact(json))?),
    })
}

/// What a cell is in a column of this type. What does not fit the type is what it would be without one, but a
/// text in a column of numbers or booleans stays text. Errors: `cell_too_long`.
pub fn typed(cell: Cell<'_>, value_type: ValueType) -> Result<Content<'_>> {
    Ok(match (value_type, cell) {
        (_, Cell::Empty) => Content::Empty,
        (_, Cell::Text(text)) if text.raw.is_empty() => Content::Empty,
        (ValueType::Text, cell) => Content::Text(text(cell)?),
        (ValueType::Number, Cell::Number(number)) if has_size_of_excel(number) => {
            Content::Number(number)
        }
        (ValueType::Number, Cell::Text(raw)) => match number_in(raw.raw) {
            Some(number) => Content::Number(number),
            None => Content::Text(text(cell)?),
        },
        (ValueType::Bool, Cell::Number("0")) => Content::Bool(false),
        (ValueType::Bool, Cell::Number("1")) => Content::Bool(true),
        (ValueType::Bool, Cell::Text(raw)) => match raw.raw {
            "0" | "false" | "FALSE" | "False" => Content::Bool(false),
            "1" | "true" | "TRUE" | "True" => Content::Bool(true),
            _ => Content::Text(text(cell)?),
        },
        (ValueType::Date, Cell::Text(raw)) => match serial(raw.raw) {
            Some(Serial { days, .. }) => Content::Date(Serial {
                days: days.floor(),
                has_time: false,
            }),
            None => Content::Text(text(cell)?),
        },
        (ValueType::Datetime, Cell::Text(raw)) => match serial(raw.raw) {
            Some(Serial { days, .. }) => Content::Date(Serial {
                days,
                has_time: true,
            }),
            None => Content::Text(text(cell)?),
        },
        (_, cell) => content(cell)?,
    })
}

/// The number that a text is, as a cell can have it.
fn number_in(text: &str) -> Option<&str> {
    let text = text.trim_matches(' ');
    let number = text.strip_prefix('+').unwrap_or(text);
    (is_number(text) && has_size_of_excel(number)).then_some(number)
}

/// What a cell is as text, empty for null. Errors: `cell_too_long`.
pub fn text(cell: Cell<'_>) -> Result<Cow<'_, str>> {
    bounded(match cell {
        Cell::Empty => Cow::Borrowed(""),
        Cell::Bool(true) => Cow::Borrowed("true"),
        Cell::Bool(false) => Cow::Borrowed("false"),
        Cell::Number(number) => Cow::Borrowed(number),
        Cell::Text(text) => text.decode(),
        Cell::Nested(json) => compact(json),
    })
}

/// A text that fits in a cell. Errors: `cell_too_long`.
pub fn bounded(text: Cow<'_, str>) -> Result<Cow<'_, str>> {
    if text.len() > CELL_CHARS_MAX && text.encode_utf16().count() > CELL_CHARS_MAX {
        let start: String = text.chars().take(20).collect();
        let message = format!(
            "The text that begins with {start:?} has more than the {CELL_CHARS_MAX} characters that a cell can hold."
        );
        return Err(SheetError::refused("cell_too_long", message));
    }
    Ok(text)
}

/// Whether Excel keeps every digit of a JSON number, and its size.
pub fn fits_number(number: &str) -> bool {
    if number.len() <= NUMBER_DIGITS_MAX && !number.bytes().any(|byte| byte | 0x20 == b'e') {
        return true;
    }
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches(['-', '0']);
    let fraction = fraction.trim_end_matches('0');
    let digits = if whole.is_empty() {
        fraction.trim_start_matches('0').len()
    } else {
        whole.len() + fraction.len()
    };
    digits <= NUMBER_DIGITS_MAX && has_size_of_excel(number)
}

/// Whether a number is 0 or within 2.2251E-308 … 9.99999999999999E+307.
fn has_size_of_excel(number: &str) -> bool {
    let mut mantissa = number.bytes().take_while(|byte| byte | 0x20 != b'e');
    let size = number.parse::<f64>().map_or(f64::NAN, f64::abs);
    (2.2251e-308..=9.999_999_999_999_99e307).contains(&size)
        || mantissa.all(|byte| !(b'1'..=b'9').contains(&byte))
}

/// Whether a text is one JSON number from its first to its last character.
pub fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let is_exponent = |text: &str| digits(text.strip_prefix(['-', '+']).unwrap_or(text));
    let is_mantissa = match mantissa.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(mantissa),
    };
    is_mantissa && exponent.is_none_or(is_exponent)
}

/// The date that a text is, from its first to its last character; none before 1900-03-01, where Excel's
/// calendar is wrong.
pub fn serial(text: &str) -> Option<Serial> {
    let bytes = text.as_bytes();
    // Most texts are none; say so quickly.
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' || bytes.len() > 40 {
        return None;
    }
    let days = days(
        number(bytes, 0, 4)?,
        number(bytes, 5, 2)?,
        number(bytes, 8, 2)?,
    )?;
    let (date, rest) = (f64::from(days), &bytes[10..]);
    let (seconds, has_time) = match rest {
        [] => (0.0, false),
        [b' ' | b'T' | b't', time @ ..] => (seconds(time)?, true),
        _ => return None,
    };
    Some(Serial {
        days: date + seconds / 86_400.0,
        has_time,
    })
}

/// So many digits from here on.
fn number(bytes: &[u8], from: usize, digits: usize) -> Option<u32> {
    let digits = bytes.get(from..from + digits)?;
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

/// Days from 1899-12-30 to a day of the Gregorian calendar from 1900-03-01 on.
fn days(year: u32, month: u32, day: u32) -> Option<u32> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap),
        _ => return None,
    };
    if year < 1900 || day == 0 || day > length {
        return None;
    }
    // Years begin with March, so that the leap day is their last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let in_year = (153 * month + 2) / 5 + day - 1;
    let to_day = year * 365 + year / 4 - year / 100 + year / 400 + in_year;
    /// 1899-12-30 counted like this.
    const EPOCH: u32 = 1899 * 365 + 1899 / 4 - 1899 / 100 + 1899 / 400 + (153 * 9 + 2) / 5 + 29;
    let days = to_day.checked_sub(EPOCH)?;
    (days >= 61).then_some(days)
}

/// Seconds of `HH:MM`, `HH:MM:SS`, `HH:MM:SS.fff`, perhaps with `Z` or an offset behind.
fn seconds(time: &[u8]) -> Option<f64> {
    let (hour, minute) = (number(time, 0, 2)?, number(time, 3, 2)?);
    if hour > 23 || minute > 59 || time[2] != b':' {
        return None;
    }
    let mut seconds = f64::from(hour * 3600 + minute * 60);
    let mut rest = &time[5..];
    if let [b':', ..] = rest {
        let second = number(rest, 1, 2).filter(|second| *second < 60)?;
        seconds += f64::from(second);
        rest = &rest[3..];
        if let [b'.', fraction @ ..] = rest {
            let length = fraction
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if !(1..=9).contains(&length) {
                return None;
            }
            // Milliseconds are what Excel keeps; more of them would round the last moment of a day to the next.
            let kept = length.min(3);
            seconds += f64::from(number(fraction, 0, kept)?) / 10_f64.powi(kept as i32);
            rest = &fraction[length..];
        }
    }
    is_offset(rest).then_some(seconds)
}

fn is_offset(rest: &[u8]) -> bool {
    match rest {
        [] | [b'Z' | b'z'] => true,
        [b'+' | b'-', _, _, b':', _, _] => {
            number(rest, 1, 2).is_some_and(|hours| hours < 24)
                && number(rest, 4, 2).is_some_and(|minutes| minutes < 60)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::Text;
    use super::*;

    #[test]
    fn a_number_that_excel_would_change_is_text() {
        for number in [
            "0",
            "-1.5",
            "123456789012345",
            "-123456789012345",
            "0.000000000000000123",
            "1e5",
            "1.50000000000000000000",
            "0e999",
            "123456789.012345",
            "1E-300",
            "0.0000000000000000000000",
        ] {
            assert_eq!(
                content(Cell::Number(number)).unwrap(),
                Content::Number(number)
            );
        }
        for number in [
            "1234567890123456",
            "6222020200112345678",
            "1000000000000000000",
            "0.1234567890123456",
            "1e400",
            "1e-320",
            "-1.0000000000000001",
        ] {
            assert_eq!(
                content(Cell::Number(number)).unwrap(),
                Content::Text(number.into()),
                "{number}"
            );
        }
    }

    #[test]
    fn a_text_that_is_a_date_is_one() {
        for (text, days, has_time) in [
            ("1900-03-01", 61.0, false),
            ("1970-01-01", 25_569.0, false),
            ("2000-02-29", 36_585.0, false),
            ("2024-03-01", 45_352.0, false),
            ("9999-12-31", 2_958_465.0, false),
            ("2024-03-01 12:00", 45_352.5, true),
            ("2024-03-01 00:00:00", 45_352.0, true),
            ("2024-03-01T06:00:00Z", 45_352.25, true),
            ("2024-03-01T18:00:00.000+08:00", 45_352.75, true),
            (
                "2024-03-01t18:00:00.5",
                45_352.0 + 64_800.5 / 86_400.0,
                true,
            ),
        ] {
            assert_eq!(serial(text), Some(Serial { days, has_time }), "{text}");
        }
        for text in ["9999-12-31T23:59:59.999999999Z", "9999-12-31 23:59:59.9999"] {
            let end = serial(text).unwrap().days;
            assert_eq!(end, 2_958_465.0 + 86_399.999 / 86_400.0, "{text}");
        }
    }

    #[test]
    fn a_text_that_only_resembles_a_date_stays_text() {
        for text in [
            "",
            "2024-3-1",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "1900-02-28",
            "1899-12-31",
            "2024-03-01 ",
            "2024-03-01x",
            "2024-03-01 24:00",
            "2024-03-01 12:60",
            "2024-03-01 12:00:60",
            "2024-03-01 12",
            "2024-03-01 12:00:00.",
            "2024-03-01T12:00+8",
            "2024-03-01T12:00:00+24:00",
            "2024-03-01 12:00:00 PM",
            "02024-03-01",
            "2024-03-0１",
            "２024-03-01",
            "20240301",
            "2024/03/01",
            "2024-03-01 1é:00",
        ] {
            assert_eq!(serial(text), None, "{text}");
        }
    }

    #[test]
    fn other_values_are_what_they_seem() {
        let content = |cell| content(cell).unwrap();
        assert_eq!(content(Cell::Empty), Content::Empty);
        assert_eq!(content(Cell::Bool(true)), Content::Bool(true));
        assert_eq!(
            content(Cell::Nested("{ \"a\": 1 }")),
            Content::Text("{\"a\":1}".into())
        );
        let formula = Cell::Text(Text {
            raw: "=1+1",
            is_escaped: false,
        });
        assert_eq!(content(formula), Content::Text("=1+1".into()));
    }

    #[test]
    fn a_column_of_a_type_takes_what_fits() {
        let of = |raw| {
            Cell::Text(Text {
                raw,
                is_escaped: false,
            })
        };
        let date = |days, has_time| Content::Date(Serial { days, has_time });
        let text = |text: &'static str| Content::Text(text.into());
        for (value_type, cell, expected) in [
            (ValueType::Text, of("2024-03-01"), text("2024-03-01")),
            (ValueType::Text, Cell::Number("1.50"), text("1.50")),
            (ValueType::Text, Cell::Bool(true), text("true")),
            (ValueType::Text, Cell::Empty, Content::Empty),
            (ValueType::Number, of(" +1.50 "), Content::Number("1.50")),
            (ValueType::Number, of("1e999"), text("1e999")),
            (ValueType::Number, of("=1"), text("=1")),
            (
                ValueType::Number,
                Cell::Number("12345678901234567"),
                Content::Number("12345678901234567"),
            ),
            (ValueType::Bool, Cell::Number("1"), Content::Bool(true)),
            (ValueType::Bool, Cell::Number("2"), Content::Number("2")),
            (ValueType::Bool, of("FALSE"), Content::Bool(false)),
            (ValueType::Bool, of("yes"), text("yes")),
            (
                ValueType::Date,
                of("2024-03-01 12:00"),
                date(45_352.0, false),
            ),
            (ValueType::Datetime, of("2024-03-01"), date(45_352.0, true)),
            (ValueType::Datetime, of("soon"), text("soon")),
            (ValueType::Date, Cell::Number("5"), Content::Number("5")),
        ] {
            assert_eq!(
                typed(cell, value_type).unwrap(),
                expected,
                "{value_type:?} {cell:?}"
            );
        }
    }

    #[test]
    fn a_text_longer_than_a_cell_is_refused() {
        let fits = "😀".repeat(16_383);
        assert!(bounded(fits.as_str().into()).is_ok());
        let long = "字".repeat(32_768);
        assert!(matches!(
            bounded(long.into()),
            Err(SheetError::Refused {
                code: "cell_too_long",
                ..
            })
        ));
    }

    #[test]
    fn a_number_is_told_from_a_formula() {
        for text in ["0", "-1", "+1.5", "-1e-5", "007"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "-", "+-1", "1.", ".5", "-1+1", "1e", "１", "1 ", "0x1"] {
            assert!(!is_number(text), "{text}");
        }
    }
}
