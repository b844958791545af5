//! Says every few seconds how this worker is. Admins read the rows; nothing is decided by them.

use super::{Worker, queue};
use crate::clock::now_ms;
use shared::Result;
use shared::limits::WORKER_BEAT_MS;
use shared::store::workers::{self, WorkerRow};
use shared::wire::worker::WorkerState;
use std::sync::Arc;
use std::time::Duration;

pub async fn run(worker: Arc<Worker>) {
    let started_at = now_ms();
    loop {
        if let Err(error) = run_one(&worker, started_at).await {
            tracing::error!(%error, "could not say how this worker is");
        }
        if !worker.pause(Duration::from_millis(WORKER_BEAT_MS)).await {
            return;
        }
    }
}

async fn run_one(worker: &Worker, started_at: i64) -> Result<()> {
    let state = serde_json::to_string(&state(worker)).map_err(shared::Error::internal)?;
    let row = WorkerRow {
        worker_id: worker.id.clone(),
        started_at,
        seen_at: now_ms(),
        state,
    };
    workers::beat(&*worker.database, &row).await
}

fn state(worker: &Worker) -> WorkerState {
    let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let usage = worker.disk.usage();
    WorkerState {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        concurrency: number(worker.settings.media.concurrency as u64),
        running: number(worker.active(queue::Kind::Video) as u64),
        is_ready: worker.ytdlp.is_ready(),
        disk_usage_percent: usage.percent(),
        disk_total_bytes: number(usage.total_bytes),
        disk_free_bytes: number(usage.free_bytes),
        is_waiting_for_disk: queue::waits_for_disk(worker),
        ytdlp: worker.ytdlp_version(),
        ytdlp_error: worker.update_error(),
        has_proxy_provider: worker.proxies.is_configured(),
        proxy_breaker: worker.proxies.breaker().as_str().to_owned(),
    }
}
