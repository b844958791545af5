//! The journal of data sync: every row once (DS-5), in the order of its origin (DS-6). What it is to be delivered
//! to is written by the trigger `records_deliver` in the statement that keeps it.

use super::{Database, Dialect, Value, json_texts};
use crate::auth::secret::sha256;
use crate::domain::business_type::Types;
use crate::domain::record::{Record, Sender, Verdict, judge};
use crate::error::{Code, Error, Result};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Taken,
    /// Kept, but an entity that was deleted in a higher version stays deleted (DS-9).
    Superseded,
    /// The same row was taken before.
    Duplicate,
    /// Refused for itself.
    Refused(&'static str),
    /// Not taken while an earlier row of its entity is refused.
    Held,
    /// Another request was writing the same row; it may be sent again.
    Raced,
}

/// Why a row is refused, for whoever sent it.
pub const CONFLICT: &str = "This syn_id came before with other content.";
pub const NOT_YOURS: &str = "data_from_server_id is not the site that sends.";

const SUPERSEDED: &str = "Superseded: a deletion of a higher version came before.";
const HELD: &str = "An earlier row of this entity is refused.";

/// Who sends, and how its rows are kept.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub sender: Sender<'a>,
    pub epoch: i64,
    /// Whom its rows go to beside the sites.
    pub receiver: Option<&'a str>,
    pub types: &'a Types,
}

/// Takes the rows of a request, each as far as it is new; one outcome a row, in order.
pub async fn accept(
    database: &dyn Database,
    source: Source<'_>,
    records: &[Record],
    now: i64,
) -> Result<Vec<Outcome>> {
    let hashes: Vec<String> = records.iter().map(|record| sha256(&record.body)).collect();
    let known = Known::of(database, source, records).await?;
    let conflicts = known.conflicts(database, records, &hashes).await?;
    let is_foreign = |record: &Record| match source.sender {
        Sender::Site { site_id, .. } => record.from.as_deref().is_some_and(|from| from != site_id),
        Sender::Cloud { .. } | Sender::Shop => false,
    };
    let verdicts = judge(records, |record| {
        is_foreign(record) || conflicts.contains(record.syn_id.as_str())
    });
    let is_known: Vec<bool> = records
        .iter()
        .zip(&hashes)
        .map(|(record, hash)| known.has(record, hash))
        .collect();
    let fresh = |(at, verdict): (usize, &Verdict)| match verdict {
        Verdict::Take | Verdict::Supersede if !is_known[at] => Some(Fresh {
            record: &records[at],
            hash: &hashes[at],
            is_superseded: *verdict == Verdict::Supersede,
        }),
        _ => None,
    };
    let fresh: Vec<Fresh<'_>> = verdicts.iter().enumerate().filter_map(fresh).collect();
    let taken = insert(database, source, fresh, now).await?;
    let outcome = |(at, verdict): (usize, &Verdict)| match verdict {
        Verdict::Refuse if is_foreign(&records[at]) => Outcome::Refused(NOT_YOURS),
        Verdict::Refuse | Verdict::Contradict => Outcome::Refused(CONFLICT),
        Verdict::Hold => Outcome::Held,
        Verdict::Repeat => Outcome::Duplicate,
        Verdict::Take | Verdict::Supersede if is_known[at] => Outcome::Duplicate,
        Verdict::Take | Verdict::Supersede => match taken.get(&records[at].syn_id) {
            Some(true) => Outcome::Superseded,
            Some(false) => Outcome::Taken,
            None => Outcome::Raced,
        },
    };
    Ok(verdicts.iter().enumerate().map(outcome).collect())
}

/// What the journal holds under the ids of a request.
struct Known {
    /// Of every epoch: what a site sends again after it was restored is the same row. The syn_id is in the hash.
    hashes: HashSet<String>,
    /// Ids of this epoch.
    ids: HashMap<String, i64>,
}

