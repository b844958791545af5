//! A cloud and its sites, each with a business, over bad lines; those who hand rows in, and the hand that kills.

use crate::sync::model::{Model, Origin, Row, TYPES, group_name};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::{Builder, Chance, ChaosProxy, PATIENCE, Shop, TestApp, eventually};

/// Rows handed in with one request, and of one batch.
const HANDED_IN_MAX: u64 = 20;
const BATCH_ROWS: usize = 40;
/// Rows that may wait at an origin before more are handed in.
const BACKLOG_MAX: i64 = 80;

/// How those who are no part of the test's main line reach a node that is killed now and then.
#[derive(Clone)]
pub struct Door {
    base: Arc<Mutex<String>>,
    token: Arc<Mutex<String>>,
    login: (String, Value),
    client: Client,
}

/// A running app with its business, and the line between it and the cloud.
pub struct Node {
    pub app: TestApp,
    pub shop: Shop,
    pub door: Door,
    pub proxy: Option<ChaosProxy>,
}

pub struct World {
    pub nodes: BTreeMap<Origin, Node>,
    /// The sites' ids.
    pub ids: Vec<String>,
    pub written: Arc<AtomicUsize>,
    pub kills: BTreeMap<Origin, usize>,
}

impl Door {
    fn new(app: &TestApp, token: &str, path: &str, email: &str, password: &str) -> Self {
        let client = Client::builder()
            .pool_max_idle_per_host(0)
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        Self {
            base: Arc::new(Mutex::new(app.base().to_owned())),
            token: Arc::new(Mutex::new(token.to_owned())),
            login: (
                path.to_owned(),
                json!({ "email": email, "password": password }),
            ),
            client,
        }
    }

    /// The data of a success; None when nobody answers, or with a failure that may pass.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Value> {
        let base = self.base.lock().expect("no panic").clone();
        let token = self.token.lock().expect("no panic").clone();
        let mut request = self.client.request(method.clone(), format!("{base}{path}"));
        request = request.bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status();
        if status.as_u16() == 401 {
            self.log_in(&base).await;
            return None;
        }
        let answer: Value = answer.json().await.ok()?;
        assert!(
            status.is_success() || status.is_server_error(),
            "{method} {path} of {body:?}: {answer}"
        );
        status.is_success().then(|| answer["data"].clone())
    }

    /// Hands rows in; whoever had no answer does it again.
    pub async fn hand_in(&self, rows: &[&Value]) {
        let body = json!({ "rows": rows });
        loop {
            let answer = self.ask(Method::POST, "/api/v1/sync/outbox", Some(&body));
            let Some(answer) = answer.await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let results = answer["results"].as_array().expect("a list");
            if results.iter().any(|result| result["status"] == "retry") {
                continue;
            }
            for (row, result) in rows.iter().zip(results) {
                let is_taken = matches!(result["status"].as_str(), Some("ok" | "dup"));
                assert!(is_taken, "{row}: {result}");
            }
            return;
        }
    }

    /// A token has its time, and a long run is longer.
    async fn log_in(&self, base: &str) -> Option<()> {
        let (path, body) = &self.login;
        let request = self.client.post(format!("{base}{path}")).json(body);
        let answer: Value = request.send().await.ok()?.json().await.ok()?;
        let token = answer["data"]["access_token"].as_str()?;
        *self.token.lock().expect("no panic") = token.to_owned();
        Some(())
    }
}

/// Leases and batches that are small enough for many of them to go wrong.
fn builder() -> Builder {
    TestApp::sqlite().config(&format!(
        "sync = {{ lease_s = 2, max_rows = {BATCH_ROWS}, types = {{ {TYPES} }} }}"
    ))
}

