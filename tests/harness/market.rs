//! Sharing: a method per endpoint, and what a market needs before anybody buys.

use crate::{Answer, Caller, TestApp};
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::coins::{Coins, Yuan};
use shared::domain::drive::{Drive, ShareLink};
use shared::domain::payment::{Intent, Kind, Outcome};
use shared::limits::COINS_PER_YUAN;
use shared::store::payments::{self, Event, NewPayment};
use shared::store::resources::{self, NewResource};
use shared::store::{Database, links};

impl Caller<'_> {
    /// `POST /api/v1/resources/{id}/buy`.
    pub async fn buy(&self, resource_id: &str, expected_price: &str) -> Answer {
        self.buy_under(None, resource_id, expected_price).await
    }

    /// The same under an idempotency key.
    pub async fn buy_under(
        &self,
        key: Option<&str>,
        resource_id: &str,
        expected_price: &str,
    ) -> Answer {
        let path = format!("/api/v1/resources/{resource_id}/buy");
        let body = json!({ "expected_price": expected_price });
        self.keyed_post(key, &path, &body).await
    }

    pub async fn orders(&self, query: &str) -> Answer {
        self.get(&format!("/api/v1/orders{query}")).await
    }

    pub async fn order(&self, order_id: &str) -> Answer {
        self.get(&format!("/api/v1/orders/{order_id}")).await
    }

    /// `POST /api/v1/orders/{id}/refund`, perhaps under an idempotency key.
    pub async fn refund(&self, key: Option<&str>, order_id: &str) -> Answer {
        let path = format!("/api/v1/orders/{order_id}/refund");
        self.keyed_post(key, &path, &json!({})).await
    }

    /// `POST /api/v1/orders/{id}/refresh` with what the client holds for the truth.
    pub async fn refresh_order(&self, order_id: &str, copy: &Value) -> Answer {
        let path = format!("/api/v1/orders/{order_id}/refresh");
        self.post(&path, copy).await
    }

    pub async fn account(&self) -> Answer {
        self.get("/api/v1/account").await
    }

    pub async fn ledger(&self, query: &str) -> Answer {
        self.get(&format!("/api/v1/account/ledger{query}")).await
    }

    pub async fn keyed_post(&self, key: Option<&str>, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, |request| {
            let request = request.json(body);
            match key {
                Some(key) => request.header("idempotency-key", key),
                None => request,
            }
        })
        .await
    }
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn now() -> i64 {
    runtime::clock::now_ms()
}

impl TestApp {
    /// Coins for a user, hundredths, as if he had paid for them.
    pub async fn give_coins(&self, user_id: &str, hundredths: i64) {
        give_coins(&*self.database(), user_id, hundredths, now()).await;
    }

    /// A resource of this publisher that was approved, at this price in hundredths.
    pub async fn resource_of(&self, publisher_id: &str, price: i64) -> String {
        resource_of(&*self.database(), publisher_id, price, now()).await
    }

    /// Changes columns of a row behind the app's back.
    pub async fn set_row(&self, table: &str, key: &str, id: &str, what: &str) {
        set_row(&*self.database(), table, key, id, what).await;
    }
}

/// A payment that its provider says is paid.
pub async fn give_coins(database: &dyn Database, user_id: &str, hundredths: i64, now: i64) {
    let amount = Yuan::from_hundredths(hundredths / COINS_PER_YUAN);
    let new = NewPayment {
        payment_id: new_id(),
        user_id: user_id.to_owned(),
        provider: "sandbox",
        intent: Intent {
            kind: Kind::Recharge,
            amount,
            coins: Coins::from_hundredths(hundredths),
            months: 0,
        },
        idempotency_key: None,
        request_hash: "hash".to_owned(),
        now,
    };
    let payment = payments::create(database, &new).await.expect("a payment");
    let event = Event {
        event_id: new_id(),
        payment_id: payment.payment_id,
        amount,
        outcome: Outcome::Paid,
    };
    let told = payments::notify(database, "sandbox", &event, now).await;
    assert_eq!(told.expect("an event").state, "paid");
}

/// A resource that was approved.
pub async fn resource_of(
    database: &dyn Database,
    publisher_id: &str,
    price: i64,
    now: i64,
) -> String {
    let link_id = new_id();
    let link = ShareLink::parse("https://www.alipan.com/s/abcdefgh123", "a1b2").expect("a link");
    let written = links::insert(database, &link_id, &link, now).await;
    written.expect("a link");
    let new = NewResource {
        resource_id: new_id(),
        publisher_id: publisher_id.to_owned(),
        drive: Drive::Aliyun,
        title: "Maps".to_owned(),
        bio: String::new(),
        price: Coins::from_hundredths(price),
        total_size: 4096,
        link_id,
        directory_id: new_id(),
        review_id: new_id(),
        idempotency_key: None,
        request_hash: "hash".to_owned(),
        now,
    };
    let published = resources::publish(database, &new).await;
    let resource_id = published.expect("a resource");
    set_row(
        database,
        "resources",
        "resource_id",
        &resource_id,
        "state = 'ok'",
    )
    .await;
    resource_id
}

/// Changes columns of one row.
pub async fn set_row(database: &dyn Database, table: &str, key: &str, id: &str, what: &str) {
    let sql = format!("UPDATE {table} SET {what} WHERE {key} = $1");
    let changed = database.execute(&sql, &[id.into()]).await;
    assert_eq!(changed.expect("it is written"), 1, "{table} {id}");
}
