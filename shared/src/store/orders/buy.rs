//! Buying (SH-3).

use super::{COLUMNS, Order, lock, order_from, snapshot_of_resource, snapshot_of_user};
use crate::auth::token::bad_token;
use crate::domain::coins::Coins;
use crate::error::{Code, Error, Result};
use crate::limits::IDEMPOTENCY_TRIES;
use crate::store::accounts;
use crate::store::idempotency::{Judgement, judge};
use crate::store::{Database, Dialect, Row};
use serde_json::json;

/// What a buyer asks for.
#[derive(Clone, Debug)]
pub struct NewOrder {
    pub order_id: String,
    pub resource_id: String,
    pub buyer_id: String,
    /// The list price that the buyer was shown.
    pub expected_price: Coins,
    pub idempotency_key: Option<String>,
    /// Tells a repeat from another request under the same key.
    pub request_hash: String,
    pub refund_until: i64,
    pub now: i64,
}

/// Buys, and gives the order; under an idempotency key of the last 24 h, the order that the first request made. Errors: 40902
/// when the key stands for another request, 40401 for a resource that nobody can find, 40301 for the buyer's own, 40901 with
/// the `order_id` for one that is bought already and with the `price` for one that costs something else by now, 42201 for one
/// whose link is dead, 40201 with the coins that are `needed` and `available`, 40101 when the buyer was blocked a moment ago.
pub async fn buy(database: &dyn Database, order: &NewOrder) -> Result<Order> {
    for _ in 0..IDEMPOTENCY_TRIES {
        if let Some(bought) = insert(database, order).await? {
            return Ok(bought);
        }
        // A key whose day is over is taken from its old order, and the insert is tried once more.
        if let Some(key) = &order.idempotency_key
            && let Some(earlier) = find_by_key(database, &order.buyer_id, key).await?
        {
            let (hash, created_at) = (&earlier.request_hash, earlier.order.created_at);
            if judge(hash, created_at, &order.request_hash, order.now)? == Judgement::Replay {
                return Ok(earlier.order);
            }
            forget_key(database, &earlier.order.order_id).await?;
            continue;
        }
        explain(database, order).await?;
    }
    Err(Error::busy(1, "what was in the way of a purchase is gone"))
}

/// One statement: locks, guards, price and snapshots, all from the same rows. The triggers of `orders` move the coins.
async fn insert(database: &dyn Database, order: &NewOrder) -> Result<Option<Order>> {
    let rows = database
        .query(
            &statement(database.dialect()),
            &[
                order.resource_id.as_str().into(),
                order.buyer_id.as_str().into(),
                order.expected_price.hundredths().into(),
                order.order_id.as_str().into(),
                order.now.into(),
                order.refund_until.into(),
                order.idempotency_key.as_deref().into(),
                order.request_hash.as_str().into(),
            ],
        )
        .await?;
    rows.first().map(order_from).transpose()
}

/// A price times a factor is rounded half up, as `Factor::times` of [`crate::domain::ledger`] does. PostgreSQL reads what it waited for as it
/// then is; of two who buy at once the second so sees the counts and coins that the first left.
fn statement(dialect: Dialect) -> String {
    let lock = lock(dialect);
    let resource = snapshot_of_resource(dialect);
    let (buyer, seller) = (
        snapshot_of_user(dialect, "buyer"),
        snapshot_of_user(dialect, "seller"),
    );
    format!(
        "WITH item AS MATERIALIZED (SELECT resource_id, publisher_id, drive, title, price, total_size FROM resources \
           WHERE resource_id = $1 AND publisher_id <> $2 AND price = $3 AND state = 'ok' AND deleted_at IS NULL {lock}), \
         parties AS MATERIALIZED (SELECT user_id, available, vip_expires_at, buy_factor, sale_factor FROM accounts \
           WHERE user_id IN ($2, (SELECT publisher_id FROM item)) ORDER BY user_id {lock}), \
         terms AS (SELECT item.resource_id, item.publisher_id, item.price, {resource} AS resource, {buyer} AS buyer, \
             {seller} AS seller, payer.available, (2 * item.price * earner.sale_factor + 100) / 200 AS sale_earn, \
             CASE WHEN buyer.role = 'vip' OR COALESCE(payer.vip_expires_at, 0) > $5 THEN 0 \
               ELSE (2 * item.price * payer.buy_factor + 100) / 200 END AS buy_cost \
           FROM item JOIN parties payer ON payer.user_id = $2 JOIN parties earner ON earner.user_id = item.publisher_id \
           JOIN users buyer ON buyer.user_id = payer.user_id AND buyer.blocked_at IS NULL \
           JOIN users seller ON seller.user_id = earner.user_id AND seller.blocked_at IS NULL) \
         INSERT INTO orders (order_id, resource_id, buyer_id, seller_id, price, buy_cost, sale_earn, \
           resource_snapshot, buyer_snapshot, seller_snapshot, created_at, refund_until, idempotency_key, request_hash) \
         SELECT CAST($4 AS TEXT), resource_id, CAST($2 AS TEXT), publisher_id, price, buy_cost, sale_earn, resource, buyer, \
           seller, CAST($5 AS BIGINT), CAST($6 AS BIGINT), CAST($7 AS TEXT), CAST($8 AS TEXT) \
         FROM terms WHERE available >= buy_cost ON CONFLICT DO NOTHING RETURNING {COLUMNS}"
    )
}

