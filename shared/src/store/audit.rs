//! The audit of the ledger (SH-6): every balance, count, order, payment and movement against the entries. It reads pages, each in
//! one statement, so that what happens meanwhile is in a page whole or not at all.

use super::{Database, Row};
use crate::domain::audit::{
    Claimed, Difference, Posted, check_account, check_factors, check_movement, check_order,
    check_payment,
};
use crate::domain::coins::Coins;
use crate::domain::ledger::{Factor, Sale};
use crate::error::{Error, Result};
use crate::limits::AUDIT_PAGE;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    pub accounts: u64,
    pub orders: u64,
    pub payments: u64,
    pub movements: u64,
    /// All entries of everybody: 0.00.
    pub sum: Coins,
    /// The entries of the two that keep no balance.
    pub platform: Coins,
    pub recharge: Coins,
    pub differences: u64,
}

/// Looks at everything and tells `found` what does not hold.
pub async fn run(
    database: &dyn Database,
    found: &mut (dyn FnMut(Difference) + Send),
) -> Result<Summary> {
    let mut summary = Summary::default();
    let mut tell = |differences: Vec<Difference>, summary: &mut Summary| {
        summary.differences += differences.len() as u64;
        differences.into_iter().for_each(&mut *found);
    };
    let mut after = String::new();
    while let Some((rows, last)) = page(database, ACCOUNTS, "user_id", &after).await? {
        summary.accounts += rows.len() as u64;
        for row in &rows {
            tell(account(row)?, &mut summary);
        }
        after = last;
    }
    after.clear();
    while let Some((rows, last)) = page(database, ORDERS, "order_id", &after).await? {
        for group in rows.chunk_by(|one, next| same(one, next, "order_id")) {
            summary.orders += 1;
            tell(order(group)?, &mut summary);
        }
        after = last;
    }
    after.clear();
    while let Some((rows, last)) = page(database, PAYMENTS, "payment_id", &after).await? {
        for group in rows.chunk_by(|one, next| same(one, next, "payment_id")) {
            summary.payments += 1;
            tell(payment(group)?, &mut summary);
        }
        after = last;
    }
    after.clear();
    while let Some((rows, last)) = page(database, MOVEMENTS, "movement", &after).await? {
        summary.movements += rows.len() as u64;
        for row in &rows {
            add(&mut summary, row)?;
            tell(movement(row)?, &mut summary);
        }
        after = last;
    }
    Ok(summary)
}

const ACCOUNTS: &str = "SELECT a.user_id, a.available, a.frozen, a.buy_count, a.buy_return_count, a.sale_count, \
       a.sale_return_count, a.buy_factor, a.sale_factor, \
       COALESCE((SELECT CAST(SUM(amount) AS BIGINT) FROM entries WHERE holder = a.user_id AND part = 'available'), 0) \
         AS entries_available, \
       COALESCE((SELECT CAST(SUM(amount) AS BIGINT) FROM entries WHERE holder = a.user_id AND part = 'frozen'), 0) \
         AS entries_frozen, \
       (SELECT COUNT(*) FROM orders WHERE buyer_id = a.user_id AND price > 0) AS bought, \
       (SELECT COUNT(*) FROM orders WHERE buyer_id = a.user_id AND price > 0 AND refunded_at IS NOT NULL) AS returned, \
       (SELECT COUNT(*) FROM orders WHERE seller_id = a.user_id AND price > 0) AS sold, \
       (SELECT COUNT(*) FROM orders WHERE seller_id = a.user_id AND price > 0 AND refunded_at IS NOT NULL) AS taken_back \
     FROM accounts a WHERE a.user_id > $1 ORDER BY a.user_id LIMIT $2";

const ORDERS: &str = "WITH page AS MATERIALIZED (SELECT order_id, buyer_id, seller_id, buy_cost, sale_earn, refunded_at, \
         released_at FROM orders WHERE order_id > $1 ORDER BY order_id LIMIT $2) \
     SELECT page.order_id, page.buyer_id, page.seller_id, page.buy_cost, page.sale_earn, page.refunded_at, \
       page.released_at, e.kind AS entry_kind, e.holder, e.part, e.amount FROM page \
     LEFT JOIN entries e ON e.movement IN ('buy:' || page.order_id, 'refund:' || page.order_id, 'release:' || page.order_id) \
     ORDER BY page.order_id";

const PAYMENTS: &str = "WITH page AS MATERIALIZED (SELECT payment_id, user_id, kind, coins, state FROM payments \
         WHERE payment_id > $1 ORDER BY payment_id LIMIT $2) \
     SELECT page.payment_id, page.user_id, page.kind, page.coins, page.state, \
       e.kind AS entry_kind, e.holder, e.part, e.amount FROM page \
     LEFT JOIN entries e ON e.movement IN ('recharge:' || page.payment_id, 'vip:' || page.payment_id) \
     ORDER BY page.payment_id";

