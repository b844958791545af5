//! Which database this component talks to: the variable `database_url` names PostgreSQL, empty means the
//! SQLite database `default`.

use super::{postgres, sqlite, variable};
use crate::error::Result;
use crate::store::Database;

pub async fn open() -> Result<Box<dyn Database>> {
    let url = variable("database_url").await?;
    Ok(if url.is_empty() {
        Box::new(sqlite::SpinSqlite::open().await?)
    } else {
        Box::new(postgres::SpinPostgres::open(url).await?)
    })
}