impl Known {
    async fn of(database: &dyn Database, source: Source<'_>, records: &[Record]) -> Result<Self> {
        let ids: Vec<&str> = records
            .iter()
            .map(|record| record.syn_id.as_str())
            .collect();
        let sql = format!(
            "SELECT record_id, syn_id, epoch, hash FROM records WHERE origin = $1 AND syn_id IN ({})",
            json_texts(database.dialect(), 2)
        );
        let ids = serde_json::to_string(&ids).map_err(Error::internal)?;
        let rows = database
            .query(&sql, &[source.sender.origin().into(), ids.into()])
            .await?;
        let mut known = Self {
            hashes: HashSet::new(),
            ids: HashMap::new(),
        };
        for row in &rows {
            if row.get::<i64>("epoch")? == source.epoch {
                known.ids.insert(row.get("syn_id")?, row.get("record_id")?);
            }
            known.hashes.insert(row.get("hash")?);
        }
        Ok(known)
    }

    fn has(&self, record: &Record, hash: &str) -> bool {
        self.ids.contains_key(&record.syn_id) || self.hashes.contains(hash)
    }

    /// The ids of this epoch that stand for other content now.
    async fn conflicts<'a>(
        &self,
        database: &dyn Database,
        records: &'a [Record],
        hashes: &[String],
    ) -> Result<HashSet<&'a str>> {
        let mut conflicts = HashSet::new();
        for (record, hash) in records.iter().zip(hashes) {
            let Some(record_id) = self.ids.get(&record.syn_id) else {
                continue;
            };
            if self.hashes.contains(hash) {
                continue;
            }
            // Other spaces or another order of fields are the same content; seldom, so one by one.
            let sql = "SELECT body FROM records WHERE record_id = $1";
            let rows = database.query(sql, &[(*record_id).into()]).await?;
            let kept: Option<String> = rows.first().map(|row| row.get("body")).transpose()?;
            if kept.is_none_or(|kept| !says_the_same(&kept, &record.body)) {
                conflicts.insert(record.syn_id.as_str());
            }
        }
        Ok(conflicts)
    }
}

fn says_the_same(one: &str, other: &str) -> bool {
    let parsed = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    parsed(one).is_some_and(|one| Some(one) == parsed(other))
}

/// A row to insert.
struct Fresh<'a> {
    record: &'a Record,
    hash: &'a str,
    is_superseded: bool,
}

/// The same for the database, one JSON object a row.
#[derive(Serialize)]
struct Given<'a> {
    n: usize,
    syn_id: &'a str,
    seq: Option<i64>,
    #[serde(rename = "type")]
    business_type: &'a str,
    priority: u8,
    op: &'a str,
    realm: String,
    entity: &'a str,
    version: Option<i64>,
    body: &'a str,
    hash: &'a str,
    bytes: usize,
    dead: u8,
}

/// Inserts, and returns which ids were, and whether a deletion supersedes them.
async fn insert(
    database: &dyn Database,
    source: Source<'_>,
    mut fresh: Vec<Fresh<'_>>,
    now: i64,
) -> Result<HashMap<String, bool>> {
    if fresh.is_empty() {
        return Ok(HashMap::new());
    }
    // Ordered as they are to be delivered: by seq where they have one, as they came where not.
    fresh.sort_by_key(|new| new.record.seq.unwrap_or(i64::MAX));
    let rows: Vec<Given<'_>> = fresh
        .iter()
        .enumerate()
        .map(|(ordinal, new)| {
            let record = new.record;
            let rule = source.types.rule(&record.business_type);
            Given {
                n: ordinal + 1,
                syn_id: &record.syn_id,
                seq: record.seq,
                business_type: &record.business_type,
                priority: rule.priority,
                op: record.op.as_str(),
                realm: source.sender.realm(record, rule.scope),
                entity: &record.entity,
                version: record.entity_version,
                body: &record.body,
                hash: new.hash,
                bytes: record.body.len(),
                dead: new.is_superseded.into(),
            }
        })
        .collect();
    let sql = insert_sql(database.dialect());
    let parameters: [Value; 5] = [
        source.sender.origin().into(),
        source.epoch.into(),
        source.receiver.into(),
        now.into(),
        serde_json::to_string(&rows)
            .map_err(Error::internal)?
            .into(),
    ];
    let rows = database.query(&sql, &parameters).await?;
    rows.iter()
        .map(|row| Ok((row.get("syn_id")?, row.get("is_superseded")?)))
        .collect()
}

