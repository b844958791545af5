//! A resource as a search shows it.

use crate::domain::coins::Coins;
use crate::domain::directory::Directory;
use crate::domain::search::query::Query;
use crate::error::{Error, Result};
use crate::limits::SEARCH_TREES_BYTES_MAX;
use crate::store::documents::tree_of;
use crate::store::{Database, Row, json_integers};
use std::collections::HashMap;

/// A resource that was found.
#[derive(Clone, Debug)]
pub struct Item {
    pub resource_id: String,
    pub title: String,
    pub bio: String,
    pub price: Coins,
    /// Bytes.
    pub total_size: i64,
    pub drive: String,
    pub publisher_id: String,
    pub publisher_nickname: String,
    pub published_at: Option<i64>,
    pub last_check_at: Option<i64>,
    pub is_check_pending: bool,
    /// Of the last check: `ok`, `bad`, `locked`, `uncertain`.
    pub verdict: Option<String>,
    pub state: String,
    pub sale_count: i64,
    /// Empty where it is too large to look at.
    pub directory: Directory,
    /// What the resource was found by.
    pub query: Query,
}

impl Item {
    pub(super) fn from_row(row: &Row, query: &Query) -> Result<Self> {
        Ok(Self {
            resource_id: row.get("resource_id")?,
            title: row.get("title")?,
            bio: row.get("bio")?,
            price: Coins::from_hundredths(row.get("price")?),
            total_size: row.get("total_size")?,
            drive: row.get("drive")?,
            publisher_id: row.get("publisher_id")?,
            publisher_nickname: row.get("nickname")?,
            published_at: row.get("published_at")?,
            last_check_at: row.get("last_check_at")?,
            is_check_pending: row.get("check_pending")?,
            verdict: row.get("verdict")?,
            state: row.get("state")?,
            sale_count: row.get("sale_count")?,
            directory: directory(row)?,
            query: query.clone(),
        })
    }
}

/// The resources of these numbers, with their trees as far as there is room for them.
pub(super) async fn rows(database: &dyn Database, numbers: &[i64]) -> Result<HashMap<i64, Row>> {
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let numbers_of = json_integers(database.dialect(), 1);
    // octet_length knows the size of a tree without reading it; the trees that there is room for are read alone.
    let sql = format!(
        "WITH sizes AS (SELECT r.number, SUM(octet_length(d.tree)) OVER (ORDER BY octet_length(d.tree), r.number) AS upto \
           FROM resources r JOIN directories d ON d.directory_id = r.directory_id WHERE r.number IN ({numbers_of})) \
         SELECT r.number, r.resource_id, r.title, r.bio, r.price, r.total_size, r.drive, r.publisher_id, u.nickname, \
         r.published_at, r.last_check_at, r.verdict, r.state, r.sale_count, \
         CASE WHEN EXISTS (SELECT 1 FROM checks c WHERE c.resource_id = r.resource_id) THEN 1 ELSE 0 END \
           AS check_pending, d.tree \
         FROM resources r JOIN users u ON u.user_id = r.publisher_id \
         LEFT JOIN sizes s ON s.number = r.number \
         LEFT JOIN directories d ON d.directory_id = r.directory_id AND s.upto <= $2 \
         WHERE r.number IN ({numbers_of})"
    );
    let list = serde_json::to_string(numbers).map_err(Error::internal)?;
    let rows = database
        .query(&sql, &[list.into(), SEARCH_TREES_BYTES_MAX.into()])
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.get("number")?, row)))
        .collect()
}

pub(super) fn directory(row: &Row) -> Result<Directory> {
    let tree: Option<String> = row.get("tree")?;
    Ok(tree.map(|tree| tree_of(&tree)).unwrap_or_default())
}
