//! The throttle of failed logins (ID-6).

use super::{Database, Value};
use crate::error::Result;
use crate::limits::LOGIN_WINDOW_S;

/// Counts one more attempt of `subject` and returns the count in its window and when the window ends.
/// It is counted before the password is looked at, so that a hundred attempts at once are a hundred.
pub async fn count(database: &dyn Database, subject: &str, now: i64) -> Result<(i64, i64)> {
    let window_ms = LOGIN_WINDOW_S * 1000;
    let rows = database
        .query(
            "INSERT INTO login_attempts (subject, failures, window_started_at) VALUES ($1, 1, $2) \
             ON CONFLICT (subject) DO UPDATE SET \
               failures = CASE WHEN login_attempts.window_started_at <= $3 THEN 1 ELSE login_attempts.failures + 1 END, \
               window_started_at = CASE WHEN login_attempts.window_started_at <= $3 THEN $2 ELSE login_attempts.window_started_at END \
             RETURNING failures, window_started_at",
            &[subject.into(), now.into(), (now - window_ms).into()],
        )
        .await?;
    let row = rows
        .first()
        .ok_or_else(|| crate::Error::internal("no count came back"))?;
    Ok((
        row.get("failures")?,
        row.get::<i64>("window_started_at")? + window_ms,
    ))
}

/// How often `subject` has failed in its window and when the window ends; nothing is counted.
pub async fn failures(database: &dyn Database, subject: &str, now: i64) -> Result<(i64, i64)> {
    let window_ms = LOGIN_WINDOW_S * 1000;
    let rows = database
        .query(
            "SELECT failures, window_started_at FROM login_attempts \
             WHERE subject = $1 AND window_started_at > $2",
            &[subject.into(), (now - window_ms).into()],
        )
        .await?;
    match rows.first() {
        None => Ok((0, now)),
        Some(row) => Ok((
            row.get("failures")?,
            row.get::<i64>("window_started_at")? + window_ms,
        )),
    }
}

/// Takes one attempt back after it turned out to be good.
pub async fn forgive(database: &dyn Database, subject: &str) -> Result<()> {
    database
        .execute(
            "UPDATE login_attempts SET failures = failures - 1 WHERE subject = $1 AND failures > 0",
            &[subject.into()],
        )
        .await?;
    Ok(())
}

/// Clears a subject.
pub async fn clear(database: &dyn Database, subject: &str) -> Result<()> {
    database
        .execute(
            "DELETE FROM login_attempts WHERE subject = $1",
            &[Value::from(subject)],
        )
        .await?;
    Ok(())
}

/// Removes windows that are over.
pub async fn purge(database: &dyn Database, now: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM login_attempts WHERE window_started_at < $1",
            &[(now - LOGIN_WINDOW_S * 1000).into()],
        )
        .await
}
