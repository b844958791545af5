//! The section `media`.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Downloads at once on one worker.
    pub concurrency: usize,
    /// The yt-dlp to run; empty: found, else set up in `data_dir`.
    pub ytdlp: Option<PathBuf>,
    /// The ffmpeg to run; empty: found, else set up in `data_dir`.
    pub ffmpeg: Option<PathBuf>,
    /// The largest download, bytes.
    pub max_bytes: u64,
    /// How long a quick download is kept, seconds.
    pub quick_ttl_s: u64,
    /// How often expired files are removed, seconds.
    pub clean_interval_s: u64,
    /// One download, all its attempts together, seconds (VA-4).
    pub task_timeout_s: u64,
    /// Downloads at once from one site on one worker; 0: any number.
    pub site_concurrency: u32,
    /// Downloads at once of one user on one worker; 0: any number.
    pub user_concurrency: u32,
    /// How long a site is left alone after it refused us, seconds; doubled with every refusal in a row.
    pub site_cooldown_s: u32,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            concurrency: 50,
            ytdlp: None,
            ffmpeg: None,
            max_bytes: 20 << 30,
            quick_ttl_s: 86_400,
            clean_interval_s: 3600,
            task_timeout_s: 1800,
            site_concurrency: 0,
            user_concurrency: 0,
            site_cooldown_s: 5,
        }
    }
}
