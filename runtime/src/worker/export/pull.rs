//! Pages from a business backend (DC-2): one after another, each through the egress door, signed, retried
//! when the fault may pass, and held against the ones before.

use super::write::Piece;
use super::{Broken, send};
use crate::clock::now_ms;
use crate::egress::EgressError;
use crate::egress::client::{Bounds as ClientBounds, ClientError};
use crate::worker::Worker;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use shared::auth::callback;
use shared::domain::source::{Bounds, Position};
use shared::domain::task::{Failure, backoff_ms};
use shared::limits::{SOURCE_PAGE_BYTES_MAX, SOURCE_PAGE_S_MAX, SOURCE_PAGE_TRIES};
use shared::store::projects::Project;
use shared::store::tasks::Task;
use shared::wire::export::Export;
use shared::wire::source::SourcePage;
use std::time::Duration;
use tokio::sync::mpsc;
use url::Url;

/// The wait after the first failed try of a page, milliseconds.
const TRY_WAIT_MS: i64 = 250;
const TRY_WAIT_MS_MAX: i64 = 2_000;

/// How far all tables have been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub table: usize,
    pub position: Position,
    /// What the tables before declared and delivered.
    pub declared: u64,
    pub rows: u64,
    /// The first total of the table that is being read.
    pub expected: Option<u64>,
}

impl Reading {
    pub fn rows(&self) -> u64 {
        self.rows + self.position.rows
    }

    pub fn declared(&self) -> u64 {
        self.declared + self.position.declared()
    }

    fn next_table(&mut self) {
        *self = Self {
            table: self.table + 1,
            declared: self.declared(),
            rows: self.rows(),
            ..Self::default()
        };
    }
}

/// What is pulled, and for whom.
pub struct Pull<'a> {
    pub worker: &'a Worker,
    pub task: &'a Task,
    pub project: &'a Project,
    pub export: &'a Export,
    pub bounds: Bounds,
}

impl Pull<'_> {
    /// Sends the pages from `reading` on.
    pub(super) async fn run(
        &self,
        mut reading: Reading,
        sender: &mpsc::Sender<Piece>,
    ) -> Result<(), Broken> {
        let interval = Duration::from_millis(self.export.pace.interval_ms.into());
        let mut is_first = true;
        while reading.table < self.export.tables() {
            while !reading.position.ended {
                if !is_first && !interval.is_zero() {
                    tokio::time::sleep(interval).await;
                }
                is_first = false;
                let body = self.page(&reading).await?;
                let facts = SourcePage::parse(&body)?.facts;
                let bounds = Bounds {
                    rows_max: self.bounds.rows_max.saturating_sub(reading.rows),
                    ..self.bounds
                };
                reading.position.accept(&facts, bounds)?;
                reading.expected = reading.expected.or(facts.total);
                let reading = reading.clone();
                send(sender, Piece::Pulled { body, reading }).await?;
            }
            reading.next_table();
        }
        Ok(())
    }

    async fn page(&self, reading: &Reading) -> Result<Bytes, Failure> {
        let url = self
            .export
            .page_url(reading.table, &reading.position, &self.task.task_id)
            .map_err(|error| Failure::permanent("internal", error.message))?;
        let secret = self.project.callback_secret(&self.worker.callback_key);
        let secret = secret.map_err(|error| Failure::permanent("internal", error.message))?;
        let wait = Duration::from_secs(SOURCE_PAGE_S_MAX);
        let mut tries = 1;
        loop {
            match fetch(self.worker, &url, &secret, &self.task.request_id, wait).await {
                Err(failure) if failure.retryable && tries < SOURCE_PAGE_TRIES => {
                    tracing::info!(
                        task_id = self.task.task_id,
                        code = failure.code,
                        tries,
                        "a page failed"
                    );
                    let wait = backoff_ms(tries.into(), TRY_WAIT_MS, TRY_WAIT_MS_MAX, 1.0);
                    tokio::time::sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
                        .await;
                    tries += 1;
                }
                other => return other,
            }
        }
    }
}

/// One request for one page. It is signed as callbacks are, over `timestamp.path?query`, so that a source can
/// tell who asks.
pub async fn fetch(
    worker: &Worker,
    url: &Url,
    secret: &str,
    request_id: &str,
    wait: Duration,
) -> Result<Bytes, Failure> {
    let timestamp = now_ms() / 1000;
    let target = &url[url::Position::BeforePath..];
    let signature = callback::sign(secret, timestamp, target.as_bytes())
        .map_err(|error| Failure::permanent("internal", error.message))?;
    let request = Request::get(url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(
            header::USER_AGENT,
            concat!("wharf/", env!("CARGO_PKG_VERSION")),
        )
        .header("x-request-id", request_id)
        .header("x-wharf-timestamp", timestamp)
        .header("x-wharf-signature", signature)
        .body(Full::<Bytes>::default())
        .map_err(|_| Failure::permanent("internal", "The source cannot be asked."))?;
    let bounds = ClientBounds {
        time: wait,
        body_bytes: SOURCE_PAGE_BYTES_MAX,
    };
    let answer = worker
        .client
        .send(request, bounds)
        .await
        .map_err(|error| unanswered(error, wait))?;
    let status = answer.status();
    if status == StatusCode::OK {
        refuse_compressed(answer.headers())?;
        return Ok(answer.into_body());
    }
    let message = format!("The source answered with HTTP status {}.", status.as_u16());
    Err(match status {
        status if status.is_redirection() => Failure::permanent(
            "source_redirects",
            "The source answered with a redirect, which is not followed.",
        ),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Failure::retryable("source_status", message)
        }
        _ => Failure::permanent("source_status", message),
    })
}

/// A page of 16 MiB could be any size once it is inflated.
fn refuse_compressed(headers: &HeaderMap) -> Result<(), Failure> {
    let coding = headers.get(header::CONTENT_ENCODING);
    let coding = coding.filter(|it| !it.as_bytes().eq_ignore_ascii_case(b"identity"));
    coding.map_or(Ok(()), |coding| {
        let message = format!(
            "The source compressed its page ({}), which was not asked for.",
            String::from_utf8_lossy(coding.as_bytes())
        );
        Err(Failure::permanent("source_shape", message))
    })
}

fn unanswered(error: ClientError, wait: Duration) -> Failure {
    match error {
        ClientError::Egress(EgressError::Blocked) => Failure::permanent(
            "blocked_address",
            "The source's address is not on the public internet.",
        ),
        ClientError::TooLarge => Failure::permanent(
            "page_too_large",
            format!(
                "A page of the source is larger than {} MiB; a smaller step may help.",
                SOURCE_PAGE_BYTES_MAX >> 20
            ),
        ),
        ClientError::Timeout => Failure::retryable(
            "source_timeout",
            format!(
                "The source did not answer within {:.0} s.",
                wait.as_secs_f64().ceil()
            ),
        ),
        ClientError::Egress(error) => Failure::retryable(
            "source_unreachable",
            format!("The source was not reached: {error}."),
        ),
        ClientError::Broken => {
            Failure::retryable("source_unreachable", "The source broke off its answer.")
        }
    }
}
