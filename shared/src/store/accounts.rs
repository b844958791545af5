//! Accounts of coins (SH-1). Only the triggers of `entries`, `orders` and `payments` change them.

use super::{Database, json_texts};
use crate::domain::account::Role;
use crate::domain::coins::Coins;
use crate::domain::ledger::Factor;
use crate::error::{Error, Result};
use std::collections::HashMap;

#[derive(Clone, Debug)]
pub struct Account {
    pub user_id: String,
    pub nickname: String,
    pub bio: String,
    /// The level that counts now.
    pub role: Role,
    pub available: Coins,
    /// Earned, and may still be refunded.
    pub frozen: Coins,
    pub vip_expires_at: Option<i64>,
    pub buy_count: i64,
    pub buy_return_count: i64,
    pub sale_count: i64,
    pub sale_return_count: i64,
    pub buy_factor: Factor,
    pub sale_factor: Factor,
}

impl Account {
    /// What this user would pay for something of this price (SH-3).
    pub fn cost_of(&self, price: Coins) -> Coins {
        match self.role {
            Role::Vip => Coins::default(),
            _ => self.buy_factor.times(price),
        }
    }
}

/// The level of a user (ID-5) from rows `u` of `users` and `a` of `accounts`, which may be absent: who has paid for
/// being VIP is, until it ends at a time after the parameter `now`.
pub(super) fn role_now(now: &str) -> String {
    format!(
        "CASE WHEN u.role = 'user' AND a.vip_expires_at > {now} THEN 'vip' ELSE u.role END AS role"
    )
}

/// The account of a user.
pub async fn find(database: &dyn Database, user_id: &str, now: i64) -> Result<Option<Account>> {
    let role = role_now("$2");
    let sql = format!(
        "SELECT u.user_id, u.nickname, u.bio, {role}, a.available, a.frozen, a.vip_expires_at, a.buy_count, \
           a.buy_return_count, a.sale_count, a.sale_return_count, a.buy_factor, a.sale_factor \
         FROM users u JOIN accounts a ON a.user_id = u.user_id WHERE u.user_id = $1"
    );
    let rows = database.query(&sql, &[user_id.into(), now.into()]).await?;
    let account = |row: &super::Row| {
        Ok(Account {
            user_id: row.get("user_id")?,
            nickname: row.get("nickname")?,
            bio: row.get("bio")?,
            role: Role::parse(&row.get::<String>("role")?)?,
            available: Coins::from_hundredths(row.get("available")?),
            frozen: Coins::from_hundredths(row.get("frozen")?),
            vip_expires_at: row.get("vip_expires_at")?,
            buy_count: row.get("buy_count")?,
            buy_return_count: row.get("buy_return_count")?,
            sale_count: row.get("sale_count")?,
            sale_return_count: row.get("sale_return_count")?,
            buy_factor: Factor::from_hundredths(row.get("buy_factor")?),
            sale_factor: Factor::from_hundredths(row.get("sale_factor")?),
        })
    };
    rows.first().map(account).transpose()
}

/// Until when those of these users are VIP who have paid for it and still are.
pub async fn paid_vip(
    database: &dyn Database,
    user_ids: &[&str],
    now: i64,
) -> Result<HashMap<String, i64>> {
    let sql = format!(
        "SELECT user_id, vip_expires_at FROM accounts WHERE vip_expires_at > $1 AND user_id IN ({})",
        json_texts(database.dialect(), 2)
    );
    let ids = serde_json::to_string(user_ids).map_err(Error::internal)?;
    let rows = database.query(&sql, &[now.into(), ids.into()]).await?;
    rows.iter()
        .map(|row| Ok((row.get("user_id")?, row.get("vip_expires_at")?)))
        .collect()
}
