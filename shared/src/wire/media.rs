//! Parse and download.

use crate::domain::media::{Format, LanguageTag, MediaUrl, Mode};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// `POST /api/v1/parse`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ParseRequest {
    pub url: String,
}

/// What a video is and in which formats it comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParseAnswer {
    pub title: String,
    /// Seconds.
    pub duration: Option<f64>,
    pub thumbnail: Option<String>,
    pub uploader: Option<String>,
    pub extractor: String,
    pub formats: Vec<MediaFormat>,
    /// Languages of the subtitles that people wrote, as a download takes them.
    #[serde(default)]
    pub subtitles: Vec<String>,
}

/// One format as the site offers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MediaFormat {
    pub format_id: String,
    pub ext: String,
    pub height: Option<i64>,
    pub fps: Option<f64>,
    /// Bytes; an estimate where the site does not say.
    pub filesize: Option<i64>,
    /// `none` where there is no such stream, as yt-dlp says.
    pub vcodec: Option<String>,
    pub acodec: Option<String>,
}

/// `POST /api/v1/download`. `quality` is `best` when left out; `format` is `mp4`, or `m4a` for audio;
/// nothing is kept beside the file or embedded in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DownloadRequest {
    pub url: String,
    pub mode: String,
    #[serde(default)]
    pub quality: Option<String>,
    #[serde(default)]
    pub format: Option<String>,
    /// Languages, as [`LanguageTag`]s.
    #[serde(default)]
    pub subtitles: Option<Vec<String>>,
    #[serde(default)]
    pub thumbnail: Option<bool>,
    #[serde(default)]
    pub metadata: Option<bool>,
}

/// The answer to an accepted download.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DownloadAnswer {
    pub task_id: String,
    pub history_id: String,
}

/// A download as it stands in its task's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DownloadSpec {
    pub url: String,
    pub mode: Mode,
    /// As the caller wrote it: `best`, `720p`, `audio`.
    pub quality: String,
    pub format: Format,
    /// Subtitles to keep beside the file, where the site has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subtitles: Vec<LanguageTag>,
    /// Whether to keep the thumbnail beside the file.
    #[serde(default, skip_serializing_if = "is_false")]
    pub thumbnail: bool,
    /// Whether to embed title, uploader and chapters; without it a plain file stays as the site serves it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub metadata: bool,
}

/// What was not asked for is not written, so that a request hashes as it did before the field was there.
fn is_false(flag: &bool) -> bool {
    !flag
}

impl DownloadSpec {
    pub fn media_url(&self) -> Result<MediaUrl> {
        MediaUrl::parse(&self.url)
    }

    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|cause| Error::internal(format!("spec: {cause}")))
    }
}
