//! Up: the shop's rows to the cloud, batch by batch, one at a time (DS-2, DS-11).

use super::site::Site;
use super::upstream::Failure;
use crate::clock::now_ms;
use serde_json::value::RawValue;
use shared::domain::batch::{Bounds, Pace};
use shared::domain::delivery::UPSTREAM;
use shared::limits::SYNC_ENVELOPE_BYTES;
use shared::store::batches::{self, Ask, Batch, Verdict};
use shared::store::site_state;
use shared::wire::batch::verdicts;
use shared::wire::record::{PushAnswer, RowResult};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is due.
    Drained,
    /// The cloud took nothing of a batch. Trying again at once would use up the rows' tries for nothing.
    Refused,
}

/// Sends until nothing is due, the cloud refuses, or `halt`.
pub async fn run(site: &Site, halt: &CancellationToken) -> Result<Outcome, Failure> {
    let pace = &site.up_pace;
    while !halt.is_cancelled() {
        let has_more = match &site.outbox {
            Some(outbox) => outbox.take_in(site).await?,
            None => false,
        };
        match send_one(site, Site::rows_at_once(pace, |pace| pace.rows())).await {
            Ok(Some(taken)) if taken > 0 => {
                site.got_through.store(true, Ordering::Relaxed);
                Site::rows_at_once(pace, Pace::grow);
            }
            Ok(Some(_)) => return Ok(Outcome::Refused),
            Ok(None) if has_more => {}
            Ok(None) => return Ok(Outcome::Drained),
            Err(failure) if failure.is_too_much() && Site::rows_at_once(pace, Pace::halve) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(Outcome::Drained)
}

/// One batch. Returns how many of its rows the cloud took; None when there was none to send.
async fn send_one(site: &Site, rows: usize) -> Result<Option<usize>, Failure> {
    let (database, sync) = (site.database(), &site.worker.settings.sync);
    let ask = Ask {
        receiver: UPSTREAM,
        realms: &[],
        bounds: Bounds {
            rows,
            // Each row gets its origin and its count on the way.
            bytes: sync.max_bytes.saturating_sub(SYNC_ENVELOPE_BYTES).max(1),
        },
        batch_id: uuid::Uuid::now_v7().to_string(),
        pull_id: None,
        // One worker at a time sends, so an open batch is one whose answer was lost: it goes again as it is.
        lease_ms: 0,
        fail_max: sync.fail_max,
    };
    let Some(batch) = batches::take(database, &ask, now_ms()).await? else {
        return Ok(None);
    };
    let body = body(site, &batch).await?;
    let path = "/api/v1/sync/push";
    let named = batches::named(database, &batch).await?;
    let answer = site
        .upstream
        .call(database, path, body, Duration::ZERO)
        .await;
    let results: Vec<RowResult> = match (answer, named.as_slice()) {
        (Ok(PushAnswer { results, .. }), _) => results
            .into_iter()
            .filter(|result| result.syn_id.is_some())
            .collect(),
        // Smaller than one row no batch gets: it is the row that the cloud does not take.
        (Err(Failure::TooLarge), [(_, syn_id, _)]) => {
            let message = Some("The row is larger than the cloud takes.".to_owned());
            vec![RowResult {
                message,
                ..RowResult::new(syn_id.clone(), "reject")
            }]
        }
        (Err(failure), _) => return Err(failure),
    };
    let (verdicts, counts) = verdicts(&batch, &named, &results)?;
    let kept = serde_json::to_string(&counts).map_err(|error| Failure::Here(error.to_string()))?;
    batches::settle(database, &batch, &verdicts, Some(&kept), now_ms()).await?;
    if let Some(outbox) = &site.outbox {
        outbox.settled(&batch, &named, &verdicts).await;
    }
    let taken = verdicts
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Ok)
        .count();
    let metrics = &site.worker.counts.sync;
    metrics.sent.inc_by(u64::try_from(taken).unwrap_or(0));
    if taken > 0 {
        site.note(site_state::LAST_PUSH, &now_ms().to_string())
            .await?;
    }
    if counts.dead > 0 {
        tracing::warn!(
            rows = counts.dead,
            "the cloud refused rows for the last time"
        );
    }
    Ok(Some(taken))
}

/// The same bytes for the same batch, so that the cloud knows it again.
async fn body(site: &Site, batch: &Batch) -> Result<Vec<u8>, Failure> {
    #[derive(serde::Serialize)]
    struct Push<'a> {
        batch_id: &'a str,
        epoch: i64,
        rows: Vec<Box<RawValue>>,
    }
    let site_id = site.upstream.site_id(site.database()).await?;
    let leased = batches::rows(site.database(), batch).await?;
    if let Some(outbox) = &site.outbox {
        outbox.sending(&leased).await;
    }
    let here = |error: &dyn std::fmt::Display| Failure::Here(error.to_string());
    let mut rows = Vec::with_capacity(leased.len());
    for mut leased in leased {
        leased.row.origin.clone_from(&site_id);
        let json = leased.row.to_json()?;
        rows.push(RawValue::from_string(json).map_err(|error| here(&error))?);
    }
    let push = Push {
        batch_id: &batch.batch_id,
        epoch: site.epoch().await?,
        rows,
    };
    serde_json::to_vec(&push).map_err(|error| here(&error))
}
