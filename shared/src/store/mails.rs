//! The outbox of mail (SH-14). The triggers on reviews fill it in the statement that decides; a worker that died
//! while it sent one is followed by another.

use super::{Database, Dialect};
use crate::domain::page::Page;
use crate::error::Result;

/// A mail on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub mail_id: String,
    /// [`crate::domain::mail::Kind`] as text.
    pub kind: String,
    pub user_id: String,
    /// JSON: `title`, `reason`.
    pub data: String,
    /// Counts from 1.
    pub attempt: i64,
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub pending: i64,
    /// When the first of them was written.
    pub oldest_at: Option<i64>,
}

/// Claims up to `limit` mails that are due; each counts as an attempt.
pub async fn claim(
    database: &dyn Database,
    worker_id: &str,
    now: i64,
    lease_expires_at: i64,
    limit: i64,
) -> Result<Vec<Mail>> {
    // SQLite has one writer, so the sub-select is stable; on PostgreSQL each worker passes over what another
    // is claiming.
    let lock = match database.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "UPDATE mails SET attempt = attempt + 1, lease_owner = $1, lease_expires_at = $3 \
         WHERE mail_id IN (SELECT mail_id FROM mails WHERE state = 'pending' AND run_at <= $2 \
           AND (lease_expires_at IS NULL OR lease_expires_at <= $2) ORDER BY run_at LIMIT $4 {lock}) \
         RETURNING mail_id, kind, user_id, data, attempt"
    );
    let parameters = [
        worker_id.into(),
        now.into(),
        lease_expires_at.into(),
        limit.into(),
    ];
    let rows = database.query(&sql, &parameters).await?;
    rows.iter()
        .map(|row| {
            Ok(Mail {
                mail_id: row.get("mail_id")?,
                kind: row.get("kind")?,
                user_id: row.get("user_id")?,
                data: row.get("data")?,
                attempt: row.get("attempt")?,
            })
        })
        .collect()
}

/// Where a user's mail goes now.
pub async fn address(database: &dyn Database, user_id: &str) -> Result<Option<String>> {
    let rows = database
        .query(
            "SELECT email FROM users WHERE user_id = $1",
            &[user_id.into()],
        )
        .await?;
    rows.first().map(|row| row.get("email")).transpose()
}

/// What became of an attempt; `why` is a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    /// `attempts` of those so far count.
    Retry {
        run_at: i64,
        attempts: i64,
        why: String,
    },
    Dead {
        why: String,
    },
}

/// Records an attempt of the worker that holds it.
pub async fn record(
    database: &dyn Database,
    mail: &Mail,
    worker_id: &str,
    outcome: &Outcome,
    now: i64,
) -> Result<bool> {
    let attempts = match outcome {
        Outcome::Retry { attempts, .. } => *attempts,
        Outcome::Sent | Outcome::Dead { .. } => mail.attempt,
    };
    let (state, sent_at, run_at, why) = match outcome {
        Outcome::Sent => ("sent", Some(now), now, None),
        Outcome::Retry { run_at, why, .. } => ("pending", None, *run_at, Some(why.as_str())),
        Outcome::Dead { why } => ("dead", None, now, Some(why.as_str())),
    };
    let changed = database
        .execute(
            "UPDATE mails SET state = $4, sent_at = $5, run_at = $6, error = $7, attempt = $8, \
               lease_owner = NULL, lease_expires_at = NULL \
             WHERE mail_id = $1 AND lease_owner = $2 AND attempt = $3 AND state = 'pending'",
            &[
                mail.mail_id.as_str().into(),
                worker_id.into(),
                mail.attempt.into(),
                state.into(),
                sent_at.into(),
                run_at.into(),
                why.into(),
                attempts.into(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// What waits to be sent.
pub async fn backlog(database: &dyn Database) -> Result<Backlog> {
    let rows = database
        .query(
            "SELECT COUNT(*) AS count, MIN(created_at) AS oldest FROM mails WHERE state = 'pending'",
            &[],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(Backlog::default());
    };
    Ok(Backlog {
        pending: row.get("count")?,
        oldest_at: row.get("oldest")?,
    })
}

/// A mail that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadMail {
    pub mail_id: String,
    pub kind: String,
    pub attempt: i64,
    /// A sentence for the operator, without address and password.
    pub error: Option<String>,
    pub created_at: i64,
}

/// A page of what was given up, the newest first, and how many there are.
pub async fn dead(database: &dyn Database, page: Page) -> Result<(Vec<DeadMail>, i64)> {
    let rows = database
        .query(
            "SELECT COUNT(*) AS total FROM mails WHERE state = 'dead'",
            &[],
        )
        .await?;
    let total = rows.first().map_or(Ok(0), |row| row.get("total"))?;
    let rows = database
        .query(
            "SELECT mail_id, kind, attempt, error, created_at FROM mails WHERE state = 'dead' \
             ORDER BY created_at DESC, mail_id LIMIT $1 OFFSET $2",
            &[page.limit().into(), page.offset().into()],
        )
        .await?;
    let mails = rows.iter().map(|row| {
        Ok(DeadMail {
            mail_id: row.get("mail_id")?,
            kind: row.get("kind")?,
            attempt: row.get("attempt")?,
            error: row.get("error")?,
            created_at: row.get("created_at")?,
        })
    });
    Ok((mails.collect::<Result<_>>()?, total))
}

/// Lets what was given up be tried anew, this mail or all. Returns how many.
pub async fn revive(database: &dyn Database, mail_id: Option<&str>, now: i64) -> Result<u64> {
    database
        .execute(
            "UPDATE mails SET state = 'pending', attempt = 0, run_at = $2, error = NULL \
             WHERE state = 'dead' AND (CAST($1 AS TEXT) IS NULL OR mail_id = $1)",
            &[mail_id.into(), now.into()],
        )
        .await
}

/// Removes what was sent, or died, of what was written before `before`.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM mails WHERE state IN ('sent', 'dead') AND created_at < $1",
            &[before.into()],
        )
        .await
}
