//! One attempt to fetch one video into its task's folder (VA-3, VA-6, VA-14).

use super::parse::short;
use super::progress::{self, Line};
use super::{Ytdlp, environment, failure, options};
use crate::egress::{ProxyTicket, Upstream};
use crate::process::{Job, Process, push_bounded};
use shared::domain::media::{Format, MediaUrl, Quality};
use shared::domain::progress::MergedProgress;
use shared::domain::task::Failure;
use shared::limits::{
    DOWNLOAD_OVERHEAD_BYTES, PROCESS_LINE_BYTES_MAX, PROCESS_STDERR_BYTES_MAX, SNIFF_BYTES,
};
use shared::wire::task::Progress;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

/// The exit code of yt-dlp when a `--break-match-filters` filter refuses a video.
const EXIT_FILTERED: i32 = 101;

/// What to fetch.
#[derive(Clone, Debug)]
pub struct DownloadJob {
    pub task_id: String,
    pub url: MediaUrl,
    pub quality: Quality,
    pub format: Format,
    /// The task's own folder; made when it is not there. What an earlier attempt left is continued.
    pub folder: PathBuf,
    /// The most that the file may have, bytes.
    pub max_bytes: u64,
    /// The rented proxy of this attempt.
    pub upstream: Option<Upstream>,
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
        let ticket = self.admit(&job.task_id, &job.url, job.upstream.clone())?;
        let argv = self.command(&job.url)?;
        let ffmpeg = self
            .tools
            .ffmpeg
            .as_deref()
            .ok_or_else(|| failure::tool_missing("ffmpeg"))?;
        let folder = prepare(&job).await.map_err(on_disk)?;
        let mut process = Process::spawn(Job {
            argv: &argv,
            folder: &folder,
            environment: environment(&ticket),
            input: options::download(ticket.url(), ffmpeg, job.quality, job.format),
        })
        .map_err(failure::internal)?;
        let mut attempt = Attempt::new(&job, &ticket);
        on_progress(progress::on_the_wire(attempt.merged.reading()));
        let followed = tokio::select! {
            followed = attempt.follow(&mut process, &mut on_progress) => followed,
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
                let found = attempt.explain(status.code(), &folder, job.format).await;
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
        Ok(check(moved, &folder, job.max_bytes).await?)
    }
}

/// What yt-dlp has said so far.
struct Attempt<'a> {
    ticket: &'a ProxyTicket,
    max_bytes: u64,
    merged: MergedProgress,
    is_live: Option<bool>,
    moved: Option<Moved>,
    stderr: String,
}

struct Moved {
    title: Option<String>,
    path: PathBuf,
}

impl<'a> Attempt<'a> {
    fn new(job: &DownloadJob, ticket: &'a ProxyTicket) -> Self {
        Self {
            ticket,
            max_bytes: job.max_bytes,
            merged: MergedProgress::new(),
            is_live: None,
            moved: None,
            stderr: String::new(),
        }
    }

