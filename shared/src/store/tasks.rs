//! Tasks as their owners see them: submit, read, list, cancel, delete. How workers hold them is in
//! [`super::queue`].

use super::idempotency::{Judgement, judge};
use super::{Database, Row, Value};
use crate::auth::token::bad_token;
use crate::domain::page::Page;
use crate::domain::quota::{Place, reset_at};
use crate::domain::task::Status;
use crate::error::{Code, Error, Result};

/// A row of `tasks`. The JSON columns stay text here; [`crate::wire::task`] reads them.
#[derive(Clone, Debug)]
pub struct Task {
    pub task_id: String,
    pub kind: String,
    pub owner_id: String,
    pub status: Status,
    pub name: String,
    pub spec: String,
    pub request_id: String,
    pub site: String,
    pub attempt: i64,
    pub rescues: i64,
    pub fence: i64,
    pub progress: String,
    pub error: Option<String>,
    pub attempts: String,
    pub result: Option<String>,
    pub file_path: Option<String>,
    pub expires_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
}

pub(super) const COLUMNS: &str = "task_id, kind, owner_id, status, name, spec, request_id, site, attempt, rescues, \
     fence, progress, error, attempts, result, file_path, expires_at, created_at, updated_at, \
     started_at, finished_at";

pub(super) fn task_from(row: &Row) -> Result<Task> {
    Ok(Task {
        task_id: row.get("task_id")?,
        kind: row.get("kind")?,
        owner_id: row.get("owner_id")?,
        status: Status::parse(&row.get::<String>("status")?)?,
        name: row.get("name")?,
        spec: row.get("spec")?,
        request_id: row.get("request_id")?,
        site: row.get("site")?,
        attempt: row.get("attempt")?,
        rescues: row.get("rescues")?,
        fence: row.get("fence")?,
        progress: row.get("progress")?,
        error: row.get("error")?,
        attempts: row.get("attempts")?,
        result: row.get("result")?,
        file_path: row.get("file_path")?,
        expires_at: row.get("expires_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
    })
}

/// What a submission writes.
#[derive(Clone, Debug)]
pub struct NewTask {
    pub task_id: String,
    pub kind: &'static str,
    pub owner_id: String,
    pub name: String,
    pub spec: String,
    pub idempotency_key: Option<String>,
    /// SHA-256 of what was asked for; tells a repeat from another request under the same key.
    pub request_hash: String,
    pub request_id: String,
    /// What the task reaches out to, for limits per site; empty where that does not matter.
    pub site: String,
    /// The place that it takes in its owner's quota (VA-11); `None` takes none.
    pub quota: Option<Place>,
    /// Whom the end of the task is told (DC-8).
    pub callback: Option<String>,
    pub now: i64,
}

const QUEUED: &str = r#"{"percent":0.0,"stage":"queued"}"#;

/// Adds a task and returns its id; under an idempotency key of the last 24 h, the id of the task that the
/// first request made. Errors: 40902 when the key stands for another request, 42902 when the owner's quota
/// has no place left (a repeated request needs none), 40101 when the owner was blocked, or the project
/// disabled, a moment ago.
pub async fn submit(database: &dyn Database, task: &NewTask) -> Result<String> {
    // A key whose day is over is taken from its old task, and the insert is tried once more.
    for _ in 0..2 {
        if insert(database, task).await? {
            return Ok(task.task_id.clone());
        }
        let Some(key) = &task.idempotency_key else {
            return Err(Error::internal("a task without a key was refused"));
        };
        let Some(earlier) = find_by_key(database, &task.owner_id, task.kind, key).await? else {
            continue;
        };
        let (hash, created_at) = (&earlier.request_hash, earlier.created_at);
        if judge(hash, created_at, &task.request_hash, task.now)? == Judgement::Replay {
            return Ok(earlier.task_id);
        }
        forget_key(database, &earlier.task_id).await?;
    }
    Err(Error::busy(1, "the idempotency key is contended"))
}

/// What the triggers `tasks_take_quota` and `tasks_of_project` say.
const QUOTA_EXHAUSTED: &str = "quota_exhausted";
const ACCOUNT_BLOCKED: &str = "account_blocked";
const PROJECT_DISABLED: &str = "project_disabled";

/// The place in the quota is taken by the trigger `tasks_take_quota`, in this statement or not at all. The
/// turn stands behind the owner's last one, but not before anybody's first.
async fn insert(database: &dyn Database, task: &NewTask) -> Result<bool> {
    let inserted = database
        .query(
            "INSERT INTO tasks (task_id, kind, owner_id, status, name, spec, idempotency_key, \
               request_hash, request_id, run_at, progress, created_at, updated_at, site, quota_day, \
               quota_limit, callback, turn) \
             VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $9, $10, $9, $9, $11, $12, $13, $14, \
               (SELECT COALESCE(MAX(place), 0) FROM ( \
                  SELECT MIN(turn) AS place FROM tasks WHERE kind = $2 AND status = 'queued' \
                  UNION ALL SELECT MAX(turn) + 1 FROM tasks \
                    WHERE owner_id = $3 AND kind = $2 AND status = 'queued') places)) \
             ON CONFLICT (owner_id, kind, idempotency_key) WHERE idempotency_key IS NOT NULL \
             DO NOTHING RETURNING task_id",
            &[
                task.task_id.as_str().into(),
                task.kind.into(),
                task.owner_id.as_str().into(),
                task.name.as_str().into(),
                task.spec.as_str().into(),
                task.idempotency_key.as_deref().into(),
                task.request_hash.as_str().into(),
                task.request_id.as_str().into(),
                task.now.into(),
                QUEUED.into(),
                task.site.as_str().into(),
                task.quota.map(|place| place.day).into(),
                task.quota.map(|place| place.limit).into(),
                task.callback.as_deref().into(),
            ],
        )
        .await;
    match inserted {
        Ok(rows) => Ok(!rows.is_empty()),
        Err(error) if says(&error, QUOTA_EXHAUSTED) => Err(exhausted(task)),
        // Its sessions or tokens ended with that; this request was under way.
        Err(error) if says(&error, ACCOUNT_BLOCKED) || says(&error, PROJECT_DISABLED) => {
            Err(bad_token())
        }
        Err(error) => Err(error),
    }
}

fn exhausted(task: &NewTask) -> Error {
    let error = Error::new(
        Code::QuotaExhausted,
        "Today's downloads are used up; the quota starts anew at midnight UTC.",
    );
    let ends = task.quota.map_or(task.now, |place| reset_at(place.day));
    let wait_s = (ends - task.now).max(0) / 1000 + 1;
    error.with_retry_after(u64::try_from(wait_s).unwrap_or(1))
}

fn says(error: &Error, word: &str) -> bool {
    let cause = error.cause.as_deref();
    cause.is_some_and(|cause| cause.contains(word))
}

struct Earlier {
    task_id: String,
    request_hash: String,
    created_at: i64,
}

async fn find_by_key(
    database: &dyn Database,
    owner_id: &str,
    kind: &str,
    key: &str,
) -> Result<Option<Earlier>> {
    let rows = database
        .query(
            "SELECT task_id, request_hash, created_at FROM tasks \
             WHERE owner_id = $1 AND kind = $2 AND idempotency_key = $3",
            &[owner_id.into(), kind.into(), key.into()],
        )
        .await?;
    rows.first()
        .map(|row| {
            Ok(Earlier {
                task_id: row.get("task_id")?,
                request_hash: row.get("request_hash")?,
                created_at: row.get("created_at")?,
            })
        })
        .transpose()
}

async fn forget_key(database: &dyn Database, task_id: &str) -> Result<()> {
    database
        .execute(
            "UPDATE tasks SET idempotency_key = NULL WHERE task_id = $1",
            &[task_id.into()],
        )
        .await?;
    Ok(())
}

/// The task of this id, whoever owns it; not one that its owner deleted.
pub async fn find(database: &dyn Database, task_id: &str) -> Result<Option<Task>> {
    let sql = format!("SELECT {COLUMNS} FROM tasks WHERE task_id = $1 AND deleted_at IS NULL");
    let rows = database.query(&sql, &[task_id.into()]).await?;
    rows.first().map(task_from).transpose()
}

/// Which of an owner's tasks.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub kind: Option<String>,
    pub statuses: Vec<Status>,
    pub name: Option<String>,
    /// Only those whose file's time is over at this moment (`true`), or not yet (`false`).
    pub overdue: Option<(bool, i64)>,
}

