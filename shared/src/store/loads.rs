//! The initial load of a site: the last row of each entity that it may see, in pieces. `sites.load_after` says how
//! far it has come; a piece that is loaded twice is no second delivery.

use super::Database;
use crate::domain::record::site_realm;
use crate::error::Result;

/// A site that is being loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    pub site_id: String,
    realm: String,
    after: i64,
    until: i64,
    /// Its own rows of this epoch and later ones it has itself.
    epoch: i64,
}

/// What one piece did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub is_last: bool,
}

/// A site whose load is not done.
pub async fn next(database: &dyn Database) -> Result<Option<Load>> {
    let sql = "SELECT site_id, realm, load_after, load_until, load_epoch FROM sites WHERE load_after IS NOT NULL \
         AND registered_at IS NOT NULL AND revoked_at IS NULL ORDER BY load_after LIMIT 1";
    let rows = database.query(sql, &[]).await?;
    rows.first()
        .map(|row| {
            Ok(Load {
                site_id: row.get("site_id")?,
                realm: row.get("realm")?,
                after: row.get("load_after")?,
                until: row.get("load_until")?,
                epoch: row.get("load_epoch")?,
            })
        })
        .transpose()
}

/// Adds deliveries for the next `rows` records of the site's realms, its own only from before it was restored. What was superseded or has a later row of its
/// entity is left out. Two statements, first the rows: what is repeated after a crash between them changes nothing.
pub async fn step(database: &dyn Database, load: &Load, rows: i64, now: i64) -> Result<Step> {
    let own = site_realm(&load.site_id);
    let ends = database
        .query(
            "SELECT COUNT(*) AS records, COALESCE(MAX(record_id), 0) AS last FROM ( \
               SELECT record_id FROM ( \
                 SELECT * FROM (SELECT record_id FROM records WHERE realm = $1 AND record_id > $3 AND record_id <= $5 \
                   ORDER BY record_id LIMIT $4) of_group \
                 UNION ALL \
                 SELECT * FROM (SELECT record_id FROM records WHERE realm = $2 AND record_id > $3 AND record_id <= $5 \
                   ORDER BY record_id LIMIT $4) of_site) either \
               ORDER BY record_id LIMIT $4) piece",
            &[
                load.realm.as_str().into(),
                own.as_str().into(),
                load.after.into(),
                rows.into(),
                load.until.into(),
            ],
        )
        .await?;
    let (found, last): (i64, i64) = match ends.first() {
        Some(row) => (row.get("records")?, row.get("last")?),
        None => (0, 0),
    };
    if found > 0 {
        database
            .execute(
                "INSERT INTO deliveries (receiver, record_id, entity, priority, rank, position, bytes, state, \
                   created_at, updated_at) \
                 SELECT $1, r.record_id, r.realm || ' ' || r.entity, r.priority, r.rank, r.position, r.bytes, \
                   'pending', CAST($6 AS BIGINT), CAST($6 AS BIGINT) FROM records r \
                 WHERE r.realm IN ($2, $3) AND r.record_id > $4 AND r.record_id <= $5 \
                   AND r.is_superseded = 0 AND NOT (r.origin = $1 AND r.epoch >= $7) \
                   AND NOT EXISTS (SELECT 1 FROM records later WHERE later.realm = r.realm \
                     AND later.entity = r.entity AND later.is_superseded = 0 \
                     AND (later.rank, later.position) > (r.rank, r.position)) \
                 ON CONFLICT (receiver, record_id) DO NOTHING",
                &[
                    load.site_id.as_str().into(),
                    load.realm.as_str().into(),
                    own.as_str().into(),
                    load.after.into(),
                    last.into(),
                    now.into(),
                    load.epoch.into(),
                ],
            )
            .await?;
    }
    let is_last = found < rows;
    let after = if is_last { None } else { Some(last) };
    // A reload that was asked for meanwhile begins at the beginning.
    database
        .execute(
            "UPDATE sites SET load_after = $3 WHERE site_id = $1 AND load_after = $2",
            &[
                load.site_id.as_str().into(),
                load.after.into(),
                after.into(),
            ],
        )
        .await?;
    Ok(Step { is_last })
}
