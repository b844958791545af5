//! Puts a verified restore in place, all of it, whenever it is cut off.
//!
//! ```text
//! .restoring   extracted and verified; thrown away when it is cut off
//!     │ rename: from here on it happens
//! .restored    whole; what was there before is moved aside
//!     │ rename: nothing old is left
//! .installing  moved into the folder, one by one
//!     │
//!   (gone)
//! ```
//!
//! Whoever opens the folder next goes on where it stopped.

use crate::clock::now_ms;
use crate::database::SQLITE_FILE;
use crate::keys;
use anyhow::Context;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Where it is extracted.
const RESTORING: &str = ".restoring";
const RESTORED: &str = ".restored";
const INSTALLING: &str = ".installing";
/// What of a data folder cannot be made again.
const OURS: [&str; 7] = [
    SQLITE_FILE,
    "wharf.db-wal",
    "wharf.db-shm",
    keys::FILE,
    "archive",
    "exports",
    "tmp",
];
/// What is made again, or is made by looking.
const REMADE: [&str; 10] = [
    crate::data_folder::LOCK,
    ".keys.lock",
    ".backup.lock",
    RESTORING,
    "cache",
    "scratch",
    "tools",
    "unused.db",
    "unused.db-wal",
    "unused.db-shm",
];

/// A new, empty folder to extract into.
pub fn stage(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = data_dir.join(RESTORING);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", folder.display()));
        }
        _ => {}
    }
    DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

/// What stands in the way of a restore, by name.
pub fn occupied(data_dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_earlier = name.starts_with(ASIDE) || name == "lost+found";
        if !REMADE.contains(&&*name) && !is_earlier {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// From here on the restore happens, whatever comes between. Everything in the staged folder is on the disk.
pub fn commit(data_dir: &Path) -> anyhow::Result<()> {
    let from = data_dir.join(RESTORING);
    fs::rename(&from, data_dir.join(RESTORED)).context("putting the backup in place")?;
    sync(data_dir)?;
    finish(data_dir)
}

/// Whether a restore was cut off after it had been committed.
pub fn is_unfinished(data_dir: &Path) -> bool {
    [RESTORED, INSTALLING]
        .iter()
        .any(|name| data_dir.join(name).exists())
}

/// Goes on until everything is in place.
pub fn finish(data_dir: &Path) -> anyhow::Result<()> {
    let (restored, installing) = (data_dir.join(RESTORED), data_dir.join(INSTALLING));
    if restored.exists() {
        set_aside(data_dir).context("moving aside what was there")?;
        fs::rename(&restored, &installing).context("putting the backup in place")?;
        sync(data_dir)?;
    }
    if installing.exists() {
        install(&installing, data_dir).context("putting the backup in place")?;
        sync(data_dir)?;
    }
    Ok(())
}

/// How the folder of what was there before begins; milliseconds follow.
const ASIDE: &str = "before-restore-";

fn set_aside(data_dir: &Path) -> io::Result<()> {
    let aside = data_dir.join(format!("{ASIDE}{}", now_ms()));
    for name in OURS {
        let old = data_dir.join(name);
        if fs::symlink_metadata(&old).is_err() {
            continue;
        }
        match DirBuilder::new().mode(0o700).create(&aside) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => fs::rename(&old, aside.join(name))?,
        }
    }
    if aside.exists() {
        File::open(&aside)?.sync_all()?;
    }
    Ok(())
}

fn install(from: &Path, data_dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::rename(entry.path(), data_dir.join(entry.file_name()))?;
    }
    fs::remove_dir(from)
}

fn sync(folder: &Path) -> anyhow::Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("writing {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A folder with something old, and something new that is staged.
    fn staged() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        write(&data.join("wharf.db"), "old");
        write(&data.join("wharf.db-wal"), "old");
        write(&data.join("archive/u/a"), "old");
        write(&data.join("tools/yt-dlp"), "kept");
        let stage = stage(data).unwrap();
        write(&stage.join("wharf.db"), "new");
        write(&stage.join("keys.toml"), "new");
        write(&stage.join("archive/u/b"), "new");
        folder
    }

    #[track_caller]
    fn assert_new(data: &Path) {
        let text = |name: &str| fs::read_to_string(data.join(name)).unwrap_or_default();
        assert_eq!(text("wharf.db"), "new");
        assert_eq!(text("keys.toml"), "new");
        assert_eq!(text("archive/u/b"), "new");
        assert_eq!(text("tools/yt-dlp"), "kept");
        assert!(!data.join("wharf.db-wal").exists() && !data.join("archive/u/a").exists());
        assert!(!is_unfinished(data));
        let old: Vec<String> = fs::read_dir(data)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(ASIDE))
            .collect();
        assert_eq!(old.len(), 1, "{old:?}");
        assert_eq!(text(&format!("{}/archive/u/a", old[0])), "old");
        assert_eq!(text(&format!("{}/wharf.db-wal", old[0])), "old");
    }

    #[test]
    fn a_committed_restore_is_put_in_place_wherever_it_was_cut_off() {
        let folder = staged();
        commit(folder.path()).unwrap();
        assert_new(folder.path());

        // After the first rename.
        let folder = staged();
        let data = folder.path();
        fs::rename(data.join(RESTORING), data.join(RESTORED)).unwrap();
        assert!(is_unfinished(data));
        finish(data).unwrap();
        assert_new(data);

        // After the second, with one thing installed.
        let folder = staged();
        let data = folder.path();
        fs::rename(data.join(RESTORING), data.join(RESTORED)).unwrap();
        set_aside(data).unwrap();
        fs::rename(data.join(RESTORED), data.join(INSTALLING)).unwrap();
        fs::rename(data.join(".installing/wharf.db"), data.join("wharf.db")).unwrap();
        assert!(is_unfinished(data));
        finish(data).unwrap();
        assert_new(data);
    }

    #[test]
    fn what_was_only_staged_changes_nothing() {
        let folder = staged();
        let data = folder.path();
        assert!(!is_unfinished(data));
        finish(data).unwrap();
        assert_eq!(fs::read_to_string(data.join("wharf.db")).unwrap(), "old");
        assert_eq!(
            occupied(data).unwrap(),
            ["archive", "wharf.db", "wharf.db-wal"]
        );
        assert!(fs::read_dir(stage(data).unwrap()).unwrap().next().is_none());
    }
}
