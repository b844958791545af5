//! Batches of data sync: rows that are handed out together under a lease, and settled together (DS-3). Leasing
//! and settling take effect on the deliveries by the triggers `batches_lease` and `batches_settle`, in the
//! statement that writes the batch.

use super::{Database, Row, Value, json_integers, json_texts};
use crate::domain::batch::{Bounds, Candidate, choose};
use crate::error::{Error, Result};
use crate::limits::{SYNC_BATCH_TRIES, SYNC_OLDEST_SHARE};
use crate::wire::record::Delivered;
use serde_json::json;

/// Who asks for a batch, and how.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub receiver: &'a str,
    /// What the receiver may see (DS-8); empty: whatever is addressed to it.
    pub realms: &'a [String],
    pub bounds: Bounds,
    /// The id of a batch that is made for this.
    pub batch_id: String,
    /// The same request again gets the same batch again, whether its lease has ended or not.
    pub pull_id: Option<&'a str>,
    pub lease_ms: i64,
    pub fail_max: i64,
}

/// A batch, settled or not.
#[derive(Clone, Debug)]
pub struct Batch {
    pub batch_id: String,
    pub receiver: String,
    /// `(record_id, fail_num)` in order.
    pub records: Vec<(i64, i64)>,
    pub lease_expires_at: i64,
    pub fail_max: i64,
    /// JSON; None while open, and when the batch was given up for a smaller one.
    pub answer: Option<String>,
    pub is_settled: bool,
    pull_id: Option<String>,
}

/// A row of a batch with its id in the journal.
#[derive(Clone, Debug)]
pub struct Leased {
    pub record_id: i64,
    pub syn_id: String,
    pub entity: String,
    pub row: Delivered,
}

/// What a receiver said of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// Counts towards `fail_max`.
    Reject(Option<String>),
    /// Does not count.
    Retry,
}

/// The batch that this receiver is to have now: one that it has and did not settle, with the same rows, or a new
/// one. None when nothing is due.
pub async fn take(database: &dyn Database, ask: &Ask<'_>, now: i64) -> Result<Option<Batch>> {
    for _ in 0..SYNC_BATCH_TRIES {
        if let Some(again) = again(database, ask, now).await? {
            return Ok(Some(again));
        }
        let chosen = candidates(database, ask).await?;
        if chosen.is_empty() {
            return Ok(None);
        }
        if let Some(batch) = create(database, ask, &chosen, now).await? {
            return Ok(Some(batch));
        }
    }
    Err(Error::busy(1, "other requests keep taking the same rows"))
}

const COLUMNS: &str =
    "batch_id, receiver, records, pull_id, lease_expires_at, fail_max, answer, settled_at";

fn batch_from(row: &Row) -> Result<Batch> {
    let records: String = row.get("records")?;
    Ok(Batch {
        batch_id: row.get("batch_id")?,
        receiver: row.get("receiver")?,
        records: serde_json::from_str(&records).map_err(Error::internal)?,
        lease_expires_at: row.get("lease_expires_at")?,
        fail_max: row.get("fail_max")?,
        answer: row.get("answer")?,
        is_settled: row.get::<Option<i64>>("settled_at")?.is_some(),
        pull_id: row.get("pull_id")?,
    })
}

/// An open batch that is due again. One that does not fit into what is asked for now is given up: its rows go
/// into smaller ones.
async fn again(database: &dyn Database, ask: &Ask<'_>, now: i64) -> Result<Option<Batch>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM batches WHERE receiver = $1 AND settled_at IS NULL ORDER BY created_at, batch_id"
    );
    for row in &database.query(&sql, &[ask.receiver.into()]).await? {
        let batch = batch_from(row)?;
        let is_repeat = ask.pull_id.is_some() && batch.pull_id.as_deref() == ask.pull_id;
        if !is_repeat && batch.lease_expires_at > now {
            continue;
        }
        if batch.records.len() > ask.bounds.rows
            || bytes_of(database, &batch).await? > ask.bounds.bytes
        {
            settle(database, &batch, &[], None, now).await?;
            continue;
        }
        let sql = "UPDATE batches SET lease_expires_at = $3, pull_id = COALESCE($4, pull_id) \
             WHERE batch_id = $1 AND lease_expires_at = $2 AND settled_at IS NULL RETURNING batch_id";
        let lease_expires_at = now.saturating_add(ask.lease_ms);
        let parameters = [
            batch.batch_id.as_str().into(),
            batch.lease_expires_at.into(),
            lease_expires_at.into(),
            ask.pull_id.into(),
        ];
        if !database.query(sql, &parameters).await?.is_empty() {
            return Ok(Some(Batch {
                lease_expires_at,
                ..batch
            }));
        }
    }
    Ok(None)
}

