//! Cookie jars as admins see them (VA-16): never what is in them.

use super::time::rfc3339;
use crate::store::cookies::Jar;
use serde::Serialize;

/// `GET /admin/api/v1/cookies`.
#[derive(Clone, Debug, Serialize)]
pub struct JarsAnswer {
    pub items: Vec<JarItem>,
}

/// The jar of one site.
#[derive(Clone, Debug, Serialize)]
pub struct JarItem {
    pub site: String,
    /// How many cookies it holds.
    pub cookies: i64,
    /// When the first of them ends; `None`: all last as long as the site likes.
    pub expires_at: Option<String>,
    pub updated_at: String,
    /// The admin's address.
    pub updated_by: String,
}

impl From<Jar> for JarItem {
    fn from(jar: Jar) -> Self {
        Self {
            site: jar.site,
            cookies: jar.cookies,
            expires_at: jar.expires_at.map(rfc3339),
            updated_at: rfc3339(jar.updated_at),
            updated_by: jar.updated_by,
        }
    }
}
