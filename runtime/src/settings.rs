//! Every setting, with its default. Flags beat the environment (`WHARF_<SECTION>_<KEY>`), the environment
//! beats the file, the file beats the defaults. What is wrong is reported all at once.

mod check;
mod drives;
mod exports;
mod keys;
mod market;
mod media;
mod payments;
mod sync;

use anyhow::bail;
pub use drives::{Drives, Smtp};
pub use exports::Exports;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
pub use keys::Keys;
pub use market::Market;
pub use media::Media;
pub use payments::Payments;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use shared::domain::quota::Levels;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
pub use sync::{Site, Sync};

/// The file that is read when `--config` does not name another.
pub const FILE: &str = "wharf.toml";

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the HTTP surface listens.
    pub listen: SocketAddr,
    /// Keys, the embedded database, tools and files live here.
    pub data_dir: PathBuf,
    /// How clients reach the service; empty: `http://<listen>`.
    pub public_url: String,
    /// Empty: SQLite in `data_dir`; else `postgres://…`.
    pub database_url: String,
    /// Addresses and CIDRs of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
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
    /// Where `wharf serve` reaches a worker; empty: `http://<worker.listen>`.
    pub url: String,
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

const SECTIONS: [&str; 17] = [
    "egress", "media", "exports", "queue", "files", "delivery", "worker", "metrics", "proxy",
    "quota", "sync", "site", "payments", "market", "drives", "smtp", "keys",
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
        let file = match &flags.config {
            Some(path) if !path.is_file() => bail!("There is no settings file {}.", path.display()),
            Some(path) => path.clone(),
            None => PathBuf::from(FILE),
        };
        let mut figment = Figment::new();
        if file.is_file() {
            figment = figment.merge(Toml::file_exact(&file));
        }
        let figment = figment.merge(environment());
        let mut wrong = unknown_keys(&figment, &file)?;
        let mut settings = Self {
            listen: value(&figment, "listen", &mut wrong)
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3000))),
            data_dir: value(&figment, "data_dir", &mut wrong).unwrap_or_else(|| "data".into()),
            public_url: value(&figment, "public_url", &mut wrong).unwrap_or_default(),
            database_url: value(&figment, "database_url", &mut wrong).unwrap_or_default(),
            trusted_proxies: value::<List>(&figment, "trusted_proxies", &mut wrong)
                .unwrap_or_default()
                .0,
            egress: section(&figment, "egress", &mut wrong),
            media: section(&figment, "media", &mut wrong),
            exports: section(&figment, "exports", &mut wrong),
            queue: section(&figment, "queue", &mut wrong),
            files: section(&figment, "files", &mut wrong),
            delivery: section(&figment, "delivery", &mut wrong),
            worker: section(&figment, "worker", &mut wrong),
            proxy: section(&figment, "proxy", &mut wrong),
            quota: section(&figment, "quota", &mut wrong),
            sync: section(&figment, "sync", &mut wrong),
            site: section(&figment, "site", &mut wrong),
            payments: section(&figment, "payments", &mut wrong),
            market: section(&figment, "market", &mut wrong),
            drives: section(&figment, "drives", &mut wrong),
            smtp: section(&figment, "smtp", &mut wrong),
            metrics: section(&figment, "metrics", &mut wrong),
            keys: section(&figment, "keys", &mut wrong),
        };
        settings.sync.types = settings.sync.types.completed();
        settings.check(&mut wrong);
        if !wrong.is_empty() {
            bail!("The settings do not hold:\n  {}", wrong.join("\n  "));
        }
        if let Some(listen) = flags.listen {
            settings.listen = listen;
        }
        if let Some(data) = &flags.data {
            settings.data_dir.clone_from(data);
        }
        settings.data_dir = std::path::absolute(&settings.data_dir)?;
        Ok(settings)
    }
}

/// `WHARF_MEDIA_QUICK_TTL_S` is `media.quick_ttl_s`; variables that name no setting are left alone.
fn environment() -> Env {
    Env::prefixed("WHARF_").filter_map(|name| {
        let name = name.as_str().to_ascii_lowercase();
        if TOP.contains(&name.as_str()) {
            return Some(name.into());
        }
        let (section, key) = name.split_once('_')?;
        SECTIONS
            .contains(&section)
            .then(|| format!("{section}.{key}").into())
    })
}

fn unknown_keys(figment: &Figment, file: &Path) -> anyhow::Result<Vec<String>> {
    let Ok(table) = figment.extract::<toml::Table>() else {
        let parse = std::fs::read_to_string(file)
            .ok()
            .and_then(|text| text.parse::<toml::Table>().err());
        let why = parse.map_or("is not readable".into(), |error| error.to_string());
        bail!("The settings do not hold:\n  {}: {why}", file.display());
    };
    Ok(table
        .keys()
        .filter(|key| !TOP.contains(&key.as_str()) && !SECTIONS.contains(&key.as_str()))
        .map(|key| format!("{key}: there is no such setting"))
        .collect())
}

fn value<T: DeserializeOwned>(figment: &Figment, key: &str, wrong: &mut Vec<String>) -> Option<T> {
    if figment.find_value(key).is_err() {
        return None;
    }
    figment
        .extract_inner(key)
        .map_err(|error| wrong.push(format!("{key}: {error}")))
        .ok()
}

fn section<T: DeserializeOwned + Serialize + Default>(
    figment: &Figment,
    name: &str,
    wrong: &mut Vec<String>,
) -> T {
    let defaults = Figment::from(Serialized::default(name, T::default()));
    defaults
        .merge(figment)
        .extract_inner(name)
        .unwrap_or_else(|error| {
            wrong.extend(error.into_iter().map(|one| format!("{name}: {one}")));
            T::default()
        })
}

/// [`list`] where it stands alone.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct List(#[serde(deserialize_with = "list")] Vec<String>);

/// A list, or text with commas as the environment gives it.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::List(list) => list,
        Either::Text(text) => text
            .split(',')
            .map(|entry| entry.trim().to_owned())
            .filter(|entry| !entry.is_empty())
            .collect(),
    })
}
