//! Exports, as projects ask for them.

use crate::{Answer, Caller};
use reqwest::Method;
use serde_json::Value;

impl Caller<'_> {
    /// `POST /api/v1/export`.
    pub async fn export(&self, body: &Value) -> Answer {
        self.post("/api/v1/export", body).await
    }

    /// The same under an idempotency key.
    pub async fn export_with_key(&self, key: &str, body: &Value) -> Answer {
        self.send(Method::POST, "/api/v1/export", |it| {
            it.header("idempotency-key", key).json(body)
        })
        .await
    }

    /// An export that must be accepted; its task's id.
    pub async fn submit_export(&self, body: &Value) -> String {
        let data = self.export(body).await.ok_with(202);
        data["task_id"].as_str().expect("an id").to_owned()
    }

    /// An export that must succeed; its task.
    pub async fn exported(&self, body: &Value) -> Value {
        let task_id = self.submit_export(body).await;
        self.succeeded(&task_id).await
    }

    /// `POST /api/v1/export/sync`.
    pub async fn export_sync(&self, body: &Value) -> Answer {
        self.post("/api/v1/export/sync", body).await
    }
}
