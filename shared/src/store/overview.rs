//! Figures for operators (VA-16): what waits and runs now, what the last hours brought, what is kept.

use super::tasks::{COLUMNS, Task, task_from};
use super::{Database, Row};
use crate::error::Result;

const HOUR_MS: i64 = 3600 * 1000;

/// The queue at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub queued: i64,
    /// Of these, the ones whose back-off has not ended.
    pub waiting_for_retry: i64,
    pub running: i64,
    pub dead: i64,
    /// Since when the one that waits longest could have begun; `None`: none could.
    pub oldest_queued_at: Option<i64>,
}

/// Every number comes from a partial index that holds the tasks of that status alone.
pub async fn backlog(database: &dyn Database, now: i64) -> Result<Backlog> {
    let rows = database
        .query(
            "SELECT (SELECT COUNT(*) FROM tasks WHERE status = 'queued') AS queued, \
               (SELECT COUNT(*) FROM tasks WHERE kind IN ('video', 'export') AND status = 'queued' \
                  AND run_at > $1) AS waiting_for_retry, \
               (SELECT COUNT(*) FROM tasks WHERE status = 'running') AS running, \
               (SELECT COUNT(*) FROM tasks WHERE status = 'dead' AND deleted_at IS NULL) AS dead, \
               (SELECT MIN(at) FROM ( \
                  SELECT MIN(run_at) AS at FROM tasks WHERE kind = 'video' AND status = 'queued' \
                  UNION ALL \
                  SELECT MIN(run_at) FROM tasks WHERE kind = 'export' AND status = 'queued') ends) AS oldest",
            &[now.into()],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(Backlog::default());
    };
    let oldest: Option<i64> = row.get("oldest")?;
    Ok(Backlog {
        queued: row.get("queued")?,
        waiting_for_retry: row.get("waiting_for_retry")?,
        running: row.get("running")?,
        dead: row.get("dead")?,
        oldest_queued_at: oldest.filter(|at| *at <= now),
    })
}

/// A task that a worker works on.
#[derive(Clone, Debug)]
pub struct Running {
    pub task: Task,
    pub worker_id: String,
}

/// What runs, the first to start first, at most `limit`.
pub async fn running(database: &dyn Database, limit: i64) -> Result<Vec<Running>> {
    let sql = format!(
        "SELECT {COLUMNS}, COALESCE(lease_owner, '') AS worker_id FROM tasks WHERE status = 'running' \
         ORDER BY started_at, task_id LIMIT $1"
    );
    let rows = database.query(&sql, &[limit.into()]).await?;
    let running = rows.iter().map(|row| {
        Ok(Running {
            task: task_from(row)?,
            worker_id: row.get("worker_id")?,
        })
    });
    running.collect()
}

/// What one hour brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// Its beginning, milliseconds.
    pub starts_at: i64,
    pub submitted: i64,
    pub succeeded: i64,
    /// `failed` and `dead`.
    pub failed: i64,
    /// Of the files that were finished in it.
    pub bytes: i64,
}

/// The last `count` hours of one kind of task in UTC, the one that is not over yet last.
pub async fn hours(database: &dyn Database, kind: &str, count: i64, now: i64) -> Result<Vec<Hour>> {
    let last = now.div_euclid(HOUR_MS);
    let first = last - count + 1;
    let since = first * HOUR_MS;
    let submitted = database
        .query(
            "SELECT created_at / 3600000 AS hour, COUNT(*) AS submitted FROM tasks \
             WHERE kind = $1 AND created_at >= $2 GROUP BY created_at / 3600000",
            &[kind.into(), since.into()],
        )
        .await?;
    let ended = database
        .query(
            "SELECT finished_at / 3600000 AS hour, \
               CAST(SUM(CASE WHEN status IN ('succeeded', 'expired') THEN 1 ELSE 0 END) AS BIGINT) AS succeeded, \
               CAST(SUM(CASE WHEN status IN ('failed', 'dead') THEN 1 ELSE 0 END) AS BIGINT) AS failed, \
               CAST(COALESCE(SUM(file_size), 0) AS BIGINT) AS bytes \
             FROM tasks WHERE kind = $1 AND finished_at >= $2 GROUP BY finished_at / 3600000",
            &[kind.into(), since.into()],
        )
        .await?;
    let mut hours: Vec<Hour> = (first..=last)
        .map(|hour| Hour {
            starts_at: hour * HOUR_MS,
            ..Hour::default()
        })
        .collect();
    for row in &submitted {
        if let Some(hour) = hour_of(&mut hours, first, row)? {
            hour.submitted = row.get("submitted")?;
        }
    }
    for row in &ended {
        if let Some(hour) = hour_of(&mut hours, first, row)? {
            hour.succeeded = row.get("succeeded")?;
            hour.failed = row.get("failed")?;
            hour.bytes = row.get("bytes")?;
        }
    }
    Ok(hours)
}

/// `None` for what another machine's clock dates into the future.
fn hour_of<'h>(hours: &'h mut [Hour], first: i64, row: &Row) -> Result<Option<&'h mut Hour>> {
    let hour: i64 = row.get("hour")?;
    let index = usize::try_from(hour - first).ok();
    Ok(index.and_then(|index| hours.get_mut(index)))
}

/// Tasks that ended in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub status: String,
    pub tasks: i64,
    /// Of their files, also of those that are gone.
    pub bytes: i64,
}

/// All that ended, by status, without what was deleted.
pub async fn ended(database: &dyn Database) -> Result<Vec<Ended>> {
    let rows = database
        .query(
            "SELECT status, COUNT(*) AS tasks, CAST(COALESCE(SUM(file_size), 0) AS BIGINT) AS bytes \
             FROM tasks WHERE finished_at IS NOT NULL GROUP BY status ORDER BY status",
            &[],
        )
        .await?;
    let ended = rows.iter().map(|row| {
        Ok(Ended {
            status: row.get("status")?,
            tasks: row.get("tasks")?,
            bytes: row.get("bytes")?,
        })
    });
    ended.collect()
}
