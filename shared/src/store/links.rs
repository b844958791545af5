//! Links into drives, apart from their resources (SH-7): written once under an id of their own, then pointed to.
//! What is read here goes to buyers, publishers and drives alone.

use super::Database;
use crate::domain::drive::ShareLink;
use crate::error::Result;

/// Writes a link that no resource points to yet.
pub async fn insert(
    database: &dyn Database,
    link_id: &str,
    link: &ShareLink,
    now: i64,
) -> Result<()> {
    database
        .execute(
            "INSERT INTO links (link_id, url, code, created_at) VALUES ($1, $2, $3, $4)",
            &[
                link_id.into(),
                link.url().into(),
                link.code.as_str().into(),
                now.into(),
            ],
        )
        .await?;
    Ok(())
}

pub async fn find(database: &dyn Database, link_id: &str) -> Result<Option<ShareLink>> {
    let rows = database
        .query(
            "SELECT url, code FROM links WHERE link_id = $1",
            &[link_id.into()],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (url, code): (String, String) = (row.get("url")?, row.get("code")?);
    ShareLink::parse(&url, &code).map(Some)
}

/// Removes those older than `before` that no resource points to.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM links WHERE created_at < $1 \
             AND NOT EXISTS (SELECT 1 FROM resources r WHERE r.link_id = links.link_id) \
             AND NOT EXISTS (SELECT 1 FROM resources r WHERE r.former_link_id = links.link_id)",
            &[before.into()],
        )
        .await
}
