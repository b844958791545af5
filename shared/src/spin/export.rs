//! What a project may ask of an export: the hosts that its admin allowed (DC-12), templates of its own.

use super::http::Call;
use super::worker::egress_allow;
use crate::domain::egress::{self, AllowList};
use crate::domain::export::Source;
use crate::domain::source::SourceUrl;
use crate::domain::task::Failure;
use crate::error::{Code, Error, Result};
use crate::store::projects::Project;
use crate::store::templates;
use crate::wire::export::Export;

/// Refuses URLs of hosts that the project may not name, and of addresses that the egress door would not open.
/// Errors: 40301 and 40001, naming the field.
pub async fn check_hosts(project: &Project, export: &Export) -> Result<()> {
    let allow = egress_allow().await?;
    if let Source::Pulled(urls) = &export.source {
        for url in urls {
            check_host(project, &allow, "source_url", url)?;
        }
    }
    match &export.callback {
        Some(url) => check_host(project, &allow, "callback", url),
        None => Ok(()),
    }
}

fn check_host(project: &Project, allow: &AllowList, field: &str, url: &SourceUrl) -> Result<()> {
    let url = url.as_url();
    if !project.hosts.allows(url) {
        let host = url.host_str().unwrap_or_default();
        let message = format!("This project may not name the host {host}; an admin can allow it.");
        return Err(
            Error::new(Code::Forbidden, message).with_data(serde_json::json!({ "field": field }))
        );
    }
    egress::check_literal(url, allow).map_err(|failure| Error::invalid(field, failure.message))
}

/// What a source does wrong, as an answer: 42201 with the failure's word as the reason.
pub fn refusal(failure: Failure) -> Error {
    let data = serde_json::json!({ "reason": failure.code });
    Error::new(Code::Unprocessable, failure.message).with_data(data)
}

/// The template that the export names must be the project's. Errors: 40001 for what is no id, 40401, 40301.
pub async fn check_template(call: &mut Call, project: &Project, export: &Export) -> Result<()> {
    match &export.template_id {
        Some(id) => own_template(call, project, id).await.map(drop),
        None => Ok(()),
    }
}

/// A template of this project. Errors: 40001 for what is no id, 40401, 40301 for another project's.
pub async fn own_template(
    call: &mut Call,
    project: &Project,
    id: &str,
) -> Result<templates::Template> {
    let id = uuid::Uuid::try_parse(id)
        .map_err(|_| Error::invalid("template_id", "This is not an id."))?;
    let template = templates::find(call.database().await?, &id.to_string()).await?;
    let template = template.ok_or_else(templates::not_found)?;
    if template.project_id == project.project_id {
        Ok(template)
    } else {
        Err(Error::forbidden("template"))
    }
}
