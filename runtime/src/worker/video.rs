//! One attempt at one download: yt-dlp into the task's folder, then [`super::finish`].

use super::proxies::{NoProxy, Purpose};
use super::ytdlp::{DownloadError, DownloadJob};
use super::{Worker, finish, retry};
use crate::clock::now_ms;
use crate::egress::Upstream;
use crate::fault;
use shared::Result;
use shared::domain::media::Quality;
use shared::domain::proxy::Rented;
use shared::domain::task::{Failure, Status};
use shared::limits::{FOLDER_WAIT_MS_MAX, PROGRESS_ROW_MS};
use shared::store::queue::{self, Held};
use shared::store::sites;
use shared::store::tasks::{self, Task};
use shared::wire::media::DownloadSpec;
use shared::wire::task::Progress;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Held in a task's folder during an attempt.
pub const LOCK: &str = ".lock";

/// How an attempt ended.
enum Ended {
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
    let ended = match attempt(&worker, &task, &claim, &cancel, &mut proxy).await {
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
            worker.counts.succeeded.inc();
            Ok("finished")
        }
        Ended::Failed(failure) => retry::fail(&worker, &task, &claim, &failure, proxy).await,
        Ended::Postponed(wait_ms) => retry::postpone(&worker, &claim, wait_ms).await,
        Ended::Stopped => clean_up_lost(&worker, &claim).await.map(|()| "stopped"),
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

async fn attempt(
    worker: &Arc<Worker>,
    task: &Task,
    claim: &Held,
    cancel: &CancellationToken,
    proxy: &mut Option<String>,
) -> Result<Ended> {
    let spec = DownloadSpec::from_json(&task.spec)?;
    let folder = worker.task_folder(&task.task_id).join("work");
    let _lock = match lock(&worker.task_folder(&task.task_id)).await {
        Ok(lock) => lock,
        Err(error) => return Ok(Ended::Failed(disk_failure(&error))),
    };
    // A crash may have come after the download and before its row: then only that is left to do.
    if let Some(ready) = finish::resumable(worker, task, &folder).await? {
        return settle(worker, task, claim, ready).await;
    }
    if let Err(error) = tokio::fs::create_dir_all(&folder).await {
        return Ok(Ended::Failed(disk_failure(&error)));
    }
    let purpose = Purpose {
        attempt: Some((&task.task_id, task.attempt)),
        site: &task.site,
        was_refused: retry::was_refused(task),
    };
    let rented = match worker.rent_proxy(purpose).await {
        Ok(rented) => rented,
        Err(NoProxy::Failed(failure)) => return Ok(Ended::Failed(failure)),
        Err(NoProxy::NotNow { wait_ms }) => return Ok(Ended::Postponed(wait_ms)),
    };
    *proxy = rented.as_ref().map(Rented::name);
    fault::point("download:started");
    let timeout = Duration::from_secs(worker.settings.media.task_timeout_s);
    let upstream = rented.map(Upstream::from);
    let download = download(worker, task, claim, &spec, &folder, upstream, cancel);
    let downloaded = match tokio::time::timeout(timeout, download).await {
        Ok(downloaded) => downloaded,
        Err(_) => Err(DownloadError::Failure(Failure::retryable(
            "timeout",
            "The download took longer than its limit.",
        ))),
    };
    if let Some(proxy) = &proxy {
        let outcome = match &downloaded {
            Ok(_) => "succeeded",
            Err(DownloadError::Cancelled) => "cancelled",
            Err(DownloadError::Failure(failure)) => failure.code,
        };
        worker.note_proxy(purpose, Some(proxy), outcome).await;
    }
    let downloaded = match downloaded {
        Ok(downloaded) => downloaded,
        Err(DownloadError::Cancelled) => return Ok(Ended::Stopped),
        Err(DownloadError::Failure(failure)) => return Ok(Ended::Failed(failure)),
    };
    sites::forgive(&*worker.database, &task.site).await?;
    let ready = match finish::prepare(task, &spec, &folder, downloaded).await {
        Ok(ready) => ready,
        Err(error) => return Ok(Ended::Failed(disk_failure(&error))),
    };
    settle(worker, task, claim, ready).await
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

async fn settle(
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

/// Runs yt-dlp; progress goes to listeners at once and to the row now and then.
async fn download(
    worker: &Arc<Worker>,
    task: &Task,
    claim: &Held,
    spec: &DownloadSpec,
    folder: &Path,
    upstream: Option<Upstream>,
    cancel: &CancellationToken,
) -> std::result::Result<super::ytdlp::Downloaded, DownloadError> {
    let internal = |error: shared::Error| {
        tracing::error!(%error, task_id = task.task_id, "unreadable task");
        DownloadError::Failure(Failure::permanent("internal", "The task cannot be read."))
    };
    let url = spec.media_url().map_err(internal)?;
    let cookies = worker.cookies_for(&url).await;
    let job = DownloadJob {
        task_id: task.task_id.clone(),
        url,
        quality: Quality::parse(&spec.quality).map_err(internal)?,
        format: spec.format,
        subtitles: spec.subtitles.clone(),
        thumbnail: spec.thumbnail,
        metadata: spec.metadata,
        folder: folder.to_owned(),
        max_bytes: worker.settings.media.max_bytes,
        upstream,
        cookies,
    };
    // Listeners hear at once; the row gets the newest now and then, however slow the database is.
    let (newest, lines) = watch::channel((task.progress.clone(), task.updated_at));
    let writer = write_progress(worker.clone(), claim.clone(), lines, cancel.clone());
    let writer = tokio::spawn(writer);
    let floor = serde_json::from_str::<Progress>(&task.progress).map_or(0.0, |it| it.percent);
    let hub_worker = worker.clone();
    let mut shown = task.clone();
    let report = move |mut progress: Progress| {
        // A resumed or retried task goes on from where its bar stood (VA-6: never falling).
        progress.percent = progress.percent.max(floor);
        if let Ok(json) = serde_json::to_string(&progress) {
            shown.progress.clone_from(&json);
            shown.updated_at = now_ms();
            hub_worker.hub.publish(&shown);
            newest.send_replace((json, shown.updated_at));
        }
    };
    let downloaded = worker.ytdlp.download(job, report, cancel.clone()).await;
    // The last line must not overtake the finish.
    let _ = writer.await;
    downloaded
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
pub(super) async fn clean_up_lost(worker: &Worker, claim: &Held) -> Result<()> {
    if worker.stop.is_cancelled() {
        return Ok(());
    }
    let task = tasks::find(&*worker.database, &claim.task_id).await?;
    if task.is_none_or(|task| matches!(task.status, Status::Cancelled | Status::Failed)) {
        worker.counts.cancelled.inc();
        remove_folder(worker, &claim.task_id).await;
    } else {
        worker.counts.lost.inc();
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

fn disk_failure(error: &std::io::Error) -> Failure {
    tracing::error!(%error, "the disk refused");
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Failure::retryable("disk_full", "The disk is full.")
        }
        _ => Failure::retryable("internal", "The file could not be stored."),
    }
}
