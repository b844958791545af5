//! What a component asks of the worker.

use super::http::Answer;
use super::variable;
use crate::domain::egress::{self, AllowList};
use crate::domain::media::MediaUrl;
use crate::error::{Error, Result};
use crate::limits::{PARSE_OUTPUT_BYTES_MAX, SOURCE_PAGE_BYTES_MAX};
use crate::wire::batch::RowsWait;
use crate::wire::envelope;
use crate::wire::source::PageRequest;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use url::Url;

/// Refuses a URL whose host is an address that the egress door would not open (VA-14), so that the caller
/// learns it at once. Names are judged by the worker, after resolution. Errors: 40001 for field `url`.
pub async fn check_egress(url: &MediaUrl) -> Result<()> {
    let allow = egress_allow().await?;
    egress::check_literal(url.as_url(), &allow)
        .map_err(|failure| Error::invalid("url", failure.message))
}

/// The hosts that the egress door opens although they are not global.
pub async fn egress_allow() -> Result<AllowList> {
    let allow = variable("egress_allow").await?;
    let entries: Vec<String> = allow
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect();
    AllowList::parse(&entries)
}

/// Lets the worker parse a URL; its answer is passed on as it is. Errors: 50301 when no worker answers.
pub async fn parse(request_id: &str, url: &MediaUrl) -> Result<Answer> {
    let request = serde_json::json!({ "url": url.as_str() });
    let response = ask("parse", request_id, &request, PARSE_OUTPUT_BYTES_MAX).await?;
    let mut headers = vec![("content-type", "application/json".to_owned())];
    let retry_after = response.headers().get("retry-after");
    if let Some(seconds) = retry_after.and_then(|value| value.to_str().ok()) {
        headers.push(("retry-after", seconds.to_owned()));
    }
    Ok(Answer {
        status: response.status().as_u16(),
        headers,
        body: response.into_body().into(),
    })
}

/// Lets the worker fetch one page of a project's source. Errors: 42201 with the reason, 50301 when no worker
/// answers.
pub async fn page(request_id: &str, project_id: &str, url: &Url, wait_ms: u64) -> Result<Bytes> {
    let request = PageRequest {
        project_id: project_id.to_owned(),
        url: url.to_string(),
        wait_ms,
    };
    let response = ask("page", request_id, &request, SOURCE_PAGE_BYTES_MAX).await?;
    if response.status().is_success() {
        return Ok(response.into_body());
    }
    Err(envelope::read_failure(response.body()))
}

/// Lets the worker wait until rows are due for a receiver of data sync. Returns false when the time is over, or
/// no worker answers.
pub async fn wait_for_rows(request_id: &str, receiver: &str, wait_ms: u64) -> bool {
    let request = RowsWait {
        receiver: receiver.to_owned(),
        wait_ms,
    };
    let answer = ask("rows", request_id, &request, RowsWait::ANSWER_BYTES_MAX).await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

/// One of the worker's internal calls.
async fn ask(
    call: &str,
    request_id: &str,
    request: &impl serde::Serialize,
    bytes_max: usize,
) -> Result<http::Response<Bytes>> {
    let base = variable("worker_url").await?;
    let token = variable("worker_token").await?;
    let body = serde_json::to_vec(request).map_err(Error::internal)?;
    let request = http::Request::post(format!("{}/internal/v1/{call}", base.trim_end_matches('/')))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("x-request-id", request_id)
        .body(Full::new(Bytes::from(body)))
        .map_err(Error::internal)?;
    let unavailable = |cause: String| Error::busy(5, format!("the worker did not answer: {cause}"));
    let response = spin_sdk::http::send(request)
        .await
        .map_err(|cause| unavailable(cause.to_string()))?;
    let (head, body) = response.into_parts();
    let kind = head.headers.get("content-type");
    if head.status.is_server_error() && kind.is_none_or(|kind| kind != "application/json") {
        // Of a proxy that stands before the workers, and found none.
        return Err(unavailable(format!("{} from a proxy", head.status)));
    }
    let body = Limited::new(body, bytes_max)
        .collect()
        .await
        .map_err(|cause| unavailable(cause.to_string()))?;
    Ok(http::Response::from_parts(head, body.to_bytes()))
}