/// `rank` follows the position: a row that comes late takes the rank of the one that it belongs before. But of an entity
/// that several origins write it takes none before what has come already, which some have and others wait for: all get
/// the entity's rows in one order.
fn insert_sql(dialect: Dialect) -> String {
    let larger = match dialect {
        Dialect::Sqlite => "max",
        Dialect::Postgres => "greatest",
    };
    let row = match dialect {
        Dialect::Sqlite => {
            "SELECT json_extract(value, '$.n') AS n, json_extract(value, '$.syn_id') AS syn_id, \
             json_extract(value, '$.seq') AS seq, json_extract(value, '$.type') AS business_type, \
             json_extract(value, '$.priority') AS priority, json_extract(value, '$.op') AS op, \
             json_extract(value, '$.realm') AS realm, json_extract(value, '$.entity') AS entity, \
             json_extract(value, '$.version') AS entity_version, json_extract(value, '$.body') AS body, \
             json_extract(value, '$.hash') AS hash, json_extract(value, '$.bytes') AS bytes, \
             json_extract(value, '$.dead') AS is_dead FROM json_each($5)"
        }
        // json_to_recordset gives the columns their types, which json_extract has of itself.
        Dialect::Postgres => {
            "SELECT n, syn_id, seq, \"type\" AS business_type, priority, op, realm, entity, \
             version AS entity_version, body, hash, bytes, dead AS is_dead \
             FROM json_to_recordset($5::TEXT::JSON) AS given(n BIGINT, syn_id TEXT, seq BIGINT, \"type\" TEXT, \
             priority BIGINT, op TEXT, realm TEXT, entity TEXT, version BIGINT, body TEXT, hash TEXT, \
             bytes BIGINT, dead BIGINT)"
        }
    };
    format!(
        "WITH given AS ({row}), last AS ( \
           SELECT COALESCE(MAX(position), 0) AS position FROM records WHERE origin = $1), \
         placed AS ( \
           SELECT given.*, CASE WHEN seq IS NOT NULL THEN CAST($2 AS BIGINT) * 1099511627776 + seq \
             WHEN last.position >= CAST($2 AS BIGINT) * 1099511627776 THEN last.position + n \
             ELSE CAST($2 AS BIGINT) * 1099511627776 + last.position % 1099511627776 + n END AS position FROM given, last) \
         INSERT INTO records (origin, epoch, syn_id, position, rank, business_type, priority, op, realm, \
           entity, entity_version, body, hash, bytes, receiver, is_superseded, created_at, acked_at) \
         SELECT $1, CAST($2 AS BIGINT), syn_id, position, \
           {larger}(COALESCE((SELECT MIN(later.rank) FROM records later \
               WHERE later.origin = $1 AND later.position > placed.position), \
             (SELECT COALESCE(MAX(record_id), 0) FROM records) + n), \
             COALESCE((SELECT CASE WHEN newest.origin <> $1 THEN newest.rank + 1 \
                 WHEN newest.position < placed.position THEN newest.rank ELSE 0 END FROM records newest \
               WHERE newest.realm = placed.realm AND newest.entity = placed.entity \
               ORDER BY newest.record_id DESC LIMIT 1), 0)), \
           business_type, priority, op, realm, entity, entity_version, body, hash, bytes, CAST($3 AS TEXT), \
           CASE WHEN is_dead = 1 OR op = 'upsert' AND EXISTS (SELECT 1 FROM records deleted \
             WHERE deleted.realm = placed.realm AND deleted.entity = placed.entity \
             AND deleted.op = 'delete' AND deleted.entity_version > placed.entity_version) \
             THEN 1 ELSE 0 END, CAST($4 AS BIGINT), CAST($4 AS BIGINT) \
         FROM placed ORDER BY n \
         ON CONFLICT (origin, syn_id, epoch) DO NOTHING RETURNING syn_id, is_superseded"
    )
}

