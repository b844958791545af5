//! What the database tells: the same figures from every process on it.

use super::page::Page;
use crate::clock::now_ms;
use crate::database::Handle;
use shared::Result;
use shared::domain::drive::Drive;
use shared::domain::quota::{Levels, day};
use shared::limits::METRICS_WAIT_MS_MAX;
use shared::store::Database;
use shared::store::checks;
use shared::store::mails;
use shared::store::metrics::{self as figures, Ended};
use shared::store::overview::{self, Backlog};
use shared::store::quotas::{self, LevelUse};
use std::time::Duration;

/// How far back the success rate looks.
const HOUR_MS: i64 = 3_600_000;
/// Levels of users (ID-5); each has its quota.
const LEVELS: [&str; 2] = ["user", "vip"];

/// One look at the database.
#[derive(Clone, Debug)]
pub struct Figures {
    now: i64,
    backlog: Backlog,
    ended: Ended,
    quota: Vec<LevelUse>,
    checks: Vec<(Drive, i64)>,
    mails: mails::Backlog,
}

impl Figures {
    /// `None` when the database fails or takes longer than [`METRICS_WAIT_MS_MAX`].
    pub async fn read(database: &dyn Database, levels: Levels) -> Option<Self> {
        let patience = Duration::from_millis(METRICS_WAIT_MS_MAX);
        match tokio::time::timeout(patience, Self::ask(database, levels)).await {
            Ok(Ok(figures)) => Some(figures),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the metrics go without the database");
                None
            }
            Err(_) => {
                tracing::warn!("the metrics go without the database, which did not answer in time");
                None
            }
        }
    }

    async fn ask(database: &dyn Database, levels: Levels) -> Result<Self> {
        let now = now_ms();
        Ok(Self {
            now,
            backlog: overview::backlog(database, now).await?,
            ended: figures::ended_since(database, "video", now - HOUR_MS).await?,
            quota: quotas::by_level(database, day(now), levels, now).await?,
            checks: checks::pending(database).await?,
            mails: mails::backlog(database).await?,
        })
    }

    /// A line per metric.
    pub(super) fn write(&self, page: &mut Page) {
        let (backlog, ended) = (&self.backlog, &self.ended);
        page.gauges(
            "queue_depth",
            "Tasks in the queue, under way, and in the dead letters",
            "status",
            [
                ("queued", backlog.queued as f64),
                ("running", backlog.running as f64),
                ("dead", backlog.dead as f64),
            ],
        );
        let waiting_ms = backlog.oldest_queued_at.map_or(0, |due| self.now - due);
        page.gauge(
            "queue_wait_seconds",
            "For how long the first task of the queue has been due",
            waiting_ms as f64 / 1000.0,
        );
        page.gauges(
            "download_tasks_last_hour",
            "Downloads that ended within the last hour",
            "status",
            [
                ("succeeded", ended.succeeded as f64),
                ("failed", ended.failed as f64),
                ("dead", ended.dead as f64),
                ("cancelled", ended.cancelled as f64),
            ],
        );
        page.gauge(
            "download_task_success_rate",
            "Succeeded among succeeded, failed and dead downloads of the last hour, 1 without any",
            ended.success_rate(),
        );
        page.gauges(
            "user_quota_usage",
            "Downloads of today as a share of the limits of those users that have made any, 0 to 1",
            "level",
            LEVELS.map(|level| {
                let usage = self.quota.iter().find(|usage| usage.role == level);
                (level, usage.map_or(0.0, LevelUse::share))
            }),
        );
        self.write_sharing(page);
    }

    fn write_sharing(&self, page: &mut Page) {
        page.gauges(
            "check_pending",
            "Links that wait to be checked",
            "drive",
            Drive::ALL.map(|drive| {
                let pending = self.checks.iter().find(|(of, _)| *of == drive);
                (
                    drive.as_str(),
                    pending.map_or(0.0, |(_, count)| *count as f64),
                )
            }),
        );
        page.gauge(
            "mail_pending",
            "Mails that wait in the outbox",
            self.mails.pending as f64,
        );
        let waiting_ms = self.mails.oldest_at.map_or(0, |written| self.now - written);
        page.gauge(
            "mail_wait_seconds",
            "For how long the first of them has waited",
            waiting_ms.max(0) as f64 / 1000.0,
        );
    }
}

/// The connections of all pools of this process.
pub(super) fn write_pools(page: &mut Page, handle: &Handle, components: crate::database::Pool) {
    let pool = handle.pool() + components;
    page.gauges(
        "database_connection_pool",
        "Connections to the database: idle, in use, and how many there may be",
        "state",
        [
            ("idle", pool.idle as f64),
            ("in_use", pool.in_use as f64),
            ("max", pool.max as f64),
        ],
    );
    if let Handle::Sqlite(pool) = handle {
        page.counter(
            "sqlite_busy",
            "Statements turned away because others kept writing",
            pool.busy_count(),
        );
    }
}