struct Earlier {
    order: Order,
    request_hash: String,
}

async fn find_by_key(
    database: &dyn Database,
    buyer_id: &str,
    key: &str,
) -> Result<Option<Earlier>> {
    let sql = format!(
        "SELECT {COLUMNS}, request_hash FROM orders WHERE buyer_id = $1 AND idempotency_key = $2"
    );
    let rows = database.query(&sql, &[buyer_id.into(), key.into()]).await?;
    let earlier = |row: &Row| {
        Ok(Earlier {
            order: order_from(row)?,
            request_hash: row.get("request_hash")?,
        })
    };
    rows.first().map(earlier).transpose()
}

async fn forget_key(database: &dyn Database, order_id: &str) -> Result<()> {
    let sql = "UPDATE orders SET idempotency_key = NULL WHERE order_id = $1";
    database.execute(sql, &[order_id.into()]).await?;
    Ok(())
}

/// Says why nothing was bought; `Ok` when by now nothing is in the way.
async fn explain(database: &dyn Database, order: &NewOrder) -> Result<()> {
    let rows = database
        .query(
            "SELECT r.publisher_id, r.price, r.state, o.order_id, b.blocked_at FROM resources r \
             JOIN users b ON b.user_id = $2 JOIN users p ON p.user_id = r.publisher_id AND p.blocked_at IS NULL \
             LEFT JOIN orders o ON o.buyer_id = $2 AND o.resource_id = r.resource_id AND o.refunded_at IS NULL \
             WHERE r.resource_id = $1 AND r.deleted_at IS NULL AND r.state IN ('ok', 'invalidated')",
            &[order.resource_id.as_str().into(), order.buyer_id.as_str().into()],
        )
        .await?;
    let row = rows.first().ok_or_else(|| Error::not_found("resource"))?;
    if row.get::<Option<i64>>("blocked_at")?.is_some() {
        // The sessions ended with that; this request was under way.
        return Err(bad_token());
    }
    if row.get::<String>("publisher_id")? == order.buyer_id {
        return Err(Error::new(
            Code::Forbidden,
            "You cannot buy your own resource.",
        ));
    }
    if let Some(order_id) = row.get::<Option<String>>("order_id")? {
        return Err(
            Error::new(Code::Conflict, "You have bought this resource already.")
                .with_data(json!({ "order_id": order_id })),
        );
    }
    let price = Coins::from_hundredths(row.get("price")?);
    if price != order.expected_price {
        return Err(
            Error::new(Code::Conflict, format!("The price is {price} by now."))
                .with_data(json!({ "field": "expected_price", "price": price })),
        );
    }
    if row.get::<String>("state")? == "invalidated" {
        return Err(Error::new(
            Code::Unprocessable,
            "The link of this resource is dead; it cannot be bought.",
        )
        .with_data(json!({ "reason": "invalidated" })));
    }
    check_coins(database, order).await
}

async fn check_coins(database: &dyn Database, order: &NewOrder) -> Result<()> {
    let account = accounts::find(database, &order.buyer_id, order.now).await?;
    let account = account.ok_or_else(|| Error::internal("a user has no account"))?;
    let needed = account.cost_of(order.expected_price);
    if needed <= account.available {
        return Ok(());
    }
    Err(Error::new(
        Code::NotEnoughCoins,
        format!(
            "This costs {needed} coins; {} are available.",
            account.available
        ),
    )
    .with_data(json!({ "needed": needed, "available": account.available })))
}
