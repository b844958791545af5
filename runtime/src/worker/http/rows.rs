//! The components' call to wait for rows of data sync: a pull that waits holds neither a connection nor a place in
//! the database.

use super::authorise;
use super::reply::Failure;
use crate::clock::now_ms;
use crate::worker::Worker;
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use shared::limits::{SMALL_BODY_BYTES_MAX, SYNC_WAIT_LOOK_MS, SYNC_WAIT_S_MAX};
use shared::store::deliveries;
use shared::wire::batch::RowsWait;
use shared::{Code, Error};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A lease may end while somebody waits; nothing tells of that.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// 200 once rows are due for the receiver, 204 when the time is over or the worker stops.
pub async fn wait(
    State(worker): State<Arc<Worker>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    authorise(&worker, &headers)?;
    let malformed = || Error::new(Code::MalformedJson, "The body is not a wait for rows.");
    let body = to_bytes(body, SMALL_BODY_BYTES_MAX)
        .await
        .map_err(|_| malformed())?;
    let request: RowsWait = serde_json::from_slice(&body).map_err(|_| malformed())?;
    let wait = Duration::from_millis(request.wait_ms.min(SYNC_WAIT_S_MAX * 1000));
    let ends = Instant::now() + wait;
    let mut woken = worker.rows.subscribe();
    loop {
        if deliveries::is_any_due(&*worker.database, &request.receiver, now_ms()).await? {
            return Ok(Json(serde_json::json!({})).into_response());
        }
        tracing::debug!(receiver = request.receiver, "waits for rows");
        let next_look = ends.min(Instant::now() + LOOK_AGAIN);
        let is_woken = tokio::select! {
            () = worker.stop.cancelled() => return Ok(StatusCode::NO_CONTENT.into_response()),
            _ = woken.changed() => true,
            () = tokio::time::sleep_until(next_look) => false,
        };
        if Instant::now() >= ends {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        if is_woken {
            // Rows come in flocks, and many may wait: one look for what comes within a moment.
            tokio::time::sleep(Duration::from_millis(SYNC_WAIT_LOOK_MS)).await;
        }
    }
}
