//! The store on `spin:sqlite`.

use crate::error::{Error, Result};
use crate::store::{Database, Dialect, Row, Value, sqlite_placeholders};
use async_trait::async_trait;
use spin_sdk::sqlite::{Connection, Error as SqliteError, Value as SpinValue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub struct SpinSqlite {
    connection: Connection,
    /// Whether `synchronous=NORMAL` was set: Spin opens with FULL, and the pragma is per connection.
    tuned: AtomicBool,
}

impl SpinSqlite {
    pub async fn open() -> Result<Self> {
        let connection = Connection::open_default().await.map_err(failure)?;
        Ok(Self {
            connection,
            tuned: AtomicBool::new(false),
        })
    }

    async fn run(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let reads_only = sql.trim_start().starts_with("SELECT");
        if !reads_only && !self.tuned.swap(true, Ordering::Relaxed) {
            let pragma = "PRAGMA synchronous = NORMAL";
            let result = self.connection.execute(pragma, []).await.map_err(failure)?;
            result.collect().await.map_err(failure)?;
        }
        let result = self
            .connection
            .execute(sqlite_placeholders(sql), parameters.iter().map(to_spin))
            .await
            .map_err(failure)?;
        let columns: Arc<[String]> = result.columns().into();
        let rows = result.collect().await.map_err(failure)?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let values = row.values.into_iter().map(from_spin).collect();
                Row::new(columns.clone(), values)
            })
            .collect())
    }
}

#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
impl Database for SpinSqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        self.run(sql, parameters).await
    }

    async fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64> {
        self.run(sql, parameters).await?;
        Ok(self.connection.changes().await)
    }
}

fn to_spin(value: &Value) -> SpinValue {
    match value {
        Value::Null => SpinValue::Null,
        Value::Integer(number) => SpinValue::Integer(*number),
        Value::Real(number) => SpinValue::Real(*number),
        Value::Text(text) => SpinValue::Text(text.clone()),
        Value::Blob(bytes) => SpinValue::Blob(bytes.clone()),
    }
}

fn from_spin(value: SpinValue) -> Value {
    match value {
        SpinValue::Null => Value::Null,
        SpinValue::Integer(number) => Value::Integer(number),
        SpinValue::Real(number) => Value::Real(number),
        SpinValue::Text(text) => Value::Text(text),
        SpinValue::Blob(bytes) => Value::Blob(bytes),
    }
}

fn failure(error: SqliteError) -> Error {
    match &error {
        SqliteError::Io(text) if text.contains("locked") || text.contains("busy") => {
            Error::busy(1, text)
        }
        other => Error::internal(format!("SQLite: {other:?}")),
    }
}