    /// Reads both outputs to their end. Errors: what must stop the process at once.
    async fn follow(
        &mut self,
        process: &mut Process,
        on_progress: &mut impl FnMut(Progress),
    ) -> Result<(), Failure> {
        let Process { stdout, stderr, .. } = process;
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            let (line, from_stderr) = tokio::select! {
                line = stdout.line(PROCESS_LINE_BYTES_MAX), if out_open => (line, false),
                line = stderr.line(PROCESS_LINE_BYTES_MAX), if err_open => (line, true),
            };
            let Some(line) = line.map_err(failure::internal)? else {
                if from_stderr {
                    err_open = false
                } else {
                    out_open = false
                }
                continue;
            };
            match progress::parse(&line) {
                Some(line) => self.take(line, on_progress)?,
                None if from_stderr => {
                    push_bounded(&mut self.stderr, &line, PROCESS_STDERR_BYTES_MAX)
                }
                None => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, line: Line, on_progress: &mut impl FnMut(Progress)) -> Result<(), Failure> {
        match line {
            Line::Seen { is_live } => self.is_live = Some(is_live),
            Line::Planned(streams) => {
                let exact = streams.iter().filter_map(|stream| stream.exact_bytes);
                if exact.fold(0u64, u64::saturating_add) > self.max_bytes {
                    return Err(failure::too_large());
                }
                // From here on it is the file that comes in, not pages held in memory.
                self.ticket
                    .limit_bytes(self.max_bytes.saturating_add(DOWNLOAD_OVERHEAD_BYTES));
                self.merged.plan(
                    streams
                        .into_iter()
                        .map(|stream| (stream.id, stream.exact_bytes.or(stream.estimated_bytes))),
                );
            }
            Line::Stream {
                id,
                report,
                total_is_exact,
            } => {
                let position = self.merged.advance(&id, report);
                let announced = report.total_bytes.filter(|_| total_is_exact).unwrap_or(0);
                if announced > self.max_bytes || self.merged.downloaded_bytes() > self.max_bytes {
                    return Err(failure::too_large());
                }
                on_progress(progress::on_the_wire(position));
            }
            Line::Step => on_progress(progress::on_the_wire(self.merged.processing())),
            Line::Moved { title, path } => {
                self.moved = Some(Moved {
                    title,
                    path: path.into(),
                })
            }
        }
        Ok(())
    }

    /// Why yt-dlp ended without a file.
    async fn explain(&self, exit: Option<i32>, folder: &Path, format: Format) -> Failure {
        if exit == Some(EXIT_FILTERED) {
            return match self.is_live {
                Some(true) => failure::live_stream(),
                _ => failure::playlist(),
            };
        }
        let found = failure::classify(&self.stderr, self.ticket.refusal());
        if found.code != "conversion_failed" {
            return found;
        }
        // ffmpeg only says that it does not understand what came.
        for path in finished(folder).await.unwrap_or_default() {
            if path
                .extension()
                .is_some_and(|extension| extension != format.extension())
                && is_text(&path).await.unwrap_or(false)
            {
                return failure::not_media();
            }
        }
        found
    }
}

fn on_disk(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            failure::classify("ERROR: No space left on device", None)
        }
        _ => failure::internal(error),
    }
}

/// Makes the folder and removes what an interrupted conversion left: yt-dlp would take it for the
/// finished file. Parts and finished streams stay and are continued.
async fn prepare(job: &DownloadJob) -> std::io::Result<PathBuf> {
    tokio::fs::create_dir_all(&job.folder).await?;
    let folder = tokio::fs::canonicalize(&job.folder).await?;
    let target = folder.join(format!("media.{}", job.format.extension()));
    let files = finished(&folder).await?;
    let sources = files.iter().filter(|path| **path != target).count();
    for path in &files {
        let stem = path.file_stem().unwrap_or_default();
        let half = Path::new(stem)
            .extension()
            .is_some_and(|extension| extension == "temp");
        // ffmpeg writes the wanted container directly while its source still lies beside it.
        if half || (*path == target && sources > 0) || tokio::fs::metadata(path).await?.len() == 0 {
            tokio::fs::remove_file(path).await?;
        }
    }
    Ok(folder)
}

/// The files `media.*` that yt-dlp has given their final names.
async fn finished(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let unfinished =
            [".part", ".ytdl"].iter().any(|end| name.ends_with(end)) || name.contains(".part-Frag");
        if name.starts_with("media.") && !unfinished {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The last look at what yt-dlp calls a success.
async fn check(moved: Moved, folder: &Path, max_bytes: u64) -> Result<Downloaded, Failure> {
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
    } else if is_text(&path).await.map_err(failure::internal)? {
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
    })
}

/// True when the file begins as a web page or a playlist does.
async fn is_text(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::with_capacity(SNIFF_BYTES);
    tokio::fs::File::open(path)
        .await?
        .take(SNIFF_BYTES as u64)
        .read_to_end(&mut start)
        .await?;
    let text = String::from_utf8_lossy(&start)
        .trim_start_matches('\u{feff}')
        .trim_start()
        .to_ascii_lowercase();
    Ok([
        "<!doctype html",
        "<html",
        "<head",
        "<body",
        "<!--",
        "#extm3u",
    ]
    .iter()
    .any(|tag| text.starts_with(tag)))
}
