//! The worker's own routes: files, progress, the components' internal calls, health.

mod files;
mod parse;
mod progress;
pub mod reply;

use super::Worker;
use crate::host::headers::request_id;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};
use std::sync::Arc;

/// Routes: `/files/{task_id}/{file_name}`, `/api/v1/ws/progress`, `/internal/v1/parse`, `/health`.
pub fn router(worker: Arc<Worker>) -> Router {
    Router::new()
        .route("/files/{task_id}/{file_name}", get(files::deliver))
        .route("/api/v1/ws/progress", get(progress::connect))
        .route("/internal/v1/parse", any(parse::parse))
        .route("/health", get(health))
        .method_not_allowed_fallback(reply::method_not_allowed)
        .with_state(worker)
        .layer(middleware::from_fn(name_request))
}

/// Takes the caller's request id or makes one, and echoes it (PF-8).
async fn name_request(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers_mut());
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-request-id", id);
    response
}

/// 404 in the envelope, where no components are behind the worker.
pub async fn no_such_route() -> reply::Failure {
    reply::Failure(shared::Error::not_found("route"))
}

/// 200 once everything serves.
pub async fn health() -> &'static str {
    "ok\n"
}