async fn site(cloud: &TestApp, code: &str, seed: u64) -> Node {
    let shop = Shop::start().await;
    let proxy = ChaosProxy::start(cloud.base(), seed).await;
    let app = tokio::task::block_in_place(|| builder().site(&proxy.base(), code, &shop).start());
    let door = {
        let user = app.user().await;
        let token = user.token();
        Door::new(
            &app,
            token,
            "/api/v1/auth/login",
            &user.email,
            &user.password,
        )
    };
    Node {
        app,
        shop,
        door,
        proxy: Some(proxy),
    }
}

impl World {
    /// A cloud and so many sites, which have registered over lines that are bad already.
    pub async fn start(chance: &mut Chance, sites: usize, groups: &[usize]) -> Self {
        let shop = Shop::start().await;
        let app = tokio::task::block_in_place(|| builder().cloud(&shop).start());
        let (email, password) = ("chaos@example.com", "correct horse 7 battery");
        let arguments = [
            "admin",
            "create",
            email,
            "--role",
            "admin",
            "--password-stdin",
        ];
        let made = app.run(&arguments, &format!("{password}\n"));
        assert!(made.status.success(), "{made:?}");
        let door = Door::new(&app, "", "/admin/api/v1/login", email, password);
        let mut ids = Vec::new();
        let mut nodes = BTreeMap::new();
        for (number, group) in groups.iter().enumerate().take(sites) {
            let name = format!("店 {number}");
            let made = app.site_code(&[&name, "--group", &group_name(*group)]);
            let text = |field: &str| made[field].as_str().expect("a text").to_owned();
            ids.push(text("site_id"));
            let node = site(&app, &text("code"), chance.draw()).await;
            nodes.insert(Origin::Site(number), node);
        }
        let cloud = Node {
            app,
            shop,
            door,
            proxy: None,
        };
        nodes.insert(Origin::Cloud, cloud);
        let world = Self {
            nodes,
            ids,
            written: Arc::default(),
            kills: BTreeMap::new(),
        };
        eventually("every site has registered", PATIENCE, async || {
            let listed = world.sites().await?;
            let is_ready = |site: &&Value| site["registered"] == true && site["loading"] == false;
            (listed.iter().filter(is_ready).count() == sites).then_some(())
        })
        .await;
        world
    }

    pub fn cloud(&self) -> &Node {
        &self.nodes[&Origin::Cloud]
    }

    /// What the cloud says of its sites.
    async fn sites(&self) -> Option<Vec<Value>> {
        let path = "/admin/api/v1/sites?page_size=100";
        let listed = self.cloud().door.ask(Method::GET, path, None).await?;
        listed["items"].as_array().cloned()
    }

    /// How the origins' names stand in rows.
    pub fn names(&self) -> BTreeMap<Origin, String> {
        let sites = self.ids.iter().enumerate();
        let sites = sites.map(|(site, id)| (Origin::Site(site), id.clone()));
        sites.chain([(Origin::Cloud, "cloud".to_owned())]).collect()
    }

    /// Begins to hand in all rows, at each origin in order, not much faster than they leave it.
    pub fn write(&self, model: &Model, chance: &mut Chance) -> Vec<tokio::task::JoinHandle<()>> {
        let all = model.count();
        let origins = model.rows.iter();
        let writers = origins.map(|(origin, rows)| {
            let writer = Writer {
                door: self.nodes[origin].door.clone(),
                rows: rows.clone(),
                written: self.written.clone(),
                all,
                chance: Chance::new(chance.draw()),
            };
            tokio::spawn(writer.write())
        });
        writers.collect()
    }

    /// `kill -9`, and starts it again; where it is the cloud, the sites find it at its new place.
    pub fn kill(&mut self, origin: Origin) {
        *self.kills.entry(origin).or_default() += 1;
        let node = self.nodes.get_mut(&origin).expect("it is there");
        tokio::task::block_in_place(|| {
            node.app.kill9();
            node.app.restart();
        });
        let base = node.app.base().to_owned();
        *node.door.base.lock().expect("no panic") = base.clone();
        if origin == Origin::Cloud {
            for node in self.nodes.values() {
                if let Some(proxy) = &node.proxy {
                    proxy.point_to(&base);
                }
            }
        }
    }

