//! What the serving commands are put together from.

use crate::database::{self, Handle, SqlitePool};
use crate::egress::{Door, ForwardProxy};
use crate::host::{Host, HostOptions};
use crate::metrics::requests::Requests;
use crate::server::tls::Tls;
use crate::settings::{Flags, Settings};
use crate::tools::Tools;
use crate::worker::Worker;
use crate::worker::ytdlp::Ytdlp;
use crate::{data_folder, host, keys, server};
use anyhow::Context;
use axum::Router;
use shared::domain::egress::AllowList;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Reads the settings, makes the data folder and stays in it, completes the keys.
pub fn settings(flags: &Flags) -> anyhow::Result<Settings> {
    let mut settings = Settings::load(flags)?;
    data_folder::enter(&settings.data_dir)?;
    keys::complete(&mut settings)?;
    Ok(settings)
}

/// Opens the database and brings it up to date.
pub async fn database(settings: &Settings) -> anyhow::Result<Handle> {
    if database::sends_in_the_clear(&settings.database_url) {
        tracing::warn!(
            "the connection to PostgreSQL is not encrypted; let it cross no open network"
        );
    }
    let handle = Handle::open(&settings.database_url, &settings.data_dir)?;
    super::migrate::apply(&handle).await?;
    Ok(handle)
}

/// The manifest: `spin.toml` here, else beside or above the binary.
pub fn manifest() -> anyhow::Result<PathBuf> {
    let here = Path::new("spin.toml");
    if here.is_file() {
        return Ok(std::path::absolute(here)?);
    }
    let binary = std::env::current_exe()?;
    binary
        .ancestors()
        .skip(1)
        .map(|folder| folder.join("spin.toml"))
        .find(|path| path.is_file())
        .context("There is no spin.toml here or above the binary; start wharf where it lies.")
}

