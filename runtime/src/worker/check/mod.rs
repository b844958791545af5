//! Checks links (SH-9): whether a share still opens, and which files it holds. A loop for each drive claims what is
//! due, asks the drive and writes what it said.
//!
//! | what the drive said | what follows |
//! | --- | --- |
//! | ok | the resource lives, one that was invalidated comes back; its tree follows the drive's |
//! | bad | it is asked again after `drives.bad_interval_s`; said twice, the resource is invalidated |
//! | locked | the code does not open it; nothing changes |
//! | uncertain | tried again after a back-off, [`CHECK_TRIES`] times in all, then left as it was |

pub mod aliyun;
pub mod api;
pub mod baidu;
pub mod list;

use super::Worker;
use crate::clock::now_ms;
use crate::egress::{Client, Door};
use crate::settings::Settings;
use aliyun::Aliyun;
use api::{Api, Refusal, Shares};
use baidu::Baidu;
use prometheus_client::metrics::counter::Counter;
use shared::domain::check::Verdict;
use shared::domain::directory::Directory;
use shared::domain::drive::{Drive, ShareLink};
use shared::domain::egress::AllowList;
use shared::domain::task::backoff_ms;
use shared::limits::{
    CHECK_HOLD_MS, CHECK_LEASE_MS, CHECK_LIST_S_MAX, CHECK_S_MAX, CHECK_TRIES, CHECKS_AT_ONCE,
};
use shared::store::checks::{self, Claim, Listing};
use shared::store::{directories, links};
use shared::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The longest wait for a wake-up that never came.
const IDLE: Duration = Duration::from_secs(1);

/// The drives that are asked.
pub struct Drives {
    aliyun: Aliyun,
    baidu: Baidu,
}

/// How checks ended, by what the drive said.
#[derive(Default)]
pub struct CheckCounts([Counter; Verdict::ALL.len()]);

/// What one look at a share came to.
struct Look {
    verdict: Verdict,
    /// The whole tree, with `ok`; without it the share opened and its listing broke off.
    directory: Option<Directory>,
    /// For the log.
    why: Option<String>,
}

impl Drives {
    /// The operator's own base URLs are opened in the door with the settings.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let drives = &settings.drives;
        let mut open = settings.egress.allow.clone();
        for base in [&drives.aliyun_base, &drives.baidu_base] {
            let url = url::Url::parse(base)?;
            if let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) {
                open.push(format!("{host}:{port}"));
            }
        }
        let client = Client::new(Door::new(AllowList::parse(&open)?));
        let api = |base: &str| Api::new(client.clone(), base, drives.calls_per_s);
        Ok(Self {
            aliyun: Aliyun(api(&drives.aliyun_base)),
            baidu: Baidu(api(&drives.baidu_base)),
        })
    }

    fn of(&self, drive: Drive) -> &dyn Shares {
        match drive {
            Drive::Aliyun => &self.aliyun,
            Drive::Baidu => &self.baidu,
        }
    }
}

impl CheckCounts {
    fn count(&self, verdict: Verdict) {
        let at = Verdict::ALL.iter().position(|one| *one == verdict);
        if let Some(counter) = at.and_then(|at| self.0.get(at)) {
            counter.inc();
        }
    }

    pub fn lines(&self) -> [(&'static str, u64); Verdict::ALL.len()] {
        std::array::from_fn(|at| (Verdict::ALL[at].as_str(), self.0[at].get()))
    }
}

impl Look {
    fn refused(refusal: Refusal) -> Self {
        Self {
            verdict: refusal.verdict,
            directory: None,
            why: Some(refusal.why),
        }
    }
}

pub async fn run(worker: Arc<Worker>, drive: Drive) {
    let mut woken = worker.wake.subscribe();
    let mut checking = JoinSet::new();
    while !worker.is_stopping() {
        let places = places_beside(&checking);
        if let Err(error) = run_one(&worker, drive, &mut checking, places).await {
            tracing::error!(%error, "could not look for checks");
        }
        let has_places = places_beside(&checking) > 0;
        tokio::select! {
            () = worker.stop.cancelled() => {}
            Some(_) = checking.join_next() => {}
            _ = woken.changed(), if has_places => {}
            () = tokio::time::sleep(IDLE), if has_places => {}
        }
    }
    checking.shutdown().await;
    if let Err(error) = checks::release(&*worker.database, drive, &worker.id).await {
        // The leases end by themselves.
        tracing::error!(%error, "could not give the checks back");
    }
}

/// How many more may be under way.
fn places_beside(checking: &JoinSet<()>) -> i64 {
    CHECKS_AT_ONCE.saturating_sub(i64::try_from(checking.len()).unwrap_or(i64::MAX))
}

/// Claims one after the other, since what is claimed keeps others of the same publisher waiting.
async fn run_one(
    worker: &Arc<Worker>,
    drive: Drive,
    checking: &mut JoinSet<()>,
    places: i64,
) -> Result<()> {
    let database = &*worker.database;
    for _ in 0..places {
        let now = now_ms();
        let lease = now + CHECK_LEASE_MS;
        let Some(claim) = checks::claim(database, drive, &worker.id, now, lease).await? else {
            break;
        };
        let worker = worker.clone();
        checking.spawn(async move {
            if let Err(error) = check(&worker, drive, &claim).await {
                // Its lease ends and it is made again.
                tracing::error!(%error, resource_id = claim.resource_id, "could not check a link");
            }
        });
    }
    Ok(())
}

async fn check(worker: &Worker, drive: Drive, claim: &Claim) -> Result<()> {
    let database = &*worker.database;
    let Some(link) = links::find(database, &claim.link_id).await? else {
        return Err(Error::internal("a resource points to no link"));
    };
    let look = tokio::select! {
        look = look(worker.drives.of(drive), &link) => look,
        () = hold(worker, claim) => {
            tracing::warn!(resource_id = claim.resource_id, "lost the claim of a check");
            return Ok(());
        }
    };
    worker.counts.checks.count(look.verdict);
    tracing::info!(
        resource_id = claim.resource_id,
        drive = drive.as_str(),
        attempt = claim.attempt,
        verdict = look.verdict.as_str(),
        why = look.why,
        "check"
    );
    crate::fault::point("check:asked");
    settle(worker, claim, look).await
}

/// Returns when the claim is lost.
async fn hold(worker: &Worker, claim: &Claim) {
    loop {
        tokio::time::sleep(Duration::from_millis(CHECK_HOLD_MS)).await;
        let until = now_ms() + CHECK_LEASE_MS;
        match checks::extend(&*worker.database, claim, &worker.id, until).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::error!(%error, "could not hold a check"),
        }
    }
}

