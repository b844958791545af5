//! The share APIs of both drives on 127.0.0.1, with answers as theirs are (`tests/fixtures/drives`), and shares that
//! misbehave on request.

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// The code that opens every share.
pub const SHARE_CODE: &str = "q1w2";
/// The entries of a page that both drives give at the most.
const PAGE: usize = 100;

/// How the drive speaks of a share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShareManner {
    /// As the fixtures have it: a folder with two files, and a file.
    #[default]
    Lives,
    /// Cancelled by its owner.
    Dead,
    /// Too many calls: 429, or Baidu's captcha.
    Limited,
    /// A page for people that says that the link is gone.
    Html,
    /// 500.
    Fails,
    /// So many files.
    Large(usize),
    /// The list of its files comes when it is released.
    Waits,
    /// It opens, and its folder is not shown.
    Shy,
}

/// Both drives; cheap to clone.
#[derive(Clone)]
pub struct DriveServer {
    pub address: SocketAddr,
    shares: Arc<Mutex<HashMap<String, Share>>>,
    go_on: Arc<Notify>,
}

#[derive(Clone, Default)]
struct Share {
    manner: ShareManner,
    calls: usize,
}

impl DriveServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Self {
            address: listener.local_addr().expect("its address"),
            shares: Arc::default(),
            go_on: Arc::default(),
        };
        let app = Router::new()
            .route(
                "/adrive/v3/share_link/get_share_by_anonymous",
                post(aliyun_share),
            )
            .route("/v2/share_link/get_share_token", post(aliyun_token))
            .route("/adrive/v2/file/list_by_share", post(aliyun_list))
            .route("/share/verify", post(baidu_verify))
            .route("/share/list", get(baidu_list))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    /// The `[drives]` section of an app that asks here and waits for nothing.
    pub fn config(&self) -> String {
        let address = self.address;
        format!(
            "drives = {{ aliyun_base = \"http://{address}\", baidu_base = \"http://{address}/\", \
             bad_interval_s = 1, calls_per_s = 1000, backoff_initial_ms = 20, backoff_max_ms = 40 }}"
        )
    }

    /// From here on the share of this id is like this.
    pub fn behave(&self, share_id: &str, manner: ShareManner) {
        self.shares().entry(share_id.to_owned()).or_default().manner = manner;
    }

    /// Calls about this share.
    pub fn calls(&self, share_id: &str) -> usize {
        self.shares().get(share_id).map_or(0, |share| share.calls)
    }

    /// Lets the lists go that wait now.
    pub fn go_on(&self) {
        self.go_on.notify_waiters();
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<String, Share>> {
        self.shares.lock().expect("nobody panics in here")
    }

    fn asked(&self, share_id: &str) -> ShareManner {
        let mut shares = self.shares();
        let share = shares.entry(share_id.to_owned()).or_default();
        share.calls += 1;
        share.manner
    }
}

fn fixture(name: &str) -> Value {
    let path = crate::workspace_root().join(format!("tests/fixtures/drives/{name}.json"));
    let text = std::fs::read_to_string(path).expect("an answer");
    serde_json::from_str(&text).expect("it is JSON")
}

fn page_for_people() -> Response {
    let html = include_str!("../fixtures/drives/page.html");
    ([(header::CONTENT_TYPE, "text/html")], html).into_response()
}

fn with(status: u16, name: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, Json(fixture(name))).into_response()
}

