//! A SQLite file that is looked at and left as it is.

use super::sqlite::{self, Answer, SqliteError};
use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, OpenFlags};
use shared::limits::SQLITE_BUSY_MS_MAX;
use shared::store::{Database, Dialect, Row, Value, sqlite_placeholders};
use shared::{Error, Result};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One connection to a file that exists, whoever else has it open. It writes nothing.
pub struct SqliteLook {
    connection: Arc<Mutex<Connection>>,
    interrupt: InterruptHandle,
}

impl SqliteLook {
    /// Blocks.
    pub fn open(path: &Path) -> Result<Self, SqliteError> {
        let connection = connect(path)?;
        connection.busy_timeout(Duration::from_millis(SQLITE_BUSY_MS_MAX))?;
        connection.pragma_update(None, "query_only", true)?;
        // What a crash left to be brought into the file is not ours to bring in.
        if std::fs::metadata(wal_of(path)).is_ok_and(|wal| wal.len() > 0) {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        }
        Ok(Self {
            interrupt: connection.get_interrupt_handle(),
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    /// Ends the statement that runs; it fails.
    pub fn interrupt(&self) {
        self.interrupt.interrupt();
    }
}

/// To read a file in WAL mode SQLite needs a small one beside it, which takes the right to write; without it the
/// file is read as it is.
fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)
        .or_else(|_| Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY))
}

/// The write-ahead log beside a database.
pub fn wal_of(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[async_trait]
impl Database for SqliteLook {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let (sql, parameters) = (sqlite_placeholders(sql).into_owned(), parameters.to_vec());
        let connection = self.connection.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let mut answer = Answer::default();
            let mut statement = connection.prepare(&sql)?;
            sqlite::collect(&mut statement, &parameters, &mut answer)?;
            Ok::<_, SqliteError>(answer)
        });
        let answer = asked.await.map_err(Error::internal)??;
        let columns: Arc<[String]> = answer.columns.into();
        let rows = answer.rows.into_iter();
        Ok(rows
            .map(|values| Row::new(columns.clone(), values))
            .collect())
    }

    async fn execute(&self, _: &str, _: &[Value]) -> Result<u64> {
        Err(Error::internal("this database is only looked at"))
    }
}
