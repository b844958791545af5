//! Versions of tools that admins ask for (VA-16).

use super::time::rfc3339;
use super::worker::WorkerAnswer;
use crate::store::tools::ToolRequest;
use serde::{Deserialize, Serialize};

/// `GET /admin/api/v1/tools`.
#[derive(Clone, Debug, Serialize)]
pub struct ToolsAnswer {
    #[serde(rename = "yt-dlp")]
    pub ytdlp: ToolAnswer,
}

/// One tool.
#[derive(Clone, Debug, Serialize)]
pub struct ToolAnswer {
    /// `None`: nobody has asked; every worker uses what it found or set up.
    pub requested: Option<RequestedVersion>,
    pub workers: Vec<InstalledVersion>,
}

/// What an admin asked for.
#[derive(Clone, Debug, Serialize)]
pub struct RequestedVersion {
    /// Such as `2026.10.26`, or `latest`.
    pub version: String,
    pub requested_at: String,
    /// The admin's address.
    pub requested_by: String,
}

impl From<ToolRequest> for RequestedVersion {
    fn from(request: ToolRequest) -> Self {
        Self {
            version: request.version,
            requested_at: rfc3339(request.requested_at),
            requested_by: request.requested_by,
        }
    }
}

/// What a worker uses.
#[derive(Clone, Debug, Serialize)]
pub struct InstalledVersion {
    pub worker_id: String,
    /// `None`: there is none.
    pub version: Option<String>,
    /// Why it is not the one that was asked for.
    pub error: Option<String>,
}

impl From<WorkerAnswer> for InstalledVersion {
    fn from(worker: WorkerAnswer) -> Self {
        Self {
            worker_id: worker.worker_id,
            version: worker.state.ytdlp,
            error: worker.state.ytdlp_error,
        }
    }
}

/// `PUT /admin/api/v1/tools/yt-dlp`.
#[derive(Debug, Deserialize)]
pub struct ToolVersionRequest {
    pub version: String,
}
