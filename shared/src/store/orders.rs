//! Orders (SH-3 to SH-5): what was bought, refunded and released. Each change is one statement, and the coins that it
//! moves are entries that the triggers of `orders` write in it.
//!
//! On PostgreSQL whatever moves coins locks in one order: resource, accounts by `user_id`, orders. On SQLite one
//! writes after another anyway.

mod buy;
mod refund;
mod release;

use super::{Database, Dialect, Row, Value};
use crate::domain::coins::Coins;
use crate::domain::drive::ShareLink;
use crate::domain::page::Page;
use crate::error::{Error, Result};
pub use buy::{NewOrder, buy};
pub use refund::refund;
pub use release::{due_sellers, release};

/// A row of `orders`. The snapshots stay text here; [`crate::wire::order`] reads them.
#[derive(Clone, Debug)]
pub struct Order {
    pub order_id: String,
    pub resource_id: String,
    pub buyer_id: String,
    pub seller_id: String,
    pub price: Coins,
    pub buy_cost: Coins,
    pub sale_earn: Coins,
    pub resource_snapshot: String,
    pub buyer_snapshot: String,
    pub seller_snapshot: String,
    pub created_at: i64,
    pub refund_until: i64,
    pub refunded_at: Option<i64>,
    pub refund_key: Option<String>,
    /// When the earnings became the seller's own.
    pub released_at: Option<i64>,
}

const COLUMNS: &str = "order_id, resource_id, buyer_id, seller_id, price, buy_cost, sale_earn, resource_snapshot, \
     buyer_snapshot, seller_snapshot, created_at, refund_until, refunded_at, refund_key, released_at";

fn order_from(row: &Row) -> Result<Order> {
    let coins = |column| Ok::<_, Error>(Coins::from_hundredths(row.get(column)?));
    Ok(Order {
        order_id: row.get("order_id")?,
        resource_id: row.get("resource_id")?,
        buyer_id: row.get("buyer_id")?,
        seller_id: row.get("seller_id")?,
        price: coins("price")?,
        buy_cost: coins("buy_cost")?,
        sale_earn: coins("sale_earn")?,
        resource_snapshot: row.get("resource_snapshot")?,
        buyer_snapshot: row.get("buyer_snapshot")?,
        seller_snapshot: row.get("seller_snapshot")?,
        created_at: row.get("created_at")?,
        refund_until: row.get("refund_until")?,
        refunded_at: row.get("refunded_at")?,
        refund_key: row.get("refund_key")?,
        released_at: row.get("released_at")?,
    })
}

/// Waits for what this statement is about to change; SQLite knows no such locks and needs none.
fn lock(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE",
    }
}

/// How a resource is remembered: columns of `resources`.
fn snapshot_of_resource(dialect: Dialect) -> String {
    let function = json_object(dialect);
    format!(
        "CAST({function}('resource_id', resource_id, 'title', title, 'price', price, 'drive', drive, \
         'total_size', total_size) AS TEXT)"
    )
}

/// How a user is remembered: columns of the row `table` of `users`.
fn snapshot_of_user(dialect: Dialect, table: &str) -> String {
    let function = json_object(dialect);
    format!("CAST({function}('user_id', {table}.user_id, 'nickname', {table}.nickname) AS TEXT)")
}

fn json_object(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "json_object",
        Dialect::Postgres => "json_build_object",
    }
}

pub async fn find(database: &dyn Database, order_id: &str) -> Result<Option<Order>> {
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE order_id = $1");
    let rows = database.query(&sql, &[order_id.into()]).await?;
    rows.first().map(order_from).transpose()
}

/// The link that an order pays for: the one that reviewers approved last ([`Resource::approved_link_id`]); none once it
/// was refunded.
///
/// [`Resource::approved_link_id`]: super::resources::Resource::approved_link_id
pub async fn link(database: &dyn Database, order_id: &str) -> Result<Option<ShareLink>> {
    let rows = database
        .query(
            "SELECT l.url, l.code FROM orders o JOIN resources r ON r.resource_id = o.resource_id \
             JOIN links l ON l.link_id = CASE WHEN r.state IN ('ok', 'invalidated') THEN r.link_id \
               WHEN r.state IN ('pending', 'rejected') THEN r.former_link_id END \
             WHERE o.order_id = $1 AND o.refunded_at IS NULL",
            &[order_id.into()],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (url, code): (String, String) = (row.get("url")?, row.get("code")?);
    ShareLink::parse(&url, &code).map(Some)
}

/// Who looks at an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Buy,
    Sale,
}

/// The orders of one side, newest first, and how many there are; `refunded` of `None`: all of them.
pub async fn list(
    database: &dyn Database,
    user_id: &str,
    side: Side,
    refunded: Option<bool>,
    page: Page,
) -> Result<(Vec<Order>, i64)> {
    let who = match side {
        Side::Buy => "buyer_id",
        Side::Sale => "seller_id",
    };
    let state = match refunded {
        None => "",
        Some(false) => " AND refunded_at IS NULL",
        Some(true) => " AND refunded_at IS NOT NULL",
    };
    let clause = format!("{who} = $1{state}");
    let sql = format!("SELECT COUNT(*) AS total FROM orders WHERE {clause}");
    let rows = database.query(&sql, &[user_id.into()]).await?;
    let total = rows.first().map_or(Ok(0), |row| row.get("total"))?;
    let sql = format!(
        "SELECT {COLUMNS} FROM orders WHERE {clause} ORDER BY created_at DESC, order_id DESC LIMIT $2 OFFSET $3"
    );
    let parameters: [Value; 3] = [user_id.into(), page.limit().into(), page.offset().into()];
    let rows = database.query(&sql, &parameters).await?;
    Ok((rows.iter().map(order_from).collect::<Result<_>>()?, total))
}

/// Takes the snapshots anew from the tables, and nothing else (SH-5).
pub async fn refresh(database: &dyn Database, order_id: &str) -> Result<Option<Order>> {
    let dialect = database.dialect();
    let resource = snapshot_of_resource(dialect);
    let user = snapshot_of_user(dialect, "users");
    let sql = format!(
        "UPDATE orders SET \
           resource_snapshot = COALESCE((SELECT {resource} FROM resources \
             WHERE resources.resource_id = orders.resource_id), resource_snapshot), \
           buyer_snapshot = COALESCE((SELECT {user} FROM users WHERE user_id = buyer_id), buyer_snapshot), \
           seller_snapshot = COALESCE((SELECT {user} FROM users WHERE user_id = seller_id), seller_snapshot) \
         WHERE order_id = $1 RETURNING {COLUMNS}"
    );
    let rows = database.query(&sql, &[order_id.into()]).await?;
    rows.first().map(order_from).transpose()
}