/// The bytes of a batch, 0 for one row: that one goes whatever its size.
async fn bytes_of(database: &dyn Database, batch: &Batch) -> Result<usize> {
    if batch.records.len() <= 1 {
        return Ok(0);
    }
    let sql = format!(
        "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM deliveries WHERE receiver = $1 AND record_id IN ({})",
        json_integers(database.dialect(), 2)
    );
    let parameters = [batch.receiver.as_str().into(), ids(batch)?];
    let rows = database.query(&sql, &parameters).await?;
    let bytes: i64 = rows.first().map_or(Ok(0), |row| row.get("bytes"))?;
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

fn ids(batch: &Batch) -> Result<Value> {
    let ids: Vec<i64> = batch
        .records
        .iter()
        .map(|(record_id, _)| *record_id)
        .collect();
    Ok(serde_json::to_string(&ids).map_err(Error::internal)?.into())
}

/// Rows that may go now: those of an entity of which a row is out or dead wait.
async fn candidates(database: &dyn Database, ask: &Ask<'_>) -> Result<Vec<Candidate>> {
    let select = "SELECT d.record_id, r.syn_id, d.entity, d.priority, d.rank, d.position, d.bytes, d.fail_num \
         FROM deliveries d JOIN records r ON r.record_id = d.record_id \
         WHERE d.receiver = $1 AND d.state = 'pending'";
    let realms = match ask.realms.is_empty() {
        true => String::new(),
        false => format!("AND r.realm IN ({})", json_texts(database.dialect(), 3)),
    };
    let next = format!(
        "{select} {realms} AND NOT EXISTS (SELECT 1 FROM deliveries b WHERE b.receiver = d.receiver \
           AND b.entity = d.entity AND b.state IN ('leased', 'dead')) \
         ORDER BY d.priority, d.rank, d.position LIMIT $2"
    );
    let oldest = format!(
        "{select} {realms} AND NOT EXISTS (SELECT 1 FROM deliveries b WHERE b.receiver = d.receiver \
           AND b.entity = d.entity AND (b.rank, b.position) < (d.rank, d.position)) \
         ORDER BY d.created_at LIMIT $2"
    );
    let next = read(database, ask, &next, ask.bounds.rows).await?;
    // Where everything that waits is next anyway, nobody can starve.
    let share = ask.bounds.rows / SYNC_OLDEST_SHARE;
    let oldest = match next.len() < ask.bounds.rows || share == 0 {
        true => Vec::new(),
        false => read(database, ask, &oldest, share).await?,
    };
    Ok(choose(&next, &oldest, ask.bounds))
}

async fn read(
    database: &dyn Database,
    ask: &Ask<'_>,
    sql: &str,
    limit: usize,
) -> Result<Vec<Candidate>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut parameters: Vec<Value> = vec![ask.receiver.into(), limit.into()];
    if !ask.realms.is_empty() {
        let realms = serde_json::to_string(ask.realms).map_err(Error::internal)?;
        parameters.push(realms.into());
    }
    let rows = database.query(sql, &parameters).await?;
    rows.iter()
        .map(|row| {
            Ok(Candidate {
                record_id: row.get("record_id")?,
                syn_id: row.get("syn_id")?,
                entity: row.get("entity")?,
                order: (row.get("priority")?, row.get("rank")?, row.get("position")?),
                bytes: row.get("bytes")?,
                fail_num: row.get("fail_num")?,
            })
        })
        .collect()
}

/// What the trigger `batches_lease` says.
const RACED: &str = "batch_raced";

