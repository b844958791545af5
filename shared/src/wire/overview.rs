//! How the service does, for admins (VA-16).

use super::time::rfc3339;
use super::worker::WorkerAnswer;
use crate::domain::task::Status;
use crate::store::overview::{Backlog, Ended, Hour};
use serde::Serialize;
use std::collections::BTreeMap;

/// `GET /admin/api/v1/overview`.
#[derive(Clone, Debug, Serialize)]
pub struct OverviewAnswer {
    /// The oldest first; the last one is not over yet.
    pub hours: Vec<HourAnswer>,
    /// Of the tasks that ended in these hours, 0 to 1; `None`: none did.
    pub success_rate: Option<f64>,
    pub totals: TotalsAnswer,
    pub disks: Vec<DiskAnswer>,
    /// Files without a row and rows without their file.
    pub findings: i64,
    pub queue_depth: i64,
}

#[derive(Clone, Debug, Serialize)]
pub struct HourAnswer {
    /// Its beginning.
    pub hour: String,
    pub submitted: i64,
    pub succeeded: i64,
    pub failed: i64,
    /// Of the files that were finished in it.
    pub bytes: i64,
}

#[derive(Clone, Debug, Serialize)]
pub struct TotalsAnswer {
    pub users: i64,
    /// By status.
    pub tasks: BTreeMap<&'static str, i64>,
    /// Of the files that can still be had.
    pub bytes_kept: i64,
}

/// The file system that holds a worker's data folder.
#[derive(Clone, Debug, Serialize)]
pub struct DiskAnswer {
    pub worker_id: String,
    pub usage_percent: f64,
    pub total_bytes: i64,
    pub free_bytes: i64,
    /// Whether new tasks wait for room on it.
    pub is_waiting_for_disk: bool,
}

impl From<&Hour> for HourAnswer {
    fn from(hour: &Hour) -> Self {
        Self {
            hour: rfc3339(hour.starts_at),
            submitted: hour.submitted,
            succeeded: hour.succeeded,
            failed: hour.failed,
            bytes: hour.bytes,
        }
    }
}

impl From<WorkerAnswer> for DiskAnswer {
    fn from(worker: WorkerAnswer) -> Self {
        Self {
            worker_id: worker.worker_id,
            usage_percent: worker.state.disk_usage_percent,
            total_bytes: worker.state.disk_total_bytes,
            free_bytes: worker.state.disk_free_bytes,
            is_waiting_for_disk: worker.state.is_waiting_for_disk,
        }
    }
}

/// The share of successes among what ended.
pub fn success_rate(hours: &[Hour]) -> Option<f64> {
    let succeeded: i64 = hours.iter().map(|hour| hour.succeeded).sum();
    let failed: i64 = hours.iter().map(|hour| hour.failed).sum();
    let ended = succeeded + failed;
    (ended > 0).then(|| succeeded as f64 / ended as f64)
}

impl TotalsAnswer {
    pub fn new(users: i64, backlog: Backlog, ended: &[Ended]) -> Self {
        let of = |status: Status| ended.iter().find(|it| it.status == status.as_str());
        let count = |status| match status {
            Status::Queued => backlog.queued,
            Status::Running => backlog.running,
            status => of(status).map_or(0, |it| it.tasks),
        };
        let tasks = Status::ALL.map(|status| (status.as_str(), count(status)));
        Self {
            users,
            tasks: tasks.into(),
            bytes_kept: of(Status::Succeeded).map_or(0, |it| it.bytes),
        }
    }
}
