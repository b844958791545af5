//! The section `keys`.

use serde::{Deserialize, Serialize};

/// Secrets that several machines on one PostgreSQL share; empty ones are generated at first start and kept
/// in `<data_dir>/keys.toml`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    pub users: String,
    pub projects: String,
    pub sites: String,
    pub admins: String,
    /// Between components and worker.
    pub worker: String,
    /// Seals cookie jars.
    pub cookies: String,
    /// The projects' callback secrets are derived from it.
    pub callbacks: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}
