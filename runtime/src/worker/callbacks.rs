//! Tells projects what became of their tasks (DC-8): claims what is due in the outbox, signs it, sends it
//! through the egress door. 2xx ends it; anything else is tried three times more, after a back-off.

use super::Worker;
use crate::clock::now_ms;
use crate::egress::client::{Bounds, ClientError};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::auth::callback;
use shared::domain::task::backoff_ms;
use shared::limits::{
    CALLBACK_ANSWER_BYTES_MAX, CALLBACK_RETRIES, CALLBACK_S_MAX, CALLBACKS_AT_ONCE,
};
use shared::store::callbacks::{self, Callback, Outcome};
use shared::store::projects;
use shared::{Error, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The longest wait for a wake-up that never came.
const IDLE: Duration = Duration::from_secs(1);
/// A lease outlives the request that it is for.
const LEASE_MS: i64 = 2 * 1000 * CALLBACK_S_MAX as i64;

pub async fn run(worker: Arc<Worker>) {
    let mut woken = worker.wake.subscribe();
    let mut deliveries = JoinSet::new();
    while !worker.is_stopping() {
        let places = places_beside(&deliveries);
        if let Err(error) = run_one(&worker, &mut deliveries, places).await {
            tracing::error!(%error, "could not look for callbacks");
        }
        let has_places = places_beside(&deliveries) > 0;
        tokio::select! {
            () = worker.stop.cancelled() => {}
            // A place is free, and perhaps somebody waits for it.
            Some(_) = deliveries.join_next() => {}
            _ = woken.changed(), if has_places => {}
            () = tokio::time::sleep(IDLE), if has_places => {}
        }
    }
    while deliveries.join_next().await.is_some() {}
}

/// How many more may be delivered at once.
fn places_beside(deliveries: &JoinSet<()>) -> i64 {
    CALLBACKS_AT_ONCE.saturating_sub(i64::try_from(deliveries.len()).unwrap_or(i64::MAX))
}

/// Claims what is due, up to so many, and begins to deliver it: a host that hangs holds up nobody else.
async fn run_one(worker: &Arc<Worker>, deliveries: &mut JoinSet<()>, places: i64) -> Result<()> {
    if places <= 0 {
        return Ok(());
    }
    let now = now_ms();
    let due = callbacks::claim(&*worker.database, &worker.id, now, now + LEASE_MS, places).await?;
    for callback in due {
        let worker = worker.clone();
        deliveries.spawn(async move {
            if let Err(error) = deliver(&worker, &callback).await {
                // Its lease ends and it is tried again.
                tracing::error!(%error, event_id = callback.event_id, "could not handle a callback");
            }
        });
    }
    Ok(())
}

/// What is sent.
#[derive(Serialize)]
struct Body<'a> {
    event_id: &'a str,
    task_id: &'a str,
    status: &'a str,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

async fn deliver(worker: &Worker, due: &Callback) -> Result<()> {
    let outcome = match send(worker, due).await? {
        Ok(()) => Outcome::Delivered,
        Err(why) if due.attempt > CALLBACK_RETRIES => Outcome::GivenUp { why },
        Err(why) => {
            let queue = &worker.settings.queue;
            let (initial, max) = (queue.backoff_initial_ms, queue.backoff_max_ms);
            let wait = backoff_ms(due.attempt, initial, max, super::retry::jitter());
            let run_at = now_ms() + wait;
            Outcome::Retry { run_at, why }
        }
    };
    let counts = &worker.counts.callbacks;
    let (counter, word, why) = match &outcome {
        Outcome::Delivered => (&counts.delivered, "delivered", None),
        Outcome::Retry { why, .. } => (&counts.retried, "retry", Some(why)),
        Outcome::GivenUp { why } => (&counts.given_up, "given_up", Some(why)),
    };
    counter.inc();
    tracing::info!(
        event_id = due.event_id,
        task_id = due.task_id,
        attempt = due.attempt,
        outcome = word,
        why,
        "callback"
    );
    callbacks::record(&*worker.database, due, &worker.id, &outcome, now_ms()).await?;
    Ok(())
}

/// One attempt. The inner error is a sentence for the operator without address or query.
async fn send(worker: &Worker, due: &Callback) -> Result<std::result::Result<(), String>> {
    let project = projects::find(&*worker.database, &due.project_id).await?;
    let Some(project) = project.filter(|project| project.disabled_at.is_none()) else {
        return Ok(Err("the project is disabled".to_owned()));
    };
    let Ok(url) = url::Url::parse(&due.url) else {
        return Ok(Err("the URL cannot be read".to_owned()));
    };
    // What an admin has taken from the list since is not called any more.
    if !project.hosts.allows(&url) {
        return Ok(Err("the project may not call this host".to_owned()));
    }
    let raw = |text: &'_ Option<String>| -> Result<Option<Box<RawValue>>> {
        let text = text.clone();
        text.map(RawValue::from_string)
            .transpose()
            .map_err(Error::internal)
    };
    let (result, error) = (raw(&due.result)?, raw(&due.error)?);
    let body = serde_json::to_vec(&Body {
        event_id: &due.event_id,
        task_id: &due.task_id,
        status: &due.status,
        result: result.as_deref(),
        error: error.as_deref(),
    })
    .map_err(Error::internal)?;
    let secret = project.callback_secret(&worker.callback_key)?;
    let timestamp = now_ms() / 1000;
    let request = Request::post(url.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::USER_AGENT,
            concat!("wharf/", env!("CARGO_PKG_VERSION")),
        )
        .header("x-wharf-timestamp", timestamp)
        .header(
            "x-wharf-signature",
            callback::sign(&secret, timestamp, &body)?,
        )
        .body(Full::new(Bytes::from(body)))
        .map_err(Error::internal)?;
    let bounds = Bounds {
        time: Duration::from_secs(CALLBACK_S_MAX),
        body_bytes: CALLBACK_ANSWER_BYTES_MAX,
    };
    Ok(match worker.client.send(request, bounds).await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!(
            "the callback answered {}",
            answer.status().as_u16()
        )),
        // It was told; what it had to say to that is its own affair.
        Err(ClientError::TooLarge) => Ok(()),
        Err(error) => Err(error.to_string()),
    })
}
