//! Removes what nobody may have any more: files of deleted tasks at once; expired quick downloads, folders
//! without a row, and spent sessions, tickets and cached answers every `media.clean_interval_s`, by exactly
//! one worker at a time (VA-12).

use super::Worker;
use crate::clock::now_ms;
use shared::Result;
use shared::limits::CANCEL_POLL_MS;
use shared::store::files::{self, Disposable, Known};
use shared::store::{duties, logins, parses, sessions, tickets};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows in one go.
const BATCH: i64 = 200;
const DUTY: &str = "clean";
/// How long the duty is held without being taken again.
const LEASE_MAX: Duration = Duration::from_secs(60);
/// A temporary folder that no row has known for so long is rubbish.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(48 * 3600);

pub async fn run(worker: Arc<Worker>) {
    let interval = Duration::from_secs(worker.settings.media.clean_interval_s);
    let mut next_sweep = Instant::now();
    loop {
        if let Err(error) = remove_deleted(&worker).await {
            tracing::error!(%error, "could not remove deleted files");
        }
        if Instant::now() >= next_sweep {
            let wait = match run_one(&worker).await {
                Ok(true) => interval,
                // Somebody else has the duty, perhaps a worker that is dead by now.
                Ok(false) => lease(&worker),
                Err(error) => {
                    tracing::error!(%error, "could not clean up");
                    lease(&worker)
                }
            };
            next_sweep = Instant::now() + wait;
        }
        if !worker.pause(Duration::from_millis(CANCEL_POLL_MS)).await {
            return;
        }
    }
}

fn lease(worker: &Worker) -> Duration {
    Duration::from_secs(worker.settings.media.clean_interval_s).min(LEASE_MAX)
}

/// Takes or keeps the duty.
async fn hold(worker: &Worker) -> Result<bool> {
    let now = now_ms();
    let lease = i64::try_from(lease(worker).as_millis()).unwrap_or(i64::MAX / 2);
    duties::hold(&*worker.database, DUTY, &worker.id, now, now + lease).await
}

/// One sweep, if no other worker has the duty. Returns whether it was done.
async fn run_one(worker: &Worker) -> Result<bool> {
    let now = now_ms();
    let mut expired = 0;
    loop {
        if !hold(worker).await? {
            return Ok(false);
        }
        let batch = files::expire(&*worker.database, now, BATCH).await?;
        expired += batch.len();
        for file in &batch {
            remove_files(worker, file).await;
        }
        if batch.is_empty() {
            break;
        }
    }
    let orphans = remove_orphans(worker).await?;
    sessions::purge(&*worker.database, now).await?;
    logins::purge(&*worker.database, now).await?;
    tickets::purge(&*worker.database, now).await?;
    parses::purge(&*worker.database, now).await?;
    if expired + orphans > 0 {
        tracing::info!(expired, orphans, "cleaned up");
    }
    Ok(true)
}

/// The files, then the rows, of tasks that their owners deleted.
async fn remove_deleted(worker: &Worker) -> Result<()> {
    for file in files::deleted(&*worker.database, BATCH).await? {
        let in_work = worker
            .running()
            .keys()
            .any(|claim| claim.task_id == file.task_id);
        // Its own attempt is being stopped and removes what it wrote; the row goes in a later turn.
        if !in_work && remove_files(worker, &file).await {
            files::forget(&*worker.database, &file.task_id).await?;
        }
    }
    Ok(())
}

/// Returns whether nothing is left.
async fn remove_files(worker: &Worker, file: &Disposable) -> bool {
    let mut clean = remove(&worker.task_folder(&file.task_id)).await;
    if let Some(path) = &file.file_path {
        let path = worker.settings.data_dir.join(path);
        let companions = path.clone();
        let companions = tokio::task::spawn_blocking(move || companions_of(&companions));
        for path in companions.await.unwrap_or_default() {
            clean &= remove(&path).await;
        }
        clean &= remove(&path).await;
    }
    clean
}

/// The files that lie beside a finished one because they belong to it.
fn companions_of(file: &Path) -> Vec<PathBuf> {
    let mut beside = file.parent().map(entries).unwrap_or_default();
    beside.retain(|path| accompanies(path, file));
    beside
}

