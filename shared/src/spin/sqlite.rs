//! The store on `spin:sqlite`.

use crate::error::{Error, Result};
use crate::store::{Database, Dialect, Row, Value, sqlite_placeholders};
use async_trait::async_trait;
use spin_sdk::sqlite::{Connection, Error as SqliteError, Value as SpinValue};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections that this instance has open and nobody uses. What a caller did leaves no trace on them:
/// no transaction, no temporary table, no pragma but our own.
static IDLE: Mutex<Vec<Connection>> = Mutex::new(Vec::new());

pub struct SpinSqlite {
    /// Taken out only when this is dropped.
    connection: Option<Connection>,
    /// Whether a statement broke off; its connection is not used again.
    broken: AtomicBool,
}

impl SpinSqlite {
    /// An idle connection, else a new one. Spin opens with `synchronous=FULL`, and the pragma is per
    /// connection.
    pub async fn open() -> Result<Self> {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = Connection::open_default().await.map_err(failure)?;
                let pragma = connection.execute("PRAGMA synchronous = NORMAL", []).await;
                pragma.map_err(failure)?.collect().await.map_err(failure)?;
                connection
            }
        };
        Ok(Self {
            connection: Some(connection),
            broken: AtomicBool::new(false),
        })
    }

    fn connection(&self) -> Result<&Connection> {
        let connection = self.connection.as_ref();
        connection.ok_or_else(|| Error::internal("the connection is gone"))
    }

    async fn run(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        self.broken.store(true, Ordering::Relaxed);
        let result = self
            .connection()?
            .execute(sqlite_placeholders(sql), parameters.iter().map(to_spin))
            .await
            .map_err(failure)?;
        let columns: Arc<[String]> = result.columns().into();
        let rows = result.collect().await.map_err(failure)?;
        self.broken.store(false, Ordering::Relaxed);
        Ok(rows
            .into_iter()
            .map(|row| {
                let values = row.values.into_iter().map(from_spin).collect();
                Row::new(columns.clone(), values)
            })
            .collect())
    }
}

impl Drop for SpinSqlite {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.broken.load(Ordering::Relaxed)
        {
            IDLE.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
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
        Ok(self.connection()?.changes().await)
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
