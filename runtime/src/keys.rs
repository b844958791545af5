//! The signing keys: from the settings, else generated once and kept in `<data_dir>/keys.toml`, readable
//! by its owner only.

use crate::settings::{Keys, Settings};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name of the file in the data folder.
pub const FILE: &str = "keys.toml";
/// Beside it: held while it is read and written, so that two starts at once agree on every key.
const LOCK: &str = ".keys.lock";

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    keys: Keys,
    /// `kid:hex,…` for temporary URLs.
    #[serde(default)]
    files: String,
    /// What the sandbox for payments signs with.
    #[serde(default)]
    payments: String,
}

/// Fills every key that the settings leave empty.
pub fn complete(settings: &mut Settings) -> anyhow::Result<()> {
    let kept = keep(&settings.data_dir)?;
    fill(settings, kept);
    shared::auth::signature::FileKeys::parse(&settings.files.kids)?;
    Ok(())
}

/// [`complete`] as far as the file goes, without making anything; gives the settings that came from there.
/// Errors: it cannot be read or is damaged.
pub fn complete_from_file(settings: &mut Settings) -> anyhow::Result<Vec<&'static str>> {
    let kept = read(&file(&settings.data_dir))?;
    Ok(kept.map_or_else(Vec::new, |kept| fill(settings, kept)))
}

/// Of settings as they were read, the keys that stand in them, by name.
pub fn names_of_set(settings: &Settings) -> Vec<&'static str> {
    let mut keys = settings.keys.clone();
    let set = named(&mut keys)
        .into_iter()
        .filter(|(_, key)| !key.is_empty());
    let mut names: Vec<&str> = set.map(|(name, _)| name).collect();
    for (name, key) in [
        ("payments.sandbox_secret", &settings.payments.sandbox_secret),
        ("files.kids", &settings.files.kids),
    ] {
        if !key.is_empty() {
            names.push(name);
        }
    }
    names
}

/// Where generated keys are kept.
pub fn file(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// Gives the settings that were filled.
fn fill(settings: &mut Settings, mut kept: Kept) -> Vec<&'static str> {
    let mut filled = Vec::new();
    let mut one = |name, key: &mut String, kept: String| {
        if key.is_empty() && !kept.is_empty() {
            *key = kept;
            filled.push(name);
        }
    };
    let kept_keys = named(&mut kept.keys).map(|(_, key)| std::mem::take(key));
    for ((name, key), kept) in named(&mut settings.keys).into_iter().zip(kept_keys) {
        one(name, key, kept);
    }
    let payments = &mut settings.payments.sandbox_secret;
    one("payments.sandbox_secret", payments, kept.payments);
    one("files.kids", &mut settings.files.kids, kept.files);
    filled
}

fn named(keys: &mut Keys) -> [(&'static str, &mut String); 7] {
    let Keys {
        users,
        projects,
        sites,
        admins,
        worker,
        cookies,
        callbacks,
    } = keys;
    [
        ("keys.users", users),
        ("keys.projects", projects),
        ("keys.sites", sites),
        ("keys.admins", admins),
        ("keys.worker", worker),
        ("keys.cookies", cookies),
        ("keys.callbacks", callbacks),
    ]
}

fn read(path: &Path) -> anyhow::Result<Option<Kept>> {
    match fs::read_to_string(path) {
        // The parser's own words would show a line of it.
        Ok(text) => match toml::from_str(&text) {
            Ok(kept) => Ok(Some(kept)),
            Err(_) => bail!("{} is damaged", path.display()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// What the file holds, after every key that it lacks (all at the first start, a new one after an update)
/// was generated and written to it.
fn keep(data_dir: &Path) -> anyhow::Result<Kept> {
    let path = file(data_dir);
    let lock = File::create(data_dir.join(LOCK))?;
    lock.lock()
        .with_context(|| format!("locking {}", path.display()))?;
    let mut kept = read(&path)?.unwrap_or_default();
    let mut is_new = false;
    let keys = named(&mut kept.keys).map(|(_, key)| key);
    for key in keys.into_iter().chain([&mut kept.payments]) {
        if key.is_empty() {
            *key = shared::auth::secret::random()?;
            is_new = true;
        }
    }
    if kept.files.is_empty() {
        kept.files = format!("k1:{}", shared::auth::secret::random()?);
        is_new = true;
    }
    if is_new {
        write(&path, &kept).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(kept)
}

/// Whole or not at all.
fn write(path: &Path, kept: &Kept) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(toml::to_string(kept)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_from_before_a_key_was_there_gets_it_and_keeps_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let first = keep(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("cookies"));
        let older: String = lines.map(|line| format!("{line}\n")).collect();
        assert_ne!(older, text);
        fs::write(folder.path().join(FILE), older).unwrap();
        let second = keep(folder.path()).unwrap();
        assert_eq!(second.keys.users, first.keys.users);
        assert_eq!(second.files, first.files);
        assert!(second.keys.cookies.len() == 64 && second.keys.cookies != first.keys.cookies);
        assert_eq!(
            keep(folder.path()).unwrap().keys.cookies,
            second.keys.cookies
        );
    }

    #[test]
    fn starts_at_the_same_time_agree_on_every_key() {
        let folder = tempfile::tempdir().unwrap();
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let folder = folder.path().to_owned();
                std::thread::spawn(move || keep(&folder).unwrap().keys.cookies)
            })
            .collect();
        let mut keys: Vec<String> = starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect();
        keys.dedup();
        assert_eq!(keys.len(), 1);
    }
}
