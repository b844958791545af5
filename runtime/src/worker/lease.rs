//! Extends this worker's claims and stops what it no longer holds: tasks that were cancelled, deleted, or
//! claimed anew because a heartbeat came too late.

use super::Worker;
use super::queue::lease_ms;
use crate::clock::now_ms;
use shared::Result;
use shared::limits::CANCEL_POLL_MS;
use shared::store::queue::{self, Held};
use std::sync::Arc;
use std::time::Duration;

pub async fn run(worker: Arc<Worker>) {
    let lease = lease_ms(&worker);
    // A database that does not answer is as bad as one that refuses.
    let patience = Duration::from_millis(u64::try_from(lease / 4).unwrap_or(u64::MAX));
    let mut extended_at = now_ms();
    while worker.pause(Duration::from_millis(CANCEL_POLL_MS)).await {
        if worker.running().is_empty() {
            extended_at = now_ms();
            continue;
        }
        match tokio::time::timeout(patience, run_one(&worker, extended_at)).await {
            Ok(Ok(at)) => extended_at = at,
            Ok(Err(error)) => tracing::error!(%error, "could not extend the leases"),
            Err(_) => tracing::error!("the database did not answer in time to extend the leases"),
        }
        // Another worker may claim them any moment: let go before that.
        if now_ms() - extended_at > lease * 3 / 4 {
            for running in worker.running().values() {
                running.stop.cancel();
            }
        }
    }
}

/// One beat: extends when a third of the lease has gone by, else only looks. Returns when the leases were
/// last extended.
async fn run_one(worker: &Worker, extended_at: i64) -> Result<i64> {
    let now = now_ms();
    let lease = lease_ms(worker);
    let started: Vec<Held> = worker.running().keys().cloned().collect();
    let (held, extended_at) = if now - extended_at >= lease / 3 {
        let held = queue::extend(&*worker.database, &worker.id, &started, now + lease).await?;
        (held, now)
    } else {
        (
            queue::held(&*worker.database, &worker.id).await?,
            extended_at,
        )
    };
    for claim in started.iter().filter(|claim| !held.contains(claim)) {
        if let Some(running) = worker.running().get(claim) {
            running.stop.cancel();
        }
    }
    Ok(extended_at)
}
