//! Checks of links (SH-9). A row is a check that is pending, so there is at most one of a resource. A worker claims
//! it, asks the drive, writes what it found to the resource and then ends the row or puts it back. Both statements
//! want the claim and the link that was claimed: another link has another check, so what was found out about the one
//! before, or by a worker that lost the claim, is void. A worker that dies between the two leaves a check that is made
//! again.

use super::{Database, Dialect, Row, Value};
use crate::domain::check::Verdict;
use crate::domain::drive::Drive;
use crate::error::Result;

/// A check that this worker makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub resource_id: String,
    /// What is checked.
    pub link_id: String,
    /// The tree that stands so far.
    pub directory_id: String,
    /// Counts from 1, and tells this claim from others of the link.
    pub attempt: i64,
}

/// What a drive that opened a share said of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing<'a> {
    /// It broke off.
    Broken,
    /// The tree of the claim.
    Same,
    /// Another tree, which stands already.
    Other {
        directory_id: &'a str,
        /// Bytes.
        total_size: i64,
    },
}

/// Asks for a check of a resource that was not checked since `stale_before`; false where one is pending, or none
/// is due, or there is no such resource that everybody may see.
pub async fn request(
    database: &dyn Database,
    resource_id: &str,
    stale_before: i64,
    now: i64,
) -> Result<bool> {
    let added = database
        .execute(
            "INSERT INTO checks (resource_id, drive, run_at, created_at) \
             SELECT resource_id, drive, CAST($3 AS BIGINT), CAST($3 AS BIGINT) FROM resources \
             WHERE resource_id = $1 AND (last_check_at IS NULL OR last_check_at < $2) \
               AND deleted_at IS NULL AND state IN ('ok', 'invalidated') \
             ON CONFLICT (resource_id) DO NOTHING",
            &[resource_id.into(), stale_before.into(), now.into()],
        )
        .await?;
    Ok(added == 1)
}

/// Claims a check of a drive that is due, or whose worker let the lease end, of a publisher of whom none is under way: a
/// thousand large shares of one leave room for the others. Two workers at one moment may both claim one of his.
pub async fn claim(
    database: &dyn Database,
    drive: Drive,
    worker_id: &str,
    now: i64,
    lease_expires_at: i64,
) -> Result<Option<Claim>> {
    // SQLite has one writer, so the sub-select is stable; on PostgreSQL each worker passes over what another
    // is claiming.
    let lock = match database.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE OF due SKIP LOCKED",
    };
    let sql = format!(
        "UPDATE checks SET attempt = attempt + 1, lease_owner = $2, lease_expires_at = $4 \
         WHERE resource_id IN (SELECT due.resource_id FROM checks due \
           WHERE due.drive = $1 AND due.run_at <= $3 \
             AND (due.lease_expires_at IS NULL OR due.lease_expires_at <= $3) \
             AND (SELECT r.publisher_id FROM resources r WHERE r.resource_id = due.resource_id) NOT IN \
               (SELECT r.publisher_id FROM checks held JOIN resources r ON r.resource_id = held.resource_id \
                WHERE held.drive = $1 AND held.lease_owner IS NOT NULL AND held.lease_expires_at > $3) \
           ORDER BY due.run_at LIMIT 1 {lock}) \
         RETURNING resource_id, attempt, {link_id} AS link_id, {directory_id} AS directory_id",
        link_id = of_resource("link_id"),
        directory_id = of_resource("directory_id"),
    );
    let parameters = [
        drive.as_str().into(),
        worker_id.into(),
        now.into(),
        lease_expires_at.into(),
    ];
    let rows = database.query(&sql, &parameters).await?;
    let claim = |row: &Row| {
        Ok(Claim {
            resource_id: row.get("resource_id")?,
            link_id: row.get("link_id")?,
            directory_id: row.get("directory_id")?,
            attempt: row.get("attempt")?,
        })
    };
    rows.first().map(claim).transpose()
}

/// A column of the check's resource.
fn of_resource(column: &str) -> String {
    format!("(SELECT r.{column} FROM resources r WHERE r.resource_id = checks.resource_id)")
}

/// The claim, as a condition on `checks`: parameters 1 to 4.
const HELD: &str = "resource_id = $1 AND lease_owner = $2 AND attempt = $3 \
     AND EXISTS (SELECT 1 FROM resources r WHERE r.resource_id = checks.resource_id AND r.link_id = $4)";

/// The parameters of [`HELD`] and [`ASKED`], and those behind them.
fn of_claim<const N: usize>(claim: &Claim, worker_id: &str, more: [Value; N]) -> Vec<Value> {
    let mut parameters = vec![
        claim.resource_id.as_str().into(),
        worker_id.into(),
        claim.attempt.into(),
        claim.link_id.as_str().into(),
    ];
    parameters.extend(more);
    parameters
}

/// Holds a claim for longer; false when it is lost.
pub async fn extend(
    database: &dyn Database,
    claim: &Claim,
    worker_id: &str,
    lease_expires_at: i64,
) -> Result<bool> {
    let sql = format!("UPDATE checks SET lease_expires_at = $5 WHERE {HELD}");
    let parameters = of_claim(claim, worker_id, [lease_expires_at.into()]);
    Ok(database.execute(&sql, &parameters).await? == 1)
}

/// Ends the pending check.
pub async fn finish(database: &dyn Database, claim: &Claim, worker_id: &str) -> Result<bool> {
    let sql = format!("DELETE FROM checks WHERE {HELD}");
    let parameters = of_claim(claim, worker_id, []);
    Ok(database.execute(&sql, &parameters).await? == 1)
}

