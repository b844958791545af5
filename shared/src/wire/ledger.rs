//! Accounts of coins and their entries (SH-1, SH-6).

use super::time::rfc3339;
use crate::domain::coins::Coins;
use crate::domain::ledger::Factor;
use crate::store::accounts::Account;
use crate::store::entries::Entry;
use serde::Serialize;

/// `GET /api/v1/account`.
#[derive(Debug, Serialize)]
pub struct AccountAnswer {
    pub user_id: String,
    pub nickname: String,
    pub bio: String,
    /// The level that counts now: user | vip
    pub role: &'static str,
    /// All coins, available and frozen.
    pub coin: Coins,
    pub coin_available: Coins,
    /// Earned, and not to be spent until it cannot be refunded any more.
    pub coin_frozen: Coins,
    pub vip_expire_time: Option<String>,
    pub buy_count: i64,
    pub buy_return_count: i64,
    pub sale_count: i64,
    pub sale_return_count: i64,
    pub buy_factor: Factor,
    pub sale_factor: Factor,
}

impl From<Account> for AccountAnswer {
    fn from(account: Account) -> Self {
        let (available, frozen) = (account.available, account.frozen);
        Self {
            user_id: account.user_id,
            nickname: account.nickname,
            bio: account.bio,
            role: account.role.as_str(),
            coin: Coins::from_hundredths(available.hundredths() + frozen.hundredths()),
            coin_available: available,
            coin_frozen: frozen,
            vip_expire_time: account.vip_expires_at.map(rfc3339),
            buy_count: account.buy_count,
            buy_return_count: account.buy_return_count,
            sale_count: account.sale_count,
            sale_return_count: account.sale_return_count,
            buy_factor: account.buy_factor,
            sale_factor: account.sale_factor,
        }
    }
}

/// One entry of `GET /api/v1/account/ledger`.
#[derive(Debug, Serialize)]
pub struct EntryItem {
    pub entry_id: String,
    /// buy | refund | release | recharge
    pub kind: String,
    /// available | frozen
    pub part: String,
    /// Signed.
    pub amount: Coins,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
    pub created_at: String,
}

impl From<Entry> for EntryItem {
    fn from(entry: Entry) -> Self {
        let (order_id, payment_id) = match entry.kind.as_str() {
            "recharge" | "vip" => (None, Some(entry.subject_id)),
            _ => (Some(entry.subject_id), None),
        };
        Self {
            entry_id: entry.entry_id.to_string(),
            kind: entry.kind,
            part: entry.part,
            amount: entry.amount,
            order_id,
            payment_id,
            created_at: rfc3339(entry.created_at),
        }
    }
}
