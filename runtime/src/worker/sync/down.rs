//! Down: the cloud's rows to the shop's business in two requests, fetch and answer (DS-3), each row once (DS-5).

use super::row::{Row, Said};
use super::site::Site;
use super::upstream::Failure;
use crate::clock::now_ms;
use shared::domain::batch::Pace;
use shared::domain::record::SELF;
use shared::limits::{SYNC_EXCHANGE_S_MAX, SYNC_WAIT_S_MAX};
use shared::store::applied::{self, Applied};
use shared::store::{records, site_state};
use shared::wire::batch::{AckAnswer, AckRequest, PullAnswer, PullRequest};
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What became of one batch.
#[derive(Clone, Copy)]
enum Outcome {
    /// There was none.
    Nothing,
    Applied {
        /// Rows that the business took.
        taken: usize,
        /// Rows that it did not take, or not yet.
        left: usize,
        /// Whether more wait at the cloud.
        more: bool,
    },
}

/// Fetches until there is nothing more, or `halt`.
pub async fn run(site: &Site, halt: &CancellationToken) -> Result<(), Failure> {
    let mut refusals = 0;
    while !halt.is_cancelled() {
        match fetch(site, halt, Duration::ZERO).await? {
            // A business that takes nothing is left alone until the next run.
            Outcome::Nothing | Outcome::Applied { taken: 0, .. } => return Ok(()),
            Outcome::Applied {
                more: false,
                left: 0,
                ..
            } => return Ok(()),
            outcome => rest_after(outcome, &mut refusals, halt).await,
        }
    }
    Ok(())
}

/// Keeps a pull waiting at the cloud, so that rows come as they are there.
pub async fn stay(site: &Site, halt: &CancellationToken) -> Result<(), Failure> {
    if site.business.is_none() {
        halt.cancelled().await;
        return Ok(());
    }
    let mut refusals = 0;
    while !halt.is_cancelled() {
        let outcome = fetch(site, halt, Duration::from_secs(SYNC_WAIT_S_MAX)).await?;
        rest_after(outcome, &mut refusals, halt).await;
    }
    Ok(())
}

/// A pause after a batch of which something was not taken: it comes again at once, and what it lacks may be on its
/// way. The longer, the more such batches there were in a row.
async fn rest_after(outcome: Outcome, refusals: &mut u32, halt: &CancellationToken) {
    match outcome {
        Outcome::Applied { left, taken, .. } if left > 0 => {
            *refusals = if taken > 0 { 1 } else { *refusals + 1 };
            tokio::select! {
                () = halt.cancelled() => {}
                () = tokio::time::sleep(super::pause_after(*refusals)) => {}
            }
        }
        Outcome::Applied { .. } | Outcome::Nothing => *refusals = 0,
    }
}

