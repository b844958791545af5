//! What the sweep of the data folder found (VA-12, VA-16).

use super::time::rfc3339;
use crate::store::findings::Finding;
use serde::Serialize;

/// A file without a row, or a row without its file.
#[derive(Clone, Debug, Serialize)]
pub struct FindingItem {
    /// Relative to the data folder.
    pub path: String,
    /// `file_without_row` or `row_without_file`.
    pub kind: String,
    pub task_id: Option<String>,
    /// Bytes.
    pub file_size: Option<i64>,
    pub found_at: String,
    /// When the sweep last saw it.
    pub seen_at: String,
}

impl From<Finding> for FindingItem {
    fn from(finding: Finding) -> Self {
        Self {
            path: finding.path,
            kind: finding.kind,
            task_id: finding.task_id,
            file_size: finding.file_size,
            found_at: rfc3339(finding.found_at),
            seen_at: rfc3339(finding.seen_at),
        }
    }
}
