//! What the product tells of itself at `GET /metrics` (PF-9, VA-15). `docs/metrics.md` has every name.
//!
//! Some things are counted as they happen ([`requests`], [`worker::WorkerCounts`]); the others are read when
//! somebody asks, the machine and the database at most once in [`METRICS_READING_MS`].
//!
//! **Invariant:** labels take their values from fixed sets. No id, address, host or URL becomes one
//! (`no_metric_holds_a_token_an_address_or_a_url`).

mod database;
mod machine;
mod page;
pub mod requests;
mod route;
mod sync;
pub mod worker;

pub use route::router;

use crate::database::Handle;
use crate::host::Host;
use crate::settings::Settings;
use crate::worker::Worker;
use database::Figures;
use machine::{Machine, Ticks};
use page::Page;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;
use requests::Requests;
use shared::domain::quota::Levels;
use shared::limits::{METRICS_READING_MS, METRICS_WAIT_MS_MAX};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

/// Everything that this process can tell.
pub struct Metrics {
    token: String,
    data_dir: PathBuf,
    levels: Levels,
    handle: Handle,
    requests: Requests,
    counted: Registry,
    host: Option<Arc<Host>>,
    worker: Option<Arc<Worker>>,
    started: f64,
    /// The processor's time then.
    ticks: Option<Ticks>,
    /// The last look at machine and database. Held while looking, so that scrapes at once look once.
    reading: Mutex<Option<Reading>>,
}

#[derive(Clone)]
struct Reading {
    at: Instant,
    machine: Machine,
    figures: Option<Figures>,
}

impl Metrics {
    /// Of a process with these parts.
    pub fn new(
        settings: &Settings,
        handle: &Handle,
        requests: Requests,
        host: Option<&Arc<Host>>,
        worker: Option<&Arc<Worker>>,
    ) -> Arc<Self> {
        let mut counted = Registry::default();
        requests.register(&mut counted);
        let started = SystemTime::now().duration_since(UNIX_EPOCH);
        Arc::new(Self {
            token: settings.metrics.token.clone(),
            data_dir: settings.data_dir.clone(),
            levels: settings.quota.levels(),
            handle: handle.clone(),
            requests,
            counted,
            host: host.cloned(),
            worker: worker.cloned(),
            started: started.map_or(0.0, |time| time.as_secs_f64()),
            ticks: machine::ticks_now(),
            reading: Mutex::default(),
        })
    }

    /// OpenMetrics 1.0, without its last line.
    async fn text(&self) -> Result<String, std::fmt::Error> {
        let reading = self.reading().await;
        let mut page = Page::default();
        self.write_process(&mut page);
        reading.machine.write(&mut page);
        page.gauge(
            "database_up",
            "1 when the database answered the last scrape, else 0",
            reading.figures.is_some().into(),
        );
        if let Some(figures) = &reading.figures {
            figures.write(&mut page);
        }
        let components = self.host.as_ref().map(|host| host.database_pool());
        database::write_pools(&mut page, &self.handle, components.unwrap_or_default());
        if let Some(worker) = &self.worker {
            worker::write(&mut page, worker);
        }
        let mut text = String::new();
        encode_registry(&mut text, &self.counted)?;
        encode_registry(&mut text, &page.0)?;
        Ok(text)
    }

    fn write_process(&self, page: &mut Page) {
        page.gauges(
            "wharf_build_info",
            "1, with the version of the binary",
            "version",
            [(env!("CARGO_PKG_VERSION"), 1.0)],
        );
        page.gauge(
            "process_start_time_seconds",
            "When this process started, seconds since 1970",
            self.started,
        );
        if let Some(rate) = self.requests.cache_hit_rate() {
            page.gauge(
                "cache_hit_rate",
                "Share of parse requests that a kept answer served since the start, 0 before the first",
                rate,
            );
        }
        if let Some(host) = &self.host {
            let (busy, max) = host.instances();
            page.gauges(
                "component_instances",
                "Component instances at work, and how many there may be",
                "state",
                [("busy", busy as f64), ("max", max as f64)],
            );
        }
    }

    async fn reading(&self) -> Reading {
        let mut kept = self.reading.lock().await;
        let age = Duration::from_millis(METRICS_READING_MS);
        if let Some(reading) = kept.as_ref().filter(|reading| reading.at.elapsed() < age) {
            return reading.clone();
        }
        let before = kept.as_ref().and_then(|reading| reading.machine.ticks);
        let before = before.or(self.ticks);
        let database = self.handle.database();
        let (machine, figures) =
            tokio::join!(self.machine(before), Figures::read(&*database, self.levels));
        let reading = Reading {
            at: Instant::now(),
            machine,
            figures,
        };
        *kept = Some(reading.clone());
        reading
    }

    /// Empty where the file system hangs.
    async fn machine(&self, before: Option<Ticks>) -> Machine {
        let data_dir = self.data_dir.clone();
        let look = tokio::task::spawn_blocking(move || Machine::read(&data_dir, before));
        let patience = Duration::from_millis(METRICS_WAIT_MS_MAX);
        match tokio::time::timeout(patience, look).await {
            Ok(Ok(machine)) => machine,
            Ok(Err(_)) | Err(_) => Machine::default(),
        }
    }
}
