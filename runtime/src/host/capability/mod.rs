//! What components can ask of the host beyond WASI, one capability per file; each checks the
//! component's grants first.

pub mod outbound_http;
pub mod postgres;
mod postgres_value;
pub mod sqlite;
pub mod variables;

use super::allowed::AllowedHosts;
use crate::database::SqlitePool;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Spin's interfaces, from the WIT files in `runtime/wit`.
pub mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "wharf:runner/capabilities",
        imports: {
            "spin:sqlite/sqlite@3.1.0.[method]connection.execute-async": async | store | trappable,
            "spin:postgres/postgres@4.2.0.[method]connection.query-async": async | store | trappable,
            "spin:postgres/postgres@4.2.0.[method]connection.execute-async": async | store | trappable,
            default: async,
        },
        with: {
            "spin:sqlite/sqlite.connection": crate::host::capability::sqlite::GuestConnection,
            "spin:postgres/postgres.connection": crate::host::capability::postgres::GuestConnection,
            "spin:postgres/postgres.connection-builder": crate::host::capability::postgres::ConnectionBuilder,
        },
    });
}

/// What one component may do, resolved at start.
pub struct Grants {
    pub component: Arc<str>,
    pub variables: BTreeMap<String, String>,
    /// SQLite databases by label.
    pub databases: BTreeMap<String, Arc<SqlitePool>>,
    pub allowed_hosts: AllowedHosts,
    pub environment: BTreeMap<String, String>,
    /// PostgreSQL connections, shared by all components.
    pub postgres: Arc<postgres::Pools>,
    /// The application itself, for requests to `self`.
    pub application: outbound_http::Application,
}
