//! Settings out of flags, environment and file.

use super::{FILE, Flags, Origins, SECTIONS, Settings, TOP};
use anyhow::bail;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The settings, where they come from, and a line for each that does not hold. Errors: a file that is not there
/// or is no TOML.
pub(super) fn read(flags: &Flags) -> anyhow::Result<(Settings, Origins, Vec<String>)> {
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
    let mut settings = Settings {
        listen: value(&figment, "listen", &mut wrong)
            .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3000))),
        data_dir: value(&figment, "data_dir", &mut wrong).unwrap_or_else(|| "data".into()),
        public_url: value(&figment, "public_url", &mut wrong).unwrap_or_default(),
        database_url: value(&figment, "database_url", &mut wrong).unwrap_or_default(),
        trusted_proxies: value::<List>(&figment, "trusted_proxies", &mut wrong)
            .unwrap_or_default()
            .0,
        tls: section(&figment, "tls", &mut wrong),
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
    if let Some(listen) = flags.listen {
        settings.listen = listen;
    }
    if let Some(data) = &flags.data {
        settings.data_dir.clone_from(data);
    }
    settings.data_dir = std::path::absolute(&settings.data_dir)?;
    Ok((settings, Origins::new(figment, flags), wrong))
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
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
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
