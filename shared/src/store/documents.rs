//! The search index: a document for every resource that everybody may see (SH-8, SH-11). It follows
//! `resources.version` by `indexed_version`; what is behind is indexed by the next who looks for it.

use super::{Database, Dialect, Row, Value, json_integers};
use crate::domain::directory::Directory;
use crate::domain::drive::Drive;
use crate::domain::search::Field;
use crate::domain::search::filter::facets_of;
use crate::domain::search::grams;
use crate::domain::search::normal::normal;
use crate::error::{Error, Result};
use crate::limits::{INDEX_ROWS_MAX, INDEX_TREES_CHARS_MAX, REINDEX_ROWS, SEARCH_NAMES_CHARS_MAX};
use serde_json::json;
use std::collections::{BTreeSet, HashSet};

/// Of `resources r`: what everybody may see, as far as its own row tells.
const IS_PUBLIC: &str = "r.state IN ('ok', 'invalidated') AND r.deleted_at IS NULL";

/// Indexes one resource at once, so that whoever published or changed it finds it. What is not for everybody, or
/// changes at this moment, is left to [`index_behind`].
pub async fn index(database: &dyn Database, resource_id: &str) -> Result<()> {
    let sql = format!(
        "SELECT r.number FROM resources r WHERE r.resource_id = $1 AND r.indexed_version < r.version AND {IS_PUBLIC}"
    );
    let rows = database.query(&sql, &[resource_id.into()]).await?;
    let numbers: Result<Vec<i64>> = rows.iter().map(|row| row.get("number")).collect();
    write(database, &numbers?).await
}

/// Whether the index is behind.
pub async fn is_behind(database: &dyn Database) -> Result<bool> {
    let sql = "SELECT 1 AS found FROM resources WHERE indexed_version < version LIMIT 1";
    Ok(!database.query(sql, &[]).await?.is_empty())
}

/// Indexes some of the resources whose index is behind and says how many it has looked at: none when all is done.
pub async fn index_behind(database: &dyn Database) -> Result<usize> {
    let sql = format!(
        "SELECT r.number, CASE WHEN {IS_PUBLIC} THEN 1 ELSE 0 END AS is_public, \
         COALESCE((SELECT LENGTH(d.tree) FROM directories d WHERE d.directory_id = r.directory_id), 0) AS chars \
         FROM resources r WHERE r.indexed_version < r.version ORDER BY r.number LIMIT $1"
    );
    let rows = database.query(&sql, &[INDEX_ROWS_MAX.into()]).await?;
    let (mut public, mut others, mut chars) = (Vec::new(), Vec::new(), 0);
    for row in &rows {
        let number: i64 = row.get("number")?;
        if !row.get::<bool>("is_public")? {
            others.push(number);
            continue;
        }
        chars += row.get::<i64>("chars")?;
        if chars > INDEX_TREES_CHARS_MAX && !public.is_empty() {
            break;
        }
        public.push(number);
    }
    write(database, &public).await?;
    if !others.is_empty() {
        skip(database, &others).await?;
    }
    Ok(public.len() + others.len())
}

/// Marks all resources from this number on, up to [`REINDEX_ROWS`], to be indexed anew. Returns where to go on.
pub async fn reindex(database: &dyn Database, from: i64) -> Result<Option<i64>> {
    database
        .execute(
            "UPDATE resources SET indexed_version = 0 WHERE number >= $1 AND number < $2 AND indexed_version > 0",
            &[from.into(), (from + REINDEX_ROWS).into()],
        )
        .await?;
    let next = "SELECT MIN(number) AS number FROM resources WHERE number >= $1";
    let rows = database
        .query(next, &[(from + REINDEX_ROWS).into()])
        .await?;
    rows.first().map_or(Ok(None), |row| row.get("number"))
}

/// Nothing is to be indexed of what is not for everybody.
async fn skip(database: &dyn Database, numbers: &[i64]) -> Result<()> {
    let numbers_of = json_integers(database.dialect(), 1);
    let sql = format!(
        "UPDATE resources AS r SET indexed_version = version WHERE number IN ({numbers_of}) AND NOT ({IS_PUBLIC})"
    );
    let numbers = serde_json::to_string(numbers).map_err(Error::internal)?;
    database.execute(&sql, &[numbers.into()]).await?;
    Ok(())
}

/// Writes what the index holds of these resources; of one that has changed since it was read, nothing.
async fn write(database: &dyn Database, numbers: &[i64]) -> Result<()> {
    if numbers.is_empty() {
        return Ok(());
    }
    let dialect = database.dialect();
    let numbers_of = json_integers(dialect, 1);
    let sql = format!(
        "SELECT r.number, r.version, r.drive, r.title, r.bio, r.total_size, \
         COALESCE(r.published_at, r.created_at) AS published_at, d.tree \
         FROM resources r LEFT JOIN directories d ON d.directory_id = r.directory_id \
         WHERE r.number IN ({numbers_of})"
    );
    let numbers = serde_json::to_string(numbers).map_err(Error::internal)?;
    let rows = database.query(&sql, &[numbers.into()]).await?;
    let entries = rows.iter().map(|row| entry(dialect, row));
    let entries: Vec<serde_json::Value> = entries.collect::<Result<_>>()?;
    let entries = serde_json::to_string(&entries).map_err(Error::internal)?;
    let sql = match dialect {
        Dialect::Sqlite => sqlite_write(),
        Dialect::Postgres => postgres_write(),
    };
    database.execute(&sql, &[Value::Text(entries)]).await?;
    Ok(())
}

