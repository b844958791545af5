//! A project of the download center, made by the command line.

use crate::{Answer, Caller, TestApp, unique};
use reqwest::Method;
use serde_json::Value;

/// A project, which is also a [`Caller`] with its token.
#[derive(Clone)]
pub struct Project<'a> {
    pub caller: Caller<'a>,
    pub project_id: String,
    pub name: String,
    pub client_id: String,
    pub client_secret: String,
    pub callback_secret: String,
}

impl<'a> std::ops::Deref for Project<'a> {
    type Target = Caller<'a>;

    fn deref(&self) -> &Caller<'a> {
        &self.caller
    }
}

impl TestApp {
    /// A new project whose name begins with this, and that may name these hosts.
    pub async fn project(&self, name: &str, hosts: &[&str]) -> Project<'_> {
        self.project_within(name, hosts, &[]).await
    }

    /// The same, with flags that set its limits.
    pub async fn project_within(&self, name: &str, hosts: &[&str], limits: &[&str]) -> Project<'_> {
        let name = format!("{name} {}", unique());
        let mut arguments = vec!["create", &name];
        for host in hosts {
            arguments.extend(["--allow", host]);
        }
        arguments.extend(limits);
        let made = self.admin_project(&arguments);
        let text = |field: &str| made[field].as_str().expect("a text").to_owned();
        let (client_id, client_secret) = (text("client_id"), text("client_secret"));
        let token = self.token(&client_id, &client_secret).await;
        Project {
            caller: self.caller(&token),
            project_id: text("project_id"),
            client_id,
            client_secret,
            callback_secret: text("callback_secret"),
            name,
        }
    }

    /// A token of this client.
    pub async fn token(&self, client_id: &str, client_secret: &str) -> String {
        let answer = self.anonymous().grant(client_id, client_secret).await;
        assert_eq!(answer.status, 200, "{answer}");
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        body["access_token"].as_str().expect("a token").to_owned()
    }

    /// `wharf admin project … --json`, which must succeed; gives what it prints.
    pub fn admin_project(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = ["admin", "project", "--json"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let output = self.run(&arguments, "");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Caller<'_> {
    /// `POST /api/v1/auth/token` with a form.
    pub async fn grant(&self, client_id: &str, client_secret: &str) -> Answer {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", client_secret),
        ];
        self.send(Method::POST, "/api/v1/auth/token", |it| it.form(&form))
            .await
    }

    /// `POST /api/v1/auth/token` with a form and HTTP Basic.
    pub async fn grant_by_basic(&self, client_id: &str, client_secret: &str) -> Answer {
        let form = [("grant_type", "client_credentials")];
        self.send(Method::POST, "/api/v1/auth/token", |it| {
            it.basic_auth(client_id, Some(client_secret)).form(&form)
        })
        .await
    }
}
