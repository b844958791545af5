//! `kill -9` while an export is being written (DC-2, DC-10): whatever the moment, the file is complete and the
//! same as if nothing had happened.

use crate::sqlite;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::{Business, Manners, TestApp};

/// How often it is killed, and how many rows the export has. `WHARF_TEST_KILLS` asks for more of them, and then
/// for an export that takes longer.
fn effort() -> (u32, u64) {
    let asked = std::env::var("WHARF_TEST_KILLS").ok();
    match asked.and_then(|text| text.parse().ok()) {
        Some(kills) => (kills, 300_000),
        None => (4, 60_000),
    }
}

fn request(url: &str) -> Value {
    json!({
        "name": "orders", "source_url": url, "step": 1000, "type": "excel", "title": "Orders",
        "template": [{ "name": "id", "title": "No." }, { "title": "Client", "children": [
            { "name": "name", "title": "Name" }, { "name": "city", "title": "City" }] },
            { "name": "amount" }, { "name": "day" }, { "name": "note" }],
    })
}

/// The state of a task, asked in a way that a dead product does not fail.
async fn finished(app: &TestApp, token: &str, task_id: &str) -> bool {
    let task = app.caller(token).task(task_id).await.ok();
    assert!(
        !matches!(
            task["status"].as_str(),
            Some("failed" | "dead" | "cancelled")
        ),
        "{task:#}"
    );
    task["status"] == "succeeded"
}

#[tokio::test]
async fn an_export_that_is_killed_again_and_again_gives_the_very_same_file() {
    let (kills, rows) = effort();
    let business = Business::start().await;
    let url = business.source("orders", rows, Manners::Good);
    let mut app = sqlite().allow(&business.host()).start();
    let token = {
        let project = app.project("faults", &[&business.host()]).await;
        project.token().to_owned()
    };
    let began = Instant::now();
    let whole = app.caller(&token).exported(&request(&url)).await;
    let whole_time = began.elapsed();
    assert_eq!(whole["result"]["rows"], rows);
    let (mut killed, mut resumed) = (0, 0);
    while killed < kills {
        let task_id = app.caller(&token).submit_export(&request(&url)).await;
        // Ten lost workers would bury the task as what kills them.
        for at in 0..4 {
            let position = app
                .data()
                .join("tmp")
                .join(&task_id)
                .join("work/position.json");
            if at == 1 {
                tests::eventually("a checkpoint", tests::PATIENCE, async || {
                    let is_over = finished(&app, &token, &task_id).await;
                    (is_over || position.exists()).then_some(())
                })
                .await;
            }
            let moment = whole_time
                .mul_f64(f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX) / 2.0);
            tokio::time::sleep(moment.max(Duration::from_millis(20))).await;
            if finished(&app, &token, &task_id).await {
                break;
            }
            app.kill9();
            killed += 1;
            resumed += u32::from(position.exists());
            app.restart();
        }
        let task = app.caller(&token).succeeded(&task_id).await;
        assert_eq!(
            task["result"]["sha256"], whole["result"]["sha256"],
            "{task:#}"
        );
        assert_eq!(task["result"]["rows"], rows);
        let file = app.caller(&token).file_of_task(&task_id).await;
        assert_eq!(file.body.len(), whole["result"]["file_size"], "{task:#}");
        app.caller(&token).delete_task(&task_id).await.ok();
    }
    println!("{killed} kills, {resumed} of them behind a checkpoint");
    assert!(resumed > 0, "no kill came behind a checkpoint");
    // What had been read before a kill is not asked for again.
    let pages = business.asked("orders").len() as u64;
    assert!(
        pages < (u64::from(killed) + 10) * (rows / 1000),
        "{pages} pages"
    );
}

#[tokio::test]
async fn an_export_goes_on_at_the_last_good_page_when_its_worker_stops() {
    let business = Business::start().await;
    let url = business.source("orders", 1000, Manners::Waits { at_page: 5 });
    let mut app = sqlite().allow(&business.host()).start();
    let token = {
        let project = app.project("faults", &[&business.host()]).await;
        project.token().to_owned()
    };
    let body = json!({ "name": "n", "source_url": url, "step": 100, "interval": 150 });
    let task_id = app.caller(&token).submit_export(&body).await;
    app.caller(&token)
        .wait_for_task(&task_id, "five pages are written", |task| {
            task["progress"]["rows"] == 500
        })
        .await;
    app.stop();
    business.source("orders", 1000, Manners::Good);
    app.restart();
    let task = app.caller(&token).succeeded(&task_id).await;
    assert_eq!(task["result"]["rows"], 1000);
    assert_eq!(task["attempt"], 1, "a stop uses up no attempt");
    let pages: Vec<u64> = business
        .asked("orders")
        .iter()
        .map(|it| it.page())
        .collect();
    assert_eq!(pages, [5, 6, 7, 8, 9], "from the page that was missing");
}

#[tokio::test]
async fn a_callback_that_was_due_when_the_worker_died_is_told_by_the_next() {
    let business = Business::start().await;
    let mut app = sqlite()
        .allow(&business.host())
        .env("WHARF_CRASH_AT", "finish:recorded")
        .start();
    let token = {
        let project = app.project("faults", &[&business.host()]).await;
        project.token().to_owned()
    };
    let callback = business.callback_url("done");
    let body = json!({ "name": "n", "source_data": [{ "a": 1 }], "callback": callback });
    app.caller(&token).submit_export(&body).await;
    app.wait_for_end(tests::PATIENCE);
    app.restart_with(&[]);
    let told = tests::eventually("the callback", tests::PATIENCE, async || {
        business.told("done").first().cloned()
    })
    .await;
    assert_eq!(told.json()["status"], "succeeded");
}
