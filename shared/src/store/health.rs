//! What an operator wants to know of the database itself; nothing here changes it.

use super::{Database, Dialect};
use crate::error::Result;

/// Lines that a damaged file is described with.
const LINES_MAX: u32 = 5;

/// What SQLite finds wrong in its own file; empty: nothing. Reads the whole file.
pub async fn sqlite_damage(database: &dyn Database) -> Result<Vec<String>> {
    let sql = format!("PRAGMA quick_check({LINES_MAX})");
    let rows = database.query(&sql, &[]).await?;
    let lines = rows.iter().map(|row| row.get("quick_check"));
    let lines = lines.collect::<Result<Vec<String>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// `wal`, or what else SQLite's journal is.
pub async fn sqlite_journal(database: &dyn Database) -> Result<String> {
    let rows = database.query("PRAGMA journal_mode", &[]).await?;
    let mode = rows.first().map(|row| row.get("journal_mode"));
    Ok(mode.transpose()?.unwrap_or_default())
}

/// A PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Such as 150020 for 15.20.
    pub version: i64,
    pub max_connections: i64,
    /// Open now, of all clients.
    pub connections: i64,
    /// Of the database; `UTF8` is wanted.
    pub encoding: String,
    pub is_read_only: bool,
    /// Its clock, milliseconds.
    pub now: i64,
}

/// The PostgreSQL server that answers.
pub async fn postgres_server(database: &dyn Database) -> Result<Option<Server>> {
    let sql = "SELECT current_setting('server_version_num')::BIGINT AS version, \
                 current_setting('max_connections')::BIGINT AS max_connections, \
                 (SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections, \
                 current_setting('server_encoding') AS encoding, \
                 CASE WHEN pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' \
                   THEN 1::BIGINT ELSE 0::BIGINT END AS read_only, \
                 FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT AS now";
    let rows = database.query(sql, &[]).await?;
    let server = rows.first().map(|row| {
        Ok(Server {
            version: row.get("version")?,
            max_connections: row.get("max_connections")?,
            connections: row.get("connections")?,
            encoding: row.get("encoding")?,
            is_read_only: row.get("read_only")?,
            now: row.get("now")?,
        })
    });
    server.transpose()
}

/// When a task last changed, milliseconds; None where there is none.
pub async fn newest_change(database: &dyn Database) -> Result<Option<i64>> {
    let rows = database
        .query("SELECT MAX(updated_at) AS newest FROM tasks", &[])
        .await?;
    Ok(rows
        .first()
        .map(|row| row.get("newest"))
        .transpose()?
        .flatten())
}

/// The numbers of the applied migrations; empty where there is no database of ours yet.
pub async fn applied(database: &dyn Database) -> Result<Vec<i64>> {
    let is_there = match database.dialect() {
        Dialect::Sqlite => {
            "SELECT COUNT(*) AS found FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'"
        }
        Dialect::Postgres => {
            "SELECT COUNT(*) AS found FROM pg_class WHERE oid = to_regclass('migrations')"
        }
    };
    let rows = database.query(is_there, &[]).await?;
    let found: Option<i64> = rows.first().map(|row| row.get("found")).transpose()?;
    if found.unwrap_or(0) == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT number FROM migrations ORDER BY number";
    let rows = database.query(sql, &[]).await?;
    rows.iter().map(|row| row.get("number")).collect()
}
