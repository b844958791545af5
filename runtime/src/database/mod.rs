//! The native adapters of [`shared::store::Database`]: SQLite in `data_dir`, or PostgreSQL.

mod copy;
mod lane;
mod look;
pub mod postgres;
pub mod script;
pub mod sqlite;
mod sqlite_value;
mod watch_file;

use anyhow::{Context, Result};
use shared::store::Database;
use std::path::Path;
use std::sync::Arc;

pub use copy::copy;
pub use look::SqliteLook;
pub use postgres::PostgresDatabase;
pub use sqlite::{SqliteDatabase, SqlitePool};

/// The name of the SQLite file in the data folder.
pub const SQLITE_FILE: &str = "wharf.db";

/// Connections of a pool, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// Open and waiting for work.
    pub idle: usize,
    pub in_use: usize,
    /// How many there may be.
    pub max: usize,
}

impl std::ops::Add for Pool {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            idle: self.idle + other.idle,
            in_use: self.in_use + other.in_use,
            max: self.max + other.max,
        }
    }
}

/// The product's database; cheap to clone.
#[derive(Clone)]
pub enum Handle {
    Sqlite(Arc<SqlitePool>),
    Postgres(PostgresDatabase),
}

impl Handle {
    /// Opens PostgreSQL at `database_url`, or SQLite in `data_dir` when that is empty. PostgreSQL is
    /// connected to lazily; a malformed URL fails here.
    pub fn open(database_url: &str, data_dir: &Path) -> Result<Self> {
        if database_url.is_empty() {
            let path = data_dir.join(SQLITE_FILE);
            let pool = SqlitePool::open(&path)
                .with_context(|| format!("the database {} cannot be opened", path.display()))?;
            return Ok(Self::Sqlite(pool));
        }
        Ok(Self::Postgres(PostgresDatabase::connect(
            database_url,
            shared::limits::POSTGRES_POOL_SIZE,
        )?))
    }

    /// The facade that the store works on.
    pub fn database(&self) -> Arc<dyn Database> {
        match self {
            Self::Sqlite(pool) => Arc::new(SqliteDatabase(pool.clone())),
            Self::Postgres(database) => Arc::new(database.clone()),
        }
    }

    /// The connections as they are.
    pub fn pool(&self) -> Pool {
        match self {
            Self::Sqlite(pool) => pool.connections(),
            Self::Postgres(database) => database.connections(),
        }
    }

    /// Runs several statements in one transaction: all of them, or none (a migration).
    pub async fn run_script(&self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(pool) => pool.run_script(sql).await?,
            Self::Postgres(database) => database.run_script(sql).await?,
        }
        Ok(())
    }
}

/// Whether a password and data would cross a network as they are.
pub fn sends_in_the_clear(database_url: &str) -> bool {
    // The host of a URL of this scheme is plain text, an address too.
    url::Url::parse(database_url).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let address: Option<std::net::IpAddr> = host.parse().ok();
        !host.is_empty() && host != "localhost" && !address.is_some_and(|ip| ip.is_loopback())
    })
}
