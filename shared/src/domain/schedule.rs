//! When a site's next run is due (DS-10).

use crate::error::{Error, Result};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// An interval, times of the day, both or neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    interval_ms: Option<i64>,
    /// Since midnight.
    times_ms: Vec<i64>,
}

impl Schedule {
    /// Times are `HH:MM`. Errors: 40001 naming the time.
    pub fn new(interval_s: Option<u64>, times: &[String]) -> Result<Self> {
        let interval_ms = interval_s.map(|s| i64::try_from(s).unwrap_or(i64::MAX / 1000) * 1000);
        let times_ms = times
            .iter()
            .map(|time| time_ms(time))
            .collect::<Result<_>>()?;
        Ok(Self {
            interval_ms,
            times_ms,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.interval_ms.is_none() && self.times_ms.is_empty()
    }

    /// When the next run is due after the one at `last`, at once where there was none. However many were missed,
    /// one is due. `offset_ms` is the local time's distance from UTC. None: no run is ever due by itself.
    pub fn due_at(&self, last: Option<i64>, now: i64, offset_ms: i64) -> Option<i64> {
        if self.is_empty() {
            return None;
        }
        let Some(last) = last else { return Some(now) };
        let by_interval = self
            .interval_ms
            .map(|interval| last.saturating_add(interval));
        let by_time = self.times_ms.iter().map(|time| {
            let local = last + offset_ms;
            let today = local - local.rem_euclid(DAY_MS) + time;
            match today > local {
                true => today - offset_ms,
                false => today + DAY_MS - offset_ms,
            }
        });
        by_time.chain(by_interval).min()
    }
}

fn time_ms(text: &str) -> Result<i64> {
    let wrong = || Error::invalid("times", format!("{text:?} is no time of the day, HH:MM."));
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |digits: &str, max: i64| {
        let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<i64> = digits.parse().ok().filter(|number| *number <= max);
        number.filter(|_| is_two)
    };
    let hour = number(hour, 23).ok_or_else(wrong)?;
    let minute = number(minute, 59).ok_or_else(wrong)?;
    Ok((hour * 60 + minute) * MINUTE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 00:00 UTC.
    const MIDNIGHT: i64 = 1_795_478_400_000;
    const HOUR_MS: i64 = 60 * MINUTE_MS;

    fn schedule(interval_s: Option<u64>, times: &[&str]) -> Schedule {
        let times: Vec<String> = times.iter().map(|time| (*time).to_owned()).collect();
        Schedule::new(interval_s, &times).unwrap()
    }

    #[test]
    fn the_first_of_interval_and_times_is_due() {
        let both = schedule(Some(7200), &["03:00", "23:30"]);
        let due = |last| both.due_at(Some(last), MIDNIGHT, 0).unwrap();
        assert_eq!(due(MIDNIGHT), MIDNIGHT + 2 * HOUR_MS);
        assert_eq!(due(MIDNIGHT + 2 * HOUR_MS), MIDNIGHT + 3 * HOUR_MS);
        let times = schedule(None, &["03:00", "23:30"]);
        let due = |last, offset| times.due_at(Some(last), MIDNIGHT, offset).unwrap();
        assert_eq!(
            due(MIDNIGHT + 3 * HOUR_MS, 0),
            MIDNIGHT + 23 * HOUR_MS + HOUR_MS / 2
        );
        assert_eq!(due(MIDNIGHT + 24 * HOUR_MS - 1, 0), MIDNIGHT + 27 * HOUR_MS);
        // Three in the morning in Shanghai is seven in the evening in London.
        assert_eq!(
            due(MIDNIGHT + 16 * HOUR_MS, 8 * HOUR_MS),
            MIDNIGHT + 19 * HOUR_MS
        );
    }

    #[test]
    fn after_a_week_of_downtime_one_run_is_due() {
        let hourly = schedule(Some(3600), &["12:00"]);
        let last = MIDNIGHT - 7 * DAY_MS;
        let due = hourly.due_at(Some(last), MIDNIGHT, 0).unwrap();
        assert!(due < MIDNIGHT);
        assert_eq!(
            hourly.due_at(Some(MIDNIGHT), MIDNIGHT, 0),
            Some(MIDNIGHT + HOUR_MS)
        );
        assert_eq!(hourly.due_at(None, MIDNIGHT, 0), Some(MIDNIGHT));
        assert_eq!(schedule(None, &[]).due_at(None, MIDNIGHT, 0), None);
    }

    #[test]
    fn only_times_of_the_day_are_times() {
        for bad in [
            "", "3:00", "24:00", "12:60", "12", "12:00:00", "ab:cd", "+1:00",
        ] {
            assert!(Schedule::new(None, &[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
