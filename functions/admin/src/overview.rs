//! How the service does: the last hours, totals, disks.

use crate::workers;
use shared::Result;
use shared::domain::account::Role;
use shared::limits::OVERVIEW_HOURS;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call};
use shared::spin::now_ms;
use shared::store::{findings, overview, users};
use shared::wire::overview::{DiskAnswer, HourAnswer, OverviewAnswer, TotalsAnswer, success_rate};
use spin_sdk::http::Method;

pub async fn show(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let now = now_ms();
    let workers = workers::present(call, now).await?;
    let database = call.database().await?;
    let hours = overview::hours(database, "video", OVERVIEW_HOURS, now).await?;
    let backlog = overview::backlog(database, now).await?;
    let ended = overview::ended(database).await?;
    let users = users::count(database).await?;
    Answer::ok(&OverviewAnswer {
        success_rate: success_rate(&hours),
        hours: hours.iter().map(HourAnswer::from).collect(),
        totals: TotalsAnswer::new(users, backlog, &ended),
        disks: workers.into_iter().map(DiskAnswer::from).collect(),
        findings: findings::count(database).await?,
        queue_depth: backlog.queued,
    })
}
