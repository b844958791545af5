//! What people do with shared resources, a method per endpoint.

use crate::{Answer, Caller, unique};
use reqwest::Method;
use serde_json::{Value, json};

/// A link of its own into Baidu's drive; its code is `q1w2`.
pub fn share_url() -> String {
    format!("https://pan.baidu.com/s/1{}", unique())
}

/// A publication that fits, of this title and price.
pub fn publication(title: &str, price: &str) -> Value {
    json!({
        "url": share_url(),
        "code": "q1w2",
        "title": title,
        "bio": "简介",
        "price": price,
        "directory": { "name": "课程", "type": "dir", "children": [
            { "name": "第一课.mp4", "type": "file", "size": 1_048_576 },
        ]},
    })
}

impl Caller<'_> {
    pub async fn publish(&self, body: &Value) -> Answer {
        self.post("/api/v1/resources", body).await
    }

    /// Publishes and approves; gives the resource's id.
    pub async fn published(&self, body: &Value, reviewer: &Caller<'_>) -> String {
        let resource = self.publish(body).await.ok_with(201);
        let resource_id = resource["resource_id"].as_str().expect("an id");
        let review_id = reviewer.review_of("resource", resource_id).await;
        reviewer.decide(&review_id, "approve", None).await.ok();
        resource_id.to_owned()
    }

    pub async fn resource(&self, resource_id: &str) -> Answer {
        self.get(&format!("/api/v1/resources/{resource_id}")).await
    }

    pub async fn change_resource(&self, resource_id: &str, change: &Value) -> Answer {
        self.put(&format!("/api/v1/resources/{resource_id}"), change)
            .await
    }

    pub async fn delete_resource(&self, resource_id: &str) -> Answer {
        self.delete(&format!("/api/v1/resources/{resource_id}"))
            .await
    }

    /// A search with these further parameters, such as `&drive=baidu`.
    pub async fn search(&self, q: &str, parameters: &str) -> Answer {
        let url = reqwest::Url::parse_with_params("http://host", &[("q", q)]).expect("a URL");
        let query = url.query().unwrap_or_default();
        self.get(&format!("/api/v1/search?{query}{parameters}"))
            .await
    }

    pub async fn recheck(&self, resource_id: &str) -> Answer {
        let path = format!("/api/v1/resources/{resource_id}/recheck");
        self.send(Method::POST, &path, |request| request).await
    }

    pub async fn report(&self, resource_id: &str, reason: &str) -> Answer {
        let path = format!("/api/v1/resources/{resource_id}/report");
        self.post(&path, &json!({ "reason": reason })).await
    }

    /// The reviews of a state and a kind, all pages.
    pub async fn reviews(&self, kind: &str, state: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for page in 1.. {
            let path = format!(
                "/admin/api/v1/reviews?kind={kind}&state={state}&page={page}&page_size=100"
            );
            let list = self.get(&path).await.ok();
            let items = list["items"].as_array().expect("items").clone();
            let is_last = items.len() < 100;
            all.extend(items);
            if is_last {
                break;
            }
        }
        all
    }

    /// The id of the review of this resource that waits.
    pub async fn review_of(&self, kind: &str, resource_id: &str) -> String {
        let reviews = self.reviews(kind, "pending").await;
        let of_resource = |review: &&Value| review["resource"]["resource_id"] == resource_id;
        let found = reviews.iter().find(of_resource);
        let found = found.unwrap_or_else(|| panic!("no {kind} of {resource_id} waits"));
        found["review_id"].as_str().expect("an id").to_owned()
    }

    pub async fn decide(&self, review_id: &str, decision: &str, reason: Option<&str>) -> Answer {
        let path = format!("/admin/api/v1/reviews/{review_id}");
        let body = json!({ "decision": decision, "reason": reason });
        self.post(&path, &body).await
    }

    /// Means to pay: a recharge of so many yuan.
    pub async fn mean_to_recharge(&self, amount_yuan: &str) -> Answer {
        let body = json!({ "kind": "recharge", "amount_yuan": amount_yuan });
        self.post("/api/v1/payments", &body).await
    }

    pub async fn payment(&self, payment_id: &str) -> Answer {
        self.get(&format!("/api/v1/payments/{payment_id}")).await
    }

    /// `POST /api/v1/payments/{payment_id}/pay` with the token of this `pay_url`.
    pub async fn pay(&self, payment_id: &str, pay_url: &str, accept: &str) -> Answer {
        let (_, token) = pay_url.split_once("?token=").expect("a token");
        let path = format!("/api/v1/payments/{payment_id}/pay?token={token}");
        self.send(Method::POST, &path, |request| {
            request.header("accept", accept)
        })
        .await
    }

    /// Brings coins for so many yuan, in the sandbox.
    pub async fn recharge(&self, amount_yuan: &str) {
        let payment = self.mean_to_recharge(amount_yuan).await.ok_with(201);
        let text = |name: &str| payment[name].as_str().expect("a text").to_owned();
        self.pay(&text("payment_id"), &text("pay_url"), "*/*")
            .await
            .ok();
    }

    /// What a provider says under this signature.
    pub async fn notify(&self, provider: &str, signature: &str, body: String) -> Answer {
        let path = format!("/api/v1/payments/notify/{provider}");
        self.send(Method::POST, &path, |request| {
            request
                .header("content-type", "application/json")
                .header("x-wharf-payment-signature", signature)
                .body(body)
        })
        .await
    }
}
