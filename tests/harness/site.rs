//! A shop's server as its cloud knows it: a code by the command line, a registration, a token.

use crate::{Answer, Caller, TestApp, unique};
use reqwest::Method;
use serde_json::{Value, json};

/// A registered site, which is also a [`Caller`] with its token.
#[derive(Clone)]
pub struct Site<'a> {
    pub caller: Caller<'a>,
    pub site_id: String,
    pub name: String,
    pub group: String,
    pub client_id: String,
    pub client_secret: String,
}

impl<'a> std::ops::Deref for Site<'a> {
    type Target = Caller<'a>;

    fn deref(&self) -> &Caller<'a> {
        &self.caller
    }
}

impl TestApp {
    /// A new site of this group.
    pub async fn site(&self, group: &str) -> Site<'_> {
        let name = format!("site {}", unique());
        let made = self.site_code(&[&name, "--group", group]);
        let registered = self.anonymous().register_site(&made).await.ok();
        let text = |field: &str| registered[field].as_str().expect("a text").to_owned();
        let (client_id, client_secret) = (text("client_id"), text("client_secret"));
        let token = self.token(&client_id, &client_secret).await;
        Site {
            caller: self.caller(&token),
            site_id: text("site_id"),
            name,
            group: group.to_owned(),
            client_id,
            client_secret,
        }
    }

    /// `wharf admin site-code … --json`, which must succeed; gives what it prints.
    pub fn site_code(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = ["admin", "site-code", "--json"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let output = self.run(&arguments, "");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Caller<'_> {
    /// `POST /api/v1/sync/register` with a code as it was answered.
    pub async fn register_site(&self, made: &Value) -> Answer {
        let body = json!({ "code": made["code"] });
        self.post("/api/v1/sync/register", &body).await
    }

    /// `POST /api/v1/sync/heartbeat`.
    pub async fn heartbeat(&self, body: &Value) -> Answer {
        self.post("/api/v1/sync/heartbeat", body).await
    }

    /// `POST /admin/api/v1/sites/{site_id}/revoke`.
    pub async fn revoke_site(&self, site_id: &str) -> Answer {
        let path = format!("/admin/api/v1/sites/{site_id}/revoke");
        self.send(Method::POST, &path, |request| request).await
    }

    /// `POST /admin/api/v1/sites/{site_id}/reload`.
    pub async fn reload_site(&self, site_id: &str) -> Answer {
        let path = format!("/admin/api/v1/sites/{site_id}/reload");
        self.send(Method::POST, &path, |request| request).await
    }

    /// `GET /admin/api/v1/sites/{site_id}/dead`.
    pub async fn dead_rows(&self, site_id: &str) -> Answer {
        self.get(&format!("/admin/api/v1/sites/{site_id}/dead"))
            .await
    }

    /// `POST /admin/api/v1/sites/{site_id}/dead/{syn_id}`.
    pub async fn free_row(&self, site_id: &str, syn_id: &str, request: &Value) -> Answer {
        let path = format!("/admin/api/v1/sites/{site_id}/dead/{syn_id}");
        self.post(&path, request).await
    }
}
