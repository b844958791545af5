//! `/admin/api/v1/queue`: what waits, runs, cools, and who works.

use crate::{reaching, sqlite};
use serde_json::json;
use tests::{Builder, PATIENCE, TestApp, eventually, media};

async fn the_queue_is_shown(builder: Builder) {
    let app = reaching(builder)
        .config("media = { concurrency = 1 }")
        .start();
    let (user, admin) = (app.user().await, app.admin().await);
    let shelf = media().shelf();
    let (running, _) = user.submit(&shelf.url("slow.mp4")).await;
    user.wait_for_task(&running, "it downloads", |task| {
        task["progress"]["stage"] == "downloading"
    })
    .await;
    let (waiting, _) = user.submit(&shelf.url("clip.mp4")).await;
    let queue = eventually("the worker says so", PATIENCE, async || {
        let queue = admin.get("/admin/api/v1/queue").await.ok();
        let worker = &queue["workers"][0];
        let has_looked = worker["disk_total_bytes"].as_i64() > Some(0);
        let says_so = worker["running"] == 1 && worker["is_ready"] == true;
        (has_looked && says_so).then_some(queue)
    })
    .await;
    let counts = ["queued", "waiting_for_retry", "running", "dead"].map(|name| &queue[name]);
    assert_eq!(
        counts,
        [&json!(1), &json!(0), &json!(1), &json!(0)],
        "{queue:#}"
    );
    assert_eq!(
        queue["oldest_queued_at"],
        user.task(&waiting).await.ok()["created_at"],
        "{queue:#}"
    );
    let task = &queue["running_tasks"][0];
    assert_eq!(
        (&task["task_id"], &task["owner_id"], &task["attempt"]),
        (&json!(running), &json!(user.user_id), &json!(1)),
        "{queue:#}"
    );
    assert_eq!(task["progress"]["stage"], "downloading");
    assert!(
        shelf
            .url("")
            .contains(task["site"].as_str().expect("a site"))
    );
    let worker = &queue["workers"][0];
    assert_eq!(task["worker_id"], worker["worker_id"]);
    assert_eq!(worker["concurrency"], 1);
    shelf.release();
    user.succeeded(&running).await;
    user.succeeded(&waiting).await;
    let queue = admin.get("/admin/api/v1/queue").await.ok();
    assert_eq!(
        (&queue["running_tasks"], &queue["oldest_queued_at"]),
        (&json!([]), &json!(null)),
        "{queue:#}"
    );
}

#[tokio::test]
async fn an_admin_sees_what_waits_and_what_runs_where_on_sqlite() {
    the_queue_is_shown(TestApp::sqlite()).await;
}

#[tokio::test]
async fn an_admin_sees_what_waits_and_what_runs_where_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        the_queue_is_shown(builder).await;
    }
}

#[tokio::test]
async fn a_site_that_refuses_is_seen_to_cool_and_its_task_to_wait() {
    let app = sqlite()
        .config("media = { site_cooldown_s = 300 }")
        .config("queue = { backoff_initial_ms = 600000, backoff_max_ms = 600000 }")
        .start();
    let (user, admin) = (app.user().await, app.admin().await);
    let shelf = media().shelf();
    shelf.refuse(429, 1000);
    user.submit(&shelf.url("picky.mp4")).await;
    let queue = eventually("the site cools", PATIENCE, async || {
        let queue = admin.get("/admin/api/v1/queue").await.ok();
        (queue["waiting_for_retry"] == 1).then_some(queue)
    })
    .await;
    let site = &queue["cooling_sites"][0];
    assert_eq!(
        (&site["strikes"], &site["reason"]),
        (&json!(1), &json!("rate_limited")),
        "{queue:#}"
    );
    assert_eq!(
        (&queue["queued"], &queue["oldest_queued_at"]),
        (&json!(1), &json!(null))
    );
}
