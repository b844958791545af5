//! Logins. A session is the family of one login's refresh tokens; its `rotation` names the only one that
//! is good, so nothing secret lies in the database.

use super::Database;
use super::accounts::role_now;
use super::users::{User, user_from};
use crate::error::Result;

/// Opens a session, but only while `password_hash` is still the user's: a password change that ran
/// meanwhile has revoked what this login would open; nor one of a blocked user. Returns whether it did.
pub async fn open(
    database: &dyn Database,
    session_id: &str,
    user: &User,
    now: i64,
    expires_at: i64,
) -> Result<bool> {
    let rows = database
        .query(
            "INSERT INTO sessions (session_id, user_id, generation, rotation, created_at, expires_at) \
             SELECT CAST($1 AS TEXT), user_id, generation, 0, CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM users \
             WHERE user_id = $2 AND password_hash = $3 AND blocked_at IS NULL RETURNING session_id",
            &[
                session_id.into(),
                user.user_id.as_str().into(),
                user.password_hash.as_str().into(),
                now.into(),
                expires_at.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// The user of a session that is neither revoked nor expired, with the level that counts now.
pub async fn user_of(database: &dyn Database, session_id: &str, now: i64) -> Result<Option<User>> {
    let role = role_now("$2");
    let sql = format!(
        "SELECT u.user_id, u.audience, u.email, u.password_hash, u.nickname, {role}, u.daily_limit, \
           u.blocked_at, u.created_at \
         FROM sessions s JOIN users u ON u.user_id = s.user_id AND u.generation = s.generation \
         LEFT JOIN accounts a ON a.user_id = u.user_id \
         WHERE s.session_id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2"
    );
    let parameters = [session_id.into(), now.into()];
    let rows = database.query(&sql, &parameters).await?;
    rows.first().map(user_from).transpose()
}

/// What became of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Whose it is, and the next rotation's number.
    Rotated { user_id: String, rotation: i64 },
    /// The token had been used before: the family is revoked.
    Reused,
    /// Revoked, expired or unknown.
    Ended,
}

/// Exchanges rotation `used` for the next one (ID-2); of two at once one wins, the other is reuse.
pub async fn rotate(
    database: &dyn Database,
    session_id: &str,
    used: i64,
    now: i64,
    expires_at: i64,
) -> Result<Rotation> {
    let rows = database
        .query(
            "UPDATE sessions SET rotation = rotation + 1, expires_at = $4 \
             WHERE session_id = $1 AND rotation = $2 AND revoked_at IS NULL AND expires_at > $3 \
               AND EXISTS (SELECT 1 FROM users u \
                 WHERE u.user_id = sessions.user_id AND u.generation = sessions.generation) \
             RETURNING user_id, rotation",
            &[
                session_id.into(),
                used.into(),
                now.into(),
                expires_at.into(),
            ],
        )
        .await?;
    if let Some(row) = rows.first() {
        return Ok(Rotation::Rotated {
            user_id: row.get("user_id")?,
            rotation: row.get("rotation")?,
        });
    }
    let revoked = database
        .execute(
            "UPDATE sessions SET revoked_at = $3 \
             WHERE session_id = $1 AND rotation > $2 AND revoked_at IS NULL",
            &[session_id.into(), used.into(), now.into()],
        )
        .await?;
    Ok(if revoked == 1 {
        Rotation::Reused
    } else {
        Rotation::Ended
    })
}

/// Ends every session of a user at once (ID-2).
pub async fn revoke_all(database: &dyn Database, user_id: &str, now: i64) -> Result<u64> {
    database
        .execute(
            "UPDATE users SET generation = generation + 1, updated_at = $2 WHERE user_id = $1",
            &[user_id.into(), now.into()],
        )
        .await
}

/// Removes sessions that ended before `before`.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM sessions WHERE expires_at < $1",
            &[before.into()],
        )
        .await
}