/// Whether a path is the subtitles or the thumbnail of a finished file: the same folder and the same stem,
/// which ends in the task's id.
fn accompanies(path: &Path, file: &Path) -> bool {
    let text =
        |name: Option<&std::ffi::OsStr>| name.map(|name| name.to_string_lossy().into_owned());
    let (Some(name), Some(stem)) = (text(path.file_name()), text(file.file_stem())) else {
        return false;
    };
    path != file
        && path.parent() == file.parent()
        && name
            .strip_prefix(&stem)
            .is_some_and(|rest| rest.starts_with('.'))
}

async fn remove(path: &Path) -> bool {
    let removed = match tokio::fs::metadata(path).await {
        Ok(found) if found.is_dir() => tokio::fs::remove_dir_all(path).await,
        Ok(_) => tokio::fs::remove_file(path).await,
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::error!(%error, path = %path.display(), "could not remove");
            false
        }
        _ => true,
    }
}

/// Removes what rows say is over and what lies beside the file that a row names, after a crash between
/// disk and database. Returns how many.
///
/// What *no* row knows at all may belong to another database than the one that is open now (a mistyped
/// URL, a restored backup): an archive is only reported, a temporary folder goes when it is old.
async fn remove_orphans(worker: &Worker) -> Result<usize> {
    let data_dir = worker.settings.data_dir.clone();
    let found = tokio::task::spawn_blocking(move || candidates(&data_dir))
        .await
        .map_err(shared::Error::internal)?;
    let mut removed = 0;
    let ids: Vec<String> = found.keys().cloned().collect();
    for batch in ids.chunks(usize::try_from(BATCH).unwrap_or(100)) {
        hold(worker).await?;
        let known: HashMap<String, Known> = files::known(&*worker.database, batch)
            .await?
            .into_iter()
            .map(|row| (row.task_id.clone(), row))
            .collect();
        for task_id in batch {
            for path in &found[task_id] {
                let goes = match known.get(task_id) {
                    Some(row) => is_over(worker, row, path),
                    None => is_forgotten(worker, path),
                };
                if goes && remove(path).await {
                    tracing::warn!(path = %path.display(), "removed an orphan");
                    removed += 1;
                }
            }
        }
    }
    Ok(removed)
}

/// Whether a path under a task's id may go: the task is over, or it is finished and its file is elsewhere.
fn is_over(worker: &Worker, row: &Known, path: &Path) -> bool {
    match &row.file_path {
        _ if !row.in_use => true,
        Some(file) => {
            let file = worker.settings.data_dir.join(file);
            !file.starts_with(path) && !accompanies(path, &file)
        }
        None => false,
    }
}

fn is_forgotten(worker: &Worker, path: &Path) -> bool {
    let is_temporary = path.starts_with(worker.settings.data_dir.join("tmp"));
    let age = std::fs::metadata(path)
        .and_then(|found| found.modified())
        .ok()
        .and_then(|at| at.elapsed().ok());
    let is_old = age.is_some_and(|age| age > FORGOTTEN_AFTER);
    if !is_temporary && is_old {
        tracing::warn!(path = %path.display(), "no row knows this file; it is left alone");
    }
    is_temporary && is_old
}

/// What lies under `tmp/<task_id>` and `archive/<user>/<day>/<title>_<task_id>.<suffix>`, by task.
fn candidates(data_dir: &Path) -> HashMap<String, Vec<PathBuf>> {
    let mut found: HashMap<String, Vec<PathBuf>> = HashMap::new();
    for folder in entries(&data_dir.join("tmp")) {
        if let Some(id) = folder.file_name().and_then(|name| name.to_str()) {
            let inner = entries(&folder);
            let whole = found.entry(id.to_owned()).or_default();
            whole.extend(inner.iter().filter(|path| path.is_dir()).cloned());
            whole.push(folder.clone());
        }
    }
    for user in entries(&data_dir.join("archive")) {
        for day in entries(&user) {
            for file in entries(&day) {
                let name = file.file_name().and_then(|name| name.to_str());
                // Neither an id nor a suffix such as `en.vtt` holds an underscore.
                let id = name.and_then(|name| name.rsplit_once('_')?.1.split('.').next());
                if let Some(id) = id {
                    found.entry(id.to_owned()).or_default().push(file.clone());
                }
            }
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}
