//! Who speaks to the product: one method per endpoint, with or without a token.

use crate::wait::away_from_midnight;
use crate::{Answer, PATIENCE, TestApp, eventually, secure, unique};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;

/// The password of every user that the harness makes.
const PASSWORD: &str = "correct horse 7 battery";

/// One client for all tests, without kept connections: each test has a runtime of its own, and a
/// connection dies with the runtime that opened it. Redirects are the test's business.
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    Client::builder()
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()
        .expect("a client")
});

/// Sends a request, over TLS where its URL says so.
pub(crate) async fn execute(request: RequestBuilder) -> Result<reqwest::Response, String> {
    let (client, request) = request.build_split();
    let request = request.map_err(|error| format!("{error:?}"))?;
    match request.url().scheme() {
        "https" => secure::execute(request).await,
        _ => {
            let sent = client.execute(request).await;
            sent.map_err(|error| format!("{error:?}"))
        }
    }
}

/// Someone at the door of an app.
#[derive(Clone)]
pub struct Caller<'a> {
    app: &'a TestApp,
    token: Option<String>,
}

/// A registered user, who is also a [`Caller`].
#[derive(Clone)]
pub struct User<'a> {
    pub caller: Caller<'a>,
    pub email: String,
    pub password: String,
    pub user_id: String,
    pub refresh_token: String,
}

/// What a login answers.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    #[track_caller]
    pub fn of(data: &Value) -> Self {
        let text = |name: &str| match data[name].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("no {name} in {data}"),
        };
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

impl<'a> std::ops::Deref for User<'a> {
    type Target = Caller<'a>;

    fn deref(&self) -> &Caller<'a> {
        &self.caller
    }
}

impl TestApp {
    /// A new user with an address of his own.
    pub async fn user(&self) -> User<'_> {
        // What he may do in a day is to be one day's.
        away_from_midnight().await;
        let email = format!("user-{}@example.com", unique());
        let data = self.anonymous().register(&email, PASSWORD).await;
        let data = data.ok_with(201);
        let tokens = Tokens::of(&data);
        User {
            caller: self.caller(&tokens.access),
            email,
            password: PASSWORD.to_owned(),
            user_id: data["user_id"].as_str().expect("an id").to_owned(),
            refresh_token: tokens.refresh,
        }
    }

    /// A new admin, made by the command line, with an admin's token.
    pub async fn admin(&self) -> Caller<'_> {
        self.staff("admin").await
    }

    /// As [`TestApp::admin`], a reviewer.
    pub async fn reviewer(&self) -> Caller<'_> {
        self.staff("reviewer").await
    }

    async fn staff(&self, role: &str) -> Caller<'_> {
        let email = format!("{role}-{}@example.com", unique());
        let made = self.run(
            &[
                "admin",
                "create",
                &email,
                "--role",
                role,
                "--password-stdin",
            ],
            &format!("{PASSWORD}\n"),
        );
        assert!(made.status.success(), "{made:?}");
        let login = self.anonymous().admin_login(&email, PASSWORD).await.ok();
        self.caller(&Tokens::of(&login).access)
    }
}

impl<'a> Caller<'a> {
    pub(crate) fn new(app: &'a TestApp, token: Option<String>) -> Self {
        Self { app, token }
    }

