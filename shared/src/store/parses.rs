//! Parse answers, kept for an hour per normalised URL (VA-1).

use super::Database;
use crate::error::Result;

/// The answer (JSON) for this hash while it is fresh.
pub async fn find(database: &dyn Database, url_hash: &str, now: i64) -> Result<Option<String>> {
    let rows = database
        .query(
            "SELECT answer FROM parses WHERE url_hash = $1 AND expires_at > $2",
            &[url_hash.into(), now.into()],
        )
        .await?;
    rows.first().map(|row| row.get("answer")).transpose()
}

pub async fn keep(
    database: &dyn Database,
    url_hash: &str,
    answer: &str,
    expires_at: i64,
) -> Result<()> {
    database
        .execute(
            "INSERT INTO parses (url_hash, answer, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (url_hash) DO UPDATE SET answer = excluded.answer, expires_at = excluded.expires_at",
            &[url_hash.into(), answer.into(), expires_at.into()],
        )
        .await?;
    Ok(())
}

pub async fn purge(database: &dyn Database, now: i64) -> Result<u64> {
    database
        .execute("DELETE FROM parses WHERE expires_at <= $1", &[now.into()])
        .await
}
