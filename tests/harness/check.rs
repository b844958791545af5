//! The harness must be able to fail: the contract finds what is not promised, and media server, bad line and
//! shop misbehave as they say.

#[path = "check/chaos.rs"]
mod chaos;
#[path = "check/shop.rs"]
mod shop;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Contract, clip, media};

fn contract() -> Contract {
    Contract::of(json!({
        "openapi": "3.1.0",
        "paths": {
            "/api/v1/tasks": { "get": { "responses": { "200": { "description": "", "content": {} } } } },
            "/api/v1/tasks/{id}": { "get": { "responses": {
                "200": { "description": "", "content": { "application/json": { "schema": {
                    "type": "object", "required": ["data"],
                    "properties": { "data": { "$ref": "#/components/schemas/Task" } },
                } } } },
                "404": { "$ref": "#/components/responses/Failure" },
            } } },
        },
        "components": {
            "schemas": { "Task": {
                "type": "object", "required": ["percent"],
                "properties": { "percent": { "type": "number", "maximum": 100 } },
            } },
            "responses": { "Failure": { "description": "", "content": { "application/json": { "schema": {
                "type": "object", "required": ["code"], "properties": { "code": { "type": "integer" } },
            } } } } },
        },
    }))
}

/// Whether the contract lets this answer to `GET /api/v1/tasks/7` pass.
fn passes(status: u16, kind: &str, body: Value) -> bool {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("content-type", kind.parse().expect("a type"));
    let answer = Answer {
        request: "GET".to_owned(),
        status,
        code: 0,
        message: String::new(),
        data: Value::Null,
        headers,
        body: body.to_string().into(),
    };
    let check = || contract().check(&Method::GET, "/api/v1/tasks/7?x=1", &answer);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_ok()
}

#[test]
fn an_answer_that_is_not_promised_is_found() {
    let json = "application/json";
    assert!(passes(200, json, json!({ "data": { "percent": 5 } })));
    assert!(passes(404, json, json!({ "code": 40401 })));
    assert!(!passes(200, json, json!({ "data": { "percent": 101 } })));
    assert!(!passes(200, json, json!({ "data": {} })));
    assert!(!passes(404, json, json!({ "code": "40401" })));
    assert!(!passes(409, json, json!({ "code": 40901 })));
    assert!(!passes(
        200,
        "text/html",
        json!({ "data": { "percent": 5 } })
    ));
    assert_eq!(contract().template("/api/v1/tasks"), Some("/api/v1/tasks"));
    assert_eq!(contract().template("/api/v1/tasks/"), None);
}

#[tokio::test]
async fn the_media_server_serves_ranges_and_remembers_them() {
    let shelf = media().shelf();
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let whole = client
        .get(shelf.url("clip.mp4"))
        .send()
        .await
        .expect("an answer");
    assert!(whole.bytes().await.expect("a body") == clip().bytes);
    let request = client
        .get(shelf.url("clip.mp4"))
        .header("range", "bytes=10-19");
    let part = request.send().await.expect("an answer");
    assert_eq!(part.status(), 206);
    assert!(part.bytes().await.expect("a body") == clip().bytes.slice(10..20));
    let ranges: Vec<String> = shelf
        .seen_of("clip.mp4")
        .into_iter()
        .map(|seen| seen.range)
        .collect();
    assert_eq!(ranges, ["", "bytes=10-19"]);
    assert_eq!(media().shelf().seen(), []);
}

#[tokio::test]
async fn the_media_server_breaks_what_it_promised() {
    let shelf = media().shelf();
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    for name in ["truncated.mp4", "reset.mp4"] {
        let mut answer = client.get(shelf.url(name)).send().await.expect("headers");
        assert_eq!(answer.content_length(), Some(clip().bytes.len() as u64));
        let mut received = 0;
        let broken = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => received += chunk.len(),
                Ok(None) => break None,
                Err(error) => break Some(format!("{error:?}")),
            }
        };
        assert_eq!(received, clip().bytes.len() / 2, "{name}");
        let broken = broken.unwrap_or_else(|| panic!("{name} ended well"));
        assert_eq!(
            broken.contains("ConnectionReset"),
            name == "reset.mp4",
            "{name}: {broken}"
        );
    }
    shelf.fail(1);
    for status in [500, 200] {
        let answer = client
            .get(shelf.url("flaky.mp4"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), status);
    }
}
