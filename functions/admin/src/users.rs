//! Users: found by the beginning of their address, their level, their quota, blocked or not.

use serde_json::json;
use shared::domain::account::{Audience, Role};
use shared::domain::page::Page;
use shared::domain::quota::day;
use shared::limits::EMAIL_BYTES_MAX;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call, log_change};
use shared::spin::now_ms;
use shared::store::users::{self, Change, User};
use shared::store::{accounts, quotas};
use shared::wire::envelope::List;
use shared::wire::user::{UserChangeRequest, UserItem};
use shared::{Error, Result};
use spin_sdk::http::Method;
use uuid::Uuid;

pub async fn list(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let prefix = call.query("email").unwrap_or_default().trim();
    if prefix.len() > EMAIL_BYTES_MAX {
        return Err(Error::invalid("email", "No address is as long as this."));
    }
    let prefix = prefix.to_lowercase();
    let database = call.database().await?;
    let (found, total) = users::list(database, &prefix, page).await?;
    let ids: Vec<&str> = found.iter().map(|user| user.user_id.as_str()).collect();
    let now = now_ms();
    let used = quotas::used_by(database, &ids, day(now)).await?;
    let vip = accounts::paid_vip(database, &ids, now).await?;
    let item = |user: User| {
        let used = used.get(&user.user_id).copied().unwrap_or(0);
        let vip_expires_at = vip.get(&user.user_id).copied();
        UserItem::new(user, vip_expires_at, used)
    };
    let items: Vec<UserItem> = found.into_iter().map(item).collect();
    Answer::ok(&List::new(items, total, page))
}

pub async fn one(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET, Method::PUT])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let id = Uuid::try_parse(id)
        .map_err(|_| Error::invalid("user_id", "This is not an id."))?
        .to_string();
    let user = if call.method == Method::PUT {
        change(call, &admin, &id).await?
    } else {
        let found = users::find(call.database().await?, &id).await?;
        found.filter(|user| user.audience == Audience::Users)
    };
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    let (database, now) = (call.database().await?, now_ms());
    let used = quotas::used(database, &id, day(now)).await?;
    let vip = accounts::paid_vip(database, &[&id], now).await?;
    Answer::ok(&UserItem::new(user, vip.get(&id).copied(), used))
}

async fn change(call: &mut Call, admin: &User, id: &str) -> Result<Option<User>> {
    let request: UserChangeRequest = call.json().await?;
    let change = request.change()?;
    let changed = users::change(call.database().await?, id, change, now_ms()).await?;
    if changed.is_some() {
        log_change(call, admin, "change_user", subject(id, &change));
    }
    Ok(changed)
}

/// What was said of the user; a field that was left out stands there as null, the level's limit as `level`.
fn subject(id: &str, change: &Change) -> serde_json::Value {
    let limit = change.daily_limit.map(|limit| match limit {
        Some(number) => json!(number),
        None => json!("level"),
    });
    json!({
        "user_id": id,
        "role": change.role.map(Role::as_str),
        "daily_limit": limit,
        "blocked": change.is_blocked,
    })
}
