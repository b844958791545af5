//! One attempt at one download: yt-dlp into the task's folder, then [`super::finish`].

use super::attempt::{Ended, Reporter, disk_failure, settle};
use super::proxies::{NoProxy, Purpose};
use super::ytdlp::{DownloadError, DownloadJob};
use super::{Worker, finish, retry};
use crate::egress::Upstream;
use crate::fault;
use shared::Result;
use shared::domain::media::Quality;
use shared::domain::proxy::Rented;
use shared::domain::task::Failure;
use shared::store::cooldowns;
use shared::store::queue::Held;
use shared::store::tasks::Task;
use shared::wire::media::DownloadSpec;
use shared::wire::task::Progress;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// `proxy` becomes the `host:port` that the attempt went through.
pub(super) async fn attempt(
    worker: &Arc<Worker>,
    task: &Task,
    claim: &Held,
    folder: &Path,
    cancel: &CancellationToken,
    proxy: &mut Option<String>,
) -> Result<Ended> {
    let spec = DownloadSpec::from_json(&task.spec)?;
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
    let limit = Duration::from_secs(worker.settings.media.task_timeout_s);
    let left = retry::time_left(task, limit);
    let upstream = rented.map(Upstream::from);
    let overtime = cancel.child_token();
    let download = download(worker, task, claim, &spec, folder, upstream, &overtime);
    tokio::pin!(download);
    let downloaded = match tokio::time::timeout(left, &mut download).await {
        Ok(downloaded) => downloaded,
        Err(_) => {
            // Its processes are gone before its folder is.
            overtime.cancel();
            let _ = download.await;
            Err(DownloadError::Failure(Failure::permanent(
                "timeout",
                "The download took longer than its limit, all attempts together.",
            )))
        }
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
    cooldowns::forgive(&*worker.database, &task.site).await?;
    let ready = match finish::prepare_video(worker, task, &spec, folder, downloaded).await {
        Ok(ready) => ready,
        Err(error) => return Ok(Ended::Failed(disk_failure(&error))),
    };
    settle(worker, task, claim, ready).await
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
    let (mut reporter, writer) = Reporter::new(worker, task, claim, cancel);
    let report = move |progress: Progress| reporter.report(progress);
    let downloaded = worker.ytdlp.download(job, report, cancel.clone()).await;
    // The last line must not overtake the finish.
    let _ = writer.await;
    downloaded
}
