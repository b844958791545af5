//! Routes: `/api/v1/tasks`, `/api/v1/tasks/:id`, `/api/v1/tasks/:id/cancel`, `/api/v1/user/history`,
//! `/api/v1/user/history/:id`, `/api/v1/user/quota`, `/api/v1/user/stats`.

use shared::domain::account::Audience;
use shared::domain::page::Page;
use shared::domain::quota::reset_at;
use shared::domain::task::Status;
use shared::spin::caller::{Owner, authenticate, authenticate_owner};
use shared::spin::http::{Answer, Call, answer};
use shared::spin::now_ms;
use shared::spin::task::own_task;
use shared::store::quotas;
use shared::store::tasks::{self, Filter, Task};
use shared::store::tickets::Bearer;
use shared::wire::envelope::List;
use shared::wire::history::{self, HistoryItem, StatsAnswer};
use shared::wire::quota::QuotaAnswer;
use shared::wire::task::TaskAnswer;
use shared::wire::time::rfc3339;
use shared::{Code, Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;
use uuid::Uuid;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
    match path.as_slice() {
        ["tasks"] => list(call).await,
        ["tasks", id] => one(call, id).await,
        ["tasks", id, "cancel"] => cancel(call, id).await,
        ["user", "history"] => list_history(call).await,
        ["user", "history", id] => delete_history(call, id).await,
        ["user", "quota"] => quota(call).await,
        ["user", "stats"] => stats(call).await,
        _ => Err(Error::not_found("route")),
    }
}

async fn list(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let owner = authenticate_owner(call).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    if let Some(id) = call.query("project_id") {
        check_project(&owner, id)?;
    }
    let kind = match call.query("kind") {
        None => None,
        Some(kind @ ("video" | "export")) => Some(kind.to_owned()),
        Some(_) => return Err(Error::invalid("kind", "The kind is video or export.")),
    };
    let statuses = match call.query("status") {
        None => Vec::new(),
        Some(status) => vec![Status::parse(status)?],
    };
    let filter = Filter {
        kind,
        statuses,
        name: call.query("name").map(str::to_owned),
        overdue: None,
    };
    answer_list(call, &owner.owner_id, &filter, page, TaskAnswer::from_task).await
}

/// Nobody but the project itself sees its tasks here. Errors: 40001, 40301.
fn check_project(owner: &Owner, id: &str) -> Result<()> {
    let wanted = Uuid::try_parse(id)
        .map_err(|_| Error::invalid("project_id", "This is not an id."))?
        .to_string();
    match &owner.bearer {
        Bearer::Project { project_id, .. } if *project_id == wanted => Ok(()),
        _ => Err(Error::forbidden("project")),
    }
}

async fn answer_list<T: serde::Serialize>(
    call: &mut Call,
    owner_id: &str,
    filter: &Filter,
    page: Page,
    item: impl Fn(&Task) -> Result<T>,
) -> Result<Answer> {
    let (found, total) = tasks::list(call.database().await?, owner_id, filter, page).await?;
    Answer::ok(&List {
        items: found.iter().map(item).collect::<Result<Vec<_>>>()?,
        total,
        page: page.number,
        page_size: page.size,
    })
}

async fn one(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET, Method::DELETE])?;
    let owner = authenticate_owner(call).await?;
    let task = own_task(call, "task_id", id, &owner.owner_id).await?;
    if call.method == Method::DELETE {
        return delete(call, &task).await;
    }
    Answer::ok(&TaskAnswer::from_task(&task)?)
}

async fn delete(call: &mut Call, task: &Task) -> Result<Answer> {
    if tasks::delete(call.database().await?, &task.task_id, now_ms()).await? {
        Answer::done()
    } else {
        Err(Error::not_found("task"))
    }
}

async fn cancel(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let owner = authenticate_owner(call).await?;
    let task = own_task(call, "task_id", id, &owner.owner_id).await?;
    let cancelled = tasks::cancel(call.database().await?, &task.task_id, now_ms()).await?;
    match cancelled {
        Some(task) => Answer::ok(&TaskAnswer::from_task(&task)?),
        None if task.status == Status::Cancelled => Answer::ok(&TaskAnswer::from_task(&task)?),
        None => Err(Error::new(Code::Conflict, "The task has ended already.")),
    }
}

async fn list_history(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let user = authenticate(call, Audience::Users).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let now = now_ms();
    let mut filter = match call.query("status") {
        None => Filter::default(),
        Some(number) => history::filter(number, now)?,
    };
    filter.kind = Some("video".to_owned());
    let item = |task: &Task| HistoryItem::from_task(task, now);
    answer_list(call, &user.user_id, &filter, page, item).await
}

async fn delete_history(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::DELETE])?;
    let user = authenticate(call, Audience::Users).await?;
    let task = own_task(call, "history_id", id, &user.user_id).await?;
    delete(call, &task).await
}

async fn stats(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let user = authenticate(call, Audience::Users).await?;
    let totals = tasks::totals(call.database().await?, &user.user_id, "video").await?;
    Answer::ok(&StatsAnswer {
        total: totals.total,
        succeeded: totals.succeeded,
        failed: totals.failed,
        bytes: totals.bytes,
    })
}

async fn quota(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let user = authenticate(call, Audience::Users).await?;
    let place = shared::spin::quota::place(&user, now_ms()).await?;
    let used = quotas::used(call.database().await?, &user.user_id, place.day).await?;
    Answer::ok(&QuotaAnswer {
        daily_limit: place.limit,
        daily_used: used,
        reset_at: rfc3339(reset_at(place.day)),
    })
}
