//! What components may ask of the host, and what not.

use crate::{Runner, postgres_url};
use shared::store::Value;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_carries_every_kind_of_value_and_commits() {
    let runner = Runner::start().await;
    let (status, body) = runner.ask("/probe/sqlite?default").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["changes"], 2);
    assert_eq!(
        body["rows"],
        serde_json::json!([
            "[Value::Integer(9223372036854775807), Value::Real(0.5), Value::Text(\"grün\"), Value::Blob([0, 255])]",
            "[Value::Null, Value::Null, Value::Null, Value::Null]",
        ])
    );
    assert!(
        body["syntax"]
            .as_str()
            .unwrap_or_default()
            .contains("syntax error")
    );
    assert!(
        body["attach"]
            .as_str()
            .unwrap_or_default()
            .contains("not authorized")
    );
    let rows = runner
        .sqlite
        .run("SELECT i FROM probe", vec![])
        .await
        .expect("rows");
    assert_eq!(rows.rows.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_granted_cannot_be_opened() {
    let runner = Runner::start().await;
    let (status, body) = runner.ask("/probe/sqlite?other").await;
    assert_eq!((status, body.as_str()), (422, Some("Error::AccessDenied")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_a_trap_leaves_open_is_rolled_back_and_frees_the_queue() {
    let runner = Runner::start().await;
    assert_eq!(runner.ask("/probe/sqlite/abandon").await.0, 500);
    let sql = "CREATE TABLE afterwards (i INTEGER)";
    runner
        .sqlite
        .run(sql, vec![])
        .await
        .expect("the queue is free");
    let sql = "SELECT name FROM sqlite_schema WHERE name = $1";
    let left = runner
        .sqlite
        .run(sql, vec![Value::from("abandoned")])
        .await
        .expect("rows");
    assert!(left.rows.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_carries_values_and_hands_nothing_on() {
    let runner = Runner::start().await;
    let url = postgres_url();
    let (status, body) = runner.ask(&format!("/probe/postgres?{url}")).await;
    assert_eq!(status, 200, "{body}");
    let rows = body["rows"].as_str().unwrap_or_default();
    for part in [
        "DbValue::Int64(-9223372036854775808)",
        "DbValue::Floating64(0.5)",
        "DbValue::Str(\"grün\")",
        "DbValue::Binary([0, 255])",
        "DbValue::Boolean(true), DbValue::DbNull",
        "DbValue::Date((2024, 2, 29))",
        "DbValue::Datetime((1999, 12, 31, 23, 59, 58, 500000000))",
    ] {
        assert!(rows.contains(part), "{part} is not in {rows}");
    }
    assert!(
        body["strict"]
            .as_str()
            .unwrap_or_default()
            .contains("WrongType")
    );
    assert!(
        body["violated"]
            .as_str()
            .unwrap_or_default()
            .contains("22012")
    );
    let (_, name) = runner.ask(&format!("/probe/postgres/read?{url}")).await;
    assert_eq!(name, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_not_granted_are_not_reached() {
    let runner = Runner::start().await;
    let (_, body) = runner
        .ask("/probe/postgres?postgres://postgres@127.0.0.2/postgres")
        .await;
    assert!(
        body.as_str()
            .unwrap_or_default()
            .contains("is not permitted"),
        "{body}"
    );
    let (_, body) = runner.ask("/probe/outbound?http://127.0.0.1:1/").await;
    assert_eq!(body, "ErrorCode::HttpRequestDenied");
    let (_, body) = runner.ask("/probe/outbound?https://example.org/").await;
    assert_eq!(body, "ErrorCode::HttpRequestDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn granted_hosts_and_the_application_itself_are_reached() {
    let runner = Runner::start().await;
    let peer = runner.url("/misbehave/ok");
    for url in [peer.as_str(), "http://self.alt/misbehave/ok"] {
        let (status, body) = runner.ask(&format!("/probe/outbound?{url}")).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body, serde_json::json!({"status": 200, "body": "ok"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_the_components_own() {
    let runner = Runner::start().await;
    assert_eq!(runner.ask("/probe/variable?colour").await.1, "light green");
    let (_, body) = runner.ask("/probe/variable?peer").await;
    assert!(
        body.as_str().unwrap_or_default().contains("Undefined"),
        "{body}"
    );
}