/// The owner's tasks, newest first, and how many there are in all.
pub async fn list(
    database: &dyn Database,
    owner_id: &str,
    filter: &Filter,
    page: Page,
) -> Result<(Vec<Task>, i64)> {
    let mut clause = String::from("owner_id = $1 AND deleted_at IS NULL");
    let mut parameters: Vec<Value> = vec![owner_id.into()];
    if let Some(kind) = &filter.kind {
        parameters.push(kind.as_str().into());
        clause += &format!(" AND kind = ${}", parameters.len());
    }
    if !filter.statuses.is_empty() {
        let names: Vec<String> = filter
            .statuses
            .iter()
            .map(|status| format!("'{}'", status.as_str()))
            .collect();
        clause += &format!(" AND status IN ({})", names.join(", "));
    }
    if let Some(name) = &filter.name {
        parameters.push(name.as_str().into());
        clause += &format!(" AND name = ${}", parameters.len());
    }
    if let Some((overdue, now)) = filter.overdue {
        parameters.push(now.into());
        let place = parameters.len();
        clause += &match overdue {
            true => format!(" AND expires_at <= ${place}"),
            false => format!(" AND (expires_at IS NULL OR expires_at > ${place})"),
        };
    }
    let count = format!("SELECT COUNT(*) AS total FROM tasks WHERE {clause}");
    let total = database
        .query(&count, &parameters)
        .await?
        .first()
        .map_or(Ok(0), |row| row.get("total"))?;
    parameters.push(page.limit().into());
    parameters.push(page.offset().into());
    let sql = format!(
        "SELECT {COLUMNS} FROM tasks WHERE {clause} ORDER BY created_at DESC, task_id DESC LIMIT ${} OFFSET ${}",
        parameters.len() - 1,
        parameters.len()
    );
    let rows = database.query(&sql, &parameters).await?;
    Ok((rows.iter().map(task_from).collect::<Result<_>>()?, total))
}

