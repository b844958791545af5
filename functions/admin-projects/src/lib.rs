//! Routes: `/admin/api/v1/projects`, `/admin/api/v1/projects/:id`, `/admin/api/v1/projects/:id/secret`.
//!
//! Apart from the other admin routes because it alone holds the key that callback secrets come from.

use serde_json::json;
use shared::auth::callback::CallbackKey;
use shared::auth::secret;
use shared::domain::account::Role;
use shared::domain::page::Page;
use shared::domain::project::Name;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call, answer, log_change};
use shared::spin::{new_id, now_ms, variable};
use shared::store::projects::{self, Change};
use shared::wire::envelope::List;
use shared::wire::project::{
    CreatedProject, ProjectChangeRequest, ProjectItem, ProjectRequest, Replaced, SecretAnswer,
    SecretRequest,
};
use shared::{Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;
use uuid::Uuid;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().skip(3).map(String::as_str).collect();
    match path.as_slice() {
        ["projects"] => all(call).await,
        ["projects", id] => one(call, id).await,
        ["projects", id, "secret"] => rotate(call, id).await,
        _ => Err(Error::not_found("route")),
    }
}

async fn all(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET, Method::POST])?;
    if call.method == Method::POST {
        return create(call).await;
    }
    authenticate_admin(call, Role::Admin).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let group = call.query("group").map(|text| Name::parse("group", text));
    let group = group.transpose()?;
    let group = group.as_ref().map(Name::as_str);
    let (found, total) = projects::list(call.database().await?, group, page).await?;
    let now = now_ms();
    let items = found.into_iter().map(|it| ProjectItem::new(it, now));
    Answer::ok(&List::new(items.collect(), total, page))
}

async fn create(call: &mut Call) -> Result<Answer> {
    let admin = authenticate_admin(call, Role::Admin).await?;
    let request: ProjectRequest = call.json().await?;
    let now = now_ms();
    let (project, client_secret) = request.project(new_id(), &admin.email, now)?;
    let key = callback_key().await?;
    let project = projects::create(call.database().await?, &project).await?;
    let subject = json!({ "project_id": project.project_id });
    log_change(call, &admin, "create_project", subject);
    let created = CreatedProject::new(project, client_secret, &key, now)?;
    Ok(Answer::json(201, &created)?.unkept())
}

async fn one(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET, Method::PUT, Method::DELETE])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let id = project_id(id)?;
    let (now, unknown) = (now_ms(), || Error::not_found("project"));
    let (change, fields) = match call.method {
        Method::DELETE => {
            let disable = Change {
                is_disabled: Some(true),
                ..Change::default()
            };
            (disable, vec!["disabled"])
        }
        Method::PUT => {
            let request: ProjectChangeRequest = call.json().await?;
            (request.change()?, request.fields())
        }
        _ => {
            let found = projects::find(call.database().await?, &id).await?;
            return Answer::ok(&ProjectItem::new(found.ok_or_else(unknown)?, now));
        }
    };
    let project = projects::change(call.database().await?, &id, &change, now).await?;
    let project = project.ok_or_else(unknown)?;
    let subject =
        json!({ "project_id": id, "fields": fields, "disabled": project.disabled_at.is_some() });
    log_change(call, &admin, "change_project", subject);
    Answer::ok(&ProjectItem::new(project, now))
}

async fn rotate(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let id = project_id(id)?;
    let request: SecretRequest = call.json_if_any().await?;
    let (replaced, now) = (request.replaced()?, now_ms());
    let subject = json!({ "project_id": id });
    let unknown = || Error::not_found("project");
    let (answer, action) = match replaced {
        Replaced::Client { overlap_s } => {
            let new = secret::random()?;
            let (database, hash) = (call.database().await?, secret::sha256(&new));
            let project = projects::rotate_secret(database, &id, &hash, overlap_s, now).await?;
            let project = project.ok_or_else(unknown)?;
            let answer = SecretAnswer::of_client(project, new);
            (answer, "rotate_project_secret")
        }
        Replaced::Callback => {
            let key = callback_key().await?;
            let project = projects::rotate_callback(call.database().await?, &id, now).await?;
            let answer = SecretAnswer::of_callback(project.ok_or_else(unknown)?, &key)?;
            (answer, "rotate_callback_secret")
        }
    };
    log_change(call, &admin, action, subject);
    Ok(Answer::ok(&answer)?.unkept())
}

fn project_id(text: &str) -> Result<String> {
    let id = Uuid::try_parse(text);
    id.map(|id| id.to_string())
        .map_err(|_| Error::invalid("project_id", "This is not an id."))
}

async fn callback_key() -> Result<CallbackKey> {
    CallbackKey::from_setting(&variable("callbacks_key").await?)
}
