//! Tasks as their owners and the admins see them.

use super::export::ExportSpec;
use super::media::DownloadSpec;
use super::time::rfc3339;
use crate::domain::file_name::beside;
use crate::domain::media::ExtraKind;
use crate::domain::task::Failure;
use crate::error::{Code, Error, Result};
use crate::store::tasks::Task;
use serde::{Deserialize, Serialize};

/// How far a task is. Every field but `percent` and `stage` may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 100, never falling.
    pub percent: f64,
    /// `queued`, `reading`, `downloading`, `processing`, `finishing`, `done`.
    pub stage: String,
    #[serde(default)]
    pub downloaded_bytes: Option<i64>,
    #[serde(default)]
    pub total_bytes: Option<i64>,
    /// Bytes per second.
    #[serde(default)]
    pub speed: Option<f64>,
    /// Seconds.
    #[serde(default)]
    pub eta: Option<f64>,
    #[serde(default)]
    pub rows: Option<i64>,
}

/// Why a task has no file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskError {
    pub code: ErrorCode,
    /// The word behind a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub message: String,
    /// What the site wanted and this server does not have: words of [`crate::domain::task::Lack`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
}

/// Of a download one of the stable words of [`Failure`]; of an export a number of the contract, as in an
/// answer's envelope, with the word as its `reason`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ErrorCode {
    Number(u16),
    Word(String),
}

impl TaskError {
    pub fn of(kind: &str, failure: &Failure) -> Self {
        let word = failure.code.to_owned();
        let (code, reason) = match kind {
            "export" => (ErrorCode::Number(number_of(failure).number()), Some(word)),
            _ => (ErrorCode::Word(word), None),
        };
        let lacks = failure.lacks.iter();
        Self {
            code,
            reason,
            message: failure.message.clone(),
            lacks: lacks.map(|lack| lack.as_str().to_owned()).collect(),
        }
    }
}

/// Whose fault it is: ours, the moment's, or the request's and its source's.
fn number_of(failure: &Failure) -> Code {
    match failure.code {
        "internal" | "worker_lost" => Code::Internal,
        "disk_full" => Code::Busy,
        "file_too_large" => Code::TooLarge,
        "template_gone" => Code::Gone,
        _ => Code::Unprocessable,
    }
}

/// The finished file (VA-7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    pub file_name: String,
    /// Bytes.
    pub file_size: i64,
    pub md5: String,
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// Of an export: how many rows its source said there were; the file has as many (DC-10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_declared: Option<i64>,
    /// Of an export: what its file has that nobody asked for, such as a column that came late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// What is kept beside the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<Extra>,
}

/// A file beside the finished one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extra {
    pub kind: ExtraKind,
    pub file_name: String,
    /// Bytes.
    pub file_size: i64,
    pub sha256: String,
    /// Of subtitles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// `POST /api/v1/tasks/{id}/url`: the file itself, or one of its extras by name.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct FileUrlRequest {
    #[serde(default)]
    pub file_name: Option<String>,
}

impl TaskResult {
    /// Whether the task made a file of this name.
    pub fn has(&self, file_name: &str) -> bool {
        let mut extras = self.extras.iter();
        self.file_name == file_name || extras.any(|extra| extra.file_name == file_name)
    }

    /// The file of this name and its path: the finished file itself, whose path is `file_path`, or one
    /// beside it, which is then described as if it were the finished one. None when there is no such file.
    pub fn named(mut self, file_path: &str, file_name: &str) -> Option<(Self, String)> {
        if self.file_name == file_name {
            return Some((self, file_path.to_owned()));
        }
        let index = self
            .extras
            .iter()
            .position(|extra| extra.file_name == file_name)?;
        let extra = self.extras.swap_remove(index);
        let path = beside(file_path, &self.file_name, &extra.file_name)?;
        self.file_name = extra.file_name;
        self.file_size = extra.file_size;
        self.sha256 = extra.sha256;
        Some((self, path))
    }
}

/// One failed attempt in a dead letter's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub attempt: i64,
    pub error: TaskError,
    /// `host:port` of the rented proxy; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Whether the site refused us, so that the next attempt takes another proxy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// How long it took, milliseconds.
    #[serde(default)]
    pub elapsed_ms: i64,
    pub at: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskAnswer {
    pub task_id: String,
    pub kind: String,
    pub status: String,
    pub name: String,
    pub progress: Progress,
    pub attempt: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<TaskResult>,
    pub created_at: String,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
}

/// A spent task with all its attempts (VA-3), for admins.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetter {
    #[serde(flatten)]
    pub task: TaskAnswer,
    pub owner_id: String,
    /// The media URL, or the URLs of an export's source, without query.
    pub source: String,
    pub attempts: Vec<Attempt>,
}

impl TaskAnswer {
    pub fn from_task(task: &Task) -> Result<Self> {
        Ok(Self {
            task_id: task.task_id.clone(),
            kind: task.kind.clone(),
            status: task.status.as_str().to_owned(),
            name: task.name.clone(),
            progress: progress(task)?,
            attempt: task.attempt.max(1),
            error: task
                .error
                .as_deref()
                .map(|text| read("error", text))
                .transpose()?,
            result: task
                .result
                .as_deref()
                .map(|text| read("result", text))
                .transpose()?,
            created_at: rfc3339(task.created_at),
            started_at: task.started_at.map(rfc3339),
            finished_at: task.finished_at.map(rfc3339),
        })
    }
}

impl DeadLetter {
    pub fn from_task(task: &Task) -> Result<Self> {
        let source = match task.kind.as_str() {
            "export" => read::<ExportSpec>("spec", &task.spec)?.sources.join(" "),
            _ => read::<DownloadSpec>("spec", &task.spec)?
                .media_url()?
                .redacted(),
        };
        Ok(Self {
            task: TaskAnswer::from_task(task)?,
            owner_id: task.owner_id.clone(),
            source,
            attempts: read("attempts", &task.attempts)?,
        })
    }
}

/// How far a row's task is.
pub fn progress(task: &Task) -> Result<Progress> {
    read("progress", &task.progress)
}

fn read<'a, T: Deserialize<'a>>(column: &str, text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|cause| Error::internal(format!("column {column}: {cause}")))
}
