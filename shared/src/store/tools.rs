//! Versions of tools that an admin asked for. Every worker brings its own up to it (VA-16).

use super::Database;
use crate::error::Result;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolRequest {
    /// `yt-dlp`.
    pub tool: String,
    /// Such as `2026.10.26`, or `latest`.
    pub version: String,
    pub requested_at: i64,
    pub requested_by: String,
}

pub async fn request(database: &dyn Database, request: &ToolRequest) -> Result<()> {
    database
        .execute(
            "INSERT INTO tools (tool, version, requested_at, requested_by) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tool) DO UPDATE SET version = excluded.version, \
               requested_at = excluded.requested_at, requested_by = excluded.requested_by",
            &[
                request.tool.as_str().into(),
                request.version.as_str().into(),
                request.requested_at.into(),
                request.requested_by.as_str().into(),
            ],
        )
        .await?;
    Ok(())
}

/// What was last asked for of this tool.
pub async fn requested(database: &dyn Database, tool: &str) -> Result<Option<ToolRequest>> {
    let rows = database
        .query(
            "SELECT tool, version, requested_at, requested_by FROM tools WHERE tool = $1",
            &[tool.into()],
        )
        .await?;
    rows.first()
        .map(|row| {
            Ok(ToolRequest {
                tool: row.get("tool")?,
                version: row.get("version")?,
                requested_at: row.get("requested_at")?,
                requested_by: row.get("requested_by")?,
            })
        })
        .transpose()
}
