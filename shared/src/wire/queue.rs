//! The queue as admins see it (VA-16).

use super::task::{Progress, progress};
use super::time::rfc3339;
use super::worker::WorkerAnswer;
use crate::error::Result;
use crate::store::cooldowns::Cooldown;
use crate::store::overview::Running;
use serde::Serialize;

/// `GET /admin/api/v1/queue`.
#[derive(Clone, Debug, Serialize)]
pub struct QueueAnswer {
    pub queued: i64,
    /// Of these, the ones whose back-off has not ended.
    pub waiting_for_retry: i64,
    pub running: i64,
    pub dead: i64,
    /// Since when the one that waits longest could have begun.
    pub oldest_queued_at: Option<String>,
    pub running_tasks: Vec<RunningTask>,
    pub cooling_sites: Vec<CoolingSite>,
    pub workers: Vec<WorkerAnswer>,
}

/// A task that a worker works on.
#[derive(Clone, Debug, Serialize)]
pub struct RunningTask {
    pub task_id: String,
    pub owner_id: String,
    /// `host[:port]` of the media URL.
    pub site: String,
    pub attempt: i64,
    /// Of the first attempt.
    pub started_at: Option<String>,
    pub progress: Progress,
    pub worker_id: String,
}

impl RunningTask {
    pub fn from_row(row: Running) -> Result<Self> {
        let task = row.task;
        Ok(Self {
            progress: progress(&task)?,
            task_id: task.task_id,
            owner_id: task.owner_id,
            site: task.site,
            attempt: task.attempt,
            started_at: task.started_at.map(rfc3339),
            worker_id: row.worker_id,
        })
    }
}

/// A site that refused us and is left alone.
#[derive(Clone, Debug, Serialize)]
pub struct CoolingSite {
    pub site: String,
    /// Refusals in a row.
    pub strikes: i64,
    pub cool_until: String,
    /// The code of the last failure.
    pub reason: String,
}

impl From<Cooldown> for CoolingSite {
    fn from(site: Cooldown) -> Self {
        Self {
            site: site.site,
            strikes: site.strikes,
            cool_until: rfc3339(site.cool_until),
            reason: site.reason,
        }
    }
}

/// `POST /admin/api/v1/dead-letters/replay`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ReplayedAnswer {
    pub replayed: u64,
}
