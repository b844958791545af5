//! The wall clock.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch.
pub fn now_ms() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// How far the machine's local time is from UTC now, milliseconds.
pub fn local_offset_ms() -> i64 {
    let offset = TimeZone::system().to_offset(Timestamp::now());
    i64::from(offset.seconds()) * 1000
}