async fn look(shares: &dyn Shares, link: &ShareLink) -> Look {
    let asking = async {
        let key = match shares.open(link).await {
            Ok(key) => key,
            Err(refusal) => return Look::refused(refusal),
        };
        let deadline = Instant::now() + Duration::from_secs(CHECK_LIST_S_MAX);
        match list::list(shares, link, &key, deadline).await {
            Ok(directory) => Look {
                verdict: Verdict::Ok,
                directory: Some(directory),
                why: None,
            },
            Err(broken) if broken.is_share => Look::refused(broken.refusal),
            Err(broken) => Look {
                verdict: Verdict::Ok,
                directory: None,
                why: Some(broken.refusal.why),
            },
        }
    };
    let patience = Duration::from_secs(CHECK_S_MAX);
    let looked = tokio::time::timeout(patience, asking).await;
    looked.unwrap_or_else(|_| Look::refused(Refusal::uncertain("it took too long")))
}

/// Writes what a look came to.
async fn settle(worker: &Worker, claim: &Claim, look: Look) -> Result<()> {
    let has_tries = claim.attempt < CHECK_TRIES;
    match look.verdict {
        Verdict::Uncertain if has_tries => put_back(worker, claim).await,
        // The share lives, but what it holds is not known yet.
        Verdict::Ok if look.directory.is_none() && has_tries => {
            checks::record_opened(&*worker.database, claim, &worker.id).await?;
            put_back(worker, claim).await
        }
        Verdict::Ok => settle_ok(worker, claim, look.directory).await,
        Verdict::Bad => settle_bad(worker, claim).await,
        Verdict::Locked | Verdict::Uncertain => {
            let (database, id) = (&*worker.database, &worker.id);
            checks::record_unknown(database, claim, id, look.verdict, now_ms()).await?;
            checks::finish(database, claim, id).await.map(drop)
        }
    }
}

async fn put_back(worker: &Worker, claim: &Claim) -> Result<()> {
    let drives = &worker.settings.drives;
    let (initial, max) = (drives.backoff_initial_ms, drives.backoff_max_ms);
    let wait = backoff_ms(claim.attempt, initial, max, super::retry::jitter());
    let (database, id) = (&*worker.database, &worker.id);
    checks::postpone(database, claim, id, claim.attempt, now_ms() + wait)
        .await
        .map(drop)
}

/// A tree is written first and pointed to with the verdict; one that is the same is not written again.
async fn settle_ok(worker: &Worker, claim: &Claim, directory: Option<Directory>) -> Result<()> {
    let (database, id) = (&*worker.database, &worker.id);
    match directory {
        None => {
            checks::record_ok(database, claim, id, Listing::Broken, now_ms()).await?;
        }
        Some(directory) => settle_listed(worker, claim, &directory).await?,
    }
    checks::finish(database, claim, id).await.map(drop)
}

async fn settle_listed(worker: &Worker, claim: &Claim, directory: &Directory) -> Result<()> {
    let (database, id) = (&*worker.database, &worker.id);
    let now = now_ms();
    let tree = serde_json::to_string(directory).map_err(Error::internal)?;
    let stands = directories::tree(database, &claim.directory_id).await? == Some(tree);
    if stands && checks::record_ok(database, claim, id, Listing::Same, now).await? {
        return Ok(());
    }
    let directory_id = uuid::Uuid::now_v7().to_string();
    directories::insert(database, &directory_id, directory, now).await?;
    let other = Listing::Other {
        directory_id: &directory_id,
        total_size: directory.total_size(),
    };
    checks::record_ok(database, claim, id, other, now)
        .await
        .map(drop)
}

async fn settle_bad(worker: &Worker, claim: &Claim) -> Result<()> {
    let (database, id) = (&*worker.database, &worker.id);
    let interval_s = worker.settings.drives.bad_interval_s;
    let interval_ms = i64::try_from(interval_s).unwrap_or(i64::MAX / 1000) * 1000;
    let now = now_ms();
    let first = checks::record_bad(database, claim, id, interval_ms, now).await?;
    match first {
        Some(first) if first > now - interval_ms => {
            checks::postpone(database, claim, id, 0, first + interval_ms).await
        }
        _ => checks::finish(database, claim, id).await,
    }
    .map(drop)
}
