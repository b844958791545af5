//! The durable queue (VA-3) once a task is claimed ([`super::claims`]): claims with an owner, an expiry and a fencing number. Every write of a
//! worker names the fence of its claim; once the task was cancelled, deleted or claimed anew, the fence
//! has moved and the write is refused.

use super::tasks::{COLUMNS, Task, task_from};
use super::{Database, Value};
use crate::domain::page::Page;
use crate::error::Result;
use crate::limits::RESCUES_MAX;

/// A claim that this worker still holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    pub task_id: String,
    pub fence: i64,
}

/// Extends the leases of the claims that a worker works on, and returns those it still holds. A row that
/// nobody works on any more is left out, so that its lease ends and it is rescued.
pub async fn extend(
    database: &dyn Database,
    worker_id: &str,
    claims: &[Held],
    lease_expires_at: i64,
) -> Result<Vec<Held>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let mut parameters: Vec<Value> = vec![worker_id.into(), lease_expires_at.into()];
    parameters.extend(claims.iter().map(|claim| claim.task_id.as_str().into()));
    let places: Vec<String> = (3..=parameters.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "UPDATE tasks SET lease_expires_at = $2 WHERE lease_owner = $1 AND status = 'running' \
         AND task_id IN ({}) RETURNING task_id, fence",
        places.join(", ")
    );
    held_from(&database.query(&sql, &parameters).await?)
}

/// The claims that a worker still holds.
pub async fn held(database: &dyn Database, worker_id: &str) -> Result<Vec<Held>> {
    let rows = database
        .query(
            "SELECT task_id, fence FROM tasks WHERE lease_owner = $1 AND status = 'running'",
            &[worker_id.into()],
        )
        .await?;
    held_from(&rows)
}

fn held_from(rows: &[super::Row]) -> Result<Vec<Held>> {
    rows.iter()
        .map(|row| {
            Ok(Held {
                task_id: row.get("task_id")?,
                fence: row.get("fence")?,
            })
        })
        .collect()
}

