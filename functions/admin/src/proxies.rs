//! Rented proxies: when they are used, what for, and whether the provider answers.

use crate::workers;
use serde_json::json;
use shared::Result;
use shared::domain::account::Role;
use shared::domain::page::Page;
use shared::limits::PROXY_SUMMARY_MS;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call, log_change};
use shared::spin::now_ms;
use shared::store::proxies::{self, Decision};
use shared::wire::envelope::List;
use shared::wire::proxy::{
    BreakerAnswer, PolicyAnswer, PolicyRequest, ProxiesAnswer, ProxyEventItem,
};
use spin_sdk::http::Method;

pub async fn show(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let now = now_ms();
    let workers = workers::present(call, now).await?;
    let database = call.database().await?;
    let decision = proxies::decision(database).await?;
    let outcomes = proxies::outcomes(database, now - PROXY_SUMMARY_MS).await?;
    let is_configured = workers.iter().any(|it| it.state.has_proxy_provider);
    Answer::ok(&ProxiesAnswer {
        configured: (!workers.is_empty()).then_some(is_configured),
        policy: PolicyAnswer::new(decision),
        breakers: workers
            .into_iter()
            .map(|worker| BreakerAnswer {
                worker_id: worker.worker_id,
                state: worker.state.proxy_breaker,
            })
            .collect(),
        last_day: outcomes.into_iter().collect(),
    })
}

pub async fn decide(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::PUT])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let request: PolicyRequest = call.json().await?;
    let decision = Decision {
        policy: request.policy()?,
        updated_at: now_ms(),
        updated_by: admin.email.clone(),
    };
    proxies::decide(call.database().await?, &decision).await?;
    let policy = &decision.policy;
    let subject = json!({ "mode": policy.mode, "direct_sites": policy.direct_sites.len() });
    log_change(call, &admin, "set_proxy_policy", subject);
    Answer::ok(&PolicyAnswer::new(Some(decision)))
}

pub async fn events(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let (events, total) = proxies::events(call.database().await?, page).await?;
    let items: Vec<ProxyEventItem> = events.into_iter().map(ProxyEventItem::from).collect();
    Answer::ok(&List::new(items, total, page))
}
