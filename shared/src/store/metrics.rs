//! How the last hour's tasks ended, for `/metrics` (VA-15); how deep the queue is, [`super::overview`] tells.

use super::Database;
use crate::error::Result;

/// How tasks ended; what has expired since had succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    pub succeeded: i64,
    pub failed: i64,
    pub dead: i64,
    pub cancelled: i64,
}

impl Ended {
    /// The succeeded among those that had their try, 0 to 1; 1 without any. What somebody cancelled says
    /// nothing about us.
    pub fn success_rate(&self) -> f64 {
        match self.succeeded + self.failed + self.dead {
            0 => 1.0,
            tried => self.succeeded as f64 / tried as f64,
        }
    }
}

/// The tasks of a kind that ended after `since`, deleted ones with them for as long as their rows are there.
pub async fn ended_since(database: &dyn Database, kind: &str, since: i64) -> Result<Ended> {
    let rows = database
        .query(
            "SELECT status, COUNT(*) AS count FROM tasks \
             WHERE kind = $1 AND finished_at > $2 GROUP BY status",
            &[kind.into(), since.into()],
        )
        .await?;
    let mut ended = Ended::default();
    for row in &rows {
        let count: i64 = row.get("count")?;
        match row.get::<String>("status")?.as_str() {
            "succeeded" | "expired" => ended.succeeded += count,
            "failed" => ended.failed += count,
            "dead" => ended.dead += count,
            "cancelled" => ended.cancelled += count,
            // A dead letter that was replayed has not ended.
            _ => {}
        }
    }
    Ok(ended)
}
