//! A business backend for the tests: it has sources of rows, page by page, that misbehave on request, and takes
//! callbacks. On 127.0.0.1.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;

/// How a source behaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Manners {
    /// In the envelope, with `total`, by page number.
    #[default]
    Good,
    /// Without the envelope.
    Bare,
    /// Names every next page by a cursor, and counts nothing.
    Cursors,
    /// Counts nothing; a short page is the last.
    Uncounted,
    /// Every page takes so many milliseconds.
    Slow(u64),
    /// The first requests get this status.
    Fails { status: u16, times: u32 },
    /// `total` is off by so much.
    Miscounts(i64),
    /// From this page on, the same page again.
    Repeats(u64),
    /// `total` is one less with every page.
    Shrinks,
    /// There is always a next page.
    NeverEnds,
    /// The rows end before `total`.
    Stops { after_page: u64 },
    /// Every row has so many bytes more.
    Wide(usize),
    /// To there.
    Redirects(String),
    /// Something else than a page.
    Says(String),
    /// The same page that a request's `_table` names.
    Tables(Vec<u64>),
    /// This page takes until the backend is told to go on.
    Waits { at_page: u64 },
}

/// A request for a page.
#[derive(Clone, Debug)]
pub struct Asked {
    pub query: HashMap<String, String>,
    pub headers: HeaderMap,
    /// Path and query.
    pub target: String,
}

impl Asked {
    pub fn page(&self) -> u64 {
        self.query["page"].parse().expect("a page number")
    }
}

/// A callback as it came.
#[derive(Clone, Debug)]
pub struct Told {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a callback is JSON")
    }
}

struct Source {
    rows: u64,
    manners: Manners,
    asked: Vec<Asked>,
}

#[derive(Default)]
struct Office {
    sources: HashMap<String, Source>,
    told: HashMap<String, Vec<Told>>,
    /// What the next callbacks of this name are answered with.
    answers: HashMap<String, Vec<u16>>,
}

#[derive(Clone)]
pub struct Business {
    pub address: SocketAddr,
    office: Arc<Mutex<Office>>,
    go_on: Arc<tokio::sync::Notify>,
}

impl Business {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let business = Self {
            address: listener.local_addr().expect("its address"),
            office: Arc::default(),
            go_on: Arc::default(),
        };
        let app = Router::new()
            .route("/source/{name}", get(page))
            .route("/callback/{name}", post(callback))
            .with_state(business.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        business
    }

    /// `host:port`, as allow-lists take it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A source of so many rows; its URL.
    pub fn source(&self, name: &str, rows: u64, manners: Manners) -> String {
        let source = Source {
            rows,
            manners,
            asked: Vec::new(),
        };
        self.office().sources.insert(name.to_owned(), source);
        format!("http://{}/source/{name}", self.address)
    }

    pub fn callback_url(&self, name: &str) -> String {
        format!("http://{}/callback/{name}", self.address)
    }

    /// The next callbacks of this name get these statuses, then 204.
    pub fn answer_callbacks(&self, name: &str, statuses: &[u16]) {
        let statuses = statuses.iter().rev().copied().collect();
        self.office().answers.insert(name.to_owned(), statuses);
    }

    pub fn asked(&self, name: &str) -> Vec<Asked> {
        let office = self.office();
        office
            .sources
            .get(name)
            .map(|it| it.asked.clone())
            .unwrap_or_default()
    }

    pub fn told(&self, name: &str) -> Vec<Told> {
        self.office().told.get(name).cloned().unwrap_or_default()
    }

    /// Lets one waiting page go.
    pub fn go_on(&self) {
        self.go_on.notify_one();
    }

    fn office(&self) -> MutexGuard<'_, Office> {
        self.office.lock().expect("nobody panics in here")
    }
}

/// The row of this number, as every source has it.
pub fn row(number: u64) -> Value {
    let cities = ["上海", "北京", "Köln", "O'Hare"];
    json!({
        "id": number,
        "name": format!("客户{number:07}"),
        "city": cities[number as usize % 4],
        "amount": number as f64 * 1.25,
        "paid": number.is_multiple_of(3),
        "day": format!("2026-{:02}-{:02}", number % 12 + 1, number % 28 + 1),
        "phone": format!("1380000{number:010}"),
        "note": if number.is_multiple_of(5) { Value::Null } else { json!(format!("note, \"{number}\"")) },
    })
}

async fn page(
    State(business): State<Business>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    uri: axum::http::Uri,
    headers: HeaderMap,
) -> Response {
    let (rows, manners, seen) = {
        let mut office = business.office();
        let Some(source) = office.sources.get_mut(&name) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        source.asked.push(Asked {
            query: query.clone(),
            headers,
            target: uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
        });
        (source.rows, source.manners.clone(), source.asked.len())
    };
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<u64>().ok());
    let (Some(page), Some(size)) = (number("page"), number("page_size")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match &manners {
        Manners::Slow(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
        Manners::Fails { status, times } if seen <= *times as usize => {
            return StatusCode::from_u16(*status)
                .expect("a status")
                .into_response();
        }
        Manners::Redirects(to) => {
            return (StatusCode::FOUND, [(header::LOCATION, to.clone())]).into_response();
        }
        Manners::Says(text) => return text.clone().into_response(),
        Manners::Waits { at_page } if *at_page == page => business.go_on.notified().await,
        _ => {}
    }
    axum::Json(body(rows, &manners, page, size, &query)).into_response()
}

fn body(
    rows: u64,
    manners: &Manners,
    page: u64,
    size: u64,
    query: &HashMap<String, String>,
) -> Value {
    let at = match manners {
        Manners::Repeats(from) => page.min(*from),
        Manners::Cursors => match query.get("cursor") {
            Some(cursor) => cursor
                .trim_start_matches("after-")
                .parse()
                .expect("our cursor"),
            None => 0,
        },
        _ => page,
    };
    let rows = match manners {
        Manners::Tables(tables) => tables[query["_table"].parse::<usize>().expect("a table")],
        Manners::NeverEnds => u64::MAX,
        _ => rows,
    };
    let last = match manners {
        Manners::Stops { after_page } if page > *after_page => 0,
        _ => rows,
    };
    let numbers = (at * size)..((at + 1).saturating_mul(size)).min(last);
    let data: Vec<Value> = numbers
        .map(|number| {
            let mut row = row(number);
            if let Manners::Wide(bytes) = manners {
                row["wide"] = "宽".repeat(bytes / 3).into();
            }
            row
        })
        .collect();
    let mut inner = json!({ "data": data });
    match manners {
        Manners::Uncounted | Manners::NeverEnds => {}
        Manners::Cursors => {
            if (at + 1) * size < rows {
                inner["next_cursor"] = format!("after-{}", at + 1).into();
            }
        }
        Manners::Miscounts(by) => inner["total"] = (rows as i64 + by).into(),
        Manners::Shrinks => inner["total"] = (rows - page).into(),
        _ => inner["total"] = rows.into(),
    }
    match manners {
        Manners::Bare => inner,
        _ => json!({ "status": 200, "data": inner }),
    }
}

async fn callback(
    State(business): State<Business>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let mut office = business.office();
    let told = Told {
        headers,
        body: body.to_vec(),
    };
    office.told.entry(name.clone()).or_default().push(told);
    let status = office
        .answers
        .get_mut(&name)
        .and_then(Vec::pop)
        .unwrap_or(204);
    StatusCode::from_u16(status).expect("a status")
}
