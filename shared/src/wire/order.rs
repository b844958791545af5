//! Buying, and the records of it (SH-3 to SH-5).

use super::time::rfc3339;
use crate::domain::coins::Coins;
use crate::domain::drive::ShareLink;
use crate::error::{Error, Result};
use crate::store::orders::{Order, Side};
use serde::{Deserialize, Serialize};

/// `POST /api/v1/resources/{id}/buy`.
#[derive(Debug, Deserialize)]
pub struct BuyRequest {
    /// The list price that the buyer was shown.
    pub expected_price: String,
}

/// What was bought. Without link once it was refunded or the resource was taken down.
#[derive(Debug, Serialize)]
pub struct BuyAnswer {
    pub order_id: String,
    pub buy_cost: Coins,
    pub url: Option<String>,
    pub code: Option<String>,
}

impl BuyAnswer {
    pub fn new(order: &Order, link: Option<ShareLink>) -> Self {
        let (url, code) = link.map(|link| (link.url(), link.code)).unzip();
        Self {
            order_id: order.order_id.clone(),
            buy_cost: order.buy_cost,
            url,
            code,
        }
    }
}

/// The resource as it was when it was bought, or when the record was refreshed.
#[derive(Debug, Serialize, Deserialize)]
pub struct ResourceSnapshot {
    pub resource_id: String,
    pub title: String,
    #[serde(deserialize_with = "hundredths")]
    pub price: Coins,
    /// aliyun | baidu
    pub drive: String,
    /// Bytes.
    pub total_size: i64,
}

fn hundredths<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Coins, D::Error> {
    i64::deserialize(deserializer).map(Coins::from_hundredths)
}

/// A buyer or a seller, then.
#[derive(Debug, Serialize, Deserialize)]
pub struct UserSnapshot {
    pub user_id: String,
    pub nickname: String,
}

/// An order as one of its two sides sees it.
#[derive(Debug, Serialize)]
pub struct OrderItem {
    pub order_id: String,
    pub resource: ResourceSnapshot,
    pub buyer: UserSnapshot,
    pub seller: UserSnapshot,
    /// The list price at which it was bought.
    pub price: Coins,
    /// What the buyer paid; for the buyer alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buy_cost: Option<Coins>,
    /// What the seller earns; for the seller alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale_earn: Option<Coins>,
    /// active | refunded
    pub state: &'static str,
    pub buy_time: String,
    pub refund_until: String,
    pub refund_time: Option<String>,
    /// What the buyer got back; for the buyer alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_coin: Option<Coins>,
    /// What the seller lost by it; for the seller alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_coin: Option<Coins>,
    /// Whether the earnings are the seller's own.
    pub released: bool,
}

impl OrderItem {
    pub fn from_order(order: &Order, side: Side) -> Result<Self> {
        let of = |wanted: Side, coins: Coins| (side == wanted).then_some(coins);
        let refunded = |coins: Option<Coins>| coins.filter(|_| order.refunded_at.is_some());
        let buy_cost = of(Side::Buy, order.buy_cost);
        let sale_earn = of(Side::Sale, order.sale_earn);
        Ok(Self {
            order_id: order.order_id.clone(),
            resource: read("resource_snapshot", &order.resource_snapshot)?,
            buyer: read("buyer_snapshot", &order.buyer_snapshot)?,
            seller: read("seller_snapshot", &order.seller_snapshot)?,
            price: order.price,
            buy_cost,
            sale_earn,
            state: match order.refunded_at {
                None => "active",
                Some(_) => "refunded",
            },
            buy_time: rfc3339(order.created_at),
            refund_until: rfc3339(order.refund_until),
            refund_time: order.refunded_at.map(rfc3339),
            refund_coin: refunded(buy_cost),
            lost_coin: refunded(sale_earn),
            released: order.released_at.is_some(),
        })
    }
}

/// `GET /api/v1/orders/{id}`: the buyer of an active order has the link too.
#[derive(Debug, Serialize)]
pub struct OrderAnswer {
    #[serde(flatten)]
    pub order: OrderItem,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl OrderAnswer {
    pub fn new(order: OrderItem, link: Option<ShareLink>) -> Self {
        let (url, code) = link.map(|link| (link.url(), link.code)).unzip();
        Self { order, url, code }
    }
}

fn read<'a, T: Deserialize<'a>>(column: &str, text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|cause| Error::internal(format!("column {column}: {cause}")))
}
