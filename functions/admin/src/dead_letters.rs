//! Tasks that have spent their retries: looked at, replayed, dropped.

use serde_json::json;
use shared::domain::account::Role;
use shared::domain::page::Page;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call, log_change};
use shared::spin::now_ms;
use shared::spin::task::find_task;
use shared::store::queue;
use shared::wire::envelope::List;
use shared::wire::queue::ReplayedAnswer;
use shared::wire::task::{DeadLetter, TaskAnswer};
use shared::{Error, Result};
use spin_sdk::http::Method;

pub async fn list(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let (found, total) = queue::dead_letters(call.database().await?, page).await?;
    let items = found.iter().map(DeadLetter::from_task);
    let items: Vec<DeadLetter> = items.collect::<Result<_>>()?;
    Answer::ok(&List::new(items, total, page))
}

pub async fn replay(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let task = find_task(call, "task_id", id).await?;
    let replayed = queue::replay(call.database().await?, &task.task_id, now_ms()).await?;
    let task = replayed.ok_or_else(|| Error::not_found("dead letter"))?;
    let subject = json!({ "task_id": task.task_id });
    log_change(call, &admin, "replay_dead_letter", subject);
    Answer::ok(&TaskAnswer::from_task(&task)?)
}

pub async fn replay_all(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let replayed = queue::replay_all(call.database().await?, now_ms()).await?;
    let subject = json!({ "replayed": replayed });
    log_change(call, &admin, "replay_dead_letters", subject);
    Answer::ok(&ReplayedAnswer { replayed })
}

pub async fn drop(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::DELETE])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let task = find_task(call, "task_id", id).await?;
    if !queue::drop_dead(call.database().await?, &task.task_id, now_ms()).await? {
        return Err(Error::not_found("dead letter"));
    }
    let subject = json!({ "task_id": task.task_id });
    log_change(call, &admin, "drop_dead_letter", subject);
    Answer::done()
}