/// Writes progress. Returns false when the claim is lost.
pub async fn set_progress(
    database: &dyn Database,
    claim: &Held,
    progress: &str,
    now: i64,
) -> Result<bool> {
    let changed = database
        .execute(
            "UPDATE tasks SET progress = $3, updated_at = $4 \
             WHERE task_id = $1 AND fence = $2 AND status = 'running'",
            &[
                claim.task_id.as_str().into(),
                claim.fence.into(),
                progress.into(),
                now.into(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// What a finished task leaves.
#[derive(Clone, Debug)]
pub struct Finished {
    pub name: String,
    pub progress: String,
    pub result: String,
    pub file_path: String,
    pub file_size: i64,
    pub expires_at: Option<i64>,
}

/// Acknowledges a claim: the task succeeded. `None` when the claim is lost.
pub async fn finish(
    database: &dyn Database,
    claim: &Held,
    finished: &Finished,
    now: i64,
) -> Result<Option<Task>> {
    let sql = format!(
        "UPDATE tasks SET status = 'succeeded', name = $3, progress = $4, result = $5, file_path = $6, \
           file_size = $7, expires_at = $8, error = NULL, finished_at = $9, updated_at = $9, \
           lease_owner = NULL, lease_expires_at = NULL \
         WHERE task_id = $1 AND fence = $2 AND status = 'running' RETURNING {COLUMNS}"
    );
    let rows = database
        .query(
            &sql,
            &[
                claim.task_id.as_str().into(),
                claim.fence.into(),
                finished.name.as_str().into(),
                finished.progress.as_str().into(),
                finished.result.as_str().into(),
                finished.file_path.as_str().into(),
                finished.file_size.into(),
                finished.expires_at.into(),
                now.into(),
            ],
        )
        .await?;
    rows.first().map(task_from).transpose()
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequel {
    /// Back to the queue until `run_at`.
    Retry { run_at: i64 },
    /// A permanent error.
    Fail,
    /// The retries are spent.
    Bury,
}

/// Ends an attempt without a file; one that ends the task gives its place in the quota back (VA-11). `error` is JSON, `attempts` the JSON list with this attempt added.
/// `None` when the claim is lost.
pub async fn fail(
    database: &dyn Database,
    claim: &Held,
    sequel: Sequel,
    error: &str,
    attempts: &str,
    now: i64,
) -> Result<Option<Task>> {
    let (status, run_at, finished_at) = match sequel {
        Sequel::Retry { run_at } => ("queued", run_at, None),
        Sequel::Fail => ("failed", now, Some(now)),
        Sequel::Bury => ("dead", now, Some(now)),
    };
    let sql = format!(
        "UPDATE tasks SET status = $3, run_at = $4, finished_at = $5, error = $6, attempts = $7, \
           quota_day = CASE WHEN $3 = 'queued' THEN quota_day ELSE NULL END, \
           updated_at = $8, lease_owner = NULL, lease_expires_at = NULL \
         WHERE task_id = $1 AND fence = $2 AND status = 'running' RETURNING {COLUMNS}"
    );
    let rows = database
        .query(
            &sql,
            &[
                claim.task_id.as_str().into(),
                claim.fence.into(),
                status.into(),
                run_at.into(),
                finished_at.into(),
                error.into(),
                attempts.into(),
                now.into(),
            ],
        )
        .await?;
    rows.first().map(task_from).transpose()
}

/// Puts back a claim whose attempt did not begin; it uses up no attempt. `None` when the claim is lost.
pub async fn postpone(
    database: &dyn Database,
    claim: &Held,
    run_at: i64,
    now: i64,
) -> Result<Option<Task>> {
    let sql = format!(
        "UPDATE tasks SET status = 'queued', attempt = attempt - 1, run_at = $3, updated_at = $4, \
           lease_owner = NULL, lease_expires_at = NULL \
         WHERE task_id = $1 AND fence = $2 AND status = 'running' RETURNING {COLUMNS}"
    );
    let rows = database
        .query(
            &sql,
            &[
                claim.task_id.as_str().into(),
                claim.fence.into(),
                run_at.into(),
                now.into(),
            ],
        )
        .await?;
    rows.first().map(task_from).transpose()
}

/// Gives every claim of a stopping worker back; what it began uses up no attempt (PF-10).
pub async fn release(database: &dyn Database, worker_id: &str, now: i64) -> Result<u64> {
    database
        .execute(
            "UPDATE tasks SET status = 'queued', attempt = attempt - 1, run_at = $2, updated_at = $2, \
               lease_owner = NULL, lease_expires_at = NULL \
             WHERE lease_owner = $1 AND status = 'running'",
            &[worker_id.into(), now.into()],
        )
        .await
}

/// Puts tasks of dead workers back; that uses up no attempt, but a task that outlives ten workers is held
/// to be what kills them and is buried with `error`. Returns how many it moved.
pub async fn rescue(database: &dyn Database, now: i64, error: &str) -> Result<u64> {
    database
        .execute(
            "UPDATE tasks SET \
               status = CASE WHEN rescues >= $3 THEN 'dead' ELSE 'queued' END, \
               error = CASE WHEN rescues >= $3 THEN $2 ELSE error END, \
               finished_at = CASE WHEN rescues >= $3 THEN $1 ELSE finished_at END, \
               quota_day = CASE WHEN rescues >= $3 THEN NULL ELSE quota_day END, \
               attempt = CASE WHEN rescues >= $3 THEN attempt ELSE attempt - 1 END, \
               rescues = rescues + 1, run_at = $1, updated_at = $1, \
               lease_owner = NULL, lease_expires_at = NULL \
             WHERE status = 'running' AND lease_expires_at <= $1",
            &[now.into(), error.into(), RESCUES_MAX.into()],
        )
        .await
}

/// The dead letters, newest first, and how many there are.
pub async fn dead_letters(database: &dyn Database, page: Page) -> Result<(Vec<Task>, i64)> {
    let total = database
        .query(
            "SELECT COUNT(*) AS total FROM tasks WHERE status = 'dead' AND deleted_at IS NULL",
            &[],
        )
        .await?
        .first()
        .map_or(Ok(0), |row| row.get("total"))?;
    let sql = format!(
        "SELECT {COLUMNS} FROM tasks WHERE status = 'dead' AND deleted_at IS NULL \
         ORDER BY finished_at DESC, task_id DESC LIMIT $1 OFFSET $2"
    );
    let rows = database
        .query(&sql, &[page.limit().into(), page.offset().into()])
        .await?;
    Ok((rows.iter().map(task_from).collect::<Result<_>>()?, total))
}

/// Drops a dead letter; one that was replayed meanwhile stays. Returns whether it did.
pub async fn drop_dead(database: &dyn Database, task_id: &str, now: i64) -> Result<bool> {
    let changed = database
        .execute(
            "UPDATE tasks SET deleted_at = $2, updated_at = $2, fence = fence + 1 \
             WHERE task_id = $1 AND status = 'dead' AND deleted_at IS NULL",
            &[task_id.into(), now.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// Puts a dead letter back into the queue with fresh retries; its history stays. `None` when it is none.
pub async fn replay(database: &dyn Database, task_id: &str, now: i64) -> Result<Option<Task>> {
    let sql = format!("{} RETURNING {COLUMNS}", replay_of("AND task_id = $2"));
    let rows = database.query(&sql, &[now.into(), task_id.into()]).await?;
    rows.first().map(task_from).transpose()
}

/// As [`replay`] for every dead letter. Returns how many there were.
pub async fn replay_all(database: &dyn Database, now: i64) -> Result<u64> {
    database.execute(&replay_of(""), &[now.into()]).await
}

/// Each gets a new turn behind its owner's other tasks, as if it were submitted now: with their old ones, a
/// thousand dead letters of one owner would stand before everybody else's tasks.
fn replay_of(which: &str) -> String {
    format!(
        "WITH letters AS MATERIALIZED ( \
           SELECT task_id AS letter_id, owner_id AS whose, kind AS sort, finished_at AS buried_at \
           FROM tasks WHERE status = 'dead' AND deleted_at IS NULL {which}), \
         places AS MATERIALIZED (SELECT letter_id, \
             COALESCE((SELECT MAX(place) FROM ( \
               SELECT MIN(turn) AS place FROM tasks WHERE kind = sort AND status = 'queued' \
               UNION ALL SELECT MAX(turn) + 1 FROM tasks \
                 WHERE owner_id = whose AND kind = sort AND status = 'queued') turns), 0) \
             + ROW_NUMBER() OVER (PARTITION BY whose, sort ORDER BY buried_at, letter_id) - 1 AS next_turn \
           FROM letters) \
         UPDATE tasks SET status = 'queued', attempt = 0, rescues = 0, error = NULL, finished_at = NULL, \
           run_at = $1, updated_at = $1, turn = next_turn \
         FROM places WHERE task_id = letter_id AND status = 'dead' AND deleted_at IS NULL"
    )
}