    /// From here on nothing goes wrong any more; what the lines held back arrives.
    pub async fn calm(&self) {
        for node in self.nodes.values() {
            node.shop.calm();
            if let Some(proxy) = &node.proxy {
                proxy.calm().await;
            }
        }
    }

    /// Waits until nothing is on its way, as an operator who lets every dead row be tried again.
    pub async fn drain(&self, patience: Duration) {
        let began = std::time::Instant::now();
        loop {
            let left = self.left().await;
            if left.as_ref().is_some_and(Vec::is_empty) {
                return;
            }
            assert!(began.elapsed() < patience, "still on their way: {left:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What is not done yet, where; None when not all answer.
    async fn left(&self) -> Option<Vec<String>> {
        let mut left = Vec::new();
        let mut receivers = vec!["business".to_owned()];
        for (origin, node) in &self.nodes {
            let path = "/api/v1/sync/status";
            let status = node.door.ask(Method::GET, path, None).await?;
            if counts(&status) != [0, 0, 0] {
                left.push(format!("{origin:?}: {status}"));
            }
        }
        for site in self.sites().await? {
            if counts(&site) != [0, 0, 0] || site["loading"] == true {
                left.push(site.to_string());
            }
            receivers.push(site["site_id"].as_str()?.to_owned());
        }
        for receiver in receivers {
            self.free(&receiver).await?;
        }
        Some(left)
    }

    /// Lets the dead rows of a receiver be tried again.
    async fn free(&self, receiver: &str) -> Option<()> {
        let door = &self.cloud().door;
        let path = format!("/admin/api/v1/sites/{receiver}/dead");
        let listed = door
            .ask(Method::GET, &format!("{path}?page_size=100"), None)
            .await?;
        for dead in listed["items"].as_array()? {
            let syn_id = dead["syn_id"].as_str()?;
            let origin = dead["data_from_server_id"]
                .as_str()
                .or(dead["origin"].as_str());
            let body = json!({ "action": "retry", "data_from_server_id": origin? });
            door.ask(Method::POST, &format!("{path}/{syn_id}"), Some(&body))
                .await?;
        }
        Some(())
    }

    pub fn shops(&self) -> impl Iterator<Item = (Origin, &Shop)> {
        self.nodes
            .iter()
            .map(|(origin, node)| (*origin, &node.shop))
    }
}

fn counts(status: &Value) -> [i64; 3] {
    ["backlog", "dead", "held"].map(|field| status[field].as_i64().unwrap_or(-1))
}

/// Hands in the rows of one origin.
struct Writer {
    door: Door,
    rows: Vec<Row>,
    written: Arc<AtomicUsize>,
    /// Rows of all origins.
    all: usize,
    chance: Chance,
}

impl Writer {
    async fn write(mut self) {
        let rows = std::mem::take(&mut self.rows);
        let mut done = 0;
        while done < rows.len() {
            let size = 1 + self.chance.below(HANDED_IN_MAX) as usize;
            let end = (done + size).min(rows.len());
            let now: Vec<&Value> = rows[done..end].iter().map(|row| &row.json).collect();
            self.door.hand_in(&now).await;
            self.written.fetch_add(end - done, Ordering::SeqCst);
            done = end;
            while self.is_too_fast(done, rows.len()).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Whether many rows wait here, or this origin is far ahead of the others.
    async fn is_too_fast(&self, done: usize, of: usize) -> bool {
        let others = self.written.load(Ordering::SeqCst);
        if done * self.all > of * (others + self.all / 10) {
            return true;
        }
        let status = self.door.ask(Method::GET, "/api/v1/sync/status", None);
        let backlog = status.await.and_then(|status| status["backlog"].as_i64());
        backlog.is_none_or(|backlog| backlog > BACKLOG_MAX)
    }
}
