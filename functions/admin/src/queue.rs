//! What waits, what runs, which sites are left alone, which workers are there.

use crate::workers;
use shared::Result;
use shared::domain::account::Role;
use shared::limits::{OPERATOR_ITEMS_MAX, RUNNING_SHOWN_MAX};
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call};
use shared::spin::now_ms;
use shared::store::{cooldowns, overview};
use shared::wire::queue::{CoolingSite, QueueAnswer, RunningTask};
use shared::wire::time::rfc3339;
use spin_sdk::http::Method;

pub async fn show(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let now = now_ms();
    let workers = workers::present(call, now).await?;
    let database = call.database().await?;
    let backlog = overview::backlog(database, now).await?;
    let running = overview::running(database, RUNNING_SHOWN_MAX).await?;
    let cooling = cooldowns::cooling(database, now, OPERATOR_ITEMS_MAX).await?;
    Answer::ok(&QueueAnswer {
        queued: backlog.queued,
        waiting_for_retry: backlog.waiting_for_retry,
        running: backlog.running,
        dead: backlog.dead,
        oldest_queued_at: backlog.oldest_queued_at.map(rfc3339),
        running_tasks: running
            .into_iter()
            .map(RunningTask::from_row)
            .collect::<Result<_>>()?,
        cooling_sites: cooling.into_iter().map(CoolingSite::from).collect(),
        workers,
    })
}
