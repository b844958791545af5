//! Duties that exactly one worker does at a time and that another takes over when it dies (VA-12).

use super::Database;
use crate::error::Result;

/// Takes or extends the lease of a duty. Returns whether `owner` holds it now.
pub async fn hold(
    database: &dyn Database,
    duty: &str,
    owner: &str,
    now: i64,
    expires_at: i64,
) -> Result<bool> {
    let rows = database
        .query(
            "INSERT INTO duties (duty, lease_owner, lease_expires_at) VALUES ($1, $2, $4) \
             ON CONFLICT (duty) DO UPDATE SET lease_owner = excluded.lease_owner, lease_expires_at = excluded.lease_expires_at \
             WHERE duties.lease_owner = $2 OR duties.lease_expires_at <= $3 \
             RETURNING duty",
            &[duty.into(), owner.into(), now.into(), expires_at.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Gives a duty up, so that the next worker need not wait for the lease to end.
pub async fn release(database: &dyn Database, owner: &str) -> Result<()> {
    database
        .execute("DELETE FROM duties WHERE lease_owner = $1", &[owner.into()])
        .await?;
    Ok(())
}

/// Whether some worker holds a duty.
pub async fn is_held(database: &dyn Database, duty: &str, now: i64) -> Result<bool> {
    let sql = "SELECT 1 AS found FROM duties WHERE duty = $1 AND lease_expires_at > $2";
    let rows = database.query(sql, &[duty.into(), now.into()]).await?;
    Ok(!rows.is_empty())
}
