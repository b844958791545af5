//! The store on `spin:postgres`.

use crate::error::{Error, Result};
use crate::store::{Database, Dialect, Row, Value};
use async_trait::async_trait;
use spin_sdk::pg::{Connection, DbValue, Error as SdkError, ParameterValue, PgError, QueryError};
use std::sync::Arc;

pub struct SpinPostgres {
    connection: Connection,
}

impl SpinPostgres {
    pub async fn open(url: String) -> Result<Self> {
        let connection = Connection::open(url).await.map_err(failure)?;
        Ok(Self { connection })
    }
}

#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
impl Database for SpinPostgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let parameters: Vec<ParameterValue> = parameters.iter().map(to_spin).collect();
        let result = self
            .connection
            .query(sql, parameters)
            .await
            .map_err(failure)?;
        let (columns, rows, result) = result.into_inner();
        let columns: Arc<[String]> = columns.into_iter().map(|column| column.name).collect();
        let rows = rows.collect().await;
        result
            .await
            .map_err(|cause| failure(SdkError::PgError(cause)))?;
        rows.into_iter()
            .map(|row| {
                let values = row.into_iter().map(from_spin).collect::<Result<_>>()?;
                Ok(Row::new(columns.clone(), values))
            })
            .collect()
    }

    async fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64> {
        let parameters: Vec<ParameterValue> = parameters.iter().map(to_spin).collect();
        self.connection
            .execute(sql, parameters)
            .await
            .map_err(failure)
    }
}

fn to_spin(value: &Value) -> ParameterValue {
    match value {
        Value::Null => ParameterValue::DbNull,
        Value::Integer(number) => ParameterValue::Int64(*number),
        Value::Real(number) => ParameterValue::Floating64(*number),
        Value::Text(text) => ParameterValue::Str(text.clone()),
        Value::Blob(bytes) => ParameterValue::Binary(bytes.clone()),
    }
}

fn from_spin(value: DbValue) -> Result<Value> {
    Ok(match value {
        DbValue::DbNull => Value::Null,
        DbValue::Boolean(flag) => Value::Integer(flag.into()),
        DbValue::Int16(number) => Value::Integer(number.into()),
        DbValue::Int32(number) => Value::Integer(number.into()),
        DbValue::Int64(number) => Value::Integer(number),
        DbValue::Floating64(number) => Value::Real(number),
        DbValue::Str(text) => Value::Text(text),
        DbValue::Binary(bytes) => Value::Blob(bytes),
        other => return Err(Error::internal(format!("unexpected column {other:?}"))),
    })
}

/// SQLSTATEs of a statement that did nothing and may succeed when it is tried again: serialization, deadlock, lock.
const TRANSIENT: [&str; 3] = ["40001", "40P01", "55P03"];

fn failure(error: SdkError) -> Error {
    match error {
        SdkError::PgError(PgError::ConnectionFailed(cause)) => Error::busy(2, cause),
        SdkError::PgError(PgError::QueryFailed(QueryError::DbError(told)))
            if TRANSIENT.contains(&told.code.as_str()) =>
        {
            Error::busy(1, told.as_text)
        }
        other => Error::internal(format!("PostgreSQL: {other}")),
    }
}
