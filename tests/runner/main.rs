//! The bundled runner with components of its own (`tests/guests`), driven over HTTP.

mod capabilities;
mod databases;
mod faults;
mod requests;
mod serving;

use runtime::database::SqlitePool;
use runtime::host::{Host, HostOptions, InstanceLimits, build};
use runtime::server;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

static GUESTS: OnceCell<()> = OnceCell::const_new();

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn guests_manifest() -> PathBuf {
    workspace().join("tests/guests/spin.toml")
}

/// Where the tests find PostgreSQL.
fn postgres_url() -> String {
    std::env::var("WHARF_TEST_DATABASE_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

/// Its host and port, for the guests' grant.
fn postgres_address() -> String {
    let url = url::Url::parse(&postgres_url()).expect("an address");
    let host = url.host_str().expect("a host");
    format!("{host}:{}", url.port().unwrap_or(5432))
}

/// A runner with the guests, on a port of its own.
struct Runner {
    address: SocketAddr,
    client: reqwest::Client,
    sqlite: Arc<SqlitePool>,
    host: Arc<Host>,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
    _data: tempfile::TempDir,
}

impl Runner {
    async fn start() -> Self {
        Self::start_with(InstanceLimits::default()).await
    }

    async fn start_with(limits: InstanceLimits) -> Self {
        Self::start_router(limits, axum::Router::new()).await
    }

    async fn start_router(limits: InstanceLimits, router: axum::Router) -> Self {
        GUESTS
            .get_or_init(async || {
                let packages = ["misbehave".to_owned(), "probe".to_owned()];
                let folder = workspace().canonicalize().expect("the workspace");
                build::cargo_build(&folder, &packages)
                    .await
                    .expect("the guests build");
            })
            .await;
        let data = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let sqlite = SqlitePool::open(data.path().join("guests.db")).expect("a database");
        let options = HostOptions {
            manifest: guests_manifest(),
            variables: BTreeMap::from([
                ("peer".to_owned(), address.to_string()),
                ("postgres".to_owned(), postgres_address()),
            ]),
            sqlite: BTreeMap::from([("default".to_owned(), sqlite.clone())]),
            cache_dir: workspace().join("target/test-guests"),
            requests: Default::default(),
        };
        let host = Host::load_with(options, limits)
            .await
            .expect("the guests load");
        let stop = CancellationToken::new();
        let router = server::with_host(router, host.clone());
        let server = tokio::spawn(server::serve(listener, router, None, stop.clone()));
        Self {
            address,
            client: reqwest::Client::new(),
            sqlite,
            host,
            stop,
            server,
            _data: data,
        }
    }

    /// Waits until so many instances are at work.
    async fn busy(&self, instances: usize) {
        tests::eventually("the instances are at work", tests::PATIENCE, async || {
            (self.host.instances().0 == instances).then_some(())
        })
        .await;
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        let request = self.client.get(self.url(path));
        request
            .header("x-request-id", "the-tests-own")
            .send()
            .await
            .expect("an answer")
    }

    /// The status and the body as JSON, or as text where it is none.
    async fn ask(&self, path: &str) -> (u16, Value) {
        let response = self.get(path).await;
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        let json = serde_json::from_str(&text);
        (status, json.unwrap_or(Value::String(text)))
    }
}
