//! `/api/v1/export`: what a project may ask for, and what it gets.

mod callbacks;
mod excel;
mod limits;
mod sources;
mod sync;
mod templates;
mod workbook;

use crate::{shared, sqlite};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::{Business, Caller, Manners, TestApp, row};

/// An app that may reach the business backend.
pub fn app_for(business: &Business) -> TestApp {
    sqlite().allow(&business.host()).start()
}

/// The CSV lines of so many rows, as every source has them.
pub fn csv_of(rows: u64) -> String {
    // serde_json's own objects are in the order of their keys.
    let names = [
        "amount", "city", "day", "id", "name", "note", "paid", "phone",
    ];
    let mut text = names.join(",") + "\r\n";
    for number in 0..rows {
        let row = row(number);
        let cell = |name: &str| match &row[name] {
            Value::Null => String::new(),
            Value::String(text) if text.contains([',', '"']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text += &names.map(cell).join(",");
        text += "\r\n";
    }
    text
}

/// The file of a finished export, checked against its task.
pub async fn file_of(project: &Caller<'_>, task: &Value) -> Vec<u8> {
    let task_id = task["task_id"].as_str().expect("an id");
    let answer = project.file_of_task(task_id).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(task["result"]["file_size"], answer.body.len(), "{task:#}");
    assert_eq!(
        task["result"]["sha256"],
        hex::encode(Sha256::digest(&answer.body))
    );
    answer.body.to_vec()
}

#[tokio::test]
async fn an_export_pulls_every_page_and_proves_that_it_is_complete() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("orders", 2_350, Manners::Good);
    let body = json!({ "name": "订单 2026", "source_url": format!("{url}?day=7"), "type": "csv" });
    let task_id = project.submit_export(&body).await;
    let task = project.succeeded(&task_id).await;
    assert_eq!(task["kind"], "export");
    assert_eq!(task["name"], "订单 2026");
    assert_eq!(task["progress"]["percent"], 100.0);
    assert_eq!(task["progress"]["rows"], 2_350);
    let result = &task["result"];
    assert_eq!(result["rows"], 2_350);
    assert_eq!(result["rows_declared"], 2_350);
    assert_eq!(result["file_name"], "订单 2026.csv");
    assert!(result["expires_at"].is_string(), "{task:#}");
    let file = file_of(&project, &task).await;
    assert_eq!(String::from_utf8(file).unwrap(), csv_of(2_350));

    let asked = business.asked("orders");
    let pages: Vec<u64> = asked.iter().map(|it| it.page()).collect();
    assert_eq!(pages, [0, 1, 2], "each page once, none behind the last");
    for asked in &asked {
        assert_eq!(asked.query["page_size"], "1000");
        assert_eq!(asked.query["_task_id"], task_id);
        assert_eq!(asked.query["day"], "7");
    }
}

#[tokio::test]
async fn rows_that_come_with_the_request_need_no_source() {
    let app = shared();
    let project = app.project("exports", &[]).await;
    // As text: the order of the keys is what this is about.
    let body =
        r#"{"name":"n","source_data":[{"b":1,"a":"=1+1"},{"b":null,"a":"x","c":{"d":[1]}}]}"#;
    let answer = project
        .send(Method::POST, "/api/v1/export", |it| {
            it.header("content-type", "application/json").body(body)
        })
        .await;
    let data = answer.ok_with(202);
    let task = project.succeeded(data["task_id"].as_str().unwrap()).await;
    assert_eq!(task["result"]["rows"], 2);
    let text = String::from_utf8(file_of(&project, &task).await).unwrap();
    // In the order in which the keys came, what came late behind; what would run is neutralised (DC-11).
    assert_eq!(text, "b,a,c\r\n1,'=1+1,\r\n,x,\"{\"\"d\"\":[1]}\"\r\n");
    let warnings = task["result"]["warnings"].as_array().expect("a warning");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[tokio::test]
async fn a_request_that_does_not_hold_together_is_refused_with_its_field() {
    let project = shared().project("exports", &["shop.example"]).await;
    for (body, field) in [
        (json!({ "name": "n" }), "source_url"),
        (json!({ "name": " ", "source_data": [] }), "name"),
        (
            json!({ "name": "n", "source_data": [], "type": "pdf" }),
            "type",
        ),
        (
            json!({ "name": "n", "source_data": [], "step": 99 }),
            "step",
        ),
        (
            json!({ "name": "n", "source_data": [], "step": 5001 }),
            "step",
        ),
        (
            json!({ "name": "n", "source_data": [], "interval": -1 }),
            "interval",
        ),
        (
            json!({ "name": "n", "source_data": [], "max_exec_time": 0 }),
            "max_exec_time",
        ),
        (
            json!({ "name": "n", "source_data": [], "template": "x" }),
            "template",
        ),
        (
            json!({ "name": "n", "source_data": [], "default_width": -1 }),
            "default_width",
        ),
        (
            json!({ "name": "n", "source_data": [], "template_id": "x" }),
            "template_id",
        ),
        (json!({ "name": "n", "source_data": [1] }), "source_data"),
        (
            json!({ "name": "n", "source_url": "ftp://shop.example/" }),
            "source_url",
        ),
        (
            json!({ "name": "n", "source_data": [], "multi_type": "tab" }),
            "source_data",
        ),
    ] {
        project.export(&body).await.refused_field(field);
    }
    project.export(&json!([])).await.refused(40001);
}

#[tokio::test]
async fn a_project_names_only_hosts_that_its_admin_allowed() {
    let project = shared()
        .project("exports", &["shop.example", "10.0.0.7"])
        .await;
    let ask = async |source: &str, callback: &str| {
        let body = json!({ "name": "n", "source_url": source, "callback": callback });
        project.export(&body).await
    };
    let good = "https://shop.example/";
    let refused = async |source: &str, callback: &str, field: &str| {
        let answer = ask(source, callback).await.refused(40301);
        assert_eq!(answer.data["field"], field, "{answer}");
    };
    refused("https://other.example/", good, "source_url").await;
    refused(good, "https://shop.example.evil.example/", "callback").await;
    refused(good, "http://169.254.169.254/", "callback").await;
    // An admin of the project opens no door to the inside.
    ask("http://10.0.0.7/", good)
        .await
        .refused_field("source_url");
}

#[tokio::test]
async fn only_projects_export() {
    let app = shared();
    let body = json!({ "name": "n", "source_data": [] });
    app.anonymous().export(&body).await.refused(40101);
    app.user().await.export(&body).await.refused(40101);
    app.admin().await.export(&body).await.refused(40101);
}

#[tokio::test]
async fn an_idempotency_key_makes_one_task() {
    let project = shared().project("exports", &[]).await;
    let body = json!({ "name": "n", "source_data": [{ "a": 1 }] });
    let ask = async |body: &Value| project.export_with_key("key-1", body).await;
    let first = ask(&body).await.ok_with(202);
    assert_eq!(ask(&body).await.ok_with(202)["task_id"], first["task_id"]);
    ask(&json!({ "name": "m", "source_data": [] }))
        .await
        .refused(40902);
    assert_eq!(project.tasks("?kind=export").await.ok()["total"], 1);
}

#[tokio::test]
async fn a_file_is_handed_out_by_temporary_url_and_by_token_and_is_deleted_by_its_project() {
    let app = shared();
    let (project, stranger) = (app.project("one", &[]).await, app.project("two", &[]).await);
    let task = project
        .exported(&json!({ "name": "n", "source_data": [{ "a": 1 }] }))
        .await;
    let task_id = task["task_id"].as_str().unwrap();
    let url = project.file_url(task_id).await;
    let file = app.anonymous().get(&url).await;
    assert_eq!(file.body.as_ref(), b"a\r\n1\r\n");
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    assert!(
        file.header("content-disposition").contains("n.csv"),
        "{file:?}"
    );
    stranger.task(task_id).await.refused(40301);
    stranger.file_of_task(task_id).await.refused(40301);
    app.user().await.task(task_id).await.refused(40301);
    project.delete_task(task_id).await.ok();
    project.task(task_id).await.refused(40401);
}

#[tokio::test]
async fn an_export_is_cancelled_by_its_project() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("slow", 100_000, Manners::Slow(200));
    let body = json!({ "name": "n", "source_url": url, "step": 100 });
    let task_id = project.submit_export(&body).await;
    project
        .wait_for_task(&task_id, "rows have come", |task| {
            task["progress"]["rows"].as_u64() > Some(0)
        })
        .await;
    assert_eq!(project.cancel(&task_id).await.ok()["status"], "cancelled");
    let folder = app.data().join("tmp").join(&task_id);
    tests::eventually("the parts are gone", tests::PATIENCE, async || {
        (!folder.exists()).then_some(())
    })
    .await;
}
