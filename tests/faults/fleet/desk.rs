//! Where clients speak from: they ask until there is an answer, as the documentation tells them, and every failure
//! that no outage explains is a problem.

use super::outages::Outages;
use reqwest::{Client, Method, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tests::{Role, unique};

/// Before what had no answer is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// No outage is as long.
const PATIENCE: Duration = Duration::from_secs(120);

/// What all clients of a run share.
pub struct Run {
    pub base: String,
    pub outages: Arc<Outages>,
    client: Client,
    over: AtomicBool,
    problems: Mutex<Vec<String>>,
    tally: Mutex<BTreeMap<String, usize>>,
}

/// Says what a run knows when its test fails.
pub struct LastWords(pub Arc<Run>);

impl Drop for LastWords {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let run = &self.0;
            println!("{:#?}\n{:#?}", run.tally(), run.problems());
        }
    }
}

/// One request, which may be made again with the same effect.
pub struct Ask<'a> {
    pub method: Method,
    pub path: &'a str,
    pub token: &'a str,
    pub key: Option<&'a str>,
    pub body: Option<&'a Value>,
}

/// An answer that was no outage.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub data: Value,
    pub body: bytes::Bytes,
    /// Another attempt went before it, whose answer nobody saw.
    pub is_repeated: bool,
}

impl<'a> Ask<'a> {
    pub fn get(token: &'a str, path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            token,
            key: None,
            body: None,
        }
    }

    pub fn post(token: &'a str, path: &'a str, body: Option<&'a Value>) -> Self {
        Self {
            method: Method::POST,
            path,
            token,
            key: None,
            body,
        }
    }

    pub fn under(self, key: &'a str) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// Who answers it.
    fn role(&self) -> Role {
        match self.path.contains("/files/") && !self.path.starts_with("/api/") {
            true => Role::Worker,
            false => Role::Runner,
        }
    }
}

impl Run {
    pub fn new(base: &str, outages: Arc<Outages>) -> Arc<Self> {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build();
        Arc::new(Self {
            base: base.to_owned(),
            outages,
            client: client.expect("a client"),
            over: AtomicBool::new(false),
            problems: Mutex::default(),
            tally: Mutex::default(),
        })
    }

    /// Whether clients begin nothing new.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub fn problem(&self, what: String) {
        self.problems.lock().expect("no panic").push(what);
    }

    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().expect("no panic").clone()
    }

    pub fn count(&self, what: &str) {
        let mut tally = self.tally.lock().expect("no panic");
        *tally.entry(what.to_owned()).or_default() += 1;
    }

    pub fn tally(&self) -> BTreeMap<String, usize> {
        self.tally.lock().expect("no panic").clone()
    }

    /// Asks until there is an answer.
    pub async fn ask(&self, ask: Ask<'_>) -> Said {
        let asked_at = Instant::now();
        let mut is_repeated = false;
        loop {
            if let Some(mut said) = self.ask_once(&ask).await {
                said.is_repeated = is_repeated;
                return said;
            }
            is_repeated = true;
            let waited = asked_at.elapsed();
            assert!(
                waited < PATIENCE,
                "{} {} had no answer for {waited:?}",
                ask.method,
                ask.path
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// As [`Run::ask`]; the data of a success. What is none is a problem.
    pub async fn must(&self, ask: Ask<'_>) -> Value {
        let name = format!("{} {}", ask.method, ask.path);
        let said = self.ask(ask).await;
        if !(200..300).contains(&said.status) {
            self.problem(format!("{name}: {said:?}"));
        }
        said.data
    }

    async fn ask_once(&self, ask: &Ask<'_>) -> Option<Said> {
        let url = match ask.path.strip_prefix('/') {
            Some(path) => format!("{}/{path}", self.base),
            None => ask.path.to_owned(),
        };
        let mut request = self.client.request(ask.method.clone(), url);
        request = request.header("x-request-id", unique());
        if !ask.token.is_empty() {
            request = request.bearer_auth(ask.token);
        }
        if let Some(key) = ask.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = ask.body {
            request = request.json(body);
        }
        let began = Instant::now();
        self.count("requests");
        match request.send().await {
            Ok(response) => self.read(ask, response, began).await,
            Err(error) => {
                self.problem(format!("{} {}: no answer: {error:?}", ask.method, ask.path));
                None
            }
        }
    }

    async fn read(&self, ask: &Ask<'_>, response: Response, began: Instant) -> Option<Said> {
        let status = response.status().as_u16();
        // nginx says nothing under a request's id.
        let is_ours = response.headers().contains_key("x-request-id");
        let body = response.bytes().await;
        let ended = Instant::now();
        let Ok(body) = body else {
            // It was killed in the middle of its answer.
            let is_explained = self.outages.explain(ask.role(), false, began, ended);
            self.note("broken answers", is_explained, || {
                format!("{} {}: the answer broke off", ask.method, ask.path)
            });
            return None;
        };
        if status >= 500 {
            let is_explained = !is_ours && self.explains(ask, began, ended);
            let kind = format!("{} answered {status}", ask.method);
            self.note(&kind, is_explained, || {
                let text = String::from_utf8_lossy(&body);
                let took = ended - began;
                format!(
                    "{} {}: {status} (ours: {is_ours}, {took:?}) {text}",
                    ask.method, ask.path
                )
            });
            return None;
        }
        let envelope: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Some(Said {
            status,
            data: envelope["data"].clone(),
            body,
            is_repeated: false,
        })
    }

    /// What may be sent twice fails only while nobody is up; what may not, when whom it was sent to is killed.
    fn explains(&self, ask: &Ask<'_>, began: Instant, ended: Instant) -> bool {
        let may_be_sent_twice = !matches!(ask.method, Method::POST | Method::PATCH);
        self.outages
            .explain(ask.role(), may_be_sent_twice, began, ended)
    }

    fn note(&self, kind: &str, is_explained: bool, what: impl FnOnce() -> String) {
        self.count(kind);
        if !is_explained {
            self.problem(what());
        }
    }
}