    /// The token that this caller shows; empty for none.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    pub fn app(&self) -> &'a TestApp {
        self.app
    }

    /// Any request: `path` begins with `/` (or is a whole URL), `finish` adds what it likes. The answer
    /// is checked against the OpenAPI document.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        finish: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Answer {
        let url = match path.strip_prefix('/') {
            Some(path) => format!("{}/{path}", self.app.base()),
            None => path.to_owned(),
        };
        let mut request = CLIENT.request(method.clone(), &url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let name = format!("{method} {path}");
        let response = execute(finish(request))
            .await
            .unwrap_or_else(|error| panic!("{name} had no answer: {error}"));
        let answer = Answer::read(name, response).await;
        if let Some(contract) = self.app.contract().await {
            contract.check(&method, path, &answer);
        }
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, |request| request).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, |request| request.json(body))
            .await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, |request| request.json(body))
            .await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, |request| request).await
    }

    pub async fn register(&self, email: &str, password: &str) -> Answer {
        let body = json!({ "email": email, "password": password });
        self.post("/api/v1/auth/register", &body).await
    }

    pub async fn login(&self, email: &str, password: &str) -> Answer {
        let body = json!({ "email": email, "password": password });
        self.post("/api/v1/auth/login", &body).await
    }

    pub async fn admin_login(&self, email: &str, password: &str) -> Answer {
        let body = json!({ "email": email, "password": password });
        self.post("/admin/api/v1/login", &body).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        let body = json!({ "refresh_token": refresh_token });
        self.post("/api/v1/auth/refresh", &body).await
    }

    pub async fn logout(&self) -> Answer {
        self.send(Method::POST, "/api/v1/auth/logout", |request| request)
            .await
    }

    pub async fn profile(&self) -> Answer {
        self.get("/api/v1/auth/profile").await
    }

    pub async fn parse(&self, url: &str) -> Answer {
        self.post("/api/v1/parse", &json!({ "url": url })).await
    }

    /// `POST /api/v1/download` for an archive in the best quality.
    pub async fn download(&self, url: &str) -> Answer {
        self.download_with(&json!({ "url": url, "mode": "archive" }))
            .await
    }

    pub async fn download_with(&self, body: &Value) -> Answer {
        self.post("/api/v1/download", body).await
    }

    /// Submits a download that is accepted; gives the ids of the task and of its history row.
    pub async fn submit(&self, url: &str) -> (String, String) {
        let data = self.download(url).await.ok_with(202);
        let text = |name: &str| data[name].as_str().expect("an id").to_owned();
        (text("task_id"), text("history_id"))
    }

    pub async fn tasks(&self, query: &str) -> Answer {
        self.get(&format!("/api/v1/tasks{query}")).await
    }

    pub async fn task(&self, task_id: &str) -> Answer {
        self.get(&format!("/api/v1/tasks/{task_id}")).await
    }

    /// Asks for the task until `ready` says so.
    pub async fn wait_for_task(
        &self,
        task_id: &str,
        what: &str,
        ready: impl Fn(&Value) -> bool,
    ) -> Value {
        let last = std::cell::RefCell::new(Value::Null);
        let asked = tokio::time::timeout(
            PATIENCE,
            eventually(what, PATIENCE * 2, async || {
                let task = self.task(task_id).await.ok();
                let is_ready = ready(&task);
                last.replace(task.clone());
                is_ready.then_some(task)
            }),
        );
        match asked.await {
            Ok(task) => task,
            Err(_) => panic!("{what} did not happen; the task is {}", last.borrow()),
        }
    }

    /// Waits for the end of a task, whatever it is.
    pub async fn finished(&self, task_id: &str) -> Value {
        self.wait_for_task(task_id, "the end of the task", |task| {
            !matches!(task["status"].as_str(), Some("queued" | "running"))
        })
        .await
    }

    /// Waits for the end of a task that must succeed.
    pub async fn succeeded(&self, task_id: &str) -> Value {
        let task = self.finished(task_id).await;
        assert_eq!(task["status"], "succeeded", "{task:#}");
        task
    }

    pub async fn cancel(&self, task_id: &str) -> Answer {
        let path = format!("/api/v1/tasks/{task_id}/cancel");
        self.send(Method::POST, &path, |request| request).await
    }

    pub async fn delete_task(&self, task_id: &str) -> Answer {
        self.delete(&format!("/api/v1/tasks/{task_id}")).await
    }

    /// `POST /api/v1/tasks/{id}/url` for a file beside the finished one.
    pub async fn sign_named(&self, task_id: &str, file_name: &str) -> Answer {
        let path = format!("/api/v1/tasks/{task_id}/url");
        self.post(&path, &json!({ "file_name": file_name })).await
    }

    /// `POST /api/v1/tasks/{id}/url`.
    pub async fn sign(&self, task_id: &str) -> Answer {
        let path = format!("/api/v1/tasks/{task_id}/url");
        self.send(Method::POST, &path, |request| request).await
    }

    /// A temporary URL of a finished task's file.
    pub async fn file_url(&self, task_id: &str) -> String {
        let data = self.sign(task_id).await.ok();
        data["url"].as_str().expect("a URL").to_owned()
    }

    /// `GET /api/v1/download/file`, following its redirect, if any.
    pub async fn file_of_history(&self, history_id: &str) -> Answer {
        let path = format!("/api/v1/download/file?history_id={history_id}");
        self.followed(self.get(&path).await).await
    }

    /// `GET /api/v1/files/{task_id}`, following its redirect, if any.
    pub async fn file_of_task(&self, task_id: &str) -> Answer {
        let path = format!("/api/v1/files/{task_id}");
        self.followed(self.get(&path).await).await
    }

    async fn followed(&self, answer: Answer) -> Answer {
        if answer.status != 307 {
            return answer;
        }
        let location = answer.header("location").to_owned();
        self.app.anonymous().get(&location).await
    }

    pub async fn ticket(&self) -> Answer {
        self.send(Method::POST, "/api/v1/ws/ticket", |request| request)
            .await
    }

    pub async fn quota(&self) -> Answer {
        self.get("/api/v1/user/quota").await
    }

    /// `PUT /admin/api/v1/users/{user_id}`.
    pub async fn change_user(&self, user_id: &str, change: &Value) -> Answer {
        self.put(&format!("/admin/api/v1/users/{user_id}"), change)
            .await
    }

    pub async fn history(&self, query: &str) -> Answer {
        self.get(&format!("/api/v1/user/history{query}")).await
    }
}
