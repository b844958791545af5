//! Routes: `/api/v1/sync/register`, `/api/v1/sync/heartbeat`.

use shared::auth::token::bad_token;
use shared::spin::caller::authenticate_site;
use shared::spin::client;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::{now_ms, number};
use shared::store::sites;
use shared::wire::site::{HeartbeatAnswer, HeartbeatRequest};
use shared::{Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    match call.segments().last().map(String::as_str) {
        Some("register") => client::register_site(call).await,
        Some("heartbeat") => heartbeat(call).await,
        _ => Err(Error::not_found("route")),
    }
}

async fn heartbeat(call: &mut Call) -> Result<Answer> {
    let site = authenticate_site(call).await?;
    let request: HeartbeatRequest = call.json_if_any().await?;
    let now = now_ms();
    let heartbeat = request.heartbeat(now)?;
    let noted = sites::heartbeat(call.database().await?, &site.site_id, &heartbeat).await?;
    let noted = noted.ok_or_else(bad_token)?;
    let limits = (
        number("sync_max_rows").await?,
        number("sync_max_bytes").await?,
    );
    Answer::ok(&HeartbeatAnswer::new(noted, limits, now))
}
