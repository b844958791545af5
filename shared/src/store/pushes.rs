//! Answers to pushes, so that a batch that is pushed again is answered again (DS-2).

use super::Database;
use crate::error::Result;

/// The hash of the request and its answer.
pub async fn find(
    database: &dyn Database,
    site_id: &str,
    batch_id: &str,
) -> Result<Option<(String, String)>> {
    let sql = "SELECT request_hash, answer FROM pushes WHERE site_id = $1 AND batch_id = $2";
    let rows = database
        .query(sql, &[site_id.into(), batch_id.into()])
        .await?;
    rows.first()
        .map(|row| Ok((row.get("request_hash")?, row.get("answer")?)))
        .transpose()
}

/// Keeps an answer; of two for one batch the first.
pub async fn insert(
    database: &dyn Database,
    site_id: &str,
    batch_id: &str,
    request_hash: &str,
    answer: &str,
    now: i64,
) -> Result<()> {
    database
        .execute(
            "INSERT INTO pushes (site_id, batch_id, request_hash, answer, created_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (site_id, batch_id) DO NOTHING",
            &[
                site_id.into(),
                batch_id.into(),
                request_hash.into(),
                answer.into(),
                now.into(),
            ],
        )
        .await?;
    Ok(())
}

/// Removes answers that nobody asks for again.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute("DELETE FROM pushes WHERE created_at < $1", &[before.into()])
        .await
}
