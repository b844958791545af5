//! The section `exports`.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exports {
    /// Exports at once on one worker.
    pub concurrency: usize,
    /// How long a finished file is kept (DC-13), days.
    pub retention_days: u32,
    /// Rows that a file may have when it is built in the request (DC-3).
    pub sync_max_rows: u64,
    /// Rows of one export, unless its project's limit is lower.
    pub max_rows: u64,
    /// One file, bytes, unless its project's limit is lower.
    pub max_bytes: u64,
}

impl Default for Exports {
    fn default() -> Self {
        Self {
            concurrency: 4,
            retention_days: 7,
            sync_max_rows: 10_000,
            max_rows: 5_000_000,
            max_bytes: 4 << 30,
        }
    }
}
