//! SQLite: a few reader threads and one writer thread per database file, each with its own connection.
//!
//! SQLite's busy handler polls and is not fair, so writers of this process stand in one queue: a fair
//! lock around the writer thread, held for one statement or for a whole transaction. Threads, and not
//! `spawn_blocking`, because a statement that reads one row costs less than a thread of that pool.

use super::lane::Lane;
use super::sqlite_value::{Bound, from_sqlite, payload_bytes};
use super::{script, watch_file};
use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use shared::limits::{
    GUEST_RESULT_BYTES_MAX, SQLITE_BUSY_MS_MAX, SQLITE_READERS, STATEMENT_CACHE_SIZE,
};
use shared::store::{Database, Dialect, Row, Value, sqlite_placeholders};
use shared::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The connections to one database file; shared by the worker and the components.
pub struct SqlitePool {
    path: PathBuf,
    readers: Lane,
    writer: Lane,
    /// Fair: whoever asks first writes first.
    write_turn: Arc<Semaphore>,
    watcher: Arc<Mutex<Option<watch::Sender<u64>>>>,
    busy: AtomicU64,
}

/// What one statement brought.
#[derive(Debug, Default)]
pub struct Answer {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    /// Rows that the statement inserted, updated or deleted; `None` where it does no such thing.
    pub changes: Option<u64>,
    pub last_insert_rowid: i64,
}

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// Others kept writing for longer than [`SQLITE_BUSY_MS_MAX`].
    #[error("database is locked")]
    Busy,
    #[error("database or disk is full")]
    Full,
    #[error("query result exceeds limit of {GUEST_RESULT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the database has been closed")]
    Closed,
    #[error("{0}")]
    Statement(String),
}

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            _ => Self::Statement(error.to_string()),
        }
    }
}

impl From<SqliteError> for Error {
    fn from(error: SqliteError) -> Self {
        match error {
            SqliteError::Busy | SqliteError::Full | SqliteError::Closed => Error::busy(1, error),
            other => Error::internal(other),
        }
    }
}

/// What a reader says: the answer, or that the statement writes and belongs to the writer.
enum Read {
    Answer(Answer),
    Writes(String, Vec<Value>),
}

