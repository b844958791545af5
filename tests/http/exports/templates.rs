//! `/api/v1/templates` (DC-6): uploaded workbooks, what they hold, and files that are made of them.

use super::{app_for, file_of};
use crate::{UNKNOWN_ID, shared};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Business, Caller, Manners, workspace_root};

pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

pub fn fixture(name: &str) -> Vec<u8> {
    let path = workspace_root().join("tests/fixtures/templates").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub async fn upload(
    project: &Caller<'_>,
    query: &str,
    content_type: &str,
    body: Vec<u8>,
) -> Answer {
    let path = format!("/api/v1/templates{query}");
    let finish = |it: reqwest::RequestBuilder| it.header("content-type", content_type).body(body);
    project.send(Method::POST, &path, finish).await
}

fn as_form(file: &[u8]) -> Vec<u8> {
    let mut body = b"--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n--x\r\nContent-Disposition: \
        form-data; name=\"file\"; filename=\"../orders.xlsx\"\r\n\r\n"
        .to_vec();
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--x--\r\n");
    body
}

/// The texts of a finished sheet, row by row, as calamine reads them.
fn cells(file: &[u8], sheet: &str) -> Vec<Vec<String>> {
    use calamine::Reader as _;
    let mut book: calamine::Xlsx<_> =
        calamine::open_workbook_from_rs(std::io::Cursor::new(file.to_vec())).expect("a workbook");
    let range = book.worksheet_range(sheet).expect("the sheet");
    range
        .rows()
        .map(|row| row.iter().map(ToString::to_string).collect())
        .collect()
}

#[tokio::test]
async fn a_template_is_uploaded_listed_read_and_deleted() {
    let app = shared();
    let (project, stranger) = (app.project("one", &[]).await, app.project("two", &[]).await);
    let bare = upload(&project, "?name=bare.xlsx", XLSX, fixture("simple.xlsx"))
        .await
        .ok_with(201);
    assert_eq!(bare["name"], "bare.xlsx");
    let form = "multipart/form-data; boundary=x";
    let sent = upload(&project, "", form, as_form(&fixture("orders.xlsx")))
        .await
        .ok_with(201);
    assert_eq!(sent["name"], "_orders.xlsx", "no path");
    let placeholders = sent["placeholders"].as_array().expect("a list");
    let has = |kind: &str, name: &str| {
        placeholders
            .iter()
            .any(|it| it["kind"] == kind && it["name"] == name)
    };
    assert!(
        has("scalar", "company") && has("list", "customer"),
        "{sent:#}"
    );
    let id = sent["template_id"].as_str().expect("an id").to_owned();
    let list = project.get("/api/v1/templates").await.ok();
    assert_eq!(list["total"], 2);
    assert_eq!(
        list["items"][0]["template_id"],
        id.as_str(),
        "the newest first"
    );
    assert_eq!(stranger.get("/api/v1/templates").await.ok()["total"], 0);
    let path = format!("/api/v1/templates/{id}");
    assert_eq!(project.get(&path).await.ok(), sent);
    stranger.get(&path).await.refused(40301);
    stranger.delete(&path).await.refused(40301);
    let body = json!({ "name": "n", "template_id": id, "source_data": [] });
    stranger.export(&body).await.refused(40301);
    stranger.export_sync(&body).await.refused(40301);
    project.delete(&path).await.ok();
    project.get(&path).await.refused(40401);
    project.export(&body).await.refused(40401);
    project
        .get("/api/v1/templates/x")
        .await
        .refused_field("template_id");
    project
        .get(&format!("/api/v1/templates/{UNKNOWN_ID}"))
        .await
        .refused(40401);
    app.user()
        .await
        .get("/api/v1/templates")
        .await
        .refused(40101);
    app.anonymous().get(&path).await.refused(40101);
}

#[tokio::test]
async fn a_dry_run_says_what_is_wrong_and_keeps_nothing() {
    let project = shared().project("dry", &[]).await;
    let tried = upload(&project, "?dry_run=true", XLSX, fixture("broken.xlsx"))
        .await
        .ok_with(200);
    assert_eq!(tried["template_id"], Value::Null);
    let problems = tried["problems"].as_array().expect("a list");
    assert!(
        problems
            .iter()
            .any(|it| it["code"] == "malformed_placeholder"),
        "{tried:#}"
    );
    assert_eq!(project.get("/api/v1/templates").await.ok()["total"], 0);
    upload(&project, "?dry_run=x", XLSX, fixture("simple.xlsx"))
        .await
        .refused_field("dry_run");
}

#[tokio::test]
async fn what_is_no_harmless_workbook_is_refused() {
    let project = shared().project("bad", &[]).await;
    let mut encrypted = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec();
    encrypted.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    for (body, reason) in [
        (b"PK\x03\x04 no zip".to_vec(), "not_xlsx"),
        (b"<html>".to_vec(), "not_xlsx"),
        (encrypted, "encrypted"),
    ] {
        let refused = upload(&project, "", XLSX, body).await.refused(42201);
        assert_eq!(refused.data["reason"], reason, "{refused}");
    }
    upload(&project, "", XLSX, Vec::new())
        .await
        .refused_field("file");
    upload(&project, "", "text/plain", b"x".to_vec())
        .await
        .refused(41501);
    upload(
        &project,
        "",
        "multipart/form-data; boundary=x",
        b"x".to_vec(),
    )
    .await
    .refused_field("file");
    upload(&project, "", XLSX, vec![0; 4 * 1024 * 1024 + 1])
        .await
        .refused(41301);
}

#[tokio::test]
async fn a_workbook_is_filled_from_a_source_and_alike_in_the_request() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("fill", &[&business.host()]).await;
    let template = upload(&project, "", XLSX, fixture("orders.xlsx"))
        .await
        .ok_with(201);
    let rows: Vec<Value> = (1..=3)
        .map(|no| json!({ "no": no, "customer": format!("客户{no}"), "quantity": no, "price": 2.5, "paid": true, "day": "2026-05-01" }))
        .collect();
    let body = json!({
        "name": "filled", "template_id": template["template_id"], "source_data": rows,
        "values": { "company": "Wharf", "from": "2026-05-01", "to": "2026-05-31", "signed_by": "=1+1" },
    });
    let task = project.exported(&body).await;
    assert_eq!(task["result"]["file_name"], "filled.xlsx");
    assert_eq!(task["result"]["rows"], 3);
    let file = file_of(&project, &task).await;
    let sync = project.export_sync(&body).await;
    assert!(sync.body == file, "the two files differ");
    let found = cells(&file, "Orders");
    assert_eq!(found[0][0], "Wharf");
    assert_eq!(found[5][1], "客户1");
    assert_eq!(found[7][1], "客户3");
    assert_eq!(found[8][0], "Sum");
    assert_eq!(found[9][0], "Signed {by}: =1+1");

    let simple = upload(&project, "", XLSX, fixture("simple.xlsx"))
        .await
        .ok_with(201);
    let url = business.source("orders", 250, Manners::Good);
    let body = json!({ "name": "pulled", "template_id": simple["template_id"], "source_url": url, "step": 100 });
    let task = project.exported(&body).await;
    assert_eq!(task["result"]["rows"], 250);
    assert_eq!(business.asked("orders").len(), 3);
}
