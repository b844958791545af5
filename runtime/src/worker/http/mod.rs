//! The worker's own routes: files, progress, the components' internal calls, health.

mod files;
mod page;
mod parse;
mod progress;
pub mod reply;
mod rows;

use super::Worker;
use crate::host::headers::request_id;
use crate::metrics::requests::{self, ComponentRequests, Requests};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};
use std::sync::Arc;
use std::time::Instant;
use subtle::ConstantTimeEq;

/// Routes: `/files/{task_id}/{file_name}`, `/api/v1/ws/progress`, `/health` and those of [`internal`]. Requests are
/// counted, except for those to `/health`, which say nothing of how callers fare.
pub fn router(worker: Arc<Worker>, requests: &Requests) -> Router {
    let counts = Arc::new(requests.of(requests::WORKER));
    components_calls()
        .route("/files/{task_id}/{file_name}", get(files::deliver))
        .route("/api/v1/ws/progress", get(progress::connect))
        .method_not_allowed_fallback(reply::method_not_allowed)
        .route_layer(middleware::from_fn_with_state(counts, count))
        .route("/health", get(health))
        .method_not_allowed_fallback(reply::method_not_allowed)
        .with_state(worker)
        .layer(middleware::from_fn(name_request))
}

/// The components' calls alone: `/internal/v1/parse`, `/internal/v1/page`, `/internal/v1/rows`.
pub fn internal(worker: Arc<Worker>, requests: &Requests) -> Router {
    let counts = Arc::new(requests.of(requests::WORKER));
    let own = components_calls()
        .route_layer(middleware::from_fn_with_state(counts, count))
        .with_state(worker)
        .layer(middleware::from_fn(name_request));
    alone(own, requests)
}

fn components_calls() -> Router<Arc<Worker>> {
    Router::new()
        .route("/internal/v1/parse", any(parse::parse))
        .route("/internal/v1/page", any(page::page))
        .route("/internal/v1/rows", any(rows::wait))
}

/// Where no components are behind the worker: 404 in the envelope for every other path.
pub fn alone(router: Router, requests: &Requests) -> Router {
    let counts = Arc::new(requests.of(requests::NO_COMPONENT));
    let unknown = any(no_such_route).layer(middleware::from_fn_with_state(counts, count));
    router.fallback_service(unknown)
}

async fn count(
    State(counts): State<Arc<ComponentRequests>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let response = next.run(request).await;
    counts.record(&response, started.elapsed());
    response
}

/// Takes the caller's request id or makes one, and echoes it (PF-8).
pub async fn name_request(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers_mut());
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-request-id", id);
    response
}

/// Only our own components may ask; anybody else sees no such route.
fn authorise(worker: &Worker, headers: &HeaderMap) -> shared::Result<()> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    let expected = worker.settings.keys.worker.as_bytes();
    if bool::from(given.ct_eq(expected)) {
        Ok(())
    } else {
        Err(shared::Error::not_found("route"))
    }
}

async fn no_such_route() -> reply::Failure {
    reply::Failure(shared::Error::not_found("route"))
}

/// 200 once everything serves.
pub async fn health() -> &'static str {
    "ok\n"
}
