//! Routes: `/api/v1/resources/:id/buy`, `/api/v1/orders`, `/api/v1/orders/:id`, `/api/v1/orders/:id/refund`,
//! `/api/v1/orders/:id/refresh`, `/api/v1/account`, `/api/v1/account/ledger`.

use shared::auth::secret::sha256;
use shared::domain::account::Audience;
use shared::domain::coins::Coins;
use shared::domain::page::Page;
use shared::spin::caller::authenticate;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::{new_id, now_ms, number};
use shared::store::orders::{self, NewOrder, Order, Side};
use shared::store::{accounts, entries};
use shared::wire::envelope::List;
use shared::wire::ledger::{AccountAnswer, EntryItem};
use shared::wire::order::{BuyAnswer, BuyRequest, OrderAnswer, OrderItem};
use shared::{Error, Result};
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
        ["resources", id, "buy"] => buy(call, id).await,
        ["orders"] => list(call).await,
        ["orders", id] => one(call, id).await,
        ["orders", id, "refund"] => refund(call, id).await,
        ["orders", id, "refresh"] => refresh(call, id).await,
        ["account"] => account(call).await,
        ["account", "ledger"] => ledger(call).await,
        _ => Err(Error::not_found("route")),
    }
}

async fn buy(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let user = authenticate(call, Audience::Users).await?;
    let resource_id = parse_id("resource_id", id)?;
    let idempotency_key = call.idempotency_key()?;
    let request: BuyRequest = call.json().await?;
    let expected_price = Coins::price("expected_price", &request.expected_price)?;
    let refund_window_s: i64 = number("market_refund_window_s").await?;
    let now = now_ms();
    let order = NewOrder {
        order_id: new_id(),
        request_hash: sha256(format!("{resource_id} {expected_price}")),
        resource_id,
        buyer_id: user.user_id,
        expected_price,
        idempotency_key,
        refund_until: now + refund_window_s * 1000,
        now,
    };
    let database = call.database().await?;
    let bought = orders::buy(database, &order).await?;
    let link = orders::link(database, &bought.order_id).await?;
    Ok(Answer::json(201, &BuyAnswer::new(&bought, link))?.unkept())
}

async fn list(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let user = authenticate(call, Audience::Users).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let side = match call.query("side") {
        None | Some("buy") => Side::Buy,
        Some("sale") => Side::Sale,
        Some(_) => return Err(Error::invalid("side", "The side is buy or sale.")),
    };
    let refunded = match call.query("state") {
        None => None,
        Some("active") => Some(false),
        Some("refunded") => Some(true),
        Some(_) => return Err(Error::invalid("state", "The state is active or refunded.")),
    };
    let database = call.database().await?;
    let (found, total) = orders::list(database, &user.user_id, side, refunded, page).await?;
    let items = found.iter().map(|order| OrderItem::from_order(order, side));
    Answer::ok(&List::new(items.collect::<Result<_>>()?, total, page))
}

async fn one(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let (order, side) = own_order(call, id).await?;
    let link = match side {
        Side::Buy => orders::link(call.database().await?, &order.order_id).await?,
        Side::Sale => None,
    };
    let item = OrderItem::from_order(&order, side)?;
    Ok(Answer::ok(&OrderAnswer::new(item, link))?.unkept())
}

async fn refund(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let user = authenticate(call, Audience::Users).await?;
    let order_id = parse_id("order_id", id)?;
    let key = call.idempotency_key()?;
    let database = call.database().await?;
    let refund = orders::refund(database, &order_id, &user.user_id, key.as_deref(), now_ms());
    Answer::ok(&OrderItem::from_order(&refund.await?, Side::Buy)?)
}

/// What the client says of its copy is not asked: the tables are the truth (SH-5).
async fn refresh(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let (order, side) = own_order(call, id).await?;
    let refreshed = orders::refresh(call.database().await?, &order.order_id).await?;
    let order = refreshed.ok_or_else(|| Error::not_found("order"))?;
    Answer::ok(&OrderItem::from_order(&order, side)?)
}

async fn account(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let user = authenticate(call, Audience::Users).await?;
    let account = accounts::find(call.database().await?, &user.user_id, now_ms()).await?;
    let account = account.ok_or_else(|| Error::internal("a user has no account"))?;
    Answer::ok(&AccountAnswer::from(account))
}

async fn ledger(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let user = authenticate(call, Audience::Users).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let (found, total) = entries::list(call.database().await?, &user.user_id, page).await?;
    let items: Vec<EntryItem> = found.into_iter().map(EntryItem::from).collect();
    Answer::ok(&List::new(items, total, page))
}

/// The order of a path, and the side on which the caller is. Errors: 40001, 40401, 40301 for who is on neither.
async fn own_order(call: &mut Call, id: &str) -> Result<(Order, Side)> {
    let user = authenticate(call, Audience::Users).await?;
    let order_id = parse_id("order_id", id)?;
    let order = orders::find(call.database().await?, &order_id).await?;
    let order = order.ok_or_else(|| Error::not_found("order"))?;
    let side = match &user.user_id {
        id if *id == order.buyer_id => Side::Buy,
        id if *id == order.seller_id => Side::Sale,
        _ => return Err(Error::forbidden("order")),
    };
    Ok((order, side))
}

fn parse_id(field: &str, id: &str) -> Result<String> {
    let id = Uuid::try_parse(id).map_err(|_| Error::invalid(field, "This is not an id."))?;
    Ok(id.to_string())
}
