//! Removes what nobody may have any more: files of deleted tasks at once; expired quick downloads, what the
//! sweep finds, and spent sessions, tickets and cached answers every `media.clean_interval_s`; quick downloads
//! before their time when the disk is full ([`relief`]). By exactly one worker at a time (VA-12).

mod relief;

use super::attempt::LOCK;
use super::{Worker, sweep};
use crate::clock::now_ms;
use shared::Result;
use shared::domain::quota;
use shared::limits::{
    CALLBACK_KEPT_MS, CANCEL_POLL_MS, CONTENT_ORPHANED_MS, DISK_LOOK_MS, EXPORT_ORPHANED_MS,
    MAIL_KEPT_MS, PROXY_EVENT_MS, SITE_FORGIVEN_MS, SYNC_ANSWER_KEPT_MS, SYNC_PURGE_WINDOW,
    TEMPLATE_DELETED_MS, WORKER_GONE_MS,
};
use shared::store::files::{self, Disposable};
use shared::store::{
    applied, batches, callbacks, cooldowns, directories, duties, exports, links, logins, mails,
    parses, proxies, pushes, quotas, records, sessions, templates, tickets, workers,
};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows in one go.
pub(super) const BATCH: i64 = 200;
const DUTY: &str = "clean";
/// How long the duty is held without being taken again.
const LEASE_MAX: Duration = Duration::from_secs(60);
pub async fn run(worker: Arc<Worker>) {
    let interval = Duration::from_secs(worker.settings.media.clean_interval_s);
    let mut next_sweep = Instant::now();
    let mut next_relief = Instant::now();
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
        if worker.disk.usage().needs_relief() && Instant::now() >= next_relief {
            if let Err(error) = relief::run_one(&worker).await {
                tracing::error!(%error, "could not make room on the disk");
            }
            next_relief = Instant::now() + Duration::from_millis(DISK_LOOK_MS);
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
pub(super) async fn hold(worker: &Worker) -> Result<bool> {
    let now = now_ms();
    let lease = i64::try_from(lease(worker).as_millis()).unwrap_or(i64::MAX / 2);
    duties::hold(&*worker.database, DUTY, &worker.id, now, now + lease).await
}

/// One round, if no other worker has the duty. Returns whether it was done.
async fn run_one(worker: &Worker) -> Result<bool> {
    let now = now_ms();
    let Some(expired) = expire(worker, now).await? else {
        return Ok(false);
    };
    let orphans = sweep::run_one(worker).await?;
    let database = &*worker.database;
    sessions::purge(database, now).await?;
    logins::purge(database, now).await?;
    tickets::purge(database, now).await?;
    parses::purge(database, now).await?;
    quotas::purge(database, quota::day(now)).await?;
    cooldowns::purge(database, now - SITE_FORGIVEN_MS).await?;
    proxies::purge(database, now - PROXY_EVENT_MS).await?;
    workers::purge(database, now - WORKER_GONE_MS).await?;
    exports::purge(database, now - EXPORT_ORPHANED_MS).await?;
    templates::purge(database, now - TEMPLATE_DELETED_MS).await?;
    callbacks::purge(database, now - CALLBACK_KEPT_MS).await?;
    mails::purge(database, now - MAIL_KEPT_MS).await?;
    // What a publication wrote first and no resource points to, or does no more.
    links::purge(database, now - CONTENT_ORPHANED_MS).await?;
    directories::purge(database, now - CONTENT_ORPHANED_MS).await?;
    purge_sync(worker, now).await?;
    if expired + orphans > 0 {
        tracing::info!(expired, orphans, "cleaned up");
    }
    Ok(true)
}

/// Rows of data sync that everybody has, and answers that nobody asks for again.
async fn purge_sync(worker: &Worker, now: i64) -> Result<()> {
    let database = &*worker.database;
    batches::purge(database, now - SYNC_ANSWER_KEPT_MS).await?;
    pushes::purge(database, now - SYNC_ANSWER_KEPT_MS).await?;
    let kept_ms = i64::from(worker.settings.sync.keep_days) * 24 * 3600 * 1000;
    applied::purge(database, now - kept_ms).await?;
    let mut after = Some(0);
    while let Some(from) = after.filter(|_| !worker.is_stopping()) {
        after = records::purge(database, now - kept_ms, from, SYNC_PURGE_WINDOW).await?;
        hold(worker).await?;
    }
    Ok(())
}

/// Removes the quick downloads whose time is over and says how many; `None` when another worker has the
/// duty.
async fn expire(worker: &Worker, now: i64) -> Result<Option<usize>> {
    let mut expired = 0;
    loop {
        if !hold(worker).await? {
            return Ok(None);
        }
        let batch = files::expire(&*worker.database, now, BATCH).await?;
        expired += batch.len();
        for file in &batch {
            remove_files(worker, file).await;
        }
        if batch.is_empty() {
            return Ok(Some(expired));
        }
    }
}

/// The files, then the rows, of tasks that their owners deleted.
async fn remove_deleted(worker: &Worker) -> Result<()> {
    for file in files::deleted(&*worker.database, BATCH).await? {
        // Its attempt, here or on another worker, is being stopped and removes what it wrote; the row goes in a later
        // turn.
        if !is_worked_on(worker, &file.task_id).await && remove_files(worker, &file).await {
            files::forget(&*worker.database, &file.task_id).await?;
        }
    }
    Ok(())
}

/// Whether an attempt is under way: one of this worker, or one that holds the task's folder.
async fn is_worked_on(worker: &Worker, task_id: &str) -> bool {
    if worker
        .running()
        .keys()
        .any(|claim| claim.task_id == task_id)
    {
        return true;
    }
    let lock = worker.task_folder(task_id).join(LOCK);
    let look = move || {
        // Where there is none, none is made.
        let lock = File::options().write(true).open(lock);
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    };
    tokio::task::spawn_blocking(look).await.unwrap_or(true)
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
    let mut beside = file.parent().map(sweep::entries).unwrap_or_default();
    beside.retain(|path| accompanies(path, file));
    beside
}

/// Whether a path is the subtitles or the thumbnail of a finished file: the same folder and the same stem,
/// which ends in the task's id.
pub fn accompanies(path: &Path, file: &Path) -> bool {
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

pub(super) async fn remove(path: &Path) -> bool {
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
