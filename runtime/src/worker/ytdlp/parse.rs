//! What a URL is and in which formats it comes (VA-1).

use super::access::Access;
use super::{Ytdlp, failure, options};
use crate::egress::Upstream;
use crate::process::{Job, capture};
use serde::Deserialize;
use serde::de::IgnoredAny;
use shared::domain::cookies::Jar;
use shared::domain::media::{LanguageTag, MediaUrl};
use shared::domain::task::Failure;
use shared::limits::{PARSE_FORMATS_MAX, PARSE_OUTPUT_BYTES_MAX, PARSE_S_MAX, TITLE_CHARS_MAX};
use shared::wire::media::{MediaFormat, ParseAnswer};
use std::collections::BTreeMap;
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
    #[serde(default)]
    subtitles: Option<BTreeMap<String, IgnoredAny>>,
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
        jar: Option<&Jar>,
    ) -> Result<ParseAnswer, Failure> {
        let mut access = self.admit("parse", url, upstream, jar).await?;
        let asked = async {
            loop {
                match self.ask(url, &access).await {
                    Err(failure) if access.should_impersonate(&failure) => {
                        access.impersonates = true;
                    }
                    Err(failure) => return Err(access.settle(failure)),
                    Ok(answer) => return Ok(answer),
                }
            }
        };
        timeout(Duration::from_secs(PARSE_S_MAX), asked)
            .await
            .map_err(|_| failure::timed_out())?
    }

    /// Runs yt-dlp once.
    async fn ask(&self, url: &MediaUrl, access: &Access) -> Result<ParseAnswer, Failure> {
        let folder = self.scratch.folder().await.map_err(failure::internal)?;
        let argv = access.argv()?;
        let job = Job {
            argv: &argv,
            folder: folder.path(),
            environment: access.environment(),
            input: options::parse(access, url)?,
        };
        let captured = capture(job, PARSE_OUTPUT_BYTES_MAX)
            .await
            .map_err(failure::internal)?;
        let Some(output) = captured.stdout else {
            return Err(Failure::permanent(
                "too_large",
                "The description of this video is too large.",
            ));
        };
        if !captured.status.success() {
            let found = failure::classify(&captured.stderr, access.ticket.refusal());
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
        subtitles: media
            .subtitles
            .unwrap_or_default()
            .into_keys()
            .filter(|language| LanguageTag::read(language).is_some())
            .take(PARSE_FORMATS_MAX)
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
