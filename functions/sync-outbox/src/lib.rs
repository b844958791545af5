//! Routes: `/api/v1/sync/outbox`, `/api/v1/sync/status`, `/api/v1/sync/now`, `/api/v1/sync/dead`,
//! `/api/v1/sync/dead/:id`.
//!
//! The business's side: on a site for that site's users, on the cloud for projects and admins.

use shared::domain::account::{Audience, Role};
use shared::domain::delivery::{BUSINESS, UPSTREAM};
use shared::domain::page::Page;
use shared::domain::project::DEFAULT_GROUP;
use shared::domain::record::Sender;
use shared::limits::SYNC_ENVELOPE_BYTES;
use shared::spin::caller::{authenticate, authenticate_admin, authenticate_project};
use shared::spin::http::{Answer, Call, answer};
use shared::spin::sync::{check_targets, decoded, keep, read_all};
use shared::spin::{now_ms, number, variable};
use shared::store::deliveries;
use shared::store::site_state;
use shared::wire::delivery::{DeadItem, DeadRequest, NowAnswer, StatusAnswer};
use shared::wire::envelope::List;
use shared::wire::record::{OutboxAnswer, RowsRequest};
use shared::wire::time::rfc3339;
use shared::{Code, Error, Result};
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
        ["outbox"] => outbox(call).await,
        ["status"] => status(call).await,
        ["now"] => now(call).await,
        ["dead"] => dead(call).await,
        ["dead", syn_id] => free(call, syn_id).await,
        _ => Err(Error::not_found("route")),
    }
}

/// Who calls.
enum Business {
    /// A site's own.
    Shop,
    /// The cloud's; a project speaks for its group alone.
    Cloud { project_group: Option<String> },
}

impl Business {
    async fn authenticate(call: &mut Call) -> Result<Self> {
        if variable("sync_receiver").await? == UPSTREAM {
            let user = authenticate(call, Audience::Users).await?;
            let operators = variable("site_operators").await?;
            let mut named = operators
                .split(',')
                .map(str::trim)
                .filter(|it| !it.is_empty());
            let is_open = operators.trim().is_empty();
            return match is_open || named.any(|named| named.eq_ignore_ascii_case(&user.email)) {
                true => Ok(Self::Shop),
                false => Err(Error::new(
                    Code::Forbidden,
                    "This account is none of the site's operators.",
                )),
            };
        }
        match authenticate_admin(call, Role::Admin).await {
            Ok(_) => Ok(Self::Cloud {
                project_group: None,
            }),
            // What is no admin's token may be a project's.
            Err(error) if error.code == Code::BadToken => {
                let project = authenticate_project(call).await?;
                Ok(Self::Cloud {
                    project_group: Some(project.group),
                })
            }
            Err(error) => Err(error),
        }
    }

    fn receiver(&self) -> &'static str {
        match self {
            Self::Shop => UPSTREAM,
            Self::Cloud { .. } => BUSINESS,
        }
    }

    /// What a project is not shown and must not decide. Errors: 40301.
    fn check_is_operator(&self) -> Result<()> {
        match self {
            Self::Cloud {
                project_group: Some(_),
            } => Err(Error::new(
                Code::Forbidden,
                "This needs an admin's account.",
            )),
            _ => Ok(()),
        }
    }
}

/// Takes the rows that the business wants to be delivered (DS-12): all of them can be read, or none is taken.
async fn outbox(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let business = Business::authenticate(call).await?;
    let bytes_max = number::<usize>("sync_max_bytes").await? + SYNC_ENVELOPE_BYTES;
    let (request, _) = call.json_or_gzip::<RowsRequest>(bytes_max).await?;
    let records = read_all(&request.rows).await?;
    let results = match &business {
        Business::Shop => {
            let database = call.database().await?;
            let epoch = site_state::number(database, site_state::EPOCH).await?;
            keep(call, Sender::Shop, epoch.unwrap_or(1), records).await?
        }
        Business::Cloud { project_group } => {
            check_targets(call, &records, project_group.as_deref()).await?;
            let group = project_group.as_deref().unwrap_or(DEFAULT_GROUP);
            keep(call, Sender::Cloud { group }, 1, records).await?
        }
    };
    let accepted = results
        .iter()
        .filter(|result| result.status == "ok")
        .count();
    Answer::ok(&OutboxAnswer { accepted, results })
}

async fn status(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let business = Business::authenticate(call).await?;
    business.check_is_operator()?;
    let database = call.database().await?;
    let counts = deliveries::counts(database, business.receiver()).await?;
    let last = site_state::last(database).await?;
    let is_site = matches!(business, Business::Shop);
    Answer::ok(&StatusAnswer::new(is_site, counts, last))
}

/// Asks the site's worker for a run (DS-10).
async fn now(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let Business::Shop = Business::authenticate(call).await? else {
        return Err(Error::new(
            Code::Conflict,
            "This is the cloud: its sites call it, it calls none.",
        ));
    };
    let now = now_ms();
    let database = call.database().await?;
    site_state::set(
        database,
        site_state::RUN_REQUESTED_AT,
        &now.to_string(),
        now,
    )
    .await?;
    let answer = NowAnswer {
        requested_at: rfc3339(now),
    };
    Answer::json(202, &answer)
}

async fn dead(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let business = Business::authenticate(call).await?;
    business.check_is_operator()?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let (found, total) =
        deliveries::dead(call.database().await?, business.receiver(), page).await?;
    let items = found
        .into_iter()
        .map(DeadItem::new)
        .collect::<Result<_>>()?;
    Answer::ok(&List::new(items, total, page))
}

async fn free(call: &mut Call, syn_id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let business = Business::authenticate(call).await?;
    business.check_is_operator()?;
    let request: DeadRequest = call.json().await?;
    let (action, syn_id, now) = (request.action()?, decoded(syn_id)?, now_ms());
    let origin = request.data_from_server_id.as_deref();
    let database = call.database().await?;
    let receiver = business.receiver();
    deliveries::free(database, receiver, &syn_id, origin, &action, now).await?;
    Answer::done()
}
