//! The components' call for one page of a source: they have no way out of their own.

use super::authorise;
use super::reply::Failure;
use crate::worker::Worker;
use crate::worker::export::pull::fetch;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use shared::limits::{BODY_BYTES_MAX, SOURCE_PAGE_S_MAX};
use shared::store::projects;
use shared::wire::source::PageRequest;
use shared::{Code, Error};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

pub async fn page(
    State(worker): State<Arc<Worker>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    authorise(&worker, &headers)?;
    let body = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| Error::new(Code::TooLarge, "The body is larger than 4 MiB."))?;
    let malformed = || Error::new(Code::MalformedJson, "The body is not a page request.");
    let request: PageRequest = serde_json::from_slice(&body).map_err(|_| malformed())?;
    let url = Url::parse(&request.url).map_err(|_| malformed())?;
    let project = projects::find(&*worker.database, &request.project_id).await?;
    let project = project.filter(|project| project.hosts.allows(&url));
    let project = project.ok_or_else(|| Error::forbidden("source"))?;
    let secret = project.callback_secret(&worker.callback_key)?;
    let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    let wait = Duration::from_millis(request.wait_ms.min(SOURCE_PAGE_S_MAX * 1000));
    let page = fetch(&worker, &url, &secret, request_id.unwrap_or_default(), wait).await;
    match page {
        Ok(page) => Ok(([(header::CONTENT_TYPE, "application/json")], page).into_response()),
        Err(failure) => {
            tracing::info!(
                request_id,
                code = failure.code,
                reason = failure.message,
                "a page failed"
            );
            let data = serde_json::json!({ "reason": failure.code });
            Err(Error::new(Code::Unprocessable, failure.message)
                .with_data(data)
                .into())
        }
    }
}
