//! A shop's server: keeps the schedule (DS-10), greets the cloud, and lets rows go up and come down. One worker at a
//! time does this for a site.

use super::apply::Business;
use super::hook::Hook;
use super::mysql::BusinessDatabase;
use super::outbox::Outbox;
use super::upstream::{Failure, Upstream};
use super::{Lease, down, pause_after, up};
use crate::clock::{local_offset_ms, now_ms};
use crate::worker::Worker;
use shared::domain::batch::Pace;
use shared::domain::delivery::{SITE_DUTY, UPSTREAM};
use shared::domain::schedule::Schedule;
use shared::limits::{SYNC_BAD_LINE_FAILURES_MAX, SYNC_BEAT_S, SYNC_DUTY_MS, SYNC_STOP_S};
use shared::store::{Database, deliveries, site_state};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The longest wait for a wake-up that never came.
const IDLE: Duration = Duration::from_secs(1);

/// What the two directions share.
pub struct Site {
    pub worker: Arc<Worker>,
    pub upstream: Upstream,
    pub business: Option<Business>,
    /// Where the business's rows are taken from, beside HTTP.
    pub outbox: Option<Outbox>,
    pub up_pace: Mutex<Pace>,
    pub down_pace: Mutex<Pace>,
    /// Whether rows, or a wait for them, got through since the run began: what fails then begins a row of failures.
    pub got_through: AtomicBool,
    /// Whether the cloud answered the greeting of this run: it is there, and only the line is bad.
    is_greeted: AtomicBool,
    schedule: Schedule,
    is_live: bool,
}

pub async fn run(worker: Arc<Worker>) {
    if !worker.settings.site.is_one() {
        return;
    }
    let site = match Site::new(&worker) {
        Ok(site) => site,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "data sync cannot start");
            return;
        }
    };
    let lease = Lease::new(&worker, SITE_DUTY);
    while !worker.is_stopping() {
        match lease.hold().await {
            Ok(true) => {
                let stop = worker.stop.child_token();
                let (keeper, halt) = (keep(&lease, &stop), stop.clone());
                tokio::join!(keeper, async {
                    tokio::select! {
                        () = site.serve(&halt) => {}
                        () = grace(&halt) => {}
                    }
                    halt.cancel();
                });
            }
            Ok(false) => {
                worker.pause(IDLE).await;
            }
            Err(error) => {
                tracing::error!(%error, "could not take the duty");
                worker.pause(IDLE).await;
            }
        }
    }
}

/// A while after `stop`: what hangs then is given up, and comes again at the next start.
async fn grace(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(Duration::from_secs(SYNC_STOP_S)).await;
}

/// Extends the lease until `stop`, and stops the site when it is lost.
async fn keep(lease: &Lease, stop: &CancellationToken) {
    let third = Duration::from_millis(SYNC_DUTY_MS.unsigned_abs() / 3);
    let mut held_until = now_ms() + SYNC_DUTY_MS;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(third) => {}
        }
        match lease.hold().await {
            Ok(true) => held_until = now_ms() + SYNC_DUTY_MS,
            // A database that does not answer for a moment is no reason, as long as the lease holds.
            Err(_) if now_ms() + SYNC_DUTY_MS / 3 < held_until => {}
            Ok(false) | Err(_) => {
                tracing::warn!("another worker has taken over data sync");
                stop.cancel();
                return;
            }
        }
    }
}

impl Site {
    fn new(worker: &Arc<Worker>) -> anyhow::Result<Self> {
        let settings = &worker.settings.site;
        let mysql = match settings.mysql_url.as_str() {
            "" => None,
            url => Some(BusinessDatabase::open(url)?),
        };
        let business = match settings.apply_url.as_str() {
            "" => mysql.clone().map(Business::Inbox),
            url => {
                let client = super::client(worker);
                let hook = Hook::new(url, &settings.apply_secret, client);
                Some(Business::Hook(Box::new(hook)))
            }
        };
        if business.is_none() {
            tracing::info!(
                "nothing takes the cloud's rows here (site.apply_url, site.mysql_url): they wait there"
            );
        }
        Ok(Self {
            upstream: Upstream::new(worker)?,
            business,
            outbox: mysql.map(Outbox::new),
            up_pace: Mutex::new(Pace::new(worker.settings.sync.max_rows)),
            down_pace: Mutex::new(Pace::new(worker.settings.sync.max_rows)),
            got_through: AtomicBool::new(false),
            is_greeted: AtomicBool::new(false),
            schedule: Schedule::new(settings.interval_s, &settings.times)?,
            is_live: settings.is_live(),
            worker: worker.clone(),
        })
    }

    pub fn database(&self) -> &dyn Database {
        &*self.worker.database
    }

