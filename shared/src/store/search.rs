//! Finding resources (SH-11): the best and newest matches as numbers, then one page of them with all that is shown.

mod postgres;
mod sqlite;

use super::documents::{names, tree_of};
use super::{Database, Dialect, Row, Value, json_integers};
use crate::domain::coins::Coins;
use crate::domain::directory::Directory;
use crate::domain::drive::Drive;
use crate::domain::page::Page;
use crate::domain::search::filter::Filter;
use crate::domain::search::normal::normal;
use crate::domain::search::query::Query;
use crate::domain::search::{Field, TIERS, typo};
use crate::error::{Error, Result};
use crate::limits::{SEARCH_MATCHES_MAX, SEARCH_TREES_BYTES_MAX, SEARCH_VARIANT_MATCHES_MAX};
use std::collections::{HashMap, HashSet};

/// A statement that gives numbers of `documents d`, newest first; its limit is `$5`.
struct Statement {
    sql: String,
    parameters: Vec<Value>,
}

/// What the grams do not tell of a document: sizes and times at the edge of a filter, and whether its publisher is
/// blocked. Without a filter the parameter is NULL.
const PASSES: &str = "(CAST($1 AS TEXT) IS NULL OR d.drive = $1) \
     AND d.total_size >= $2 AND d.total_size <= $3 AND d.published_at >= $4 \
     AND NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = d.publisher_id AND u.blocked_at IS NOT NULL)";

/// The parameters of [`PASSES`], and the limit.
fn filter_parameters(filter: &Filter, limit: i64) -> Vec<Value> {
    vec![
        filter.drive.map(Drive::as_str).into(),
        filter.min_size.unwrap_or(0).into(),
        filter.max_size.unwrap_or(i64::MAX).into(),
        filter.since.map_or(i64::MIN, |since| since.at).into(),
        limit.into(),
    ]
}

/// What a search has found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Numbers of resources, best first.
    numbers: Vec<i64>,
    /// Whether there may be more than these.
    pub is_cut: bool,
    /// What was found instead of the query, by number, when nothing had the query itself.
    meant: HashMap<i64, Query>,
}

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
    pub state: String,
    pub sale_count: i64,
    /// Empty where it is too large to look at.
    pub directory: Directory,
    /// What the resource was found by.
    pub query: Query,
}

impl Found {
    /// How many there are at least.
    pub fn total(&self) -> i64 {
        self.numbers.len() as i64
    }

    pub fn is_fuzzy(&self) -> bool {
        !self.meant.is_empty()
    }
}

/// What has all runs of the query: those with all in the title first, then in title and names, then in any field;
/// the newest first among them, [`SEARCH_MATCHES_MAX`] at the most. If nothing has, what has almost.
pub async fn find(database: &dyn Database, query: &Query, filter: &Filter) -> Result<Found> {
    let mut numbers: Vec<i64> = Vec::new();
    let mut known = HashSet::new();
    // Without a run there is nothing in which matches could differ.
    let tiers = if query.runs().is_empty() {
        1
    } else {
        TIERS.len()
    };
    for fields in &TIERS[..tiers] {
        // A tier has those of the tiers before it in it, so that this many are enough.
        let found = matches(database, query, fields, filter, SEARCH_MATCHES_MAX).await?;
        numbers.extend(found.into_iter().filter(|number| known.insert(*number)));
        if numbers.len() as i64 >= SEARCH_MATCHES_MAX {
            numbers.truncate(SEARCH_MATCHES_MAX as usize);
            return Ok(Found {
                numbers,
                is_cut: true,
                ..Found::default()
            });
        }
    }
    if numbers.is_empty() {
        return find_meant(database, query, filter).await;
    }
    Ok(Found {
        numbers,
        ..Found::default()
    })
}

/// What has the query but for a mistake, in title or names: fewest mistakes first, then the newest.
async fn find_meant(database: &dyn Database, query: &Query, filter: &Filter) -> Result<Found> {
    let fields = TIERS[1];
    let mut meant = HashMap::new();
    for variant in typo::variants(query) {
        let limit = SEARCH_VARIANT_MATCHES_MAX;
        for number in matches(database, &variant, fields, filter, limit).await? {
            meant.entry(number).or_insert_with(|| variant.clone());
        }
    }
    let mut ranked = Vec::new();
    let numbers: Vec<i64> = meant.keys().copied().collect();
    for (number, row) in rows(database, &numbers).await? {
        let title = normal(&row.get::<String>("title")?);
        let names = names(&directory(&row)?);
        if let Some(mistakes) = typo::mistakes(query, &[&title, &names]) {
            ranked.push((mistakes, std::cmp::Reverse(number)));
        }
    }
    ranked.sort_unstable();
    let numbers: Vec<i64> = ranked.into_iter().map(|(_, number)| number.0).collect();
    meant.retain(|number, _| numbers.contains(number));
    Ok(Found {
        numbers,
        is_cut: false,
        meant,
    })
}

