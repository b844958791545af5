//! Refunds (SH-4).

use super::{COLUMNS, Order, find, lock, order_from};
use crate::error::{Code, Error, Result};
use crate::limits::IDEMPOTENCY_S;
use crate::store::Database;
use serde_json::json;

/// Another order of the buyer `$2` than `$1` that was refunded under the key `$3` since `$4`.
const UNDER_THE_KEY: &str = "SELECT other.order_id FROM orders other WHERE other.buyer_id = $2 AND other.refund_key = $3 \
     AND other.order_id <> $1 AND other.refunded_at > $4";

/// Gives back exactly what moved, once, before the window ends; under the key of the first request, its answer again.
/// Errors: 40401; 40301 for anybody but the buyer; 40901 when it was refunded before, 42201 when it is too late, 40902 when
/// the key is that of another order's refund.
pub async fn refund(
    database: &dyn Database,
    order_id: &str,
    buyer_id: &str,
    key: Option<&str>,
    now: i64,
) -> Result<Order> {
    // Resource and accounts are locked before the order, as a purchase does.
    let lock = lock(database.dialect());
    let sql = format!(
        "WITH bought AS MATERIALIZED (SELECT resource_id, buyer_id, seller_id FROM orders \
           WHERE order_id = $1 AND buyer_id = $2 AND refunded_at IS NULL), \
         item AS MATERIALIZED (SELECT resource_id FROM resources \
           WHERE resource_id = (SELECT resource_id FROM bought) {lock}), \
         parties AS MATERIALIZED (SELECT user_id FROM accounts WHERE (SELECT COUNT(*) FROM item) = 1 \
           AND user_id IN ((SELECT buyer_id FROM bought), (SELECT seller_id FROM bought)) ORDER BY user_id {lock}) \
         UPDATE orders SET refunded_at = $5, refund_key = $3 \
         WHERE order_id = $1 AND buyer_id = $2 AND refunded_at IS NULL AND released_at IS NULL \
           AND refund_until > $5 AND (SELECT COUNT(*) FROM parties) = 2 AND NOT EXISTS ({UNDER_THE_KEY}) \
           RETURNING {COLUMNS}"
    );
    let since = now - IDEMPOTENCY_S * 1000;
    let parameters = [
        order_id.into(),
        buyer_id.into(),
        key.into(),
        since.into(),
        now.into(),
    ];
    let rows = database.query(&sql, &parameters).await?;
    if let Some(row) = rows.first() {
        return order_from(row);
    }
    let order = find(database, order_id).await?;
    let order = order.ok_or_else(|| Error::not_found("order"))?;
    if order.buyer_id != buyer_id {
        return Err(Error::forbidden("order"));
    }
    if key.is_some() && order.refund_key.as_deref() == key && order.refunded_at > Some(since) {
        return Ok(order);
    }
    let others = database.query(UNDER_THE_KEY, &parameters[..4]).await?;
    if !others.is_empty() {
        let message = "This Idempotency-Key was used for another order's refund.";
        return Err(Error::new(Code::IdempotencyKeyReused, message));
    }
    if order.refunded_at.is_some() {
        let message = "This order was refunded already.";
        return Err(Error::new(Code::Conflict, message));
    }
    let message = "The time in which this order could be refunded is over.";
    Err(Error::new(Code::Unprocessable, message)
        .with_data(json!({ "reason": "refund_window_over" })))
}
