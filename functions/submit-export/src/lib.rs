//! Route: `/api/v1/export`.

use shared::auth::secret::sha256;
use shared::spin::caller::authenticate_project;
use shared::spin::export::{check_hosts, check_template};
use shared::spin::http::{Answer, Call, answer};
use shared::spin::{new_id, now_ms};
use shared::store::exports;
use shared::store::tasks::{self, NewTask};
use shared::wire::export::{Export, ExportAnswer};
use shared::{Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, submit).await
}

async fn submit(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let project = authenticate_project(call).await?;
    let idempotency_key = call.idempotency_key()?;
    let body = call.json_text().await?;
    let export = Export::parse(body.as_bytes())?;
    check_hosts(&project, &export).await?;
    check_template(call, &project, &export).await?;
    let now = now_ms();
    let task = NewTask {
        task_id: new_id(),
        kind: "export",
        owner_id: project.project_id,
        name: export.name.clone(),
        request_hash: sha256(&body),
        spec: serde_json::to_string(&export.spec()).map_err(Error::internal)?,
        idempotency_key,
        request_id: call.request_id.clone(),
        site: String::new(),
        quota: None,
        callback: export.callback.as_ref().map(|url| url.as_url().to_string()),
        now,
    };
    let database = call.database().await?;
    // First the body: a task that is there can always be worked on.
    exports::insert(database, &task.task_id, &body, now).await?;
    let task_id = tasks::submit(database, &task).await?;
    if task_id != task.task_id {
        exports::forget(database, &task.task_id).await?;
    }
    Answer::json(202, &ExportAnswer { task_id })
}
