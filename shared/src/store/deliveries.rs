//! What is still to be delivered to whom, and the rows of it that are dead (DS-7).

use super::{Database, Row, Value, json_texts};
use crate::domain::page::Page;
use crate::error::{Code, Error, Result};
use crate::wire::record::Delivered;
use std::collections::HashMap;

/// How a receiver stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that wait or are out in a batch.
    pub backlog: i64,
    /// Rows behind a dead one of their entity.
    pub held: i64,
    pub dead: i64,
    /// Since when the oldest of the backlog waits.
    pub oldest_at: Option<i64>,
}

impl Counts {
    /// The age of the oldest row of the backlog, seconds; 0 when there is none.
    pub fn lag_s(&self, now: i64) -> i64 {
        self.oldest_at
            .map_or(0, |since| (now - since).max(0) / 1000)
    }
}

pub async fn counts(database: &dyn Database, receiver: &str) -> Result<Counts> {
    let counts = counts_of(database, &[receiver]).await?;
    Ok(counts.get(receiver).copied().unwrap_or_default())
}

/// The same of several receivers; those for which nothing waits are left out.
pub async fn counts_of(
    database: &dyn Database,
    receivers: &[&str],
) -> Result<HashMap<String, Counts>> {
    let mut of = HashMap::<String, Counts>::new();
    if receivers.is_empty() {
        return Ok(of);
    }
    let places: Vec<String> = (1..=receivers.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT receiver, state, COUNT(*) AS rows, MIN(created_at) AS oldest_at FROM deliveries \
         WHERE receiver IN ({}) GROUP BY receiver, state",
        places.join(", ")
    );
    let parameters: Vec<Value> = receivers.iter().map(|it| Value::from(*it)).collect();
    for row in &database.query(&sql, &parameters).await? {
        let counts = of.entry(row.get("receiver")?).or_default();
        let number: i64 = row.get("rows")?;
        match row.get::<String>("state")?.as_str() {
            "dead" => counts.dead = number,
            "held" => counts.held = number,
            _ => {
                counts.backlog += number;
                let oldest: Option<i64> = row.get("oldest_at")?;
                counts.oldest_at = [counts.oldest_at, oldest].into_iter().flatten().min();
            }
        }
    }
    Ok(of)
}

/// Whether there is something for this receiver now: a row of an entity of which none is out, or a batch whose
/// lease has ended.
pub async fn is_any_due(database: &dyn Database, receiver: &str, now: i64) -> Result<bool> {
    let sql = "SELECT 1 AS found WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.receiver = $1 \
           AND d.state = 'pending' AND NOT EXISTS (SELECT 1 FROM deliveries b WHERE b.receiver = d.receiver \
             AND b.entity = d.entity AND b.state IN ('leased', 'dead'))) \
         OR EXISTS (SELECT 1 FROM batches WHERE receiver = $1 AND settled_at IS NULL AND lease_expires_at <= $2)";
    let rows = database.query(sql, &[receiver.into(), now.into()]).await?;
    Ok(!rows.is_empty())
}

/// How a row of the journal stands with a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits or is out in a batch.
    Open,
    Dead {
        fail_num: i64,
        reason: Option<String>,
    },
    /// Nothing is to be delivered any more.
    Delivered,
}

/// How the rows of an origin with these ids stand, those that the journal holds.
pub async fn standings(
    database: &dyn Database,
    receiver: &str,
    origin: &str,
    syn_ids: &[String],
) -> Result<HashMap<String, Standing>> {
    let each = json_texts(database.dialect(), 3);
    // The row of the last epoch is the last to be looked at.
    let sql = format!(
        "SELECT r.syn_id, d.state, d.fail_num, d.reason FROM records r \
         LEFT JOIN deliveries d ON d.receiver = $1 AND d.record_id = r.record_id \
         WHERE r.origin = $2 AND r.syn_id IN ({each}) ORDER BY r.epoch"
    );
    let ids = serde_json::to_string(syn_ids).map_err(Error::internal)?;
    let parameters = [receiver.into(), origin.into(), ids.into()];
    let mut standings = HashMap::new();
    for row in &database.query(&sql, &parameters).await? {
        let state: Option<String> = row.get("state")?;
        let standing = match state.as_deref() {
            None => Standing::Delivered,
            Some("dead") => Standing::Dead {
                fail_num: row.get("fail_num")?,
                reason: row.get("reason")?,
            },
            Some(_) => Standing::Open,
        };
        standings.insert(row.get("syn_id")?, standing);
    }
    Ok(standings)
}

