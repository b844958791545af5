//! Claims tasks that are due and runs them, as many at once as `media.concurrency` allows.

use super::{Worker, video};
use crate::clock::now_ms;
use shared::Result;
use shared::store::claims::{self, Room};
use shared::store::queue::Held;
use std::sync::Arc;
use std::time::Duration;

/// The longest wait for a wake-up that never came, milliseconds.
const IDLE_MS_MAX: u64 = 1000;

/// The tasks that are claimed here.
const KIND: &str = "video";

/// What one turn of the loop did.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Claimed so many tasks.
    Claimed(usize),
    /// Nothing is due before so many milliseconds.
    Idle(u64),
    /// Every place is taken.
    Full,
}

pub async fn run(worker: Arc<Worker>) {
    while !worker.stop.is_cancelled() {
        let wait_ms = match run_one(&worker).await {
            Ok(Outcome::Claimed(_)) => continue,
            Ok(Outcome::Idle(ms)) => ms.min(IDLE_MS_MAX),
            Ok(Outcome::Full) => IDLE_MS_MAX,
            Err(error) => {
                tracing::error!(%error, "could not claim tasks");
                IDLE_MS_MAX
            }
        };
        tokio::select! {
            () = worker.stop.cancelled() => {}
            () = worker.wake.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
        }
    }
}

/// Claims what is due and starts it.
pub async fn run_one(worker: &Arc<Worker>) -> Result<Outcome> {
    if !worker.ytdlp.is_ready() {
        // Another worker may have the tools; here the task would only fail.
        return Ok(Outcome::Idle(IDLE_MS_MAX));
    }
    if waits_for_disk(worker) {
        return Ok(Outcome::Idle(IDLE_MS_MAX));
    }
    let busy = worker.running().len();
    let places = worker.settings.media.concurrency.saturating_sub(busy);
    if places == 0 {
        return Ok(Outcome::Full);
    }
    let now = now_ms();
    let lease_ends = now + lease_ms(worker);
    let claimed = claims::claim(&*worker.database, &room(worker, places), now, lease_ends).await?;
    if claimed.is_empty() {
        let due = claims::next_due(&*worker.database, KIND, now).await?;
        let wait = due.map_or(i64::MAX, |at| (at - now).max(1));
        return Ok(Outcome::Idle(u64::try_from(wait).unwrap_or(u64::MAX)));
    }
    let count = claimed.len();
    for task in claimed {
        let claim = Held {
            task_id: task.task_id.clone(),
            fence: task.fence,
        };
        // A child, so that a claim that overlaps the stop is cancelled with it.
        let token = worker.stop.child_token();
        worker.running().insert(claim.clone(), token.clone());
        let worker = worker.clone();
        worker.hub.publish(&task);
        worker.tasks.clone().spawn(async move {
            // A task of its own, so that a panic ends one download and frees its place.
            let job = tokio::spawn(video::run(worker.clone(), task, claim.clone(), token));
            if let Err(error) = job.await {
                tracing::error!(%error, task_id = claim.task_id, "the task panicked; its lease will end");
            }
            worker.running().remove(&claim);
            worker.wake.notify_one();
        });
    }
    Ok(Outcome::Claimed(count))
}

/// Whether new tasks wait for room on the disk (VA-13).
pub fn waits_for_disk(worker: &Worker) -> bool {
    worker.disk.usage().is_full()
}

fn room(worker: &Worker, places: usize) -> Room<'_> {
    let media = &worker.settings.media;
    let at_most = |number: u32| match number {
        0 => i64::MAX,
        number => number.into(),
    };
    Room {
        worker_id: &worker.id,
        kind: KIND,
        places: i64::try_from(places).unwrap_or(i64::MAX),
        per_site: at_most(media.site_concurrency),
        per_owner: at_most(media.user_concurrency),
    }
}

/// The length of a lease.
pub fn lease_ms(worker: &Worker) -> i64 {
    i64::try_from(worker.settings.queue.lease_s.saturating_mul(1000)).unwrap_or(i64::MAX)
}
