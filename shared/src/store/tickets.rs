//! One-use tickets that open a WebSocket; only their hashes are stored.

use super::Database;
use crate::error::Result;

pub async fn insert(
    database: &dyn Database,
    ticket_hash: &str,
    session_id: &str,
    expires_at: i64,
) -> Result<()> {
    database
        .execute(
            "INSERT INTO tickets (ticket_hash, session_id, expires_at) VALUES ($1, $2, $3)",
            &[ticket_hash.into(), session_id.into(), expires_at.into()],
        )
        .await?;
    Ok(())
}

/// Uses a ticket up and returns the session that it came from; a second use finds nothing.
pub async fn redeem(
    database: &dyn Database,
    ticket_hash: &str,
    now: i64,
) -> Result<Option<String>> {
    let rows = database
        .query(
            "DELETE FROM tickets WHERE ticket_hash = $1 AND expires_at > $2 RETURNING session_id",
            &[ticket_hash.into(), now.into()],
        )
        .await?;
    rows.first().map(|row| row.get("session_id")).transpose()
}

pub async fn purge(database: &dyn Database, now: i64) -> Result<u64> {
    database
        .execute("DELETE FROM tickets WHERE expires_at <= $1", &[now.into()])
        .await
}
