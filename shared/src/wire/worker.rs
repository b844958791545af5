//! What a worker says of itself.

use serde::{Deserialize, Serialize};

/// The state in a worker's row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerState {
    /// Wharf's version.
    pub version: String,
    /// Tasks at once at the most.
    pub concurrency: i64,
    /// Tasks under way.
    pub running: i64,
    /// Whether downloads can work here.
    pub is_ready: bool,
    /// Of the file system that holds the data folder.
    pub disk_usage_percent: f64,
    pub disk_total_bytes: i64,
    pub disk_free_bytes: i64,
    /// Whether new tasks wait for room on the disk (VA-13).
    pub is_waiting_for_disk: bool,
    /// The version of yt-dlp in use; `None`: there is none.
    pub ytdlp: Option<String>,
    /// Why the version that was asked for is not in use.
    pub ytdlp_error: Option<String>,
    /// The breaker in front of the proxies' provider: `closed`, `open`, `half_open`.
    pub proxy_breaker: String,
}
