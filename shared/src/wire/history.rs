//! A user's download history (VA-10): the video tasks in V-Asset's words.

use super::media::DownloadSpec;
use super::task::TaskResult;
use super::time::rfc3339;
use crate::domain::media::Mode;
use crate::domain::task::Status;
use crate::error::{Error, Result};
use crate::store::tasks::{Filter, Task};
use serde::Serialize;

/// One download. `history_id` is the task's id: a download is its own history entry.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryItem {
    pub history_id: String,
    pub task_id: String,
    pub url: String,
    pub title: String,
    pub mode: Mode,
    /// 1 succeeded, 0 failed, 2 expired, 3 pending clean-up, 4 running, 5 queued.
    pub status: u8,
    pub file_size: Option<i64>,
    /// MD5.
    pub file_hash: Option<String>,
    pub expire_at: Option<String>,
    pub created_at: String,
    pub completed_at: Option<String>,
}

/// V-Asset's number of a status. A quick download whose time is over waits for the hourly clean-up.
fn number(task: &Task, now: i64) -> u8 {
    match task.status {
        Status::Succeeded if task.expires_at.is_some_and(|end| end <= now) => 3,
        Status::Succeeded => 1,
        Status::Failed | Status::Dead | Status::Cancelled => 0,
        Status::Expired => 2,
        Status::Running => 4,
        Status::Queued => 5,
    }
}

/// What a number filters by. Errors: 40001 for field `status`.
pub fn filter(number: &str, now: i64) -> Result<Filter> {
    let (statuses, overdue) = match number {
        "0" => (vec![Status::Failed, Status::Dead, Status::Cancelled], None),
        "1" => (vec![Status::Succeeded], Some((false, now))),
        "2" => (vec![Status::Expired], None),
        "3" => (vec![Status::Succeeded], Some((true, now))),
        "4" => (vec![Status::Running], None),
        "5" => (vec![Status::Queued], None),
        _ => {
            return Err(Error::invalid(
                "status",
                "The status is a number from 0 to 5.",
            ));
        }
    };
    Ok(Filter {
        statuses,
        overdue,
        ..Filter::default()
    })
}

impl HistoryItem {
    pub fn from_task(task: &Task, now: i64) -> Result<Self> {
        let spec = DownloadSpec::from_json(&task.spec)?;
        let result: Option<TaskResult> = task
            .result
            .as_deref()
            .map(|text| serde_json::from_str(text).map_err(Error::internal))
            .transpose()?;
        Ok(Self {
            history_id: task.task_id.clone(),
            task_id: task.task_id.clone(),
            url: spec.url,
            title: task.name.clone(),
            mode: spec.mode,
            status: number(task, now),
            file_size: result.as_ref().map(|result| result.file_size),
            file_hash: result.map(|result| result.md5),
            expire_at: task.expires_at.map(rfc3339),
            created_at: rfc3339(task.created_at),
            completed_at: task.finished_at.map(rfc3339),
        })
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct StatsAnswer {
    pub total: i64,
    pub succeeded: i64,
    pub failed: i64,
    /// Bytes of all finished files.
    pub bytes: i64,
}
