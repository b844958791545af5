//! Routes: `/api/v1/tasks/:id/url`, `/api/v1/files/:id`, `/api/v1/download/file`, `/api/v1/ws/ticket`.

use shared::auth::secret;
use shared::auth::signature::FileKeys;
use shared::domain::account::Audience;
use shared::domain::file_name::as_path_segment;
use shared::domain::task::Status;
use shared::limits::WS_TICKET_S;
use shared::spin::caller::{authenticate, authenticate_owner};
use shared::spin::http::{Answer, Call, answer};
use shared::spin::task::own_task;
use shared::spin::{now_ms, variable};
use shared::store::tasks::Task;
use shared::store::tickets;
use shared::wire::task::{FileUrlRequest, TaskAnswer};
use shared::wire::time::rfc3339;
use shared::{Code, Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
    match path.as_slice() {
        ["tasks", id, "url"] => temporary_url(call, id).await,
        ["files", id] => permanent_url(call, id).await,
        ["download", "file"] => file_of_history(call).await,
        ["ws", "ticket"] => ticket(call).await,
        _ => Err(Error::not_found("route")),
    }
}

async fn temporary_url(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let owner = authenticate_owner(call).await?;
    let request: FileUrlRequest = call.json_if_any().await?;
    let task = own_task(call, "task_id", id, &owner.owner_id).await?;
    let (url, expires_s) = signed_url(&task, request.file_name.as_deref()).await?;
    Answer::ok(&serde_json::json!({ "url": url, "expires_at": rfc3339(expires_s * 1000) }))
}

async fn permanent_url(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let owner = authenticate_owner(call).await?;
    let task = own_task(call, "task_id", id, &owner.owner_id).await?;
    let (url, _) = signed_url(&task, None).await?;
    Ok(Answer::elsewhere(url))
}

/// Only users have a history.
async fn file_of_history(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let user = authenticate(call, Audience::Users).await?;
    let id = call.query("history_id").unwrap_or_default().to_owned();
    let task = own_task(call, "history_id", &id, &user.user_id).await?;
    let (url, _) = signed_url(&task, None).await?;
    Ok(Answer::elsewhere(url))
}

/// The signed URL of a finished file, or of what is kept beside it under this name, and the second it ends.
/// Errors: 40901 unfinished, 41001 expired, 40401 no such file.
async fn signed_url(task: &Task, file_name: Option<&str>) -> Result<(String, i64)> {
    let now = now_ms();
    match task.status {
        Status::Succeeded if task.expires_at.is_none_or(|end| end > now) => {}
        Status::Succeeded | Status::Expired => {
            return Err(Error::new(Code::Gone, "The file's time is over."));
        }
        Status::Queued | Status::Running => {
            return Err(Error::new(Code::Conflict, "The file is not finished yet."));
        }
        Status::Failed | Status::Dead | Status::Cancelled => {
            return Err(Error::new(Code::Conflict, "The task ended without a file."));
        }
    }
    let result = TaskAnswer::from_task(task)?.result;
    let result = result.ok_or_else(|| Error::internal("a finished task without result"))?;
    let file_name = match file_name {
        Some(name) if !result.has(name) => return Err(Error::not_found("file")),
        Some(name) => name,
        None => &result.file_name,
    };
    let ttl_s: i64 = variable("url_ttl_s")
        .await?
        .parse()
        .map_err(Error::internal)?;
    let keys = FileKeys::parse(&variable("files_keys").await?)?;
    let signed = keys.sign(&task.task_id, now / 1000 + ttl_s)?;
    let url = format!(
        "{}/files/{}/{}?expires={}&kid={}&signature={}",
        variable("files_url").await?.trim_end_matches('/'),
        task.task_id,
        as_path_segment(file_name),
        signed.expires,
        signed.kid,
        signed.signature
    );
    Ok((url, signed.expires))
}

async fn ticket(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let bearer = authenticate_owner(call).await?.bearer;
    let ticket = secret::random()?;
    let expires_at = now_ms() + WS_TICKET_S * 1000;
    let database = call.database().await?;
    tickets::insert(database, &secret::sha256(&ticket), &bearer, expires_at).await?;
    Answer::ok(&serde_json::json!({ "ticket": ticket, "expires_in": WS_TICKET_S }))
}
