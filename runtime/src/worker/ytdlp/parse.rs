//! What a URL is and in which formats it comes (VA-1).

use super::{Ytdlp, environment, failure, options};
use crate::egress::Upstream;
use crate::process::{Job, capture};
use serde::Deserialize;
use shared::domain::media::MediaUrl;
use shared::domain::task::Failure;
use shared::limits::{PARSE_FORMATS_MAX, PARSE_OUTPUT_BYTES_MAX, PARSE_S_MAX, TITLE_CHARS_MAX};
use shared::wire::media::{MediaFormat, ParseAnswer};
use std::time::Duration;
use tokio::time::timeout;

#[derive(Deserialize)]
struct RawMedia {
    #[serde(default, rename = "_type")]
    kind: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    duration: Option<f64>,
    #[serde(default)]
    thumbnail: Option<String>,
    #[serde(default)]
    uploader: Option<String>,
    #[serde(default)]
    extractor: Option<String>,
    #[serde(default)]
    is_live: Option<bool>,
    #[serde(default)]
    live_status: Option<String>,
    #[serde(default)]
    formats: Vec<RawFormat>,
}

#[derive(Deserialize)]
struct RawFormat {
    #[serde(default)]
    format_id: Option<String>,
    #[serde(default)]
    ext: Option<String>,
    #[serde(default)]
    height: Option<f64>,
    #[serde(default)]
    fps: Option<f64>,
    #[serde(default)]
    filesize: Option<f64>,
    #[serde(default)]
    filesize_approx: Option<f64>,
    #[serde(default)]
    vcodec: Option<String>,
    #[serde(default)]
    acodec: Option<String>,
    #[serde(default)]
    protocol: Option<String>,
}

impl Ytdlp {
    /// Asks yt-dlp what is at this URL, within [`PARSE_S_MAX`] seconds. Dropping the future ends the
    /// process. Failures: `playlist`, `live_stream`, `unsupported_url` and those of a download.
    pub async fn parse(
        &self,
        url: &MediaUrl,
        upstream: Option<Upstream>,
    ) -> Result<ParseAnswer, Failure> {
        let ticket = self.admit("parse", url, upstream)?;
        let argv = self.command(url)?;
        let folder = Scratch::make(&self.scratch).await?;
        let job = Job {
            argv: &argv,
            folder: &folder.0,
            environment: environment(&ticket),
            input: options::parse(ticket.url()),
        };
        let limit = Duration::from_secs(PARSE_S_MAX);
        let captured = timeout(limit, capture(job, PARSE_OUTPUT_BYTES_MAX))
            .await
            .map_err(|_| failure::timed_out())?
            .map_err(failure::internal)?;
        let Some(output) = captured.stdout else {
            return Err(Failure::permanent(
                "too_large",
                "The description of this video is too large.",
            ));
        };
        if !captured.status.success() {
            let found = failure::classify(&captured.stderr, ticket.refusal());
            let detail = failure::redacted(&captured.stderr);
            tracing::info!(
                url = url.redacted(),
                code = found.code,
                detail,
                "parse failed"
            );
            return Err(found);
        }
        read(&output)
    }
}

fn read(output: &[u8]) -> Result<ParseAnswer, Failure> {
    // `null` is what yt-dlp prints for a URL that it ended up with nothing for.
    let media: Option<RawMedia> = serde_json::from_slice(output).map_err(failure::internal)?;
    let Some(media) = media else {
        return Err(failure::classify("ERROR: Unsupported URL", None));
    };
    if matches!(media.kind.as_deref(), Some("playlist" | "multi_video")) {
        return Err(failure::playlist());
    }
    let status = media.live_status.as_deref();
    if media.is_live == Some(true) || matches!(status, Some("is_live" | "is_upcoming")) {
        return Err(failure::live_stream());
    }
    Ok(ParseAnswer {
        title: short(media.title.as_deref().unwrap_or("untitled")),
        duration: media.duration,
        thumbnail: media
            .thumbnail
            .filter(|url| url.starts_with("https://") || url.starts_with("http://")),
        uploader: media.uploader.as_deref().map(short),
        extractor: media.extractor.unwrap_or_default(),
        formats: media
            .formats
            .into_iter()
            // Story boards are pictures.
            .filter(|format| format.protocol.as_deref() != Some("mhtml"))
            .take(PARSE_FORMATS_MAX)
            .map(wire)
            .collect(),
    })
}

fn wire(raw: RawFormat) -> MediaFormat {
    MediaFormat {
        format_id: raw.format_id.unwrap_or_default(),
        ext: raw.ext.unwrap_or_default(),
        height: raw.height.map(|lines| lines as i64),
        fps: raw.fps,
        filesize: raw
            .filesize
            .or(raw.filesize_approx)
            .map(|bytes| bytes as i64),
        vcodec: raw.vcodec,
        acodec: raw.acodec,
    }
}

/// A title without control characters, at most [`TITLE_CHARS_MAX`] characters.
pub(super) fn short(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain
        .take(TITLE_CHARS_MAX)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A folder for one parse, removed with it.
struct Scratch(std::path::PathBuf);

impl Scratch {
    async fn make(parent: &std::path::Path) -> Result<Self, Failure> {
        let folder = parent.join(format!("parse-{}", uuid::Uuid::now_v7()));
        tokio::fs::create_dir_all(&folder)
            .await
            .map_err(failure::internal)?;
        // Relative paths mean something else to a process that runs in this folder.
        tokio::fs::canonicalize(&folder)
            .await
            .map(Self)
            .map_err(failure::internal)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let folder = std::mem::take(&mut self.0);
        // Dropping happens on async threads too, and removing blocks.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { tokio::fs::remove_dir_all(folder).await });
        }
    }
}
