//! Buyers who buy, change their minds, and say everything twice.

use super::desk::{Ask, Run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tests::{Chance, unique};

const THINKS: Duration = Duration::from_millis(100);
/// The list price of every resource.
const PRICE: &str = "1.00";

pub struct Buyer {
    pub run: Arc<Run>,
    pub token: String,
    pub resources: Vec<String>,
}

/// A buyer's own books.
#[derive(Default)]
pub struct Books {
    /// Orders by the key of their purchase.
    orders: BTreeMap<String, String>,
    refunded: BTreeSet<String>,
}

impl Buyer {
    /// Buys and gives back until the run is over.
    pub async fn trade(&self, mut chance: Chance) -> Books {
        let mut books = Books::default();
        // Orders that stand, by resource.
        let mut held: BTreeMap<String, String> = BTreeMap::new();
        while !self.run.is_over() {
            let resource_id = self.resources[chance.index(self.resources.len())].clone();
            let is_repeated = chance.one_in(3);
            match held.remove(&resource_id) {
                Some(order_id) => {
                    self.give_back(&order_id, is_repeated).await;
                    books.refunded.insert(order_id);
                }
                None => {
                    let key = unique();
                    let order_id = self.buy(&key, &resource_id, is_repeated).await;
                    held.insert(resource_id, order_id.clone());
                    books.orders.insert(key, order_id);
                }
            }
            tokio::time::sleep(THINKS).await;
        }
        books
    }

    async fn buy(&self, key: &str, resource_id: &str, is_repeated: bool) -> String {
        let path = format!("/api/v1/resources/{resource_id}/buy");
        let body = json!({ "expected_price": PRICE });
        let buy = async || {
            let data = self
                .run
                .must(Ask::post(&self.token, &path, Some(&body)).under(key));
            data.await["order_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let order_id = buy().await;
        self.run.count("purchases");
        if is_repeated && buy().await != order_id {
            self.run.problem(format!("one key, two orders: {order_id}"));
        }
        order_id
    }

    async fn give_back(&self, order_id: &str, is_repeated: bool) {
        let path = format!("/api/v1/orders/{order_id}/refund");
        let (key, body) = (unique(), json!({}));
        for _ in 0..=usize::from(is_repeated) {
            let ask = Ask::post(&self.token, &path, Some(&body)).under(&key);
            self.run.must(ask).await;
        }
        self.run.count("refunds");
    }

    /// Holds what the product has against the buyer's own books.
    pub async fn compare(&self, books: &Books) {
        let (mut all, mut refunded) = (Vec::new(), BTreeSet::new());
        for page in 1.. {
            let path = format!("/api/v1/orders?side=buy&page={page}&page_size=100");
            let list = self.run.must(Ask::get(&self.token, &path)).await;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            let is_last = items.len() < 100;
            for item in items {
                let order_id = id(&item);
                if item["state"] == "refunded" {
                    refunded.insert(order_id.clone());
                }
                all.push(order_id);
            }
            if is_last {
                break;
            }
        }
        all.sort_unstable();
        let mut own: Vec<String> = books.orders.values().cloned().collect();
        own.sort_unstable();
        if all != own {
            let (all, own) = (all.len(), own.len());
            self.run.problem(format!("{all} orders of {own} purchases"));
        }
        if refunded != books.refunded {
            let (found, own) = (refunded.len(), books.refunded.len());
            self.run
                .problem(format!("{found} refunded orders of {own}"));
        }
    }
}

fn id(item: &Value) -> String {
    item["order_id"].as_str().unwrap_or_default().to_owned()
}
