//! Tasks.

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
