//! Subtitles and the thumbnail, fetched by runs of yt-dlp of their own after the file is there. They read the
//! page from the first run's notes, and nothing that goes wrong in them fails the download.

use super::access::Access;
use super::download::DownloadJob;
use super::{Failure, failure, options};
use crate::process::{Job, capture};
use shared::domain::media::{ExtraKind, LanguageTag};
use shared::limits::{EXTRA_BYTES_MAX, EXTRAS_BYTES_MAX, EXTRAS_S_MAX, TOOL_OUTPUT_BYTES_MAX};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// In the work folder; what is fetched here goes with it.
const FOLDER: &str = "extras";

/// A file beside the video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedExtra {
    pub kind: ExtraKind,
    pub path: PathBuf,
    /// Of subtitles.
    pub language: Option<LanguageTag>,
}

impl FetchedExtra {
    /// What follows the stem of the video's name: `en.vtt`, `jpg`.
    pub fn suffix(&self) -> String {
        match (&self.kind, &self.language) {
            (ExtraKind::Subtitles, Some(language)) => format!("{}.vtt", language.as_str()),
            (ExtraKind::Subtitles, None) => "vtt".to_owned(),
            (ExtraKind::Thumbnail, _) => "jpg".to_owned(),
        }
    }
}

/// What there was of what the job wants, within [`EXTRAS_S_MAX`] seconds.
pub(super) async fn fetch(job: &DownloadJob, access: &Access, folder: &Path) -> Vec<FetchedExtra> {
    let folder = folder.join(FOLDER);
    let limit = Duration::from_secs(EXTRAS_S_MAX);
    let ended = match timeout(limit, run_all(job, access, &folder)).await {
        Ok(ended) => ended,
        Err(_) => Err(failure::timed_out()),
    };
    if let Err(failure) = ended {
        let code = failure.code;
        tracing::warn!(task_id = job.task_id, code, "subtitles or thumbnail missed");
    }
    // What had come before something went wrong counts.
    let found = collect(&folder).await;
    found.unwrap_or_else(|error| {
        tracing::warn!(%error, task_id = job.task_id, "subtitles or thumbnail lost");
        Vec::new()
    })
}

/// One run for the subtitles and one for the thumbnail, so that neither takes the other down.
async fn run_all(job: &DownloadJob, access: &Access, folder: &Path) -> Result<(), Failure> {
    if let Err(error) = tokio::fs::remove_dir_all(folder).await
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(failure::internal(error));
    }
    tokio::fs::create_dir(folder)
        .await
        .map_err(failure::internal)?;
    let spent = access.ticket.received_bytes();
    let budget = spent.saturating_add(EXTRAS_BYTES_MAX);
    access.ticket.limit_bytes(budget);
    if !job.subtitles.is_empty() {
        let options = options::subtitles(access, &job.subtitles)?;
        run(job, access, folder, options).await?;
    }
    if job.thumbnail {
        run(job, access, folder, options::thumbnail(access)?).await?;
    }
    Ok(())
}

async fn run(
    job: &DownloadJob,
    access: &Access,
    folder: &Path,
    options: Vec<u8>,
) -> Result<(), Failure> {
    let argv = access.argv()?;
    let process = Job {
        argv: &argv,
        folder,
        environment: access.environment(),
        input: options,
    };
    let captured = capture(process, TOOL_OUTPUT_BYTES_MAX)
        .await
        .map_err(failure::internal)?;
    if !captured.status.success() {
        let detail = failure::redacted(&captured.stderr);
        tracing::info!(task_id = job.task_id, detail, "extras failed");
    }
    Ok(())
}

/// The files `extra.<language>.vtt` and `extra.jpg` that are what they are called.
async fn collect(folder: &Path) -> io::Result<Vec<FetchedExtra>> {
    let mut found = Vec::new();
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(extra) = named(&name, entry.path()) else {
            continue;
        };
        let metadata = entry.metadata().await?;
        if metadata.is_file()
            && metadata.len() <= EXTRA_BYTES_MAX
            && is_what_it_claims(&extra).await?
        {
            found.push(extra);
        }
    }
    found.sort_by_key(FetchedExtra::suffix);
    Ok(found)
}

fn named(name: &str, path: PathBuf) -> Option<FetchedExtra> {
    let suffix = name.strip_prefix("extra.")?;
    if suffix == "jpg" {
        return Some(FetchedExtra {
            kind: ExtraKind::Thumbnail,
            path,
            language: None,
        });
    }
    let language = LanguageTag::read(suffix.strip_suffix(".vtt")?)?;
    Some(FetchedExtra {
        kind: ExtraKind::Subtitles,
        path,
        language: Some(language),
    })
}

async fn is_what_it_claims(extra: &FetchedExtra) -> io::Result<bool> {
    let mut start = Vec::new();
    let file = tokio::fs::File::open(&extra.path).await?;
    file.take(16).read_to_end(&mut start).await?;
    Ok(match extra.kind {
        ExtraKind::Thumbnail => start.starts_with(b"\xFF\xD8\xFF"),
        ExtraKind::Subtitles => {
            let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&start);
            text.starts_with(b"WEBVTT")
        }
    })
}