/// A page is a stretch of the index by movement, so that none reads more than its own entries; the last movement is whole.
const MOVEMENTS: &str = "SELECT e.movement, CAST(SUM(e.amount) AS BIGINT) AS total, \
       CAST(SUM(CASE e.holder WHEN 'platform' THEN e.amount ELSE 0 END) AS BIGINT) AS platform, \
       CAST(SUM(CASE e.holder WHEN 'recharge' THEN e.amount ELSE 0 END) AS BIGINT) AS recharge, \
       COUNT(CASE WHEN e.part <> 'own' AND NOT EXISTS (SELECT 1 FROM accounts WHERE user_id = e.holder) \
         THEN 1 END) AS strangers, \
       COUNT(CASE WHEN NOT EXISTS (SELECT 1 FROM orders WHERE order_id = e.subject_id) \
         AND NOT EXISTS (SELECT 1 FROM payments WHERE payment_id = e.subject_id) THEN 1 END) AS orphans \
     FROM entries e WHERE e.movement > $1 AND e.movement <= (SELECT MAX(movement) FROM \
       (SELECT movement FROM entries WHERE movement > $1 ORDER BY movement LIMIT $2) page) \
     GROUP BY e.movement ORDER BY e.movement";

/// The rows of the next page, and where it ends.
async fn page(
    database: &dyn Database,
    sql: &str,
    column: &str,
    after: &str,
) -> Result<Option<(Vec<Row>, String)>> {
    let rows = database
        .query(sql, &[after.into(), AUDIT_PAGE.into()])
        .await?;
    let Some(last) = rows.last() else {
        return Ok(None);
    };
    let last = last.get(column)?;
    Ok(Some((rows, last)))
}

fn same(one: &Row, next: &Row, column: &str) -> bool {
    let id = |row: &Row| row.get::<String>(column).ok();
    id(one) == id(next)
}

fn account(row: &Row) -> Result<Vec<Difference>> {
    let user_id: String = row.get("user_id")?;
    let claimed = |name: &'static str, other: &str| {
        Ok::<_, Error>(Claimed {
            name,
            said: row.get(name)?,
            found: row.get(other)?,
        })
    };
    let balances = [
        claimed("available", "entries_available")?,
        claimed("frozen", "entries_frozen")?,
    ];
    let counts = [
        claimed("buy_count", "bought")?,
        claimed("buy_return_count", "returned")?,
        claimed("sale_count", "sold")?,
        claimed("sale_return_count", "taken_back")?,
    ];
    let factor = |column| Ok::<_, Error>(Factor::from_hundredths(row.get(column)?));
    let mut differences = check_account(&user_id, &balances, &counts);
    differences.extend(check_factors(
        &user_id,
        [factor("buy_factor")?, factor("sale_factor")?],
        counts.map(|count| count.said),
    ));
    Ok(differences)
}

fn order(rows: &[Row]) -> Result<Vec<Difference>> {
    let Some(row) = rows.first() else {
        return Ok(Vec::new());
    };
    let (buyer, seller): (String, String) = (row.get("buyer_id")?, row.get("seller_id")?);
    let sale = Sale {
        buyer: &buyer,
        seller: &seller,
        buy_cost: Coins::from_hundredths(row.get("buy_cost")?),
        sale_earn: Coins::from_hundredths(row.get("sale_earn")?),
    };
    let happened = |column| Ok::<_, Error>(row.get::<Option<i64>>(column)?.is_some());
    Ok(check_order(
        &row.get::<String>("order_id")?,
        &sale,
        happened("refunded_at")?,
        happened("released_at")?,
        posted(rows)?,
    ))
}

fn payment(rows: &[Row]) -> Result<Vec<Difference>> {
    let Some(row) = rows.first() else {
        return Ok(Vec::new());
    };
    Ok(check_payment(
        &row.get::<String>("payment_id")?,
        &row.get::<String>("kind")?,
        &row.get::<String>("user_id")?,
        Coins::from_hundredths(row.get("coins")?),
        row.get::<String>("state")? == "paid",
        posted(rows)?,
    ))
}

/// The entries beside an order or a payment; one that has none has a row without.
fn posted(rows: &[Row]) -> Result<Vec<Posted>> {
    let mut posted = Vec::new();
    for row in rows {
        if let Some(kind) = row.get::<Option<String>>("entry_kind")? {
            posted.push(Posted {
                kind,
                holder: row.get("holder")?,
                part: row.get("part")?,
                amount: row.get("amount")?,
            });
        }
    }
    Ok(posted)
}

fn add(summary: &mut Summary, row: &Row) -> Result<()> {
    let more = |coins: Coins, column| {
        let more: i64 = row.get(column)?;
        Ok::<_, Error>(Coins::from_hundredths(coins.hundredths() + more))
    };
    summary.sum = more(summary.sum, "total")?;
    summary.platform = more(summary.platform, "platform")?;
    summary.recharge = more(summary.recharge, "recharge")?;
    Ok(())
}

fn movement(row: &Row) -> Result<Vec<Difference>> {
    Ok(check_movement(
        &row.get::<String>("movement")?,
        row.get("total")?,
        row.get("strangers")?,
        row.get("orphans")?,
    ))
}
