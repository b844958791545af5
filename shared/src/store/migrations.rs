//! Numbered migrations, the same numbers for both dialects. The native binary applies what is missing;
//! each file runs in one transaction together with its entry in `migrations`.

use super::{Database, Dialect};
use crate::error::Result;

/// One step: its number, its name, its text in each dialect.
pub struct Migration {
    pub number: i64,
    pub name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "foundation",
        sqlite: include_str!("migrations/sqlite/0001_foundation.sql"),
        postgres: include_str!("migrations/postgres/0001_foundation.sql"),
    },
    Migration {
        number: 2,
        name: "media",
        sqlite: include_str!("migrations/sqlite/0002_media.sql"),
        postgres: include_str!("migrations/postgres/0002_media.sql"),
    },
    Migration {
        number: 3,
        name: "projects",
        sqlite: include_str!("migrations/sqlite/0003_projects.sql"),
        postgres: include_str!("migrations/postgres/0003_projects.sql"),
    },
    Migration {
        number: 4,
        name: "exports",
        sqlite: include_str!("migrations/sqlite/0004_exports.sql"),
        postgres: include_str!("migrations/postgres/0004_exports.sql"),
    },
    Migration {
        number: 5,
        name: "sync",
        sqlite: include_str!("migrations/sqlite/0005_sync.sql"),
        postgres: include_str!("migrations/postgres/0005_sync.sql"),
    },
    Migration {
        number: 6,
        name: "sharing",
        sqlite: include_str!("migrations/sqlite/0006_sharing.sql"),
        postgres: include_str!("migrations/postgres/0006_sharing.sql"),
    },
    Migration {
        number: 7,
        name: "search",
        sqlite: include_str!("migrations/sqlite/0007_search.sql"),
        postgres: include_str!("migrations/postgres/0007_search.sql"),
    },
    Migration {
        number: 8,
        name: "blocked",
        sqlite: include_str!("migrations/sqlite/0008_blocked.sql"),
        postgres: include_str!("migrations/postgres/0008_blocked.sql"),
    },
    Migration {
        number: 9,
        name: "reviews",
        sqlite: include_str!("migrations/sqlite/0009_reviews.sql"),
        postgres: include_str!("migrations/postgres/0009_reviews.sql"),
    },
    Migration {
        number: 10,
        name: "search_periods",
        sqlite: include_str!("migrations/sqlite/0010_search_periods.sql"),
        postgres: include_str!("migrations/postgres/0010_search_periods.sql"),
    },
    Migration {
        number: 11,
        name: "publications",
        sqlite: include_str!("migrations/sqlite/0011_publications.sql"),
        postgres: include_str!("migrations/postgres/0011_publications.sql"),
    },
];

impl Migration {
    /// The script to run in one transaction, entry included.
    pub fn script(&self, dialect: Dialect) -> String {
        let text = match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        };
        format!(
            "{text}\nINSERT INTO migrations (number, name) VALUES ({}, '{}');",
            self.number, self.name
        )
    }
}

/// Creates the table of applied migrations and returns those still to come, in order.
pub async fn pending(database: &dyn Database) -> Result<Vec<&'static Migration>> {
    database
        .execute(
            "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL)",
            &[],
        )
        .await?;
    let rows = database.query("SELECT number FROM migrations", &[]).await?;
    let applied = rows
        .iter()
        .map(|row| row.get("number"))
        .collect::<Result<Vec<i64>>>()?;
    Ok(MIGRATIONS
        .iter()
        .filter(|migration| !applied.contains(&migration.number))
        .collect())
}

/// A script that turns off PostgreSQL's compilation of statements for this role in this database, in sessions to come,
/// whoever opens them; `None` where it is off. What it believes to be expensive it compiles, a second long, and a search
/// of a few milliseconds seems expensive to it.
pub async fn without_jit(database: &dyn Database) -> Result<Option<&'static str>> {
    if database.dialect() != Dialect::Postgres {
        return Ok(None);
    }
    let sql = "SELECT current_setting('jit', TRUE) AS jit";
    let rows = database.query(sql, &[]).await?;
    let jit: Option<String> = rows.first().map_or(Ok(None), |row| row.get("jit"))?;
    Ok((jit.as_deref() == Some("on")).then_some(
        "DO $$ BEGIN \
           EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET jit = off', current_database()); \
         END $$",
    ))
}
