//! What exports were asked for, as long as a worker may need it.

use super::Database;
use crate::error::Result;

/// Keeps a request's body before its task is submitted; a body that finds no task is purged.
pub async fn insert(database: &dyn Database, task_id: &str, body: &str, now: i64) -> Result<()> {
    database
        .execute(
            "INSERT INTO exports (task_id, body, created_at) VALUES ($1, $2, $3)",
            &[task_id.into(), body.into(), now.into()],
        )
        .await?;
    Ok(())
}

pub async fn find(database: &dyn Database, task_id: &str) -> Result<Option<String>> {
    let rows = database
        .query(
            "SELECT body FROM exports WHERE task_id = $1",
            &[task_id.into()],
        )
        .await?;
    rows.first().map(|row| row.get("body")).transpose()
}

pub async fn forget(database: &dyn Database, task_id: &str) -> Result<()> {
    database
        .execute("DELETE FROM exports WHERE task_id = $1", &[task_id.into()])
        .await?;
    Ok(())
}

/// Removes the bodies, older than `before`, of tasks that have ended or were never submitted. A dead letter
/// keeps its own: it may be replayed.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM exports WHERE created_at < $1 AND NOT EXISTS \
               (SELECT 1 FROM tasks WHERE tasks.task_id = exports.task_id \
                AND status IN ('queued', 'running', 'dead') AND deleted_at IS NULL)",
            &[before.into()],
        )
        .await
}
