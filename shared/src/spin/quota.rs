//! The quota of a caller: the settings of the levels come as variables.

use super::variable;
use crate::domain::quota::{Levels, Place, day};
use crate::error::{Error, Result};
use crate::store::users::User;

/// The place that a download of this user takes today.
pub async fn place(user: &User, now: i64) -> Result<Place> {
    let levels = Levels {
        user: number("quota_user").await?,
        vip: number("quota_vip").await?,
    };
    Ok(Place {
        day: day(now),
        limit: levels.limit(user.role, user.daily_limit),
    })
}

async fn number(name: &str) -> Result<i64> {
    variable(name).await?.parse().map_err(Error::internal)
}
