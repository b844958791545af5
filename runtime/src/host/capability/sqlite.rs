//! `spin:sqlite`: a connection is a door to the database's pool, so components and the worker stand in
//! one write queue. A transaction has the writer to itself until it ends, or the connection is dropped.

use super::bindings::spin::sqlite::sqlite::{
    Error, Host, HostConnection, HostConnectionWithStore, QueryResult, RowResult, Value,
};
use crate::database::script;
use crate::database::sqlite::{Answer, SqliteError, SqlitePool, Transaction};
use crate::fault;
use crate::host::instance::InstanceState;
use shared::store::Value as StoreValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tokio::sync::Mutex;
use wasmtime::component::{Accessor, FutureReader, HasSelf, Resource, StreamReader};

type Rows = (
    Vec<String>,
    StreamReader<RowResult>,
    FutureReader<Result<(), Error>>,
);

/// Statements that would reach beyond the component's database or into everybody's connection.
const REFUSED: [&str; 3] = ["ATTACH", "DETACH", "VACUUM"];
/// Settings of a connection; the pool has made them already.
const SETTINGS: [&str; 8] = [
    "busy_timeout",
    "cache_size",
    "foreign_keys",
    "journal_mode",
    "mmap_size",
    "synchronous",
    "temp_store",
    "wal_autocheckpoint",
];
/// Questions about the schema and the file.
const QUESTIONS: [&str; 12] = [
    "compile_options",
    "data_version",
    "foreign_key_list",
    "freelist_count",
    "index_info",
    "index_list",
    "page_count",
    "page_size",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// A component's connection.
#[derive(Clone)]
pub struct GuestConnection(Arc<Connection>);

struct Connection {
    pool: Arc<SqlitePool>,
    transaction: Mutex<Option<Transaction>>,
    changes: AtomicU64,
    last_insert_rowid: AtomicI64,
}

impl GuestConnection {
    fn open(state: &InstanceState, database: &str) -> Result<Self, Error> {
        // Labels are only granted when they exist, so there is nothing between the two errors of Spin.
        let pool = state.grants.databases.get(database);
        Ok(Self(Arc::new(Connection {
            pool: pool.ok_or(Error::AccessDenied)?.clone(),
            transaction: Mutex::default(),
            changes: AtomicU64::new(0),
            last_insert_rowid: AtomicI64::new(0),
        })))
    }

    async fn run(&self, sql: &str, parameters: Vec<Value>) -> Result<Answer, SqliteError> {
        if script::begins_with(sql, &REFUSED) {
            return Err(SqliteError::Statement("not authorized".into()));
        }
        if script::begins_with(sql, &["PRAGMA"]) && is_setting(sql)? {
            return Ok(Answer::default());
        }
        let parameters = parameters.into_iter().map(to_store).collect();
        let mut transaction = self.0.transaction.lock().await;
        let answer = match &mut *transaction {
            Some(open) => {
                let answer = open.run(sql, parameters).await;
                if open.is_over() {
                    *transaction = None;
                }
                answer?
            }
            None if script::begins_with(sql, &["BEGIN", "SAVEPOINT"]) => {
                *transaction = Some(self.0.pool.begin(sql).await?);
                Answer::default()
            }
            None => self.0.pool.run(sql, parameters).await?,
        };
        if let Some(changes) = answer.changes {
            self.0.changes.store(changes, Ordering::Relaxed);
            self.0
                .last_insert_rowid
                .store(answer.last_insert_rowid, Ordering::Relaxed);
        }
        Ok(answer)
    }
}

/// Whether a PRAGMA sets what the pool has set; one that is neither that nor a question is refused.
fn is_setting(sql: &str) -> Result<bool, SqliteError> {
    let start = script::first_word(sql);
    // `first_word` is a part of `sql`.
    let rest = &sql[sql.find(start).unwrap_or(0) + start.len()..];
    let name: String = rest
        .trim_start()
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let assigns = rest.contains('=');
    if SETTINGS.contains(&name.as_str()) {
        Ok(assigns || rest.contains('('))
    } else if QUESTIONS.contains(&name.as_str()) && !assigns {
        Ok(false)
    } else {
        Err(SqliteError::Statement(format!(
            "PRAGMA {name} is not available to components"
        )))
    }
}

impl From<SqliteError> for Error {
    fn from(error: SqliteError) -> Self {
        match error {
            SqliteError::Full => Self::DatabaseFull,
            other => Self::Io(other.to_string()),
        }
    }
}

fn to_store(value: Value) -> StoreValue {
    match value {
        Value::Integer(number) => StoreValue::Integer(number),
        Value::Real(number) => StoreValue::Real(number),
        Value::Text(text) => StoreValue::Text(text),
        Value::Blob(bytes) => StoreValue::Blob(bytes),
        Value::Null => StoreValue::Null,
    }
}

fn to_row(values: Vec<StoreValue>) -> RowResult {
    let values = values.into_iter().map(|value| match value {
        StoreValue::Integer(number) => Value::Integer(number),
        StoreValue::Real(number) => Value::Real(number),
        StoreValue::Text(text) => Value::Text(text),
        StoreValue::Blob(bytes) => Value::Blob(bytes),
        StoreValue::Null => Value::Null,
    });
    RowResult {
        values: values.collect(),
    }
}

impl InstanceState {
    fn sqlite(&self, connection: &Resource<GuestConnection>) -> Result<GuestConnection, Error> {
        self.table
            .get(connection)
            .cloned()
            .map_err(|_| Error::InvalidConnection)
    }

    fn open_sqlite(&mut self, database: &str) -> Result<Resource<GuestConnection>, Error> {
        let connection = GuestConnection::open(self, database)?;
        self.table
            .push(connection)
            .map_err(|_| Error::Io("too many connections opened".into()))
    }
}

impl Host for InstanceState {}

impl HostConnection for InstanceState {
    async fn open(&mut self, database: String) -> Result<Resource<GuestConnection>, Error> {
        self.open_sqlite(&database)
    }

    async fn execute(
        &mut self,
        connection: Resource<GuestConnection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<QueryResult, Error> {
        let answer = self
            .sqlite(&connection)?
            .run(&statement, parameters)
            .await?;
        Ok(QueryResult {
            columns: answer.columns,
            rows: answer.rows.into_iter().map(to_row).collect(),
        })
    }

    async fn changes(&mut self, connection: Resource<GuestConnection>) -> u64 {
        self.sqlite(&connection)
            .map_or(0, |open| open.0.changes.load(Ordering::Relaxed))
    }

    async fn last_insert_rowid(&mut self, connection: Resource<GuestConnection>) -> i64 {
        self.sqlite(&connection)
            .map_or(0, |open| open.0.last_insert_rowid.load(Ordering::Relaxed))
    }

    async fn drop(&mut self, connection: Resource<GuestConnection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl<T: 'static> HostConnectionWithStore<T> for HasSelf<InstanceState> {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        database: String,
    ) -> Result<Resource<GuestConnection>, Error> {
        accessor.with(|mut store| store.get().open_sqlite(&database))
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<GuestConnection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Rows, Error>> {
        let run = async {
            let connection = accessor.with(|mut store| store.get().sqlite(&connection))?;
            // As on Spin, even a syntax error arrives with the result.
            let (answer, result) = match connection.run(&statement, parameters).await {
                Ok(answer) => (answer, Ok(())),
                Err(error) => (Answer::default(), Err(Error::from(error))),
            };
            let rows: Vec<RowResult> = answer.rows.into_iter().map(to_row).collect();
            let (stream, result) = accessor
                .with(|mut store| {
                    let stream = StreamReader::new(&mut store, rows)?;
                    let result =
                        FutureReader::new(&mut store, async move { wasmtime::error::Ok(result) })?;
                    wasmtime::error::Ok((stream, result))
                })
                .map_err(|error| Error::Io(error.to_string()))?;
            Ok((answer.columns, stream, result))
        };
        fault::statement(run).await
    }

    async fn changes_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<GuestConnection>,
    ) -> u64 {
        accessor
            .with(|mut store| store.get().sqlite(&connection))
            .map_or(0, |open| open.0.changes.load(Ordering::Relaxed))
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<GuestConnection>,
    ) -> i64 {
        accessor
            .with(|mut store| store.get().sqlite(&connection))
            .map_or(0, |open| open.0.last_insert_rowid.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_pragmas_pass() {
        assert!(matches!(is_setting("PRAGMA synchronous = OFF"), Ok(true)));
        assert!(matches!(is_setting("pragma journal_mode"), Ok(false)));
        assert!(matches!(is_setting("PRAGMA table_info(users)"), Ok(false)));
        for refused in [
            "PRAGMA writable_schema = 1",
            "PRAGMA user_version = 7",
            "PRAGMA main.synchronous = 0",
            "PRAGMA query_only(0)",
        ] {
            assert!(is_setting(refused).is_err(), "{refused}");
        }
    }
}
