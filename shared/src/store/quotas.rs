//! How much of a day's quota is used (VA-11). Only the triggers of `tasks` write here: see
//! [`super::tasks::submit`] and [`super::queue::fail`].

use super::Database;
use crate::error::Result;

/// Places of this day that the user's downloads hold.
pub async fn used(database: &dyn Database, user_id: &str, day: i64) -> Result<i64> {
    let rows = database
        .query(
            "SELECT used FROM quotas WHERE user_id = $1 AND day = $2",
            &[user_id.into(), day.into()],
        )
        .await?;
    rows.first().map_or(Ok(0), |row| row.get("used"))
}

/// What the users of one level hold of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelUse {
    /// `user`, `vip`, …
    pub role: String,
    /// Users who hold a place.
    pub users: i64,
    /// Places that they hold.
    pub used: i64,
}

/// The use of a day, by level.
pub async fn by_level(database: &dyn Database, day: i64) -> Result<Vec<LevelUse>> {
    let rows = database
        .query(
            "SELECT u.role, COUNT(*) AS users, CAST(SUM(q.used) AS BIGINT) AS used \
             FROM quotas q JOIN users u ON u.user_id = q.user_id \
             WHERE q.day = $1 AND q.used > 0 GROUP BY u.role ORDER BY u.role",
            &[day.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(LevelUse {
                role: row.get("role")?,
                users: row.get("users")?,
                used: row.get("used")?,
            })
        })
        .collect()
}

/// Removes the days before this one.
pub async fn purge(database: &dyn Database, day: i64) -> Result<u64> {
    database
        .execute("DELETE FROM quotas WHERE day < $1", &[day.into()])
        .await
}