impl SqlitePool {
    /// Opens (and creates) the file in WAL mode with its threads. Blocks; for start-up only.
    pub fn open(path: impl AsRef<Path>) -> anyhow::Result<Arc<Self>> {
        let path = path.as_ref().to_path_buf();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let writer = open_connection(&path)?;
        let readers = (0..SQLITE_READERS)
            .map(|_| {
                let reader = open_connection(&path)?;
                reader.pragma_update(None, "query_only", true)?;
                Ok(reader)
            })
            .collect::<Result<Vec<_>, rusqlite::Error>>()?;
        Ok(Arc::new(Self {
            path,
            readers: Lane::start("sqlite-read", readers)?,
            writer: Lane::start("sqlite-write", vec![writer])?,
            write_turn: Arc::new(Semaphore::new(1)),
            watcher: Arc::default(),
            busy: AtomicU64::new(0),
        }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connections as they are. The writer is in use while a transaction is open.
    pub fn connections(&self) -> super::Pool {
        let writing = usize::from(self.write_turn.available_permits() == 0);
        let in_use = (self.readers.busy() + writing).min(SQLITE_READERS + 1);
        super::Pool {
            idle: SQLITE_READERS + 1 - in_use,
            in_use,
            max: SQLITE_READERS + 1,
        }
    }

    /// How many statements were refused because others, here or in another process, kept writing.
    pub fn busy_count(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// Runs one statement; `$1` and `?1` both stand for the first parameter.
    pub async fn run(&self, sql: &str, parameters: Vec<Value>) -> Result<Answer, SqliteError> {
        let sql = sqlite_placeholders(sql).into_owned();
        if !may_only_read(&sql) {
            return self.write(sql, parameters).await;
        }
        let read = self
            .readers
            .ask(move |connection| read(connection, sql, parameters));
        match read.await.ok_or(SqliteError::Closed)?? {
            Read::Answer(answer) => Ok(answer),
            Read::Writes(sql, parameters) => self.write(sql, parameters).await,
        }
    }

    async fn write(&self, sql: String, parameters: Vec<Value>) -> Result<Answer, SqliteError> {
        let turn = self.turn().await?;
        let write = self.writer.ask(move |connection| {
            // Held in the job, so that a caller who gives up does not let the next one in early.
            let _turn = turn;
            write(connection, &sql, &parameters)
        });
        self.counted(write.await.ok_or(SqliteError::Closed)?)
    }

    /// Begins a transaction (`BEGIN`, or an outermost `SAVEPOINT`): the writer thread belongs to it
    /// until it ends or is dropped.
    pub async fn begin(self: &Arc<Self>, sql: &str) -> Result<Transaction, SqliteError> {
        let turn = self.turn().await?;
        let mut transaction = Transaction {
            pool: self.clone(),
            turn: Some(turn),
        };
        // IMMEDIATE: a reader that turned writer would fail at once when another process wrote meanwhile.
        let immediate = script::begins_with(sql, &["BEGIN"]).then_some("BEGIN IMMEDIATE");
        transaction
            .run(immediate.unwrap_or(sql), Vec::new())
            .await?;
        Ok(transaction)
    }

    /// Runs several statements in one transaction (a migration); they hold no `BEGIN` of their own.
    pub async fn run_script(&self, sql: &str) -> Result<(), SqliteError> {
        let turn = self.turn().await?;
        let sql = sql.to_owned();
        let done = self.writer.ask(move |connection| {
            let _turn = turn;
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction.execute_batch(&sql)?;
            transaction.commit()?;
            Ok(())
        });
        done.await.ok_or(SqliteError::Closed)?
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, SqliteError> {
        let wait = Duration::from_millis(SQLITE_BUSY_MS_MAX);
        match tokio::time::timeout(wait, self.write_turn.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(SqliteError::Closed),
            Err(_) => self.counted(Err(SqliteError::Busy)),
        }
    }

    fn counted<T>(&self, result: Result<T, SqliteError>) -> Result<T, SqliteError> {
        if matches!(result, Err(SqliteError::Busy)) {
            self.busy.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// A number that changes when anybody, also another process, has committed; it is polled every
    /// [`SQLITE_WATCH_MS`] for as long as a receiver lives.
    pub fn watch(&self) -> watch::Receiver<u64> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*watcher {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(0);
        *watcher = Some(sender);
        let (path, shared) = (self.path.clone(), self.watcher.clone());
        let started = std::thread::Builder::new()
            .name("sqlite-watch".into())
            .spawn(move || watch_file::run(&path, &shared));
        if let Err(error) = started {
            tracing::error!(%error, "the database is not watched; changes are found by polling only");
            *watcher = None;
        }
        receiver
    }
}

impl Drop for SqlitePool {
    fn drop(&mut self) {
        // The watcher's thread ends when its sender is gone.
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// An open transaction. Dropped before its end, it is rolled back before the next writer's turn.
pub struct Transaction {
    pool: Arc<SqlitePool>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Transaction {
    /// Runs one statement; after `COMMIT` or `ROLLBACK` (or an error that rolled back) it is over.
    pub async fn run(&mut self, sql: &str, parameters: Vec<Value>) -> Result<Answer, SqliteError> {
        let sql = sqlite_placeholders(sql).into_owned();
        let asked = self.pool.writer.ask(move |connection| {
            let answer = write(connection, &sql, &parameters);
            (answer, connection.is_autocommit())
        });
        let (answer, over) = asked.await.ok_or(SqliteError::Closed)?;
        if over {
            self.turn = None;
        }
        answer
    }

    pub fn is_over(&self) -> bool {
        self.turn.is_none()
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        drop(self.pool.writer.ask(move |connection| {
            let _turn = turn;
            if !connection.is_autocommit()
                && let Err(error) = connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "an abandoned transaction could not be rolled back");
            }
        }));
    }
}

/// [`SqlitePool`] as the facade of the store.
pub struct SqliteDatabase(pub Arc<SqlitePool>);

#[async_trait]
impl Database for SqliteDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let answer = self.0.run(sql, parameters.to_vec()).await?;
        let columns: Arc<[String]> = answer.columns.into();
        let rows = answer.rows.into_iter();
        Ok(rows
            .map(|values| Row::new(columns.clone(), values))
            .collect())
    }

    async fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64> {
        Ok(self
            .0
            .run(sql, parameters.to_vec())
            .await?
            .changes
            .unwrap_or(0))
    }
}

pub(super) fn open_connection(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(Duration::from_millis(SQLITE_BUSY_MS_MAX))?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // Without it SQLite compiles a statement anew whenever a parameter that an index serves has changed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE_SIZE);
    Ok(connection)
}

/// A guess by the first word, to spare writers a trip to the readers; the reader makes sure.
fn may_only_read(sql: &str) -> bool {
    script::begins_with(sql, &["SELECT", "WITH", "VALUES", "EXPLAIN", "PRAGMA"])
}

fn read(
    connection: &mut Connection,
    sql: String,
    parameters: Vec<Value>,
) -> Result<Read, SqliteError> {
    let mut statement = connection.prepare_cached(&sql)?;
    if !statement.readonly() {
        drop(statement);
        return Ok(Read::Writes(sql, parameters));
    }
    let mut answer = Answer::default();
    collect(&mut statement, &parameters, &mut answer)?;
    Ok(Read::Answer(answer))
}

fn write(
    connection: &mut Connection,
    sql: &str,
    parameters: &[Value],
) -> Result<Answer, SqliteError> {
    let before = connection.total_changes();
    let mut answer = Answer::default();
    collect(
        &mut *connection.prepare_cached(sql)?,
        parameters,
        &mut answer,
    )?;
    // SQLite's own count keeps its old value over statements that change no rows, such as DDL.
    if connection.total_changes() != before {
        answer.changes = Some(connection.changes());
    } else if script::begins_with(sql, &["INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"]) {
        answer.changes = Some(0);
    }
    answer.last_insert_rowid = connection.last_insert_rowid();
    Ok(answer)
}

pub(super) fn collect(
    statement: &mut rusqlite::Statement<'_>,
    parameters: &[Value],
    answer: &mut Answer,
) -> Result<(), SqliteError> {
    answer.columns = statement.column_names().map(str::to_owned).collect();
    let width = answer.columns.len();
    let mut bytes = 0;
    let mut rows = statement.query(params_from_iter(parameters.iter().map(Bound)))?;
    while let Some(row) = rows.next()? {
        let mut values = Vec::with_capacity(width);
        for column in 0..width {
            let value = from_sqlite(row.get_ref(column)?);
            bytes += size_of::<Value>() + payload_bytes(&value);
            values.push(value);
        }
        if bytes > GUEST_RESULT_BYTES_MAX {
            return Err(SqliteError::TooLarge);
        }
        answer.rows.push(values);
    }
    Ok(())
}