    /// How many rows at once in this direction, after `change`.
    pub fn rows_at_once<T>(pace: &Mutex<Pace>, change: impl FnOnce(&mut Pace) -> T) -> T {
        change(&mut pace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs whenever a run is due, until `stop`.
    async fn serve(&self, stop: &CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            match self.wait_until_due(stop).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(%error, "could not read the schedule");
                    failures += 1;
                    pause(stop, pause_after(failures)).await;
                    continue;
                }
            }
            let started_at = now_ms();
            let done = self.run_one(stop).await;
            let failure = done.as_ref().err();
            let why = failure.map(ToString::to_string).unwrap_or_default();
            let noted = self.note(site_state::UPSTREAM_ERROR, &why).await;
            match (done, noted) {
                (Ok(()), Ok(())) => failures = 0,
                (done, noted) => {
                    let got_through = self.got_through.swap(false, Ordering::Relaxed);
                    let is_greeted = self.is_greeted.swap(false, Ordering::Relaxed);
                    failures = match (got_through, is_greeted) {
                        (true, _) => 1,
                        (false, true) => (failures + 1).min(SYNC_BAD_LINE_FAILURES_MAX),
                        (false, false) => failures + 1,
                    };
                    let wait = pause_after(failures);
                    let why = done.err().or(noted.err()).map(|error| error.to_string());
                    tracing::warn!(
                        why,
                        wait_ms = wait.as_millis(),
                        "the run failed and is tried again"
                    );
                    self.worker.counts.sync.runs_failed.inc();
                    tokio::select! {
                        () = pause(stop, wait) => {}
                        () = self.asked_since(started_at) => {}
                    }
                }
            }
        }
    }

    /// Until the schedule or somebody by hand wants a run; false when it is time to stop. Where rows travel as they
    /// come a run is always due.
    async fn wait_until_due(&self, stop: &CancellationToken) -> Result<bool, Failure> {
        let mut woken = self.worker.rows.subscribe();
        while !stop.is_cancelled() {
            if self.is_live || self.is_due().await? {
                return Ok(true);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = woken.changed() => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        }
        Ok(false)
    }

    async fn is_due(&self) -> Result<bool, Failure> {
        let database = self.database();
        let last = site_state::number(database, site_state::RUN_ENDED_AT).await?;
        let now = now_ms();
        let due = self.schedule.due_at(last, now, local_offset_ms());
        Ok(due.is_some_and(|due| due <= now) || self.is_requested(last).await?)
    }

    /// Whether somebody has asked for a run since the last one.
    async fn is_requested(&self, last: Option<i64>) -> Result<bool, Failure> {
        let asked = site_state::number(self.database(), site_state::RUN_REQUESTED_AT).await?;
        Ok(asked.is_some_and(|asked| last.is_none_or(|last| asked >= last)))
    }

    /// Until somebody asks for a run.
    async fn asked_since(&self, started_at: i64) {
        let mut woken = self.worker.rows.subscribe();
        while !matches!(self.is_requested(Some(started_at)).await, Ok(true)) {
            tokio::select! {
                _ = woken.changed() => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        }
    }

    /// One run: greets the cloud, sends what is there, fetches what is there. Where rows travel as they come, both
    /// directions stay open until something fails.
    async fn run_one(&self, stop: &CancellationToken) -> Result<(), Failure> {
        let started_at = now_ms();
        self.greet().await?;
        self.is_greeted.store(true, Ordering::Relaxed);
        if !self.is_live {
            up::run(self, stop).await?;
            down::run(self, stop).await?;
            return self.ended(started_at).await;
        }
        self.note(site_state::UPSTREAM_ERROR, "").await?;
        // What fails stops the others between two batches, never within one.
        let halt = stop.child_token();
        let watched = |result: Result<(), Failure>| {
            halt.cancel();
            result
        };
        let (up, down, beats) = tokio::join!(
            async { watched(self.stay_up(&halt).await) },
            async { watched(down::stay(self, &halt).await) },
            async { watched(self.beat(&halt).await) },
        );
        up.and(down).and(beats)
    }

    /// A run counts from when it started: who asked meanwhile gets another.
    async fn ended(&self, started_at: i64) -> Result<(), Failure> {
        self.worker.counts.sync.runs.inc();
        self.note(site_state::RUN_ENDED_AT, &started_at.to_string())
            .await
    }

    async fn stay_up(&self, halt: &CancellationToken) -> Result<(), Failure> {
        let mut woken = self.worker.rows.subscribe();
        let mut refusals = 0;
        while !halt.is_cancelled() {
            if up::run(self, halt).await? == up::Outcome::Refused {
                // Our own notes of it wake us too; the rows' tries are not to be used up for nothing.
                refusals += 1;
                pause(halt, pause_after(refusals)).await;
                continue;
            }
            refusals = 0;
            tokio::select! {
                () = halt.cancelled() => {}
                _ = woken.changed() => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        }
        Ok(())
    }

    /// Greets now and then, and whenever somebody asks for a run.
    async fn beat(&self, halt: &CancellationToken) -> Result<(), Failure> {
        let mut woken = self.worker.rows.subscribe();
        let mut next = tokio::time::Instant::now() + Duration::from_secs(SYNC_BEAT_S);
        let mut last = site_state::number(self.database(), site_state::RUN_ENDED_AT).await?;
        while !halt.is_cancelled() {
            let started_at = now_ms();
            let is_asked = self.is_requested(last).await?;
            let is_sent = !deliveries::is_any_due(self.database(), UPSTREAM, started_at).await?;
            if is_asked && is_sent || last.is_none() {
                self.greet().await?;
                self.ended(started_at).await?;
                last = Some(started_at);
            } else if tokio::time::Instant::now() >= next {
                self.greet().await?;
                next = tokio::time::Instant::now() + Duration::from_secs(SYNC_BEAT_S);
            }
            tokio::select! {
                () = halt.cancelled() => {}
                _ = woken.changed() => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        }
        Ok(())
    }

    pub async fn epoch(&self) -> Result<i64, Failure> {
        let epoch = site_state::number(self.database(), site_state::EPOCH).await?;
        Ok(epoch.unwrap_or(1))
    }

    pub async fn note(&self, name: &str, value: &str) -> Result<(), Failure> {
        if site_state::get(self.database(), name).await?.as_deref() == Some(value) {
            return Ok(());
        }
        site_state::set(self.database(), name, value, now_ms()).await?;
        Ok(())
    }
}

async fn pause(stop: &CancellationToken, wait: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
}
