//! On a cloud: hands rows to its own business, one more receiver with the same order and the same three strikes.

use super::apply::Business;
use super::hook::Hook;
use super::row::{Row, Said};
use super::{Lease, pause_after};
use crate::clock::now_ms;
use crate::worker::Worker;
use shared::domain::batch::Bounds;
use shared::domain::delivery::BUSINESS;
use shared::store::batches::{self, Ask, Verdict};
use std::sync::Arc;
use std::time::Duration;

const DUTY: &str = "sync:business";
/// The longest wait for a wake-up that never came.
const IDLE: Duration = Duration::from_secs(1);

pub async fn run(worker: Arc<Worker>) {
    let sync = &worker.settings.sync;
    if sync.apply_url.is_empty() || worker.settings.site.is_one() {
        return;
    }
    let hook = Hook::new(&sync.apply_url, &sync.apply_secret, super::client(&worker));
    let business = Business::Hook(Box::new(hook));
    let lease = Lease::new(&worker, DUTY);
    let mut woken = worker.rows.subscribe();
    let mut failures = 0;
    while !worker.is_stopping() {
        let wait = match lease.hold().await {
            Ok(true) => match run_one(&worker, &business).await {
                Ok(Outcome::Delivered) => {
                    failures = 0;
                    continue;
                }
                Ok(Outcome::Idle) => IDLE,
                Ok(Outcome::Refused) => {
                    failures += 1;
                    pause_after(failures)
                }
                Err(error) => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "could not hand rows to the business"
                    );
                    failures += 1;
                    pause_after(failures)
                }
            },
            Ok(false) => IDLE,
            Err(error) => {
                tracing::error!(%error, "could not take the duty");
                IDLE
            }
        };
        let is_idle = wait == IDLE;
        tokio::select! {
            () = worker.stop.cancelled() => {}
            _ = woken.changed(), if is_idle => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// What one turn did.
enum Outcome {
    /// A batch, of which the business took something.
    Delivered,
    /// A batch, of which it took nothing.
    Refused,
    Idle,
}

async fn run_one(worker: &Worker, business: &Business) -> anyhow::Result<Outcome> {
    let sync = &worker.settings.sync;
    let database = &*worker.database;
    let ask = Ask {
        receiver: BUSINESS,
        realms: &[],
        bounds: Bounds {
            rows: sync.max_rows,
            bytes: sync.max_bytes,
        },
        batch_id: uuid::Uuid::now_v7().to_string(),
        pull_id: None,
        // One worker at a time has the duty, so an open batch is one that nobody works on.
        lease_ms: 0,
        fail_max: sync.fail_max,
    };
    let Some(batch) = batches::take(database, &ask, now_ms()).await? else {
        return Ok(Outcome::Idle);
    };
    let leased = batches::rows(database, &batch).await?;
    let rows = leased
        .iter()
        .map(Row::of)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let said = business.apply(&batch.batch_id, &rows).await;
    let taken = said.iter().filter(|said| **said == Said::Ok).count();
    worker.counts.sync.applied(&said);
    let verdict = |said: Said| match said {
        Said::Ok => Verdict::Ok,
        Said::Reject(why) => Verdict::Reject(why),
        Said::Retry => Verdict::Retry,
    };
    let verdicts = leased.iter().zip(said);
    let verdicts: Vec<_> = verdicts
        .map(|(leased, said)| (leased.record_id, verdict(said)))
        .collect();
    batches::settle(database, &batch, &verdicts, Some("{}"), now_ms()).await?;
    Ok(if taken > 0 {
        Outcome::Delivered
    } else {
        Outcome::Refused
    })
}
