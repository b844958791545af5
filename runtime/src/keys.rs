//! The signing keys: from the settings, else generated once and kept in `<data_dir>/keys.toml`, readable
//! by its owner only.

use crate::settings::{Keys, Settings};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const FILE: &str = "keys.toml";
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
    let mut kept = keep(&settings.data_dir)?;
    let fill = |key: &mut String, kept: &mut String| {
        if key.is_empty() {
            *key = std::mem::take(kept);
        }
    };
    for (key, kept) in named(&mut settings.keys)
        .into_iter()
        .zip(named(&mut kept.keys))
    {
        fill(key, kept);
    }
    fill(&mut settings.payments.sandbox_secret, &mut kept.payments);
    fill(&mut settings.files.kids, &mut kept.files);
    shared::auth::signature::FileKeys::parse(&settings.files.kids)?;
    Ok(())
}

fn named(keys: &mut Keys) -> [&mut String; 7] {
    let Keys {
        users,
        projects,
        sites,
        admins,
        worker,
        cookies,
        callbacks,
    } = keys;
    [users, projects, sites, admins, worker, cookies, callbacks]
}

/// What the file holds, after every key that it lacks (all at the first start, a new one after an update)
/// was generated and written to it.
fn keep(data_dir: &Path) -> anyhow::Result<Kept> {
    let path = data_dir.join(FILE);
    let lock = File::create(data_dir.join(LOCK))?;
    lock.lock()
        .with_context(|| format!("locking {}", path.display()))?;
    let mut kept = match fs::read_to_string(&path) {
        Ok(text) => {
            toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let mut is_new = false;
    for key in named(&mut kept.keys)
        .into_iter()
        .chain([&mut kept.payments])
    {
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