/// The statements that a search without an error in it runs, with their parameters.
pub fn statements(
    dialect: Dialect,
    query: &Query,
    filter: &Filter,
) -> Result<Vec<(String, Vec<Value>)>> {
    TIERS
        .iter()
        .map(|fields| {
            let statement = statement(dialect, query, fields, filter, SEARCH_MATCHES_MAX)?;
            Ok((statement.sql, statement.parameters))
        })
        .collect()
}

fn statement(
    dialect: Dialect,
    query: &Query,
    fields: &[Field],
    filter: &Filter,
    limit: i64,
) -> Result<Statement> {
    match dialect {
        Dialect::Sqlite => Ok(sqlite::statement(query, fields, filter, limit)),
        Dialect::Postgres => postgres::statement(query, fields, filter, limit),
    }
}

/// Numbers of resources that have every run in one of these fields, newest first.
async fn matches(
    database: &dyn Database,
    query: &Query,
    fields: &[Field],
    filter: &Filter,
    limit: i64,
) -> Result<Vec<i64>> {
    let statement = statement(database.dialect(), query, fields, filter, limit)?;
    let rows = database
        .query(&statement.sql, &statement.parameters)
        .await?;
    rows.iter().map(|row| row.get("number")).collect()
}

/// A page of what was found.
pub async fn items(
    database: &dyn Database,
    found: &Found,
    query: &Query,
    page: Page,
) -> Result<Vec<Item>> {
    let from = usize::try_from(page.offset()).unwrap_or(usize::MAX);
    let numbers: Vec<i64> = found
        .numbers
        .iter()
        .skip(from)
        .take(page.size as usize)
        .copied()
        .collect();
    let rows = rows(database, &numbers).await?;
    // One that was deleted at this moment is gone.
    let shown = numbers
        .iter()
        .filter_map(|number| Some((number, rows.get(number)?)));
    shown
        .map(|(number, row)| item_from(row, found.meant.get(number).unwrap_or(query)))
        .collect()
}

/// The resources of these numbers, with their trees as far as there is room for them.
async fn rows(database: &dyn Database, numbers: &[i64]) -> Result<HashMap<i64, Row>> {
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let numbers_of = json_integers(database.dialect(), 1);
    let sql = format!(
        "SELECT r.number, r.resource_id, r.title, r.bio, r.price, r.total_size, r.drive, r.publisher_id, u.nickname, \
         r.published_at, r.last_check_at, r.state, r.sale_count, \
         CASE WHEN EXISTS (SELECT 1 FROM checks c WHERE c.resource_id = r.resource_id) THEN 1 ELSE 0 END \
           AS check_pending, \
         CASE WHEN SUM(LENGTH(d.tree)) OVER (ORDER BY LENGTH(d.tree), r.number) <= $2 THEN d.tree END AS tree \
         FROM resources r JOIN users u ON u.user_id = r.publisher_id \
         LEFT JOIN directories d ON d.directory_id = r.directory_id \
         WHERE r.number IN ({numbers_of})"
    );
    let list = serde_json::to_string(numbers).map_err(Error::internal)?;
    // A character has four bytes at the most.
    let chars = SEARCH_TREES_BYTES_MAX / 4;
    let rows = database.query(&sql, &[list.into(), chars.into()]).await?;
    rows.into_iter()
        .map(|row| Ok((row.get("number")?, row)))
        .collect()
}

fn directory(row: &Row) -> Result<Directory> {
    let tree: Option<String> = row.get("tree")?;
    Ok(tree.map(|tree| tree_of(&tree)).unwrap_or_default())
}

fn item_from(row: &Row, query: &Query) -> Result<Item> {
    Ok(Item {
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
        state: row.get("state")?,
        sale_count: row.get("sale_count")?,
        directory: directory(row)?,
        query: query.clone(),
    })
}
