//! On a site: which rows from the cloud were applied here, so that a row that comes again has no effect again
//! (DS-5) and a deletion is not undone by a late row of a lower version (DS-9).

use super::{Database, Dialect};
use crate::domain::record::Op;
use crate::error::{Error, Result};
use serde::Serialize;

/// A row that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    pub origin: String,
    pub syn_id: String,
    /// Of what it did; another `data_detail` under the same id is another row.
    pub hash: String,
    pub entity: String,
    #[serde(serialize_with = "op_text")]
    pub op: Op,
    pub version: Option<i64>,
}

fn op_text<S: serde::Serializer>(op: &Op, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(op.as_str())
}

/// Which of these rows were applied before; a flag a row.
pub async fn known(database: &dyn Database, rows: &[Applied]) -> Result<Vec<bool>> {
    let given = given(database.dialect());
    let sql = format!(
        "WITH given AS ({given}) SELECT given.n FROM given JOIN applied ON applied.origin = given.origin \
           AND applied.syn_id = given.syn_id AND applied.hash = given.hash"
    );
    flags(database, &sql, rows).await
}

/// Which of these rows come after a deletion of a higher version, one that was applied here or one of the
/// site's own; a flag a row.
pub async fn superseded(database: &dyn Database, rows: &[Applied]) -> Result<Vec<bool>> {
    let given = given(database.dialect());
    let sql = format!(
        "WITH given AS ({given}) SELECT given.n FROM given WHERE given.op = 'upsert' AND ( \
           EXISTS (SELECT 1 FROM applied WHERE applied.entity = given.entity AND applied.op = 'delete' \
             AND applied.entity_version > given.version) \
           OR EXISTS (SELECT 1 FROM records WHERE records.realm = 'own' AND records.entity = given.entity \
             AND records.op = 'delete' AND records.entity_version > given.version))"
    );
    flags(database, &sql, rows).await
}

async fn flags(database: &dyn Database, sql: &str, rows: &[Applied]) -> Result<Vec<bool>> {
    let json = serde_json::to_string(rows).map_err(Error::internal)?;
    let mut flags = vec![false; rows.len()];
    for row in &database.query(sql, &[json.into()]).await? {
        let n: i64 = row.get("n")?;
        if let Some(flag) = usize::try_from(n).ok().and_then(|n| flags.get_mut(n)) {
            *flag = true;
        }
    }
    Ok(flags)
}

/// The rows in the JSON list `$1`, numbered from 0.
fn given(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "SELECT key AS n, json_extract(value, '$.origin') AS origin, \
             json_extract(value, '$.syn_id') AS syn_id, json_extract(value, '$.hash') AS hash, \
             json_extract(value, '$.entity') AS entity, json_extract(value, '$.op') AS op, \
             json_extract(value, '$.version') AS version FROM json_each($1)"
        }
        // PostgreSQL numbers with ORDINALITY, from 1.
        Dialect::Postgres => {
            "SELECT n - 1 AS n, value ->> 'origin' AS origin, value ->> 'syn_id' AS syn_id, \
             value ->> 'hash' AS hash, value ->> 'entity' AS entity, value ->> 'op' AS op, \
             CAST(value ->> 'version' AS BIGINT) AS version \
             FROM json_array_elements($1::TEXT::JSON) WITH ORDINALITY AS given(value, n)"
        }
    }
}

/// Notes rows as applied.
pub async fn note(database: &dyn Database, rows: &[Applied], now: i64) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let given = given(database.dialect());
    let sql = format!(
        "WITH given AS ({given}) \
         INSERT INTO applied (origin, syn_id, hash, entity, op, entity_version, applied_at) \
         SELECT origin, syn_id, hash, entity, op, version, CAST($2 AS BIGINT) FROM given WHERE true \
         ON CONFLICT (origin, syn_id, hash) DO NOTHING"
    );
    let json = serde_json::to_string(rows).map_err(Error::internal)?;
    database.execute(&sql, &[json.into(), now.into()]).await?;
    Ok(())
}

/// Forgets rows that will not come again.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM applied WHERE applied_at < $1",
            &[before.into()],
        )
        .await
}
