//! Uploaded templates (DC-6), each of one project.

use super::{Database, Row, Value};
use crate::domain::page::Page;
use crate::error::{Error, Result};

/// A template without its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub template_id: String,
    pub project_id: String,
    pub name: String,
    pub file_size: i64,
    pub sha256: String,
    /// JSON: its placeholders and its problems.
    pub report: String,
    pub created_at: i64,
}

const COLUMNS: &str = "template_id, project_id, name, file_size, sha256, report, created_at";

fn template_from(row: &Row) -> Result<Template> {
    Ok(Template {
        template_id: row.get("template_id")?,
        project_id: row.get("project_id")?,
        name: row.get("name")?,
        file_size: row.get("file_size")?,
        sha256: row.get("sha256")?,
        report: row.get("report")?,
        created_at: row.get("created_at")?,
    })
}

/// Adds a template unless its project has `most` already. Returns whether it did.
pub async fn insert(
    database: &dyn Database,
    template: &Template,
    file: Vec<u8>,
    most: i64,
) -> Result<bool> {
    let changed = database
        .execute(
            "INSERT INTO templates (template_id, project_id, name, file, file_size, sha256, report, created_at) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE \
               (SELECT COUNT(*) FROM templates WHERE project_id = $2 AND deleted_at IS NULL) < $9",
            &[
                template.template_id.as_str().into(),
                template.project_id.as_str().into(),
                template.name.as_str().into(),
                Value::Blob(file),
                template.file_size.into(),
                template.sha256.as_str().into(),
                template.report.as_str().into(),
                template.created_at.into(),
                most.into(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// The template of this id, whichever project has it; not a deleted one.
pub async fn find(database: &dyn Database, template_id: &str) -> Result<Option<Template>> {
    let sql =
        format!("SELECT {COLUMNS} FROM templates WHERE template_id = $1 AND deleted_at IS NULL");
    let rows = database.query(&sql, &[template_id.into()]).await?;
    rows.first().map(template_from).transpose()
}

/// Its file, also of one that was deleted a while ago: a task that names it may still run.
pub async fn file(database: &dyn Database, template_id: &str) -> Result<Option<Vec<u8>>> {
    let rows = database
        .query(
            "SELECT file FROM templates WHERE template_id = $1",
            &[template_id.into()],
        )
        .await?;
    rows.first().map(|row| row.get("file")).transpose()
}

/// A project's templates, newest first, and how many there are.
pub async fn list(
    database: &dyn Database,
    project_id: &str,
    page: Page,
) -> Result<(Vec<Template>, i64)> {
    let total = database
        .query(
            "SELECT COUNT(*) AS total FROM templates WHERE project_id = $1 AND deleted_at IS NULL",
            &[project_id.into()],
        )
        .await?
        .first()
        .map_or(Ok(0), |row| row.get("total"))?;
    let sql = format!(
        "SELECT {COLUMNS} FROM templates WHERE project_id = $1 AND deleted_at IS NULL \
         ORDER BY created_at DESC, template_id DESC LIMIT $2 OFFSET $3"
    );
    let rows = database
        .query(
            &sql,
            &[project_id.into(), page.limit().into(), page.offset().into()],
        )
        .await?;
    Ok((
        rows.iter().map(template_from).collect::<Result<_>>()?,
        total,
    ))
}

/// Returns whether it was there.
pub async fn delete(database: &dyn Database, template_id: &str, now: i64) -> Result<bool> {
    let changed = database
        .execute(
            "UPDATE templates SET deleted_at = $2 WHERE template_id = $1 AND deleted_at IS NULL",
            &[template_id.into(), now.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// Removes those that were deleted before `before`.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute(
            "DELETE FROM templates WHERE deleted_at IS NOT NULL AND deleted_at < $1",
            &[before.into()],
        )
        .await
}

/// 40401 in one wording.
pub fn not_found() -> Error {
    Error::not_found("template")
}
