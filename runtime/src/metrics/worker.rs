//! What a worker counts, and what it tells of itself.

use super::page::Page;
use crate::worker::Worker;
use prometheus_client::metrics::counter::Counter;

/// Counted as it happens.
#[derive(Default)]
pub struct WorkerCounts {
    /// Attempts that brought the file.
    pub succeeded: Counter,
    /// Attempts that ended their task with a permanent error.
    pub failed: Counter,
    /// Attempts that spent the last retry.
    pub dead: Counter,
    /// Attempts that put their task back into the queue after an error that may pass.
    pub retried: Counter,
    /// Attempts whose task was cancelled or deleted meanwhile.
    pub cancelled: Counter,
    /// Attempts that broke off because the claim was no longer this worker's.
    pub lost: Counter,
    /// Tasks of dead workers that this one moved.
    pub rescued: Counter,
    /// Bytes of files that went to clients.
    pub sent_bytes: Counter,
}

/// What became of the calls to the provider of rented proxies, and whether the breaker is open.
#[derive(Default)]
struct RentedProxies {
    succeeded: u64,
    failed: u64,
    /// Not made, because the breaker was open.
    refused: u64,
    breaker_open: bool,
}

/// TODAY NO PROXY IS RENTED: this is the one place to fill when one is.
fn rented_proxies(_worker: &Worker) -> RentedProxies {
    RentedProxies::default()
}

/// A line per metric.
pub(super) fn write(page: &mut Page, worker: &Worker) {
    let counts = &worker.counts;
    page.counters(
        "download_task",
        "Attempts at downloads that ended on this worker",
        "outcome",
        [
            ("succeeded", counts.succeeded.get()),
            ("failed", counts.failed.get()),
            ("dead", counts.dead.get()),
            ("retried", counts.retried.get()),
            ("cancelled", counts.cancelled.get()),
            ("lost", counts.lost.get()),
        ],
    );
    page.counter(
        "tasks_rescued",
        "Tasks of dead workers that this one put back or buried",
        counts.rescued.get(),
    );
    page.gauge(
        "worker_up",
        "1 while the worker's duties run, 0 while it stops",
        (!worker.is_stopping()).into(),
    );
    page.gauge(
        "worker_ready",
        "1 when the worker takes downloads: it runs and has yt-dlp and ffmpeg",
        (!worker.is_stopping() && worker.ytdlp.is_ready()).into(),
    );
    page.gauge(
        "active_download_count",
        "Downloads under way on this worker",
        worker.active_downloads() as f64,
    );
    page.gauge(
        "active_download_limit",
        "Downloads that this worker runs at once at the most",
        worker.settings.media.concurrency as f64,
    );
    page.gauge(
        "websocket_clients",
        "Open progress WebSockets",
        worker.websocket_clients() as f64,
    );
    page.counters(
        "network_bandwidth_bytes",
        "Bytes of media: received through the egress door, sent to clients",
        "direction",
        [
            ("received", worker.ytdlp.received_bytes()),
            ("sent", counts.sent_bytes.get()),
        ],
    );
    let proxies = rented_proxies(worker);
    page.counters(
        "proxy_calls",
        "Calls to the provider of rented proxies; refused: not made, because the breaker was open",
        "outcome",
        [
            ("succeeded", proxies.succeeded),
            ("failed", proxies.failed),
            ("refused", proxies.refused),
        ],
    );
    page.gauge(
        "proxy_breaker_open",
        "1 while calls to the provider of rented proxies are not made, else 0",
        proxies.breaker_open.into(),
    );
}