/// The port, and where it can be reached from this machine.
pub async fn bind(listen: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("Cannot listen on {listen}; is another wharf running?"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Loads the components with what `spin.toml` asks for.
pub async fn host(
    settings: &Settings,
    handle: &Handle,
    manifest: PathBuf,
    worker_url: &str,
    files_url: &str,
    requests: &Requests,
) -> anyhow::Result<Arc<Host>> {
    if settings.payments.sandbox {
        tracing::warn!("payments.sandbox is on: whoever has an account pays with nothing");
    }
    let variables = variables(settings, worker_url, files_url);
    let sqlite: BTreeMap<String, Arc<SqlitePool>> = match handle {
        Handle::Sqlite(pool) => [("default".to_owned(), pool.clone())].into(),
        // Components ask for the label whichever database they use; an empty file stands for it.
        Handle::Postgres(_) => {
            let unused = settings.data_dir.join("unused.db");
            [("default".to_owned(), SqlitePool::open(unused)?)].into()
        }
    };
    let options = HostOptions {
        manifest,
        variables,
        sqlite,
        cache_dir: settings.data_dir.join("cache"),
        requests: requests.clone(),
    };
    Host::load(options).await
}

/// The values of `spin.toml`'s variables.
pub fn variables(
    settings: &Settings,
    worker_url: &str,
    files_url: &str,
) -> BTreeMap<String, String> {
    let database_host = url::Url::parse(&settings.database_url)
        .ok()
        .and_then(|url| {
            Some(format!(
                "{}:{}",
                url.host_str()?,
                url.port().unwrap_or(5432)
            ))
        })
        .unwrap_or_else(|| "127.0.0.1:5432".to_owned());
    let vip_month = settings.payments.vip_yuan_per_month.0;
    [
        ("database_url", settings.database_url.clone()),
        ("database_host", database_host),
        ("worker_url", worker_url.to_owned()),
        ("worker_token", settings.keys.worker.clone()),
        ("files_url", files_url.to_owned()),
        ("files_keys", settings.files.kids.clone()),
        ("url_ttl_s", settings.files.url_ttl_s.to_string()),
        ("egress_allow", settings.egress.allow.join(",")),
        (
            "export_sync_max_rows",
            settings.exports.sync_max_rows.to_string(),
        ),
        ("quota_user", settings.quota.user.to_string()),
        ("quota_vip", settings.quota.vip.to_string()),
        ("sync_types", sync_types(settings)),
        ("sync_lease_s", settings.sync.lease_s.to_string()),
        ("sync_max_rows", settings.sync.max_rows.to_string()),
        ("sync_max_bytes", settings.sync.max_bytes.to_string()),
        ("sync_fail_max", settings.sync.fail_max.to_string()),
        ("sync_receiver", sync_receiver(settings).to_owned()),
        ("site_operators", settings.site.operators.join(",")),
        ("public_url", settings.public_url()),
        ("payments_sandbox", settings.payments.sandbox.to_string()),
        ("payments_secret", settings.payments.sandbox_secret.clone()),
        ("payments_vip_month", vip_month.hundredths().to_string()),
        (
            "market_refund_window_s",
            settings.market.refund_window_s.to_string(),
        ),
        (
            "market_recheck_after_s",
            settings.market.recheck_after_s.to_string(),
        ),
        ("users_key", settings.keys.users.clone()),
        ("projects_key", settings.keys.projects.clone()),
        ("sites_key", settings.keys.sites.clone()),
        ("admins_key", settings.keys.admins.clone()),
        ("cookies_key", settings.keys.cookies.clone()),
        ("callbacks_key", settings.keys.callbacks.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn sync_types(settings: &Settings) -> String {
    // Names and numbers always serialise.
    serde_json::to_string(&settings.sync.types).unwrap_or_default()
}

/// Whom rows go to beside the sites.
fn sync_receiver(settings: &Settings) -> &'static str {
    if settings.site.is_one() {
        shared::domain::delivery::UPSTREAM
    } else if settings.sync.apply_url.is_empty() {
        ""
    } else {
        shared::domain::delivery::BUSINESS
    }
}

/// Builds what is stale of the components.
pub async fn build(manifest: &Path) -> anyhow::Result<()> {
    host::build::build_stale(manifest).await
}

/// The worker with its tools and its door.
pub async fn worker(settings: &Settings, handle: &Handle) -> anyhow::Result<Arc<Worker>> {
    let media = &settings.media;
    let report = Tools::find_or_set_up(
        media.ytdlp.clone(),
        media.ffmpeg.clone(),
        &settings.data_dir,
    )
    .await;
    for note in &report.notes {
        if note.is_problem {
            tracing::warn!("{}", note.text);
        } else {
            tracing::info!("{}", note.text);
        }
    }
    let allow = AllowList::parse(&settings.egress.allow)?;
    let proxy = Arc::new(ForwardProxy::start(Door::new(allow)).await?);
    let scratch = settings.data_dir.join("scratch");
    let ytdlp = Ytdlp::open(report.tools, proxy, scratch).await?;
    Worker::new(settings.clone(), handle.clone(), ytdlp)
}

/// What is listened on: clients, and where these speak TLS, the components' own calls to the worker.
pub struct Front {
    pub listener: TcpListener,
    pub router: Router,
    pub tls: Option<Tls>,
    pub internal: Option<(TcpListener, Router)>,
}

impl Front {
    /// Serves until `shutdown`; running requests then get time to end (PF-10).
    pub async fn serve(self, shutdown: CancellationToken) {
        let internal = async {
            if let Some((listener, router)) = self.internal {
                server::serve(listener, router, None, shutdown.clone()).await;
            }
        };
        let clients = server::serve(self.listener, self.router, self.tls, shutdown.clone());
        tokio::join!(clients, internal);
    }
}

/// Runs both until `shutdown`: the worker gives its claims back at once.
pub async fn serve_and_work(front: Front, worker: &Arc<Worker>, shutdown: CancellationToken) {
    worker.start();
    let stopped = async {
        shutdown.cancelled().await;
        worker.stop().await;
    };
    tokio::join!(front.serve(shutdown.clone()), stopped);
}

/// Cancelled by SIGTERM or SIGINT.
pub fn shutdown() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(token)
}

/// The one line that says where the service is.
pub fn announce(url: &str) {
    println!("Wharf is ready on {url}");
}

/// Prints what a command has to say; who has stopped listening misses it.
pub fn say(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    let said = output.write_all(text.as_bytes());
    match said.and_then(|()| output.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}