/// The view's trigger writes all that belongs to an entry. CROSS JOIN keeps SQLite to this order.
fn sqlite_write() -> String {
    format!(
        "INSERT INTO indexing (number, publisher_id, drive, total_size, published_at, indexed_version, words) \
         SELECT r.number, r.publisher_id, r.drive, r.total_size, COALESCE(r.published_at, r.created_at), r.version, \
           entry.value ->> 'words' \
         FROM json_each($1) entry CROSS JOIN resources r \
         WHERE r.number = entry.value ->> 'number' AND r.version = entry.value ->> 'version' AND {IS_PUBLIC}"
    )
}

/// The rows are locked in their order, so that no two who index wait for each other in a circle. What must hold is
/// asked of the locked rows: asked of the table, a planner without statistics would walk over all that is public.
fn postgres_write() -> String {
    format!(
        "WITH entries AS MATERIALIZED (SELECT entry, CAST(entry ->> 'number' AS BIGINT) AS number \
           FROM json_array_elements($1::TEXT::JSON) entry), \
         held AS MATERIALIZED (SELECT r.number, r.version, r.state, r.deleted_at FROM resources r \
           WHERE r.number = ANY(ARRAY(SELECT number FROM entries)) ORDER BY r.number FOR UPDATE), \
         marked AS (UPDATE resources SET indexed_version = r.version FROM entries, held AS r \
           WHERE resources.number = r.number AND entries.number = r.number \
             AND r.version = CAST(entry ->> 'version' AS BIGINT) AND {IS_PUBLIC} \
           RETURNING resources.number, publisher_id, drive, total_size, \
             COALESCE(published_at, created_at) AS published_at, entry) \
         INSERT INTO documents (number, publisher_id, drive, total_size, published_at, title, names, bio, grams) \
           SELECT number, publisher_id, drive, total_size, published_at, \
             entry ->> 'title', entry ->> 'names', entry ->> 'bio', \
             ARRAY(SELECT CAST(gram AS BIGINT) FROM json_array_elements_text(entry -> 'grams') gram) FROM marked \
         ON CONFLICT (number) DO UPDATE SET publisher_id = excluded.publisher_id, drive = excluded.drive, \
           total_size = excluded.total_size, published_at = excluded.published_at, title = excluded.title, \
           names = excluded.names, bio = excluded.bio, grams = excluded.grams"
    )
}

/// What the index holds of a resource, as the statements above read it.
fn entry(dialect: Dialect, row: &Row) -> Result<serde_json::Value> {
    let number: i64 = row.get("number")?;
    let version: i64 = row.get("version")?;
    let title = normal(&row.get::<String>("title")?);
    let bio = normal(&row.get::<String>("bio")?);
    let tree: Option<String> = row.get("tree")?;
    let names = names(&tree_of(tree.as_deref().unwrap_or("[]")));
    let fields = Field::ALL.into_iter().zip([&title, &names, &bio]);
    match dialect {
        Dialect::Sqlite => {
            let mut words = String::new();
            fields.for_each(|(field, text)| grams::words(field, text, &mut words));
            let drive = Drive::parse(&row.get::<String>("drive")?)?;
            let facets = facets_of(drive, row.get("total_size")?, row.get("published_at")?);
            grams::facet_words(&facets, &mut words);
            Ok(json!({ "number": number, "version": version, "words": words }))
        }
        Dialect::Postgres => {
            let mut packed = BTreeSet::new();
            fields.for_each(|(field, text)| grams::packed(field, text, &mut packed));
            let block = grams::block(number);
            let grams: Vec<i64> = packed.into_iter().map(|gram| block + gram).collect();
            Ok(json!({ "number": number, "version": version,
                "title": title, "names": names, "bio": bio, "grams": grams }))
        }
    }
}

/// A tree as the store has it; one that cannot be read has no names.
pub(super) fn tree_of(tree: &str) -> Directory {
    serde_json::from_str(tree)
        .ok()
        .and_then(|roots| Directory::new(roots).ok())
        .unwrap_or_default()
}

/// The normal forms of the names, each once, folders before what they hold.
pub(super) fn names(directory: &Directory) -> String {
    let mut known = HashSet::new();
    let mut names = String::new();
    let mut chars = 0;
    for node in directory.nodes() {
        let name = normal(&node.name);
        chars += name.chars().count();
        if chars > SEARCH_NAMES_CHARS_MAX {
            break;
        }
        if !name.is_empty() && known.insert(name.clone()) {
            if !names.is_empty() {
                names.push(' ');
            }
            names.push_str(&name);
        }
    }
    names
}
