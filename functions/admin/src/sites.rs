//! Sites: codes for them, how they are, revoking and reloading them, the dead rows that wait for them.

use serde_json::json;
use shared::domain::account::Role;
use shared::domain::delivery::BUSINESS;
use shared::domain::page::Page;
use shared::domain::site::word;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call, log_change};
use shared::spin::sync::decoded;
use shared::spin::{new_id, now_ms};
use shared::store::deliveries;
use shared::store::sites::{self, Site};
use shared::wire::delivery::{DeadItem, DeadRequest};
use shared::wire::envelope::List;
use shared::wire::site::{CodeAnswer, CodeRequest, SiteItem};
use shared::{Code, Error, Result};
use spin_sdk::http::Method;
use uuid::Uuid;

pub async fn all(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET, Method::POST])?;
    if call.method == Method::POST {
        return make_code(call).await;
    }
    authenticate_admin(call, Role::Admin).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let (found, total) = sites::list(call.database().await?, page).await?;
    let items = items(call, found).await?;
    Answer::ok(&List::new(items, total, page))
}

async fn make_code(call: &mut Call) -> Result<Answer> {
    let admin = authenticate_admin(call, Role::Admin).await?;
    let request: CodeRequest = call.json().await?;
    let (new, code) = request.code(new_id(), &admin.email, now_ms())?;
    let site = sites::make_code(call.database().await?, &new).await?;
    let subject = json!({ "site_id": site.site_id });
    log_change(call, &admin, "make_site_code", subject);
    let answer = CodeAnswer::new(site, &code, new.expires_at);
    Ok(Answer::json(201, &answer)?.unkept())
}

pub async fn one(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let id = site_id(id)?;
    let found = sites::find(call.database().await?, &id).await?;
    shown(call, found).await
}

pub async fn revoke(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let id = site_id(id)?;
    let revoked = sites::revoke(call.database().await?, &id, now_ms()).await?;
    if revoked.is_some() {
        log_change(call, &admin, "revoke_site", json!({ "site_id": id }));
    }
    shown(call, revoked).await
}

pub async fn reload(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let id = site_id(id)?;
    let database = call.database().await?;
    let reloaded = sites::reload(database, &id, now_ms()).await?;
    if reloaded.is_none() && sites::find(database, &id).await?.is_some() {
        let message = "The site is not registered, or it is revoked.";
        return Err(Error::new(Code::Conflict, message));
    }
    if reloaded.is_some() {
        log_change(call, &admin, "reload_site", json!({ "site_id": id }));
    }
    shown(call, reloaded).await
}

async fn shown(call: &mut Call, site: Option<Site>) -> Result<Answer> {
    let site = site.ok_or_else(|| Error::not_found("site"))?;
    let items = items(call, vec![site]).await?;
    Answer::ok(&items.first())
}

/// Sites with what waits for them.
async fn items(call: &mut Call, found: Vec<Site>) -> Result<Vec<SiteItem>> {
    let ids: Vec<&str> = found.iter().map(|site| site.site_id.as_str()).collect();
    let waiting = deliveries::counts_of(call.database().await?, &ids).await?;
    let now = now_ms();
    let item = |site: Site| {
        let waiting = waiting.get(&site.site_id).copied().unwrap_or_default();
        SiteItem::new(site, waiting, now)
    };
    found.into_iter().map(item).collect()
}

pub async fn dead(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let receiver = receiver(call, id).await?;
    let (found, total) = deliveries::dead(call.database().await?, &receiver, page).await?;
    let items = found.into_iter().map(DeadItem::new);
    Answer::ok(&List::new(items.collect::<Result<_>>()?, total, page))
}

pub async fn free(call: &mut Call, id: &str, syn_id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let request: DeadRequest = call.json().await?;
    let (action, syn_id) = (request.action()?, decoded(syn_id)?);
    let receiver = receiver(call, id).await?;
    let origin = request.data_from_server_id.as_deref();
    let origin = origin.map(|text| word("data_from_server_id", text));
    let origin = origin.transpose()?;
    let database = call.database().await?;
    deliveries::free(
        database,
        &receiver,
        &syn_id,
        origin.as_deref(),
        &action,
        now_ms(),
    )
    .await?;
    let subject = json!({ "site_id": receiver, "syn_id": syn_id });
    log_change(call, &admin, "free_dead_row", subject);
    Answer::done()
}

/// A site that there is, or the cloud's own business. Errors: 40001, 40401.
async fn receiver(call: &mut Call, id: &str) -> Result<String> {
    if id == BUSINESS {
        return Ok(id.to_owned());
    }
    let id = site_id(id)?;
    let found = sites::find(call.database().await?, &id).await?;
    found.map_or_else(|| Err(Error::not_found("site")), |site| Ok(site.site_id))
}

fn site_id(text: &str) -> Result<String> {
    let id = Uuid::try_parse(text);
    id.map(|id| id.to_string())
        .map_err(|_| Error::invalid("site_id", "This is not an id."))
}