/// Up to `limit` tasks that changed after `(at, task_id)`, in that order; drives progress of other
/// processes' tasks.
pub async fn changed_since(
    database: &dyn Database,
    (at, task_id): (i64, &str),
    limit: i64,
) -> Result<Vec<Task>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM tasks WHERE (updated_at, task_id) > ($1, $2) \
         ORDER BY updated_at, task_id LIMIT $3"
    );
    let rows = database
        .query(&sql, &[at.into(), task_id.into(), limit.into()])
        .await?;
    rows.iter().map(task_from).collect()
}

/// Cancels a task that has not ended; `None` when it had.
pub async fn cancel(database: &dyn Database, task_id: &str, now: i64) -> Result<Option<Task>> {
    let sql = format!(
        "UPDATE tasks SET status = 'cancelled', lease_owner = NULL, lease_expires_at = NULL, \
           fence = fence + 1, finished_at = $2, updated_at = $2 \
         WHERE task_id = $1 AND status IN ('queued', 'running') AND deleted_at IS NULL \
         RETURNING {COLUMNS}"
    );
    let rows = database.query(&sql, &[task_id.into(), now.into()]).await?;
    rows.first().map(task_from).transpose()
}

/// Removes a task from its owner's sight; one that has not ended is cancelled. The cleaner removes the
/// file and the row.
pub async fn delete(database: &dyn Database, task_id: &str, now: i64) -> Result<bool> {
    let changed = database
        .execute(
            "UPDATE tasks SET deleted_at = $2, updated_at = $2, fence = fence + 1, \
               lease_owner = NULL, lease_expires_at = NULL, \
               status = CASE WHEN status IN ('queued', 'running') THEN 'cancelled' ELSE status END, \
               finished_at = COALESCE(finished_at, $2) \
             WHERE task_id = $1 AND deleted_at IS NULL",
            &[task_id.into(), now.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// What an owner has downloaded in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub total: i64,
    pub succeeded: i64,
    pub failed: i64,
    pub bytes: i64,
}

pub async fn totals(database: &dyn Database, owner_id: &str, kind: &str) -> Result<Totals> {
    let rows = database
        .query(
            "SELECT COUNT(*) AS total, \
               CAST(COALESCE(SUM(CASE WHEN status IN ('succeeded', 'expired') THEN 1 ELSE 0 END), 0) AS BIGINT) AS succeeded, \
               CAST(COALESCE(SUM(CASE WHEN status IN ('failed', 'dead') THEN 1 ELSE 0 END), 0) AS BIGINT) AS failed, \
               CAST(COALESCE(SUM(file_size), 0) AS BIGINT) AS bytes \
             FROM tasks WHERE owner_id = $1 AND kind = $2 AND deleted_at IS NULL",
            &[owner_id.into(), kind.into()],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(Totals::default());
    };
    Ok(Totals {
        total: row.get("total")?,
        succeeded: row.get("succeeded")?,
        failed: row.get("failed")?,
        bytes: row.get("bytes")?,
    })
}
