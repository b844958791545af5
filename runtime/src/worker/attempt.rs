//! One attempt at one task, whatever its kind: the folder is taken, the kind's own work is done, and what
//! follows is recorded.

use super::queue::Kind;
use super::{Worker, export, finish, retry, video};
use crate::clock::now_ms;
use shared::Result;
use shared::domain::task::{Failure, Status};
use shared::limits::{FOLDER_WAIT_MS_MAX, PROGRESS_ROW_MS};
use shared::store::queue::{self, Held};
use shared::store::tasks::{self, Task};
use shared::wire::task::Progress;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Held in a task's folder during an attempt.
pub const LOCK: &str = ".lock";
/// In a task's folder: what an attempt writes and the next one continues.
pub const WORK: &str = "work";

/// How an attempt ended.
pub(super) enum Ended {
    Finished,
    Failed(Failure),
    /// It did not begin and uses up no try; milliseconds until it is worth beginning.
    Postponed(i64),
    /// The claim is lost or the worker stops.
    Stopped,
}

/// Runs a claimed task to the end of this attempt.
pub async fn run(worker: Arc<Worker>, task: Task, claim: Held, cancel: CancellationToken) {
    let started = Instant::now();
    tracing::info!(
        task_id = task.task_id,
        request_id = task.request_id,
        attempt = task.attempt,
        source = task.name,
        "attempt started"
    );
    // `host:port` of the proxy that the attempt went through.
    let mut proxy = None;
    let ended = match begin(&worker, &task, &claim, &cancel, &mut proxy).await {
        Ok(ended) => ended,
        Err(error) => {
            tracing::error!(%error, task_id = task.task_id, "attempt broke off");
            Ended::Failed(Failure::retryable(
                "internal",
                "Something went wrong on our side.",
            ))
        }
    };
    let outcome = match ended {
        Ended::Finished => {
            worker.counts.of(Kind::of(&task)).succeeded.inc();
            Ok("finished")
        }
        Ended::Failed(failure) => {
            let elapsed = started.elapsed();
            retry::fail(&worker, &task, &claim, &failure, proxy, elapsed).await
        }
        Ended::Postponed(wait_ms) => retry::postpone(&worker, &task, &claim, wait_ms).await,
        Ended::Stopped => clean_up_lost(&worker, Kind::of(&task), &claim)
            .await
            .map(|()| "stopped"),
    };
    tracing::info!(
        task_id = task.task_id,
        request_id = task.request_id,
        attempt = task.attempt,
        outcome = outcome.as_ref().map_or("unknown", |word| word),
        elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "attempt ended"
    );
    if let Err(error) = outcome {
        // The row still says running: the lease ends and the task is rescued.
        tracing::error!(%error, task_id = task.task_id, "could not record the attempt");
    }
}

async fn begin(
    worker: &Arc<Worker>,
    task: &Task,
    claim: &Held,
    cancel: &CancellationToken,
    proxy: &mut Option<String>,
) -> Result<Ended> {
    let folder = worker.task_folder(&task.task_id).join(WORK);
    let _lock = match lock(&worker.task_folder(&task.task_id)).await {
        Ok(lock) => lock,
        Err(error) => return Ok(Ended::Failed(disk_failure(&error))),
    };
    // A crash may have come after the work and before its row: then only that is left to do.
    if let Some(ready) = finish::resumable(worker, task, &folder).await? {
        return settle(worker, task, claim, ready).await;
    }
    if let Err(error) = tokio::fs::create_dir_all(&folder).await {
        return Ok(Ended::Failed(disk_failure(&error)));
    }
    match Kind::of(task) {
        Kind::Video => video::attempt(worker, task, claim, &folder, cancel, proxy).await,
        Kind::Export => export::attempt(worker, task, claim, &folder, cancel).await,
    }
}

/// Keeps two attempts out of one folder: after a suspended machine or a hung database the former one may
/// still be ending while this one starts.
async fn lock(folder: &Path) -> std::io::Result<File> {
    tokio::fs::create_dir_all(folder).await?;
    let file = File::create(folder.join(LOCK))?;
    let deadline = Instant::now() + Duration::from_millis(FOLDER_WAIT_MS_MAX);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                return Err(std::io::ErrorKind::ResourceBusy.into());
            }
            Err(TryLockError::WouldBlock) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

