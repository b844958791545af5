//! A cloud and its sites: what makes an app a shop's server, and a caller's methods for data sync.

use crate::{Answer, Builder, Caller, Shop};
use serde_json::{Value, json};

impl Builder {
    /// A shop's server of this cloud, with this business.
    pub fn site(self, upstream: &str, code: &str, shop: &Shop) -> Self {
        let (upstream, code, url) = (quoted(upstream), quoted(code), quoted(&shop.url()));
        let config =
            format!("site = {{ upstream = {upstream}, code = {code}, apply_url = {url} }}");
        self.config(&config).alone("a shop has one server")
    }

    /// A cloud with this business.
    pub fn cloud(self, shop: &Shop) -> Self {
        self.config(&format!("sync = {{ apply_url = {} }}", quoted(&shop.url())))
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Caller<'_> {
    /// `POST /api/v1/sync/outbox`.
    pub async fn hand_in(&self, rows: &[Value]) -> Answer {
        self.post("/api/v1/sync/outbox", &json!({ "rows": rows }))
            .await
    }

    /// `POST /api/v1/sync/push`.
    pub async fn push(&self, batch_id: &str, rows: &[Value]) -> Answer {
        let body = json!({ "batch_id": batch_id, "rows": rows });
        self.post("/api/v1/sync/push", &body).await
    }

    /// `POST /api/v1/sync/pull` with these bounds.
    pub async fn pull(&self, ask: &Value) -> Answer {
        self.post("/api/v1/sync/pull", ask).await
    }

    /// `POST /api/v1/sync/ack`, the same of each of these rows.
    pub async fn ack(&self, batch_id: &str, rows: &[Value], status: &str) -> Answer {
        let results = rows
            .iter()
            .map(|row| json!({ "syn_id": row["syn_id"], "status": status }));
        let results: Vec<Value> = results.collect();
        let body = json!({ "batch_id": batch_id, "results": results });
        self.post("/api/v1/sync/ack", &body).await
    }

    /// `POST /api/v1/sync/dead/{syn_id}`, on the side that sends the row.
    pub async fn free_own_row(&self, syn_id: &str, request: &Value) -> Answer {
        let path = format!("/api/v1/sync/dead/{syn_id}");
        self.post(&path, request).await
    }

    /// `GET /api/v1/sync/status`.
    pub async fn sync_status(&self) -> Answer {
        self.get("/api/v1/sync/status").await
    }
}
