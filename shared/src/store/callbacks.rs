//! The outbox of callbacks (DC-8). The trigger `tasks_call_back` fills it in the statement that ends a task,
//! so that no end goes untold; a worker that died while it told one is followed by another.

use super::{Database, Dialect, Row};
use crate::error::Result;

/// One end of a task, on its way to the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    pub event_id: String,
    pub task_id: String,
    pub project_id: String,
    pub url: String,
    pub status: String,
    /// JSON.
    pub result: Option<String>,
    /// JSON.
    pub error: Option<String>,
    /// Counts from 1.
    pub attempt: i64,
    pub last_error: Option<String>,
    pub delivered_at: Option<i64>,
    pub given_up_at: Option<i64>,
    pub created_at: i64,
}

const COLUMNS: &str = "event_id, task_id, project_id, url, status, result, error, attempt, last_error, \
     delivered_at, given_up_at, created_at";

fn callback_from(row: &Row) -> Result<Callback> {
    Ok(Callback {
        event_id: row.get("event_id")?,
        task_id: row.get("task_id")?,
        project_id: row.get("project_id")?,
        url: row.get("url")?,
        status: row.get("status")?,
        result: row.get("result")?,
        error: row.get("error")?,
        attempt: row.get("attempt")?,
        last_error: row.get("last_error")?,
        delivered_at: row.get("delivered_at")?,
        given_up_at: row.get("given_up_at")?,
        created_at: row.get("created_at")?,
    })
}

/// Claims up to `limit` callbacks that are due; each counts as an attempt.
pub async fn claim(
    database: &dyn Database,
    worker_id: &str,
    now: i64,
    lease_expires_at: i64,
    limit: i64,
) -> Result<Vec<Callback>> {
    // SQLite has one writer, so the sub-select is stable; on PostgreSQL each worker passes over what another
    // is claiming.
    let lock = match database.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "UPDATE callbacks SET attempt = attempt + 1, lease_owner = $1, lease_expires_at = $3 \
         WHERE event_id IN (SELECT event_id FROM callbacks \
           WHERE delivered_at IS NULL AND given_up_at IS NULL AND run_at <= $2 \
             AND (lease_expires_at IS NULL OR lease_expires_at <= $2) \
           ORDER BY run_at LIMIT $4 {lock}) RETURNING {COLUMNS}"
    );
    let parameters = [
        worker_id.into(),
        now.into(),
        lease_expires_at.into(),
        limit.into(),
    ];
    let rows = database.query(&sql, &parameters).await?;
    rows.iter().map(callback_from).collect()
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    Retry { run_at: i64, why: String },
    GivenUp { why: String },
}

/// Records an attempt of the worker that holds it.
pub async fn record(
    database: &dyn Database,
    callback: &Callback,
    worker_id: &str,
    outcome: &Outcome,
    now: i64,
) -> Result<bool> {
    let (delivered_at, given_up_at, run_at, why) = match outcome {
        Outcome::Delivered => (Some(now), None, now, None),
        Outcome::Retry { run_at, why } => (None, None, *run_at, Some(why.as_str())),
        Outcome::GivenUp { why } => (None, Some(now), now, Some(why.as_str())),
    };
    let changed = database
        .execute(
            "UPDATE callbacks SET delivered_at = $3, given_up_at = $4, run_at = $5, last_error = $6, \
               lease_owner = NULL, lease_expires_at = NULL \
             WHERE event_id = $1 AND lease_owner = $2 AND attempt = $7",
            &[
                callback.event_id.as_str().into(),
                worker_id.into(),
                delivered_at.into(),
                given_up_at.into(),
                run_at.into(),
                why.into(),
                callback.attempt.into(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// A task's callbacks, the oldest first.
pub async fn of_task(database: &dyn Database, task_id: &str) -> Result<Vec<Callback>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM callbacks WHERE task_id = $1 ORDER BY created_at, event_id LIMIT 100"
    );
    let rows = database.query(&sql, &[task_id.into()]).await?;
    rows.iter().map(callback_from).collect()
}

/// Removes those that were made before `before`; by then each is delivered or given up.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM callbacks WHERE created_at < $1",
            &[before.into()],
        )
        .await
}
