//! How much of a day's quota is used (VA-11). Only the triggers of `tasks` write here: see
//! [`super::tasks::submit`], [`super::queue::fail`] and [`super::users::change`].

use super::accounts::role_now;
use super::{Database, Value};
use crate::domain::quota::Levels;
use crate::error::Result;
use std::collections::HashMap;

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

/// As [`used`] for several users; one who holds none may be left out.
pub async fn used_by(
    database: &dyn Database,
    user_ids: &[&str],
    day: i64,
) -> Result<HashMap<String, i64>> {
    if user_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut parameters: Vec<Value> = vec![day.into()];
    parameters.extend(user_ids.iter().map(|id| Value::from(*id)));
    let places: Vec<String> = (2..=parameters.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT user_id, used FROM quotas WHERE day = $1 AND user_id IN ({})",
        places.join(", ")
    );
    let rows = database.query(&sql, &parameters).await?;
    rows.iter()
        .map(|row| Ok((row.get("user_id")?, row.get("used")?)))
        .collect()
}

/// What the users of one level hold of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelUse {
    /// `user`, `vip`, …
    pub role: String,
    /// Places that they hold.
    pub used: i64,
    /// The limits of those users that hold any, added up.
    pub limit: i64,
}

impl LevelUse {
    /// 0 to 1; more where limits were lowered meanwhile.
    pub fn share(&self) -> f64 {
        self.used as f64 / self.limit.max(1) as f64
    }
}

/// The use of a day, by the level that counts now.
pub async fn by_level(
    database: &dyn Database,
    day: i64,
    levels: Levels,
    now: i64,
) -> Result<Vec<LevelUse>> {
    let role = role_now("$4");
    let sql = format!(
        "SELECT role, CAST(SUM(used) AS BIGINT) AS used, CAST(SUM(COALESCE(daily_limit, \
           CASE role WHEN 'vip' THEN CAST($3 AS BIGINT) ELSE CAST($2 AS BIGINT) END)) AS BIGINT) AS allowed \
         FROM (SELECT {role}, q.used, u.daily_limit FROM quotas q JOIN users u ON u.user_id = q.user_id \
           LEFT JOIN accounts a ON a.user_id = u.user_id WHERE q.day = $1 AND q.used > 0) places \
         GROUP BY role ORDER BY role"
    );
    let parameters = [
        day.into(),
        levels.user.into(),
        levels.vip.into(),
        now.into(),
    ];
    let rows = database.query(&sql, &parameters).await?;
    rows.iter()
        .map(|row| {
            Ok(LevelUse {
                role: row.get("role")?,
                used: row.get("used")?,
                limit: row.get("allowed")?,
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
