//! Claims tasks that are due and runs them, as many of a kind at once as its setting allows.

use super::{Running, Worker, attempt};
use crate::clock::now_ms;
use shared::Result;
use shared::store::claims::{self, Room};
use shared::store::queue::Held;
use shared::store::tasks::Task;
use std::sync::Arc;
use std::time::Duration;

/// The longest wait for a wake-up that never came, milliseconds.
const IDLE_MS_MAX: u64 = 1000;

/// The kinds of tasks; each is claimed in a loop of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Video,
    Export,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Export => "export",
        }
    }

    /// The kind of a row, which only our own functions write.
    pub fn of(task: &Task) -> Self {
        match task.kind.as_str() {
            "export" => Self::Export,
            _ => Self::Video,
        }
    }

    fn concurrency(self, worker: &Worker) -> usize {
        match self {
            Self::Video => worker.settings.media.concurrency,
            Self::Export => worker.settings.exports.concurrency,
        }
    }
}

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

pub async fn run(worker: Arc<Worker>, kind: Kind) {
    let mut woken = worker.wake.subscribe();
    while !worker.stop.is_cancelled() {
        let wait_ms = match run_one(&worker, kind).await {
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
            _ = woken.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
        }
    }
}

/// Claims what is due and starts it.
pub async fn run_one(worker: &Arc<Worker>, kind: Kind) -> Result<Outcome> {
    if kind == Kind::Video && !worker.ytdlp.is_ready() {
        // Another worker may have the tools; here the task would only fail.
        return Ok(Outcome::Idle(IDLE_MS_MAX));
    }
    if waits_for_disk(worker) {
        return Ok(Outcome::Idle(IDLE_MS_MAX));
    }
    let places = kind.concurrency(worker).saturating_sub(worker.active(kind));
    if places == 0 {
        return Ok(Outcome::Full);
    }
    let now = now_ms();
    let lease_ends = now + lease_ms(worker);
    let claimed = claims::claim(
        &*worker.database,
        &room(worker, kind, places),
        now,
        lease_ends,
    )
    .await?;
    if claimed.is_empty() {
        let due = claims::next_due(&*worker.database, kind.as_str(), now).await?;
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
        let running = Running {
            kind,
            stop: token.clone(),
        };
        worker.running().insert(claim.clone(), running);
        let worker = worker.clone();
        worker.hub.publish(&task);
        worker.tasks.clone().spawn(async move {
            // A task of its own, so that a panic ends one attempt and frees its place.
            let job = tokio::spawn(attempt::run(worker.clone(), task, claim.clone(), token));
            if let Err(error) = job.await {
                tracing::error!(%error, task_id = claim.task_id, "the task panicked; its lease will end");
            }
            worker.running().remove(&claim);
            worker.wake();
        });
    }
    Ok(Outcome::Claimed(count))
}

/// Whether new tasks wait for room on the disk (VA-13).
pub fn waits_for_disk(worker: &Worker) -> bool {
    worker.disk.usage().is_full()
}

fn room(worker: &Worker, kind: Kind, places: usize) -> Room<'_> {
    let room = Room::any(
        &worker.id,
        kind.as_str(),
        i64::try_from(places).unwrap_or(i64::MAX),
    );
    let media = &worker.settings.media;
    let at_most = |number: u32| match number {
        0 => i64::MAX,
        number => number.into(),
    };
    match kind {
        Kind::Video => Room {
            per_site: at_most(media.site_concurrency),
            per_owner: at_most(media.user_concurrency),
            ..room
        },
        // A project's own limit stands in its row.
        Kind::Export => room,
    }
}

/// The length of a lease.
pub fn lease_ms(worker: &Worker) -> i64 {
    i64::try_from(worker.settings.queue.lease_s.saturating_mul(1000)).unwrap_or(i64::MAX)
}
