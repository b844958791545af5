//! Routes: `/admin/api/v1/login`, `/admin/api/v1/queue`, `/admin/api/v1/dead-letters`,
//! `/admin/api/v1/dead-letters/replay`, `/admin/api/v1/dead-letters/:id`,
//! `/admin/api/v1/dead-letters/:id/replay`, `/admin/api/v1/users`, `/admin/api/v1/users/:id`,
//! `/admin/api/v1/proxies`, `/admin/api/v1/proxies/policy`, `/admin/api/v1/proxies/events`,
//! `/admin/api/v1/overview`, `/admin/api/v1/findings`, `/admin/api/v1/tools`, `/admin/api/v1/tools/yt-dlp`,
//! `/admin/api/v1/sites`, `/admin/api/v1/sites/:id`, `/admin/api/v1/sites/:id/revoke`,
//! `/admin/api/v1/sites/:id/reload`, `/admin/api/v1/sites/:id/dead`, `/admin/api/v1/sites/:id/dead/:syn_id`,
//! `/admin/api/v1/reviews`, `/admin/api/v1/reviews/:id`.

mod dead_letters;
mod findings;
mod login;
mod overview;
mod proxies;
mod queue;
mod reviews;
mod sites;
mod tools;
mod users;
mod workers;

use shared::spin::http::{Answer, Call, answer};
use shared::{Error, Result};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().skip(3).map(String::as_str).collect();
    match path.as_slice() {
        ["login"] => login::login(call).await,
        ["queue"] => queue::show(call).await,
        ["dead-letters"] => dead_letters::list(call).await,
        ["dead-letters", "replay"] => dead_letters::replay_all(call).await,
        ["dead-letters", id] => dead_letters::drop(call, id).await,
        ["dead-letters", id, "replay"] => dead_letters::replay(call, id).await,
        ["users"] => users::list(call).await,
        ["users", id] => users::one(call, id).await,
        ["proxies"] => proxies::show(call).await,
        ["proxies", "policy"] => proxies::decide(call).await,
        ["proxies", "events"] => proxies::events(call).await,
        ["overview"] => overview::show(call).await,
        ["findings"] => findings::list(call).await,
        ["tools"] => tools::show(call).await,
        ["tools", "yt-dlp"] => tools::request_ytdlp(call).await,
        ["reviews"] => reviews::list(call).await,
        ["reviews", id] => reviews::one(call, id).await,
        ["sites"] => sites::all(call).await,
        ["sites", id] => sites::one(call, id).await,
        ["sites", id, "revoke"] => sites::revoke(call, id).await,
        ["sites", id, "reload"] => sites::reload(call, id).await,
        ["sites", id, "dead"] => sites::dead(call, id).await,
        ["sites", id, "dead", syn_id] => sites::free(call, id, syn_id).await,
        _ => Err(Error::not_found("route")),
    }
}
