//! Which waiting tasks a worker gets next (VA-3, VA-4): fair between owners, never more of one site than is
//! allowed, nothing of a site that wants to be left alone.
//!
//! The order is a task's `turn`, given when it is submitted ([`super::tasks::submit`]): the n-th waiting task
//! of one owner stands beside the n-th of every other, so a hundred tasks of one delay another's single one
//! by one place at the most.

use super::tasks::{COLUMNS, Task, task_from};
use super::{Database, Dialect};
use crate::error::Result;

/// What a worker has room for.
#[derive(Clone, Copy, Debug)]
pub struct Room<'a> {
    pub worker_id: &'a str,
    /// `video` or `export`.
    pub kind: &'a str,
    /// Tasks to claim at the most.
    pub places: i64,
    /// Tasks of one site that this worker runs at once; `i64::MAX` for any number.
    pub per_site: i64,
    /// Tasks of one owner that this worker runs at once; `i64::MAX` for any number.
    pub per_owner: i64,
}

impl<'a> Room<'a> {
    /// Room for so many tasks, whatever their sites and owners.
    pub fn any(worker_id: &'a str, kind: &'a str, places: i64) -> Self {
        Self {
            worker_id,
            kind,
            places,
            per_site: i64::MAX,
            per_owner: i64::MAX,
        }
    }
}

/// The sites that tasks wait for, one index seek each: a queue of any length costs what its sites cost.
const WAITING: &str = "waiting (site) AS ( \
       SELECT MIN(site) FROM tasks WHERE kind = $5 AND status = 'queued' \
       UNION ALL \
       SELECT (SELECT MIN(later.site) FROM tasks later \
          WHERE later.kind = $5 AND later.status = 'queued' AND later.site > waiting.site) \
       FROM waiting WHERE waiting.site IS NOT NULL)";

/// Of each open site its first tasks, numbered by site and by owner behind what this worker runs already.
const RANKED: &str = "SELECT task_id, turn, run_at, owner_id, \
         ROW_NUMBER() OVER (PARTITION BY site ORDER BY turn, run_at, task_id) \
           + (SELECT COUNT(*) FROM tasks mine WHERE mine.lease_owner = $1 AND mine.status = 'running' \
                AND mine.kind = $5 AND mine.site = ready.site) AS of_site, \
         ROW_NUMBER() OVER (PARTITION BY owner_id ORDER BY turn, run_at, task_id) \
           + (SELECT COUNT(*) FROM tasks mine WHERE mine.lease_owner = $1 AND mine.status = 'running' \
                AND mine.kind = $5 AND mine.owner_id = ready.owner_id) AS of_owner, \
         ROW_NUMBER() OVER (PARTITION BY owner_id ORDER BY turn, run_at, task_id) AS of_queue \
       FROM ready";

/// A project's own limit counts what runs anywhere, not on this worker alone.
const WITHIN_PROJECT: &str = "($5 <> 'export' OR COALESCE( \
       (SELECT of_queue + (SELECT COUNT(*) FROM tasks theirs WHERE theirs.owner_id = project_id \
            AND theirs.kind = 'export' AND theirs.status = 'running') <= max_tasks \
        FROM projects WHERE project_id = owner_id AND max_tasks IS NOT NULL), TRUE))";

const OPEN: &str = "waiting.site IS NOT NULL AND NOT EXISTS \
       (SELECT 1 FROM cooldowns WHERE cooldowns.site = waiting.site AND cooldowns.cool_until > $2)";

/// An owner who has all the places that one may have is passed over here already: among the first few of a site,
/// his waiting tasks would hide everybody else's.
const HAS_ROOM: &str = "($7 = 9223372036854775807 OR (SELECT COUNT(*) FROM tasks mine WHERE mine.lease_owner = $1 \
       AND mine.status = 'running' AND mine.kind = $5 AND mine.owner_id = first.owner_id) < $7)";

