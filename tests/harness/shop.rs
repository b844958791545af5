//! A shop's business for the tests: an apply hook (DS-12) that keeps every row it was sent, applies each once,
//! misbehaves on request, and notes what a sender must not do. On 127.0.0.1.

use crate::Chance;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;

/// What names a row: `data_from_server_id` and `syn_id`.
pub type Key = (String, String);

/// How one call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is never answered.
    Hangs,
    /// 500, and nothing is applied.
    Fails,
    /// 500, though everything is applied.
    FailsLate,
    /// 200 and something that is no answer.
    Nonsense,
    /// Nothing is applied; every row is to come again.
    Busy,
    /// Only the first half is applied and answered for.
    AnswersHalf,
}

/// What goes wrong now and then, once it is disturbed.
const ANY: [Trouble; 5] = [
    Trouble::Fails,
    Trouble::FailsLate,
    Trouble::Nonsense,
    Trouble::Busy,
    Trouble::AnswersHalf,
];

/// A row that was applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: Key,
    pub is_deleted: bool,
    pub version: Option<i64>,
    pub data_detail: Value,
}

/// What the sender did that it must not, a sentence each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A call had two rows of one entity.
    pub double: Vec<String>,
    /// A row came, for the first time, behind one of its entity that was not taken.
    pub overtaking: Vec<String>,
    /// A row came without what a row has, or with other content than before.
    pub odd: Vec<String>,
}

/// How often something is still to be refused, and as what.
struct Refusal {
    times: u32,
    status: &'static str,
    message: String,
}

#[derive(Default)]
struct Books {
    calls: usize,
    /// Every row of every call, in order.
    sent: Vec<Value>,
    /// Keys in the order in which they were applied.
    applied: Vec<Key>,
    taken: HashSet<Key>,
    /// What each row said when it first came.
    contents: HashMap<Key, String>,
    table: BTreeMap<String, Entry>,
    /// How often a row came that was applied before.
    repeats: usize,
    /// By entity, the row that was not taken.
    blocked: HashMap<String, Key>,
    faults: Faults,
    refusals: HashMap<String, Refusal>,
    troubles: VecDeque<Trouble>,
    disturbed: Option<(Chance, u64)>,
}

#[derive(Clone)]
pub struct Shop {
    pub address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

impl Shop {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let shop = Self {
            address: listener.local_addr().expect("its address"),
            books: Arc::default(),
        };
        let app = Router::new()
            .route("/apply", post(apply))
            // Batches are as large as the settings let them be.
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(shop.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        shop
    }

    /// The hook.
    pub fn url(&self) -> String {
        format!("http://{}/apply", self.address)
    }

    /// The next so many times a row with this `syn_id`, or of this entity, is rejected.
    pub fn refuse(&self, what: &str, times: u32) {
        self.turn_down(what, times, "reject", "没有这件商品");
    }

    /// The same, and it is to come again.
    pub fn put_off(&self, what: &str, times: u32) {
        self.turn_down(what, times, "retry", "locked");
    }

    fn turn_down(&self, what: &str, times: u32, status: &'static str, message: &str) {
        let refusal = Refusal {
            times,
            status,
            message: message.to_owned(),
        };
        self.books().refusals.insert(what.to_owned(), refusal);
    }

    /// The next calls go wrong like this, one each.
    pub fn trouble(&self, troubles: &[Trouble]) {
        self.books().troubles.extend(troubles);
    }

    /// From here on one in so many calls goes wrong in some way.
    pub fn disturb(&self, seed: u64, one_in: u64) {
        self.books().disturbed = Some((Chance::new(seed), one_in));
    }

    /// From here on it takes everything.
    pub fn calm(&self) {
        let mut books = self.books();
        books.disturbed = None;
        books.troubles.clear();
        books.refusals.clear();
    }

    /// The row that was refused is not coming any more; those behind it may.
    pub fn give_up(&self, entity: &str) {
        self.books().blocked.remove(entity);
    }

    pub fn calls(&self) -> usize {
        self.books().calls
    }

    /// Every row of every call, in order.
    pub fn sent(&self) -> Vec<Value> {
        self.books().sent.clone()
    }

    /// The keys of what was applied, in that order.
    pub fn applied(&self) -> Vec<Key> {
        self.books().applied.clone()
    }

    pub fn applied_count(&self) -> usize {
        self.books().applied.len()
    }

    /// By entity, the row that was applied last.
    pub fn table(&self) -> BTreeMap<String, Entry> {
        self.books().table.clone()
    }

    /// How often a row came that was applied before, which a kill or a lost answer excuses.
    pub fn repeats(&self) -> usize {
        self.books().repeats
    }