/// The bodies that the journal holds of an origin's rows under these ids, `(syn_id, body)`.
pub async fn bodies(
    database: &dyn Database,
    origin: &str,
    ids: &[&str],
) -> Result<Vec<(String, String)>> {
    let sql = format!(
        "SELECT syn_id, body FROM records WHERE origin = $1 AND syn_id IN ({})",
        json_texts(database.dialect(), 2)
    );
    let ids = serde_json::to_string(ids).map_err(Error::internal)?;
    let rows = database.query(&sql, &[origin.into(), ids.into()]).await?;
    rows.iter()
        .map(|row| Ok((row.get("syn_id")?, row.get("body")?)))
        .collect()
}

/// Delivers again what was delivered to this receiver before, as far as it is kept. Returns how many rows.
pub async fn send_again(database: &dyn Database, receiver: &str, now: i64) -> Result<u64> {
    let sql = "INSERT INTO deliveries (receiver, record_id, entity, priority, rank, position, bytes, state, \
           created_at, updated_at) \
         SELECT $1, record_id, realm || ' ' || entity, priority, rank, position, bytes, 'pending', \
           CAST($2 AS BIGINT), CAST($2 AS BIGINT) FROM records \
         WHERE receiver = $1 AND is_superseded = 0 ON CONFLICT (receiver, record_id) DO NOTHING";
    database.execute(sql, &[receiver.into(), now.into()]).await
}

/// On a site that was restored: the rows that it has not sent yet belong to its new epoch.
pub async fn begin_epoch(database: &dyn Database, epoch: i64) -> Result<()> {
    let sql = "UPDATE records SET epoch = $1 WHERE origin = 'self' AND epoch < $1 AND EXISTS ( \
         SELECT 1 FROM deliveries d WHERE d.receiver = 'upstream' AND d.record_id = records.record_id)";
    database.execute(sql, &[epoch.into()]).await?;
    Ok(())
}

/// Removes rows that everybody has: superseded ones and those that a later row of their entity follows once they
/// are older than `before`; a deletion that is the last word when its last receiver has had it for so long (DS-9).
/// Looks at `window` records behind `after`, because the last rows of entities stay and must not be passed at each
/// look again. Returns behind which record to go on, None at the end.
pub async fn purge(
    database: &dyn Database,
    before: i64,
    after: i64,
    window: i64,
) -> Result<Option<i64>> {
    let sql = "DELETE FROM records WHERE record_id IN ( \
         SELECT r.record_id FROM records r WHERE r.record_id > $2 AND r.record_id <= $3 AND r.created_at < $1 \
           AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.record_id = r.record_id) \
           AND (r.is_superseded = 1 OR r.realm = 'own' OR r.op = 'delete' AND r.acked_at < $1 \
             OR EXISTS (SELECT 1 FROM records later WHERE later.realm = r.realm AND later.entity = r.entity \
               AND later.record_id > r.record_id AND later.is_superseded = 0)))";
    let until = after.saturating_add(window);
    database
        .execute(sql, &[before.into(), after.into(), until.into()])
        .await?;
    let last = database
        .query(
            "SELECT COALESCE(MAX(record_id), 0) AS last FROM records",
            &[],
        )
        .await?;
    let last: i64 = last.first().map_or(Ok(0), |row| row.get("last"))?;
    Ok((until < last).then_some(until))
}

impl Outcome {
    /// The word of the contract, the code of a refusal, and a sentence where there is something to say.
    pub fn words(&self) -> (&'static str, Option<Code>, Option<&'static str>) {
        match self {
            Self::Taken => ("ok", None, None),
            Self::Superseded => ("ok", None, Some(SUPERSEDED)),
            Self::Duplicate => ("dup", None, None),
            Self::Refused(NOT_YOURS) => ("reject", Some(Code::Forbidden), Some(NOT_YOURS)),
            Self::Refused(why) => ("reject", Some(Code::Conflict), Some(why)),
            Self::Held => ("held", None, Some(HELD)),
            Self::Raced => ("retry", None, None),
        }
    }
}
