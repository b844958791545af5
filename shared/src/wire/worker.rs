//! What a worker says of itself.

use super::time::rfc3339;
use crate::error::{Error, Result};
use crate::store::workers::WorkerRow;
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
    /// Whether a provider of rented proxies is configured.
    pub has_proxy_provider: bool,
    /// The breaker in front of the proxies' provider: `closed`, `open`, `half_open`.
    pub proxy_breaker: String,
}

/// A worker, for admins.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerAnswer {
    pub worker_id: String,
    pub started_at: String,
    pub seen_at: String,
    #[serde(flatten)]
    pub state: WorkerState,
}

impl WorkerAnswer {
    pub fn from_row(row: WorkerRow) -> Result<Self> {
        Ok(Self {
            state: serde_json::from_str(&row.state).map_err(Error::internal)?,
            worker_id: row.worker_id,
            started_at: rfc3339(row.started_at),
            seen_at: rfc3339(row.seen_at),
        })
    }
}
