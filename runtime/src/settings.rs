//! Every setting, with its default. Flags beat the environment (`WHARF_<SECTION>_<KEY>`), the environment
//! beats the file, the file beats the defaults. What is wrong is reported all at once.

use anyhow::bail;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use shared::auth::signature::FileKeys;
use shared::domain::forwarded::TrustedProxies;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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
    pub queue: Queue,
    pub files: Files,
    pub worker: Worker,
    pub keys: Keys,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// Hosts, `host:port` or CIDRs that the egress door opens although they are not global.
    #[serde(deserialize_with = "list")]
    pub allow: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Downloads at once on one worker.
    pub concurrency: usize,
    /// The yt-dlp to run; empty: found, else set up in `data_dir`.
    pub ytdlp: Option<PathBuf>,
    /// The ffmpeg to run; empty: found, else set up in `data_dir`.
    pub ffmpeg: Option<PathBuf>,
    /// The largest download, bytes.
    pub max_bytes: u64,
    /// How long a quick download is kept, seconds.
    pub quick_ttl_s: u64,
    /// How often expired files are removed, seconds.
    pub clean_interval_s: u64,
    /// One attempt at a download, seconds.
    pub task_timeout_s: u64,
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
pub struct Worker {
    /// Where `wharf work` listens.
    pub listen: SocketAddr,
    /// Where `wharf serve` reaches a worker; empty: `http://<worker.listen>`.
    pub url: String,
}

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
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            concurrency: 50,
            ytdlp: None,
            ffmpeg: None,
            max_bytes: 20 << 30,
            quick_ttl_s: 86_400,
            clean_interval_s: 3600,
            task_timeout_s: 1800,
        }
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

const SECTIONS: [&str; 6] = ["egress", "media", "queue", "files", "worker", "keys"];
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
            queue: section(&figment, "queue", &mut wrong),
            files: section(&figment, "files", &mut wrong),
            worker: section(&figment, "worker", &mut wrong),
            keys: section(&figment, "keys", &mut wrong),
        };
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

    fn check(&self, wrong: &mut Vec<String>) {
        let mut require = |holds: bool, rule: &str| {
            if !holds {
                wrong.push(rule.to_owned());
            }
        };
        let is_postgres =
            |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
        require(
            self.database_url.is_empty() || is_postgres(&self.database_url),
            "database_url: is empty (SQLite) or begins with postgres://",
        );
        let is_http =
            |url: &str| url.is_empty() || url.starts_with("http://") || url.starts_with("https://");
        require(
            is_http(&self.public_url),
            "public_url: is an http or https URL",
        );
        require(
            is_http(&self.files.url),
            "files.url: is an http or https URL",
        );
        require(
            is_http(&self.worker.url),
            "worker.url: is an http or https URL",
        );
        require(
            self.media.concurrency >= 1,
            "media.concurrency: is at least 1",
        );
        require(
            self.media.task_timeout_s >= 1,
            "media.task_timeout_s: is at least 1",
        );
        require(
            self.media.clean_interval_s >= 1,
            "media.clean_interval_s: is at least 1",
        );
        require(self.queue.lease_s >= 1, "queue.lease_s: is at least 1");
        require(
            self.queue.backoff_initial_ms >= 0,
            "queue.backoff_initial_ms: is not negative",
        );
        require(
            self.queue.backoff_max_ms >= self.queue.backoff_initial_ms,
            "queue.backoff_max_ms: is at least queue.backoff_initial_ms",
        );
        require(
            self.queue.max_retries >= 0,
            "queue.max_retries: is not negative",
        );
        require(self.files.url_ttl_s >= 1, "files.url_ttl_s: is at least 1");
        let kids = &self.files.kids;
        require(
            kids.is_empty() || FileKeys::parse(kids).is_ok(),
            "files.kids: is empty (generated) or kid:hex,… with at least 32 digits each",
        );
        let keys = &self.keys;
        for (name, key) in [
            ("users", &keys.users),
            ("projects", &keys.projects),
            ("sites", &keys.sites),
            ("admins", &keys.admins),
            ("worker", &keys.worker),
            ("cookies", &keys.cookies),
        ] {
            let rule = format!("keys.{name}: is empty (generated) or has at least 32 characters");
            require(key.is_empty() || key.len() >= 32, &rule);
        }
        if let Err(error) = TrustedProxies::parse(&self.trusted_proxies) {
            require(false, &format!("trusted_proxies: {}", error.message));
        }
        if let Err(error) = shared::domain::egress::AllowList::parse(&self.egress.allow) {
            require(false, &format!("egress.allow: {}", error.message));
        }
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
