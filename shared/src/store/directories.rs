//! Trees of files (SH-7): written once under an id of their own, then pointed to.

use super::Database;
use crate::domain::directory::Directory;
use crate::error::{Error, Result};

/// Writes a tree that no resource points to yet.
pub async fn insert(
    database: &dyn Database,
    directory_id: &str,
    directory: &Directory,
    now: i64,
) -> Result<()> {
    let tree = serde_json::to_string(directory).map_err(Error::internal)?;
    database
        .execute(
            "INSERT INTO directories (directory_id, tree, created_at) VALUES ($1, $2, $3)",
            &[directory_id.into(), tree.into(), now.into()],
        )
        .await?;
    Ok(())
}

/// The tree as JSON, a list of nodes.
pub async fn tree(database: &dyn Database, directory_id: &str) -> Result<Option<String>> {
    let rows = database
        .query(
            "SELECT tree FROM directories WHERE directory_id = $1",
            &[directory_id.into()],
        )
        .await?;
    rows.first().map(|row| row.get("tree")).transpose()
}

/// Removes those older than `before` that no resource points to but deleted ones of which no report waits.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM directories WHERE created_at < $1 AND NOT EXISTS \
             (SELECT 1 FROM resources r WHERE r.directory_id = directories.directory_id AND (r.deleted_at IS NULL \
               OR r.resource_id IN (SELECT resource_id FROM reviews WHERE kind = 'report' AND state = 'pending')))",
            &[before.into()],
        )
        .await
}
