//! What a worker counts, and what it tells of itself.

use super::page::Page;
use super::sync::{self, SyncCounts};
use crate::worker::Worker;
use crate::worker::check::CheckCounts;
use crate::worker::mail::MailCounts;
use crate::worker::queue::Kind;
use prometheus_client::metrics::counter::Counter;
use shared::domain::breaker::State;
use std::sync::atomic::Ordering;

/// Counted as it happens.
#[derive(Default)]
pub struct WorkerCounts {
    pub downloads: TaskCounts,
    pub exports: TaskCounts,
    /// Rows that were written into files of exports.
    pub export_rows: Counter,
    pub callbacks: CallbackCounts,
    pub sync: SyncCounts,
    pub checks: CheckCounts,
    pub mails: MailCounts,
    /// Tasks of dead workers that this one moved.
    pub rescued: Counter,
}

/// How attempts at tasks of one kind ended.
#[derive(Default)]
pub struct TaskCounts {
    /// They brought the file.
    pub succeeded: Counter,
    /// They ended their task with a permanent error.
    pub failed: Counter,
    /// They spent the last retry.
    pub dead: Counter,
    /// They put their task back into the queue after an error that may pass.
    pub retried: Counter,
    /// Their task was cancelled or deleted meanwhile.
    pub cancelled: Counter,
    /// The claim was no longer this worker's.
    pub lost: Counter,
}

/// How attempts to deliver callbacks ended.
#[derive(Default)]
pub struct CallbackCounts {
    pub delivered: Counter,
    pub retried: Counter,
    pub given_up: Counter,
}

impl WorkerCounts {
    pub fn of(&self, kind: Kind) -> &TaskCounts {
        match kind {
            Kind::Video => &self.downloads,
            Kind::Export => &self.exports,
        }
    }
}

impl TaskCounts {
    fn lines(&self) -> [(&'static str, u64); 6] {
        [
            ("succeeded", self.succeeded.get()),
            ("failed", self.failed.get()),
            ("dead", self.dead.get()),
            ("retried", self.retried.get()),
            ("cancelled", self.cancelled.get()),
            ("lost", self.lost.get()),
        ]
    }
}

/// A line per metric.
pub(super) fn write(page: &mut Page, worker: &Worker) {
    let counts = &worker.counts;
    page.counters(
        "download_task",
        "Attempts at downloads that ended on this worker",
        "outcome",
        counts.downloads.lines(),
    );
    page.counters(
        "export_task",
        "Attempts at exports that ended on this worker",
        "outcome",
        counts.exports.lines(),
    );
    page.counter(
        "export_rows",
        "Rows that this worker wrote into files of exports",
        counts.export_rows.get(),
    );
    page.gauge(
        "active_exports",
        "Exports under way on this worker",
        worker.active(Kind::Export) as f64,
    );
    page.counters(
        "callbacks",
        "Attempts of this worker to tell a project that a task has ended",
        "outcome",
        [
            ("delivered", counts.callbacks.delivered.get()),
            ("retried", counts.callbacks.retried.get()),
            ("given_up", counts.callbacks.given_up.get()),
        ],
    );
    sync::write(page, &counts.sync);
    page.counters(
        "check",
        "Looks of this worker at drive links, by what the drive said",
        "verdict",
        counts.checks.lines(),
    );
    page.counters(
        "mail",
        "Tries of this worker to send a mail",
        "outcome",
        [
            ("sent", counts.mails.sent.get()),
            ("retried", counts.mails.retried.get()),
            ("failed", counts.mails.failed.get()),
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
        worker.active(Kind::Video) as f64,
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
            ("sent", worker.delivery.delivered_bytes()),
        ],
    );
    page.gauge(
        "transfers_active",
        "Files on their way to clients",
        worker.delivery.active() as f64,
    );
    page.counter(
        "transfers_refused",
        "Files that were not sent because delivery.max_transfers were under way",
        worker.delivery.refused(),
    );
    let calls = worker.proxies.calls();
    page.counters(
        "proxy_calls",
        "Calls to the provider of rented proxies; withheld: not made, because the breaker was open",
        "outcome",
        [
            ("succeeded", calls.succeeded.load(Ordering::Relaxed)),
            ("failed", calls.failed.load(Ordering::Relaxed)),
            ("withheld", calls.withheld.load(Ordering::Relaxed)),
        ],
    );
    page.gauge(
        "proxy_breaker_open",
        "1 while calls to the provider of rented proxies are not made, else 0",
        matches!(worker.proxies.breaker(), State::Open { .. }).into(),
    );
}
