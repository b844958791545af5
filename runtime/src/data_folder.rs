//! Who is in the data folder: any number of Wharf's processes, or one restore.

use crate::backup::place;
use anyhow::{Context, bail};
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::OnceLock;

/// Locked by everybody who is in the folder.
pub const LOCK: &str = ".lock";

/// Held until the process ends.
static ENTERED: OnceLock<File> = OnceLock::new();

/// Makes the folder where it is missing, for its owner only, and stays in it until the process ends. What a restore
/// had verified when it was cut off is put in place first. Errors: a restore is at work.
pub fn enter(data_dir: &Path) -> anyhow::Result<()> {
    let lock = make(data_dir)?;
    if place::is_unfinished(data_dir) {
        match lock.try_lock() {
            Ok(()) => place::finish(data_dir)?,
            // Another start does so now.
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(error).context("locking the data folder");
            }
        }
    }
    let shown = data_dir.display();
    let held = match place::is_unfinished(data_dir) {
        // It holds the lock for itself alone until it is done.
        true => lock.lock_shared().map_err(TryLockError::Error),
        false => lock.try_lock_shared(),
    };
    match held {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!("A restore into {shown} is at work."),
        Err(TryLockError::Error(error)) => return Err(error).context("locking the data folder"),
    }
    // A second call is as good as the first.
    let _first = ENTERED.set(lock);
    Ok(())
}

/// Takes the folder for itself alone, until the lock is dropped. Errors: somebody is in it.
pub fn take(data_dir: &Path) -> anyhow::Result<File> {
    let lock = make(data_dir)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "Wharf is at work in {}; stop it first (and Spin, if it serves from there).",
            data_dir.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).context("locking the data folder"),
    }
}

fn make(data_dir: &Path) -> anyhow::Result<File> {
    // Password hashes, URLs and files lie here: for its owner only, whatever the umask says.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("creating {}", data_dir.display()))?;
    let path = data_dir.join(LOCK);
    File::create(&path).with_context(|| format!("writing {}", path.display()))
}
