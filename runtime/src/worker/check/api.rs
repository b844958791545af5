//! Calls to a drive's share API: at its rate, through the egress door, and never longer or larger than they may be.

use crate::egress::Client;
use crate::egress::client::Bounds;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, request};
use http_body_util::Full;
use leaky_bucket::RateLimiter;
use serde_json::Value;
use shared::domain::check::Verdict;
use shared::domain::drive::ShareLink;
use shared::limits::{DRIVE_ANSWER_BYTES_MAX, DRIVE_CALL_S_MAX};
use std::time::Duration;

/// The shares of one drive.
#[async_trait]
pub trait Shares: Send + Sync {
    /// Opens a share; what comes back opens its folders.
    async fn open(&self, link: &ShareLink) -> Result<String, Refusal>;

    /// A page of a folder's entries; `folder` is empty for the share itself, `marker` for the first page.
    async fn page(
        &self,
        link: &ShareLink,
        key: &str,
        folder: &str,
        marker: &str,
    ) -> Result<Page, Refusal>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// What names a folder in [`Shares::page`]; a file has none.
    pub folder: Option<String>,
    /// Of a file, bytes.
    pub size: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Of the next page.
    pub marker: Option<String>,
}

/// Why there is nothing to see. `why` is for the log and holds neither link nor code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub verdict: Verdict,
    pub why: String,
}

impl Refusal {
    pub fn uncertain(why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Uncertain,
            why: why.into(),
        }
    }
}

/// One drive's API.
pub struct Api {
    client: Client,
    base: String,
    tokens: RateLimiter,
}

/// What a drive answered.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// An object.
    pub body: Value,
}

impl Api {
    pub fn new(client: Client, base: &str, calls_per_s: u32) -> Self {
        let burst = calls_per_s as usize;
        Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
            tokens: RateLimiter::builder()
                .initial(burst)
                .max(burst)
                .refill(1)
                .interval(Duration::from_secs(1) / calls_per_s.max(1))
                .build(),
        }
    }

    /// `path` below the base.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Waits for its turn, then calls. Whatever is no JSON object is uncertain: a page for people, a proxy's
    /// complaint, a captcha.
    pub async fn call(&self, request: request::Builder, body: String) -> Result<Answer, Refusal> {
        let request = request
            .header(http::header::ACCEPT, "application/json")
            .header(
                http::header::USER_AGENT,
                concat!(
                    "Mozilla/5.0 (compatible; wharf/",
                    env!("CARGO_PKG_VERSION"),
                    ")"
                ),
            )
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Refusal::uncertain("the request cannot be written"))?;
        let bounds = Bounds {
            time: Duration::from_secs(DRIVE_CALL_S_MAX),
            body_bytes: DRIVE_ANSWER_BYTES_MAX,
        };
        self.tokens.acquire_one().await;
        let answer = self.client.send(request, bounds).await;
        let (head, body) = answer
            .map_err(|error| Refusal::uncertain(error.to_string()))?
            .into_parts();
        let status = head.status.as_u16();
        match serde_json::from_slice::<Value>(&body) {
            Ok(body) if body.is_object() => Ok(Answer {
                status,
                headers: head.headers,
                body,
            }),
            _ => Err(Refusal::uncertain(format!("{status} without JSON"))),
        }
    }
}
