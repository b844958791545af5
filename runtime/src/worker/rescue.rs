//! Puts the tasks of dead workers back into the queue (VA-3).

use super::Worker;
use super::queue::lease_ms;
use crate::clock::now_ms;
use shared::store::queue;
use std::sync::Arc;
use std::time::Duration;

/// What a task that outlived ten workers is told.
const POISON: &str =
    r#"{"code":"worker_lost","message":"Ten workers ended while they worked on this task."}"#;

pub async fn run(worker: Arc<Worker>) {
    let lease = u64::try_from(lease_ms(&worker)).unwrap_or(u64::MAX);
    // Often enough that a short lease is short, seldom enough that it costs nothing.
    let interval = Duration::from_millis((lease / 4).clamp(100, 5000));
    loop {
        match queue::rescue(&*worker.database, now_ms(), POISON).await {
            Ok(0) => {}
            Ok(count) => {
                worker.counts.rescued.inc_by(count);
                tracing::warn!(count, "put tasks of a lost worker back");
                worker.wake();
            }
            Err(error) => tracing::error!(%error, "could not look for lost workers"),
        }
        if !worker.pause(interval).await {
            return;
        }
    }
}