/// What Aliyun says to every call about a share that is not to be seen.
fn aliyun_refusal(manner: ShareManner) -> Option<Response> {
    match manner {
        ShareManner::Dead => Some(with(400, "aliyun-cancelled")),
        ShareManner::Limited => Some(with(429, "aliyun-limited")),
        ShareManner::Html => Some(page_for_people()),
        ShareManner::Fails => Some(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        _ => None,
    }
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

async fn aliyun_share(State(server): State<DriveServer>, Json(body): Json<Value>) -> Response {
    let manner = server.asked(&text(&body, "share_id"));
    aliyun_refusal(manner).unwrap_or_else(|| with(200, "aliyun-share"))
}

async fn aliyun_token(State(server): State<DriveServer>, Json(body): Json<Value>) -> Response {
    let manner = server.asked(&text(&body, "share_id"));
    if let Some(refusal) = aliyun_refusal(manner) {
        return refusal;
    }
    match text(&body, "share_pwd") == SHARE_CODE {
        true => with(200, "aliyun-token"),
        false => with(400, "aliyun-wrong-code"),
    }
}

async fn aliyun_list(
    State(server): State<DriveServer>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let manner = server.asked(&text(&body, "share_id"));
    if let Some(refusal) = aliyun_refusal(manner) {
        return refusal;
    }
    let token = fixture("aliyun-token")["share_token"].clone();
    let shown = headers.get("x-share-token").and_then(|it| it.to_str().ok());
    if shown != token.as_str() {
        let body =
            json!({ "code": "ShareLinkTokenInvalid", "message": "ShareLink token is invalid" });
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    let (folder, marker) = (text(&body, "parent_file_id"), text(&body, "marker"));
    match manner {
        ShareManner::Large(files) => Json(large_aliyun(files, &marker)).into_response(),
        ShareManner::Shy if folder != "root" => with(429, "aliyun-limited"),
        _ => {
            if manner == ShareManner::Waits {
                server.go_on.notified().await;
            }
            match (folder.as_str(), marker.as_str()) {
                ("root", "") => with(200, "aliyun-root-1"),
                ("root", _) => with(200, "aliyun-root-2"),
                _ => with(200, "aliyun-folder"),
            }
        }
    }
}

fn large_aliyun(files: usize, marker: &str) -> Value {
    let from: usize = marker.parse().unwrap_or(0);
    let to = (from + PAGE).min(files);
    let items: Vec<Value> = (from..to)
        .map(|n| json!({ "name": format!("{n:06}.mp4"), "type": "file", "file_id": n.to_string(), "size": 1000 }))
        .collect();
    let next = if to < files {
        to.to_string()
    } else {
        String::new()
    };
    json!({ "items": items, "next_marker": next })
}

/// What Baidu says to every call about a share that is not to be seen.
fn baidu_refusal(manner: ShareManner) -> Option<Response> {
    match manner {
        ShareManner::Dead => Some(with(200, "baidu-cancelled")),
        ShareManner::Limited => Some(with(200, "baidu-captcha")),
        ShareManner::Html => Some(page_for_people()),
        ShareManner::Fails => Some(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        _ => None,
    }
}

async fn baidu_verify(
    State(server): State<DriveServer>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let manner = server.asked(&query["surl"]);
    if let Some(refusal) = baidu_refusal(manner) {
        return refusal;
    }
    // Who comes from elsewhere gets a captcha.
    if !headers.contains_key(header::REFERER) {
        return with(200, "baidu-captcha");
    }
    match form.get("pwd").is_some_and(|code| code == SHARE_CODE) {
        true => with(200, "baidu-verify"),
        false => with(200, "baidu-wrong-code"),
    }
}

async fn baidu_list(
    State(server): State<DriveServer>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let manner = server.asked(&query["shorturl"]);
    if let Some(refusal) = baidu_refusal(manner) {
        return refusal;
    }
    let randsk = text(&fixture("baidu-verify"), "randsk");
    let cookie = request.headers().get(header::COOKIE);
    let cookie = cookie.and_then(|it| it.to_str().ok()).unwrap_or_default();
    if cookie != format!("BDCLND={randsk}") {
        return with(200, "baidu-wrong-code");
    }
    let is_root = query.get("root").is_some_and(|root| root == "1");
    match manner {
        ShareManner::Large(files) => {
            let page: usize = query["page"].parse().expect("a number");
            let from = ((page - 1) * PAGE).min(files);
            let list: Vec<Value> = (from..(from + PAGE).min(files))
                .map(|n| json!({ "server_filename": format!("{n:06}.mp4"), "isdir": 0, "size": 1000, "path": "/" }))
                .collect();
            Json(json!({ "errno": 0, "uk": 1, "share_id": 2, "list": list })).into_response()
        }
        ShareManner::Shy if !is_root => with(200, "baidu-captcha"),
        _ => {
            if manner == ShareManner::Waits {
                server.go_on.notified().await;
            }
            let folder = fixture("baidu-root");
            let is_known = query.get("dir").map(String::as_str)
                == folder["list"][0]["path"].as_str()
                && query.get("uk") == Some(&folder["uk"].to_string())
                && query.get("shareid") == Some(&folder["share_id"].to_string());
            match (is_root, is_known) {
                (true, _) => with(200, "baidu-root"),
                (false, true) => with(200, "baidu-folder"),
                (false, false) => with(200, "baidu-wrong-code"),
            }
        }
    }
}
