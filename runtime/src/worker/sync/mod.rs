//! Data sync (DS-1 to DS-13). On a cloud: `business` hands rows to its own business, `load` gives a new site what it
//! may see. On a site: `site` keeps the schedule, greets by `heartbeat` and runs `up`, which sends the shop's rows, and `down`, which fetches
//! the cloud's and applies them. Between them stand `upstream`, the cloud as the site sees it, and the
//! business: `hook` by HTTP, `mysql` its own database, whose outbox table `outbox` looks after.

pub mod apply;
pub mod business;
pub mod down;
mod heartbeat;
pub mod hook;
pub mod load;
pub mod mysql;
pub mod outbox;
pub mod row;
pub mod site;
pub mod up;
pub mod upstream;

use super::Worker;
use crate::clock::now_ms;
use crate::egress::{Client, Door};
use shared::Result;
use shared::domain::egress::AllowList;
use shared::domain::task::backoff_ms;
use shared::limits::{SYNC_BACKOFF_INITIAL_MS, SYNC_BACKOFF_MAX_MS, SYNC_DUTY_MS};
use shared::store::duties;
use std::sync::Arc;
use std::time::Duration;

/// A client that reaches what the operator has named for data sync, also where that is an inner address.
fn client(worker: &Worker) -> Client {
    let settings = &worker.settings;
    let mut allow = settings.egress.allow.clone();
    let named = [
        &settings.sync.apply_url,
        &settings.site.upstream,
        &settings.site.apply_url,
    ];
    allow.extend(named.into_iter().filter_map(|url| authority(url)));
    // The settings were checked; what is no entry opens nothing.
    let allow = AllowList::parse(&allow).unwrap_or_default();
    Client::new(Door::new(allow))
}

/// `host:port` of a URL.
fn authority(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    Some(format!(
        "{}:{}",
        url.host_str()?,
        url.port_or_known_default()?
    ))
}

/// The wait after so many failures in a row, half of it by chance.
fn pause_after(failures: u32) -> Duration {
    let attempt = i64::from(failures.max(1));
    let jitter = super::retry::jitter();
    let ms = backoff_ms(
        attempt,
        SYNC_BACKOFF_INITIAL_MS,
        SYNC_BACKOFF_MAX_MS,
        jitter,
    );
    Duration::from_millis(ms.unsigned_abs())
}

/// A duty of data sync that one worker at a time has.
struct Lease {
    worker: Arc<Worker>,
    duty: &'static str,
}

impl Lease {
    fn new(worker: &Arc<Worker>, duty: &'static str) -> Self {
        Self {
            worker: worker.clone(),
            duty,
        }
    }

    /// Takes or extends it.
    async fn hold(&self) -> Result<bool> {
        let now = now_ms();
        let worker = &self.worker;
        duties::hold(
            &*worker.database,
            self.duty,
            &worker.id,
            now,
            now + SYNC_DUTY_MS,
        )
        .await
    }
}
