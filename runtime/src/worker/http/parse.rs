//! The components' call to parse a URL. Several callers of one URL share one yt-dlp.

use super::authorise;
use super::reply::{Failure, success};
use crate::clock::now_ms;
use crate::egress::Upstream;
use crate::worker::Worker;
use crate::worker::proxies::{NoProxy, Purpose};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use shared::auth::secret::sha256;
use shared::domain::media::MediaUrl;
use shared::domain::proxy::Rented;
use shared::limits::{BODY_BYTES_MAX, PARSE_CACHE_S, PARSE_WAIT_MS_MAX};
use shared::store::parses;
use shared::wire::media::{ParseAnswer, ParseRequest};
use shared::{Code, Error};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

type Shared = Arc<OnceCell<Result<ParseAnswer, shared::domain::task::Failure>>>;

/// The parses under way, by the hash of their URL.
static UNDER_WAY: LazyLock<Mutex<HashMap<String, Shared>>> = LazyLock::new(Mutex::default);

pub async fn parse(
    State(worker): State<Arc<Worker>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    authorise(&worker, &headers)?;
    let body = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| Error::new(Code::TooLarge, "The body is larger than 4 MiB."))?;
    let request: ParseRequest = serde_json::from_slice(&body)
        .map_err(|_| Error::new(Code::MalformedJson, "The body is not a parse request."))?;
    let url = MediaUrl::parse(&request.url)?;
    let hash = sha256(url.as_str());
    let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    let entry = Entry::join(&hash);
    let answer = entry
        .cell
        .get_or_init(|| async {
            tracing::info!(request_id, source = url.redacted(), "parsing");
            parse_and_keep(&worker, &url, &hash).await
        })
        .await
        .clone();
    match answer {
        Ok(answer) => success(&answer),
        Err(failure) => {
            tracing::info!(
                request_id,
                code = failure.code,
                reason = failure.message,
                "parse failed"
            );
            Err(refusal(failure).into())
        }
    }
}

async fn parse_and_keep(
    worker: &Worker,
    url: &MediaUrl,
    hash: &str,
) -> Result<ParseAnswer, shared::domain::task::Failure> {
    let patience = Duration::from_millis(PARSE_WAIT_MS_MAX);
    let Ok(Ok(_permit)) = tokio::time::timeout(patience, worker.parses.acquire()).await else {
        return Err(shared::domain::task::Failure::retryable(
            "busy",
            "Too many URLs are being looked at; please try again shortly.",
        ));
    };
    let site = url.site();
    let purpose = Purpose {
        attempt: None,
        site: &site,
        was_refused: false,
    };
    let rented = match worker.rent_proxy(purpose).await {
        Ok(rented) => rented,
        Err(NoProxy::Failed(failure)) => return Err(failure),
        Err(NoProxy::NotNow { .. }) => {
            return Err(shared::domain::task::Failure::retryable(
                "busy",
                "No proxy can be had for this site just now; please try again shortly.",
            ));
        }
    };
    let proxy = rented.as_ref().map(Rented::name);
    let cookies = worker.cookies_for(url).await;
    let upstream = rented.map(Upstream::from);
    let answer = worker.ytdlp.parse(url, upstream, cookies.as_ref()).await;
    if let Some(proxy) = &proxy {
        let outcome = answer
            .as_ref()
            .map_or_else(|failure| failure.code, |_| "succeeded");
        worker.note_proxy(purpose, Some(proxy), outcome).await;
    }
    let answer = answer?;
    let json = serde_json::to_string(&answer).unwrap_or_default();
    let kept_until = now_ms() + PARSE_CACHE_S * 1000;
    if let Err(error) = parses::keep(&*worker.database, hash, &json, kept_until).await {
        tracing::warn!(%error, "could not keep a parse answer");
    }
    Ok(answer)
}

/// 42201 with the failure's code as the reason, and what the site wanted; 50301 where the fault is this machine's.
fn refusal(failure: shared::domain::task::Failure) -> Error {
    match failure.code {
        "tool_missing" | "busy" | "internal" => {
            let mut error = Error::busy(30, failure.code);
            error.message = failure.message;
            error
        }
        reason => {
            let mut data = serde_json::json!({ "reason": reason });
            if !failure.lacks.is_empty() {
                let lacks = failure.lacks.iter().map(|lack| lack.as_str());
                data["lacks"] = lacks.collect();
            }
            Error::new(Code::Unprocessable, failure.message).with_data(data)
        }
    }
}

/// A place in [`UNDER_WAY`]; the last to leave, however it leaves, removes it.
struct Entry {
    hash: String,
    cell: Shared,
}

impl Entry {
    fn join(hash: &str) -> Self {
        Self {
            cell: under_way().entry(hash.to_owned()).or_default().clone(),
            hash: hash.to_owned(),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut under_way = under_way();
        // One for the map, one for us. A finished answer is not for those who come later.
        let is_last = Arc::strong_count(&self.cell) <= 2 || self.cell.initialized();
        let is_ours = under_way
            .get(&self.hash)
            .is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        if is_last && is_ours {
            under_way.remove(&self.hash);
        }
    }
}

fn under_way() -> std::sync::MutexGuard<'static, HashMap<String, Shared>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}
