//! A server that means harm, or is none: what its answers may do to the terminal, the folder and the tokens.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tests::{Client, unique};
use tokio::net::TcpListener;

/// A name with what clears a screen, colours it, turns its text and rings, in both notations.
const EVIL: &str = "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\u{2066}e\u{7}f\u{200b}\r\ng";

type Answer = Arc<dyn Fn() -> Response + Send + Sync>;

/// A server that answers as it is told, and remembers what it was asked.
#[derive(Clone, Default)]
struct Stub {
    seen: Arc<Mutex<Vec<(Uri, HeaderMap)>>>,
    answers: Arc<Mutex<Vec<(&'static str, Answer)>>>,
}

impl Stub {
    /// Serves, and gives the origin.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("its address"));
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        origin
    }

    /// Answers this path so from now on.
    fn answer(&self, path: &'static str, answer: impl Fn() -> Response + Send + Sync + 'static) {
        let mut answers = self.answers.lock().expect("a lock");
        answers.retain(|(known, _)| *known != path);
        answers.push((path, Arc::new(answer)));
    }

    fn data(&self, path: &'static str, data: Value) {
        let body = json!({ "code": 0, "message": "ok", "data": data });
        self.answer(path, move || axum::Json(body.clone()).into_response());
    }

    /// A finished task `t1` whose file is called so, and holds what `file` answers.
    fn file(&self, origin: &str, name: &str, file: impl Fn() -> Response + Send + Sync + 'static) {
        let url =
            json!({ "url": format!("{origin}/files/t1"), "expires_at": "2026-11-29T00:00:00Z" });
        self.data("/api/v1/tasks/t1", task(name));
        self.data("/api/v1/tasks/t1/url", url);
        self.answer("/files/t1", file);
    }

    /// The headers of the requests to a path.
    fn asked(&self, path: &str) -> Vec<HeaderMap> {
        let seen = self.seen.lock().expect("a lock");
        let those = seen.iter().filter(|(uri, _)| uri.path() == path);
        those.map(|(_, headers)| headers.clone()).collect()
    }
}