/// None when another request took one of the rows meanwhile.
async fn create(
    database: &dyn Database,
    ask: &Ask<'_>,
    chosen: &[Candidate],
    now: i64,
) -> Result<Option<Batch>> {
    let records: Vec<(i64, i64)> = chosen
        .iter()
        .map(|it| (it.record_id, it.fail_num))
        .collect();
    let sql = format!(
        "INSERT INTO batches (batch_id, receiver, records, pull_id, lease_expires_at, fail_max, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {COLUMNS}"
    );
    let parameters = [
        ask.batch_id.as_str().into(),
        ask.receiver.into(),
        serde_json::to_string(&records)
            .map_err(Error::internal)?
            .into(),
        ask.pull_id.into(),
        now.saturating_add(ask.lease_ms).into(),
        ask.fail_max.into(),
        now.into(),
    ];
    match database.query(&sql, &parameters).await {
        Ok(rows) => rows.first().map(batch_from).transpose(),
        Err(error)
            if error
                .cause
                .as_deref()
                .is_some_and(|cause| cause.contains(RACED)) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the batch of this pull is settled: whoever still waits with it is a request that was given up, and what
/// it took would be for nobody.
pub async fn is_spent(database: &dyn Database, receiver: &str, pull_id: &str) -> Result<bool> {
    let sql = "SELECT 1 AS found FROM batches WHERE receiver = $1 AND pull_id = $2 \
         AND settled_at IS NOT NULL LIMIT 1";
    let rows = database
        .query(sql, &[receiver.into(), pull_id.into()])
        .await?;
    Ok(!rows.is_empty())
}

/// The rows of a batch in order, those that are still there.
pub async fn rows(database: &dyn Database, batch: &Batch) -> Result<Vec<Leased>> {
    let sql = format!(
        "SELECT r.record_id, r.origin, r.syn_id, r.entity, r.position, r.body, r.created_at, d.reason, \
           d.data_detail FROM records r \
         JOIN deliveries d ON d.receiver = $1 AND d.record_id = r.record_id AND d.batch_id = $3 \
         WHERE r.record_id IN ({})",
        json_integers(database.dialect(), 2)
    );
    let parameters = [
        batch.receiver.as_str().into(),
        ids(batch)?,
        batch.batch_id.as_str().into(),
    ];
    let found = database.query(&sql, &parameters).await?;
    let mut rows = Vec::with_capacity(found.len());
    for row in &found {
        rows.push(Leased {
            record_id: row.get("record_id")?,
            syn_id: row.get("syn_id")?,
            entity: row.get("entity")?,
            row: Delivered {
                body: row.get("body")?,
                origin: row.get("origin")?,
                position: row.get("position")?,
                created_at: row.get("created_at")?,
                fail_num: 0,
                reason: row.get("reason")?,
                data_detail: row.get("data_detail")?,
            },
        });
    }
    // In the order of the batch, and with the count that it was made with.
    let place = |record_id: i64| batch.records.iter().position(|(id, _)| *id == record_id);
    rows.sort_by_cached_key(|leased| place(leased.record_id));
    for leased in &mut rows {
        let at = place(leased.record_id).unwrap_or_default();
        leased.row.fail_num = batch.records[at].1;
    }
    Ok(rows)
}

/// The batch of this id, settled or not.
pub async fn find(database: &dyn Database, batch_id: &str) -> Result<Option<Batch>> {
    let sql = format!("SELECT {COLUMNS} FROM batches WHERE batch_id = $1");
    let rows = database.query(&sql, &[batch_id.into()]).await?;
    rows.first().map(batch_from).transpose()
}

/// The records of a batch by the ids that results name them by: `(record_id, syn_id, origin)`.
pub async fn named(database: &dyn Database, batch: &Batch) -> Result<Vec<(i64, String, String)>> {
    let sql = format!(
        "SELECT record_id, syn_id, origin FROM records WHERE $1 = $1 AND record_id IN ({})",
        json_integers(database.dialect(), 2)
    );
    let rows = database
        .query(&sql, &[batch.receiver.as_str().into(), ids(batch)?])
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.get("record_id")?,
                row.get("syn_id")?,
                row.get("origin")?,
            ))
        })
        .collect()
}

/// Settles a batch with what the receiver said; rows that it said nothing of go again. Returns false when it was
/// settled already.
pub async fn settle(
    database: &dyn Database,
    batch: &Batch,
    results: &[(i64, Verdict)],
    answer: Option<&str>,
    now: i64,
) -> Result<bool> {
    let results: Vec<serde_json::Value> = results
        .iter()
        .map(|(record_id, verdict)| match verdict {
            Verdict::Ok => json!([record_id, "ok", null]),
            Verdict::Reject(reason) => json!([record_id, "reject", reason]),
            Verdict::Retry => json!([record_id, "retry", null]),
        })
        .collect();
    let sql = "UPDATE batches SET results = $2, answer = $3, settled_at = $4 \
         WHERE batch_id = $1 AND settled_at IS NULL RETURNING batch_id";
    let parameters = [
        batch.batch_id.as_str().into(),
        serde_json::to_string(&results)
            .map_err(Error::internal)?
            .into(),
        answer.into(),
        now.into(),
    ];
    Ok(!database.query(sql, &parameters).await?.is_empty())
}

/// Removes answers that nobody asks for again.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM batches WHERE settled_at < $1",
            &[before.into()],
        )
        .await
}
