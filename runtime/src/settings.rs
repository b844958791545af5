//! Every setting, with its default. Flags beat the environment (`WHARF_<SECTION>_<KEY>`), the environment
//! beats the file, the file beats the defaults. What is wrong is reported all at once.

mod addresses;
mod check;
mod drives;
mod exports;
mod keys;
mod market;
mod media;
mod origin;
mod payments;
mod read;
mod show;
mod sync;
mod tls;

pub use addresses::plain_url;
use anyhow::bail;
pub use drives::{Drives, Smtp};
pub use exports::Exports;
pub use keys::Keys;
pub use market::Market;
pub use media::Media;
pub use origin::{Origin, Origins};
pub use payments::Payments;
use read::list;
use serde::{Deserialize, Serialize};
use shared::domain::quota::Levels;
pub use show::Shown;
use std::net::SocketAddr;
use std::path::PathBuf;
pub use sync::{Site, Sync};
pub use tls::Tls;

/// The file that is read when `--config` does not name another.
pub const FILE: &str = "wharf.toml";

/// Everything that can be set.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// Where the HTTP surface listens.
    pub listen: SocketAddr,
    /// Keys, the embedded database, tools and files live here.
    pub data_dir: PathBuf,
    /// How clients reach the service; empty: `http://<listen>`, with TLS `https://<listen>`.
    pub public_url: String,
    /// Empty: SQLite in `data_dir`; else `postgres://…`.
    pub database_url: String,
    /// Addresses and CIDRs of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    pub tls: Tls,
    pub egress: Egress,
    pub media: Media,
    pub exports: Exports,
    pub queue: Queue,
    pub files: Files,
    pub delivery: Delivery,
    pub worker: Worker,
    pub proxy: Proxy,
    pub quota: Quota,
    pub sync: Sync,
    pub site: Site,
    pub payments: Payments,
    pub market: Market,
    pub drives: Drives,
    pub smtp: Smtp,
    pub metrics: Metrics,
    pub keys: Keys,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// Hosts, `host:port` or CIDRs that the egress door opens although they are not global.
    #[serde(deserialize_with = "list")]
    pub allow: Vec<String>,
}

/// Rented proxies (VA-5).
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proxy {
    /// Asked for a proxy before each attempt; `{api_key}` in it is replaced. Empty: every attempt is direct.
    pub endpoint: String,
    /// Sent as a bearer token unless the endpoint has a place for it.
    pub api_key: String,
}

/// Both may hold a key.
impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proxy(…)")
    }
}

/// Downloads a day, by level (VA-11).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    pub user: u32,
    pub vip: u32,
}

impl Quota {
    pub fn levels(&self) -> Levels {
        Levels {
            user: self.user.into(),
            vip: self.vip.into(),
        }
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self { user: 20, vip: 200 }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// How long a claim holds without being extended, seconds.
    pub lease_s: u64,
    /// The wait after the first failure, milliseconds.
    pub backoff_initial_ms: i64,
    /// The longest wait, milliseconds.
    pub backoff_max_ms: i64,
    /// Attempts after the first.
    pub max_retries: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// How long a temporary URL holds, seconds.
    pub url_ttl_s: u64,
    /// `kid:hex,kid:hex`, the first signs; empty: generated at first start.
    pub kids: String,
    /// How clients reach the worker's `/files`; empty: on `public_url`.
    pub url: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Bodies of files under way at once on one worker.
    pub max_transfers: usize,
    /// For all connections of one user together, bytes per second; 0: unlimited.
    pub user_bytes_per_s: u64,
    /// For all users together, bytes per second; 0: unlimited.
    pub total_bytes_per_s: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Worker {
    /// Where `wharf work` listens.
    pub listen: SocketAddr,
    /// Where the components reach a worker; empty: `http://<worker.listen>`, with TLS
    /// `http://<worker.internal_listen>`.
    pub url: String,
    /// With TLS: where `wharf work` takes the components' calls, over plain HTTP.
    pub internal_listen: SocketAddr,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// What `/metrics` wants as a bearer token; empty: nothing.
    pub token: String,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics(…)")
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            lease_s: 60,
            backoff_initial_ms: 1000,
            backoff_max_ms: 30_000,
            max_retries: 3,
        }
    }
}

impl Default for Files {
    fn default() -> Self {
        Self {
            url_ttl_s: 300,
            kids: String::new(),
            url: String::new(),
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            max_transfers: 50,
            user_bytes_per_s: 0,
            total_bytes_per_s: 0,
        }
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3001)),
            url: String::new(),
            internal_listen: SocketAddr::from(([127, 0, 0, 1], 3002)),
        }
    }
}

/// What the command line may set.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Address to listen on, such as 127.0.0.1:3000
    #[arg(long, value_name = "ADDR", global = true)]
    pub listen: Option<SocketAddr>,
    /// Folder for keys, database, tools and files
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// Settings file; wharf.toml if it is there
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

const SECTIONS: [&str; 18] = [
    "tls", "egress", "media", "exports", "queue", "files", "delivery", "worker", "metrics",
    "proxy", "quota", "sync", "site", "payments", "market", "drives", "smtp", "keys",
];
const TOP: [&str; 5] = [
    "listen",
    "data_dir",
    "public_url",
    "database_url",
    "trusted_proxies",
];

impl Settings {
    /// Reads flags, environment and file. The error lists everything that is wrong, a line each.
    pub fn load(flags: &Flags) -> anyhow::Result<Self> {
        let (settings, _) = Self::load_with_origins(flags)?;
        Ok(settings)
    }

    /// What can be read of them, and a line for each that does not hold. Errors: a file that is not there or is no
    /// TOML.
    pub fn load_as_far_as_possible(flags: &Flags) -> anyhow::Result<(Self, Vec<String>)> {
        let (settings, _, wrong) = read::read(flags)?;
        Ok((settings, wrong))
    }

    /// [`Settings::load`], and where each value comes from.
    pub fn load_with_origins(flags: &Flags) -> anyhow::Result<(Self, Origins)> {
        let (settings, origins, wrong) = read::read(flags)?;
        if !wrong.is_empty() {
            bail!("The settings do not hold:\n  {}", wrong.join("\n  "));
        }
        Ok((settings, origins))
    }
}
