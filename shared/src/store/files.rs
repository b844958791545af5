//! What the cleaner removes (VA-12): expired quick downloads, deleted tasks, folders without a row.

use super::{Database, Value};
use crate::error::Result;

/// A file that may go, and the task it belonged to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposable {
    pub task_id: String,
    /// Relative to the data folder.
    pub file_path: Option<String>,
}

fn disposable_from(rows: &[super::Row]) -> Result<Vec<Disposable>> {
    rows.iter()
        .map(|row| {
            Ok(Disposable {
                task_id: row.get("task_id")?,
                file_path: row.get("file_path")?,
            })
        })
        .collect()
}

/// Turns up to `limit` succeeded tasks whose time is over into expired ones and returns their files.
pub async fn expire(database: &dyn Database, now: i64, limit: i64) -> Result<Vec<Disposable>> {
    let rows = database
        .query(
            "UPDATE tasks SET status = 'expired', updated_at = $1 WHERE task_id IN \
               (SELECT task_id FROM tasks WHERE status = 'succeeded' AND expires_at IS NOT NULL \
                AND expires_at <= $1 ORDER BY expires_at LIMIT $2) \
             RETURNING task_id, file_path",
            &[now.into(), limit.into()],
        )
        .await?;
    disposable_from(&rows)
}

/// As [`expire`] for quick downloads whose time is not over yet, the ones that end first before the others:
/// the disk is full (VA-13). Returns their files with their sizes.
pub async fn expire_early(
    database: &dyn Database,
    now: i64,
    limit: i64,
) -> Result<Vec<(Disposable, i64)>> {
    let rows = database
        .query(
            "UPDATE tasks SET status = 'expired', updated_at = $1 WHERE task_id IN \
               (SELECT task_id FROM tasks WHERE status = 'succeeded' AND expires_at IS NOT NULL \
                AND kind = 'video' ORDER BY expires_at LIMIT $2) AND status = 'succeeded' \
             RETURNING task_id, file_path, COALESCE(file_size, 0) AS file_size",
            &[now.into(), limit.into()],
        )
        .await?;
    let sizes = rows.iter().map(|row| row.get("file_size"));
    let sizes = sizes.collect::<Result<Vec<i64>>>()?;
    Ok(disposable_from(&rows)?.into_iter().zip(sizes).collect())
}

/// Up to `limit` finished tasks whose file should be there, in the order of their ids after `after`.
pub async fn present(database: &dyn Database, after: &str, limit: i64) -> Result<Vec<Disposable>> {
    let rows = database
        .query(
            "SELECT task_id, file_path FROM tasks WHERE task_id > $1 AND status = 'succeeded' \
               AND file_path IS NOT NULL AND deleted_at IS NULL ORDER BY task_id LIMIT $2",
            &[after.into(), limit.into()],
        )
        .await?;
    disposable_from(&rows)
}

/// Those of these tasks that are dead letters.
pub async fn dead(database: &dyn Database, task_ids: &[String]) -> Result<Vec<String>> {
    if task_ids.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (1..=task_ids.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT task_id FROM tasks WHERE status = 'dead' AND task_id IN ({})",
        places.join(", ")
    );
    let parameters: Vec<Value> = task_ids.iter().map(|id| id.as_str().into()).collect();
    let rows = database.query(&sql, &parameters).await?;
    rows.iter().map(|row| row.get("task_id")).collect()
}

/// Up to `limit` tasks that their owners deleted.
pub async fn deleted(database: &dyn Database, limit: i64) -> Result<Vec<Disposable>> {
    let rows = database
        .query(
            "SELECT task_id, file_path FROM tasks WHERE deleted_at IS NOT NULL \
             ORDER BY deleted_at LIMIT $1",
            &[limit.into()],
        )
        .await?;
    disposable_from(&rows)
}

/// Removes the row of a deleted task, after its file.
pub async fn forget(database: &dyn Database, task_id: &str) -> Result<()> {
    database
        .execute(
            "DELETE FROM tasks WHERE task_id = $1 AND deleted_at IS NOT NULL",
            &[task_id.into()],
        )
        .await?;
    Ok(())
}

/// What a row says of the files that lie under its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub task_id: String,
    /// Relative to the data folder.
    pub file_path: Option<String>,
    /// The task has not ended, or its file may still be had.
    pub in_use: bool,
}

/// The rows of these tasks, deleted ones included. An id without an answer belongs to no row at all.
pub async fn known(database: &dyn Database, task_ids: &[String]) -> Result<Vec<Known>> {
    if task_ids.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (1..=task_ids.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT task_id, file_path, CASE WHEN deleted_at IS NULL \
           AND status IN ('queued', 'running', 'succeeded', 'dead') THEN 1 ELSE 0 END AS in_use \
         FROM tasks WHERE task_id IN ({})",
        places.join(", ")
    );
    let parameters: Vec<Value> = task_ids.iter().map(|id| id.as_str().into()).collect();
    let rows = database.query(&sql, &parameters).await?;
    rows.iter()
        .map(|row| {
            Ok(Known {
                task_id: row.get("task_id")?,
                file_path: row.get("file_path")?,
                in_use: row.get("in_use")?,
            })
        })
        .collect()
}