async fn answer(State(stub): State<Stub>, uri: Uri, headers: HeaderMap) -> Response {
    stub.seen
        .lock()
        .expect("a lock")
        .push((uri.clone(), headers));
    let answers = stub.answers.lock().expect("a lock");
    match answers.iter().find(|(path, _)| *path == uri.path()) {
        Some((_, answer)) => answer(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn task(file_name: &str) -> Value {
    json!({
        "task_id": "t1", "kind": "video", "status": "succeeded", "name": EVIL, "attempt": 1,
        "progress": { "percent": 100.0, "stage": "done" },
        "result": { "file_name": file_name, "file_size": 4, "md5": "", "sha256": "" },
        "created_at": "2026-11-29T00:00:00Z",
    })
}

/// A client that is logged in to a stub, and the stub's origin.
async fn logged_in(stub: &Stub) -> (Client, String) {
    let tokens = json!({
        "access_token": "secret-token", "refresh_token": "r", "token_type": "Bearer", "expires_in": 3600,
    });
    stub.data("/api/v1/auth/login", tokens);
    let origin = stub.serve().await;
    let client = Client::at(&origin);
    client
        .run_with(&["login", "ada@example.com"], "letters4numbers\n")
        .ok();
    (client, origin)
}

/// How many entries the client's home has; one is `.config`.
fn entries(client: &Client) -> usize {
    let entries = std::fs::read_dir(client.home()).expect("the folder");
    entries.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_server_sends_drives_the_terminal() {
    let stub = Stub::default();
    let (client, _) = logged_in(&stub).await;
    let found = json!({
        "items": [{
            "resource_id": "r1", "title": EVIL, "bio": EVIL, "price": "1.00", "total_size": 1, "drive": "baidu",
            "publisher": EVIL, "publish_time": "2026-11-29T00:00:00Z", "check_pending": false, "state": EVIL,
            "sale_count": 0, "matches": [{ "field": "title", "fragment": EVIL }],
        }],
        "total": 1, "page": 1, "page_size": 20,
    });
    stub.data("/api/v1/search", found);
    stub.data("/api/v1/tasks/t1", task(EVIL));
    let refusal = json!({ "code": 42201, "message": EVIL, "data": { "field": EVIL } });
    stub.answer("/api/v1/user/quota", move || {
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            axum::Json(refusal.clone()),
        )
            .into_response()
    });
    for words in [
        &["search", "x"][..],
        &["search", "x", "--json"],
        &["task", "t1"],
        &["task", "t1", "--json"],
        &["quota"],
    ] {
        let piped = client.run(words);
        harmless(&format!("{}{}", piped.out, piped.err).replace('\n', ""));
        let (code, shown) = client.terminal(words, 100).end();
        assert_eq!(code, piped.code, "{words:?}: {shown}");
        harmless(&without_own(&shown));
    }
}

/// What is left without line ends and what the client draws with: colours, and the way back over its own lines.
fn without_own(shown: &str) -> String {
    let lines = shown.replace("\r\n", "");
    let mut parts = lines.split("\u{1b}[");
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| letter.is_ascii_alphabetic());
        let (sequence, rest) = part.split_at(end.expect("a sequence") + 1);
        let is_own = sequence.ends_with(['m', 'A']) || sequence == "0J";
        assert!(is_own, "ESC [ {sequence}: {shown:?}");
        left.push_str(rest);
    }
    left
}

#[track_caller]
fn harmless(text: &str) {
    let turning = ['\u{202e}', '\u{2066}', '\u{200b}'];
    let evil = text
        .chars()
        .find(|character| character.is_control() || turning.contains(character));
    assert_eq!(evil, None, "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_means_what_the_server_sent() {
    let stub = Stub::default();
    let (client, _) = logged_in(&stub).await;
    stub.data("/api/v1/tasks/t1", task(EVIL));
    let answer = client.run(&["task", "t1", "--json"]).json();
    assert_eq!(answer["name"], EVIL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_kept_in_the_current_folder_under_a_harmless_name_or_not_at_all() {
    let stub = Stub::default();
    let (client, origin) = logged_in(&stub).await;
    let outside = format!("{}.mp4", unique());
    let above = format!("../{outside}");
    for name in [&above, &format!("/tmp/{outside}"), "a\\b", "..", EVIL] {
        stub.file(&origin, name, || "data".into_response());
        client.run(&["file", "t1"]).failed(1);
    }
    assert_eq!(entries(&client), 1);
    assert!(!client.home().join(&above).exists());

    stub.file(&origin, ".profile", || "data".into_response());
    client.run(&["file", "t1"]).ok();
    assert!(!client.home().join(".profile").exists());
    let kept = std::fs::read_to_string(client.home().join("_profile"));
    assert_eq!(kept.expect("the file"), "data");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_off_or_is_refused_leaves_nothing() {
    let stub = Stub::default();
    let (client, origin) = logged_in(&stub).await;
    stub.file(&origin, "a.mp4", || {
        let pieces = [Ok("begin"), Err(std::io::Error::other("it breaks off"))];
        Body::from_stream(futures_util::stream::iter(pieces)).into_response()
    });
    client.run(&["file", "t1"]).failed(1);
    assert_eq!(entries(&client), 1);
    stub.file(&origin, "a.mp4", || StatusCode::GONE.into_response());
    client.run(&["file", "t1"]).failed(1);
    assert_eq!(entries(&client), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_to_no_other_origin() {
    let (stub, other) = (Stub::default(), Stub::default());
    let (client, _) = logged_in(&stub).await;
    let elsewhere = other.serve().await;
    stub.answer("/api/v1/user/quota", move || {
        let moved = [(header::LOCATION, format!("{elsewhere}/moved"))];
        (StatusCode::TEMPORARY_REDIRECT, moved).into_response()
    });
    let quota = json!({ "daily_limit": 20, "daily_used": 1, "reset_at": "2026-11-29T00:00:00Z" });
    other.data("/moved", quota);
    client.run(&["quota"]).ok();
    let own = stub.asked("/api/v1/user/quota");
    assert_eq!(own[0][header::AUTHORIZATION], "Bearer secret-token");
    let led = other.asked("/moved");
    assert_eq!(led.len(), 1);
    assert!(!led[0].contains_key(header::AUTHORIZATION), "{led:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_and_is_no_wharf_is_said_in_a_sentence() {
    let stub = Stub::default();
    let origin = stub.serve().await;
    let client = Client::at(&origin);
    client.run(&["search", "x"]).failed(1);
    stub.answer("/api/v1/search", || "<html>hello</html>".into_response());
    client.run(&["search", "x"]).failed(1);
    stub.answer("/api/v1/search", || {
        let round = [(header::LOCATION, "/api/v1/search?q=x")];
        (StatusCode::FOUND, round).into_response()
    });
    client.run(&["search", "x"]).failed(1);
    assert!(stub.asked("/api/v1/search").len() < 40);
}
