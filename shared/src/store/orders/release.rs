//! Earnings that nobody can ask back any more become the sellers' own (SH-3).

use super::lock;
use crate::error::Result;
use crate::store::Database;

/// Sellers of the `limit` orders whose time to be refunded ended first, each once.
pub async fn due_sellers(database: &dyn Database, now: i64, limit: i64) -> Result<Vec<String>> {
    let rows = database
        .query(
            "SELECT seller_id FROM orders WHERE refunded_at IS NULL AND released_at IS NULL AND refund_until <= $1 \
             ORDER BY refund_until LIMIT $2",
            &[now.into(), limit.into()],
        )
        .await?;
    let mut sellers = rows
        .iter()
        .map(|row| row.get("seller_id"))
        .collect::<Result<Vec<String>>>()?;
    sellers.sort();
    sellers.dedup();
    Ok(sellers)
}

/// Releases up to `limit` due orders of one seller, and says how many. A refund has the same guard: of the two, one
/// happens.
pub async fn release(
    database: &dyn Database,
    seller_id: &str,
    now: i64,
    limit: i64,
) -> Result<u64> {
    let lock = lock(database.dialect());
    let sql = format!(
        "WITH earner AS MATERIALIZED (SELECT user_id FROM accounts WHERE user_id = $1 {lock}) \
         UPDATE orders SET released_at = $2 WHERE order_id IN (SELECT order_id FROM orders \
             WHERE seller_id = $1 AND refunded_at IS NULL AND released_at IS NULL AND refund_until <= $2 \
             ORDER BY refund_until LIMIT $3) \
           AND refunded_at IS NULL AND released_at IS NULL AND (SELECT COUNT(*) FROM earner) = 1"
    );
    let parameters = [seller_id.into(), now.into(), limit.into()];
    database.execute(&sql, &parameters).await
}
