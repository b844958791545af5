//! What a site knows of itself: credentials, epoch, when it last ran.

use super::Database;
use crate::error::Result;

/// Sealed: the credentials that the cloud gave.
pub const CREDENTIALS: &str = "credentials";
/// Which of its lives the site is in, and how often it has called the cloud in it.
pub const EPOCH: &str = "epoch";
pub const TICK: &str = "tick";
/// The highest tick that the cloud has answered.
pub const TICK_ANSWERED: &str = "tick_answered";
/// When somebody asked for a run, and when the last ended, milliseconds.
pub const RUN_REQUESTED_AT: &str = "run_requested_at";
pub const RUN_ENDED_AT: &str = "run_ended_at";
/// When rows last went up and came down, milliseconds.
pub const LAST_PUSH: &str = "last_push";
pub const LAST_PULL: &str = "last_pull";
/// Why the cloud could not be reached; empty: it could.
pub const UPSTREAM_ERROR: &str = "upstream_error";
/// The id of the pull that is under way.
pub const PULL_ID: &str = "pull_id";
/// The site's id, as the cloud last said it.
pub const SITE_ID: &str = "site_id";

pub async fn get(database: &dyn Database, name: &str) -> Result<Option<String>> {
    let sql = "SELECT value FROM site_state WHERE name = $1";
    let rows = database.query(sql, &[name.into()]).await?;
    rows.first().map(|row| row.get("value")).transpose()
}

/// The value as a number; None where there is none.
pub async fn number(database: &dyn Database, name: &str) -> Result<Option<i64>> {
    Ok(get(database, name)
        .await?
        .and_then(|value| value.parse().ok()))
}

/// When something last moved on a site, milliseconds, and what stood in the way.
#[derive(Clone, Debug, Default)]
pub struct Last {
    pub push: Option<i64>,
    pub pull: Option<i64>,
    /// When the last run that went through began.
    pub run: Option<i64>,
    /// Empty: nothing did. None: the cloud was never asked.
    pub upstream_error: Option<String>,
}

pub async fn last(database: &dyn Database) -> Result<Last> {
    Ok(Last {
        push: number(database, LAST_PUSH).await?,
        pull: number(database, LAST_PULL).await?,
        run: number(database, RUN_ENDED_AT).await?,
        upstream_error: get(database, UPSTREAM_ERROR).await?,
    })
}

pub async fn set(database: &dyn Database, name: &str, value: &str, now: i64) -> Result<()> {
    database
        .execute(
            "INSERT INTO site_state (name, value, updated_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
            &[name.into(), value.into(), now.into()],
        )
        .await?;
    Ok(())
}

/// Adds one to a number, durably, and returns it.
pub async fn count_up(database: &dyn Database, name: &str, now: i64) -> Result<i64> {
    let rows = database
        .query(
            "INSERT INTO site_state (name, value, updated_at) VALUES ($1, '1', $2) \
             ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at, \
               value = CAST(CAST(site_state.value AS BIGINT) + 1 AS TEXT) RETURNING value",
            &[name.into(), now.into()],
        )
        .await?;
    let value: String = rows
        .first()
        .map_or(Ok(String::new()), |row| row.get("value"))?;
    value.parse().map_err(crate::error::Error::internal)
}
