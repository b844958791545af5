//! Makes room when the disk is full (VA-13): what has expired goes first, then what dead letters left for a
//! replay, then the quick downloads that end first, until the usage is back at the warning. Archives stay.

use super::{BATCH, expire, hold, remove_files};
use crate::clock::now_ms;
use crate::worker::attempt::{LOCK, WORK};
use crate::worker::{Worker, sweep};
use shared::Result;
use shared::store::files;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Rows in one go: no file more than needed goes before its time.
const QUICK_BATCH: i64 = 1;

/// One look at the disk, and what it takes.
pub(super) async fn run_one(worker: &Worker) -> Result<()> {
    let look = async || worker.disk.look().await.map_err(shared::Error::internal);
    if expire(worker, now_ms()).await?.is_none() || !look().await?.needs_relief() {
        return Ok(());
    }
    let excess = i64::try_from(worker.disk.usage().excess_bytes()).unwrap_or(i64::MAX);
    let freed = remove_dead(worker, excess).await?;
    remove_quick(worker, excess.saturating_sub(freed)).await?;
    look().await.map(drop)
}

/// Removes the work folders of dead letters, the oldest tasks' first: a replay downloads anew. Returns the bytes
/// that it freed.
async fn remove_dead(worker: &Worker, wanted: i64) -> Result<i64> {
    let tmp = worker.settings.data_dir.join("tmp");
    let left = tokio::task::spawn_blocking(move || with_work(&tmp)).await;
    let left = left.map_err(shared::Error::internal)?;
    let (mut letters, mut freed) = (0, 0);
    'batches: for batch in left.chunks(usize::try_from(BATCH).unwrap_or(100)) {
        if !hold(worker).await? {
            break;
        }
        let dead = files::dead(&*worker.database, batch).await?;
        for task_id in batch.iter().filter(|id| dead.contains(id)) {
            if freed >= wanted {
                break 'batches;
            }
            let folder = worker.task_folder(task_id);
            let removed = tokio::task::spawn_blocking(move || remove_work(&folder)).await;
            match removed.map_err(shared::Error::internal)? {
                Ok(Some(bytes)) => (letters, freed) = (letters + 1, freed + bytes),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, task_id, "could not remove a dead letter's folder");
                }
            }
        }
    }
    if letters > 0 {
        tracing::warn!(
            letters,
            bytes = freed,
            "removed what dead letters had downloaded to make room"
        );
    }
    Ok(freed)
}

/// The tasks with a work folder, in the order of their ids, which is that of their submission. Blocks.
fn with_work(tmp: &Path) -> Vec<String> {
    let mut found: Vec<String> = sweep::entries(tmp)
        .into_iter()
        .filter(|folder| folder.join(WORK).is_dir())
        .filter_map(|folder| folder.file_name()?.to_str().map(str::to_owned))
        .collect();
    found.sort();
    found
}

/// Removes the work folder in a task's folder and returns its bytes; `None` when an attempt has begun in it
/// meanwhile. Blocks.
fn remove_work(folder: &Path) -> io::Result<Option<i64>> {
    // Held until the folder is gone; an attempt that begins waits for it.
    let lock = File::create(folder.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let work = folder.join(WORK);
    let bytes = bytes_under(work.clone());
    fs::remove_dir_all(work).map(|()| Some(bytes))
}

/// Bytes of the files in a folder, at any depth. Blocks.
fn bytes_under(folder: PathBuf) -> i64 {
    let (mut open, mut bytes) = (vec![folder], 0);
    while let Some(folder) = open.pop() {
        for path in sweep::entries(&folder) {
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => open.push(path),
                Ok(found) => bytes += i64::try_from(found.len()).unwrap_or(0),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// Removes quick downloads before their time, the ones that end first before the others.
async fn remove_quick(worker: &Worker, wanted: i64) -> Result<()> {
    let (mut files, mut freed) = (0, 0);
    while freed < wanted && hold(worker).await? {
        let batch = files::expire_early(&*worker.database, now_ms(), QUICK_BATCH).await?;
        if batch.is_empty() {
            break;
        }
        for (file, size) in &batch {
            if remove_files(worker, file).await {
                (files, freed) = (files + 1, freed + size);
            }
        }
    }
    if files > 0 {
        tracing::warn!(
            files,
            bytes = freed,
            "removed quick downloads before their time to make room"
        );
    }
    Ok(())
}