/// A dead row.
#[derive(Clone, Debug)]
pub struct Dead {
    pub record_id: i64,
    pub syn_id: String,
    pub origin: String,
    pub business_type: String,
    pub entity: String,
    pub reason: Option<String>,
    pub fail_num: i64,
    /// Rows of its entity that wait behind it.
    pub held: i64,
    pub dead_since: i64,
    pub row: Delivered,
}

fn dead_from(row: &Row) -> Result<Dead> {
    let reason: Option<String> = row.get("reason")?;
    Ok(Dead {
        record_id: row.get("record_id")?,
        syn_id: row.get("syn_id")?,
        origin: row.get("origin")?,
        business_type: row.get("business_type")?,
        entity: row.get("entity")?,
        fail_num: row.get("fail_num")?,
        held: row.get("held")?,
        dead_since: row.get("updated_at")?,
        row: Delivered {
            body: row.get("body")?,
            origin: row.get("origin")?,
            position: row.get("position")?,
            created_at: row.get("created_at")?,
            fail_num: row.get("fail_num")?,
            reason: reason.clone(),
            data_detail: row.get("data_detail")?,
        },
        reason,
    })
}

/// The dead rows of a receiver, the first in order first, and how many there are.
pub async fn dead(database: &dyn Database, receiver: &str, page: Page) -> Result<(Vec<Dead>, i64)> {
    let sql = "SELECT d.record_id, r.syn_id, r.origin, r.business_type, r.entity, d.reason, d.fail_num, \
           d.updated_at, r.body, r.position, r.created_at, d.data_detail, \
           (SELECT COUNT(*) FROM deliveries h WHERE h.receiver = d.receiver AND h.entity = d.entity \
             AND h.state = 'held') AS held \
         FROM deliveries d JOIN records r ON r.record_id = d.record_id \
         WHERE d.receiver = $1 AND d.state = 'dead' ORDER BY d.created_at, d.record_id LIMIT $2 OFFSET $3";
    let rows = database
        .query(
            sql,
            &[receiver.into(), page.limit().into(), page.offset().into()],
        )
        .await?;
    let total = database
        .query(
            "SELECT COUNT(*) AS total FROM deliveries WHERE receiver = $1 AND state = 'dead'",
            &[receiver.into()],
        )
        .await?;
    let total = total.first().map_or(Ok(0), |row| row.get("total"))?;
    Ok((rows.iter().map(dead_from).collect::<Result<_>>()?, total))
}

/// What an operator does with a dead row; the rows that it held follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is tried again, three times as before.
    Retry,
    /// It is tried again with this JSON in the place of its `data_detail`.
    Edit(String),
    /// It is not delivered.
    Skip,
}

/// Frees a dead row. Errors: 40401, 40901 where rows of several origins have this `syn_id` and none is named.
pub async fn free(
    database: &dyn Database,
    receiver: &str,
    syn_id: &str,
    origin: Option<&str>,
    action: &Action,
    now: i64,
) -> Result<()> {
    let rows = database
        .query(
            "SELECT d.record_id FROM deliveries d JOIN records r ON r.record_id = d.record_id \
             WHERE d.receiver = $1 AND d.state = 'dead' AND r.syn_id = $2 \
             AND (CAST($3 AS TEXT) IS NULL OR r.origin = $3)",
            &[receiver.into(), syn_id.into(), origin.into()],
        )
        .await?;
    let record_id: i64 = match rows.as_slice() {
        [] => return Err(Error::not_found("dead row")),
        [row] => row.get("record_id")?,
        _ => {
            return Err(Error::new(
                Code::Conflict,
                "Rows of several servers have this syn_id; name one by data_from_server_id.",
            ));
        }
    };
    let mut parameters: Vec<Value> = vec![receiver.into(), record_id.into()];
    let sql = match action {
        Action::Skip => {
            "DELETE FROM deliveries WHERE receiver = $1 AND record_id = $2 AND state = 'dead' \
             RETURNING record_id"
        }
        Action::Retry => {
            parameters.push(now.into());
            "UPDATE deliveries SET state = 'pending', fail_num = 0, updated_at = $3 \
             WHERE receiver = $1 AND record_id = $2 AND state = 'dead' RETURNING record_id"
        }
        Action::Edit(data_detail) => {
            parameters.extend([now.into(), data_detail.as_str().into()]);
            "UPDATE deliveries SET state = 'pending', fail_num = 0, updated_at = $3, data_detail = $4 \
             WHERE receiver = $1 AND record_id = $2 AND state = 'dead' RETURNING record_id"
        }
    };
    match database.query(sql, &parameters).await?.is_empty() {
        true => Err(Error::not_found("dead row")),
        false => Ok(()),
    }
}