/// A batch of the size that went through the last time, or a smaller one.
async fn fetch(site: &Site, halt: &CancellationToken, wait: Duration) -> Result<Outcome, Failure> {
    let pace = &site.down_pace;
    loop {
        let rows = Site::rows_at_once(pace, |pace| pace.rows());
        match fetch_one(site, halt, rows, wait).await {
            Ok(outcome) => {
                if matches!(outcome, Outcome::Applied { .. }) {
                    Site::rows_at_once(pace, Pace::grow);
                }
                return Ok(outcome);
            }
            Err(failure) if failure.is_too_much() && Site::rows_at_once(pace, Pace::halve) => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// Fetches a batch, applies it, answers. The fetch has an id that is noted before it is sent: after a lost answer or
/// a crash the same batch comes again at once.
async fn fetch_one(
    site: &Site,
    halt: &CancellationToken,
    rows: usize,
    wait: Duration,
) -> Result<Outcome, Failure> {
    let Some(business) = &site.business else {
        return Ok(Outcome::Nothing);
    };
    let database = site.database();
    let batch = tokio::select! {
        // Only this request is given up: it has changed nothing here.
        () = halt.cancelled() => return Ok(Outcome::Nothing),
        batch = pull(site, rows, wait) => batch?,
    };
    site.got_through.store(true, Ordering::Relaxed);
    let Some(batch_id) = batch.batch_id else {
        // The id may be that of a batch whose answer was lost on its way back here.
        site.note(site_state::PULL_ID, "").await?;
        return Ok(Outcome::Nothing);
    };
    let here = |error: anyhow::Error| Failure::Here(format!("{error:#}"));
    let rows = batch.rows.into_iter().map(Row::read);
    let rows = rows.collect::<anyhow::Result<Vec<Row>>>().map_err(here)?;
    let said = apply(site, business, &batch_id, &rows).await?;
    let noted: Vec<Applied> = rows
        .iter()
        .zip(&said)
        .filter(|(_, said)| **said == Said::Ok)
        .map(|(row, _)| row.applied.clone())
        .collect();
    applied::note(database, &noted, now_ms()).await?;
    let ack = AckRequest {
        batch_id,
        results: rows
            .iter()
            .zip(&said)
            .map(|(row, said)| row.result(said))
            .collect(),
    };
    let body = serde_json::to_vec(&ack).map_err(|error| here(error.into()))?;
    let answered: Result<AckAnswer, Failure> = site
        .upstream
        .call(database, "/api/v1/sync/ack", body, Duration::ZERO)
        .await;
    match answered {
        Ok(_) => {}
        // Given up meanwhile, or of a former epoch: what was applied is known when it comes again.
        Err(Failure::Refused {
            code: 40401 | 41001,
            ..
        }) => {}
        Err(failure) => return Err(failure),
    }
    site_state::set(database, site_state::PULL_ID, "", now_ms()).await?;
    if !noted.is_empty() {
        site.note(site_state::LAST_PULL, &now_ms().to_string())
            .await?;
    }
    site.worker.counts.sync.applied(&said);
    Ok(Outcome::Applied {
        taken: noted.len(),
        left: rows.len() - noted.len(),
        more: batch.more,
    })
}

async fn pull(site: &Site, rows: usize, wait: Duration) -> Result<PullAnswer, Failure> {
    let database = site.database();
    let pull_id = match site_state::get(database, site_state::PULL_ID).await? {
        Some(pull_id) if !pull_id.is_empty() => pull_id,
        _ => {
            let pull_id = uuid::Uuid::now_v7().to_string();
            site_state::set(database, site_state::PULL_ID, &pull_id, now_ms()).await?;
            pull_id
        }
    };
    let request = PullRequest {
        limit: i64::try_from(rows).ok(),
        max_bytes: i64::try_from(site.worker.settings.sync.max_bytes).ok(),
        wait_s: i64::try_from(wait.as_secs()).ok(),
        pull_id: Some(pull_id),
        epoch: Some(site.epoch().await?),
    };
    let body = serde_json::to_vec(&request).map_err(|error| Failure::Here(error.to_string()))?;
    site.upstream
        .call(database, "/api/v1/sync/pull", body, wait)
        .await
}

/// What the business says of each row. It is not asked about rows that it took before, nor about those that a
/// deletion of a higher version has overtaken (DS-9).
async fn apply(
    site: &Site,
    business: &super::apply::Business,
    batch_id: &str,
    rows: &[Row],
) -> Result<Vec<Said>, Failure> {
    let database = site.database();
    let notes: Vec<Applied> = rows.iter().map(|row| row.applied.clone()).collect();
    let known = applied::known(database, &notes).await?;
    let superseded = applied::superseded(database, &notes).await?;
    let own = own_rows(site, rows).await?;
    let is_done = |at: &usize| known[*at] || superseded[*at] || own.contains(at);
    let (done, open): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(is_done);
    let asked: Vec<Row> = open.iter().map(|at| rows[*at].clone()).collect();
    let mut said = vec![Said::Retry; rows.len()];
    for at in done {
        said[at] = Said::Ok;
    }
    let answers = business.apply(batch_id, &asked).await;
    for (at, answer) in open.into_iter().zip(answers) {
        said[at] = answer;
    }
    Ok(said)
}

/// The rows that are this site's own and that it has: after a restored backup the cloud hands out all, and what the
/// backup knew is at the business already.
async fn own_rows(site: &Site, rows: &[Row]) -> Result<HashSet<usize>, Failure> {
    let database = site.database();
    let site_id = site.upstream.site_id(database).await?;
    let is_own = |row: &&Row| row.origin == site_id;
    let ids: Vec<&str> = rows
        .iter()
        .filter(is_own)
        .map(|row| row.syn_id.as_str())
        .collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let kept = records::bodies(database, SELF, &ids).await?;
    let has = |row: &Row| {
        kept.iter()
            .any(|(syn_id, body)| *syn_id == row.syn_id && row.is_of(body))
    };
    let own = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| is_own(row) && has(row));
    Ok(own.map(|(at, _)| at).collect())
}

/// The cloud keeps a pull that waits so much longer than one that does not.
const _: () = assert!(SYNC_WAIT_S_MAX < SYNC_EXCHANGE_S_MAX);
