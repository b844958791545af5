//! Workers as they last said of themselves, for admins; nothing is decided by it.

use super::Database;
use crate::error::Result;

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRow {
    pub worker_id: String,
    pub started_at: i64,
    pub seen_at: i64,
    /// JSON: [`crate::wire::worker::WorkerState`].
    pub state: String,
}

/// Says how a worker is.
pub async fn beat(database: &dyn Database, worker: &WorkerRow) -> Result<()> {
    database
        .execute(
            "INSERT INTO workers (worker_id, started_at, seen_at, state) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (worker_id) DO UPDATE SET seen_at = excluded.seen_at, state = excluded.state",
            &[
                worker.worker_id.as_str().into(),
                worker.started_at.into(),
                worker.seen_at.into(),
                worker.state.as_str().into(),
            ],
        )
        .await?;
    Ok(())
}

/// The workers that were seen since, the oldest first, at most `limit`.
pub async fn list(database: &dyn Database, since: i64, limit: i64) -> Result<Vec<WorkerRow>> {
    let rows = database
        .query(
            "SELECT worker_id, started_at, seen_at, state FROM workers WHERE seen_at >= $1 \
             ORDER BY started_at, worker_id LIMIT $2",
            &[since.into(), limit.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(WorkerRow {
                worker_id: row.get("worker_id")?,
                started_at: row.get("started_at")?,
                seen_at: row.get("seen_at")?,
                state: row.get("state")?,
            })
        })
        .collect()
}

/// A worker that stops says goodbye.
pub async fn leave(database: &dyn Database, worker_id: &str) -> Result<()> {
    database
        .execute(
            "DELETE FROM workers WHERE worker_id = $1",
            &[worker_id.into()],
        )
        .await?;
    Ok(())
}

/// Removes workers that have not been seen since `before`.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute("DELETE FROM workers WHERE seen_at < $1", &[before.into()])
        .await
}
