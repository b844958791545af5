//! Times on the wire: RFC 3339, UTC, milliseconds.

use jiff::Timestamp;

/// `2026-11-22T08:30:00.123Z`. Times beyond the calendar (never stored by us) become its end.
pub fn rfc3339(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

/// The day in UTC as `YYYYMMDD`.
pub fn day(ms: i64) -> String {
    rfc3339(ms).chars().take(10).filter(|c| *c != '-').collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        assert_eq!(
            super::rfc3339(1_795_336_200_123),
            "2026-11-22T08:30:00.123Z"
        );
        assert_eq!(super::rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(super::day(1_795_336_200_123), "20261122");
    }
}
