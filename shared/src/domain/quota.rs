//! Downloads a day (VA-11): a limit per level, days in UTC.

use super::account::Role;
use crate::error::{Error, Result};
use crate::limits::DAILY_LIMIT_MAX;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// The limits of the levels (`quota.user`, `quota.vip`), downloads a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    pub user: i64,
    pub vip: i64,
}

impl Levels {
    /// What a level may have, unless an admin gave this user a limit of his own.
    pub fn limit(self, role: Role, own: Option<i64>) -> i64 {
        own.unwrap_or(match role {
            Role::Vip => self.vip,
            Role::User | Role::Reviewer | Role::Admin => self.user,
        })
    }
}

/// A limit that an admin gives one user, downloads a day. Errors: 40001 for field `daily_limit`.
pub fn own_limit(number: i64) -> Result<i64> {
    if (0..=DAILY_LIMIT_MAX).contains(&number) {
        return Ok(number);
    }
    let message = format!("The limit is a whole number from 0 to {DAILY_LIMIT_MAX}, or null.");
    Err(Error::invalid("daily_limit", message))
}

/// The place of one download in a day's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Days since 1970, UTC.
    pub day: i64,
    /// How many places that day has.
    pub limit: i64,
}

/// The day of a moment, days since 1970 in UTC.
pub fn day(now_ms: i64) -> i64 {
    now_ms.div_euclid(DAY_MS)
}

/// When a day's quota starts anew: the midnight that ends it, milliseconds.
pub fn reset_at(day: i64) -> i64 {
    (day + 1).saturating_mul(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let midnight = 1_795_305_600_000;
        assert_eq!(day(midnight - 1) + 1, day(midnight));
        assert_eq!(reset_at(day(midnight - 1)), midnight);
        assert_eq!(reset_at(day(midnight)), midnight + DAY_MS);
    }

    #[test]
    fn a_limit_of_his_own_beats_the_levels() {
        let levels = Levels { user: 20, vip: 200 };
        assert_eq!(levels.limit(Role::User, None), 20);
        assert_eq!(levels.limit(Role::Vip, None), 200);
        assert_eq!(levels.limit(Role::Vip, Some(0)), 0);
        assert_eq!(own_limit(DAILY_LIMIT_MAX).unwrap(), DAILY_LIMIT_MAX);
        assert!(own_limit(-1).is_err() && own_limit(DAILY_LIMIT_MAX + 1).is_err());
    }
}
