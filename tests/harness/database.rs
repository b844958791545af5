//! A PostgreSQL database of its own for one test.

use tokio_postgres::NoTls;

/// A database that exists until this is dropped.
pub struct TestDatabase {
    server: String,
    name: String,
}

/// Where the tests look for a server.
fn server() -> String {
    std::env::var("WHARF_TEST_DATABASE_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

impl TestDatabase {
    /// None where no server answers; that is said once a test, and a failure in CI.
    pub fn create() -> Option<Self> {
        let server = server();
        let name = format!("wharf_test_{}", crate::unique());
        match statement(&server, &format!("CREATE DATABASE {name}")) {
            Ok(()) => Some(Self { server, name }),
            Err(error) => {
                let line = format!(
                    "NOT COVERED: no PostgreSQL at {server} ({error}); set WHARF_TEST_DATABASE_URL"
                );
                assert!(std::env::var_os("CI").is_none(), "{line}");
                eprintln!("{line}");
                None
            }
        }
    }

    /// Where it is; without TLS, for which Spin would want a certificate that it trusts.
    pub fn url(&self) -> String {
        let address = match self.server.rsplit_once('/') {
            Some((address, _)) => address,
            None => &self.server,
        };
        format!("{address}/{}?sslmode=disable", self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = statement(&self.server, &drop) {
            eprintln!("{} stays behind: {error}", self.name);
        }
    }
}

/// One statement on a thread of its own, so that it may be called from within a test's runtime.
fn statement(server: &str, sql: &str) -> Result<(), String> {
    let (server, sql) = (server.to_owned(), sql.to_owned());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&server, NoTls)
                .await
                .map_err(|error| error.to_string())?;
            let connection = tokio::spawn(connection);
            let done = client.batch_execute(&sql).await;
            drop(client);
            let _closed = connection.await;
            done.map_err(|error| error.to_string())
        })
    })
    .join()
    .unwrap_or_else(|_| Err("the thread panicked".to_owned()))
}
