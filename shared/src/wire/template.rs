//! Uploaded templates (DC-6).

use super::time::rfc3339;
use crate::error::{Error, Result};
use crate::store::templates::Template;
use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Debug, Serialize)]
pub struct TemplateAnswer {
    /// Absent where the upload was only tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_id: Option<String>,
    pub name: String,
    /// Bytes.
    pub file_size: i64,
    pub sha256: String,
    /// Where values go: `{sheet, cell, kind, list?, name}`.
    pub placeholders: Value,
    /// What would come out wrong: `{sheet, cell?, code, message}`.
    pub problems: Value,
    pub created_at: String,
}

impl TemplateAnswer {
    pub fn from_template(template: &Template) -> Result<Self> {
        let mut report: Value = serde_json::from_str(&template.report)
            .map_err(|cause| Error::internal(format!("column report: {cause}")))?;
        Ok(Self {
            template_id: Some(template.template_id.clone()),
            name: template.name.clone(),
            file_size: template.file_size,
            sha256: template.sha256.clone(),
            placeholders: report["placeholders"].take(),
            problems: report["problems"].take(),
            created_at: rfc3339(template.created_at),
        })
    }
}
