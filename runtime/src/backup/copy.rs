//! A copy of the SQLite database as it is at one moment, while others go on writing.

use crate::database::{self, SQLITE_FILE, SqliteLook};
use anyhow::{Context, bail};
use shared::store::Database;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// In the data folder while a backup is written.
const COPY: &str = ".backup.db";
/// Held meanwhile.
const LOCK: &str = ".backup.lock";

/// The copy; gone when dropped.
pub(super) struct Copy {
    // In this order: its rows are closed, then it is removed, then another backup may begin.
    look: SqliteLook,
    file: Temporary,
    _lock: File,
}

/// A database that is removed when dropped.
struct Temporary(PathBuf);

impl Copy {
    /// Errors: another backup is being written; there is no database, or no room for a copy. Blocks.
    pub(super) fn make(data_dir: &Path) -> anyhow::Result<Self> {
        let source = data_dir.join(SQLITE_FILE);
        if !source.is_file() {
            bail!("There is no database in {} to back up.", data_dir.display());
        }
        let lock = File::create(data_dir.join(LOCK)).context("writing into the data folder")?;
        if lock.try_lock().is_err() {
            bail!("Another backup of {} is being written.", data_dir.display());
        }
        let file = Temporary(data_dir.join(COPY));
        // What a killed one left.
        remove(&file.0);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file.0)
            .context("making a copy of the database")?;
        database::copy(&source, &file.0).context("copying the database")?;
        let look = SqliteLook::open(&file.0).context("reading the copy of the database")?;
        Ok(Self {
            look,
            file,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.0
    }

    /// Its rows.
    pub(super) fn database(&self) -> &dyn Database {
        &self.look
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(path: &Path) {
    for beside in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        let _missing = std::fs::remove_file(name);
    }
}