/// Claims up to `room.places` tasks that are due.
pub async fn claim(
    database: &dyn Database,
    room: &Room<'_>,
    now: i64,
    lease_expires_at: i64,
) -> Result<Vec<Task>> {
    // SQLite has one writer, so the sub-select is stable, and it knows no LATERAL: there a correlated IN
    // does the same. PostgreSQL needs the rows locked, each worker passing over what another is claiming;
    // since locking comes after ranking there, it ranks a few times as many as it needs.
    let (with, chosen) = match database.dialect() {
        Dialect::Sqlite => (
            String::new(),
            format!(
                "(WITH RECURSIVE {WAITING}, ready AS MATERIALIZED (SELECT t.task_id, t.site, t.owner_id, t.turn, t.run_at \
                    FROM waiting CROSS JOIN tasks t ON t.task_id IN (SELECT first.task_id FROM tasks first \
                      WHERE first.kind = $5 AND first.status = 'queued' AND first.site = waiting.site \
                        AND first.run_at <= $2 AND {HAS_ROOM} \
                      ORDER BY first.turn, first.run_at, first.task_id LIMIT $4) \
                    WHERE {OPEN}) \
                  SELECT task_id FROM ({RANKED}) WHERE of_site <= $6 AND of_owner <= $7 AND {WITHIN_PROJECT} \
                  ORDER BY turn, run_at, task_id LIMIT $4)"
            ),
        ),
        Dialect::Postgres => (
            format!(
                "WITH RECURSIVE {WAITING}, ready AS MATERIALIZED (SELECT first.* \
                    FROM waiting CROSS JOIN LATERAL (SELECT task_id, site, owner_id, turn, run_at FROM tasks first \
                      WHERE kind = $5 AND status = 'queued' AND site = waiting.site AND run_at <= $2 AND {HAS_ROOM} \
                      ORDER BY turn, run_at, task_id LIMIT CAST($4 AS BIGINT) * 4) first \
                    WHERE {OPEN}), \
                  ranked AS MATERIALIZED (SELECT task_id, turn, run_at FROM ({RANKED}) numbered \
                    WHERE of_site <= $6 AND of_owner <= $7 AND {WITHIN_PROJECT}), \
                  locked AS MATERIALIZED (SELECT t.task_id FROM tasks t JOIN ranked ON ranked.task_id = t.task_id \
                    WHERE t.status = 'queued' ORDER BY ranked.turn, ranked.run_at, ranked.task_id \
                    LIMIT $4 FOR UPDATE OF t SKIP LOCKED) "
            ),
            "(SELECT task_id FROM locked)".to_owned(),
        ),
    };
    let sql = format!(
        "{with}UPDATE tasks SET status = 'running', attempt = attempt + 1, fence = fence + 1, \
           lease_owner = $1, lease_expires_at = $3, started_at = COALESCE(started_at, $2), updated_at = $2 \
         WHERE task_id IN {chosen} RETURNING {COLUMNS}"
    );
    let rows = database
        .query(
            &sql,
            &[
                room.worker_id.into(),
                now.into(),
                lease_expires_at.into(),
                room.places.into(),
                room.kind.into(),
                room.per_site.into(),
                room.per_owner.into(),
            ],
        )
        .await?;
    rows.iter().map(task_from).collect()
}

/// When something that now waits may become claimable by time alone: a task's back-off or a site's
/// cooling ends. `None` when nothing waits for that.
pub async fn next_due(database: &dyn Database, kind: &str, now: i64) -> Result<Option<i64>> {
    let rows = database
        .query(
            "SELECT MIN(at) AS at FROM ( \
               SELECT MIN(run_at) AS at FROM tasks WHERE kind = $1 AND status = 'queued' AND run_at > $2 \
               UNION ALL SELECT MIN(cool_until) FROM cooldowns WHERE cool_until > $2) ends",
            &[kind.into(), now.into()],
        )
        .await?;
    rows.first().map_or(Ok(None), |row| row.get("at"))
}
