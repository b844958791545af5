//! Routes: `/admin/api/v1/login`, `/admin/api/v1/dead-letters`, `/admin/api/v1/dead-letters/:id`,
//! `/admin/api/v1/dead-letters/:id/replay`.

use shared::domain::account::{Audience, Email, Role};
use shared::domain::page::Page;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::login::{check_password, open_session};
use shared::spin::now_ms;
use shared::spin::task::find_task;
use shared::store::queue;
use shared::wire::account::LoginRequest;
use shared::wire::envelope::List;
use shared::wire::task::{DeadLetter, TaskAnswer};
use shared::{Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().skip(3).map(String::as_str).collect();
    match path.as_slice() {
        ["login"] => login(call).await,
        ["dead-letters"] => dead_letters(call).await,
        ["dead-letters", id] => drop_dead_letter(call, id).await,
        ["dead-letters", id, "replay"] => replay(call, id).await,
        _ => Err(Error::not_found("route")),
    }
}

async fn login(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let request: LoginRequest = call.json().await?;
    let email = Email::parse(&request.email)?;
    let user = check_password(call, Audience::Admins, &email, &request.password).await?;
    Answer::ok(&open_session(call, &user).await?)
}

async fn dead_letters(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let (found, total) = queue::dead_letters(call.database().await?, page).await?;
    Answer::ok(&List {
        items: found
            .iter()
            .map(DeadLetter::from_task)
            .collect::<Result<Vec<_>>>()?,
        total,
        page: page.number,
        page_size: page.size,
    })
}

async fn replay(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    authenticate_admin(call, Role::Admin).await?;
    let task = find_task(call, "task_id", id).await?;
    match queue::replay(call.database().await?, &task.task_id, now_ms()).await? {
        Some(task) => Answer::ok(&TaskAnswer::from_task(&task)?),
        None => Err(Error::not_found("dead letter")),
    }
}

async fn drop_dead_letter(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::DELETE])?;
    authenticate_admin(call, Role::Admin).await?;
    let task = find_task(call, "task_id", id).await?;
    if queue::drop_dead(call.database().await?, &task.task_id, now_ms()).await? {
        Answer::done()
    } else {
        Err(Error::not_found("dead letter"))
    }
}