pub(super) async fn settle(
    worker: &Arc<Worker>,
    task: &Task,
    claim: &Held,
    ready: finish::Ready,
) -> Result<Ended> {
    match finish::settle(worker, task, claim, &ready).await {
        Ok(true) => Ok(Ended::Finished),
        Ok(false) => Ok(Ended::Stopped),
        Err(finish::SettleError::Disk(error)) => Ok(Ended::Failed(disk_failure(&error))),
        Err(finish::SettleError::Store(error)) => Err(error),
    }
}

/// Tells listeners of progress at once, and the row now and then, however slow the database is.
pub(super) struct Reporter {
    worker: Arc<Worker>,
    shown: Task,
    /// A resumed or retried task goes on from where its bar stood (VA-6: never falling).
    floor: f64,
    newest: watch::Sender<(String, i64)>,
}

impl Reporter {
    /// The second writes the rows; it ends after the reporter is dropped, and is waited for, so that the last
    /// line does not overtake the finish.
    pub(super) fn new(
        worker: &Arc<Worker>,
        task: &Task,
        claim: &Held,
        cancel: &CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let (newest, lines) = watch::channel((task.progress.clone(), task.updated_at));
        let writer = write_progress(worker.clone(), claim.clone(), lines, cancel.clone());
        let floor = serde_json::from_str::<Progress>(&task.progress).map_or(0.0, |it| it.percent);
        let reporter = Self {
            worker: worker.clone(),
            shown: task.clone(),
            floor,
            newest,
        };
        (reporter, tokio::spawn(writer))
    }

    pub(super) fn report(&mut self, mut progress: Progress) {
        progress.percent = progress.percent.max(self.floor);
        if let Ok(json) = serde_json::to_string(&progress) {
            self.shown.progress.clone_from(&json);
            self.shown.updated_at = now_ms();
            self.worker.hub.publish(&self.shown);
            self.newest.send_replace((json, self.shown.updated_at));
        }
    }
}

/// Writes the newest progress to the row at most every [`PROGRESS_ROW_MS`], and the last one at the end.
async fn write_progress(
    worker: Arc<Worker>,
    claim: Held,
    mut lines: watch::Receiver<(String, i64)>,
    cancel: CancellationToken,
) {
    while lines.changed().await.is_ok() {
        // With the time at which it was seen, so that the row never looks newer than what was shown since.
        let (progress, at) = lines.borrow_and_update().clone();
        match queue::set_progress(&*worker.database, &claim, &progress, at).await {
            Ok(true) => {}
            Ok(false) => return cancel.cancel(),
            Err(error) => tracing::warn!(%error, "could not write progress"),
        }
        let pause = tokio::time::sleep(Duration::from_millis(PROGRESS_ROW_MS));
        tokio::select! {
            () = pause => {}
            // The sender is gone: one more turn writes what came last.
            () = closed(&lines) => {}
        }
    }
}

/// Ends when no more progress will come.
async fn closed(lines: &watch::Receiver<(String, i64)>) {
    let mut lines = lines.clone();
    while lines.changed().await.is_ok() {}
}

/// After the claim is lost: a cancelled or deleted task leaves nothing behind; one that the worker gives
/// back, or that another claimed, keeps its parts.
pub(super) async fn clean_up_lost(worker: &Worker, kind: Kind, claim: &Held) -> Result<()> {
    if worker.stop.is_cancelled() {
        return Ok(());
    }
    let task = tasks::find(&*worker.database, &claim.task_id).await?;
    if task.is_none_or(|task| matches!(task.status, Status::Cancelled | Status::Failed)) {
        worker.counts.of(kind).cancelled.inc();
        remove_folder(worker, &claim.task_id).await;
    } else {
        worker.counts.of(kind).lost.inc();
    }
    Ok(())
}

pub(super) async fn remove_folder(worker: &Worker, task_id: &str) {
    let folder = worker.task_folder(task_id);
    match tokio::fs::remove_dir_all(&folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::error!(%error, task_id, "could not remove the task's folder");
        }
        _ => {}
    }
}

pub(super) fn disk_failure(error: &std::io::Error) -> Failure {
    tracing::error!(%error, "the disk refused");
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Failure::retryable("disk_full", "The disk is full.")
        }
        _ => Failure::retryable("internal", "The file could not be stored."),
    }
}
