//! What follows an attempt that left no file (VA-3): the queue again, by cause sooner or later, or the end.
//!
//! | cause | what follows |
//! | --- | --- |
//! | a permanent error, or the task's time is spent | `failed` at once |
//! | the site refused us (403, 429, another country) | the site cools down; another try where another proxy may help, or where time may |
//! | anything that may pass | another try after a back-off with jitter |
//! | the tries are spent | `dead`, with the history of all of them |

use super::queue::Kind;
use super::{Worker, attempt};
use crate::clock::now_ms;
use shared::Result;
use shared::domain::task::{Failure, backoff_ms, time_left_ms};
use shared::limits::SITE_COOL_MS_MAX;
use shared::store::cooldowns;
use shared::store::queue::{self, Held, Sequel};
use shared::store::tasks::Task;
use shared::wire::task::{Attempt, TaskError};
use shared::wire::time::rfc3339;
use std::time::Duration;

/// Records a failed attempt that took `elapsed`; `proxy` is the `host:port` that it went through. Returns a word
/// for the log.
pub(super) async fn fail(
    worker: &Worker,
    task: &Task,
    claim: &Held,
    failure: &Failure,
    proxy: Option<String>,
    elapsed: Duration,
) -> Result<&'static str> {
    let now = now_ms();
    if failure.refused {
        cool_down(worker, &task.site, failure, now).await?;
    }
    // From another address the site may well answer.
    let is_worth_it =
        failure.retryable || (failure.refused && worker.has_proxy_for(&task.site).await);
    let queue = &worker.settings.queue;
    let (sequel, word) = if !is_worth_it {
        (Sequel::Fail, "failed")
    } else if task.attempt > queue.max_retries {
        (Sequel::Bury, "dead")
    } else {
        let (initial, max) = (queue.backoff_initial_ms, queue.backoff_max_ms);
        let wait = backoff_ms(task.attempt, initial, max, jitter());
        (Sequel::Retry { run_at: now + wait }, "retry")
    };
    tracing::warn!(
        task_id = task.task_id,
        request_id = task.request_id,
        attempt = task.attempt,
        code = failure.code,
        reason = failure.message,
        proxy,
        sequel = word,
        "attempt failed"
    );
    let error = TaskError::of(&task.kind, failure);
    let mut attempts = attempts(task);
    attempts.push(Attempt {
        attempt: task.attempt,
        error: error.clone(),
        proxy,
        refused: failure.refused,
        elapsed_ms: milliseconds(elapsed),
        at: rfc3339(now),
    });
    let error = serde_json::to_string(&error).map_err(shared::Error::internal)?;
    let attempts = serde_json::to_string(&attempts).map_err(shared::Error::internal)?;
    match queue::fail(&*worker.database, claim, sequel, &error, &attempts, now).await? {
        Some(task) => {
            worker.hub.publish(&task);
            let counts = worker.counts.of(Kind::of(&task));
            match sequel {
                Sequel::Retry { .. } => counts.retried.inc(),
                Sequel::Fail => counts.failed.inc(),
                Sequel::Bury => counts.dead.inc(),
            };
            if sequel == Sequel::Fail {
                attempt::remove_folder(worker, &task.task_id).await;
            }
        }
        None => attempt::clean_up_lost(worker, Kind::of(task), claim).await?,
    }
    Ok(word)
}

/// Puts back a task whose attempt did not begin.
pub(super) async fn postpone(
    worker: &Worker,
    task: &Task,
    claim: &Held,
    wait_ms: i64,
) -> Result<&'static str> {
    let now = now_ms();
    match queue::postpone(&*worker.database, claim, now + wait_ms, now).await? {
        Some(task) => worker.hub.publish(&task),
        None => attempt::clean_up_lost(worker, Kind::of(task), claim).await?,
    }
    Ok("postponed")
}

/// Whether the site has refused this task before.
pub(super) fn was_refused(task: &Task) -> bool {
    attempts(task).iter().any(|attempt| attempt.refused)
}

/// What of the task's time is left to its attempt.
pub(super) fn time_left(task: &Task, limit: Duration) -> Duration {
    let spent: Vec<i64> = attempts(task).iter().map(|it| it.elapsed_ms).collect();
    let left = time_left_ms(milliseconds(limit), task.attempt, &spent);
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn attempts(task: &Task) -> Vec<Attempt> {
    serde_json::from_str(&task.attempts).unwrap_or_default()
}

async fn cool_down(worker: &Worker, site: &str, failure: &Failure, now: i64) -> Result<()> {
    let first_ms = i64::from(worker.settings.media.site_cooldown_s) * 1000;
    if first_ms == 0 || site.is_empty() {
        return Ok(());
    }
    let database = &*worker.database;
    let until = cooldowns::cool(
        database,
        site,
        failure.code,
        now,
        first_ms,
        SITE_COOL_MS_MAX,
    )
    .await?;
    tracing::warn!(
        site,
        code = failure.code,
        wait_ms = until - now,
        "the site cools down"
    );
    Ok(())
}

/// A number in 0..1 from the random half of a UUID.
pub(super) fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
