//! Sites that refused us. No attempt starts at a site before its `cool_until` ([`super::claims`]).

use super::Database;
use crate::error::Result;

/// Counts one more refusal and lets the site cool: `first_ms`, doubled with every refusal in a row, at most
/// `max_ms`. Returns until when.
pub async fn cool(
    database: &dyn Database,
    site: &str,
    reason: &str,
    now: i64,
    first_ms: i64,
    max_ms: i64,
) -> Result<i64> {
    // A refusal while the site is cooling comes of an attempt that was under way already: it is the same one.
    let rows = database
        .query(
            "INSERT INTO cooldowns (site, strikes, cool_ms, cool_until, reason, updated_at) \
             VALUES ($1, 1, $4, $6, $2, $3) \
             ON CONFLICT (site) DO UPDATE SET reason = excluded.reason, updated_at = excluded.updated_at, \
               strikes = cooldowns.strikes + 1, \
               cool_ms = CASE WHEN cooldowns.cool_ms * 2 > $5 THEN $5 ELSE cooldowns.cool_ms * 2 END, \
               cool_until = $3 + CASE WHEN cooldowns.cool_ms * 2 > $5 THEN $5 ELSE cooldowns.cool_ms * 2 END \
             WHERE cooldowns.cool_until <= $3 RETURNING cool_until",
            &[
                site.into(),
                reason.into(),
                now.into(),
                first_ms.into(),
                max_ms.into(),
                now.saturating_add(first_ms).into(),
            ],
        )
        .await?;
    rows.first().map_or(Ok(now), |row| row.get("cool_until"))
}

/// The site has given something out: its refusals are forgotten.
pub async fn forgive(database: &dyn Database, site: &str) -> Result<()> {
    database
        .execute("DELETE FROM cooldowns WHERE site = $1", &[site.into()])
        .await?;
    Ok(())
}

/// A site and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooldown {
    pub site: String,
    pub strikes: i64,
    pub cool_until: i64,
    pub reason: String,
}

/// The sites that are cooling, the last to end first, at most `limit`.
pub async fn cooling(database: &dyn Database, now: i64, limit: i64) -> Result<Vec<Cooldown>> {
    let rows = database
        .query(
            "SELECT site, strikes, cool_until, reason FROM cooldowns WHERE cool_until > $1 \
             ORDER BY cool_until DESC, site LIMIT $2",
            &[now.into(), limit.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Cooldown {
                site: row.get("site")?,
                strikes: row.get("strikes")?,
                cool_until: row.get("cool_until")?,
                reason: row.get("reason")?,
            })
        })
        .collect()
}

/// Removes sites that have behaved since `before`.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM cooldowns WHERE cool_until < $1",
            &[before.into()],
        )
        .await
}
