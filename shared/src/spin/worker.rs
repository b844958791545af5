//! What a component asks of the worker.

use super::http::Answer;
use super::variable;
use crate::domain::egress::{self, AllowList};
use crate::domain::media::MediaUrl;
use crate::error::{Error, Result};
use crate::limits::PARSE_OUTPUT_BYTES_MAX;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};

/// Refuses a URL whose host is an address that the egress door would not open (VA-14), so that the caller
/// learns it at once. Names are judged by the worker, after resolution. Errors: 40001 for field `url`.
pub async fn check_egress(url: &MediaUrl) -> Result<()> {
    let allow = variable("egress_allow").await?;
    let entries: Vec<String> = allow
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect();
    egress::check_literal(url.as_url(), &AllowList::parse(&entries)?)
        .map_err(|failure| Error::invalid("url", failure.message))
}

/// Lets the worker parse a URL; its answer is passed on as it is. Errors: 50301 when no worker answers.
pub async fn parse(request_id: &str, url: &MediaUrl) -> Result<Answer> {
    let base = variable("worker_url").await?;
    let token = variable("worker_token").await?;
    let body = serde_json::json!({ "url": url.as_str() }).to_string();
    let request = http::Request::post(format!("{}/internal/v1/parse", base.trim_end_matches('/')))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("x-request-id", request_id)
        .body(Full::new(Bytes::from(body)))
        .map_err(Error::internal)?;
    let unavailable = |cause: String| Error::busy(5, format!("the worker did not answer: {cause}"));
    let response = spin_sdk::http::send(request)
        .await
        .map_err(|cause| unavailable(cause.to_string()))?;
    let status = response.status().as_u16();
    let mut headers = vec![("content-type", "application/json".to_owned())];
    let retry_after = response.headers().get("retry-after");
    if let Some(seconds) = retry_after.and_then(|value| value.to_str().ok()) {
        headers.push(("retry-after", seconds.to_owned()));
    }
    let body = Limited::new(response.into_body(), PARSE_OUTPUT_BYTES_MAX)
        .collect()
        .await
        .map_err(|cause| unavailable(cause.to_string()))?;
    Ok(Answer {
        status,
        headers,
        body: body.to_bytes().into(),
    })
}
