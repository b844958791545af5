//! One attempt to fetch one video into its task's folder (VA-3, VA-6, VA-14).

use super::access::Access;
use super::attempt::{Attempt, Moved};
use super::extras::FetchedExtra;
use super::folder::prepare;
use super::parse::short;
use super::sniff::is_media;
use super::{Ytdlp, failure, options, progress};
use crate::egress::Upstream;
use crate::process::{Job, Process};
use shared::domain::cookies::Jar;
use shared::domain::media::{Format, LanguageTag, MediaUrl, Quality};
use shared::domain::task::Failure;
use shared::wire::task::Progress;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// What to fetch.
#[derive(Clone, Debug)]
pub struct DownloadJob {
    pub task_id: String,
    pub url: MediaUrl,
    pub quality: Quality,
    pub format: Format,
    /// Subtitles to fetch beside the file, where the site has them.
    pub subtitles: Vec<LanguageTag>,
    /// Whether to fetch the thumbnail beside the file.
    pub thumbnail: bool,
    /// Whether to embed title, uploader and chapters.
    pub metadata: bool,
    /// The task's own folder; made when it is not there. What an earlier attempt left is continued.
    pub folder: PathBuf,
    /// The most that the file may have, bytes.
    pub max_bytes: u64,
    /// The rented proxy of this attempt.
    pub upstream: Option<Upstream>,
    /// The cookies of the site.
    pub cookies: Option<Jar>,
}

impl DownloadJob {
    /// Whether anything is to be fetched beside the file.
    pub(super) fn wants_extras(&self) -> bool {
        self.thumbnail || !self.subtitles.is_empty()
    }
}

/// A fetched file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// In the task's folder.
    pub path: PathBuf,
    /// As the site says it; not a path.
    pub title: String,
    /// Without the dot.
    pub extension: String,
    /// Bytes.
    pub size: u64,
    /// What was fetched beside it, in the task's folder too.
    pub extras: Vec<FetchedExtra>,
}

/// Why there is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownloadError {
    Failure(Failure),
    /// The caller's token was cancelled; the process group is gone.
    Cancelled,
}

impl From<Failure> for DownloadError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Ytdlp {
    /// Runs one attempt. Progress is reported at every line of yt-dlp's, about ten times a second.
    /// Cancelling, and dropping the future, end the whole process group.
    pub async fn download(
        &self,
        job: DownloadJob,
        mut on_progress: impl FnMut(Progress) + Send,
        cancel: CancellationToken,
    ) -> Result<Downloaded, DownloadError> {
        let upstream = job.upstream.clone();
        let jar = job.cookies.as_ref();
        let mut access = self.admit(&job.task_id, &job.url, upstream, jar).await?;
        access.ffmpeg()?;
        let folder = prepare(&job).await.map_err(on_disk)?;
        let mut downloaded = loop {
            match run(&job, &access, &folder, &mut on_progress, &cancel).await {
                Ok(downloaded) => break downloaded,
                Err(DownloadError::Failure(failure)) if access.should_impersonate(&failure) => {
                    access.impersonates = true;
                }
                Err(DownloadError::Failure(failure)) => return Err(access.settle(failure).into()),
                Err(DownloadError::Cancelled) => return Err(DownloadError::Cancelled),
            }
        };
        if job.wants_extras() {
            downloaded.extras = tokio::select! {
                extras = super::extras::fetch(&job, &access, &folder) => extras,
                () = cancel.cancelled() => return Err(DownloadError::Cancelled),
            };
        }
        Ok(downloaded)
    }
}

/// Runs yt-dlp once.
async fn run(
    job: &DownloadJob,
    access: &Access,
    folder: &Path,
    on_progress: &mut (impl FnMut(Progress) + Send),
    cancel: &CancellationToken,
) -> Result<Downloaded, DownloadError> {
    let argv = access.argv()?;
    let mut process = Process::spawn(Job {
        argv: &argv,
        folder,
        environment: access.environment(),
        input: options::download(access, job)?,
    })
    .map_err(failure::internal)?;
    let mut attempt = Attempt::new(job, access);
    on_progress(progress::on_the_wire(attempt.merged.reading()));
    let followed = tokio::select! {
        followed = attempt.follow(&mut process, on_progress) => followed,
        () = cancel.cancelled() => {
            process.kill_group().await.map_err(failure::internal)?;
            return Err(DownloadError::Cancelled);
        }
    };
    if let Err(failure) = followed {
        process.kill_group().await.map_err(failure::internal)?;
        return Err(failure.into());
    }
    let status = process.wait().await.map_err(failure::internal)?;
    let moved = match attempt.moved.take() {
        Some(moved) if status.success() => moved,
        _ => {
            let found = attempt
                .explain(status.code(), folder, job.format, access)
                .await;
            let detail = failure::redacted(&attempt.stderr);
            tracing::info!(
                task_id = job.task_id,
                code = found.code,
                detail,
                "download failed"
            );
            return Err(found.into());
        }
    };
    on_progress(progress::on_the_wire(attempt.merged.finishing()));
    Ok(check(moved, folder, job.max_bytes, access).await?)
}

fn on_disk(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            failure::classify("ERROR: No space left on device", None)
        }
        _ => failure::internal(error),
    }
}

/// The last look at what yt-dlp calls a success.
async fn check(
    moved: Moved,
    folder: &Path,
    max_bytes: u64,
    access: &Access,
) -> Result<Downloaded, Failure> {
    let path = tokio::fs::canonicalize(&moved.path)
        .await
        .map_err(failure::internal)?;
    let metadata = tokio::fs::metadata(&path)
        .await
        .map_err(failure::internal)?;
    if !path.starts_with(folder) || !metadata.is_file() {
        return Err(failure::internal(
            "yt-dlp names a file outside of the task's folder",
        ));
    }
    let refuse = if metadata.len() == 0 {
        Some(failure::empty_file())
    } else if metadata.len() > max_bytes {
        Some(failure::too_large())
    } else if !is_media(&path, access).await? {
        Some(failure::not_media())
    } else {
        None
    };
    if let Some(failure) = refuse {
        // It must not be taken for a finished file by a later attempt.
        let _ = tokio::fs::remove_file(&path).await;
        return Err(failure);
    }
    Ok(Downloaded {
        title: short(moved.title.as_deref().unwrap_or("untitled")),
        extension: path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        size: metadata.len(),
        path,
        extras: Vec::new(),
    })
}
