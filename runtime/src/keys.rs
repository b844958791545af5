//! The signing keys: from the settings, else generated once and kept in `<data_dir>/keys.toml`, readable
//! by its owner only.

use crate::settings::{Keys, Settings};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

const FILE: &str = "keys.toml";

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    keys: Keys,
    /// `kid:hex,…` for temporary URLs.
    files: String,
}

/// Fills every key that the settings leave empty.
pub fn complete(settings: &mut Settings) -> anyhow::Result<()> {
    let path = settings.data_dir.join(FILE);
    if !path.exists() {
        write(&path, &generate()?)?;
    }
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let kept: Kept =
        toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let fill = |key: &mut String, kept: String| {
        if key.is_empty() {
            *key = kept;
        }
    };
    fill(&mut settings.keys.users, kept.keys.users);
    fill(&mut settings.keys.projects, kept.keys.projects);
    fill(&mut settings.keys.sites, kept.keys.sites);
    fill(&mut settings.keys.admins, kept.keys.admins);
    fill(&mut settings.keys.worker, kept.keys.worker);
    fill(&mut settings.files.kids, kept.files);
    shared::auth::signature::FileKeys::parse(&settings.files.kids)?;
    Ok(())
}

fn generate() -> anyhow::Result<Kept> {
    let random = shared::auth::secret::random;
    Ok(Kept {
        keys: Keys {
            users: random()?,
            projects: random()?,
            sites: random()?,
            admins: random()?,
            worker: random()?,
        },
        files: format!("k1:{}", random()?),
    })
}

/// Whole or not at all: a link fails where another start was faster, and then its keys count.
fn write(path: &std::path::Path, kept: &Kept) -> anyhow::Result<()> {
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(toml::to_string(kept)?.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("writing {}", path.display()))
        }
        _ => Ok(()),
    }
}