/// Puts the check back until `run_at`; `attempts` of it count.
pub async fn postpone(
    database: &dyn Database,
    claim: &Claim,
    worker_id: &str,
    attempts: i64,
    run_at: i64,
) -> Result<bool> {
    let sql = format!(
        "UPDATE checks SET attempt = $5, run_at = $6, lease_owner = NULL, lease_expires_at = NULL WHERE {HELD}"
    );
    let parameters = of_claim(claim, worker_id, [attempts.into(), run_at.into()]);
    Ok(database.execute(&sql, &parameters).await? == 1)
}

/// Gives back what a worker that stops has claimed; it counts as no attempt.
pub async fn release(database: &dyn Database, drive: Drive, worker_id: &str) -> Result<u64> {
    database
        .execute(
            "UPDATE checks SET attempt = attempt - 1, lease_owner = NULL, lease_expires_at = NULL \
             WHERE drive = $1 AND lease_owner = $2",
            &[drive.as_str().into(), worker_id.into()],
        )
        .await
}

/// The same condition on `resources`.
const ASKED: &str = "resource_id = $1 AND link_id = $4 AND deleted_at IS NULL AND EXISTS (SELECT 1 FROM checks \
     WHERE checks.resource_id = resources.resource_id AND lease_owner = $2 AND attempt = $3)";

/// The share opened: the resource lives, and what is invalidated comes back. With another tree the index follows. False
/// also where the tree is said to be the same and its publisher has changed it since the claim.
pub async fn record_ok(
    database: &dyn Database,
    claim: &Claim,
    worker_id: &str,
    listing: Listing<'_>,
    now: i64,
) -> Result<bool> {
    let sql = format!(
        "UPDATE resources SET last_check_at = $5, verdict = 'ok', bad_at = NULL, \
           state = CASE state WHEN 'invalidated' THEN 'ok' ELSE state END, \
           updated_at = CASE WHEN state = 'invalidated' OR CAST($6 AS TEXT) IS NOT NULL THEN $5 ELSE updated_at END, \
           version = version + CASE WHEN CAST($6 AS TEXT) IS NULL THEN 0 ELSE 1 END, \
           directory_id = coalesce($6, directory_id), total_size = coalesce($7, total_size), \
           listed_at = coalesce($8, listed_at) \
         WHERE {ASKED} AND (CAST($9 AS TEXT) IS NULL OR directory_id = $9)"
    );
    let (other, size) = match listing {
        Listing::Broken | Listing::Same => (None, None),
        Listing::Other {
            directory_id,
            total_size,
        } => (Some(directory_id), Some(total_size)),
    };
    let more = [
        now.into(),
        other.into(),
        size.into(),
        (listing != Listing::Broken).then_some(now).into(),
        (listing == Listing::Same)
            .then_some(claim.directory_id.as_str())
            .into(),
    ];
    let parameters = of_claim(claim, worker_id, more);
    Ok(database.execute(&sql, &parameters).await? == 1)
}

/// The share opened, and what it holds is still to be listed: what was said of its death before is void.
pub async fn record_opened(
    database: &dyn Database,
    claim: &Claim,
    worker_id: &str,
) -> Result<bool> {
    let sql = format!("UPDATE resources SET bad_at = NULL WHERE {ASKED}");
    let parameters = of_claim(claim, worker_id, []);
    Ok(database.execute(&sql, &parameters).await? == 1)
}

/// The drive says that the share is gone. The first time that is noted; when it still says so `interval_ms` later,
/// a resource that is for sale is invalidated. Returns when it was said first; `None`: the answer is void.
pub async fn record_bad(
    database: &dyn Database,
    claim: &Claim,
    worker_id: &str,
    interval_ms: i64,
    now: i64,
) -> Result<Option<i64>> {
    let sql = format!(
        "UPDATE resources SET last_check_at = $5, verdict = 'bad', bad_at = coalesce(bad_at, $5), \
           updated_at = CASE WHEN state = 'ok' AND bad_at <= $6 THEN $5 ELSE updated_at END, \
           state = CASE WHEN state = 'ok' AND bad_at <= $6 THEN 'invalidated' ELSE state END \
         WHERE {ASKED} RETURNING bad_at"
    );
    let parameters = of_claim(claim, worker_id, [now.into(), (now - interval_ms).into()]);
    let rows = database.query(&sql, &parameters).await?;
    rows.first().map(|row| row.get("bad_at")).transpose()
}

/// The check said nothing of whether the share lives. Where it came to no answer at all (`uncertain`), the last
/// check stays the one before, and another may be asked for.
pub async fn record_unknown(
    database: &dyn Database,
    claim: &Claim,
    worker_id: &str,
    verdict: Verdict,
    now: i64,
) -> Result<bool> {
    let checked_at = (verdict != Verdict::Uncertain).then_some(now);
    let sql = format!(
        "UPDATE resources SET verdict = $5, last_check_at = coalesce($6, last_check_at) WHERE {ASKED}"
    );
    let parameters = of_claim(
        claim,
        worker_id,
        [verdict.as_str().into(), checked_at.into()],
    );
    Ok(database.execute(&sql, &parameters).await? == 1)
}

/// How many checks are pending, by drive.
pub async fn pending(database: &dyn Database) -> Result<Vec<(Drive, i64)>> {
    let rows = database
        .query(
            "SELECT drive, COUNT(*) AS count FROM checks GROUP BY drive",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                Drive::parse(&row.get::<String>("drive")?)?,
                row.get("count")?,
            ))
        })
        .collect()
}
