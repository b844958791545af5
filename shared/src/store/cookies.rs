//! Cookie jars per site (VA-16). What lies here is sealed; the key is in the settings.

use super::{Database, Row};
use crate::error::Result;

/// A jar without its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jar {
    pub site: String,
    /// How many cookies it holds.
    pub cookies: i64,
    /// When the first of them ends.
    pub expires_at: Option<i64>,
    pub updated_at: i64,
    pub updated_by: String,
}

const COLUMNS: &str = "site, cookies, expires_at, updated_at, updated_by";

fn jar_from(row: &Row) -> Result<Jar> {
    Ok(Jar {
        site: row.get("site")?,
        cookies: row.get("cookies")?,
        expires_at: row.get("expires_at")?,
        updated_at: row.get("updated_at")?,
        updated_by: row.get("updated_by")?,
    })
}

/// Puts a jar in the place of the site's former one.
pub async fn keep(database: &dyn Database, jar: &Jar, sealed: &str) -> Result<()> {
    let sql = format!(
        "INSERT INTO cookie_jars ({COLUMNS}, sealed) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (site) DO UPDATE SET cookies = excluded.cookies, expires_at = excluded.expires_at, \
           updated_at = excluded.updated_at, updated_by = excluded.updated_by, sealed = excluded.sealed"
    );
    database
        .execute(
            &sql,
            &[
                jar.site.as_str().into(),
                jar.cookies.into(),
                jar.expires_at.into(),
                jar.updated_at.into(),
                jar.updated_by.as_str().into(),
                sealed.into(),
            ],
        )
        .await?;
    Ok(())
}

/// All jars by site, at most `limit`.
pub async fn list(database: &dyn Database, limit: i64) -> Result<Vec<Jar>> {
    let sql = format!("SELECT {COLUMNS} FROM cookie_jars ORDER BY site LIMIT $1");
    let rows = database.query(&sql, &[limit.into()]).await?;
    rows.iter().map(jar_from).collect()
}

/// Site and sealed text of the jar of the first of these sites that has one.
pub async fn find(database: &dyn Database, sites: &[&str]) -> Result<Option<(String, String)>> {
    for site in sites {
        let rows = database
            .query(
                "SELECT site, sealed FROM cookie_jars WHERE site = $1",
                &[(*site).into()],
            )
            .await?;
        if let Some(row) = rows.first() {
            return Ok(Some((row.get("site")?, row.get("sealed")?)));
        }
    }
    Ok(None)
}

/// Returns whether there was one.
pub async fn remove(database: &dyn Database, site: &str) -> Result<bool> {
    let removed = database
        .execute("DELETE FROM cookie_jars WHERE site = $1", &[site.into()])
        .await?;
    Ok(removed == 1)
}
