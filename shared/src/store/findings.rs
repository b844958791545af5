//! What the sweep of the data folder found and left alone: files that no row knows, rows whose file is gone.

use super::Database;
use crate::domain::page::Page;
use crate::error::Result;

/// One thing that an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Relative to the data folder.
    pub path: String,
    /// [`FILE_WITHOUT_ROW`] or [`ROW_WITHOUT_FILE`].
    pub kind: String,
    pub task_id: Option<String>,
    /// Bytes.
    pub file_size: Option<i64>,
    pub found_at: i64,
    pub seen_at: i64,
}

pub const FILE_WITHOUT_ROW: &str = "file_without_row";
pub const ROW_WITHOUT_FILE: &str = "row_without_file";

/// Notes a finding; one that is known keeps its first time.
pub async fn note(database: &dyn Database, finding: &Finding) -> Result<()> {
    database
        .execute(
            "INSERT INTO findings (path, kind, task_id, file_size, found_at, seen_at) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (path) DO UPDATE SET kind = excluded.kind, task_id = excluded.task_id, \
               file_size = excluded.file_size, seen_at = excluded.seen_at",
            &[
                finding.path.as_str().into(),
                finding.kind.as_str().into(),
                finding.task_id.as_deref().into(),
                finding.file_size.into(),
                finding.found_at.into(),
                finding.seen_at.into(),
            ],
        )
        .await?;
    Ok(())
}

/// The findings, newest first, and how many there are.
pub async fn list(database: &dyn Database, page: Page) -> Result<(Vec<Finding>, i64)> {
    let total = count(database).await?;
    let rows = database
        .query(
            "SELECT path, kind, task_id, file_size, found_at, seen_at FROM findings \
             ORDER BY found_at DESC, path LIMIT $1 OFFSET $2",
            &[page.limit().into(), page.offset().into()],
        )
        .await?;
    let findings = rows.iter().map(|row| {
        Ok(Finding {
            path: row.get("path")?,
            kind: row.get("kind")?,
            task_id: row.get("task_id")?,
            file_size: row.get("file_size")?,
            found_at: row.get("found_at")?,
            seen_at: row.get("seen_at")?,
        })
    });
    Ok((findings.collect::<Result<_>>()?, total))
}

pub async fn count(database: &dyn Database) -> Result<i64> {
    let rows = database
        .query("SELECT COUNT(*) AS total FROM findings", &[])
        .await?;
    rows.first().map_or(Ok(0), |row| row.get("total"))
}

/// Removes what a sweep that began at `before` has not seen again.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute("DELETE FROM findings WHERE seen_at < $1", &[before.into()])
        .await
}
