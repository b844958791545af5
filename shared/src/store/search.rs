//! Finding resources (SH-11): the best and newest matches as numbers, then one page of them with all that is shown.

mod item;
mod postgres;
mod sqlite;

pub use item::Item;

use super::documents::names;
use super::{Database, Dialect, Value};
use crate::domain::drive::Drive;
use crate::domain::page::Page;
use crate::domain::search::filter::Filter;
use crate::domain::search::normal::normal;
use crate::domain::search::query::Query;
use crate::domain::search::{Field, TIERS, typo};
use crate::error::Result;
use crate::limits::{
    SEARCH_COUNTED_MIN, SEARCH_MATCHES_MAX, SEARCH_NEWEST_MATCHES, SEARCH_VARIANT_MATCHES_MAX,
};
use std::collections::{HashMap, HashSet};
use std::slice;

/// A statement that gives numbers of `documents d`, newest first; its limit is `$5`.
struct Statement {
    sql: String,
    parameters: Vec<Value>,
}

/// What the grams do not tell of a document: sizes and times at the edge of a filter, and whether its publisher is
/// blocked. Without a filter the parameter is NULL.
const PASSES: &str = "(CAST($1 AS TEXT) IS NULL OR d.drive = $1) \
     AND d.total_size >= $2 AND d.total_size <= $3 AND d.published_at >= $4 \
     AND d.publisher_id NOT IN (SELECT user_id FROM users WHERE blocked_at IS NOT NULL)";

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
/// the newest first among them, as many as it takes to show this page and to say whether there is another. If nothing
/// has, filtered or not, what has almost.
pub async fn find(
    database: &dyn Database,
    query: &Query,
    filter: &Filter,
    page: Page,
) -> Result<Found> {
    let limit = depth(page);
    let ranked = match database.dialect() {
        // Without a run there is nothing in which matches could differ.
        _ if query.runs().is_empty() => {
            let mut ranked = Ranked::up_to(limit);
            ranked.add(matches(database, query, &[], filter, limit).await?);
            ranked
        }
        Dialect::Sqlite => tier_by_tier(database, query, filter, limit).await?,
        Dialect::Postgres => told_apart(database, query, filter, limit).await?,
    };
    if ranked.numbers.is_empty() && !is_anywhere(database, query, filter).await? {
        return find_meant(database, query, filter).await;
    }
    Ok(Found {
        is_cut: ranked.is_full(),
        numbers: ranked.numbers,
        meant: HashMap::new(),
    })
}

/// On SQLite, which reads no further than it must: what the first tier brings is not looked for in the next.
async fn tier_by_tier(
    database: &dyn Database,
    query: &Query,
    filter: &Filter,
    limit: i64,
) -> Result<Ranked> {
    let mut ranked = Ranked::up_to(limit);
    for fields in TIERS {
        if ranked.is_full() {
            break;
        }
        // One run is in a tier by the field alone that the tier adds; those that are known may have it there too.
        let (fields, limit) = match (query.runs(), fields) {
            ([_], [.., added]) => (slice::from_ref(added), limit + ranked.count()),
            // A tier has those of the tiers before it in it, so that this many of each are enough.
            _ => (fields, limit),
        };
        ranked.add(matches(database, query, fields, filter, limit).await?);
    }
    Ok(ranked)
}

/// On PostgreSQL, which reads the whole index for what is rare: once for all fields, and what it gave is told apart.
async fn told_apart(
    database: &dyn Database,
    query: &Query,
    filter: &Filter,
    limit: i64,
) -> Result<Ranked> {
    let [title, names, all] = TIERS;
    let mut ranked = Ranked::up_to(limit);
    let found = matches(database, query, all, filter, limit).await?;
    let is_rare = (found.len() as i64) < limit;
    for fields in [title, names] {
        if is_rare {
            ranked.add(among(database, query, fields, &found).await?);
        } else if !ranked.is_full() {
            ranked.add(matches(database, query, fields, filter, limit).await?);
        }
    }
    ranked.add(found);
    Ok(ranked)
}

/// How many matches a search for this page looks for: one more than stand on it and before it.
fn depth(page: Page) -> i64 {
    (page.offset() + page.limit() + 1).clamp(SEARCH_COUNTED_MIN, SEARCH_MATCHES_MAX)
}

/// Numbers of matches, each once, those that were added first before others.
struct Ranked {
    limit: i64,
    numbers: Vec<i64>,
    known: HashSet<i64>,
}

impl Ranked {
    fn up_to(limit: i64) -> Self {
        Self {
            limit,
            numbers: Vec::new(),
            known: HashSet::new(),
        }
    }

    /// What is too much is dropped.
    fn add(&mut self, found: Vec<i64>) {
        for number in found {
            if !self.is_full() && self.known.insert(number) {
                self.numbers.push(number);
            }
        }
    }

    fn count(&self) -> i64 {
        self.numbers.len() as i64
    }

    fn is_full(&self) -> bool {
        self.count() >= self.limit
    }
}

/// Whether something has the query that the filter leaves out: then there is no mistake in it.
async fn is_anywhere(database: &dyn Database, query: &Query, filter: &Filter) -> Result<bool> {
    let [.., all] = TIERS;
    let none = Filter::default();
    Ok(*filter != none && !matches(database, query, all, &none, 1).await?.is_empty())
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
    for (number, row) in item::rows(database, &numbers).await? {
        let title = normal(&row.get::<String>("title")?);
        let names = names(&item::directory(&row)?);
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
    let mut statements = Vec::new();
    for fields in TIERS {
        let last = statement(dialect, query, fields, filter, SEARCH_MATCHES_MAX)?;
        statements.extend(newest(dialect, query, fields, filter));
        statements.push(last);
    }
    let parts = |it: Statement| (it.sql, it.parameters);
    Ok(statements.into_iter().map(parts).collect())
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
    if let Some(statement) = newest(database.dialect(), query, fields, filter) {
        let rows = database
            .query(&statement.sql, &statement.parameters)
            .await?;
        let mut passing = Vec::new();
        for row in &rows {
            if row.get("passes")? && (passing.len() as i64) < limit {
                passing.push(row.get("number")?);
            }
        }
        if passing.len() as i64 == limit || (rows.len() as i64) < SEARCH_NEWEST_MATCHES {
            return Ok(passing);
        }
    }
    let statement = statement(database.dialect(), query, fields, filter, limit)?;
    let rows = database
        .query(&statement.sql, &statement.parameters)
        .await?;
    rows.iter().map(|row| row.get("number")).collect()
}

/// The newest matches whether they pass the filter or not. On SQLite, where a filter is more lists to be read beside
/// those of the query: what is rare, or hardly filtered, is found faster without them.
fn newest(dialect: Dialect, query: &Query, fields: &[Field], filter: &Filter) -> Option<Statement> {
    let is_both = !query.runs().is_empty() && !filter.facets().is_empty();
    (dialect == Dialect::Sqlite && is_both).then(|| sqlite::newest(query, fields, filter))
}

/// Of these matches, those with every run in one of these fields.
async fn among(
    database: &dyn Database,
    query: &Query,
    fields: &[Field],
    numbers: &[i64],
) -> Result<Vec<i64>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let statement = postgres::among(query, fields, numbers)?;
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
    let rows = item::rows(database, &numbers).await?;
    // One that was deleted at this moment is gone.
    let shown = numbers
        .iter()
        .filter_map(|number| Some((number, rows.get(number)?)));
    shown
        .map(|(number, row)| Item::from_row(row, found.meant.get(number).unwrap_or(query)))
        .collect()
}