    pub fn faults(&self) -> Faults {
        self.books().faults.clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("nobody panics in here")
    }
}

/// A row's field as text.
fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

fn key(row: &Value) -> Key {
    (text(row, "data_from_server_id"), text(row, "syn_id"))
}

impl Books {
    fn next_trouble(&mut self) -> Option<Trouble> {
        self.calls += 1;
        if let Some(trouble) = self.troubles.pop_front() {
            return Some(trouble);
        }
        let (chance, one_in) = self.disturbed.as_mut()?;
        chance.one_in(*one_in).then(|| ANY[chance.index(ANY.len())])
    }

    /// Looks at a call as it comes, whatever becomes of it.
    fn receive(&mut self, rows: &[Value]) {
        let mut entities = HashSet::new();
        for row in rows {
            let (key, entity) = (key(row), text(row, "entity"));
            if key.0.is_empty() || key.1.is_empty() || entity.is_empty() {
                self.faults.odd.push(format!("no row: {row}"));
            }
            if !entities.insert(entity.clone()) {
                self.faults.double.push(format!("{entity} in {rows:?}"));
            }
            match self.blocked.get(&entity) {
                // One that was applied before is only told again: its sender was killed before it noted the answer.
                Some(blocking) if *blocking != key && !self.taken.contains(&key) => {
                    let sentence = format!("{key:?} of {entity} before {blocking:?}");
                    self.faults.overtaking.push(sentence);
                }
                _ => {}
            }
            // The count of failures is the delivery's, all else the row's.
            let mut content = row.clone();
            content["fail_num"] = Value::Null;
            content["result_of_send_business"] = Value::Null;
            let content = content.to_string();
            match self.contents.get(&key) {
                Some(before) if *before != content => {
                    let sentence = format!("{before} came again as {content}");
                    self.faults.odd.push(sentence);
                }
                Some(_) => {}
                None => {
                    self.contents.insert(key, content);
                }
            }
            self.sent.push(row.clone());
        }
    }

    /// Nothing of these was taken.
    fn block(&mut self, rows: &[Value]) {
        for row in rows {
            let key = key(row);
            // One that was applied before blocks nothing: it is only told again.
            if !self.taken.contains(&key) {
                self.blocked.entry(text(row, "entity")).or_insert(key);
            }
        }
    }

    fn apply(&mut self, row: &Value) -> Value {
        let (key, entity) = (key(row), text(row, "entity"));
        for what in [&key.1, &entity] {
            if let Some(refusal) = self.refusals.get_mut(what).filter(|it| it.times > 0) {
                refusal.times -= 1;
                let result = json!({ "syn_id": key.1, "status": refusal.status,
                    "message": refusal.message, "data_from_server_id": key.0 });
                self.block(std::slice::from_ref(row));
                return result;
            }
        }
        let result = json!({ "syn_id": key.1, "status": "ok", "data_from_server_id": key.0 });
        if self.blocked.get(&entity) == Some(&key) {
            self.blocked.remove(&entity);
        }
        if !self.taken.insert(key.clone()) {
            self.repeats += 1;
            return result;
        }
        self.applied.push(key.clone());
        let entry = Entry {
            key,
            is_deleted: row["op"] == "delete",
            version: row["entity_version"].as_i64(),
            data_detail: row["data_detail"].clone(),
        };
        self.table.insert(entity, entry);
        result
    }
}

async fn apply(State(shop): State<Shop>, Json(body): Json<Value>) -> Response {
    let rows = body["rows"].as_array().cloned().unwrap_or_default();
    let trouble = {
        let mut books = shop.books();
        let trouble = books.next_trouble();
        books.receive(&rows);
        match trouble {
            None | Some(Trouble::FailsLate) => {}
            Some(Trouble::AnswersHalf) => books.block(&rows[rows.len() / 2..]),
            Some(_) => books.block(&rows),
        }
        trouble
    };
    let applied = |rows: &[Value]| -> Vec<Value> {
        let mut books = shop.books();
        rows.iter().map(|row| books.apply(row)).collect()
    };
    match trouble {
        None => Json(json!({ "results": applied(&rows) })).into_response(),
        Some(Trouble::Hangs) => std::future::pending().await,
        Some(Trouble::Fails) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Trouble::FailsLate) => {
            applied(&rows);
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Some(Trouble::Nonsense) => "<b>Please log in</b>".into_response(),
        Some(Trouble::Busy) => {
            let results = rows.iter().map(
                |row| json!({ "syn_id": row["syn_id"], "status": "retry", "message": "busy" }),
            );
            Json(json!({ "results": results.collect::<Vec<_>>() })).into_response()
        }
        Some(Trouble::AnswersHalf) => {
            Json(json!({ "results": applied(&rows[..rows.len() / 2]) })).into_response()
        }
    }
}
